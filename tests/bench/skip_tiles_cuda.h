/* skip_tiles_cuda.h - skip_tiles.h on a GPU: a product of up to 8 tokens that
 * skips blocks of 16 x 128 int4 weights, by the contract of backend.h: bit for
 * bit the dense product of a matrix that is zero there. */
#ifndef TESTS_BENCH_SKIP_TILES_CUDA_H
#define TESTS_BENCH_SKIP_TILES_CUDA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Blocks that are there follow one another, strip by strip; device memory. */
typedef struct skip_cuda_matrix {
    int32_t n_out, n_in;     /* n_in a multiple of 128, up to 65536 x 128 */
    const uint32_t *first;   /* [n_strips + 1]: where a strip's blocks begin */
    const uint16_t *live;    /* [first[n_strips]]: number along the columns */
    const uint16_t *scales;  /* [first[n_strips], 16] float16 */
    const uint8_t *nibbles;  /* [first[n_strips], 1024]: two tiles of plane A */
} skip_cuda_matrix;

/* Bytes of scratch for the quantised rows of x. */
size_t skip_tiles_cuda_bytes(int32_t n_in, int32_t n_rows);

/* out [n_rows, n_out] = x [n_rows, n_in] m', activations of 8 bits; all device
 * memory, queued on `stream`, a cudaStream_t. 0, or CUDA's error. */
int skip_tiles_cuda(float *out, const skip_cuda_matrix *m, const float *x,
                    int32_t n_rows, void *scratch, void *stream);

#ifdef __cplusplus
}
#endif

#endif
