/* arithmetic.h - the few functions routing needs, the same bits everywhere.
 *
 * The C library's exp differs between versions and processors in its last
 * bit, and a decision must replay to the bit on any machine. So: only +, -,
 * *, / and sqrt (which IEEE 754 rounds exactly), in a fixed order, without
 * fused multiply-add (-ffp-contract=off). Nothing here is fast for its own
 * sake; a decision calls exp a few hundred times. */
#ifndef ACI_ROUTER_ARITHMETIC_H
#define ACI_ROUTER_ARITHMETIC_H

#include <stdint.h>
#include <string.h>

/* e^x for float, within 2 units in the last place; x is held to [-87, 88],
 * NaN counts as -87.
 * x = n ln2 + r with |r| <= ln2 / 2, e^r by its series, 2^n by its bits. */
static inline float aci_router_exp(float x)
{
    float held = !(x > -87.0f) ? -87.0f : (x > 88.0f ? 88.0f : x);
    float scaled = held * 1.44269504f;
    int32_t n = (int32_t)(scaled + (scaled < 0.0f ? -0.5f : 0.5f));
    float r = (held - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    float series = 1.0f / 5040.0f;
    uint32_t bits;
    float power;

    series = series * r + 1.0f / 720.0f;
    series = series * r + 1.0f / 120.0f;
    series = series * r + 1.0f / 24.0f;
    series = series * r + 1.0f / 6.0f;
    series = series * r + 0.5f;
    series = series * r + 1.0f;
    series = series * r + 1.0f;
    bits = (uint32_t)(n + 127) << 23;
    if (n > 127) { /* 2^128 has no float: take one doubling apart */
        bits = (uint32_t)254 << 23;
        series *= 2.0f;
    }
    memcpy(&power, &bits, sizeof power);
    return series * power;
}

static inline float aci_router_sigmoid(float x)
{
    return 1.0f / (1.0f + aci_router_exp(-x));
}

/* log2 by straight lines between powers of two: exact at each, at most 0.09
 * low between. A feature needs no more, and integers make it exact. */
static inline float aci_router_log2(uint64_t n)
{
    int32_t exponent = 63;
    float fraction;

    if (n < 2)
        return 0.0f;
    while (!(n >> exponent))
        exponent--;
    fraction = (float)(n << (63 - exponent) << 1 >> 41) * 0x1p-23f;
    return (float)exponent + fraction;
}

/* The finisher of MurmurHash3 (A. Appleby): every input bit moves every
 * output bit. */
static inline uint64_t aci_router_mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xFF51AFD7ED558CCDu;
    x ^= x >> 33;
    x *= 0xC4CEB9FE1A85EC53u;
    return x ^ (x >> 33);
}

#endif
