/* sampler.h - from logits to a token.
 *
 * Order: logit bias, penalties over the last tokens, then greedy, or:
 * temperature, top-k, min-p, top-p (nucleus, Holtzman et al. 2019) and a draw.
 * One random number per kept token, so that the same seed gives the same text
 * with and without speculation. */
#ifndef ACI_ENGINE_SAMPLER_H
#define ACI_ENGINE_SAMPLER_H

#include "flow.h"
#include "platform/memory.h"
#include "platform/random.h"

enum { ACI_MAX_LOGPROBS = 20 };

typedef struct aci_choice {
    float logit;
    int32_t token;
} aci_choice;

typedef struct aci_sampler {
    aci_memory *memory;
    int32_t n_vocab;
    float *adjusted;        /* [n_vocab] after bias and penalties */
    aci_choice *heap;       /* [n_vocab] */
    uint16_t *counts;       /* [n_vocab] of the penalty window; else zero */
    aci_random random;
} aci_sampler;

typedef struct aci_sample {
    int32_t token;
    float logprob;          /* under the model, before any adjustment */
    uint32_t n_top;
    ac_logprob top[ACI_MAX_LOGPROBS];
} aci_sample;

ac_status aci_engine_sampler_open(aci_sampler *sampler, aci_memory *memory,
                                  int32_t n_vocab, ac_error *error);
void aci_engine_sampler_close(aci_sampler *sampler);
void aci_engine_sampler_seed(aci_sampler *sampler, uint64_t seed);

/* `history` is the conversation so far. AC_E_NUMERIC when a logit is NaN or
 * all are minus infinity. */
ac_status aci_engine_sample(aci_sample *out, aci_sampler *sampler,
                            const float *logits,
                            const ac_generate_options *options,
                            const int32_t *history, size_t n_history,
                            ac_error *error);

/* The largest logit's token; ties go to the lower id, so that greedy decoding
 * is well defined. */
int32_t aci_engine_argmax(const float *logits, int32_t n_vocab);

/* Natural-log probability of `token`, in double precision. */
double aci_engine_logprob(const float *logits, int32_t n_vocab,
                          int32_t token);

#endif
