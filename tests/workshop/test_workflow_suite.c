/* test_workflow_suite.c - sizes, order, and the frozen sets: their SHA-256 is
 * in tests/golden/workflows.sha256. A change of the generator changes them, and
 * with them every figure measured on them: `make workflows-accept` writes the
 * new ones down. */
#include "workshop/evaluate/workflow_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/error.h"
#include "platform/sha256.h"
#include "suite_fixture.h"

static aci_memory memory;

static ac_status add_line(const json_t *row, void *user, ac_error *error)
{
    char *line = json_dumps(row, JSON_COMPACT);

    (void)error;
    aci_platform_sha256_add(user, line, strlen(line));
    aci_platform_sha256_add(user, "\n", 1);
    free(line);
    return AC_OK;
}

/* What sha256sum says of `agentcompress workflows generate --split S`. */
static void hash_split(char text[ACI_SHA256_TEXT], const char *split)
{
    aci_sha256 hash;

    aci_platform_sha256_begin(&hash);
    ck_assert_int_eq(aci_workshop_suite_make(
                         &memory, split, 0, 0,
                         aci_workshop_suite_count(split), add_line, &hash,
                         NULL), AC_OK);
    aci_platform_sha256_text(text, &hash);
}

START_TEST(frozen_sets_are_as_written_down)
{
    FILE *file = fopen("tests/golden/workflows.sha256", "r");
    char wanted[ACI_SHA256_TEXT], name[32], text[ACI_SHA256_TEXT];
    int n = 0;

    ck_assert_ptr_nonnull(file);
    aci_platform_memory_init(&memory);
    while (fscanf(file, "%64s %31s", wanted, name) == 2) {
        hash_split(text, name);
        ck_assert_msg(strcmp(text, wanted) == 0, "the %s set changed: see "
                      "`make workflows-accept`", name);
        n++;
    }
    fclose(file);
    ck_assert_int_eq(n, 6);
}
END_TEST

START_TEST(test_has_500)
{
    ck_assert_uint_eq(aci_workshop_suite_count("test"), 500);
    ck_assert_uint_eq(aci_workshop_suite_count("calibration"), 1000);
    ck_assert_uint_eq(aci_workshop_suite_count("ood-domain"), 200);
}
END_TEST

static ac_status stop_at_third(const json_t *row, void *user,
                               ac_error *error)
{
    int *n = user;

    (void)row;
    return ++*n == 3 ? aci_platform_fail(error, AC_E_CANCELLED, "enough")
                     : AC_OK;
}

START_TEST(a_walk_ends_when_told)
{
    int n = 0;

    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_workshop_suite_make(&memory, "train", 0, 7, 100,
                                             stop_at_third, &n, NULL),
                     AC_E_CANCELLED);
    ck_assert_int_eq(n, 3);
}
END_TEST

START_TEST(a_walk_may_begin_anywhere)
{
    json_t *all = make_workflows("train", 2, 0, 12);
    json_t *some = make_workflows("train", 2, 9, 3);
    size_t i;

    for (i = 0; i < 3; i++)
        ck_assert(json_equal(json_array_get(all, 9 + i),
                             json_array_get(some, i)));
    json_decref(all);
    json_decref(some);
}
END_TEST

Suite *test_workflow_suite_suite(void);
Suite *test_workflow_suite_suite(void)
{
    Suite *suite = suite_create("test_workflow_suite");
    TCase *tests = tcase_create("workflow_suite");

    tcase_add_test(tests, frozen_sets_are_as_written_down);
    tcase_add_test(tests, test_has_500);
    tcase_add_test(tests, a_walk_ends_when_told);
    tcase_add_test(tests, a_walk_may_begin_anywhere);
    suite_add_tcase(suite, tests);
    return suite;
}
