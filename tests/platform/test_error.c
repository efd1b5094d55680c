/* test_error.c - one line, cut to the caller's struct, between characters. */
#include "platform/error.h"

#include <check.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

START_TEST(message_and_status_are_stored)
{
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(aci_platform_fail(&error, AC_E_FORMAT, "%s ended at %d",
                                       "file", 7), AC_E_FORMAT);
    ck_assert_int_eq(error.status, AC_E_FORMAT);
    ck_assert_str_eq(error.message, "file ended at 7");
}
END_TEST

START_TEST(no_error_struct_is_fine)
{
    ck_assert_int_eq(aci_platform_fail(NULL, AC_E_IO, "x"), AC_E_IO);
    ck_assert_int_eq(aci_platform_fail_errno(NULL, ENOENT, "x"),
                     AC_E_NOT_FOUND);
    ck_assert_int_eq(aci_platform_fail_memory(NULL, "x"), AC_E_NO_MEMORY);
    ck_assert_int_eq(aci_platform_fail_within(NULL, AC_E_IO, "x"), AC_E_IO);
}
END_TEST

START_TEST(errno_picks_the_status)
{
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(aci_platform_fail_errno(&error, ENOSPC, "cannot write %s",
                                             "a"), AC_E_DISK_FULL);
    ck_assert_str_eq(error.message, "cannot write a: No space left on device");
    ck_assert_int_eq(aci_platform_fail_errno(&error, EFBIG, "x"),
                     AC_E_DISK_FULL);
    ck_assert_int_eq(aci_platform_fail_errno(&error, ENOENT, "x"),
                     AC_E_NOT_FOUND);
    ck_assert_int_eq(aci_platform_fail_errno(&error, ENOMEM, "x"),
                     AC_E_NO_MEMORY);
    ck_assert_int_eq(aci_platform_fail_errno(&error, EACCES, "x"), AC_E_IO);
    ck_assert_int_eq(aci_platform_fail_errno(&error, 99999, "x"), AC_E_IO);
    ck_assert_str_eq(error.message, "x: unknown error");
}
END_TEST

START_TEST(prefix_goes_in_front)
{
    ac_error error = AC_ERROR_INIT;

    aci_platform_fail(&error, AC_E_FORMAT, "line 3 is odd");
    ck_assert_int_eq(aci_platform_fail_within(&error, AC_E_FORMAT, "b.json"),
                     AC_E_FORMAT);
    ck_assert_str_eq(error.message, "b.json: line 3 is odd");
}
END_TEST

START_TEST(long_messages_are_cut_between_characters)
{
    ac_error error = AC_ERROR_INIT;
    char text[1001];

    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2); /* e with an accent */
    text[1000] = '\0';
    aci_platform_fail(&error, AC_E_FORMAT, "x%s", text);
    ck_assert_uint_eq(strlen(error.message), sizeof error.message - 1);
    aci_platform_fail(&error, AC_E_FORMAT, "%s", text);
    ck_assert_uint_eq(strlen(error.message), sizeof error.message - 2);
    ck_assert_uint_eq((unsigned char)error.message[501], 0xA9);
}
END_TEST

START_TEST(message_stays_on_one_line)
{
    ac_error error = AC_ERROR_INIT;

    aci_platform_fail(&error, AC_E_FORMAT, "%s", "a\nb\tc\033[31m");
    ck_assert_str_eq(error.message, "a b c [31m");
}
END_TEST

START_TEST(smaller_struct_is_not_overrun)
{
    struct {
        ac_error error;
    } wide;

    memset(&wide, 0x55, sizeof wide);
    wide.error.struct_size = offsetof(ac_error, message) + 8;
    aci_platform_fail(&wide.error, AC_E_IO, "0123456789");
    ck_assert_str_eq(wide.error.message, "0123456");
    ck_assert_int_eq(wide.error.message[8], 0x55);

    memset(&wide, 0x55, sizeof wide);
    wide.error.struct_size = 4;
    ck_assert_int_eq(aci_platform_fail(&wide.error, AC_E_IO, "x"), AC_E_IO);
    ck_assert_int_eq(wide.error.status, 0x55555555);
}
END_TEST

Suite *test_error_suite(void);
Suite *test_error_suite(void)
{
    Suite *suite = suite_create("test_error");
    TCase *tests = tcase_create("error");

    tcase_add_test(tests, message_and_status_are_stored);
    tcase_add_test(tests, no_error_struct_is_fine);
    tcase_add_test(tests, errno_picks_the_status);
    tcase_add_test(tests, prefix_goes_in_front);
    tcase_add_test(tests, long_messages_are_cut_between_characters);
    tcase_add_test(tests, message_stays_on_one_line);
    tcase_add_test(tests, smaller_struct_is_not_overrun);
    suite_add_tcase(suite, tests);
    return suite;
}
