/* test_check_data.c - data-to-text answers judged as a person judged them. */
#include <check.h>

#include "workshop/answer_cases.h"

static const char path[] = "tests/workshop/answers/data.jsonl";

START_TEST(answers_are_judged_as_by_hand)
{
    answer_cases_hold(path);
}
END_TEST

START_TEST(hostile_checks_are_refused_by_field)
{
    answer_cases_refused(path, "source", NULL, "\"source\"");
    answer_cases_refused(path, "quantity", "5", "\"quantity\"");
    answer_cases_refused(path, "facts", "{}", "\"facts\"");
    answer_cases_refused(path, "facts", "[3]", "\"facts\"");
    answer_cases_refused(path, "facts", "[{\"value\": \"x\"}]", "\"value\"");
    answer_cases_refused(path, "facts", "[{\"value\": 3}]", "\"value\"");
    answer_cases_refused(path, "facts/0/value", "\"1e9\"", "\"value\"");
    answer_cases_refused(path, "facts/0/unit", "[]", "\"unit\"");
    answer_cases_refused(path, "facts/0/entity", "0", "\"entity\"");
    answer_cases_refused(path, "rows", "\"\"", "\"rows\"");
    answer_cases_refused(path, "allowed", "[\"\"]", "\"allowed\"");
    answer_cases_refused(path, "allowed", "[\"seven\"]", "\"allowed\"");
    answer_cases_refused(path, "pairs", "[[\"1\"]]", "\"pairs\"");
    answer_cases_refused(path, "pairs", "7", "\"pairs\"");
    answer_cases_refused(path, "direction", "\"up\"", "\"direction\"");
    answer_cases_refused(path, "groups", "[\"a\"]", "\"groups\"");
    answer_cases_refused(path, "groups", "[\"a\", \"a\"]", "\"groups\"");
    answer_cases_refused(path, "roles", "[{\"role\": \"best\"}]", "\"role\"");
    answer_cases_refused(path, "roles", "[{\"role\": \"highest\"}]",
                         "\"entity\"");
    answer_cases_refused(path, "words", "[1]", "\"words\"");
    answer_cases_refused(path, "none", "true", "\"none\"");
    answer_cases_refused(path, "max_words", "0", "\"max_words\"");
    answer_cases_refused(path, "max_words", "2.5", "\"max_words\"");
}
END_TEST

Suite *test_check_data_suite(void);
Suite *test_check_data_suite(void)
{
    Suite *suite = suite_create("test_check_data");
    TCase *tests = tcase_create("data");

    tcase_add_test(tests, answers_are_judged_as_by_hand);
    tcase_add_test(tests, hostile_checks_are_refused_by_field);
    suite_add_tcase(suite, tests);
    return suite;
}
