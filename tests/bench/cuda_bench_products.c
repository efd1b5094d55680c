/* cuda_bench_products.c - products by the backend, and by cuBLAS; low rank
 * beside the whole matrix. */
#include "cuda_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cuda_bench_product(cuda_bench *b, int i, void *user)
{
    cuda_bench_problem *p = user;
    aci_product product = { { &p->copies[i % p->n_copies], NULL, p->weight_bits,
                              p->activation_bits },
                            b->out,
                            (size_t)p->n_out,
                            0 };
    const aci_input input = { .x = b->x, .x_stride = (size_t)p->n_in };
    ac_error error = AC_ERROR_INIT;

    if (b->backend->operations->project(b->backend, &product, 1, &input,
                                        p->n_rows, &error) != AC_OK)
        cuda_bench_die(p->name, error.message);
}

static void do_vendor(cuda_bench *b, int i, void *user)
{
    cuda_bench_problem *p = user;
    size_t n = (size_t)p->n_out * (size_t)p->n_in;
    size_t copies = BLOCK_BYTES / 2 / n;

    if (vendor_products_run(b->vendor, b->stream, b->vendor_out, b->vendor_x,
                            b->vendor_block + (size_t)i % copies * n, p->n_rows,
                            p->n_out, p->n_in) != 0)
        cuda_bench_die(p->name, "cuBLAS failed");
}

/* Copies at different places of the random block, each adopted by itself. */
void cuda_bench_copies(cuda_bench *b, cuda_bench_problem *p)
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
        cuda_bench_die(p->name, "no memory");
    for (i = 0; i < (size_t)p->n_copies; i++) {
        const uint8_t *at = b->host + i * bytes;

        m.plane_a = at;
        m.plane_b = p->weight_bits > 4 ? at + nibbles : NULL;
        m.plane_c = p->weight_bits > 8 ? at + 2 * nibbles : NULL;
        p->copies[i] = m;
        if (b->backend->operations->adopt(b->backend, &p->copies[i], &error) !=
            AC_OK)
            cuda_bench_die(p->name, error.message);
    }
}

static void report(cuda_bench *b, const cuda_bench_problem *p, double seconds,
                   double vendor)
{
    double n = (double)p->n_out * p->n_in;
    double gigabytes = n * p->weight_bits / 8 / seconds * 1e-9;
    double tera = 2.0 * n * p->n_rows / seconds * 1e-12;
    double share_read = gigabytes / b->read_roof;
    double share_int8 = tera * (p->activation_bits / 8) *
                        (p->weight_bits == 16 ? 1.5 : 1.0) / b->int8_roof;
    int by_bytes = share_read > share_int8;

    printf("%-6s %5dx%-5d w%-2d a%-2d %4d %9.1f us %7.0f GB/s %7.1f TOP/s "
           "%4.0f%% of %s",
           p->name, p->n_out, p->n_in, p->weight_bits, p->activation_bits,
           p->n_rows, seconds * 1e6, gigabytes, tera,
           100.0 * (by_bytes ? share_read : share_int8),
           by_bytes ? "read" : "int8");
    printf(vendor > 0.0 ? " %6.2f x cuBLAS\n" : "\n", vendor / seconds);
    json_array_append_new(
        b->rows,
        json_pack(
            "{s:s, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}",
            "kernel", p->name, "n_out", p->n_out, "n_in", p->n_in,
            "weight_bits", p->weight_bits, "activation_bits",
            p->activation_bits, "rows", p->n_rows, "microseconds",
            seconds * 1e6, "gigabytes_per_second", gigabytes,
            "tera_operations_per_second", tera, "share_of_read", share_read,
            "share_of_int8", share_int8, "over_cublas", vendor / seconds));
}

void cuda_bench_products(cuda_bench *b)
{
    static const int shapes[][2] = { { 4096, 4096 },
                                     { 14336, 4096 },
                                     { 4096, 14336 } };
    static const int bits[][2] = { { 4, 8 }, { 8, 8 }, { 8, 16 }, { 16, 16 } };
    static const int rows[] = { 1, 2, 4, 8, 16, 64, 256, 512 };
    const int by_wide = strstr(b->backend->description, ", wgmma") != NULL &&
                        strstr(b->backend->description, "wgmma off") == NULL;
    size_t s, w, r;

    for (s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (w = 0; w < sizeof bits / sizeof *bits; w++) {
            cuda_bench_problem p = { "few",      shapes[s][0], shapes[s][1],
                                     bits[w][0], bits[w][1],   0,
                                     0,          NULL };

            cuda_bench_copies(b, &p);
            for (r = 0; r < sizeof rows / sizeof *rows; r++) {
                double vendor = 0.0;

                p.n_rows = rows[r];
                p.name = rows[r] <= 8              ? "few"
                         : rows[r] > 64 && by_wide ? "wide"
                                                   : "many";
                if (b->vendor != NULL)
                    vendor = cuda_bench_seconds(b, do_vendor, &p);
                report(b, &p, cuda_bench_seconds(b, cuda_bench_product, &p),
                       vendor);
            }
            free(p.copies);
        }
}

/* ---- low rank ------------------------------------------------------------ */

/* W ~= U V, one after the other in one call. */
typedef struct pair {
    cuda_bench_problem v, u;
    float *low; /* device */
} pair;

static void do_pair(cuda_bench *b, int i, void *user)
{
    pair *p = user;
    const aci_matrix *v = &p->v.copies[i % p->v.n_copies];
    const aci_matrix *u = &p->u.copies[i % p->u.n_copies];
    const aci_product inner = {
        { v, NULL, p->v.weight_bits, 8 }, p->low, (size_t)p->v.n_out, 0
    };
    const aci_outer outer = {
        { { u, NULL, p->u.weight_bits, 8 }, b->out, (size_t)p->u.n_out, 0 }, 0
    };
    const aci_input input = { .x = b->x, .x_stride = (size_t)p->v.n_in };
    ac_error error = AC_ERROR_INIT;

    if (b->backend->operations->project_pairs(b->backend, &inner, 1, &outer, 1,
                                              &input, p->v.n_rows,
                                              &error) != AC_OK)
        cuda_bench_die("low rank", error.message);
}

static void report_pair(cuda_bench *b, const cuda_bench_problem *whole,
                        int rank, double seconds, double dense)
{
    printf("low rank %d of %5dx%-5d w%d a8 %d %9.1f us, %.2f x dense int4 "
           "(%.1f us)\n",
           rank, whole->n_out, whole->n_in, whole->weight_bits, whole->n_rows,
           seconds * 1e6, dense / seconds, dense * 1e6);
    json_array_append_new(
        b->rows,
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f}", "kernel",
                  "low rank", "n_out", whole->n_out, "n_in", whole->n_in,
                  "rank", rank, "weight_bits", whole->weight_bits,
                  "activation_bits", 8, "rows", whole->n_rows, "microseconds",
                  seconds * 1e6, "over_dense", dense / seconds));
}

/* Int4 at a quarter of the full rank against the whole matrix in int4. */
void cuda_bench_low_rank(cuda_bench *b)
{
    static const int shapes[][2] = { { 4096, 4096 }, { 4096, 14336 } };
    static const int rows[] = { 1, 8 };
    size_t s, r;

    for (s = 0; s < 2; s++) {
        const int n_out = shapes[s][0], n_in = shapes[s][1];
        const int rank = (n_out < n_in ? n_out : n_in) / 4;
        cuda_bench_problem whole = { "whole", n_out, n_in, 4, 8, 0, 0, NULL };
        pair p = { { "V", rank, n_in, 4, 8, 0, 0, NULL },
                   { "U", n_out, rank, 4, 8, 0, 0, NULL },
                   NULL };

        cuda_bench_copies(b, &whole);
        cuda_bench_copies(b, &p.v);
        cuda_bench_copies(b, &p.u);
        cuda_bench_need(
            cudaMalloc((void **)&p.low, (size_t)(8 * rank) * sizeof(float)),
            "memory");
        for (r = 0; r < 2; r++) {
            double dense;

            whole.n_rows = p.v.n_rows = p.u.n_rows = rows[r];
            dense = cuda_bench_seconds(b, cuda_bench_product, &whole);
            report_pair(b, &whole, rank, cuda_bench_seconds(b, do_pair, &p),
                        dense);
        }
        cudaFree(p.low);
        free(whole.copies);
        free(p.v.copies);
        free(p.u.copies);
    }
}
