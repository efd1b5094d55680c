/* variant.h - one way of running the zoo's model, and its measured worth.
 *
 * A structural variant keeps less than everything: its plan says how much of
 * each layer. What is kept is always the first of each kind, because whoever
 * makes the zoo sorts every layer by importance before it is stored: groups of
 * heads (rows of q, k, v with their biases, columns of o) and neurons (rows of
 * gate and up with their biases, columns of down). So a plan is two numbers a
 * layer, and cutting a matrix is looking at less of it (kernels/matrix.h).
 * Tensors that differ from the store's are in extras.acw (extras.h). */
#ifndef ACI_MODEL_VARIANT_H
#define ACI_MODEL_VARIANT_H

#include <stdint.h>

#include "model/shape.h"

/* How much of one layer is kept. A skipped block has no bias either: its mean
 * belongs into the bias of the block before. */
typedef struct aci_kept {
    int32_t n_head_kv;         /* key-value heads, and the heads of each;
                                  0: the attention is skipped */
    int32_t n_ff;              /* neurons, all or a multiple of 64;
                                  0: the feed-forward is skipped */
} aci_kept;

enum { ACI_KEPT_NEURONS = 64 };

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
    aci_kept *kept;            /* [n_kept], the card's; NULL: everything */
    int32_t n_kept;            /* n_layer, or 0 */
} aci_variant;

/* What one token costs on a variant, analytic (docs/costs.md). */
typedef struct aci_token_cost {
    uint64_t macs;             /* multiply-accumulates */
    uint64_t bit_operations;   /* macs x weight bits x activation bits */
    uint64_t bytes;            /* weights and KV read when decoding */
} aci_token_cost;

#endif
