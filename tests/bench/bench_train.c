/* bench_train.c - the rate of dense products at the shapes that training
 * has, float32 and with bfloat16 operands, beside OpenBLAS in the same run.
 *
 *     make bench-train                 OPENBLAS_CORETYPE chooses its kernels
 *
 * Levels take turns, RUNS times each; best and median. Operations are
 * multiplications and additions. Then whole training steps of the model that
 * ships, held against the same rates; `steps` as the only argument does these
 * alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/multiply.h"
#include "platform/clock.h"
#include "training_steps.h"

enum { RUNS = 9, MAX_LEVELS = 4 };

/* Operations that one timing takes, at least. */
static const double enough = 4e9;

typedef struct shape {
    int64_t m, n, k;
    int32_t a_transposed, b_transposed;
    const char *use;
} shape;

static const shape shapes[] = {
    { 8192, 192, 192, 0, 1, "y = x W'" },
    { 8192, 512, 192, 0, 1, "y = x W'" },
    { 8192, 192, 512, 0, 1, "y = x W'" },
    { 8192, 192, 512, 0, 0, "dx = dy W" },
    { 192, 192, 8192, 1, 0, "dW = dy' x" },
    { 512, 192, 8192, 1, 0, "dW = dy' x" },
    { 2048, 4096, 192, 0, 1, "logits" },
    { 4096, 192, 2048, 1, 0, "dW logits" },
    { 2048, 192, 4096, 0, 0, "dx logits" },
    { 1024, 1024, 1024, 0, 0, "square" },
    { 4001, 1023, 509, 0, 1, "odd" },
};

static aci_memory memory;

static void check(ac_status status, const ac_error *error)
{
    if (status == AC_OK)
        return;
    fprintf(stderr, "bench_train: %s\n", error->message);
    exit(EXIT_FAILURE);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static float *numbers(int64_t n)
{
    float *x = malloc((size_t)n * sizeof *x);
    int64_t i;

    if (x == NULL)
        exit(EXIT_FAILURE);
    for (i = 0; i < n; i++)
        x[i] = (float)(i * 7919 % 1009) * 0.001f - 0.5f;
    return x;
}

/* Thousand million operations per second of one timing. */
static double rate(aci_multiplier *multiplier, const aci_multiply *product)
{
    double operations = 2.0 * (double)product->m * (double)product->n *
                        (double)product->k;
    int i, n = (int)(enough / operations) + 1;
    uint64_t began = aci_platform_monotonic_nanoseconds();

    for (i = 0; i < n; i++)
        aci_kernels_multiply(multiplier, product);
    return operations * n /
           (double)(aci_platform_monotonic_nanoseconds() - began);
}

static void bench_shape(aci_multiplier **multipliers, int n_levels,
                        const shape *s)
{
    aci_multiply product = { numbers(s->m * s->n), numbers(s->m * s->k),
                             numbers(s->k * s->n), s->m, s->n, s->k, s->n,
                             s->a_transposed ? s->m : s->k,
                             s->b_transposed ? s->k : s->n,
                             s->a_transposed, s->b_transposed, 0 };
    double rates[MAX_LEVELS][RUNS];
    int run, i;

    for (run = 0; run < RUNS; run++)
        for (i = 0; i < n_levels; i++)
            rates[i][run] = rate(multipliers[i], &product);
    printf("  %-10s %5ld %5ld %5ld ", s->use, (long)s->m, (long)s->n,
           (long)s->k);
    for (i = 0; i < n_levels; i++) {
        qsort(rates[i], RUNS, sizeof **rates, compare);
        printf("  %-8s %5.0f (%5.0f)",
               aci_kernels_multiplier_level(multipliers[i]),
               rates[i][RUNS - 1], rates[i][RUNS / 2]);
    }
    printf("\n");
    fflush(stdout);
    free(product.c);
    free((void *)(uintptr_t)product.a);
    free((void *)(uintptr_t)product.b);
}

static void bench_threads(uint32_t n_threads, const char *const *levels)
{
    aci_multiplier *multipliers[MAX_LEVELS];
    ac_error error = AC_ERROR_INIT;
    aci_pool *pool = NULL;
    int n = 0, i;

    check(aci_platform_pool_create(&pool, &memory, n_threads, &error),
          &error);
    for (i = 0; levels[i] != NULL && n < MAX_LEVELS; i++)
        if (aci_kernels_multiplier_create(&multipliers[n], &memory, pool,
                                          levels[i], &error) == AC_OK)
            n++;
        else
            printf("SKIP %s: %s\n", levels[i], error.message);
    printf("%u threads, thousand million operations per second, best "
           "(median)\n", n_threads);
    for (i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++)
        bench_shape(multipliers, n, &shapes[i]);
    while (n > 0)
        aci_kernels_multiplier_free(multipliers[--n]);
    aci_platform_pool_free(pool);
}

int main(int argc, char **argv)
{
    static const char *const levels[] = { "avx512", ACI_MULTIPLY_BFLOAT16,
                                          "avx2", "openblas", NULL };
    const char *const *chosen =
        argc > 1 ? (const char *const *)argv + 1 : levels;
    uint32_t n = aci_platform_cpu_count();

    aci_platform_memory_init(&memory);
    if (argc != 2 || strcmp(argv[1], "steps") != 0) {
        bench_threads(1, chosen);
        if (n > 1)
            bench_threads(n, chosen);
    }
    bench_training_steps(&memory);
    return EXIT_SUCCESS;
}
