/* test_check_citation.c - reference answers judged as a person judged them. */
#include <check.h>

#include "workshop/answer_cases.h"

static const char path[] = "tests/workshop/answers/citation.jsonl";

START_TEST(answers_are_judged_as_by_hand)
{
    answer_cases_hold(path);
}
END_TEST

START_TEST(hostile_checks_are_refused_by_field)
{
    answer_cases_refused(path, "style", "\"harvard\"", "\"style\"");
    answer_cases_refused(path, "style", NULL, "\"style\"");
    answer_cases_refused(path, "record", "7", "\"record\"");
    answer_cases_refused(path, "record/authors", "[]", "\"authors\"");
    answer_cases_refused(path, "record/authors", "[[\"A\"]]", "\"authors\"");
    answer_cases_refused(path, "record/authors", "[[\"A\", 3]]",
                         "\"authors\"");
    answer_cases_refused(path, "record/authors", "[[\"A\\u0000\", \"B\"]]",
                         "\"authors\"");
    answer_cases_refused(path, "record/year", "-1", "\"year\"");
    answer_cases_refused(path, "record/year", "[]", "\"year\"");
    answer_cases_refused(path, "record/year", NULL, "\"year\"");
    answer_cases_refused(path, "record/title", "\"\"", "\"title\"");
    answer_cases_refused(path, "record/title", "\"a\\u0000b\"", "\"title\"");
    answer_cases_refused(path, "record/journal", "null", "\"journal\"");
    answer_cases_refused(path, "record/volume", "99999999999", "\"volume\"");
    answer_cases_refused(path, "record/issue", "{}", "\"issue\"");
    answer_cases_refused(path, "record/pages", "\"3-\"", "\"pages\"");
    answer_cases_refused(path, "record/pages", "12", "\"pages\"");
    answer_cases_refused(path, "record/doi", "1.5", "\"doi\"");
}
END_TEST

Suite *test_check_citation_suite(void);
Suite *test_check_citation_suite(void)
{
    Suite *suite = suite_create("test_check_citation");
    TCase *tests = tcase_create("citation");

    tcase_add_test(tests, answers_are_judged_as_by_hand);
    tcase_add_test(tests, hostile_checks_are_refused_by_field);
    suite_add_tcase(suite, tests);
    return suite;
}
