/* flow.h - the few structs that travel from stage to stage.
 *
 *     prompt -> tokens -> decision -> logits -> usage -> ledger
 *
 * Decision and usage are the public ac_decision and ac_usage themselves: what
 * the caller sees is what the stages pass on. */
#ifndef ACI_FLOW_H
#define ACI_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"

/* A list of token ids; whoever fills it owns `ids`. */
typedef struct aci_tokens {
    int32_t *ids; /* [n] */
    size_t n;
    size_t capacity;
} aci_tokens;

/* Next-token logits of one position, lent by the session. */
typedef struct aci_logits {
    const float *values; /* [n_vocab] */
    int32_t n_vocab;
} aci_logits;

#endif
