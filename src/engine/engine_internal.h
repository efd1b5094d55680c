/* engine_internal.h - what the files of engine/ share: the opened engine, the
 * session, and the one forward pass both are for. */
#ifndef ACI_ENGINE_ENGINE_INTERNAL_H
#define ACI_ENGINE_ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "model/variant_layer.h"

enum {
    ACI_MAX_DRAFT = 7,                  /* tokens drafted ahead */
    ACI_LOGIT_ROWS = ACI_MAX_DRAFT + 1, /* rows verified at once */
    ACI_LOW_ROWS = 3                    /* V of q, k and v */
};

/* The model as one variant runs it. */
typedef struct aci_plan {
    aci_linear embed;
    aci_weight head;
    const float *final_norm;
    aci_variant_layer *layers; /* [n_layer] */
} aci_plan;

/* Where one weight's product goes. */
typedef struct aci_output {
    const aci_weight *weight;
    const float *bias;       /* or NULL */
    float *out;              /* [n_rows, n_out] */
    int32_t accumulate;      /* 1: out += */
} aci_output;

/* Buffers of one forward pass, on the device; [rows, ...] float32. */
typedef struct aci_workspace {
    float *x;                /* [rows, n_embd] the residual stream */
    float *q, *attended;     /* [rows, n_head * head_dim] */
    float *k, *v;            /* [rows, n_head_kv * head_dim] */
    float *gate, *up;        /* [rows, n_ff] */
    float *low[ACI_LOW_ROWS]; /* [rows, largest rank]; NULL when none */
    int32_t rows;            /* longest chunk */
} aci_workspace;

struct aci_engine {
    aci_memory *memory;
    const aci_model *model;
    aci_backend *backend;
    aci_layer *layers;       /* [n_layer] as placed on the device */
    aci_matrix embed, head;
    float *final_norm;
    aci_owned *owned;        /* the model's extras, placed likewise */
    size_t n_owned;
    float *vectors;          /* device block behind norms and biases */
    aci_plan plans[AC_MAX_VARIANTS];
    aci_workspace workspace; /* used under `device_lock` */
    aci_mutex *device_lock;  /* one forward pass at a time */
};

struct aci_session {
    aci_engine *engine;
    int32_t *tokens;         /* [n_context] the conversation */
    uint8_t *token_variant;  /* [n_context] who computed its cache entry */
    size_t n_tokens;         /* held */
    size_t n_cached;         /* of those, in the KV cache; <= n_tokens */
    uint32_t n_context, kv_bits;
    aci_kv *kv;              /* [n_layer] */
    void *kv_block;          /* device memory behind them */
    aci_attention attention; /* of a layer that keeps all its heads */
    float *inverse_frequency; /* [head_dim / 2] */
    float *device_logits;    /* [ACI_LOGIT_ROWS, n_vocab] */
    aci_peaks peaks[ACI_LOGIT_ROWS]; /* of its rows */
    float *logits;           /* [n_vocab] one row on the host, when asked for */
    int32_t last_row;        /* row that continues the text */
    int32_t logits_valid;    /* 1: `last_row` belongs to the last token */
    aci_sampler sampler;
    _Atomic int cancelled;
    uint64_t queue_nanoseconds; /* waited for the device, running sum */
};

/* Takes engine->device_lock; the wait is added to the session's. */
void aci_engine_lock_device(aci_session *session);

/* Runs `n_rows` tokens at positions first_position.. through the model and
 * writes their keys and values to the session's cache. `logits` NULL, or
 * device memory [n_logits, n_vocab] for the last n_logits rows. */
ac_status aci_engine_forward(aci_session *session, int32_t variant,
                             const int32_t *tokens, int32_t n_rows,
                             int32_t first_position, float *logits,
                             int32_t n_logits, ac_error *error);

/* The input's rows times each of n <= ACI_MAX_PRODUCTS weights. Whoever lends
 * its V is the first. */
ac_status aci_engine_multiply(aci_engine *engine, const aci_output *outputs,
                              int32_t n, const aci_input *input,
                              int32_t n_rows, ac_error *error);

/* Evaluates session->tokens[n_cached .. n_tokens) in chunks and leaves the
 * last token's logits on the device. */
ac_status aci_engine_catch_up(aci_session *session, int32_t variant,
                              ac_error *error);

/* Finds the peaks of rows [first, first + n_rows) of device_logits; n_best and
 * scale as in peaks.h. Waits for the device. */
ac_status aci_engine_find_peaks(aci_session *session, int32_t first,
                                int32_t n_rows, int32_t n_best, float scale,
                                ac_error *error);

/* Brings one row of device_logits to session->logits. */
ac_status aci_engine_fetch_row(aci_session *session, int32_t row,
                               ac_error *error);

#endif
