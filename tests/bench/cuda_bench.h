/* cuda_bench.h - what the parts of bench_cuda share: the device, what is in its
 * memory, its roofs, and how a call is timed. */
#ifndef TESTS_BENCH_CUDA_BENCH_H
#define TESTS_BENCH_CUDA_BENCH_H

#include <cuda_runtime_api.h>
#include <jansson.h>

#include "kernels/backend.h"
#include "vendor_products.h"
#include "vendor_sparse.h"

enum { LONGEST = 14336, MOST_ROWS = 512, GROUP = 128, BLOCK_BYTES = 1 << 29 };

typedef struct cuda_bench {
    aci_memory memory;
    aci_backend *backend;
    vendor_products *vendor;
    vendor_sparse *sparse;
    cudaStream_t stream;
    size_t cache_bytes;
    int n_processors;
    uint8_t *host;           /* BLOCK_BYTES of random weights */
    uint16_t *scales;
    float *x, *out;          /* device */
    uint16_t *vendor_block;  /* device, BLOCK_BYTES of random bfloat16 */
    uint16_t *vendor_x, *vendor_out;
    double read_roof, copy_roof; /* GB/s */
    double int8_roof, half_roof, vendor_roof; /* TOP/s, TFLOP/s */
    json_t *rows, *attention_rows, *other_rows;
} cuda_bench;

/* Ends the program, saying why. */
void cuda_bench_die(const char *what, const char *why);
void cuda_bench_need(cudaError_t result, const char *what);

/* Median seconds of one call of work(i), of several runs of many calls between
 * two waits. */
typedef void cuda_bench_work(cuda_bench *b, int i, void *user);
double cuda_bench_seconds(cuda_bench *b, cuda_bench_work *work, void *user);

/* A product, by weights in several places, taken in turns. */
typedef struct cuda_bench_problem {
    const char *name;
    int n_out, n_in, weight_bits, activation_bits, n_rows;
    int n_copies;
    aci_matrix *copies; /* free() */
} cuda_bench_problem;

/* Fills `copies`: places in the random block, each adopted by itself. */
void cuda_bench_copies(cuda_bench *b, cuda_bench_problem *p);

/* The work of one such product; `user` is the problem. */
void cuda_bench_product(cuda_bench *b, int i, void *user);

/* Each prints a line per figure; all but the roofs also keep it for the file. */
void cuda_bench_roofs(cuda_bench *b);
void cuda_bench_products(cuda_bench *b);
void cuda_bench_low_rank(cuda_bench *b);
void cuda_bench_sparse(cuda_bench *b);
void cuda_bench_attention(cuda_bench *b);
void cuda_bench_rows(cuda_bench *b);

#endif
