/* bench_block_sparse.c - decoding with blocks of 16 x 128 left out, beside the
 * dense product and one of half the columns: medians of rounds in turns, one
 * thread, the same kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/random.h"
#include "skip_tiles.h"

enum { ROUNDS = 31, KINDS = 4 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Share of the blocks at random, in every strip its own; or the first ones. */
static skip_matrix make(int32_t n_strips, int32_t n_blocks, double share,
                        int at_random, const uint8_t *nibbles,
                        const float *scales)
{
    int32_t *first = calloc((size_t)n_strips + 1, sizeof *first), s, b;
    int32_t *block = calloc((size_t)n_strips * (size_t)n_blocks,
                            sizeof *block);
    aci_random random;

    aci_platform_random_seed(&random, 1);
    for (s = 0; s < n_strips; s++) {
        first[s + 1] = first[s];
        for (b = 0; b < n_blocks; b++)
            if (at_random ? aci_platform_random_unit(&random) < share
                          : b < share * n_blocks)
                block[first[s + 1]++] = b;
    }
    return (skip_matrix){ n_strips, first, block, scales, nibbles };
}

static void bench(int32_t n_out, int32_t n_in)
{
    static const char *const names[KINDS] = {
        "dense", "half the columns", "half the blocks", "a quarter of them"
    };
    int32_t strips = n_out / 16, blocks = n_in / 128, kind, round;
    size_t n = (size_t)strips * (size_t)blocks;
    uint8_t *nibbles = malloc(n * 1024 + 8192);
    float *scales = calloc(n, sizeof *scales);
    float *out = calloc((size_t)n_out, sizeof *out);
    int8_t *x = calloc((size_t)blocks, 256);
    double seconds[KINDS][ROUNDS];
    skip_matrix m[KINDS];

    memset(nibbles, 0x5a, n * 1024 + 8192);
    m[0] = make(strips, blocks, 1.0, 0, nibbles, scales);
    m[1] = make(strips, blocks, 0.5, 0, nibbles, scales);
    m[2] = make(strips, blocks, 0.5, 1, nibbles, scales);
    m[3] = make(strips, blocks, 0.25, 1, nibbles, scales);
    for (round = 0; round < ROUNDS; round++)
        for (kind = 0; kind < KINDS; kind++) {
            uint64_t start = aci_platform_monotonic_nanoseconds();

            skip_tiles_multiply(out, &m[kind], x);
            seconds[kind][round] =
                1e-9 * (double)(aci_platform_monotonic_nanoseconds() - start);
        }
    printf("%d x %d, %.1f MB of int4\n", n_out, n_in, (double)n / 1024.0);
    for (kind = 0; kind < KINDS; kind++) {
        double bytes = 1024.0 * m[kind].first[strips];

        qsort(seconds[kind], ROUNDS, sizeof(double), by_value);
        printf("  %-18s %8.1f us, %.3f of dense, %.3f of its bytes, "
               "%.1f GB/s\n", names[kind], 1e6 * seconds[kind][ROUNDS / 2],
               seconds[kind][ROUNDS / 2] / seconds[0][ROUNDS / 2],
               bytes / (1024.0 * (double)n),
               1e-9 * bytes / seconds[kind][ROUNDS / 2]);
        free((void *)(uintptr_t)m[kind].first);
        free((void *)(uintptr_t)m[kind].block);
    }
    free(nibbles);
    free(scales);
    free(out);
    free(x);
}

int main(void)
{
    if (!skip_tiles_possible()) {
        printf("SKIP block-sparse: no AVX-512 VNNI\n");
        return 0;
    }
    bench(192, 512);
    bench(2048, 5632);
    bench(4096, 14336);
    return 0;
}
