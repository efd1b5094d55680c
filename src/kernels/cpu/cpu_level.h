/* cpu_level.h - what one level of the processor (reference, AVX2, AVX-512)
 * fills in, and what the levels share. cpu_backend.c splits operations over
 * threads and calls these; they know nothing of threads.
 *
 * Two families. *Products* multiply quantised activations with planes and obey
 * the exactness contract of backend.h, so every level gives the same bits.
 * *Rows* are the rest (norms, rotation, attention, activations); rows_body.h
 * is one source compiled once per level, over 16 lanes in a fixed order with
 * explicit fused multiply-adds, so they too give the same bits everywhere. */
#ifndef ACI_KERNELS_CPU_CPU_LEVEL_H
#define ACI_KERNELS_CPU_CPU_LEVEL_H

#include "kernels/backend.h"

enum {
    ACI_SMALL_ROWS = 8,    /* up to here weights are the cost: gemv */
    ACI_TOKEN_TILE = 12,   /* tokens a large product takes at a time */
    ACI_QUERY_TILE = 8,    /* queries an attention tile takes */
    ACI_MAX_HEAD_DIM = 512
};

/* The activations of a call, quantised once for all its products.
 *   high, low  [n_rows, n_in_padded]  8 bits: high alone; 16: 256*high + low
 *   scales     [n_rows, n_groups]
 *   sum_high, sum_low  [n_rows, n_groups]  of each group's integers
 * `arranged` holds the same integers in the order that a level reads; its size
 * is that level's arranged_bytes. */
typedef struct aci_activations {
    int8_t *high, *low;
    float *scales;
    int32_t *sum_high, *sum_low;
    uint8_t *arranged;
    int32_t n_rows, n_in_padded, group, n_groups, bits;
} aci_activations;

/* Where a product goes, as the level sees it. */
typedef struct aci_product_job {
    const aci_linear *linear;
    const aci_activations *activations;
    float *out;
    size_t out_stride;
    int32_t accumulate;
    void *panel;           /* this thread's scratch */
} aci_product_job;

/* One attention tile: up to ACI_QUERY_TILE queries of one key-value head. */
typedef struct aci_attention_tile {
    const float *q[ACI_QUERY_TILE];   /* [head_dim] each */
    float *out[ACI_QUERY_TILE];
    int32_t position[ACI_QUERY_TILE];
    int32_t n;
    const aci_kv *kv;
    int32_t kv_head, window;
    float scale;
} aci_attention_tile;

/* Rows; see rows_body.h. norm puts zeros behind n, up to n_padded. */
typedef struct aci_row_functions {
    void (*norm)(float *out, const float *x, const float *weight, int32_t n,
                 int32_t n_padded, float eps);
    void (*quantise)(aci_activations *activations, int32_t row,
                     const float *x);
    /* out = silu(out) * up */
    void (*gate)(float *out, const float *up, size_t n);
    void (*dense)(float *out, const float *x, const float *weights,
                  int32_t n_in, int32_t first, int32_t last);
    void (*rotate)(float *x, const float *cosine, const float *sine,
                   int32_t half, int32_t interleaved);
    void (*append)(const aci_kv *kv, int32_t head, int32_t position,
                   const float *k, const float *v);
    void (*attend)(const aci_attention_tile *tile);
} aci_row_functions;

/* Products. */
typedef struct aci_product_functions {
    /* Bytes of `arranged` for n_rows, and of a thread's panel. */
    size_t (*arranged_bytes)(int32_t n_rows, int32_t n_in_padded);
    size_t (*panel_bytes)(int32_t n_in_padded);
    /* Arranges rows [first, last); first is a multiple of ACI_TOKEN_TILE. */
    void (*arrange)(aci_activations *activations, int32_t first,
                    int32_t last);
    /* Strips [first, last) of a product; first is even. */
    void (*product)(const aci_product_job *job, int32_t first, int32_t last);
} aci_product_functions;

typedef struct aci_cpu_level {
    const char *name;
    const aci_row_functions *rows;
    const aci_product_functions *products;
} aci_cpu_level;

/* The best level this processor and system have, or the one named; NULL when
 * it is not to be had. */
const aci_cpu_level *aci_kernels_cpu_level(const char *name);

/* Nonzero: AVX-512 with products of bfloat16. */
int aci_kernels_cpu_has_bfloat16(void);

/* Adds bias and residual, and stores one row of a strip. */
static inline void aci_store_result(const aci_product_job *job, int32_t row,
                                    int32_t output, float value)
{
    float *at = job->out + (size_t)row * job->out_stride + output;

    if (job->linear->bias != NULL)
        value += job->linear->bias[output];
    *at = job->accumulate ? *at + value : value;
}

#endif
