/* cuda_bench_rows.c - attention, and what happens to rows one by one. */
#include "cuda/kernels.h"
#include "cuda_bench.h"

#include <stdio.h>
#include <stdlib.h>

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

static void do_attention(cuda_bench *b, int i, void *user)
{
    const attention_problem *p = user;
    int32_t capacity = (p->first_position + p->n_rows + 15) / 16 * 16;
    size_t values =
        (size_t)KV_HEADS * (size_t)capacity * DIM * (size_t)p->bits / 8;
    size_t scales = (size_t)KV_HEADS * (size_t)capacity * 2;
    size_t one = 2 * (values + scales), copies = BLOCK_BYTES / one;
    char *at = (char *)b->vendor_block + (size_t)i % copies * one;
    const aci_kv kv = { at,
                        at + values,
                        (uint16_t *)(void *)(at + 2 * values),
                        (uint16_t *)(void *)(at + 2 * values + scales),
                        p->bits,
                        KV_HEADS,
                        DIM,
                        capacity };
    const aci_span span = { 0, p->n_rows, p->first_position, &kv };
    const aci_attention a = { .n_head = HEADS,
                              .n_head_kv = KV_HEADS,
                              .head_dim = DIM,
                              .scale = 0.0884f };
    ac_error error = AC_ERROR_INIT;

    if (b->backend->operations->attend(b->backend, b->out, b->x, &span, 1, &a,
                                       &error) != AC_OK)
        cuda_bench_die("attention", error.message);
}

/* What it multiplies is twice what is counted, since queries and weights are
 * two float16 each: hence the share of the float16 roof. */
static void report_attention(cuda_bench *b, const attention_problem *p,
                             double seconds)
{
    double pairs = p->n_rows * (p->first_position + (p->n_rows + 1) / 2.0);
    double tera = 4.0 * HEADS * DIM * pairs / seconds * 1e-12;
    double gigabytes = (double)seen_bytes(p) / seconds * 1e-9;
    double share_read = gigabytes / b->read_roof;
    double share_half = 2.0 * tera / b->half_roof;
    int by_bytes = share_read > share_half;

    printf("attend %d/%d heads of %d, kv%-2d, %3d rows from %5d %9.1f us "
           "%7.0f GB/s %7.1f TFLOP/s %4.0f%% of %s\n",
           HEADS, KV_HEADS, DIM, p->bits, p->n_rows, p->first_position,
           seconds * 1e6, gigabytes, tera,
           100.0 * (by_bytes ? share_read : share_half),
           by_bytes ? "read" : "float16");
    json_array_append_new(
        b->attention_rows,
        json_pack("{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f}", "kv_bits",
                  p->bits, "rows", p->n_rows, "first_position",
                  p->first_position, "microseconds", seconds * 1e6,
                  "gigabytes_per_second", gigabytes, "teraflops", tera,
                  "share_of_read", share_read, "share_of_float16", share_half));
}

void cuda_bench_attention(cuda_bench *b)
{
    static const int rows[][2] = {
        { 1, 1023 }, { 1, 8191 }, { 1, 32767 }, { 512, 0 }, { 512, 2048 }
    };
    size_t i, bits;

    for (bits = 8; bits <= 16; bits += 8)
        for (i = 0; i < sizeof rows / sizeof *rows; i++) {
            attention_problem p = { (int)bits, rows[i][0], rows[i][1] };

            report_attention(b, &p, cuda_bench_seconds(b, do_attention, &p));
        }
}

/* ---- rows one by one ----------------------------------------------------- */

static void report_rows(cuda_bench *b, const char *name, int n_rows, int width,
                        double bytes, double seconds)
{
    double gigabytes = bytes / seconds * 1e-9;

    printf("%-16s %3d rows of %6d %9.1f us %7.0f GB/s %4.0f%% of read\n", name,
           n_rows, width, seconds * 1e6, gigabytes,
           100.0 * gigabytes / b->read_roof);
    json_array_append_new(b->other_rows,
                          json_pack("{s:s, s:i, s:i, s:f, s:f, s:f}", "kernel",
                                    name, "rows", n_rows, "width", width,
                                    "microseconds", seconds * 1e6,
                                    "gigabytes_per_second", gigabytes,
                                    "share_of_read", gigabytes / b->read_roof));
}

typedef struct quantise_work {
    aci_cuda_activations out;
    aci_input input;
    int32_t n_in;
} quantise_work;

static void do_quantise(cuda_bench *b, int i, void *user)
{
    const quantise_work *w = user;

    (void)i;
    cuda_bench_need(aci_cuda_quantise(&w->out, &w->input, w->n_in, b->stream),
                    "quantising");
}

/* Into the vendor's output: 8-bit codes, then scales and sums. */
static void measure_quantise(cuda_bench *b, int n_rows, int n_in, int gated)
{
    size_t n = (size_t)MOST_ROWS * (size_t)n_in, groups = n / GROUP;
    char *at = (char *)b->vendor_out;
    quantise_work w = { { (int8_t *)at, NULL, (float *)(void *)(at + n),
                          (int32_t *)(void *)(at + n + 4 * groups), NULL,
                          n_rows, MOST_ROWS, n_in, GROUP, 8, 0 },
                        { b->x, (size_t)n_in, gated ? NULL : b->x, 1e-5f,
                          gated ? b->out : NULL },
                        n_in };

    report_rows(b, gated ? "gate, quantise" : "norm, quantise", n_rows, n_in,
                (double)n_rows * n_in * (gated ? 9.0 : 5.0),
                cuda_bench_seconds(b, do_quantise, &w));
}

static void do_rotate(cuda_bench *b, int i, void *user)
{
    const attention_problem *p = user;
    int32_t capacity = (p->n_rows + 15) / 16 * 16;
    char *at = (char *)b->vendor_out;
    size_t values = (size_t)KV_HEADS * (size_t)capacity * DIM * 2;
    const aci_kv kv = {
        at, at + values, NULL, NULL, 16, KV_HEADS, DIM, capacity
    };
    const aci_span span = { 0, p->n_rows, 0, &kv };
    static float frequencies[DIM / 2];
    const aci_attention a = { .n_head = HEADS,
                              .n_head_kv = KV_HEADS,
                              .head_dim = DIM,
                              .scale = 0.0884f,
                              .rope = { frequencies, DIM, 0, 1.0f } };
    float *k = b->out + (size_t)MOST_ROWS * HEADS * DIM;
    ac_error error = AC_ERROR_INIT;

    (void)i;
    if (b->backend->operations->rotate_append(b->backend, b->out, k, k, &span,
                                              1, &a, &error) != AC_OK)
        cuda_bench_die("rotary positions", error.message);
}

static void do_peaks(cuda_bench *b, int i, void *user)
{
    const int *n_vocab = user;
    aci_peaks peaks;
    ac_error error = AC_ERROR_INIT;

    (void)i;
    if (b->backend->operations->peaks(b->backend, &peaks, b->x, 1, *n_vocab,
                                      ACI_PEAKS, 1.0f, &error) != AC_OK)
        cuda_bench_die("peaks", error.message);
}

void cuda_bench_rows(cuda_bench *b)
{
    static const int rows[] = { 1, MOST_ROWS };
    int n_vocab = 128256;
    int i;

    for (i = 0; i < 2; i++) {
        attention_problem p = { 16, rows[i], 0 };

        measure_quantise(b, rows[i], 4096, 0);
        measure_quantise(b, rows[i], LONGEST, 1);
        report_rows(b, "rotate, append", rows[i], (HEADS + 2 * KV_HEADS) * DIM,
                    (double)rows[i] * DIM * (8.0 * HEADS + 12.0 * KV_HEADS),
                    cuda_bench_seconds(b, do_rotate, &p));
    }
    /* with the wait for it, as every token has */
    report_rows(b, "peaks, waited for", 1, n_vocab, 4.0 * n_vocab,
                cuda_bench_seconds(b, do_peaks, &n_vocab));
}
