/* variant_layer.h - a layer as one variant runs it: the store's tensors cut to
 * the plan, or what the variant owns instead. */
#ifndef ACI_MODEL_VARIANT_LAYER_H
#define ACI_MODEL_VARIANT_LAYER_H

#include "model/extras.h"
#include "model/model.h"

/* W, or U V with U V x = U (V x). */
typedef struct aci_weight {
    aci_matrix outer;          /* W, or U [n_out, rank] */
    aci_matrix inner;          /* V [rank, n_in] */
    int32_t rank;              /* 0: outer is W */
    int32_t is_shared;         /* V is q's (of k, v) or gate's (of up) */
    int32_t outer_bits, inner_bits;
    int32_t activation_bits;   /* of both products */
} aci_weight;

typedef struct aci_variant_layer {
    int32_t n_head, n_head_kv; /* 0: the attention is skipped */
    int32_t n_ff;              /* 0: the feed-forward is skipped */
    aci_weight q, k, v, o, gate, up, down;
    const float *attn_norm, *ffn_norm, *q_norm, *k_norm;
    const float *q_bias, *k_bias, *v_bias, *o_bias;
    const float *gate_bias, *up_bias, *down_bias;
} aci_variant_layer;

/* `base` is the layer and `owned` the list of aci_model_extras_all, the
 * model's own or copies whose matrices and vectors were placed on a device.
 * Of a skipped block nothing is set. */
void aci_model_variant_layer(aci_variant_layer *out, const aci_model *model,
                             int32_t variant, int32_t layer,
                             const aci_layer *base, const aci_owned *owned);

/* The output head and the norm before it, likewise. */
void aci_model_variant_head(aci_weight *head, const float **final_norm,
                            const aci_model *model, int32_t variant,
                            const aci_matrix *base_head,
                            const float *base_norm, const aci_owned *owned);

#endif
