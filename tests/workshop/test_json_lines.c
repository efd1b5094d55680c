/* test_json_lines.c - a file of objects, and what is none. */
#include "workshop/evaluate/json_lines.h"

#include <check.h>
#include <string.h>

#include "platform/error.h"
#include "suite_fixture.h"

static aci_memory memory;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
    drop_files();
}

static ac_status add(const json_t *row, void *user, ac_error *error)
{
    int *sum = user;
    int n = (int)json_integer_value(json_object_get(row, "n"));

    *sum += n;
    return n < 0 ? aci_platform_fail(error, AC_E_FORMAT, "n is negative")
                 : AC_OK;
}

static ac_status read_text(int *sum, const char *text, ac_error *error)
{
    const char *path = new_file("lines");

    put_text(path, text);
    *sum = 0;
    return aci_workshop_json_lines(&memory, path, add, sum, error);
}

START_TEST(every_object_is_given)
{
    int sum;

    ck_assert_int_eq(read_text(&sum, "{\"n\": 1}\n\n  \t\r\n{\"n\": 20}\n"
                                     "{\"n\": 300}", NULL), AC_OK);
    ck_assert_int_eq(sum, 321);
    ck_assert_int_eq(read_text(&sum, "", NULL), AC_OK);
    ck_assert_int_eq(sum, 0);
}
END_TEST

START_TEST(errors_name_the_line)
{
    static const char *const bad[] = { "{\"n\": 1}\n[2]\n", "{}\nxyz\n",
                                       "{}\n{\"a\": 1, \"a\": 2}\n",
                                       "{}\n{\"n\": -1}\n{\"n\": 7}",
                                       "{}\n{\"n\": 1" };
    size_t i;
    int sum;

    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        ac_error error = AC_ERROR_INIT;

        ck_assert_int_eq(read_text(&sum, bad[i], &error), AC_E_FORMAT);
        ck_assert_msg(strstr(error.message, "line 2:") != NULL, "%s",
                      error.message);
        ck_assert_int_lt(sum, 7);
    }
}
END_TEST

START_TEST(a_missing_file_is_not_found)
{
    int sum = 0;

    ck_assert_int_eq(aci_workshop_json_lines(&memory, "/tmp/ac-no-such-file",
                                             add, &sum, NULL),
                     AC_E_NOT_FOUND);
}
END_TEST

Suite *test_json_lines_suite(void);
Suite *test_json_lines_suite(void)
{
    Suite *suite = suite_create("test_json_lines");
    TCase *tests = tcase_create("json_lines");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, every_object_is_given);
    tcase_add_test(tests, errors_name_the_line);
    tcase_add_test(tests, a_missing_file_is_not_found);
    suite_add_tcase(suite, tests);
    return suite;
}
