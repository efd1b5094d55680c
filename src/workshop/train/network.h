/* network.h - a model that can be trained: its parameters, and the forward and
 * backward passes written out. Any architecture the runtime loads: RMSNorm,
 * rotary positions, grouped-query attention, gated feed-forward, biases, q/k
 * norm, tied or separate embeddings. aci_real is float (kernels/training.h).
 *
 * A model that compression changed has other widths in each layer, lacks parts
 * of layers, or has products in place of matrices (float_model.h): it is
 * trained as it is, by the same passes.
 *
 * A batch is a row of tokens in which documents lie end to end; attention
 * never crosses from one to the next and positions restart at 0. The head is
 * computed only for rows that have a target. */
#ifndef ACI_WORKSHOP_NETWORK_H
#define ACI_WORKSHOP_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/training.h"
#include "model/checkpoint.h"
#include "model/shape.h"
#include "platform/memory.h"
#include "platform/threads.h"
#include "workshop/train/float_model.h"

typedef struct aci_network aci_network;

enum aci_trainable {
    ACI_TRAIN_ALL = 0,
    ACI_TRAIN_SMALL = 1,   /* norms, biases */
    ACI_TRAIN_LORA = 2,    /* W + (alpha / rank) B A on chosen matrices */
    ACI_TRAIN_FACTORS = 3, /* matrices given as U V, the factors themselves */
    ACI_TRAIN_BLOCK = 4,   /* all of layer `block` only */
    ACI_TRAIN_CHOSEN = 5   /* what `chosen` names */
};

/* Bits of `chosen`; 1 << aci_layer_matrix are the matrices, dense or not. */
enum aci_chosen {
    ACI_CHOOSE_NORMS = 1 << 7,   /* outside the layers: the last norm */
    ACI_CHOOSE_BIASES = 1 << 8,
    ACI_CHOOSE_FACTORS = 1 << 9, /* every matrix given as a product */
    ACI_CHOOSE_EMBED = 1 << 10,  /* outside the layers */
    ACI_CHOOSE_HEAD = 1 << 11    /* outside the layers, when not tied */
};

typedef struct aci_network_options {
    int32_t trainable;       /* aci_trainable */
    int32_t rank;            /* lora; factors of a whole model */
    float alpha;             /* lora */
    uint32_t matrices;       /* bit set of q 1, k 2, v 4, o 8, gate 16, up 32,
                                down 64; 0: all seven */
    const uint32_t *chosen;  /* [n_layer + 1], the last for what is outside
                                the layers; read when the network is made */
    int32_t block;           /* of ACI_TRAIN_BLOCK, of a block's loss */
    int32_t max_tokens;      /* of a batch */
    int32_t max_targets;     /* rows with a target at once in the head; 0: a
                                size that bounds memory */
    bool recompute;          /* keep only each layer's input, compute the rest
                                again in the backward pass */
    bool forward_only;       /* no gradients, no moments: held-out loss,
                                logits of a teacher */
    const char *level;       /* of the processor; NULL: the best there is */
    int32_t precision;       /* of products: aci_training_precision */
} aci_network_options;

/* One tensor of the network. Gradients accumulate until cleared. The pointers
 * are the device's (on the CPU plain memory): aci_workshop_network_read and
 * _write copy from and to the host. */
typedef struct aci_parameter {
    char name[48];           /* "0.q", "embed", "0.q.lora_a", "0.q.left" */
    aci_real *value;         /* [n_rows, n_columns] */
    aci_real *gradient;      /* the same; NULL when frozen */
    aci_real *moment_1;      /* AdamW's means of gradients and their */
    aci_real *moment_2;      /* squares; NULL when frozen */
    int64_t n_rows, n_columns;
    bool decays;             /* weight decay applies: matrices, not norms */
} aci_parameter;

typedef struct aci_batch {
    const int32_t *tokens;   /* [n_tokens] */
    const int32_t *targets;  /* [n_tokens]; -1: no loss at this row */
    const int32_t *starts;   /* [n_documents + 1], first 0, last n_tokens */
    int32_t n_tokens, n_documents;
} aci_batch;

/* What a row with a target costs:
 *     cross-entropy   -log p(target), in nats
 *     KL              T^2 sum p_teacher log(p_teacher / p), logits over T
 *     block MSE       mean over n_embd of (layer's output - block_target)^2;
 *                     only layer `block` runs, on block_input */
enum aci_loss { ACI_LOSS_CROSS_ENTROPY, ACI_LOSS_KL, ACI_LOSS_BLOCK_MSE };

typedef struct aci_objective {
    int32_t loss;                /* aci_loss */
    float temperature;           /* KL: both sides are divided by it */
    const aci_real *teacher_logits; /* KL: [rows with a target, n_vocab] */
    aci_network *teacher;           /* KL: instead of them, their source, run
                                       on the batch a slice at a time */
    const aci_real *block_input;    /* block MSE: [n_tokens, n_embd] */
    const aci_real *block_target;   /* block MSE: [n_tokens, n_embd] */
} aci_objective;

ac_status aci_workshop_network_create(aci_network **out, aci_memory *memory,
                                      aci_pool *pool, const aci_shape *shape,
                                      const aci_network_options *options,
                                      ac_error *error);
void aci_workshop_network_free(aci_network *network);

/* The same of a model in memory, checked here, with its values. Matrices that
 * it gives as products are parameters "0.q.left" and "0.q.right"; a shared V is
 * its owner's. LoRA goes on dense matrices only. AC_E_NUMERIC names an array
 * that is not finite. Nothing of the model is kept. */
ac_status aci_workshop_network_create_from(aci_network **out,
                                           aci_memory *memory, aci_pool *pool,
                                           const aci_float_model *model,
                                           const aci_network_options *options,
                                           ac_error *error);

/* Values of everything trainable into the arrays of a model of that form. */
ac_status aci_workshop_network_give(aci_float_model *model,
                                    aci_network *network, ac_error *error);

/* As GPT-2: normal(0, 0.02), residual outputs (o, down) divided by
 * sqrt(2 n_layer), norms 1, biases 0; LoRA's A normal, its B 0. The same seed
 * gives the same weights. */
void aci_workshop_network_initialise(aci_network *network, uint64_t seed);

/* Reads every dense tensor; factors are written by the caller. */
ac_status aci_workshop_network_load(aci_network *network,
                                    const aci_checkpoint *checkpoint,
                                    ac_error *error);

size_t aci_workshop_network_count(const aci_network *network);
const aci_parameter *aci_workshop_network_at(const aci_network *network,
                                             size_t i);
const aci_shape *aci_workshop_network_shape(const aci_network *network);
void aci_workshop_network_clear(aci_network *network); /* gradients to 0 */

/* Parts of a parameter. */
enum aci_part_of {
    ACI_OF_VALUE = 0,
    ACI_OF_GRADIENT = 1,
    ACI_OF_MOMENT_1 = 2,
    ACI_OF_MOMENT_2 = 3
};

/* Copies a part of parameter i, [n_rows, n_columns], to or from host memory.
 * Reading a part that a frozen parameter lacks gives zeros; writing it is
 * AC_E_ARGUMENT. */
ac_status aci_workshop_network_read(aci_real *out, aci_network *network,
                                    size_t i, int32_t part, ac_error *error);
ac_status aci_workshop_network_write(aci_network *network, size_t i,
                                     int32_t part, const aci_real *values,
                                     ac_error *error);

/* AdamW (Loshchilov, Hutter 2019): decay is decoupled, and left out for
 * parameters that do not decay. */
typedef struct aci_adamw {
    float rate, beta_1, beta_2, epsilon, decay;
    float max_norm;          /* of all gradients together; 0: no clipping */
    int64_t step;            /* of this update, from 1: bias correction */
} aci_adamw;

/* Root of the sum of squares of all gradients; fixed order, in double. */
double aci_workshop_network_gradient_norm(aci_network *network);

/* One update of everything trainable from the gradients, which it leaves as
 * they are. *norm (may be NULL): before clipping. AC_E_NUMERIC, naming the
 * parameter, when a gradient is not finite; nothing was changed then. */
ac_status aci_workshop_network_update(aci_network *network, double *norm,
                                      const aci_adamw *settings,
                                      ac_error *error);

/* The loss summed over rows that have a target, and how many those are.
 * AC_E_NUMERIC names the layer where values stopped being finite; gradients
 * are then to be cleared. With `weight` not 0, gradients += weight * d(loss
 * sum). */
ac_status aci_workshop_network_step(aci_network *network, double *loss,
                                    int64_t *n_targets,
                                    const aci_batch *batch,
                                    const aci_objective *objective,
                                    float weight, ac_error *error);

/* Logits of rows that have a target, in row order, [n, n_vocab]. */
ac_status aci_workshop_network_logits(aci_network *network, aci_real *logits,
                                      const aci_batch *batch,
                                      ac_error *error);

/* What layer `block` makes of `in`; both [n_tokens, n_embd] of the host, and
 * may be the same. */
ac_status aci_workshop_network_block(aci_network *network, aci_real *out,
                                     const aci_real *in,
                                     const aci_batch *batch, ac_error *error);

/* ---- a layer by itself (network_run_layer.c) ----------------------------- */

/* A network of one layer, without an embedding or a head, for the layers of a
 * checkpoint in turn; forward only. */
ac_status aci_workshop_layer_network(aci_network **out, aci_memory *memory,
                                     aci_pool *pool, const aci_shape *shape,
                                     int32_t max_tokens, ac_error *error);

/* Reads layer `layer` of the checkpoint into it, and the final norm. */
ac_status aci_workshop_layer_load(aci_network *network,
                                  const aci_checkpoint *checkpoint,
                                  int32_t layer, ac_error *error);

/* Rows of a batch on the host, [n_tokens, width]; NULL: not wanted. */
typedef struct aci_layer_rows {
    const float *x;          /* [n_embd] the layer's input */
    float *qkv_in;           /* [n_embd] */
    float *o_in;             /* [n_head * head_dim] */
    float *middle;           /* [n_embd] x + attention */
    float *gate_up_in;       /* [n_embd] */
    float *down_in;          /* [n_ff] */
    float *out;              /* [n_embd] the layer's output; may be x */
    float *head_in;          /* [n_embd] out through the final norm */
} aci_layer_rows;

/* Runs the layer; the batch's tokens are all 0, it has no targets. */
ac_status aci_workshop_network_run_layer(const aci_layer_rows *rows,
                                         aci_network *network,
                                         const aci_batch *batch,
                                         ac_error *error);

/* Multiply-accumulate operations times two, forward and backward, of a batch:
 * what the share of the matrix rate is computed from. */
double aci_workshop_network_operations(const aci_network *network,
                                       const aci_batch *batch);

#endif
