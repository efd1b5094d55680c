/* random.h - xoshiro256** (Blackman, Vigna 2018), seeded by SplitMix64: the
 * same seed gives the same numbers everywhere. */
#ifndef ACI_PLATFORM_RANDOM_H
#define ACI_PLATFORM_RANDOM_H

#include <stdint.h>

typedef struct aci_random {
    uint64_t state[4];
} aci_random;

void aci_platform_random_seed(aci_random *random, uint64_t seed);
uint64_t aci_platform_random_next(aci_random *random);
/* In [0, 1), 53 bits. */
double aci_platform_random_unit(aci_random *random);
/* In [0, n); n > 0; without modulo bias. */
uint64_t aci_platform_random_below(aci_random *random, uint64_t n);
/* Standard normal. */
double aci_platform_random_normal(aci_random *random);

#endif
