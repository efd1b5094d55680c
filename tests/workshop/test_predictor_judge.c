/* test_predictor_judge.c - the figures on cases worked by hand. */
#include <check.h>
#include <math.h>

#include "platform/random.h"
#include "workshop/train/predictor_judge.h"

static aci_ranked scratch[4096];

START_TEST(auroc_of_small_cases)
{
    double scores[4] = { 0.1, 0.4, 0.35, 0.8 };
    double labels[4] = { 0, 0, 1, 1 }, same[4] = { 1, 1, 1, 1 };
    double half[4] = { 0.5, 0.5, 0.5, 0.5 };

    ck_assert_double_eq(aci_workshop_auroc(scratch, scores, labels, 4), 0.75);
    ck_assert_double_eq(aci_workshop_auroc(scratch, same, labels, 4), 0.5);
    ck_assert_double_eq_tol(aci_workshop_auroc(scratch, scores, half, 4), 0.5,
                            1e-12);
    ck_assert(isnan(aci_workshop_auroc(scratch, scores, same, 4)));
}
END_TEST

START_TEST(brier_of_small_cases)
{
    double p[2] = { 0.5, 1.0 }, y[2] = { 1.0, 0.0 };

    ck_assert_double_eq(aci_workshop_brier(p, y, 2), 0.625);
}
END_TEST

START_TEST(ece_sees_what_is_off)
{
    static double p[3000], y[3000], drawn[3000];
    double right, floor;
    aci_random random;
    int i;

    aci_platform_random_seed(&random, 3);
    for (i = 0; i < 3000; i++) {
        p[i] = 0.2 + 0.6 * i / 3000.0;
        y[i] = aci_platform_random_unit(&random) < p[i];
    }
    right = aci_workshop_ece(scratch, p, y, 3000);
    floor = aci_workshop_ece_floor(scratch, drawn, p, 3000, 4);
    ck_assert_double_lt(right, 0.05);
    ck_assert_double_gt(right, 0.0);
    ck_assert_double_eq_tol(right, floor, 0.015);
    for (i = 0; i < 3000; i++)
        p[i] += 0.15;
    ck_assert_double_eq_tol(aci_workshop_ece(scratch, p, y, 3000), 0.15, 0.02);
}
END_TEST

START_TEST(apgr_orders_as_it_should)
{
    /* Two prompts the strong one saves, two that need no saving. */
    double weak[4] = { 0, 0, 1, 1 }, strong[4] = { 1, 1, 1, 1 };
    double best[4] = { 0, 1, 2, 3 }, worst[4] = { 3, 2, 1, 0 };

    ck_assert_double_eq(aci_workshop_apgr(scratch, best, weak, strong, 4),
                        0.75);
    ck_assert_double_eq(aci_workshop_apgr(scratch, worst, weak, strong, 4),
                        0.25);
    ck_assert(isnan(aci_workshop_apgr(scratch, best, strong, weak, 4)));
}
END_TEST

Suite *test_predictor_judge_suite(void);

Suite *test_predictor_judge_suite(void)
{
    Suite *suite = suite_create("test_predictor_judge");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, auroc_of_small_cases);
    tcase_add_test(tests, brier_of_small_cases);
    tcase_add_test(tests, ece_sees_what_is_off);
    tcase_add_test(tests, apgr_orders_as_it_should);
    suite_add_tcase(suite, tests);
    return suite;
}
