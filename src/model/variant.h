/* variant.h - one way of running the zoo's model, and its measured worth. */
#ifndef ACI_MODEL_VARIANT_H
#define ACI_MODEL_VARIANT_H

#include <stdint.h>

#include "model/shape.h"

typedef struct aci_variant {
    char name[32];
    int32_t weight_bits;       /* of the blocks: 4, 8, 16; 32 checkpoint */
    int32_t activation_bits;   /* 8 or 16; 32 checkpoint */
    int32_t head_bits;         /* of output head: 4, 8, 16, 32 */
    int32_t embed_bits;        /* of the embedding rows read */
    /* Measured, from the card; NaN where not. */
    double decode_ratio;       /* decode seconds / full's */
    double prefill_ratio;
    double kl_divergence, perplexity, success_rate;
} aci_variant;

/* What one token costs on a variant, analytic (docs/costs.md). */
typedef struct aci_token_cost {
    uint64_t macs;             /* multiply-accumulates */
    uint64_t bit_operations;   /* macs x weight bits x activation bits */
    uint64_t bytes;            /* weights and KV read when decoding */
} aci_token_cost;

/* For a token at `position` (attention reads position + 1 entries), with or
 * without the output head, KV at kv_bits, weights in groups of `group`. */
void aci_model_token_cost(aci_token_cost *out, const aci_shape *shape,
                          const aci_variant *variant, int32_t group,
                          int32_t kv_bits, int64_t position, int with_head);

#endif
