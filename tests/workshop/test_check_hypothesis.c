/* test_check_hypothesis.c - hypotheses judged as a person judged them. */
#include <check.h>

#include "workshop/answer_cases.h"

static const char path[] = "tests/workshop/answers/hypothesis.jsonl";

START_TEST(answers_are_judged_as_by_hand)
{
    answer_cases_hold(path);
}
END_TEST

START_TEST(hostile_checks_are_refused_by_field)
{
    answer_cases_refused(path, "outcome", "\"\"", "\"outcome\"");
    answer_cases_refused(path, "predictor", "\"slope\"", "\"predictor\"");
    answer_cases_refused(path, "sign", "\"up\"", "\"sign\"");
    answer_cases_refused(path, "sign", "1", "\"sign\"");
    answer_cases_refused(path, "variables", "[]", "\"predictor\"");
    answer_cases_refused(path, "variables", "7", "\"variables\"");
    answer_cases_refused(path, "conditions", "[]", "\"conditions\"");
    answer_cases_refused(path, "conditions", "{\"mode\": 3}", "\"mode\"");
    answer_cases_refused(path, "condition", "5", "\"variable\"");
    answer_cases_refused(path, "condition",
                         "{\"variable\": \"mode\", \"value\": \"on\"}",
                         "\"condition\"");
    answer_cases_refused(path, "rows", "[]", "\"rows\"");
    answer_cases_refused(path, "rows", "[{}]", "\"rows\"");
    answer_cases_refused(path, "rows/0/humidity", "\"7\"", "\"rows\"");
    answer_cases_refused(path, "rows", "{}", "\"rows\"");
}
END_TEST

Suite *test_check_hypothesis_suite(void);
Suite *test_check_hypothesis_suite(void)
{
    Suite *suite = suite_create("test_check_hypothesis");
    TCase *tests = tcase_create("hypothesis");

    tcase_add_test(tests, answers_are_judged_as_by_hand);
    tcase_add_test(tests, hostile_checks_are_refused_by_field);
    suite_add_tcase(suite, tests);
    return suite;
}
