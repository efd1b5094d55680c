/* cuda_bench.c - timing calls on the device, and what it can do at best. */
#include "cuda_bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "platform/clock.h"
#include "roofs_cuda.h"

enum { RUNS = 7 };

void cuda_bench_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

void cuda_bench_need(cudaError_t result, const char *what)
{
    if (result != cudaSuccess)
        cuda_bench_die(what, cudaGetErrorString(result));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double cuda_bench_seconds(cuda_bench *b, cuda_bench_work *work, void *user)
{
    double seconds[RUNS];
    int run, i, n = 8;

    for (run = -1; run < RUNS; run++) {
        uint64_t began;
        double took;

        cuda_bench_need(cudaDeviceSynchronize(), "waiting");
        began = aci_platform_monotonic_nanoseconds();
        for (i = 0; i < n; i++)
            work(b, i, user);
        cuda_bench_need(cudaDeviceSynchronize(), "waiting");
        took = (double)(aci_platform_monotonic_nanoseconds() - began) * 1e-9;
        if (run >= 0)
            seconds[run] = took / n;
        else /* the first warms up, and says how many make 5 ms */
            n = took / n > 0.0 ? (int)(0.005 * n / took) + 4 : 1000;
        n = n > 2000 ? 2000 : n;
    }
    qsort(seconds, RUNS, sizeof *seconds, by_value);
    return seconds[RUNS / 2];
}

/* ---- roofs --------------------------------------------------------------- */

static void do_read(cuda_bench *b, int i, void *user)
{
    (void)i;
    (void)user;
    if (roof_cuda_read(b->vendor_block, BLOCK_BYTES, 4 * b->n_processors,
                       b->stream) != 0)
        cuda_bench_die("reading", "did not start");
}

static void do_copy(cuda_bench *b, int i, void *user)
{
    (void)i;
    (void)user;
    cuda_bench_need(cudaMemcpyAsync((char *)b->vendor_block + BLOCK_BYTES / 2,
                                    b->vendor_block, BLOCK_BYTES / 2,
                                    cudaMemcpyDeviceToDevice, b->stream),
                    "copying");
}

static void do_int8(cuda_bench *b, int i, void *user)
{
    (void)i;
    if (roof_cuda_int8(4096, 4 * b->n_processors, user, b->vendor_out,
                       b->stream) != 0)
        cuda_bench_die("multiplying", "did not start");
}

static void do_half(cuda_bench *b, int i, void *user)
{
    (void)i;
    if (roof_cuda_half(8192, 4 * b->n_processors, user, b->vendor_out,
                       b->stream) != 0)
        cuda_bench_die("multiplying", "did not start");
}

static void do_vendor_square(cuda_bench *b, int i, void *user)
{
    (void)i;
    (void)user;
    if (vendor_products_run(b->vendor, b->stream,
                            b->vendor_block + 2 * 8192 * 8192,
                            b->vendor_block + 8192 * 8192, b->vendor_block,
                            8192, 8192, 8192) != 0)
        cuda_bench_die("cuBLAS", "a product failed");
}

void cuda_bench_roofs(cuda_bench *b)
{
    double operations = 0.0;

    b->read_roof = BLOCK_BYTES / cuda_bench_seconds(b, do_read, NULL) * 1e-9;
    b->int8_roof = 1.0 / cuda_bench_seconds(b, do_int8, &operations);
    b->int8_roof *= operations * 1e-12;
    b->half_roof = 1.0 / cuda_bench_seconds(b, do_half, &operations);
    b->half_roof *= operations * 1e-12;
    if (b->vendor != NULL)
        b->vendor_roof = 2.0 * 8192 * 8192 * 8192 /
                         cuda_bench_seconds(b, do_vendor_square, NULL) * 1e-12;
    b->copy_roof = BLOCK_BYTES / cuda_bench_seconds(b, do_copy, NULL) * 1e-9;
    printf("roofs: read %.0f GB/s, copy %.0f GB/s (read and written), "
           "int8 %.0f TOP/s, float16 %.0f TFLOP/s (mma.sync), bf16 %.0f "
           "TFLOP/s (cuBLAS)\n",
           b->read_roof, b->copy_roof, b->int8_roof, b->half_roof,
           b->vendor_roof);
}
