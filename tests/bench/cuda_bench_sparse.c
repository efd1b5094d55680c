/* cuda_bench_sparse.c - products with blocks left out, beside the whole one and
 * cuSPARSE's. */
#include "cuda_bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "skip_tiles_cuda.h"

/* Blocks of 16 x 128, in each strip as many: a share of the matrix in int4, and
 * the same pattern in float16 blocks of 16 x 16 for cuSPARSE. Copies lie at
 * different places of the random block. */
typedef struct sparse_problem {
    cuda_bench_problem whole;
    int n_kept;      /* blocks of a strip */
    size_t n_blocks; /* of the matrix */
    skip_cuda_matrix matrix;
    int32_t *columns;
    void *scratch, *vendor_scratch;
    vendor_sparse_product **vendor; /* [n_vendor], one a copy */
    int n_vendor;
} sparse_problem;

static void do_sparse(cuda_bench *b, int i, void *user)
{
    const sparse_problem *p = user;
    size_t bytes = p->n_blocks * 1024;
    skip_cuda_matrix m = p->matrix;

    m.nibbles = (const uint8_t *)b->vendor_block +
                (size_t)i % (BLOCK_BYTES / bytes) * bytes;
    if (skip_tiles_cuda(b->out, &m, b->x, p->whole.n_rows, p->scratch,
                        b->stream) != 0)
        cuda_bench_die("block-sparse", "did not start");
}

static void do_vendor_sparse(cuda_bench *b, int i, void *user)
{
    const sparse_problem *p = user;

    if (vendor_sparse_run(b->sparse, p->vendor[i % p->n_vendor],
                          p->vendor_scratch, b->stream) != 0)
        cuda_bench_die("cuSPARSE", "a product failed");
}

static void *put(const void *host, size_t bytes)
{
    void *device = NULL;

    cuda_bench_need(cudaMalloc(&device, bytes), "memory");
    cuda_bench_need(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice),
                    "copying");
    return device;
}

/* Lists for one copy: n_kept of a strip's groups at random, in order. */
static void make_lists(cuda_bench *b, sparse_problem *p)
{
    const int n_strips = p->whole.n_out / 16, n_groups = p->whole.n_in / 128;
    uint32_t *first = calloc((size_t)n_strips + 1, sizeof *first), seed = 7;
    uint16_t *live = calloc(p->n_blocks, sizeof *live);
    int32_t *columns = calloc(p->n_blocks * 8, sizeof *columns), s, g, k;
    size_t n = 0;

    if (first == NULL || live == NULL || columns == NULL)
        cuda_bench_die("block-sparse", "no memory");
    for (s = 0; s < n_strips; s++) {
        for (g = 0; g < n_groups; g++) {
            uint32_t wanted =
                (uint32_t)((size_t)(s + 1) * (size_t)p->n_kept - n);

            seed = seed * 1664525u + 1013904223u;
            if ((seed >> 8) % (uint32_t)(n_groups - g) >= wanted)
                continue;
            for (k = 0; k < 8; k++)
                columns[8 * n + (size_t)k] = 8 * g + k;
            live[n++] = (uint16_t)g;
        }
        first[s + 1] = (uint32_t)n;
    }
    p->matrix =
        (skip_cuda_matrix){ p->whole.n_out,
                            p->whole.n_in,
                            put(first, ((size_t)n_strips + 1) * sizeof *first),
                            put(live, n * sizeof *live),
                            put(b->scales, n * 16 * sizeof *b->scales),
                            NULL };
    p->columns = put(columns, 8 * n * sizeof *columns);
    cuda_bench_need(
        cudaMalloc(&p->scratch, skip_tiles_cuda_bytes(p->whole.n_in, 8)),
        "memory");
    free(first);
    free(live);
    free(columns);
}

/* 0 where cuSPARSE takes the pattern. */
static int make_vendor_copies(cuda_bench *b, sparse_problem *p)
{
    const size_t n = p->n_blocks * 16 * 128; /* values of a copy */
    size_t bytes = 0;
    int i;

    p->n_vendor = (int)(BLOCK_BYTES / 2 / n);
    p->vendor = calloc((size_t)p->n_vendor, sizeof(*p->vendor));
    if (p->vendor == NULL)
        cuda_bench_die("cuSPARSE", "no memory");
    for (i = 0; i < p->n_vendor; i++) {
        p->vendor[i] = vendor_sparse_make(
            b->sparse, b->vendor_out, b->vendor_x, p->columns,
            b->vendor_block + (size_t)i * n, p->whole.n_rows, p->whole.n_out,
            p->whole.n_in, p->n_kept * 128, &bytes);
        if (p->vendor[i] == NULL)
            return -1;
    }
    cuda_bench_need(cudaMalloc(&p->vendor_scratch, bytes + 1), "memory");
    return vendor_sparse_run(b->sparse, p->vendor[0], p->vendor_scratch,
                             b->stream);
}

static double measure_vendor_sparse(cuda_bench *b, sparse_problem *p)
{
    double seconds = 0.0;
    int i;

    if (b->sparse == NULL)
        return 0.0;
    if (make_vendor_copies(b, p) == 0)
        seconds = cuda_bench_seconds(b, do_vendor_sparse, p);
    cuda_bench_need(cudaDeviceSynchronize(), "waiting");
    for (i = 0; i < p->n_vendor; i++)
        vendor_sparse_free(b->sparse, p->vendor[i]);
    free(p->vendor);
    cudaFree(p->vendor_scratch);
    p->vendor_scratch = NULL;
    return seconds;
}

static void report_sparse(cuda_bench *b, const sparse_problem *p, int percent,
                          double seconds, double dense, double vendor)
{
    const cuda_bench_problem *whole = &p->whole;

    printf("%d %% of the blocks of %5dx%-5d w4 a8 %d %9.1f us, %.2f x dense "
           "int4 (%.1f us)",
           percent, whole->n_out, whole->n_in, whole->n_rows, seconds * 1e6,
           dense / seconds, dense * 1e6);
    printf(vendor > 0.0 ? ", %.2f x cuSPARSE\n" : "\n", vendor / seconds);
    json_array_append_new(
        b->rows,
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f}", "kernel",
                  percent == 50 ? "half the blocks" : "a quarter of the blocks",
                  "n_out", whole->n_out, "n_in", whole->n_in, "weight_bits", 4,
                  "activation_bits", 8, "rows", whole->n_rows, "microseconds",
                  seconds * 1e6, "over_dense", dense / seconds, "over_cusparse",
                  vendor / seconds));
}

void cuda_bench_sparse(cuda_bench *b)
{
    static const int shapes[][2] = { { 4096, 4096 }, { 4096, 14336 } };
    static const int percents[] = { 50, 25 }, rows[] = { 1, 8 };
    size_t s, d, r;

    for (s = 0; s < 2; s++)
        for (d = 0; d < 2; d++) {
            sparse_problem p = { .whole = { "whole", shapes[s][0], shapes[s][1],
                                            4, 8, 0, 0, NULL } };

            p.n_kept = shapes[s][1] / 128 * percents[d] / 100;
            p.n_blocks = (size_t)(shapes[s][0] / 16) * (size_t)p.n_kept;
            cuda_bench_copies(b, &p.whole);
            make_lists(b, &p);
            for (r = 0; r < 2; r++) {
                double dense, vendor;

                p.whole.n_rows = rows[r];
                dense = cuda_bench_seconds(b, cuda_bench_product, &p.whole);
                vendor = measure_vendor_sparse(b, &p);
                report_sparse(b, &p, percents[d],
                              cuda_bench_seconds(b, do_sparse, &p), dense,
                              vendor);
            }
            cudaFree((void *)(uintptr_t)p.matrix.first);
            cudaFree((void *)(uintptr_t)p.matrix.live);
            cudaFree((void *)(uintptr_t)p.matrix.scales);
            cudaFree(p.columns);
            cudaFree(p.scratch);
            free(p.whole.copies);
        }
}
