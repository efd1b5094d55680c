/* variant_layer.c - see variant_layer.h. */
#include "model/variant_layer.h"

#include <string.h>

#include "model/tensor_list.h"

/* Whose layer is being put together. */
typedef struct setting {
    const aci_model *model;
    const aci_variant *variant;
    const aci_owned *owned;
    int32_t number, layer;
} setting;

static const aci_owned *find(const setting *s, int32_t row)
{
    int32_t i = aci_model_extras_find(s->model->extras, s->number, s->layer,
                                      row);

    return i >= 0 ? &s->owned[i] : NULL;
}

static aci_weight weight(const setting *s, const aci_matrix *base,
                         int32_t row, int32_t n_out, int32_t n_in,
                         int32_t bits)
{
    const aci_owned *own = find(s, row);
    aci_weight w;

    memset(&w, 0, sizeof w);
    /* Weights of 16 bits deserve such activations, and the products of one
     * input share them. */
    w.activation_bits = bits == 16 ? 16 : s->variant->activation_bits;
    w.outer_bits = bits;
    if (own == NULL) {
        w.outer = base->dense != NULL ? *base
                                      : aci_matrix_cut(base, n_out, n_in);
        return w;
    }
    w.outer = own->matrix;
    w.outer_bits = own->bits;
    w.rank = own->rank;
    if (own->rank > 0) {
        w.inner = own->inner;
        w.inner_bits = own->inner_bits;
        w.is_shared = own->kind == ACI_OWNED_SHARED;
    }
    return w;
}

static const float *vector(const setting *s, const float *base, int32_t row)
{
    const aci_owned *own = find(s, row);

    return own != NULL ? own->vector : base;
}

static void fill_attention(aci_variant_layer *out, const setting *s,
                           const aci_layer *base)
{
    const aci_shape *shape = &s->model->shape;
    int32_t bits = s->variant->weight_bits, embd = shape->n_embd;
    int32_t q = out->n_head * shape->head_dim;
    int32_t kv = out->n_head_kv * shape->head_dim;

    out->q = weight(s, &base->q, ACI_ROW_Q, q, embd, bits);
    out->k = weight(s, &base->k, ACI_ROW_K, kv, embd, bits);
    out->v = weight(s, &base->v, ACI_ROW_V, kv, embd, bits);
    out->o = weight(s, &base->o, ACI_ROW_O, embd, q, bits);
    out->attn_norm = vector(s, base->attn_norm, ACI_ROW_ATTN_NORM);
    out->q_norm = vector(s, base->q_norm, ACI_ROW_Q_NORM);
    out->k_norm = vector(s, base->k_norm, ACI_ROW_K_NORM);
    out->q_bias = vector(s, base->q_bias, ACI_ROW_Q_BIAS);
    out->k_bias = vector(s, base->k_bias, ACI_ROW_K_BIAS);
    out->v_bias = vector(s, base->v_bias, ACI_ROW_V_BIAS);
    out->o_bias = vector(s, base->o_bias, ACI_ROW_O_BIAS);
}

static void fill_feed_forward(aci_variant_layer *out, const setting *s,
                              const aci_layer *base)
{
    int32_t bits = s->variant->weight_bits, ff = out->n_ff;
    int32_t embd = s->model->shape.n_embd;

    out->gate = weight(s, &base->gate, ACI_ROW_GATE, ff, embd, bits);
    out->up = weight(s, &base->up, ACI_ROW_UP, ff, embd, bits);
    out->down = weight(s, &base->down, ACI_ROW_DOWN, embd, ff, bits);
    out->ffn_norm = vector(s, base->ffn_norm, ACI_ROW_FFN_NORM);
    out->gate_bias = vector(s, base->gate_bias, ACI_ROW_GATE_BIAS);
    out->up_bias = vector(s, base->up_bias, ACI_ROW_UP_BIAS);
    out->down_bias = vector(s, base->down_bias, ACI_ROW_DOWN_BIAS);
}

void aci_model_variant_layer(aci_variant_layer *out, const aci_model *model,
                             int32_t variant, int32_t layer,
                             const aci_layer *base, const aci_owned *owned)
{
    const aci_shape *shape = &model->shape;
    setting s = { model, &model->variants[variant], owned, variant, layer };
    aci_kept all = { shape->n_head_kv, shape->n_ff }, kept = all;

    if (s.variant->kept != NULL)
        kept = s.variant->kept[layer];
    memset(out, 0, sizeof *out);
    out->n_head_kv = kept.n_head_kv;
    out->n_head = kept.n_head_kv * (shape->n_head / shape->n_head_kv);
    out->n_ff = kept.n_ff;
    if (out->n_head > 0)
        fill_attention(out, &s, base);
    if (out->n_ff > 0)
        fill_feed_forward(out, &s, base);
}

void aci_model_variant_head(aci_weight *head, const float **final_norm,
                            const aci_model *model, int32_t variant,
                            const aci_matrix *base_head,
                            const float *base_norm, const aci_owned *owned)
{
    setting s = { model, &model->variants[variant], owned, variant, -1 };

    *head = weight(&s, base_head, ACI_ROW_HEAD, base_head->n_out,
                   base_head->n_in, s.variant->head_bits);
    *final_norm = vector(&s, base_norm, ACI_ROW_FINAL_NORM);
}
