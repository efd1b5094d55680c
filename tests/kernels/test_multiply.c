/* test_multiply.c - dense products of every level against float64, and their
 * independence of the number of threads. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/multiply.h"
#include "platform/random.h"

Suite *test_multiply_suite(void);

enum { GUARD = 5, MAX_THREADS = 3 }; /* floats behind every row */

typedef struct problem {
    int64_t m, n, k;
} problem;

static const problem problems[] = {
    { 1, 1, 1 },     { 1, 1, 0 },      { 0, 3, 2 },      { 3, 0, 2 },
    { 12, 32, 16 },  { 13, 33, 17 },   { 11, 31, 3 },    { 1, 70, 5 },
    { 70, 1, 5 },    { 6, 16, 300 },   { 97, 131, 259 }, { 24, 64, 512 },
    { 481, 50, 7 },  { 40, 513, 19 },  { 961, 530, 21 }, { 30, 37, 5003 },
    { 300, 65, 2048 },
};
enum { N_PROBLEMS = sizeof problems / sizeof *problems };

static const char *const levels[] = { "avx512", "avx2", "openblas",
                                      "portable", ACI_MULTIPLY_BFLOAT16 };
enum { N_LEVELS = sizeof levels / sizeof *levels };

static aci_memory memory;
static aci_pool *pools[MAX_THREADS];
static aci_multiplier *multipliers[MAX_THREADS]; /* of the level at hand */
static double rounding; /* of a product of two operands, at that level */
static aci_random dice;

static void setup(void)
{
    uint32_t i;

    aci_platform_memory_init(&memory);
    aci_platform_random_seed(&dice, 3);
    for (i = 0; i < MAX_THREADS; i++)
        ck_assert_int_eq(aci_platform_pool_create(&pools[i], &memory, i + 1,
                                                  NULL), AC_OK);
}

static void teardown(void)
{
    int i;

    for (i = 0; i < MAX_THREADS; i++)
        aci_platform_pool_free(pools[i]);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static int open_level(const char *level)
{
    ac_error error = AC_ERROR_INIT;
    int i;

    /* Each operand is off by half a place of 8 bits, at most. */
    rounding = strcmp(level, ACI_MULTIPLY_BFLOAT16) == 0
                   ? 0x1p-7 + 0x1p-16 : 0.0;
    for (i = 0; i < MAX_THREADS; i++) {
        ac_status status = aci_kernels_multiplier_create(
            &multipliers[i], &memory, pools[i], level, &error);

        if (status != AC_OK) {
            ck_assert_int_eq(status, AC_E_UNSUPPORTED);
            printf("SKIP test_multiply %s: %s\n", level, error.message);
            return 0;
        }
        ck_assert_str_eq(aci_kernels_multiplier_level(multipliers[i]), level);
    }
    return 1;
}

static void close_level(void)
{
    int i;

    for (i = 0; i < MAX_THREADS; i++)
        aci_kernels_multiplier_free(multipliers[i]);
}

/* [rows, columns] with GUARD floats of NaN behind every row. */
static float *numbers(int64_t rows, int64_t columns)
{
    float *x = malloc((size_t)(rows * (columns + GUARD) + 1) * sizeof *x);
    int64_t i, j;

    ck_assert_ptr_nonnull(x);
    for (i = 0; i < rows; i++)
        for (j = 0; j < columns + GUARD; j++)
            x[i * (columns + GUARD) + j] =
                j < columns ? (float)(aci_platform_random_unit(&dice) - 0.5)
                            : NAN;
    return x;
}

/* Stored as the flags say; the whole of c becomes what it was before. */
static void make(aci_multiply *p, const problem *size, int flags)
{
    *p = (aci_multiply){ .m = size->m, .n = size->n, .k = size->k,
                         .a_transposed = flags & 1,
                         .b_transposed = flags >> 1 & 1,
                         .accumulate = flags >> 2 };
    p->a_stride = (p->a_transposed ? p->m : p->k) + GUARD;
    p->b_stride = (p->b_transposed ? p->k : p->n) + GUARD;
    p->c_stride = p->n + GUARD;
    p->a = numbers(p->a_transposed ? p->k : p->m, p->a_stride - GUARD);
    p->b = numbers(p->b_transposed ? p->n : p->k, p->b_stride - GUARD);
    p->c = numbers(p->m, p->n);
}

static void drop(aci_multiply *p)
{
    free((void *)(uintptr_t)p->a);
    free((void *)(uintptr_t)p->b);
    free(p->c);
}

/* One number of c in float64, and the sum of sizes that bounds its error. */
static double exact(double *size, const aci_multiply *p, const float *before,
                    int64_t i, int64_t j)
{
    double sum = p->accumulate ? (double)before[i * p->c_stride + j] : 0.0;
    int64_t t;

    *size = fabs(sum);
    for (t = 0; t < p->k; t++) {
        double x = p->a_transposed ? (double)p->a[t * p->a_stride + i]
                                   : (double)p->a[i * p->a_stride + t];
        double y = p->b_transposed ? (double)p->b[j * p->b_stride + t]
                                   : (double)p->b[t * p->b_stride + j];

        sum += x * y;
        *size += fabs(x * y);
    }
    return sum;
}

/* Every `step`-th number of c, and all that lies between its rows. */
static void check_result(const aci_multiply *p, const float *before,
                         int64_t step)
{
    int64_t at, i, j;
    double size, want, got, bound;

    for (i = 0; i < p->m; i++)
        for (j = p->n; j < p->c_stride; j++)
            ck_assert(isnan(p->c[i * p->c_stride + j]));
    for (at = 0; at < p->m * p->n; at += step) {
        i = at / p->n;
        j = at % p->n;
        want = exact(&size, p, before, i, j);
        got = (double)p->c[i * p->c_stride + j];
        bound = size * (rounding + (double)(p->k + 1) * (double)FLT_EPSILON);
        if (!(fabs(got - want) <= bound))
            ck_abort_msg("%ld %ld %ld, c[%ld, %ld]: %g, want %g",
                         (long)p->m, (long)p->n, (long)p->k, (long)i, (long)j,
                         got, want);
    }
}

/* The same product by 1, 2 and 3 threads: the first against float64, the
 * others against it. */
static void check_product(const problem *size, int flags)
{
    aci_multiply p;
    size_t bytes;
    float *before, *first;
    int64_t work = size->m * size->n * size->k;
    int i;

    make(&p, size, flags);
    bytes = (size_t)(p.m * p.c_stride) * sizeof *p.c;
    before = malloc(bytes + 1);
    first = malloc(bytes + 1);
    memcpy(before, p.c, bytes);
    for (i = 0; i < MAX_THREADS; i++) {
        memcpy(p.c, before, bytes);
        aci_kernels_multiply(multipliers[i], &p);
        if (i == 0) {
            check_result(&p, before, 1 + work / 1000000 * 17);
            memcpy(first, p.c, bytes);
        }
        ck_assert_int_eq(memcmp(first, p.c, bytes), 0);
    }
    free(before);
    free(first);
    drop(&p);
}

START_TEST(products_are_near_float64_at_any_number_of_threads)
{
    int flags, i;

    if (!open_level(levels[_i]))
        return;
    for (i = 0; i < N_PROBLEMS; i++)
        for (flags = 0; flags < 8; flags++)
            check_product(&problems[i], flags);
    close_level();
}
END_TEST

START_TEST(what_c_held_does_not_matter_unless_added_to)
{
    static const problem sizes[] = { { 13, 33, 0 }, { 13, 33, 40 },
                                     { 30, 37, 5003 } };
    aci_multiply p;
    int64_t i, j;
    int s;

    if (!open_level(levels[_i]))
        return;
    for (s = 0; s < 3; s++) {
        make(&p, &sizes[s], 0);
        for (i = 0; i < p.m * p.c_stride; i++)
            p.c[i] = NAN;
        aci_kernels_multiply(multipliers[1], &p);
        for (i = 0; i < p.m; i++)
            for (j = 0; j < p.n; j++)
                ck_assert(isfinite(p.c[i * p.c_stride + j]));
        check_result(&p, NULL, 1);
        drop(&p);
    }
    close_level();
}
END_TEST

/* Whole numbers up to 256 are bfloat16: nothing may be lost, at any size. */
START_TEST(bfloat16_products_of_small_whole_numbers_are_exact)
{
    aci_multiply p;
    int64_t i, j;
    int flags, s;

    if (!open_level(ACI_MULTIPLY_BFLOAT16))
        return;
    for (s = 0; s < N_PROBLEMS * 8; s++) {
        const problem *size = &problems[s / 8];
        float *spread[3];
        int64_t rows[3];

        flags = s % 8;
        make(&p, size, flags);
        spread[0] = (float *)(uintptr_t)p.a;
        spread[1] = (float *)(uintptr_t)p.b;
        spread[2] = p.c;
        rows[0] = (p.a_transposed ? p.k : p.m) * p.a_stride;
        rows[1] = (p.b_transposed ? p.n : p.k) * p.b_stride;
        rows[2] = p.m * p.c_stride;
        for (i = 0; i < 3; i++)
            for (j = 0; j < rows[i]; j++)
                spread[i][j] = roundf(spread[i][j] * 38.0f);
        if (p.m * p.n * p.k < 3000000) {
            float *before = malloc((size_t)rows[2] * sizeof *before + 1);
            double most;

            memcpy(before, p.c, (size_t)rows[2] * sizeof *before);
            aci_kernels_multiply(multipliers[2], &p);
            for (i = 0; i < p.m; i++)
                for (j = 0; j < p.n; j++)
                    ck_assert_double_eq(
                        (double)p.c[i * p.c_stride + j],
                        exact(&most, &p, before, i, j));
            free(before);
        }
        drop(&p);
    }
    close_level();
}
END_TEST

/* One row of a times one column of b. */
static float one_product(const float *a, const float *b, int64_t k)
{
    float c = NAN;
    const aci_multiply p = { .c = &c, .a = a, .b = b, .m = 1, .n = 1, .k = k,
                             .c_stride = 1, .a_stride = k, .b_stride = 1 };

    aci_kernels_multiply(multipliers[0], &p);
    return c;
}

START_TEST(bfloat16_operands_are_rounded_to_nearest_even)
{
    static const float rows[][2] = {
        { 1.0f, 1.0f }, { -3.0f, -3.0f },
        { 1.0f + 0x1p-8f, 1.0f },               /* ties */
        { 1.0f + 0x3p-8f, 1.0f + 0x4p-8f },
        { 1.0f + 0x1.01p-8f, 1.0f + 0x1p-7f },  /* just above, just below */
        { 1.0f + 0x2.ffp-8f, 1.0f + 0x1p-7f },
        { 0x1p-120f, 0x1p-120f },
        { 0x1p-130f, 0.0f },                    /* subnormal */
        { INFINITY, INFINITY }, { 0x1.ffffp127f, INFINITY },
    };
    const float zeros[9] = { 0 }, ones[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    float x[9] = { 0 };
    size_t i;

    if (!open_level(ACI_MULTIPLY_BFLOAT16))
        return;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        x[8] = rows[i][0];
        ck_assert_float_eq(one_product(x, ones, 9), rows[i][1]);
        ck_assert_float_eq(one_product(ones, x, 9), rows[i][1]);
    }
    x[8] = NAN;
    ck_assert_float_nan(one_product(x, ones, 9));
    ck_assert_float_nan(one_product(zeros, x, 9));
    close_level();
}
END_TEST

START_TEST(a_multiplier_allocates_only_when_made)
{
    uint64_t made;
    aci_multiply p;

    ck_assert(open_level("portable"));
    make(&p, &problems[N_PROBLEMS - 1], 1);
    made = memory.n_allocations;
    aci_kernels_multiply(multipliers[1], &p);
    ck_assert_uint_eq(memory.n_allocations, made);
    drop(&p);
    close_level();
}
END_TEST

START_TEST(levels_are_chosen_by_name)
{
    aci_multiplier *multiplier = NULL;
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(aci_kernels_multiplier_create(&multiplier, &memory,
                                                   pools[0], "abacus",
                                                   &error),
                     AC_E_UNSUPPORTED);
    ck_assert_ptr_null(multiplier);
    ck_assert_ptr_nonnull(strstr(error.message, "abacus"));
    ck_assert_int_eq(aci_kernels_multiplier_create(&multiplier, &memory,
                                                   pools[0], NULL, &error),
                     AC_OK);
    ck_assert_str_ne(aci_kernels_multiplier_level(multiplier),
                     ACI_MULTIPLY_BFLOAT16);
    aci_kernels_multiplier_free(multiplier);
    aci_kernels_multiplier_free(NULL);
}
END_TEST

START_TEST(every_failing_allocation_is_reported)
{
    aci_multiplier *multiplier = NULL;
    ac_status status = AC_E_NO_MEMORY;
    uint64_t n;

    for (n = 1; status != AC_OK; n++) {
        memory.n_allocations = 0;
        memory.fail_at = n;
        status = aci_kernels_multiplier_create(&multiplier, &memory, pools[1],
                                               "portable", NULL);
        memory.fail_at = 0;
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
        ck_assert_int_eq(multiplier != NULL, status == AC_OK);
    }
    ck_assert_uint_gt(n, 4);
    aci_kernels_multiplier_free(multiplier);
}
END_TEST

Suite *test_multiply_suite(void)
{
    Suite *suite = suite_create("test_multiply");
    TCase *tc = tcase_create("multiply");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(
        tc, products_are_near_float64_at_any_number_of_threads, 0, N_LEVELS);
    tcase_add_loop_test(tc, what_c_held_does_not_matter_unless_added_to, 0,
                        N_LEVELS);
    tcase_add_test(tc, bfloat16_products_of_small_whole_numbers_are_exact);
    tcase_add_test(tc, bfloat16_operands_are_rounded_to_nearest_even);
    tcase_add_test(tc, a_multiplier_allocates_only_when_made);
    tcase_add_test(tc, levels_are_chosen_by_name);
    tcase_add_test(tc, every_failing_allocation_is_reported);
    suite_add_tcase(suite, tc);
    return suite;
}
