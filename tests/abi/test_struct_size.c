/* test_struct_size.c - programs older and newer than the library: structs
 * shorter and longer than its own. Any call that checks its options first
 * will do; nothing here needs a zoo. */
#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agentcompress.h"

/* A struct as a later header may have it: the known one and a tail. */
#define FUTURE(type) struct { type known; uint64_t tail[2]; }

static ac_status open_with(const ac_open_options *options, ac_error *error)
{
    ac_engine *engine = (ac_engine *)(uintptr_t)1;
    ac_status status = ac_open(&engine, "/does/not/exist", options, error);

    ck_assert_ptr_null(engine);
    return status;
}

START_TEST(older_options_are_read_as_far_as_they_go)
{
    ac_open_options options;
    ac_error error = AC_ERROR_INIT;

    /* What lies behind struct_size is not the library's to read. */
    memset(&options, 0xFF, sizeof options);
    options.struct_size = 16;
    options.n_threads = 1;
    options.memory_limit_bytes = 0;
    ck_assert_int_eq(open_with(&options, &error), AC_E_NOT_FOUND);
}
END_TEST

START_TEST(newer_options_with_zero_tail_are_accepted)
{
    FUTURE(ac_open_options) options = { AC_OPEN_OPTIONS_INIT, { 0, 0 } };
    ac_error error = AC_ERROR_INIT;

    options.known.struct_size = sizeof options;
    ck_assert_int_eq(open_with(&options.known, &error), AC_E_NOT_FOUND);
}
END_TEST

START_TEST(newer_options_with_anything_in_the_tail_are_refused)
{
    FUTURE(ac_open_options) options = { AC_OPEN_OPTIONS_INIT, { 0, 1 } };
    ac_error error = AC_ERROR_INIT;

    options.known.struct_size = sizeof options;
    ck_assert_int_eq(open_with(&options.known, &error), AC_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error.message, "newer"));
}
END_TEST

START_TEST(absurd_sizes_are_refused)
{
    static const uint32_t sizes[] = { 0, 1, 4, 7, 9, 1000001, UINT32_MAX };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ac_open_options options = AC_OPEN_OPTIONS_INIT;
        ac_error error = AC_ERROR_INIT;

        options.struct_size = sizes[i];
        ck_assert_int_eq(open_with(&options, &error), AC_E_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(error.message, "struct_size"));
    }
}
END_TEST

START_TEST(every_options_struct_is_checked)
{
    FUTURE(ac_compress_options) compress = { AC_COMPRESS_OPTIONS_INIT,
                                             { 1, 0 } };
    FUTURE(ac_train_options) train = { AC_TRAIN_OPTIONS_INIT, { 1, 0 } };
    ac_error error = AC_ERROR_INIT;

    compress.known.struct_size = sizeof compress;
    train.known.struct_size = sizeof train;
    ck_assert_int_eq(ac_compress("/does/not/exist", "/does/not/z",
                                 &compress.known, &error), AC_E_UNSUPPORTED);
    ck_assert_int_eq(ac_train_predictor(NULL, "/does/not/exist", "/does/not/p",
                                        &train.known, &error),
                     AC_E_UNSUPPORTED);
}
END_TEST

/* The caller's ac_error is an output: written only as far as it reaches. */
START_TEST(an_older_error_struct_is_not_overrun)
{
    ac_error error;

    memset(&error, 0x55, sizeof error);
    error.struct_size = offsetof(ac_error, message) + 16;
    ck_assert_int_eq(open_with(NULL, &error), AC_E_NOT_FOUND);
    ck_assert_int_eq(error.status, AC_E_NOT_FOUND);
    ck_assert_uint_eq(strnlen(error.message, 16), 15);
    for (size_t i = 16; i < sizeof error.message; i++)
        ck_assert_int_eq(error.message[i], 0x55);
}
END_TEST

START_TEST(a_newer_error_struct_keeps_its_tail)
{
    FUTURE(ac_error) error = { AC_ERROR_INIT, { 7, 8 } };

    error.known.struct_size = sizeof error;
    ck_assert_int_eq(open_with(NULL, &error.known), AC_E_NOT_FOUND);
    ck_assert_uint_eq(error.tail[0], 7);
    ck_assert_uint_eq(error.tail[1], 8);
    ck_assert_uint_gt(strlen(error.known.message), 10);
}
END_TEST

Suite *test_struct_size_suite(void);
Suite *test_struct_size_suite(void)
{
    Suite *suite = suite_create("test_struct_size");
    TCase *tests = tcase_create("struct_size");

    tcase_add_test(tests, older_options_are_read_as_far_as_they_go);
    tcase_add_test(tests, newer_options_with_zero_tail_are_accepted);
    tcase_add_test(tests,
                   newer_options_with_anything_in_the_tail_are_refused);
    tcase_add_test(tests, absurd_sizes_are_refused);
    tcase_add_test(tests, every_options_struct_is_checked);
    tcase_add_test(tests, an_older_error_struct_is_not_overrun);
    tcase_add_test(tests, a_newer_error_struct_keeps_its_tail);
    suite_add_tcase(suite, tests);
    return suite;
}
