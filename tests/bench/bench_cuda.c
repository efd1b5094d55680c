/* bench_cuda.c - products and attention of the CUDA backend against what the
 * device can do at best, products against cuBLAS too, all measured in this run.
 *
 *     make bench-cuda ARGS="[--device N] [--out FILE] [--against FILE]"
 *
 * Weights are random and lie in as many copies as make four times the L2
 * cache, taken in turns. A figure is the median of RUNS, each many calls
 * between two waits. --against compares with figures kept before and fails
 * where a kernel is over 5 % slower. Exit code 77: there is no GPU. */
#include <cuda_runtime_api.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"
#include "platform/clock.h"
#include "roofs_cuda.h"
#include "skip_tiles_cuda.h"
#include "vendor_products.h"
#include "vendor_sparse.h"

enum { RUNS = 7, LONGEST = 14336, MOST_ROWS = 512, GROUP = 128 };
enum { BLOCK_BYTES = 1 << 29 };

typedef struct bench {
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
    json_t *rows, *attention_rows;
} bench;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void need(cudaError_t result, const char *what)
{
    if (result != cudaSuccess)
        die(what, cudaGetErrorString(result));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Median seconds of one call of work(i). */
typedef void work_call(bench *b, int i, void *user);
static double measure(bench *b, work_call *work, void *user)
{
    double seconds[RUNS];
    int run, i, n = 8;

    for (run = -1; run < RUNS; run++) {
        uint64_t began;
        double took;

        need(cudaDeviceSynchronize(), "waiting");
        began = aci_platform_monotonic_nanoseconds();
        for (i = 0; i < n; i++)
            work(b, i, user);
        need(cudaDeviceSynchronize(), "waiting");
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

static void do_read(bench *b, int i, void *user)
{
    (void)i;
    (void)user;
    if (roof_cuda_read(b->vendor_block, BLOCK_BYTES, 4 * b->n_processors,
                       b->stream) != 0)
        die("reading", "did not start");
}

static void do_copy(bench *b, int i, void *user)
{
    (void)i;
    (void)user;
    need(cudaMemcpyAsync((char *)b->vendor_block + BLOCK_BYTES / 2,
                         b->vendor_block, BLOCK_BYTES / 2,
                         cudaMemcpyDeviceToDevice, b->stream), "copying");
}

static void do_int8(bench *b, int i, void *user)
{
    (void)i;
    if (roof_cuda_int8(4096, 4 * b->n_processors, user, b->vendor_out,
                       b->stream) != 0)
        die("multiplying", "did not start");
}

static void do_half(bench *b, int i, void *user)
{
    (void)i;
    if (roof_cuda_half(8192, 4 * b->n_processors, user, b->vendor_out,
                       b->stream) != 0)
        die("multiplying", "did not start");
}

static void do_vendor_square(bench *b, int i, void *user)
{
    (void)i;
    (void)user;
    if (vendor_products_run(b->vendor, b->stream, b->vendor_block +
                            2 * 8192 * 8192, b->vendor_block +
                            8192 * 8192, b->vendor_block, 8192, 8192,
                            8192) != 0)
        die("cuBLAS", "a product failed");
}

static void measure_roofs(bench *b)
{
    double operations = 0.0;

    b->read_roof = BLOCK_BYTES / measure(b, do_read, NULL) * 1e-9;
    b->int8_roof = 1.0 / measure(b, do_int8, &operations);
    b->int8_roof *= operations * 1e-12;
    b->half_roof = 1.0 / measure(b, do_half, &operations);
    b->half_roof *= operations * 1e-12;
    if (b->vendor != NULL)
        b->vendor_roof = 2.0 * 8192 * 8192 * 8192 /
                         measure(b, do_vendor_square, NULL) * 1e-12;
    b->copy_roof = BLOCK_BYTES / measure(b, do_copy, NULL) * 1e-9;
    printf("roofs: read %.0f GB/s, copy %.0f GB/s (read and written), "
           "int8 %.0f TOP/s, float16 %.0f TFLOP/s (mma.sync), bf16 %.0f "
           "TFLOP/s (cuBLAS)\n", b->read_roof, b->copy_roof, b->int8_roof,
           b->half_roof, b->vendor_roof);
}

/* ---- products ------------------------------------------------------------ */

typedef struct problem {
    const char *name;
    int n_out, n_in, weight_bits, activation_bits, n_rows;
    int n_copies;
    aci_matrix *copies;
} problem;

static void do_product(bench *b, int i, void *user)
{
    problem *p = user;
    aci_product product = { { &p->copies[i % p->n_copies], NULL,
                              p->weight_bits, p->activation_bits },
                            b->out, (size_t)p->n_out, 0 };
    const aci_input input = { .x = b->x, .x_stride = (size_t)p->n_in };
    ac_error error = AC_ERROR_INIT;

    if (b->backend->operations->project(b->backend, &product, 1, &input,
                                        p->n_rows, &error) != AC_OK)
        die(p->name, error.message);
}

static void do_vendor(bench *b, int i, void *user)
{
    problem *p = user;
    size_t n = (size_t)p->n_out * (size_t)p->n_in;
    size_t copies = BLOCK_BYTES / 2 / n;

    if (vendor_products_run(b->vendor, b->stream, b->vendor_out, b->vendor_x,
                            b->vendor_block + (size_t)i % copies * n,
                            p->n_rows, p->n_out, p->n_in) != 0)
        die(p->name, "cuBLAS failed");
}

/* Copies at different places of the random block, each adopted by itself. */
static void make_copies(bench *b, problem *p)
{
    aci_matrix m = { 0 };
    size_t nibbles, bytes, i;
    ac_error error = AC_ERROR_INIT;

    m.n_out = p->n_out;
    m.n_in = m.n_in_padded = m.n_in_stored = p->n_in;
    m.n_strip = (p->n_out + ACI_STRIP_ROWS - 1) / ACI_STRIP_ROWS;
    m.group = GROUP;
    m.ratio = 14;
    m.scales = b->scales;
    nibbles = aci_matrix_nibble_bytes(&m);
    bytes = nibbles * (size_t)p->weight_bits / 4;
    p->n_copies = (int)(4 * b->cache_bytes / bytes) + 2;
    while ((size_t)p->n_copies * bytes > BLOCK_BYTES)
        p->n_copies--;
    p->copies = calloc((size_t)p->n_copies, sizeof m);
    if (p->copies == NULL)
        die(p->name, "no memory");
    for (i = 0; i < (size_t)p->n_copies; i++) {
        const uint8_t *at = b->host + i * bytes;

        m.plane_a = at;
        m.plane_b = p->weight_bits > 4 ? at + nibbles : NULL;
        m.plane_c = p->weight_bits > 8 ? at + 2 * nibbles : NULL;
        p->copies[i] = m;
        if (b->backend->operations->adopt(b->backend, &p->copies[i],
                                          &error) != AC_OK)
            die(p->name, error.message);
    }
}

static void report(bench *b, const problem *p, double seconds, double vendor)
{
    double n = (double)p->n_out * p->n_in;
    double gigabytes = n * p->weight_bits / 8 / seconds * 1e-9;
    double tera = 2.0 * n * p->n_rows / seconds * 1e-12;
    double share_read = gigabytes / b->read_roof;
    double share_int8 = tera * (p->activation_bits / 8) *
                        (p->weight_bits == 16 ? 1.5 : 1.0) / b->int8_roof;
    int by_bytes = share_read > share_int8;

    printf("%-6s %5dx%-5d w%-2d a%-2d %4d %9.1f us %7.0f GB/s %7.1f TOP/s "
           "%4.0f%% of %s", p->name, p->n_out, p->n_in, p->weight_bits,
           p->activation_bits, p->n_rows, seconds * 1e6, gigabytes, tera,
           100.0 * (by_bytes ? share_read : share_int8),
           by_bytes ? "read" : "int8");
    printf(vendor > 0.0 ? " %6.2f x cuBLAS\n" : "\n", vendor / seconds);
    json_array_append_new(b->rows, json_pack(
        "{s:s, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}",
        "kernel", p->name, "n_out", p->n_out, "n_in", p->n_in, "weight_bits",
        p->weight_bits, "activation_bits", p->activation_bits, "rows",
        p->n_rows, "microseconds", seconds * 1e6, "gigabytes_per_second",
        gigabytes, "tera_operations_per_second", tera, "share_of_read",
        share_read, "share_of_int8", share_int8, "over_cublas",
        vendor / seconds));
}

static void measure_products(bench *b)
{
    static const int shapes[][2] = { { 4096, 4096 }, { 14336, 4096 },
                                     { 4096, 14336 } };
    static const int bits[][2] = { { 4, 8 }, { 8, 8 }, { 8, 16 },
                                   { 16, 16 } };
    static const int rows[] = { 1, 2, 4, 8, 16, 64, 256, 512 };
    const int by_wide = strstr(b->backend->description, ", wgmma") != NULL &&
                        strstr(b->backend->description, "wgmma off") == NULL;
    size_t s, w, r;

    for (s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (w = 0; w < sizeof bits / sizeof *bits; w++) {
            problem p = { "few", shapes[s][0], shapes[s][1], bits[w][0],
                          bits[w][1], 0, 0, NULL };

            make_copies(b, &p);
            for (r = 0; r < sizeof rows / sizeof *rows; r++) {
                double vendor = 0.0;

                p.n_rows = rows[r];
                p.name = rows[r] <= 8                ? "few"
                         : rows[r] > 64 && by_wide ? "wide"
                                                     : "many";
                if (b->vendor != NULL)
                    vendor = measure(b, do_vendor, &p);
                report(b, &p, measure(b, do_product, &p), vendor);
            }
            free(p.copies);
        }
}

/* ---- low rank ------------------------------------------------------------ */

/* W ~= U V, one after the other in one call. */
typedef struct pair {
    problem v, u;
    float *low;              /* device */
} pair;

static void do_pair(bench *b, int i, void *user)
{
    pair *p = user;
    const aci_matrix *v = &p->v.copies[i % p->v.n_copies];
    const aci_matrix *u = &p->u.copies[i % p->u.n_copies];
    const aci_product inner = { { v, NULL, p->v.weight_bits, 8 }, p->low,
                                (size_t)p->v.n_out, 0 };
    const aci_outer outer = { { { u, NULL, p->u.weight_bits, 8 }, b->out,
                                (size_t)p->u.n_out, 0 }, 0 };
    const aci_input input = { .x = b->x, .x_stride = (size_t)p->v.n_in };
    ac_error error = AC_ERROR_INIT;

    if (b->backend->operations->project_pairs(b->backend, &inner, 1, &outer, 1,
                                              &input, p->v.n_rows,
                                              &error) != AC_OK)
        die("low rank", error.message);
}

static void report_pair(bench *b, const problem *whole, int rank,
                        double seconds, double dense)
{
    printf("low rank %d of %5dx%-5d w%d a8 %d %9.1f us, %.2f x dense int4 "
           "(%.1f us)\n", rank, whole->n_out, whole->n_in,
           whole->weight_bits, whole->n_rows, seconds * 1e6, dense / seconds,
           dense * 1e6);
    json_array_append_new(b->rows, json_pack(
        "{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f}", "kernel", "low rank",
        "n_out", whole->n_out, "n_in", whole->n_in, "rank", rank,
        "weight_bits", whole->weight_bits, "activation_bits", 8, "rows",
        whole->n_rows, "microseconds", seconds * 1e6, "over_dense",
        dense / seconds));
}

/* Int4 at a quarter of the full rank against the whole matrix in int4. */
static void measure_low_rank(bench *b)
{
    static const int shapes[][2] = { { 4096, 4096 }, { 4096, 14336 } };
    static const int rows[] = { 1, 8 };
    size_t s, r;

    for (s = 0; s < 2; s++) {
        const int n_out = shapes[s][0], n_in = shapes[s][1];
        const int rank = (n_out < n_in ? n_out : n_in) / 4;
        problem whole = { "whole", n_out, n_in, 4, 8, 0, 0, NULL };
        pair p = { { "V", rank, n_in, 4, 8, 0, 0, NULL },
                   { "U", n_out, rank, 4, 8, 0, 0, NULL }, NULL };

        make_copies(b, &whole);
        make_copies(b, &p.v);
        make_copies(b, &p.u);
        need(cudaMalloc((void **)&p.low, (size_t)(8 * rank) * sizeof(float)),
             "memory");
        for (r = 0; r < 2; r++) {
            double dense;

            whole.n_rows = p.v.n_rows = p.u.n_rows = rows[r];
            dense = measure(b, do_product, &whole);
            report_pair(b, &whole, rank, measure(b, do_pair, &p), dense);
        }
        cudaFree(p.low);
        free(whole.copies);
        free(p.v.copies);
        free(p.u.copies);
    }
}

/* ---- blocks left out ----------------------------------------------------- */

/* Blocks of 16 x 128, in each strip as many: a share of the matrix in int4, and
 * the same pattern in float16 blocks of 16 x 16 for cuSPARSE. Copies lie at
 * different places of the random block. */
typedef struct sparse_problem {
    problem whole;
    int n_kept;              /* blocks of a strip */
    size_t n_blocks;         /* of the matrix */
    skip_cuda_matrix matrix;
    int32_t *columns;
    void *scratch, *vendor_scratch;
    vendor_sparse_product **vendor; /* [n_vendor], one a copy */
    int n_vendor;
} sparse_problem;

static void do_sparse(bench *b, int i, void *user)
{
    const sparse_problem *p = user;
    size_t bytes = p->n_blocks * 1024;
    skip_cuda_matrix m = p->matrix;

    m.nibbles = (const uint8_t *)b->vendor_block +
                (size_t)i % (BLOCK_BYTES / bytes) * bytes;
    if (skip_tiles_cuda(b->out, &m, b->x, p->whole.n_rows, p->scratch,
                        b->stream) != 0)
        die("block-sparse", "did not start");
}

static void do_vendor_sparse(bench *b, int i, void *user)
{
    const sparse_problem *p = user;

    if (vendor_sparse_run(b->sparse, p->vendor[i % p->n_vendor],
                          p->vendor_scratch, b->stream) != 0)
        die("cuSPARSE", "a product failed");
}

static void *put(const void *host, size_t bytes)
{
    void *device = NULL;

    need(cudaMalloc(&device, bytes), "memory");
    need(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice), "copying");
    return device;
}

/* Lists for one copy: n_kept of a strip's groups at random, in order. */
static void make_lists(bench *b, sparse_problem *p)
{
    const int n_strips = p->whole.n_out / 16, n_groups = p->whole.n_in / 128;
    uint32_t *first = calloc((size_t)n_strips + 1, sizeof *first), seed = 7;
    uint16_t *live = calloc(p->n_blocks, sizeof *live);
    int32_t *columns = calloc(p->n_blocks * 8, sizeof *columns), s, g, k;
    size_t n = 0;

    if (first == NULL || live == NULL || columns == NULL)
        die("block-sparse", "no memory");
    for (s = 0; s < n_strips; s++) {
        for (g = 0; g < n_groups; g++) {
            uint32_t wanted = (uint32_t)((size_t)(s + 1) * (size_t)p->n_kept -
                                         n);

            seed = seed * 1664525u + 1013904223u;
            if ((seed >> 8) % (uint32_t)(n_groups - g) >= wanted)
                continue;
            for (k = 0; k < 8; k++)
                columns[8 * n + (size_t)k] = 8 * g + k;
            live[n++] = (uint16_t)g;
        }
        first[s + 1] = (uint32_t)n;
    }
    p->matrix = (skip_cuda_matrix){
        p->whole.n_out, p->whole.n_in,
        put(first, ((size_t)n_strips + 1) * sizeof *first),
        put(live, n * sizeof *live),
        put(b->scales, n * 16 * sizeof *b->scales), NULL };
    p->columns = put(columns, 8 * n * sizeof *columns);
    need(cudaMalloc(&p->scratch, skip_tiles_cuda_bytes(p->whole.n_in, 8)),
         "memory");
    free(first);
    free(live);
    free(columns);
}

/* 0 where cuSPARSE takes the pattern. */
static int make_vendor_copies(bench *b, sparse_problem *p)
{
    const size_t n = p->n_blocks * 16 * 128; /* values of a copy */
    size_t bytes = 0;
    int i;

    p->n_vendor = (int)(BLOCK_BYTES / 2 / n);
    p->vendor = calloc((size_t)p->n_vendor, sizeof(*p->vendor));
    if (p->vendor == NULL)
        die("cuSPARSE", "no memory");
    for (i = 0; i < p->n_vendor; i++) {
        p->vendor[i] = vendor_sparse_make(
            b->sparse, b->vendor_out, b->vendor_x, p->columns,
            b->vendor_block + (size_t)i * n, p->whole.n_rows, p->whole.n_out,
            p->whole.n_in, p->n_kept * 128, &bytes);
        if (p->vendor[i] == NULL)
            return -1;
    }
    need(cudaMalloc(&p->vendor_scratch, bytes + 1), "memory");
    return vendor_sparse_run(b->sparse, p->vendor[0], p->vendor_scratch,
                             b->stream);
}

static double measure_vendor_sparse(bench *b, sparse_problem *p)
{
    double seconds = 0.0;
    int i;

    if (b->sparse == NULL)
        return 0.0;
    if (make_vendor_copies(b, p) == 0)
        seconds = measure(b, do_vendor_sparse, p);
    need(cudaDeviceSynchronize(), "waiting");
    for (i = 0; i < p->n_vendor; i++)
        vendor_sparse_free(b->sparse, p->vendor[i]);
    free(p->vendor);
    cudaFree(p->vendor_scratch);
    p->vendor_scratch = NULL;
    return seconds;
}

static void report_sparse(bench *b, const sparse_problem *p, int percent,
                          double seconds, double dense, double vendor)
{
    const problem *whole = &p->whole;

    printf("%d %% of the blocks of %5dx%-5d w4 a8 %d %9.1f us, %.2f x dense "
           "int4 (%.1f us)", percent, whole->n_out, whole->n_in, whole->n_rows,
           seconds * 1e6, dense / seconds, dense * 1e6);
    printf(vendor > 0.0 ? ", %.2f x cuSPARSE\n" : "\n", vendor / seconds);
    json_array_append_new(b->rows, json_pack(
        "{s:s, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f}", "kernel",
        percent == 50 ? "half the blocks" : "a quarter of the blocks", "n_out",
        whole->n_out, "n_in", whole->n_in, "weight_bits", 4,
        "activation_bits", 8, "rows", whole->n_rows, "microseconds",
        seconds * 1e6, "over_dense", dense / seconds, "over_cusparse",
        vendor / seconds));
}

static void measure_sparse(bench *b)
{
    static const int shapes[][2] = { { 4096, 4096 }, { 4096, 14336 } };
    static const int percents[] = { 50, 25 }, rows[] = { 1, 8 };
    size_t s, d, r;

    for (s = 0; s < 2; s++)
        for (d = 0; d < 2; d++) {
            sparse_problem p = { .whole = { "whole", shapes[s][0],
                                            shapes[s][1], 4, 8, 0, 0, NULL } };

            p.n_kept = shapes[s][1] / 128 * percents[d] / 100;
            p.n_blocks = (size_t)(shapes[s][0] / 16) * (size_t)p.n_kept;
            make_copies(b, &p.whole);
            make_lists(b, &p);
            for (r = 0; r < 2; r++) {
                double dense, vendor;

                p.whole.n_rows = rows[r];
                dense = measure(b, do_product, &p.whole);
                vendor = measure_vendor_sparse(b, &p);
                report_sparse(b, &p, percents[d], measure(b, do_sparse, &p),
                              dense, vendor);
            }
            cudaFree((void *)(uintptr_t)p.matrix.first);
            cudaFree((void *)(uintptr_t)p.matrix.live);
            cudaFree((void *)(uintptr_t)p.matrix.scales);
            cudaFree(p.columns);
            cudaFree(p.scratch);
            free(p.whole.copies);
        }
}

/* ---- attention ----------------------------------------------------------- */

/* The heads of an 8B model. Caches are the random bfloat16 read as float16
 * (1.5 to 2 of either sign) or as bytes, scales too, in as many places as
 * there is room for, taken in turns. */
enum { HEADS = 32, KV_HEADS = 8, DIM = 128 };

typedef struct attention_problem {
    int bits, n_rows, first_position;
} attention_problem;

static size_t seen_bytes(const attention_problem *p)
{
    size_t positions = (size_t)(p->first_position + p->n_rows);

    return 2 * KV_HEADS * positions *
           (DIM * (size_t)p->bits / 8 + (p->bits == 8 ? 2 : 0));
}

static void do_attention(bench *b, int i, void *user)
{
    const attention_problem *p = user;
    int32_t capacity = (p->first_position + p->n_rows + 15) / 16 * 16;
    size_t values = (size_t)KV_HEADS * (size_t)capacity * DIM *
                    (size_t)p->bits / 8;
    size_t scales = (size_t)KV_HEADS * (size_t)capacity * 2;
    size_t one = 2 * (values + scales), copies = BLOCK_BYTES / one;
    char *at = (char *)b->vendor_block + (size_t)i % copies * one;
    const aci_kv kv = { at, at + values, (uint16_t *)(void *)(at + 2 * values),
                        (uint16_t *)(void *)(at + 2 * values + scales),
                        p->bits, KV_HEADS, DIM, capacity };
    const aci_span span = { 0, p->n_rows, p->first_position, &kv };
    const aci_attention a = { .n_head = HEADS, .n_head_kv = KV_HEADS,
                              .head_dim = DIM, .scale = 0.0884f };
    ac_error error = AC_ERROR_INIT;

    if (b->backend->operations->attend(b->backend, b->out, b->x, &span, 1, &a,
                                       &error) != AC_OK)
        die("attention", error.message);
}

/* What it multiplies is twice what is counted, since queries and weights are
 * two float16 each: hence the share of the float16 roof. */
static void report_attention(bench *b, const attention_problem *p,
                             double seconds)
{
    double pairs = p->n_rows * (p->first_position + (p->n_rows + 1) / 2.0);
    double tera = 4.0 * HEADS * DIM * pairs / seconds * 1e-12;
    double gigabytes = (double)seen_bytes(p) / seconds * 1e-9;
    double share_read = gigabytes / b->read_roof;
    double share_half = 2.0 * tera / b->half_roof;
    int by_bytes = share_read > share_half;

    printf("attend %d/%d heads of %d, kv%-2d, %3d rows from %5d %9.1f us "
           "%7.0f GB/s %7.1f TFLOP/s %4.0f%% of %s\n", HEADS, KV_HEADS, DIM,
           p->bits, p->n_rows, p->first_position, seconds * 1e6, gigabytes,
           tera, 100.0 * (by_bytes ? share_read : share_half),
           by_bytes ? "read" : "float16");
    json_array_append_new(b->attention_rows, json_pack(
        "{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f}", "kv_bits", p->bits,
        "rows", p->n_rows, "first_position", p->first_position,
        "microseconds", seconds * 1e6, "gigabytes_per_second", gigabytes,
        "teraflops", tera, "share_of_read", share_read, "share_of_float16",
        share_half));
}

static void measure_attention(bench *b)
{
    static const int rows[][2] = { { 1, 1023 }, { 1, 8191 }, { 1, 32767 },
                                   { 512, 0 }, { 512, 2048 } };
    size_t i, bits;

    for (bits = 8; bits <= 16; bits += 8)
        for (i = 0; i < sizeof rows / sizeof *rows; i++) {
            attention_problem p = { (int)bits, rows[i][0], rows[i][1] };

            report_attention(b, &p, measure(b, do_attention, &p));
        }
}

/* ---- what was kept before ------------------------------------------------ */

static int same(const json_t *a, const json_t *b, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (!json_equal(json_object_get(a, *keys), json_object_get(b, *keys)))
            return 0;
    return 1;
}

/* How many are over 5 % slower than before; `keys` say what one is. */
static int compare_rows(const json_t *rows, const json_t *before,
                        const char *const *keys)
{
    size_t i, j;
    int n_slower = 0;

    for (i = 0; i < json_array_size(rows); i++)
        for (j = 0; j < json_array_size(before); j++) {
            const json_t *now = json_array_get(rows, i);
            const json_t *then = json_array_get(before, j);
            double ratio;

            if (!same(now, then, keys))
                continue;
            ratio = json_number_value(json_object_get(now, "microseconds")) /
                    json_number_value(json_object_get(then, "microseconds"));
            if (ratio > 1.05 || ratio < 0.95)
                printf("%.2f x the time kept: %s\n", ratio,
                       json_dumps(now, JSON_COMPACT));
            n_slower += ratio > 1.05;
        }
    return n_slower;
}

static int compare(const bench *b, const char *path)
{
    static const char *const of_product[] = {
        "kernel", "n_out", "n_in", "weight_bits", "activation_bits", "rows",
        NULL
    };
    static const char *const of_attention[] = { "kv_bits", "rows",
                                                "first_position", NULL };
    json_t *old = json_load_file(path, 0, NULL);
    const json_t *before = json_object_get(old, "measured");
    int n_slower;

    if (old == NULL) {
        printf("nothing kept in %s to compare with\n", path);
        return 0;
    }
    n_slower = compare_rows(b->rows, json_object_get(before, "products"),
                            of_product) +
               compare_rows(b->attention_rows,
                            json_object_get(before, "attention"),
                            of_attention);
    json_decref(old);
    return n_slower;
}

/* ---- setting up ---------------------------------------------------------- */

static void fill(bench *b)
{
    uint32_t seed = 1;
    uint32_t *words;
    size_t i;

    b->host = malloc(BLOCK_BYTES);
    b->scales = malloc(LONGEST * (size_t)LONGEST / GROUP * sizeof(uint16_t));
    if (b->host == NULL || b->scales == NULL)
        die("the host", "no memory");
    for (i = 0; i < LONGEST * (size_t)LONGEST / GROUP; i++)
        b->scales[i] = 0x1C00; /* 2^-8 */
    /* random bfloat16 near 1 for cuBLAS, from the same random words */
    words = (uint32_t *)(void *)b->host;
    for (i = 0; i < BLOCK_BYTES / 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        words[i] = ((seed ^ seed >> 15) & 0x807F807Fu) | 0x3F003F00u;
    }
    need(cudaMemcpy(b->vendor_block, words, BLOCK_BYTES,
                    cudaMemcpyHostToDevice), "copying");
    need(cudaMemcpy(b->vendor_x, words, MOST_ROWS * LONGEST * 2,
                    cudaMemcpyHostToDevice), "copying");
    for (i = 0; i < MOST_ROWS * LONGEST; i++)
        ((float *)(void *)words)[i] = (float)(i * 2654435761u % 2001) /
                                      1000.0f - 1.0f;
    need(cudaMemcpy(b->x, words, MOST_ROWS * LONGEST * sizeof(float),
                    cudaMemcpyHostToDevice), "copying");
    for (i = 0; i < BLOCK_BYTES / 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        words[i] = seed ^ seed >> 15;
    }
}

static void set_up(bench *b, int device)
{
    struct cudaDeviceProp properties;
    size_t n = (size_t)MOST_ROWS * LONGEST;
    ac_error error = AC_ERROR_INIT;
    char why[256] = "";

    aci_platform_memory_init(&b->memory);
    if (aci_cuda_open(&b->backend, &b->memory, device, LONGEST, 0, &error) !=
        AC_OK) {
        printf("SKIP bench_cuda: %s\n", error.message);
        exit(77);
    }
    need(cudaGetDeviceProperties(&properties, device), "asking the device");
    b->cache_bytes = (size_t)properties.l2CacheSize;
    b->n_processors = properties.multiProcessorCount;
    need(cudaStreamCreate(&b->stream), "a stream");
    need(cudaMalloc((void **)&b->x, n * 4), "memory");
    need(cudaMalloc((void **)&b->out, n * 4), "memory");
    need(cudaMalloc((void **)&b->vendor_x, n * 2), "memory");
    need(cudaMalloc((void **)&b->vendor_out, n * 2), "memory");
    need(cudaMalloc((void **)&b->vendor_block, BLOCK_BYTES), "memory");
    b->vendor = vendor_products_open(why, sizeof why);
    b->rows = json_array();
    b->attention_rows = json_array();
    printf("%s, %d multiprocessors, %zu MB of L2; cuBLAS: ",
           b->backend->description, b->n_processors, b->cache_bytes >> 20);
    if (b->vendor != NULL)
        printf("%d\n", vendor_products_version(b->vendor));
    else
        printf("none (%s)\n", why);
    b->sparse = vendor_sparse_open(why, sizeof why);
    if (b->sparse == NULL)
        printf("cuSPARSE: none (%s)\n", why);
    fill(b);
}

static void write_out(bench *b, const char *path)
{
    json_t *all = json_pack(
        "{s:s, s:f, s:f, s:f, s:f, s:f, s:O, s:O}", "device",
        b->backend->description,
        "read_gigabytes_per_second", b->read_roof,
        "copy_gigabytes_per_second", b->copy_roof,
        "int8_tera_operations_per_second", b->int8_roof,
        "float16_teraflops", b->half_roof, "cublas_bf16_teraflops",
        b->vendor_roof, "products", b->rows, "attention", b->attention_rows);

    if (all == NULL || json_dump_file(all, path, JSON_INDENT(1) |
                                      JSON_REAL_PRECISION(5)) != 0)
        die(path, "could not be written");
    json_decref(all);
}

int main(int n, char **arguments)
{
    static bench b;
    const char *out = NULL, *against = NULL;
    int device = 0, i, n_slower = 0;

    for (i = 1; i + 1 < n; i += 2) {
        if (strcmp(arguments[i], "--device") == 0)
            device = atoi(arguments[i + 1]);
        else if (strcmp(arguments[i], "--out") == 0)
            out = arguments[i + 1];
        else if (strcmp(arguments[i], "--against") == 0)
            against = arguments[i + 1];
    }
    set_up(&b, device);
    measure_roofs(&b);
    measure_products(&b);
    measure_low_rank(&b);
    measure_sparse(&b);
    measure_attention(&b);
    if (against != NULL)
        n_slower = compare(&b, against);
    if (out != NULL)
        write_out(&b, out);
    vendor_products_close(b.vendor);
    vendor_sparse_close(b.sparse);
    b.backend->operations->close(b.backend);
    return n_slower > 0;
}
