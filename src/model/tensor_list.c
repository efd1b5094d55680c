/* tensor_list.c - the table behind tensor_list.h. A row says when a tensor is
 * present and how its size follows from the shape. */
#include "model/tensor_list.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Sizes a row may name. */
enum width { ONE, EMBD, HEADS, HEADS_KV, HEAD_DIM, FF };

/* Switches a row may depend on. */
enum presence { ALWAYS, ATTENTION_BIAS, OUTPUT_BIAS, MLP_BIAS, QK_NORM };

typedef struct tensor_row {
    const char *name;
    uint8_t is_matrix, n_out, n_in, presence;
    size_t member;
} tensor_row;

#define MATRIX(field, n_out, n_in) \
    { #field, 1, n_out, n_in, ALWAYS, offsetof(aci_layer, field) }
#define VECTOR(field, n_in, presence) \
    { #field, 0, ONE, n_in, presence, offsetof(aci_layer, field) }

static const tensor_row layer_rows[] = {
    VECTOR(attn_norm, EMBD, ALWAYS),
    MATRIX(q, HEADS, EMBD),
    MATRIX(k, HEADS_KV, EMBD),
    MATRIX(v, HEADS_KV, EMBD),
    MATRIX(o, EMBD, HEADS),
    VECTOR(q_bias, HEADS, ATTENTION_BIAS),
    VECTOR(k_bias, HEADS_KV, ATTENTION_BIAS),
    VECTOR(v_bias, HEADS_KV, ATTENTION_BIAS),
    VECTOR(o_bias, EMBD, OUTPUT_BIAS),
    VECTOR(q_norm, HEAD_DIM, QK_NORM),
    VECTOR(k_norm, HEAD_DIM, QK_NORM),
    VECTOR(ffn_norm, EMBD, ALWAYS),
    MATRIX(gate, FF, EMBD),
    MATRIX(up, FF, EMBD),
    MATRIX(down, EMBD, FF),
    VECTOR(gate_bias, FF, MLP_BIAS),
    VECTOR(up_bias, FF, MLP_BIAS),
    VECTOR(down_bias, EMBD, MLP_BIAS),
};

enum { N_LAYER_ROWS = sizeof layer_rows / sizeof layer_rows[0] };

static int32_t width_of(const aci_shape *shape, uint8_t width)
{
    switch (width) {
    case EMBD:
        return shape->n_embd;
    case HEADS:
        return shape->n_head * shape->head_dim;
    case HEADS_KV:
        return shape->n_head_kv * shape->head_dim;
    case HEAD_DIM:
        return shape->head_dim;
    case FF:
        return shape->n_ff;
    default:
        return 1;
    }
}

static int is_present(const aci_shape *shape, uint8_t presence)
{
    switch (presence) {
    case ATTENTION_BIAS:
        return shape->attention_bias != 0;
    case OUTPUT_BIAS:
        return shape->output_bias != 0;
    case MLP_BIAS:
        return shape->mlp_bias != 0;
    case QK_NORM:
        return shape->qk_norm != 0;
    default:
        return 1;
    }
}

static size_t count_per_layer(const aci_shape *shape)
{
    size_t n = 0;

    for (size_t i = 0; i < N_LAYER_ROWS; i++)
        n += is_present(shape, layer_rows[i].presence) ? 1u : 0u;
    return n;
}

size_t aci_model_tensor_count(const aci_shape *shape)
{
    return 2 + (size_t)shape->n_layer * count_per_layer(shape) +
           (shape->tied_embeddings ? 0u : 1u);
}

static void fill_outer(aci_tensor *out, const char *name, int is_matrix,
                       int32_t n_out, int32_t n_in, size_t member)
{
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", name);
    out->layer = -1;
    out->is_matrix = is_matrix;
    out->n_out = n_out;
    out->n_in = n_in;
    out->member = member;
}

static void fill_layer(aci_tensor *out, const aci_shape *shape, int32_t layer,
                       size_t nth)
{
    size_t i = 0;

    for (;; i++) {
        if (!is_present(shape, layer_rows[i].presence))
            continue;
        if (nth-- == 0)
            break;
    }
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%d.%s", (int)layer,
             layer_rows[i].name);
    out->layer = layer;
    out->is_matrix = layer_rows[i].is_matrix;
    out->n_out = width_of(shape, layer_rows[i].n_out);
    out->n_in = width_of(shape, layer_rows[i].n_in);
    out->member = layer_rows[i].member;
}

void aci_model_tensor_at(aci_tensor *out, const aci_shape *shape, size_t i)
{
    size_t per_layer = count_per_layer(shape);
    size_t n_inside = (size_t)shape->n_layer * per_layer;

    if (i == 0)
        fill_outer(out, "embed", 1, shape->n_vocab, shape->n_embd,
                   offsetof(aci_model, embed));
    else if (i <= n_inside)
        fill_layer(out, shape, (int32_t)((i - 1) / per_layer),
                   (i - 1) % per_layer);
    else if (i == n_inside + 1)
        fill_outer(out, "final_norm", 0, 1, shape->n_embd,
                   offsetof(aci_model, final_norm));
    else
        fill_outer(out, "head", 1, shape->n_vocab, shape->n_embd,
                   offsetof(aci_model, head));
}

static char *member_of(aci_model *model, const aci_tensor *tensor)
{
    char *owner = tensor->layer < 0
                      ? (char *)model
                      : (char *)&model->layers[tensor->layer];

    return owner + tensor->member;
}

aci_matrix *aci_model_tensor_matrix(aci_model *model, const aci_tensor *tensor)
{
    return (aci_matrix *)(void *)member_of(model, tensor);
}

const float **aci_model_tensor_vector(aci_model *model,
                                      const aci_tensor *tensor)
{
    return (const float **)(void *)member_of(model, tensor);
}
