/* network_internal.h - what the files of the network share.
 *
 *     network.c             making one: options, activations
 *     network_plan.c        what each layer consists of
 *     network_parameters.c  parameters: list, memory, use
 *     network_load.c        starting values
 *     network_exchange.c    values from and to models in memory
 *     network_batch.c       checking a batch, moving it to the device
 *     network_projection.c  dense, low-rank and LoRA products
 *     network_layer.c       one layer, forward and backward
 *     network_step.c        the whole pass, head and losses
 *     network_run_layer.c   one layer by itself
 *     network_update.c      norms of gradients, AdamW
 *     network_operations.c  how much arithmetic a batch is */
#ifndef ACI_WORKSHOP_TRAIN_NETWORK_INTERNAL_H
#define ACI_WORKSHOP_TRAIN_NETWORK_INTERNAL_H

#include "kernels/training.h"
#include "model/tensor_list.h"
#include "workshop/train/network.h"

/* A parameter where it is used; gradient NULL: frozen. value NULL: absent. */
typedef struct aci_weights {
    aci_real *value, *gradient;
} aci_weights;

/* One matrix. A LoRA's a and b, or factors: left right = b a, instead of
 * `dense`. */
typedef struct aci_projection_part {
    aci_weights dense;      /* [n_out, n_in] */
    aci_weights a, b;       /* [rank, n_in], [n_out, rank] */
    aci_weights bias;       /* [n_out] */
    int32_t n_out, column;  /* where in the projection's output */
    int32_t rank;           /* 0: no a and b */
    bool shares;            /* a is that of part 0 */
    aci_real scale;         /* of b a */
} aci_projection_part;

/* Matrices that read the same input, their outputs side by side. `fused`: all
 * dense ones are one matrix [n_out, n_in] in memory. */
typedef struct aci_projection {
    aci_projection_part parts[3];
    int32_t n_parts, n_in, n_out;
    bool fused, fused_gradient;
} aci_projection;

/* What a layer consists of; n_head_kv or n_ff 0: that half is skipped. */
typedef struct aci_layer_plan {
    int32_t n_head, n_head_kv, n_ff;
    int32_t rank[ACI_N_MATRICES];    /* of factors; 0: dense */
    bool shares[ACI_N_MATRICES];     /* V of q or gate */
    bool has_bias[ACI_N_MATRICES];
} aci_layer_plan;

typedef struct aci_network_layer {
    aci_layer_plan plan;
    int32_t q_width, kv_width, qkv_width;
    aci_weights attn_norm, ffn_norm, q_norm, k_norm;
    aci_projection qkv, o, gate_up, down;
    /* Kept from forward for backward; rows are the batch's tokens. */
    aci_real *x, *normal_1, *scale_1;  /* x: the layer's input */
    /* middle is x where a half is skipped */
    aci_real *qkv_out, *raw, *head_scale, *log_sum, *attended;
    aci_real *middle, *normal_2, *scale_2, *gate_up_out;
} aci_network_layer;

/* Where a parameter lies in the blocks; gradient SIZE_MAX: frozen. */
typedef struct aci_parameter_place {
    size_t value, gradient;
} aci_parameter_place;

struct aci_network {
    aci_memory *memory;
    aci_training *training;
    aci_shape shape;
    aci_network_options options;
    int32_t q_width, qkv_width, ff_width; /* the widest layer's */
    int32_t max_rank;
    int32_t n_positions;       /* the longest document */
    int32_t lowest;            /* layer where backward ends; n_layer: head */

    aci_parameter *parameters; /* [n_parameters] */
    aci_parameter_place *places;
    size_t n_parameters;
    aci_real *values, *gradients, *moments; /* all of them; moments twice */
    size_t n_values, n_gradients;

    aci_weights embed, head, final_norm;
    aci_network_layer *layers; /* [n_layer] */

    aci_real *activations;     /* everything below, one block */
    aci_real *end, *end_normal, *end_scale;
    aci_real *branch, *hidden; /* [n, n_embd], [n, n_ff] */
    aci_real *d_x, *d_normal, *d_qkv, *d_attended;
    aci_real *low, *d_low;     /* [n, max_rank] */
    aci_real *logits, *rows, *d_rows, *losses; /* a slice of the head */
    aci_real *teacher;         /* NULL until a divergence is asked for */
    aci_real *cosine, *sine;
    int32_t slice;             /* rows of the head at once */
    aci_real attention_scale;  /* 1 / sqrt(head_dim) */

    /* The batch on the device, and what the host knows of it. */
    int32_t *tokens, *targets, *positions, *starts, *target_rows;
    int32_t *host_integers;    /* [2 * max_tokens] scratch */
    aci_real *host_losses;     /* [max_tokens] */
    int32_t n_tokens, n_documents, longest;
    int64_t n_targets;
};

/* ---- network_plan.c ------------------------------------------------------ */

/* The layers, with widths, of a model in memory or (NULL) of the shape. */
ac_status aci_workshop_network_plan(aci_network *network,
                                    const aci_float_model *model,
                                    ac_error *error);

/* The i-th tensor that could be there, with the size it has in its layer; in
 * `matrix` which it is, or whose bias, or -1; `there`: the layer has it. False
 * when there are no more. */
bool aci_workshop_network_tensor(aci_tensor *tensor, int *matrix, bool *there,
                                 const aci_network *network, size_t i);

/* ---- network_exchange.c -------------------------------------------------- */

ac_status aci_workshop_network_fill(aci_network *network,
                                    const aci_float_model *model,
                                    ac_error *error);

/* ---- network_parameters.c ------------------------------------------------ */

/* In this order: what there is, memory for it, pointers into it. */
ac_status aci_workshop_network_list(aci_network *network, ac_error *error);
ac_status aci_workshop_network_place(aci_network *network, ac_error *error);
void aci_workshop_network_connect(aci_network *network);

/* Parameter by name; NULL when there is none. */
aci_parameter *aci_workshop_network_find(const aci_network *network,
                                         const char *name);

/* ---- network_batch.c ----------------------------------------------------- */

/* Tables of the rotary positions. */
ac_status aci_workshop_network_angles(aci_network *network, ac_error *error);

/* Checks the batch and uploads it; targets become the rows that have one. */
ac_status aci_workshop_network_take(aci_network *network,
                                    const aci_batch *batch, ac_error *error);

/* ---- network_projection.c ------------------------------------------------ */

/* out [n, n_out] = the projection of in [n, n_in], biases included. */
void aci_workshop_project(aci_network *network, aci_real *out,
                          const aci_projection *projection,
                          const aci_real *in);
/* d_in = its transpose times d_out. */
void aci_workshop_project_back(aci_network *network, aci_real *d_in,
                               const aci_projection *projection,
                               const aci_real *d_out);
/* Adds to the gradients of what is trainable in it. */
void aci_workshop_project_learn(aci_network *network,
                                const aci_projection *projection,
                                const aci_real *in, const aci_real *d_out);

/* ---- network_layer.c ----------------------------------------------------- */

/* x + branch goes in (branch NULL: x), middle + network->branch comes out. */
void aci_workshop_layer_forward(aci_network *network, int32_t l,
                                const aci_real *x, const aci_real *branch);
/* sum = x + network->branch, and its norm into end_normal. */
void aci_workshop_end_forward(aci_network *network, aci_real *sum,
                              const aci_real *x);
void aci_workshop_end_backward(aci_network *network);
/* d_x of the output becomes d_x of the input. */
void aci_workshop_layer_backward(aci_network *network, int32_t l);

#endif
