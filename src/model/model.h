/* model.h - an opened model: shape, matrices, variants; from a zoo or a
 * checkpoint. Read-only and shared once open. */
#ifndef ACI_MODEL_MODEL_H
#define ACI_MODEL_MODEL_H

#include "kernels/matrix.h"
#include "model/extras.h"
#include "model/shape.h"
#include "model/variant.h"
#include "platform/memory.h"

typedef struct aci_layer {
    const float *attn_norm, *ffn_norm;       /* [n_embd] */
    const float *q_norm, *k_norm;            /* [head_dim] or NULL */
    aci_matrix q, k, v;                      /* [heads*dim, n_embd] */
    aci_matrix o;                            /* [n_embd, heads*dim] */
    aci_matrix gate, up;                     /* [n_ff, n_embd] */
    aci_matrix down;                         /* [n_embd, n_ff] */
    const float *q_bias, *k_bias, *v_bias, *o_bias;      /* or NULL */
    const float *gate_bias, *up_bias, *down_bias;        /* or NULL */
} aci_layer;

typedef struct aci_model {
    aci_shape shape;
    aci_layer *layers;                       /* [n_layer] */
    aci_matrix embed, head;                  /* head equals embed when tied */
    const float *final_norm;                 /* [n_embd] */
    aci_variant variants[AC_MAX_VARIANTS];
    int32_t n_variants;
    int32_t full_variant;
    uint32_t absent_variants;                /* a bit each: their weights were
                                                left out and they cannot run */
    int32_t group;                           /* 0 for a checkpoint */
    aci_extras *extras;                      /* NULL: no variant owns any */
    uint64_t mapped_bytes;                   /* of both files */
    uint64_t checksum;                       /* identity, for the ledger */
    int32_t is_checkpoint;
    char *zoo_path;                          /* or checkpoint path */
    aci_memory *memory;
    void *storage;                           /* mapping or buffers: model.c */
} aci_model;

/* Opens a zoo (maps weights.acw, reads zoo.json) or a checkpoint (reads it to
 * float32 with one variant, "full"). `verify` checks every tensor's checksum
 * first. */
ac_status aci_model_open(aci_model **out, aci_memory *memory,
                         const char *path, int verify, ac_error *error);
void aci_model_close(aci_model *model);

/* 1 when `path` is a zoo directory (has zoo.json). */
int aci_model_is_zoo(const char *path);

/* Number of the variant, or -1. */
int32_t aci_model_variant_find(const aci_model *model, const char *name);

/* A token of variant number `variant` at `position` (attention reads position
 * + 1 entries), with or without the output head, KV at kv_bits. Reads shape,
 * group, variants and extras of the model, no weights. */
void aci_model_token_cost(aci_token_cost *out, const aci_model *model,
                          int32_t variant, int32_t kv_bits, int64_t position,
                          int with_head);

/* Adds what one matrix of a zoo costs a token. */
void aci_model_matrix_cost(aci_token_cost *sum, int32_t n_out, int32_t n_in,
                           int32_t bits, int32_t activation_bits,
                           int32_t group);

/* Files of a zoo. */
#define ACI_ZOO_CARD "zoo.json"
#define ACI_ZOO_WEIGHTS "weights.acw"
#define ACI_ZOO_EXTRAS "extras.acw"
#define ACI_ZOO_TOKENIZER "tokenizer.act"
#define ACI_ZOO_PREDICTOR "predictor.acp"

#endif
