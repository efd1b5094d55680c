/* test_workflow_text.c - texts being written, and numbers in tenths. */
#include "workshop/evaluate/workflow_text.h"

#include <check.h>
#include <string.h>

static aci_text text;

START_TEST(pieces_follow_each_other)
{
    aci_workshop_text_clear(&text);
    aci_workshop_text_sentence(&text, "%s of %d", "leaf area", 7);
    aci_workshop_text_add(&text, ", %s", "then");
    aci_workshop_text_sentence(&text, "%s", "9 more");
    ck_assert_str_eq(text.data, "Leaf area of 7, then9 more");
    ck_assert_uint_eq(text.n, strlen(text.data));
    ck_assert(!text.overflow);
}
END_TEST

START_TEST(what_does_not_fit_is_left_out_and_noted)
{
    int i;

    aci_workshop_text_clear(&text);
    for (i = 0; i < 500; i++)
        aci_workshop_text_add(&text, "%s", "ten bytes.");
    ck_assert(text.overflow);
    ck_assert_uint_eq(text.n, sizeof text.data / 10 * 10);
    ck_assert_uint_eq(strlen(text.data), text.n);
    aci_workshop_text_clear(&text);
    ck_assert(!text.overflow);
    ck_assert_str_eq(text.data, "");
}
END_TEST

START_TEST(numbers_have_their_decimals)
{
    char out[24];

    ck_assert_str_eq(aci_workshop_number_text(out, 124, 0), "124");
    ck_assert_str_eq(aci_workshop_number_text(out, 124, 1), "12.4");
    ck_assert_str_eq(aci_workshop_number_text(out, 120, 1), "12.0");
    ck_assert_str_eq(aci_workshop_number_text(out, 4, 1), "0.4");
}
END_TEST

Suite *test_workflow_text_suite(void);
Suite *test_workflow_text_suite(void)
{
    Suite *suite = suite_create("test_workflow_text");
    TCase *tests = tcase_create("workflow_text");

    tcase_add_test(tests, pieces_follow_each_other);
    tcase_add_test(tests, what_does_not_fit_is_left_out_and_noted);
    tcase_add_test(tests, numbers_have_their_decimals);
    suite_add_tcase(suite, tests);
    return suite;
}
