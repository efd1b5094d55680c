/* owning_zoo.h - a small zoo whose variants own some of their tensors: factors
 * of low rank, shared and not, a whole matrix, norms and biases. */
#ifndef TESTS_MODEL_OWNING_ZOO_H
#define TESTS_MODEL_OWNING_ZOO_H

#include "model/structural_zoo.h"

/* What they own, as it was packed: U of q, k, v with one V, and so on. */
typedef struct owning_factors {
    aci_packed qu, ku, vu, qkv, ou, ov, gu, upu, gv, down, hu, hv;
} owning_factors;

extern owning_factors owning;

void owning_pack(void);
void owning_free(void);

/* A structural zoo (structural_zoo.h) with variants l16, l8, l4 behind full,
 * int8 and int4, which own what was packed; layer 2 keeps 192 neurons. */
void owning_zoo(aci_zoo_card *card, const char *path);

#endif
