/* test_batch_mean.c - means and their standard errors. */
#include "workshop/evaluate/batch_mean.h"

#include <check.h>
#include <math.h>

#include "platform/random.h"

Suite *test_batch_mean_suite(void);

START_TEST(a_case_by_hand)
{
    /* batches {1, 3}, {5}, {2, 2, 2}: mean 15 / 6 = 2.5; residuals
     * 4 - 5, 5 - 2.5, 6 - 7.5; squares 1 + 6.25 + 2.25 = 9.5;
     * error sqrt(9.5 * 3 / 2) / 6 */
    aci_batch_mean m = { 0 };
    double error;
    int i;

    aci_workshop_batch_add(&m, 1.0);
    aci_workshop_batch_add(&m, 3.0);
    aci_workshop_batch_close(&m);
    aci_workshop_batch_close(&m); /* empty: does not count */
    aci_workshop_batch_add(&m, 5.0);
    aci_workshop_batch_close(&m);
    for (i = 0; i < 3; i++)
        aci_workshop_batch_add(&m, 2.0);
    aci_workshop_batch_close(&m);
    ck_assert_double_eq(aci_workshop_batch_mean(&error, &m), 2.5);
    ck_assert_double_eq_tol(error, sqrt(14.25) / 6.0, 1e-15);
}
END_TEST

START_TEST(batches_of_one_are_the_ordinary_error)
{
    aci_batch_mean m = { 0 };
    aci_random random;
    double sum = 0.0, squares = 0.0, error, mean;
    int i, n = 1000;

    aci_platform_random_seed(&random, 3);
    for (i = 0; i < n; i++) {
        double x = 5.0 + aci_platform_random_normal(&random);

        sum += x;
        squares += x * x;
        aci_workshop_batch_add(&m, x);
        aci_workshop_batch_close(&m);
    }
    mean = aci_workshop_batch_mean(&error, &m);
    ck_assert_double_eq_tol(mean, sum / n, 1e-12);
    ck_assert_double_eq_tol(
        error, sqrt((squares - sum * sum / n) / (n - 1) / n), 1e-10);
}
END_TEST

/* Tokens that move together: the error a thousand repetitions show is the one
 * that batches tell, and well above the one of independent tokens. */
START_TEST(the_error_is_that_of_repetition)
{
    enum { REPEATS = 400, BATCHES = 40, TOKENS = 25 };
    aci_random random;
    double sum = 0.0, squares = 0.0, told = 0.0, spread;
    int r, b, t;

    aci_platform_random_seed(&random, 4);
    for (r = 0; r < REPEATS; r++) {
        aci_batch_mean m = { 0 };
        double error, mean;

        for (b = 0; b < BATCHES; b++) {
            double together = aci_platform_random_normal(&random);

            for (t = 0; t < TOKENS; t++)
                aci_workshop_batch_add(
                    &m, together + aci_platform_random_normal(&random));
            aci_workshop_batch_close(&m);
        }
        mean = aci_workshop_batch_mean(&error, &m);
        sum += mean;
        squares += mean * mean;
        told += error;
    }
    spread = sqrt((squares - sum * sum / REPEATS) / (REPEATS - 1));
    ck_assert_double_eq_tol(told / REPEATS / spread, 1.0, 0.1);
    ck_assert_double_gt(told / REPEATS, 3.0 * sqrt(2.0 / BATCHES / TOKENS));
}
END_TEST

START_TEST(too_little_is_not_a_number)
{
    aci_batch_mean m = { 0 };
    double error;

    ck_assert(isnan(aci_workshop_batch_mean(&error, &m)) && isnan(error));
    aci_workshop_batch_add(&m, 2.0);
    aci_workshop_batch_close(&m);
    ck_assert_double_eq(aci_workshop_batch_mean(&error, &m), 2.0);
    ck_assert(isnan(error));
}
END_TEST

Suite *test_batch_mean_suite(void)
{
    Suite *suite = suite_create("test_batch_mean");
    TCase *tc = tcase_create("batch_mean");

    tcase_add_test(tc, a_case_by_hand);
    tcase_add_test(tc, batches_of_one_are_the_ordinary_error);
    tcase_add_test(tc, the_error_is_that_of_repetition);
    tcase_add_test(tc, too_little_is_not_a_number);
    suite_add_tcase(suite, tc);
    return suite;
}
