/* test_score_report.c - the report's figures, failures by how common they are,
 * and paired differences. */
#include "workshop/evaluate/score_report.h"

#include <check.h>
#include <string.h>

enum { N = 200 };

static aci_memory memory;
static aci_pool *pool;
static aci_scored_step own[N], other[N];

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
}

static void tear_down(void)
{
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* A hundred workflows of two steps; the first `failing` of them fail their
 * second step. */
static aci_score make(aci_scored_step *steps, uint32_t failing,
                      const char *variant)
{
    aci_score score = { .memory = &memory, .steps = steps, .n_steps = N,
                        .n_workflows = N / 2, .n_answered = N,
                        .names = { "bio", "kind" }, .n_names = 2,
                        .reasons = json_object() };
    uint32_t i;

    memset(steps, 0, N * sizeof *steps);
    for (i = 0; i < N; i++) {
        steps[i].workflow = i / 2;
        steps[i].kind = 1;
        steps[i].passed = i % 2 == 0 || i / 2 >= failing;
        steps[i].answered = true;
        steps[i].score = steps[i].passed ? 1.0 : 0.5;
    }
    strcpy(score.variant, variant);
    return score;
}

static double figure(const json_t *groups, size_t at, const char *of,
                     const char *which)
{
    return json_number_value(json_object_get(
        json_object_get(json_array_get(groups, at), of), which));
}

START_TEST(figures_are_those_of_the_steps)
{
    aci_score score = make(own, 10, "int4");
    json_t *report, *all, *failures;

    json_object_set_new(score.reasons, "kind",
                        json_pack("{s:i, s:i, s:i}", "rare", 1, "common", 7,
                                  "some", 2));
    ck_assert_int_eq(aci_workshop_score_report(&report, pool, &score, NULL,
                                               2000, 0, NULL), AC_OK);
    all = json_object_get(report, "groups");
    ck_assert_str_eq(json_string_value(json_object_get(report, "variant")),
                     "int4");
    ck_assert_double_eq(figure(all, 0, "step_success", "value"), 0.95);
    ck_assert_double_eq(figure(all, 0, "workflow_success", "value"), 0.90);
    ck_assert_double_eq_tol(json_number_value(json_object_get(
                                json_array_get(all, 0), "score")), 0.975,
                            1e-12);
    /* Binomial(100, 0.1): 5 and 16 */
    ck_assert_double_eq_tol(figure(all, 0, "workflow_success", "low"), 0.84,
                            0.011);
    ck_assert_double_eq_tol(figure(all, 0, "workflow_success", "high"), 0.95,
                            0.011);
    failures = json_object_get(report, "failures");
    ck_assert_uint_eq(json_array_size(failures), 3);
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_array_get(failures, 0), "reason")), "common");
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_array_get(failures, 2), "reason")), "rare");
    ck_assert_ptr_null(json_object_get(report, "against"));
    json_decref(report);
    json_decref(score.reasons);
}
END_TEST

START_TEST(differences_are_paired)
{
    aci_score a = make(own, 10, "int4"), b = make(other, 30, "full");
    json_t *report, *against, *groups;

    ck_assert_int_eq(aci_workshop_score_report(&report, pool, &a, &b, 2000, 0,
                                               NULL), AC_OK);
    against = json_object_get(report, "against");
    groups = json_object_get(against, "groups");
    ck_assert_str_eq(json_string_value(json_object_get(against, "variant")),
                     "full");
    ck_assert_int_eq(json_integer_value(json_object_get(
                         against, "workflows_gained")), 20);
    ck_assert_int_eq(json_integer_value(json_object_get(
                         against, "workflows_lost")), 0);
    ck_assert_double_eq_tol(figure(groups, 0, "workflow_difference",
                                   "value"), 0.20, 1e-12);
    /* twenty workflows differ, all one way: Binomial(100, 0.2), 13 and 28;
     * were the sets drawn apart, it would be [0.08, 0.32] */
    ck_assert_double_eq_tol(figure(groups, 0, "workflow_difference", "low"),
                            0.13, 0.011);
    ck_assert_double_eq_tol(figure(groups, 0, "workflow_difference",
                                   "high"), 0.28, 0.011);
    json_decref(report);
    json_decref(a.reasons);
    json_decref(b.reasons);
}
END_TEST

START_TEST(the_report_does_not_depend_on_threads)
{
    aci_score score = make(own, 35, "int4");
    json_t *two, *one, *seed;
    aci_pool *alone;

    ck_assert_int_eq(aci_platform_pool_create(&alone, &memory, 1, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_score_report(&two, pool, &score, NULL, 1500,
                                               3, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_score_report(&one, alone, &score, NULL,
                                               1500, 3, NULL), AC_OK);
    ck_assert(json_equal(one, two));
    ck_assert_int_eq(aci_workshop_score_report(&seed, alone, &score, NULL,
                                               1500, 4, NULL), AC_OK);
    ck_assert(!json_equal(one, seed));
    json_decref(one);
    json_decref(two);
    json_decref(seed);
    json_decref(score.reasons);
    aci_platform_pool_free(alone);
}
END_TEST

Suite *test_score_report_suite(void);
Suite *test_score_report_suite(void)
{
    Suite *suite = suite_create("test_score_report");
    TCase *tests = tcase_create("score_report");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, figures_are_those_of_the_steps);
    tcase_add_test(tests, differences_are_paired);
    tcase_add_test(tests, the_report_does_not_depend_on_threads);
    suite_add_tcase(suite, tests);
    return suite;
}
