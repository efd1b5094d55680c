/* sampler.h - from logits to a token.
 *
 * Order: logit bias, penalties over the last tokens, then greedy, or:
 * temperature, top-k, min-p, top-p (nucleus, Holtzman et al. 2019) and a draw.
 * One random number per kept token, so that the same seed gives the same text
 * with and without speculation.
 *
 * Tokens are tried best first, so the peaks of a row, which the device finds,
 * are nearly always all that is read of it. The whole row is brought where
 * they do not reach, and for bias and penalties, which change the order. */
#ifndef ACI_ENGINE_SAMPLER_H
#define ACI_ENGINE_SAMPLER_H

#include "flow.h"
#include "kernels/peaks.h"
#include "platform/memory.h"
#include "platform/random.h"

enum { ACI_MAX_LOGPROBS = 20 };

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

/* One row of logits, of n_vocab. */
typedef struct aci_row {
    const aci_peaks *peaks; /* as many, and at the scale, as asked for below */
    /* *logits = the whole of it on the host, good until the next call. */
    ac_status (*whole)(void *user, const float **logits, ac_error *error);
    void *user;
} aci_row;

/* What the peaks' mass has to be taken at: 1 / temperature, or 0. */
float aci_engine_scale(const ac_generate_options *options);

/* How many peaks are wanted: few for a greedy choice. */
int32_t aci_engine_n_best(const ac_generate_options *options);

/* `history` is the conversation so far. AC_E_NUMERIC when a logit is NaN or
 * all are minus infinity; or what `whole` failed with. */
ac_status aci_engine_sample(aci_sample *out, aci_sampler *sampler,
                            const aci_row *row,
                            const ac_generate_options *options,
                            const int32_t *history, size_t n_history,
                            ac_error *error);

/* Natural-log probability of `token`, in double precision. */
double aci_engine_logprob(const float *logits, int32_t n_vocab,
                          int32_t token);

#endif
