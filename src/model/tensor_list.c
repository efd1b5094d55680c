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

/* In the order of ACI_ROW_*. */

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

_Static_assert((int)N_LAYER_ROWS == (int)ACI_N_LAYER_ROWS, "one row each");

static int32_t width_of(const aci_shape *shape, const aci_kept *kept,
                        uint8_t width)
{
    int32_t n_head_kv = kept != NULL ? kept->n_head_kv : shape->n_head_kv;

    switch (width) {
    case EMBD:
        return shape->n_embd;
    case HEADS:
        return n_head_kv * (shape->n_head / shape->n_head_kv) *
               shape->head_dim;
    case HEADS_KV:
        return n_head_kv * shape->head_dim;
    case HEAD_DIM:
        return shape->head_dim;
    case FF:
        return kept != NULL ? kept->n_ff : shape->n_ff;
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

static const char *const outer_names[] = { "embed", "final_norm", "head" };
static const size_t outer_members[] = { offsetof(aci_model, embed),
                                        offsetof(aci_model, final_norm),
                                        offsetof(aci_model, head) };

static void fill_outer(aci_tensor *out, const aci_shape *shape, int32_t row)
{
    int32_t i = row - ACI_ROW_EMBED;

    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", outer_names[i]);
    out->layer = -1;
    out->row = row;
    out->is_matrix = row != ACI_ROW_FINAL_NORM;
    out->n_out = out->is_matrix ? shape->n_vocab : 1;
    out->n_in = shape->n_embd;
    out->member = outer_members[i];
}

static void fill_layer(aci_tensor *out, const aci_shape *shape, int32_t layer,
                       int32_t row)
{
    const tensor_row *from = &layer_rows[row];

    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%d.%s", (int)layer, from->name);
    out->layer = layer;
    out->row = row;
    out->is_matrix = from->is_matrix;
    out->n_out = width_of(shape, NULL, from->n_out);
    out->n_in = width_of(shape, NULL, from->n_in);
    out->member = from->member;
}

/* The row of the nth tensor that a layer of this shape has. */
static int32_t nth_row(const aci_shape *shape, size_t nth)
{
    for (int32_t row = 0;; row++)
        if (is_present(shape, layer_rows[row].presence) && nth-- == 0)
            return row;
}

void aci_model_tensor_at(aci_tensor *out, const aci_shape *shape, size_t i)
{
    size_t per_layer = count_per_layer(shape);
    size_t n_inside = (size_t)shape->n_layer * per_layer;

    if (i == 0)
        fill_outer(out, shape, ACI_ROW_EMBED);
    else if (i <= n_inside)
        fill_layer(out, shape, (int32_t)((i - 1) / per_layer),
                   nth_row(shape, (i - 1) % per_layer));
    else if (i == n_inside + 1)
        fill_outer(out, shape, ACI_ROW_FINAL_NORM);
    else
        fill_outer(out, shape, ACI_ROW_HEAD);
}

void aci_model_tensor_row(aci_tensor *out, const aci_shape *shape,
                          int32_t layer, int32_t row)
{
    if (layer < 0)
        fill_outer(out, shape, row);
    else
        fill_layer(out, shape, layer, row);
}

int aci_model_tensor_present(const aci_shape *shape, const aci_tensor *tensor)
{
    if (tensor->layer < 0)
        return tensor->row != ACI_ROW_HEAD || !shape->tied_embeddings;
    return is_present(shape, layer_rows[tensor->row].presence);
}

/* "12" in front of the dot; -1 for anything else. */
static int32_t layer_number(const char *name, const char *dot)
{
    int32_t n = 0;

    if (dot == name || dot - name > 4 || (name[0] == '0' && dot - name > 1))
        return -1;
    for (; name < dot; name++) {
        if (*name < '0' || *name > '9')
            return -1;
        n = 10 * n + (*name - '0');
    }
    return n;
}

int aci_model_tensor_named(aci_tensor *out, const aci_shape *shape,
                           const char *name)
{
    const char *dot = strchr(name, '.');
    int32_t layer = dot != NULL ? layer_number(name, dot) : -1;

    for (int32_t row = ACI_ROW_EMBED; dot == NULL && row < ACI_N_ROWS; row++)
        if (strcmp(outer_names[row - ACI_ROW_EMBED], name) == 0) {
            fill_outer(out, shape, row);
            return 1;
        }
    if (layer < 0 || layer >= shape->n_layer)
        return 0;
    for (int32_t row = 0; row < ACI_N_LAYER_ROWS; row++)
        if (strcmp(layer_rows[row].name, dot + 1) == 0) {
            fill_layer(out, shape, layer, row);
            return 1;
        }
    return 0;
}

void aci_model_tensor_cut(aci_tensor *tensor, const aci_shape *shape,
                          const aci_kept *kept)
{
    const tensor_row *row;
    int32_t left;

    if (kept == NULL || tensor->layer < 0)
        return;
    row = &layer_rows[tensor->row];
    left = tensor->row < ACI_ROW_FFN_NORM ? kept->n_head_kv : kept->n_ff;
    tensor->n_out = left > 0 ? width_of(shape, kept, row->n_out) : 0;
    tensor->n_in = left > 0 ? width_of(shape, kept, row->n_in) : 0;
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
