/* test_folder.c - directories complete or not at all. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/files.h"

static char place[64];
static aci_memory memory;

static void enter_place(void)
{
    strcpy(place, "/tmp/ac-test-folder-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place));
    ck_assert_int_eq(chdir(place), 0);
    aci_platform_memory_init(&memory);
}

static void leave_place(void)
{
    char command[96];

    ck_assert_uint_eq(memory.used_bytes, 0);
    snprintf(command, sizeof command, "rm -rf %s", place);
    ck_assert_int_eq(system(command), 0);
}

static int n_entries(void)
{
    DIR *listing = opendir(".");
    int n = 0;

    while (readdir(listing) != NULL)
        n++;
    closedir(listing);
    return n - 2;
}

static void put(const char *folder, const char *name)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

START_TEST(directory_appears_at_commit)
{
    char *temporary;

    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "z/",
                                               false, NULL), AC_OK);
    ck_assert_int_eq(strncmp(temporary, "z.tmp-", 6), 0);
    put(temporary, "a");
    ck_assert(!aci_platform_is_directory("z"));
    ck_assert_int_eq(
        aci_platform_folder_commit(&memory, temporary, "z/", NULL), AC_OK);
    ck_assert(aci_platform_is_file("z/a"));
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

START_TEST(existing_directory_is_refused_or_swapped)
{
    char *temporary;

    mkdir("z", 0777);
    put("z", "old");
    mkdir("z/deep", 0777);
    put("z/deep", "old");
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "z",
                                               false, NULL), AC_E_ARGUMENT);
    ck_assert_ptr_null(temporary);
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "z",
                                               true, NULL), AC_OK);
    put(temporary, "new");
    ck_assert(aci_platform_is_file("z/old"));
    ck_assert_int_eq(
        aci_platform_folder_commit(&memory, temporary, "z", NULL), AC_OK);
    ck_assert(aci_platform_is_file("z/new"));
    ck_assert(!aci_platform_is_file("z/old"));
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

START_TEST(abandon_removes_everything_and_follows_no_links)
{
    char *temporary;
    char path[256];

    mkdir("precious", 0777);
    put("precious", "file");
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "z",
                                               false, NULL), AC_OK);
    put(temporary, "a");
    snprintf(path, sizeof path, "%s/link", temporary);
    ck_assert_int_eq(symlink("../precious", path), 0);
    aci_platform_folder_abandon(&memory, temporary);
    aci_platform_folder_abandon(&memory, NULL);
    ck_assert(aci_platform_is_file("precious/file"));
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

START_TEST(appeared_meanwhile_is_not_overwritten)
{
    char *temporary;

    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "z",
                                               false, NULL), AC_OK);
    mkdir("z", 0777);
    put("z", "theirs");
    ck_assert_int_eq(
        aci_platform_folder_commit(&memory, temporary, "z", NULL),
        AC_E_ARGUMENT);
    aci_platform_folder_abandon(&memory, temporary);
    ck_assert(aci_platform_is_file("z/theirs"));
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

START_TEST(two_makers_of_one_directory_do_not_mix)
{
    char *first, *second;

    ck_assert_int_eq(aci_platform_folder_begin(&first, &memory, "z", false,
                                               NULL), AC_OK);
    ck_assert_int_eq(aci_platform_folder_begin(&second, &memory, "z", false,
                                               NULL), AC_E_BUSY);
    ck_assert_ptr_null(second);
    aci_platform_folder_abandon(&memory, first);
    ck_assert_int_eq(n_entries(), 0);
}
END_TEST

START_TEST(leftover_of_a_killed_process_is_cleared)
{
    char name[64];
    char *temporary;

    snprintf(name, sizeof name, "z.tmp-%ld", (long)getpid());
    mkdir(name, 0777);
    put(name, "leftover");
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "z",
                                               false, NULL), AC_OK);
    ck_assert_int_eq(
        aci_platform_folder_commit(&memory, temporary, "z", NULL), AC_OK);
    ck_assert(!aci_platform_is_file("z/leftover"));
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

START_TEST(impossible_places_are_errors)
{
    char *temporary;

    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "", false,
                                               NULL), AC_E_ARGUMENT);
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "no/z",
                                               false, NULL), AC_E_NOT_FOUND);
    put(".", "file");
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &memory, "file",
                                               true, NULL), AC_E_ARGUMENT);
    ck_assert(aci_platform_is_file("file"));
}
END_TEST

START_TEST(each_failed_allocation_is_reported)
{
    for (uint64_t fail = 1;; fail++) {
        char *temporary = NULL;
        ac_status status;

        memory.fail_at = memory.n_allocations + fail;
        status = aci_platform_folder_begin(&temporary, &memory, "z", false,
                                           NULL);
        if (status == AC_OK)
            status = aci_platform_folder_commit(&memory, temporary, "z",
                                                NULL);
        if (status == AC_OK)
            break;
        ck_assert_int_eq(status, AC_E_NO_MEMORY);
        aci_platform_folder_abandon(&memory, temporary);
        ck_assert_int_eq(n_entries(), 0);
        ck_assert_uint_lt(fail, 20);
    }
    memory.fail_at = 0;
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

Suite *test_folder_suite(void);
Suite *test_folder_suite(void)
{
    Suite *suite = suite_create("test_folder");
    TCase *tests = tcase_create("folder");

    tcase_add_checked_fixture(tests, enter_place, leave_place);
    tcase_add_test(tests, directory_appears_at_commit);
    tcase_add_test(tests, existing_directory_is_refused_or_swapped);
    tcase_add_test(tests, abandon_removes_everything_and_follows_no_links);
    tcase_add_test(tests, appeared_meanwhile_is_not_overwritten);
    tcase_add_test(tests, two_makers_of_one_directory_do_not_mix);
    tcase_add_test(tests, leftover_of_a_killed_process_is_cleared);
    tcase_add_test(tests, impossible_places_are_errors);
    tcase_add_test(tests, each_failed_allocation_is_reported);
    suite_add_tcase(suite, tests);
    return suite;
}
