/* backend.h - THE interface to a device: memory and the operations of a pass,
 * filled once in kernels/cpu and once in cuda/.
 *
 * Activations between operations are float32, row-major, one row per token.
 * The CPU runs each call to its end; CUDA queues it on the engine's stream and
 * `synchronize` waits.
 *
 * The exactness contract, which every filling and every CPU level obeys:
 *
 *   Activations x are quantised per token and group of `group` columns:
 *   8 bits:  a = round_even(x * 127 / m),   scale sa = m / 127
 *   16 bits: a = round_even(x * 32512 / m), scale sa = m / 32512
 *   with m = max|x| of the group (m = 0: all zero), the quotient computed as
 *   one float multiplication by the float reciprocal 127.0f/m (32512.0f/m).
 *   A 16-bit a is split a = 256*ah + al with al in [-128,127], |ah| <= 127.
 *
 *   Per row and group the integer sums are exact:
 *     S  = sum w*a                       (8-bit activations; w is q or c)
 *     H  = sum w*ah,  L = sum w*al       (16-bit activations; w is q or c)
 *     weight_bits 16 adds: L += sum t*ah     (t*al, 2^-16 of the rest, is
 *                                             left out by definition)
 *   and become float32 by, groups in column order,
 *     v   = (float)S                  or  fmaf((float)H, 256.0f, (float)L)
 *           (weight_bits 16: v = fmaf((float)H, 65536.0f, (float)L * 256.0f))
 *     acc = fmaf(v, sw * sa, acc)     sw: the float of the float16 scale,
 *                                     times 1, 1/D or 1/(256*D) for 4, 8, 16
 *                                     weight bits: sw = s * (1.0f/D) etc.
 *   then the bias is added, then the residual.
 *
 *   So results do not depend on level, thread count, or how many tokens are
 *   computed together: a batch of eight equals eight batches of one, bit for
 *   bit. Everything else (norms, attention, activation functions) is computed
 *   per row in a fixed order and keeps that promise within one level.
 *
 * An operation returns AC_OK or a failure with `error` filled. Shapes were
 * checked when the model was loaded; operations assert them in debug. */
#ifndef ACI_KERNELS_BACKEND_H
#define ACI_KERNELS_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "kernels/matrix.h"
#include "kernels/peaks.h"
#ifndef __cplusplus
#include "platform/memory.h"
#include "platform/threads.h"
#else /* C++ has no _Atomic: kernels of cuda/ see the types' names alone */
typedef struct aci_memory aci_memory;
typedef struct aci_pool aci_pool;
#endif

typedef struct aci_backend aci_backend;

/* The key-value cache of one sequence and one layer: float32, float16 or int8,
 * with for int8 a float16 scale per (head, position), [n_head_kv, capacity].
 *     k  [n_head_kv, capacity / 16, width, 16]   16 positions side by side
 *     v  [n_head_kv, capacity, width]
 * width is head_dim rounded up to 16, capacity a multiple of 16. Keys lie
 * transposed in blocks so that one load serves 16 positions. */
typedef struct aci_kv {
    void *k, *v;
    uint16_t *k_scales, *v_scales; /* NULL unless bits is 8 */
    int32_t bits;                  /* 32, 16 or 8 */
    int32_t n_head_kv, head_dim;
    int32_t capacity;              /* positions, a multiple of 16 */
} aci_kv;

ACI_HOST_DEVICE static inline int32_t aci_kv_width(int32_t head_dim)
{
    return (head_dim + 15) / 16 * 16;
}

/* Consecutive rows that belong to one sequence. Row first_row + i sits at
 * position first_position + i. A prefill is one span; a batch of decoding
 * sequences is one span each of one row. */
typedef struct aci_span {
    int32_t first_row, n_rows;
    int32_t first_position;
    const aci_kv *kv;              /* of the layer at hand */
} aci_span;

/* Rotary position embedding: one inverse frequency per pair, made at open from
 * rope_theta and scaling. `interleaved` 0: pairs (i, i + n/2), the Hugging
 * Face order; 1: pairs (2i, 2i+1). */
typedef struct aci_rope {
    const float *inverse_frequency; /* [n_rotary / 2] */
    int32_t n_rotary;               /* <= head_dim */
    int32_t interleaved;
    float magnitude;                /* yarn's attention factor; else 1 */
} aci_rope;

typedef struct aci_attention {
    int32_t n_head, n_head_kv, head_dim;
    int32_t window;                 /* positions seen back; 0: all */
    float scale;                    /* 1 / sqrt(head_dim) */
    const float *q_norm, *k_norm;   /* [head_dim] or NULL (Qwen3) */
    float norm_eps;
    aci_rope rope;
} aci_attention;

/* What products multiply: rows x [n_rows, x_stride], as they are or through one
 * of two functions, which cost no pass of their own:
 *     norm_weight   RMSNorm (Zhang, Sennrich 2019)
 *     up            silu(x) * up, up [n_rows, x_stride]: the gated
 *                   feed-forward's middle (Shazeer 2020) */
typedef struct aci_input {
    const float *x;
    size_t x_stride;                /* in floats, >= n_in */
    const float *norm_weight;       /* [n_in] or NULL */
    float norm_eps;
    const float *up;                /* or NULL, and when norm_weight is not */
} aci_input;

/* Where a product goes. */
typedef struct aci_product {
    aci_linear linear;
    float *out;                     /* [n_rows, out_stride] */
    size_t out_stride;              /* in floats, >= n_out */
    int32_t accumulate;             /* 1: out += (residual) */
} aci_product;

/* The outer half of a product in two (low rank, W ~= U V): `product` is U times
 * the rows that products[inner], V times the input, put out. */
typedef struct aci_outer {
    aci_product product;            /* n_in: the inner one's n_out */
    int32_t inner;                  /* number of a product of the same call */
} aci_outer;

/* A forward pass before its operations, for a device that can replay it. */
typedef struct aci_step {
    const int32_t *tokens;          /* [n_rows of all spans] */
    const aci_span *spans;          /* kv: of the first layer */
    int32_t n_spans;
    const aci_rope *rope;
    int32_t n_head;                 /* most of any layer */
    int32_t variant;
    int32_t n_logits;
    const float *logits;
    const void *owner; /* the cache's block, from `allocate`: what is kept for
                        * it is dropped when that is released */
} aci_step;

typedef struct aci_backend_operations {
    /* Around the operations of a pass. *done 1: a pass recorded before was
     * queued instead, the operations must not be called. Between the two,
     * nothing but operations on rows may be called from this thread;
     * `succeeded` 0: one of them failed, and what was recorded is thrown
     * away. On the CPU neither does anything. */
    ac_status (*begin_step)(aci_backend *backend, const aci_step *step,
                            int32_t *done, ac_error *error);
    ac_status (*end_step)(aci_backend *backend, int32_t succeeded,
                          ac_error *error);

    /* out [n_rows, n_in of table] = rows `tokens` of the embedding table. */
    ac_status (*embed)(aci_backend *backend, float *out,
                       const aci_linear *table, const int32_t *tokens,
                       int32_t n_rows, ac_error *error);

    /* RMSNorm (Zhang, Sennrich 2019): out = x / sqrt(mean x^2 + eps) * w.
     * out may be x. */
    ac_status (*norm)(aci_backend *backend, float *out, const float *x,
                      const float *weight, int32_t n_rows, int32_t width,
                      float eps, ac_error *error);

    /* Several products of the same input: q, k and v; or one. All share n_in,
     * and none goes where the input comes from. */
    ac_status (*project)(aci_backend *backend, const aci_product *products,
                         int32_t n_products, const aci_input *input,
                         int32_t n_rows, ac_error *error);

    /* q/k norm, rotary positions, then k and v are written to the cache.
     * q [n_rows, n_head*head_dim] is changed in place. */
    ac_status (*rotate_append)(aci_backend *backend, float *q, float *k,
                               const float *v, const aci_span *spans,
                               int32_t n_spans,
                               const aci_attention *attention,
                               ac_error *error);

    /* Causal grouped-query attention over the cache (online softmax, Milakov,
     * Gimelshein 2018); out [n_rows, n_head*head_dim]. */
    ac_status (*attend)(aci_backend *backend, float *out, const float *q,
                        const aci_span *spans, int32_t n_spans,
                        const aci_attention *attention, ac_error *error);

    /* Device memory. `host_to` and `to_host` copy; on the CPU they are
     * memcpy. */
    void *(*allocate)(aci_backend *backend, size_t bytes);
    void (*release)(aci_backend *backend, void *memory);
    ac_status (*host_to)(aci_backend *backend, void *device, const void *host,
                         size_t bytes, ac_error *error);
    ac_status (*to_host)(aci_backend *backend, void *host, const void *device,
                         size_t bytes, ac_error *error);

    /* Make matrix planes reachable by the device; on the CPU nothing. Planes
     * that were adopted before, by their address, are not copied again: they
     * must stay where they are as long as the backend is open. */
    ac_status (*adopt)(aci_backend *backend, aci_matrix *matrix,
                       ac_error *error);

    ac_status (*synchronize)(aci_backend *backend, ac_error *error);
    void (*close)(aci_backend *backend);

    /* Says why `allocate` answered NULL, with the numbers: AC_E_NO_MEMORY, or
     * AC_E_DEVICE where the device has failed. `what` it was for. */
    ac_status (*refuse)(aci_backend *backend, size_t bytes, const char *what,
                        ac_error *error);

    /* Memory of the device that is taken; 0 on the CPU, whose memory counts
     * with the rest. */
    size_t (*used_bytes)(aci_backend *backend);

    /* The peaks (peaks.h) of n_rows rows of logits [n_rows, n_vocab] in device
     * memory, n_best of each or more, into host memory; waits. log_sum and
     * mass within a rounding of float32 exponentials, all else exact. */
    ac_status (*peaks)(aci_backend *backend, aci_peaks *out,
                       const float *logits, int32_t n_rows, int32_t n_vocab,
                       int32_t n_best, float scale, ac_error *error);

    /* Whether `adopt` will find memory for so many bytes of planes: before the
     * minutes that copying them takes. AC_E_NO_MEMORY says what is needed and
     * what there is. The CPU adopts in place: AC_OK. */
    ac_status (*check_room)(aci_backend *backend, uint64_t bytes,
                            ac_error *error);

    /* `project` of the products, then of each outer what its inner one put
     * out: to the last bit what those calls give, the inner rows too. No outer
     * goes where an inner one or the input lies. n_outers may be 0. */
    ac_status (*project_pairs)(aci_backend *backend,
                               const aci_product *products, int32_t n_products,
                               const aci_outer *outers, int32_t n_outers,
                               const aci_input *input, int32_t n_rows,
                               ac_error *error);
} aci_backend_operations;

struct aci_backend {
    const aci_backend_operations *operations;
    aci_memory *memory;
    aci_pool *pool;
    char description[160]; /* "cpu avx512-vnni, 2 threads" */
};

/* Limits the loader enforces so that integer sums stay exact and buffers
 * bounded. */
enum { ACI_MAX_ROWS = 512, ACI_MAX_SPANS = 64, ACI_MAX_PRODUCTS = 4 };

/* aci_kernels_project_pairs: project_pairs by calls of project, one for the
 * products and one for the outers of each: the plain way of every backend. */
ac_status aci_kernels_project_pairs(aci_backend *backend,
                                    const aci_product *products,
                                    int32_t n_products,
                                    const aci_outer *outers, int32_t n_outers,
                                    const aci_input *input, int32_t n_rows,
                                    ac_error *error);

/* aci_kernels_cpu_open: `level` NULL picks the best the processor has;
 * "reference", "avx2", "avx512" force one (AC_E_UNSUPPORTED when the processor
 * lacks it). max_width: the largest n_in or n_ff of the model; scratch for
 * ACI_MAX_ROWS rows of it is allocated now, operations allocate nothing. */
ac_status aci_kernels_cpu_open(aci_backend **out, aci_memory *memory,
                               aci_pool *pool, const char *level,
                               int32_t max_width, ac_error *error);

/* aci_cuda_open: AC_E_DEVICE with the reason where there is no usable GPU or
 * the library was built without CUDA. `most_bytes` of device memory are used
 * at most, weights, sessions and all; 0: what the device has. */
ac_status aci_cuda_open(aci_backend **out, aci_memory *memory, int32_t device,
                        int32_t max_width, size_t most_bytes,
                        ac_error *error);

#endif
