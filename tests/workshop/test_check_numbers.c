/* test_check_numbers.c - numbers and units in prose. */
#include <check.h>
#include <stdio.h>

#include "workshop/evaluate/check_numbers.h"

/* The numbers of a text, "12.4 35 ? w7": '?' equals nothing, w: in words. */
static void found_in(const char *text, const char *wanted)
{
    aci_slice slice = aci_slice_of(text);
    aci_number number;
    char found[200] = "";
    size_t at = 0, n = 0;

    while (aci_workshop_number_find(&number, slice, at)) {
        if (n > 0)
            found[n++] = ' ';
        if (number.strange)
            n += (size_t)snprintf(found + n, sizeof found - n, "?");
        else
            n += (size_t)snprintf(found + n, sizeof found - n, "%s%lld/%d",
                                  number.spelled ? "w" : "",
                                  (long long)number.mantissa,
                                  (int)number.decimals);
        at = aci_workshop_number_after(slice, &number);
    }
    ck_assert_msg(strcmp(found, wanted) == 0, "%s: %s, not %s", text, found,
                  wanted);
}

START_TEST(numbers_are_found)
{
    found_in("", "");
    found_in("35 mm, 43mm and 12.40 g", "35/0 43/0 124/1");
    found_in("(35) 43. 0.5 .5 007", "35/0 43/0 5/1 5/1 7/0");
    found_in("35-43 mm", "35/0 43/0");
    found_in("from -5 to +3", "-5/0 3/0");
    found_in("1,234 and 12,345,678 but a,71 and 46,51,51",
             "1234/0 12345678/0 71/0 46/0 51/0 51/0");
    found_in("0.0 00.10 100", "0/0 1/1 100/0");
    found_in("1.2.3 and 3e5 and 1234567890123456", "? ? ?");
}
END_TEST

START_TEST(what_is_no_number)
{
    found_in("cm2 H2O CO2 a1b2", "");
    found_in("the 2nd and 11th, 1st", "");
    found_in("turnover (1/h)", "");
    found_in("35 1/h", "35/0");
    found_in("someone, tenfold, sevens", "");
}
END_TEST

START_TEST(words_are_numbers_too)
{
    found_in("zero One twelve nineteen", "w0/0 w1/0 w12/0 w19/0");
    found_in("forty, forty-two, forty two, forty twenty",
             "w40/0 w42/0 w42/0 w40/0 w20/0");
    found_in("two hundred", "w2/0 ?");
}
END_TEST

static void unit_ends(const char *text, size_t at, const char *unit,
                      size_t wanted)
{
    ck_assert_uint_eq(aci_workshop_unit_end(aci_slice_of(text), at,
                                            aci_slice_of(unit)), wanted);
}

START_TEST(units_end_where_they_end)
{
    unit_ends("35 mm", 2, "mm", 5);
    unit_ends("35mm.", 2, "mm", 4);
    unit_ends("35 mm", 2, "m", 0);
    unit_ends("35 m/s", 2, "m", 0);
    unit_ends("35 m2", 2, "m", 0);
    unit_ends("35 m/s2", 2, "m/s", 0);
    unit_ends("35 m/s2", 2, "m/s2", 7);
    unit_ends("35 %.", 2, "%", 4);
    unit_ends("35 percent", 2, "%", 10);
    unit_ends("35 mPa s", 2, "mPa s", 8);
    unit_ends("35", 2, "mm", 0);
    unit_ends("35 MM", 2, "mm", 0);
    unit_ends("35 m", 2, "", 0);
    unit_ends("5 points", 1, "points", 8);
    unit_ends("1 point", 1, "points", 7);
}
END_TEST

START_TEST(whole_texts_are_numbers_or_not)
{
    aci_number a, b;

    ck_assert(aci_workshop_number_read(&a, aci_slice_of("12.40")));
    ck_assert(aci_workshop_number_read(&b, aci_slice_of("12.4")));
    ck_assert(aci_workshop_number_equal(&a, &b));
    ck_assert(aci_workshop_number_read(&b, aci_slice_of("-12.4")));
    ck_assert(!aci_workshop_number_equal(&a, &b));
    ck_assert(!aci_workshop_number_read(&a, aci_slice_of("")));
    ck_assert(!aci_workshop_number_read(&a, aci_slice_of("12 ")));
    ck_assert(!aci_workshop_number_read(&a, aci_slice_of("twelve")));
    ck_assert(!aci_workshop_number_read(&a, aci_slice_of("1e9")));
}
END_TEST

Suite *test_check_numbers_suite(void);
Suite *test_check_numbers_suite(void)
{
    Suite *suite = suite_create("test_check_numbers");
    TCase *tests = tcase_create("numbers");

    tcase_add_test(tests, numbers_are_found);
    tcase_add_test(tests, what_is_no_number);
    tcase_add_test(tests, words_are_numbers_too);
    tcase_add_test(tests, units_end_where_they_end);
    tcase_add_test(tests, whole_texts_are_numbers_or_not);
    suite_add_tcase(suite, tests);
    return suite;
}
