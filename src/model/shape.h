/* shape.h - the architecture of a model: sizes and switches, no weights. */
#ifndef ACI_MODEL_SHAPE_H
#define ACI_MODEL_SHAPE_H

#include <stdint.h>

#include "agentcompress.h"

typedef enum aci_architecture {
    ACI_LLAMA = 1,
    ACI_MISTRAL = 2,
    ACI_QWEN2 = 3,
    ACI_QWEN3 = 4
} aci_architecture;

typedef enum aci_rope_scaling {
    ACI_ROPE_NONE = 0,
    ACI_ROPE_LINEAR = 1,
    ACI_ROPE_DYNAMIC = 2, /* NTK: theta grows with n_context (bloc97 2023) */
    ACI_ROPE_LLAMA3 = 3,
    ACI_ROPE_YARN = 4     /* Peng et al. 2023 */
} aci_rope_scaling;

/* The most that is accepted, well above any model published. */
enum { ACI_MAX_LAYERS = 1024 };

typedef struct aci_shape {
    int32_t architecture;       /* aci_architecture */
    int32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab;
    int32_t n_context;          /* trained or scaled positions */
    int32_t window;             /* sliding window; 0: none */
    int32_t tied_embeddings;    /* head is the embedding table */
    int32_t attention_bias;     /* q, k, v biases present */
    int32_t output_bias;        /* o bias present */
    int32_t mlp_bias;           /* gate, up, down biases present */
    int32_t qk_norm;
    int32_t rope_interleaved;   /* always 0 after import (weights permuted) */
    int32_t rope_scaling;       /* aci_rope_scaling */
    float norm_eps;
    float rope_theta;
    float rope_factor;
    float rope_low_factor, rope_high_factor;   /* llama3 */
    float rope_beta_fast, rope_beta_slow;      /* yarn */
    float rope_attention_factor;               /* yarn; 0: from factor */
    int32_t rope_original_context;
    char name[96];
} aci_shape;

/* "llama" ...; NULL for an unknown number. */
const char *aci_model_architecture_name(int32_t architecture);

/* Every number in range, head counts divide, sizes below what the kernels
 * take. Hostile shapes end here: AC_E_FORMAT or AC_E_UNSUPPORTED. */
ac_status aci_model_shape_check(const aci_shape *shape, ac_error *error);

/* Inverse frequencies [head_dim / 2] and yarn's magnitude, for a session of
 * n_context positions. */
void aci_model_rope_frequencies(float *inverse_frequency, float *magnitude,
                                const aci_shape *shape, int32_t n_context);

/* Parameters in all, embeddings once when tied. */
uint64_t aci_model_parameter_count(const aci_shape *shape);
/* Likewise, of what a plan [n_layer] leaves (variant.h); NULL: everything. */
struct aci_kept;
uint64_t aci_model_parameter_count_kept(const aci_shape *shape,
                                        const struct aci_kept *kept);

#endif
