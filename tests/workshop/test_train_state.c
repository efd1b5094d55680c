/* test_train_state.c - a damaged state is told from a whole one. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workshop/train_fixture.h"

static void put(const char *bytes, size_t n)
{
    FILE *file = fopen("out/train.state", "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

START_TEST(a_cut_or_changed_state_is_refused)
{
    static const size_t cuts[] = { 0, 7, 39, 40, 100, 600, 5000 };
    size_t n;
    char *state;

    ck_assert_int_eq(train_run("model", "out", 1, NULL), AC_OK);
    state = train_read(&n, "out/train.state");
    train_options.resume = 1;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        ac_status status;

        put(state, cuts[i]);
        status = train_run("model", "out", 1, NULL);
        ck_assert_msg(status == AC_E_FORMAT || status == AC_E_CHECKSUM,
                      "cut to %zu: %d", cuts[i], (int)status);
        ck_assert_ptr_nonnull(strstr(train_error.message, "train.state"));
    }
    for (size_t at = 41; at < n; at += n / 20) {
        state[at] ^= 4;
        put(state, n);
        ck_assert_int_eq(train_run("model", "out", 1, NULL), AC_E_CHECKSUM);
        state[at] ^= 4;
    }
    state[0] ^= 1;
    put(state, n);
    ck_assert_int_eq(train_run("model", "out", 1, NULL), AC_E_FORMAT);
    state[0] ^= 1;
    state[8]++;
    put(state, n);
    ck_assert_int_eq(train_run("model", "out", 1, NULL), AC_E_UNSUPPORTED);
    state[8]--;
    put(state, n);
    ck_assert_int_eq(train_run("model", "out", 1, NULL), AC_OK);
    free(state);
}
END_TEST

Suite *test_train_state_suite(void);

Suite *test_train_state_suite(void)
{
    Suite *suite = suite_create("test_train_state");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, train_set_up, train_tear_down);
    tcase_add_test(tests, a_cut_or_changed_state_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
