/* test_compare_rows.c - figures of single positions. */
#include "workshop/evaluate/compare_rows.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "platform/random.h"

Suite *test_compare_rows_suite(void);

static aci_memory memory;
static aci_pool *pool;

static void setup(void)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
}

static void teardown(void)
{
    aci_platform_pool_free(pool);
}

static void compare(aci_row *rows, const float *full, const float *own,
                    int64_t n, int32_t n_vocab)
{
    aci_workshop_compare_rows(rows, full, own, n, n_vocab, pool);
}

START_TEST(a_case_by_hand)
{
    /* p = 1/2, 1/4, 1/4 and q = 1/4, 1/4, 1/2, logits off by a constant:
     * KL = 1/2 ln 2 - 1/4 ln 2 */
    float full[3] = { logf(2.0f) + 7.0f, 7.0f, 7.0f };
    float own[3] = { -3.0f, -3.0f, logf(2.0f) - 3.0f };
    aci_row row = { .target = 0 };

    compare(&row, full, full, 1, 3);
    ck_assert_double_eq_tol(row.nats, log(2.0), 1e-6);
    ck_assert_double_eq(row.kl, 0.0);
    ck_assert_int_eq(row.same_top, 1);
    compare(&row, full, own, 1, 3);
    ck_assert_double_eq_tol(row.nats, log(4.0), 1e-6);
    ck_assert_double_eq_tol(row.full_nats, log(2.0), 1e-6);
    ck_assert_double_eq_tol(row.kl, 0.25 * log(2.0), 1e-6);
    ck_assert_int_eq(row.same_top, 0);
    ck_assert_int_eq(row.is_bad, 0);
}
END_TEST

START_TEST(equal_logits_have_no_divergence)
{
    enum { ROWS = 20, VOCAB = 1000 };
    static float full[ROWS * VOCAB], own[ROWS * VOCAB];
    aci_row rows[ROWS];
    aci_random random;
    int i;

    aci_platform_random_seed(&random, 5);
    for (i = 0; i < ROWS * VOCAB; i++)
        full[i] = (float)(4.0 * aci_platform_random_normal(&random));
    memcpy(own, full, sizeof full);
    memset(rows, 0, sizeof rows);
    for (i = 0; i < ROWS; i++)
        rows[i].target = i;
    compare(rows, full, full, ROWS, VOCAB);
    compare(rows, full, own, ROWS, VOCAB);
    for (i = 0; i < ROWS; i++) {
        ck_assert_double_eq(rows[i].kl, 0.0);
        ck_assert_double_eq(rows[i].nats, rows[i].full_nats);
        ck_assert_int_eq(rows[i].same_top, 1);
    }
}
END_TEST

START_TEST(far_logits_do_not_overflow)
{
    float full[3] = { 30000.0f, 0.0f, -30000.0f };
    float own[3] = { 29990.0f, 30000.0f, -30000.0f };
    aci_row row = { .target = 2 };

    compare(&row, full, full, 1, 3);
    ck_assert_double_eq(row.nats, 60000.0);
    compare(&row, full, own, 1, 3);
    ck_assert_double_eq_tol(row.kl, 10.0, 1e-4);
    ck_assert_int_eq(row.is_bad, 0);
}
END_TEST

START_TEST(what_is_no_number_is_noticed)
{
    float full[3] = { 1.0f, 2.0f, 3.0f };
    float own[3] = { 1.0f, NAN, 3.0f };
    float infinite[3] = { 1.0f, INFINITY, 3.0f };
    aci_row rows[1] = { { .target = 0 } };

    compare(rows, own, own, 1, 3);
    ck_assert_int_eq(rows[0].is_bad, 1);
    compare(rows, infinite, infinite, 1, 3);
    ck_assert_int_eq(rows[0].is_bad, 1);
    compare(rows, full, full, 1, 3);
    ck_assert_int_eq(rows[0].is_bad, 0);
    compare(rows, full, own, 1, 3);
    ck_assert_int_eq(rows[0].is_bad, 1);
}
END_TEST

Suite *test_compare_rows_suite(void)
{
    Suite *suite = suite_create("test_compare_rows");
    TCase *tc = tcase_create("compare_rows");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_case_by_hand);
    tcase_add_test(tc, equal_logits_have_no_divergence);
    tcase_add_test(tc, far_logits_do_not_overflow);
    tcase_add_test(tc, what_is_no_number_is_noticed);
    suite_add_tcase(suite, tc);
    return suite;
}
