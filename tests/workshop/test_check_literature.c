/* test_check_literature.c - review answers judged as a person judged them. */
#include <check.h>

#include "workshop/answer_cases.h"

static const char path[] = "tests/workshop/answers/literature.jsonl";

START_TEST(answers_are_judged_as_by_hand)
{
    answer_cases_hold(path);
}
END_TEST

START_TEST(hostile_checks_are_refused_by_field)
{
    answer_cases_refused(path, "n_sources", "0", "\"n_sources\"");
    answer_cases_refused(path, "n_sources", "61", "\"n_sources\"");
    answer_cases_refused(path, "n_sources", "\"3\"", "\"n_sources\"");
    answer_cases_refused(path, "source", "\"\"", "\"source\"");
    answer_cases_refused(path, "claims", "3", "\"claims\"");
    answer_cases_refused(path, "claims/0/any", "[]", "\"any\"");
    answer_cases_refused(path, "claims/0/any", "[\"\"]", "\"any\"");
    answer_cases_refused(path, "claims/0/against", "[0]", "\"against\"");
    answer_cases_refused(path, "claims/0/markers", "[]", "\"markers\"");
    answer_cases_refused(path, "claims/0/markers", "[4]", "\"markers\"");
    answer_cases_refused(path, "claims/0/markers", "[-1]", "\"markers\"");
    answer_cases_refused(path, "claims/0/numbers", "[\"x\"]", "\"numbers\"");
    answer_cases_refused(path, "claims/0/unit", "3", "\"unit\"");
    answer_cases_refused(path, "min_sources", NULL, "\"min_sources\"");
    answer_cases_refused(path, "ignore", "[9]", "\"ignore\"");
    answer_cases_refused(path, "words", "[\"\"]", "\"words\"");
    answer_cases_refused(path, "none", "{}", "\"none\"");
    answer_cases_refused(path, "max_words", "-5", "\"max_words\"");
}
END_TEST

Suite *test_check_literature_suite(void);
Suite *test_check_literature_suite(void)
{
    Suite *suite = suite_create("test_check_literature");
    TCase *tests = tcase_create("literature");

    tcase_add_test(tests, answers_are_judged_as_by_hand);
    tcase_add_test(tests, hostile_checks_are_refused_by_field);
    suite_add_tcase(suite, tests);
    return suite;
}
