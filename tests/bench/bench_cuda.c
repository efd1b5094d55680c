/* bench_cuda.c - the kernels of the CUDA backend against what the device can do
 * at best, products against cuBLAS and cuSPARSE too, all measured in this run.
 *
 *     make bench-cuda ARGS="[--device N] [--out FILE] [--against FILE]"
 *
 * Weights are random and lie in as many copies as make four times the L2
 * cache, taken in turns. A figure is the median of several runs, each many
 * calls between two waits. --against compares with figures kept before and
 * fails where a kernel is over 5 % slower. Exit code 77: there is no GPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_bench.h"

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

static int compare(const cuda_bench *b, const char *path)
{
    static const char *const of_product[] = {
        "kernel",          "n_out", "n_in", "weight_bits",
        "activation_bits", "rows",  NULL
    };
    static const char *const of_attention[] = { "kv_bits", "rows",
                                                "first_position", NULL };
    static const char *const of_other[] = { "kernel", "rows", "width", NULL };
    json_t *old = json_load_file(path, 0, NULL);
    const json_t *before = json_object_get(old, "measured");
    int n_slower;

    if (old == NULL) {
        printf("nothing kept in %s to compare with\n", path);
        return 0;
    }
    n_slower =
        compare_rows(b->rows, json_object_get(before, "products"), of_product) +
        compare_rows(b->attention_rows, json_object_get(before, "attention"),
                     of_attention) +
        compare_rows(b->other_rows, json_object_get(before, "other"), of_other);
    json_decref(old);
    return n_slower;
}

/* ---- setting up ---------------------------------------------------------- */

static void fill(cuda_bench *b)
{
    uint32_t seed = 1;
    uint32_t *words;
    size_t i;

    b->host = malloc(BLOCK_BYTES);
    b->scales = malloc(LONGEST * (size_t)LONGEST / GROUP * sizeof(uint16_t));
    if (b->host == NULL || b->scales == NULL)
        cuda_bench_die("the host", "no memory");
    for (i = 0; i < LONGEST * (size_t)LONGEST / GROUP; i++)
        b->scales[i] = 0x1C00; /* 2^-8 */
    /* random bfloat16 near 1 for cuBLAS, from the same random words */
    words = (uint32_t *)(void *)b->host;
    for (i = 0; i < BLOCK_BYTES / 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        words[i] = ((seed ^ seed >> 15) & 0x807F807Fu) | 0x3F003F00u;
    }
    cuda_bench_need(
        cudaMemcpy(b->vendor_block, words, BLOCK_BYTES, cudaMemcpyHostToDevice),
        "copying");
    cuda_bench_need(cudaMemcpy(b->vendor_x, words, MOST_ROWS * LONGEST * 2,
                               cudaMemcpyHostToDevice),
                    "copying");
    for (i = 0; i < MOST_ROWS * LONGEST; i++)
        ((float *)(void *)words)[i] =
            (float)(i * 2654435761u % 2001) / 1000.0f - 1.0f;
    cuda_bench_need(cudaMemcpy(b->x, words, MOST_ROWS * LONGEST * sizeof(float),
                               cudaMemcpyHostToDevice),
                    "copying");
    for (i = 0; i < BLOCK_BYTES / 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        words[i] = seed ^ seed >> 15;
    }
}

static void set_up(cuda_bench *b, int device)
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
    cuda_bench_need(cudaGetDeviceProperties(&properties, device),
                    "asking the device");
    b->cache_bytes = (size_t)properties.l2CacheSize;
    b->n_processors = properties.multiProcessorCount;
    cuda_bench_need(cudaStreamCreate(&b->stream), "a stream");
    cuda_bench_need(cudaMalloc((void **)&b->x, n * 4), "memory");
    cuda_bench_need(cudaMalloc((void **)&b->out, n * 4), "memory");
    cuda_bench_need(cudaMalloc((void **)&b->vendor_x, n * 2), "memory");
    cuda_bench_need(cudaMalloc((void **)&b->vendor_out, n * 2), "memory");
    cuda_bench_need(cudaMalloc((void **)&b->vendor_block, BLOCK_BYTES),
                    "memory");
    b->vendor = vendor_products_open(why, sizeof why);
    b->rows = json_array();
    b->attention_rows = json_array();
    b->other_rows = json_array();
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

static void write_out(cuda_bench *b, const char *path)
{
    json_t *all = json_pack(
        "{s:s, s:f, s:f, s:f, s:f, s:f, s:O, s:O, s:O}", "device",
        b->backend->description, "read_gigabytes_per_second", b->read_roof,
        "copy_gigabytes_per_second", b->copy_roof,
        "int8_tera_operations_per_second", b->int8_roof, "float16_teraflops",
        b->half_roof, "cublas_bf16_teraflops", b->vendor_roof, "products",
        b->rows, "attention", b->attention_rows, "other", b->other_rows);

    if (all == NULL ||
        json_dump_file(all, path, JSON_INDENT(1) | JSON_REAL_PRECISION(5)) != 0)
        cuda_bench_die(path, "could not be written");
    json_decref(all);
}

int main(int n, char **arguments)
{
    static cuda_bench b;
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
    cuda_bench_roofs(&b);
    cuda_bench_products(&b);
    cuda_bench_low_rank(&b);
    cuda_bench_sparse(&b);
    cuda_bench_attention(&b);
    cuda_bench_rows(&b);
    if (against != NULL)
        n_slower = compare(&b, against);
    if (out != NULL)
        write_out(&b, out);
    vendor_products_close(b.vendor);
    vendor_sparse_close(b.sparse);
    b.backend->operations->close(b.backend);
    return n_slower > 0;
}
