/* small_model.h - a model that is only its numbers: three variants, no
 * weights, for tests of what requests cost. */
#ifndef TESTS_ACCOUNTANT_SMALL_MODEL_H
#define TESTS_ACCOUNTANT_SMALL_MODEL_H

#include "accountant/accountant.h"

enum { SMALL_FULL = 0, SMALL_INT8 = 1, SMALL_INT4 = 2 };

/* full, int8, int4; int4 has measured ratios (decode 0.4, prefill 0.8). */
aci_model small_model(void);

/* A decision for `variant` with every field set. */
ac_decision small_decision(const aci_model *model, uint32_t variant);

/* Tokens and times of a request on `variant`: 100 prompt tokens in 2 s, 21
 * generated in 4 s, routed in 0.1 ms. */
ac_usage small_usage(uint32_t variant);

/* A path under a fresh folder of this test's own; removed by small_remove. */
const char *small_path(const char *name);
void small_remove(void);

#endif
