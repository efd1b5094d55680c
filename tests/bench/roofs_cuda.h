/* roofs_cuda.h - what a GPU can do at best: reading, copying, multiplying. */
#ifndef TESTS_BENCH_ROOFS_CUDA_H
#define TESTS_BENCH_ROOFS_CUDA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One pass of reading `bytes` (a multiple of 16), queued on `stream`. */
int roof_cuda_read(const void *bytes, size_t n_bytes, int n_blocks, void *stream);

/* n_rounds of products of 16 x 8 x 32 bytes on every warp, nothing read;
 * *operations is what that comes to. */
int roof_cuda_int8(int n_rounds, int n_blocks, double *operations, void *sink, void *stream);

/* The same of 16 x 8 x 16 float16, summed in float32. */
int roof_cuda_half(int n_rounds, int n_blocks, double *operations, void *sink, void *stream);

#ifdef __cplusplus
}
#endif

#endif
