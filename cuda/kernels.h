/* kernels.h - what the kernel files offer, callable from C: each function
 * checks its shapes, queues its work on the stream and returns at once.
 *
 * Pointers are device memory unless said otherwise. A shape that a kernel was
 * not made for is cudaErrorInvalidValue, never a wrong result. */
#ifndef ACI_CUDA_KERNELS_H
#define ACI_CUDA_KERNELS_H

#include "cuda/runtime.h"
#include "kernels/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Activations as products read them; the contract is that of backend.h.
 *   high, low           [n_rows, n_in_padded]; low for 16 bits alone
 *   scales, sum_high,
 *   sum_low             [n_groups, row_stride]: the tokens of a group side by
 *                       side, row_stride a multiple of 64
 * Rows up to the next multiple of 64 may be read, and are never used.
 *
 * In the wide order, which multiply_wide.cu reads, high and low are instead
 *     [n_in_padded / 64, row_stride / 8, 4, 8, 16]
 * tile of 64 columns, eight tokens, piece, token of the eight, byte: piece p
 * has of the tile the columns 4p .. 4p+3 of each sixteen, which the lanes of a
 * warp bring together (product_call.h). Rows up to the next multiple of 128
 * may be read then. */
typedef struct aci_cuda_activations {
    int8_t *high, *low;
    float *scales;
    int32_t *sum_high, *sum_low;
    int32_t n_rows, row_stride, n_in_padded, group, bits;
    int32_t is_wide;
} aci_cuda_activations;

/* image.cu: whether the driver has code for the current device, an error where
 * not; *from_ptx where it compiled that itself. */
cudaError_t aci_cuda_image(int32_t *from_ptx);

/* quantise.cu: rows of the input, through what it asks for, into activations;
 * columns from n_in on count as zero. */
cudaError_t aci_cuda_quantise(const aci_cuda_activations *out, const aci_input *input,
                              int32_t n_in, cudaStream_t stream);

/* multiply_few.cu, multiply_many.cu: products whose weights lie in planes with
 * activations that were quantised for them: the same n_in_padded and group.
 * The first for up to 8 rows, the second for any number. Bit for bit the
 * contract of backend.h, both. `products` is host memory. */
enum { ACI_CUDA_FEW_ROWS = 8 };
cudaError_t aci_cuda_multiply_few(const aci_product *products, int32_t n_products,
                                  const aci_cuda_activations *x, cudaStream_t stream);
cudaError_t aci_cuda_multiply_many(const aci_product *products, int32_t n_products,
                                   const aci_cuda_activations *x, cudaStream_t stream);

/* multiply_wide.cu: the same on sm_90a, for many rows in the wide order, which
 * it takes (by shape: rows, group, row_stride) or not; whether the driver runs
 * our code for sm_90a, without which it must not be called; the products. From
 * 65 rows on: a block takes 128, and with fewer than half of them used
 * multiply_many's blocks of 64 waste less. `patience` other than 0 bounds each
 * wait inside the kernel, to that many times 10 microseconds about, after which
 * the result is anything: for the self-test of a device. */
enum { ACI_CUDA_WIDE_ROWS = 65 };
int32_t aci_cuda_wide_takes(const aci_cuda_activations *x);
int32_t aci_cuda_wide_image(void);
cudaError_t aci_cuda_multiply_wide(const aci_product *products, int32_t n_products,
                                   const aci_cuda_activations *x, int32_t patience,
                                   cudaStream_t stream);

/* multiply_pairs.cu: `project_pairs` of backend.h for up to 8 rows in one
 * launch, x quantised for the products. Where aci_cuda_pairs_fit says 0 it
 * cannot be done in one: other bits or groups, or ranks beyond the shared
 * memory of a block. */
enum { ACI_CUDA_MOST_TURNS = 256 };
typedef struct aci_cuda_together {
    int32_t n_processors; /* of the device; 0: blocks of a launch cannot wait for others */
    uint32_t *arrived;    /* device memory, zeroed: a word of grid_barrier.h, */
    uint32_t *turns;      /* and ACI_CUDA_MOST_TURNS of aci_is_last */
    float *values;        /* [n_values] of groups, until they are added up */
    size_t n_values;
} aci_cuda_together;
int32_t aci_cuda_pairs_fit(const aci_product *products, int32_t n_products,
                           const aci_outer *outers, int32_t n_outers, int32_t n_rows);
cudaError_t aci_cuda_multiply_pairs(const aci_product *products, int32_t n_products,
                                    const aci_outer *outers, int32_t n_outers,
                                    const aci_cuda_activations *x,
                                    const aci_cuda_together *together, cudaStream_t stream);

/* dense.cu: out = x W' (+ bias) for weights in float32; rows of x are already
 * normed or gated. Sums are float32, each in one fixed order. */
cudaError_t aci_cuda_multiply_dense(const aci_product *product, const float *x, size_t x_stride,
                                    int32_t n_rows, cudaStream_t stream);

/* rows.cu: see backend.h; `tokens` is device memory. out may be x in norm;
 * activate: out [n_rows, width] = silu(x) * up, both [n_rows, stride]. */
cudaError_t aci_cuda_embed(float *out, const aci_linear *table, const int32_t *tokens,
                           int32_t n_rows, cudaStream_t stream);
cudaError_t aci_cuda_norm(float *out, const float *x, size_t x_stride, const float *weight,
                          int32_t n_rows, int32_t width, float eps, cudaStream_t stream);
cudaError_t aci_cuda_activate(float *out, const float *x, const float *up, size_t stride,
                              int32_t n_rows, int32_t width, cudaStream_t stream);

/* peaks.cu: the peaks (kernels/peaks.h) of rows of logits [n_rows, n_vocab]:
 * afterwards they lie at the beginning of `scratch`, one a row. */
size_t aci_cuda_peaks_bytes(int32_t n_rows, int32_t n_vocab);
cudaError_t aci_cuda_peaks(void *scratch, size_t scratch_bytes, const float *logits,
                           int32_t n_rows, int32_t n_vocab, float scale, cudaStream_t stream);

/* The rows of a call, as kernels see them: who sits where, and in whose cache.
 *   positions  [n_rows]  device memory, so that a recorded graph can be told
 *                        new ones
 * Span s has rows first_row[s] .. first_row[s + 1] - 1. */
typedef struct aci_cuda_rows {
    const int32_t *positions;
    int32_t n_rows, n_spans;
    int32_t first_row[ACI_MAX_SPANS + 1];
    aci_kv kv[ACI_MAX_SPANS];
} aci_cuda_rows;

/* rotate.cu: q/k norm, rotary positions, keys and values into the cache. The
 * pointers of `attention` are device memory, inverse_frequency too. */
cudaError_t aci_cuda_rotate_append(float *q, float *k, const float *v, const aci_cuda_rows *rows,
                                   const aci_attention *attention, cudaStream_t stream);

/* attend.cu: causal grouped-query attention. `scratch` holds what parts of a
 * long cache came to, aci_cuda_attend_bytes of it; `longest` is the largest
 * position + 1 of any row, which sizes the grid (a recorded graph is given the
 * capacity: parts that a row does not reach end at once). */
size_t aci_cuda_attend_bytes(int32_t n_rows, int32_t n_head, int32_t head_dim, int32_t longest);
cudaError_t aci_cuda_attend(float *out, const float *q, const aci_cuda_rows *rows,
                            const aci_attention *attention, int32_t longest, void *scratch,
                            size_t scratch_bytes, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
