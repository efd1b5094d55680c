/* test_json_file.c - a tree comes back as it was, and a failure leaves the file
 * that was there. */
#include "platform/json_file.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64], path[96];
static aci_memory memory;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    strcpy(folder, "/tmp/ac-json-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tree.json", folder);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove(path);
    ck_assert_int_eq(remove(folder), 0); /* nothing else is in it */
}

START_TEST(a_tree_comes_back_to_the_last_digit)
{
    json_t *tree = json_pack("{s:f, s:[i, s]}", "third", 1.0 / 3.0, "list", 7,
                             "\xC3\xA9\n");
    json_t *back;
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(aci_platform_json_write(tree, &memory, path, &error),
                     AC_OK);
    back = json_load_file(path, 0, NULL);
    ck_assert(json_equal(tree, back));
    json_decref(tree);
    json_decref(back);
}
END_TEST

START_TEST(a_failure_leaves_what_was_there)
{
    json_t *tree = json_pack("[i]", 1), *back;
    char nowhere[128];
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(aci_platform_json_write(tree, &memory, path, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_platform_json_write(NULL, &memory, path, &error),
                     AC_E_NO_MEMORY);
    memory.fail_at = memory.n_allocations + 1;
    ck_assert_int_eq(aci_platform_json_write(tree, &memory, path, &error),
                     AC_E_NO_MEMORY);
    memory.fail_at = 0;
    snprintf(nowhere, sizeof nowhere, "%s/none/tree.json", folder);
    ck_assert_int_ne(aci_platform_json_write(tree, &memory, nowhere, &error),
                     AC_OK);
    ck_assert_ptr_nonnull(strstr(error.message, "none"));
    back = json_load_file(path, 0, NULL);
    ck_assert(json_equal(tree, back));
    json_decref(back);
    json_decref(tree);
}
END_TEST

Suite *test_json_file_suite(void);
Suite *test_json_file_suite(void)
{
    Suite *suite = suite_create("test_json_file");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_tree_comes_back_to_the_last_digit);
    tcase_add_test(tests, a_failure_leaves_what_was_there);
    suite_add_tcase(suite, tests);
    return suite;
}
