/* float_model.h - a model, or a compressed form of it, as float32 arrays in
 * memory: what compression hands to training and gets back.
 *
 * A layer may keep fewer key-value heads (and the query heads of each) and
 * fewer neurons than the shape says, or skip its attention or feed-forward; a
 * matrix may be a product U V; q, k, v (gate, up) may share one V. A bias is
 * there when its array is, whatever the shape says. What is kept of heads and
 * neurons is the first of each kind, as in a variant's plan: n_head_kv and n_ff
 * of a layer are those of its aci_kept.
 *
 * Arrays made by the functions below belong to the model and go with it; any
 * other the caller may put in its place and keeps. */
#ifndef ACI_WORKSHOP_FLOAT_MODEL_H
#define ACI_WORKSHOP_FLOAT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/checkpoint.h"
#include "model/shape.h"
#include "model/variant.h"
#include "platform/memory.h"

/* Matrices of a layer; 1 << them are the bits of a set. */
enum aci_layer_matrix {
    ACI_MATRIX_Q, ACI_MATRIX_K, ACI_MATRIX_V, ACI_MATRIX_O,
    ACI_MATRIX_GATE, ACI_MATRIX_UP, ACI_MATRIX_DOWN,
    ACI_N_MATRICES
};

/* W [n_out, n_in]; or W = U V with U = left, V = right. `right` NULL with a
 * left: V is q's (of k, v) or gate's (of up), and so is the rank. */
typedef struct aci_float_matrix {
    float *dense;          /* NULL: factors */
    float *left, *right;   /* [n_out, rank], [rank, n_in] */
    int32_t rank;          /* 0: dense */
} aci_float_matrix;

typedef struct aci_float_layer {
    int32_t n_head_kv;     /* 0: the attention is skipped */
    int32_t n_ff;          /* 0: the feed-forward is skipped */
    aci_float_matrix matrices[ACI_N_MATRICES];
    float *biases[ACI_N_MATRICES];   /* [n_out]; NULL: none */
    float *attn_norm, *ffn_norm;     /* [n_embd] */
    float *q_norm, *k_norm;          /* [head_dim]; NULL: none */
} aci_float_layer;

typedef struct aci_float_model {
    aci_memory *memory;
    aci_shape shape;       /* of the model before anything was left out */
    aci_float_layer *layers;      /* [n_layer] */
    float *embed;          /* [n_vocab, n_embd] */
    float *final_norm;     /* [n_embd] */
    float *head;           /* [n_vocab, n_embd]; NULL when tied */
    struct aci_float_block *blocks; /* what it owns */
} aci_float_model;

/* No arrays yet; every layer whole. `close` also after a failure. */
ac_status aci_workshop_floats_open(aci_float_model *out, aci_memory *memory,
                                   const aci_shape *shape, ac_error *error);
void aci_workshop_floats_close(aci_float_model *model);

/* n zeros that belong to the model; NULL: no memory. */
float *aci_workshop_floats_array(aci_float_model *model, size_t n);

/* All of a checkpoint. AC_E_NUMERIC names a tensor that is not finite. */
ac_status aci_workshop_floats_read(aci_float_model *out, aci_memory *memory,
                                   const aci_checkpoint *checkpoint,
                                   ac_error *error);

/* One layer of it and the final norm, nothing else. */
ac_status aci_workshop_floats_read_layer(aci_float_model *out,
                                         aci_memory *memory,
                                         const aci_checkpoint *checkpoint,
                                         int32_t layer, ac_error *error);

/* A copy with arrays of its own of what a variant's plan keeps, kept[n_layer];
 * NULL keeps all. */
ac_status aci_workshop_floats_cut(aci_float_model *out,
                                  const aci_float_model *from,
                                  const aci_kept *kept, ac_error *error);

/* Heads and neurons within the shape, every array that must be there is, no
 * factor without its other, no bias of a skipped block: AC_E_ARGUMENT. */
ac_status aci_workshop_floats_check(const aci_float_model *model,
                                    ac_error *error);

/* Rows and columns of a layer's matrix. */
void aci_workshop_floats_size(int64_t *n_out, int64_t *n_in,
                              const aci_float_model *model, int32_t layer,
                              int32_t matrix);

/* One array of a model, under the name the network gives it: "embed", "0.q",
 * "0.q.left", "3.down_bias". */
typedef struct aci_float_array {
    char name[48];
    float **place;
    int64_t n_rows, n_columns;
    int32_t layer;         /* -1 outside the layers */
    int32_t matrix;        /* aci_layer_matrix it belongs to, or -1 */
} aci_float_array;

/* The i-th of all that could be; *place is NULL where it is not. False when
 * there are no more. */
bool aci_workshop_floats_at(aci_float_array *out, aci_float_model *model,
                            size_t i);

#endif
