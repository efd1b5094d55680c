/* test_line_log.c - lines are added, cut, and written by one at a time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/files.h"

static aci_memory memory;
static char path[64];

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    snprintf(path, sizeof path, "/tmp/ac-line-log-%ld", (long)getpid());
    remove(path);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove(path);
}

static aci_line_log *open_log(void)
{
    aci_line_log *log;

    ck_assert_int_eq(aci_platform_line_log_open(&log, &memory, path, NULL),
                     AC_OK);
    return log;
}

START_TEST(lines_stay_when_it_is_opened_again)
{
    aci_line_log *log = open_log();

    ck_assert_int_eq(aci_platform_line_log_add(log, "one\n", 4, NULL), AC_OK);
    aci_platform_line_log_close(log);
    log = open_log();
    ck_assert_int_eq(aci_platform_line_log_add(log, "two\n", 4, NULL), AC_OK);
    ck_assert_int_eq((int)aci_platform_file_size(path), 8);
    ck_assert_int_eq(aci_platform_line_log_cut(log, 4, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_line_log_add(log, "3\n", 2, NULL), AC_OK);
    aci_platform_line_log_close(log);
    ck_assert_int_eq((int)aci_platform_file_size(path), 6);
}
END_TEST

START_TEST(a_second_writer_is_told)
{
    aci_line_log *log = open_log(), *second;
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(aci_platform_line_log_open(&second, &memory, path,
                                                &error), AC_E_BUSY);
    ck_assert_ptr_null(second);
    aci_platform_line_log_close(log);
}
END_TEST

START_TEST(where_there_is_no_folder_there_is_no_log)
{
    aci_line_log *log;

    ck_assert_int_eq(aci_platform_line_log_open(
                         &log, &memory, "/tmp/no/such/folder/log", NULL),
                     AC_E_NOT_FOUND);
    aci_platform_line_log_close(NULL);
}
END_TEST

Suite *test_line_log_suite(void);

Suite *test_line_log_suite(void)
{
    Suite *suite = suite_create("test_line_log");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, lines_stay_when_it_is_opened_again);
    tcase_add_test(tests, a_second_writer_is_told);
    tcase_add_test(tests, where_there_is_no_folder_there_is_no_log);
    suite_add_tcase(suite, tests);
    return suite;
}
