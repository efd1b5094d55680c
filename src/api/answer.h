/* answer.h - the answer being written: tokens become text, stop strings are
 * cut, whole characters go to the caller as they come. */
#ifndef ACI_API_ANSWER_H
#define ACI_API_ANSWER_H

#include "flow.h"
#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

typedef struct aci_answer aci_answer;

/* The tokenizer must outlive it. */
ac_status aci_api_answer_create(aci_answer **out, aci_memory *memory,
                                const aci_tokenizer *tokenizer,
                                uint32_t n_context, ac_error *error);
void aci_api_answer_free(aci_answer *answer);

/* Starts empty. `options` must outlive the answer's writing. */
ac_status aci_api_answer_begin(aci_answer *answer,
                               const ac_generate_options *options,
                               ac_error *error);

/* Adds one token. Returns 0 to go on, or the AC_STOP_* it ended with. */
uint32_t aci_api_answer_add(aci_answer *answer, int32_t token, float logprob,
                            const ac_logprob *top, uint32_t n_top);

/* Sends what was held back. AC_E_NO_MEMORY when text was lost on the way. */
ac_status aci_api_answer_end(aci_answer *answer, ac_error *error);

/* Fills text, log-probabilities and counts of `out`; all lent. */
void aci_api_answer_lend(ac_result *out, const aci_answer *answer);

#endif
