/* random.c - xoshiro256** and what is made from it.
 *
 * The same seed gives the same numbers on every machine, the normal ones too:
 * they use only + - * / and sqrt, which IEEE 754 fixes to the last bit, and a
 * logarithm of our own, because libm's differs between processors. */
#include "platform/random.h"

#include <math.h>

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

void aci_platform_random_seed(aci_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* SplitMix64 */
        uint64_t z = (seed += 0x9E3779B97F4A7C15u);

        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        random->state[i] = z ^ (z >> 31);
    }
}

uint64_t aci_platform_random_next(aci_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double aci_platform_random_unit(aci_random *random)
{
    return (double)(aci_platform_random_next(random) >> 11) * 0x1p-53;
}

uint64_t aci_platform_random_below(aci_random *random, uint64_t n)
{
    /* 2^64 mod n numbers at the bottom would favour some remainders. */
    uint64_t floor = (0 - n) % n;
    uint64_t x;

    do
        x = aci_platform_random_next(random);
    while (x < floor);
    return x % n;
}

/* ln x for x in (0, 1): x = m 2^e with m in [sqrt(1/2), sqrt(2)), and
 * ln m = 2 atanh((m-1)/(m+1)), whose argument is under 0.172: eleven terms
 * leave less than 1e-17. */
static double natural_logarithm(double x)
{
    int exponent;
    double m = frexp(x, &exponent);
    double z, square, sum = 0;

    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    z = (m - 1) / (m + 1);
    square = z * z;
    for (int k = 21; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return 2 * z * sum + exponent * 0.69314718055994531;
}

/* Marsaglia's polar method; the second number is thrown away so that the
 * state is nothing but the generator's. */
double aci_platform_random_normal(aci_random *random)
{
    double u, v, s;

    do {
        u = 2 * aci_platform_random_unit(random) - 1;
        v = 2 * aci_platform_random_unit(random) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    return u * sqrt(-2 * natural_logarithm(s) / s);
}
