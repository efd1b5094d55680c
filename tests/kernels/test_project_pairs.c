/* test_project_pairs.c - products in two halves are the products one after the
 * other, on every level, and end where one of them fails. */
#include <check.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/product_sample.h"

Suite *test_project_pairs_suite(void);

enum { N_IN = 200, RANK = 40, WIDE = 50, ROWS = 9, MOST = 64 };

static aci_memory memory;
static aci_pool *pool;
static aci_random dice;

static void setup(void)
{
    aci_platform_memory_init(&memory);
    aci_platform_random_seed(&dice, 31);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
}

static void teardown(void)
{
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* Two V, a whole W between them, and three U, whose third adds. */
static void check_level(const char *level)
{
    static const int32_t shapes[6][2] = { { RANK, N_IN }, { 33, N_IN },
                                          { RANK, N_IN }, { WIDE, RANK },
                                          { 17, RANK },   { WIDE, RANK } };
    static const int32_t inner[3] = { 0, 2, 0 };
    static float x[ROWS * N_IN], start[ROWS * MOST];
    static float found[6][ROWS * MOST], expected[6][ROWS * MOST];
    const aci_input input = { .x = x, .x_stride = N_IN };
    aci_product products[3], by_hand[6];
    aci_outer outers[3];
    product_sample s[6];
    aci_backend *backend;
    int i;

    ck_assert_int_eq(aci_kernels_cpu_open(&backend, &memory, pool, level, N_IN,
                                          NULL), AC_OK);
    product_sample_fill(&dice, x, ROWS * N_IN, 1.0f);
    product_sample_fill(&dice, start, ROWS * MOST, 1.0f);
    for (i = 0; i < 6; i++) {
        aci_product p = { { &s[i].matrix, NULL, i % 2 ? 4 : 8, 8 }, found[i],
                          MOST, i == 5 };

        product_sample_make(&s[i], &memory, &dice, shapes[i][0], shapes[i][1],
                            64, 12, 0);
        memcpy(found[i], start, sizeof start);
        memcpy(expected[i], start, sizeof start);
        by_hand[i] = p;
        by_hand[i].out = expected[i];
        if (i < 3)
            products[i] = p;
        else
            outers[i - 3] = (aci_outer){ p, inner[i - 3] };
    }
    ck_assert_int_eq(backend->operations->project_pairs(
                         backend, products, 3, outers, 3, &input, ROWS, NULL),
                     AC_OK);
    for (i = 0; i < 6; i++) {
        const aci_input low = { .x = i < 3 ? x : expected[inner[i - 3]],
                                .x_stride = i < 3 ? N_IN : MOST };

        ck_assert_int_eq(backend->operations->project(
                             backend, &by_hand[i], 1, &low, ROWS, NULL),
                         AC_OK);
    }
    for (i = 0; i < 6; i++) {
        product_sample_expect_same(expected[i], found[i], ROWS * MOST, level);
        product_sample_free(&memory, &s[i]);
    }
    backend->operations->close(backend);
}

START_TEST(pairs_are_products_one_after_the_other)
{
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    int i;

    for (i = 0; i < 3; i++)
        if (aci_kernels_cpu_level(levels[i]) != NULL)
            check_level(levels[i]);
}
END_TEST

/* ---- calls --------------------------------------------------------------- */

static int n_calls, n_seen[4], fails_at;

static ac_status count_call(aci_backend *backend, const aci_product *products,
                            int32_t n_products, const aci_input *input,
                            int32_t n_rows, ac_error *error)
{
    (void)backend;
    (void)products;
    (void)input;
    (void)n_rows;
    (void)error;
    n_seen[n_calls++] = n_products;
    return n_calls == fails_at ? AC_E_DEVICE : AC_OK;
}

/* One call for the products and one for all that share an inner one; none
 * where nothing does. */
START_TEST(what_shares_an_input_shares_a_call)
{
    static const aci_backend_operations operations = { .project = count_call };
    aci_backend backend = { .operations = &operations };
    const aci_input input = { 0 };
    const aci_product products[3] = { { .out_stride = 1 } };
    const aci_outer outers[3] = { { .inner = 2 }, { .inner = 0 },
                                  { .inner = 2 } };

    n_calls = fails_at = 0;
    ck_assert_int_eq(aci_kernels_project_pairs(&backend, products, 3, outers,
                                               3, &input, 1, NULL), AC_OK);
    ck_assert_int_eq(n_calls, 3);
    ck_assert_int_eq(n_seen[0], 3);
    ck_assert_int_eq(n_seen[1], 1);
    ck_assert_int_eq(n_seen[2], 2);
    n_calls = 0;
    ck_assert_int_eq(aci_kernels_project_pairs(&backend, products, 2, NULL, 0,
                                               &input, 1, NULL), AC_OK);
    ck_assert_int_eq(n_calls, 1);
    for (fails_at = 1; fails_at <= 3; fails_at++) {
        n_calls = 0;
        ck_assert_int_eq(aci_kernels_project_pairs(&backend, products, 3,
                                                   outers, 3, &input, 1, NULL),
                         AC_E_DEVICE);
        ck_assert_int_eq(n_calls, fails_at);
    }
}
END_TEST

Suite *test_project_pairs_suite(void)
{
    Suite *suite = suite_create("test_project_pairs");
    TCase *tc = tcase_create("pairs");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, pairs_are_products_one_after_the_other);
    tcase_add_test(tc, what_shares_an_input_shares_a_call);
    suite_add_tcase(suite, tc);
    return suite;
}
