/* test_files.c - mapping, reading, names. */
#include "platform/files.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static aci_memory memory;

static void enter_folder(void)
{
    strcpy(folder, "/tmp/ac-test-files-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    aci_platform_memory_init(&memory);
}

static void leave_folder(void)
{
    char command[96];

    ck_assert_uint_eq(memory.used_bytes, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
}

START_TEST(map_shows_the_bytes)
{
    aci_mapping mapping;

    put("a", "twelve bytes");
    ck_assert_int_eq(aci_platform_map(&mapping, "a", NULL), AC_OK);
    ck_assert_uint_eq(mapping.size, 12);
    ck_assert_mem_eq(mapping.data, "twelve bytes", 12);
    aci_platform_unmap(&mapping);
    ck_assert_ptr_null(mapping.data);
    aci_platform_unmap(&mapping);
}
END_TEST

START_TEST(empty_file_maps_to_nothing)
{
    aci_mapping mapping;

    put("a", "");
    ck_assert_int_eq(aci_platform_map(&mapping, "a", NULL), AC_OK);
    ck_assert_ptr_null(mapping.data);
    ck_assert_uint_eq(mapping.size, 0);
    aci_platform_unmap(&mapping);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    aci_mapping mapping;
    ac_error error = AC_ERROR_INIT;
    char *text;
    size_t n;

    ck_assert_int_eq(aci_platform_map(&mapping, "none", &error),
                     AC_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.message, "none"));
    ck_assert_int_eq(aci_platform_map(&mapping, ".", NULL), AC_E_IO);
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
    ck_assert_int_eq(aci_platform_map(&mapping, "pipe", NULL), AC_E_IO);
    ck_assert_int_eq(
        aci_platform_read_file(&text, &n, &memory, "pipe", 100, NULL),
        AC_E_IO);
    ck_assert_int_eq(
        aci_platform_read_file(&text, &n, &memory, "a/b", 100, NULL),
        AC_E_NOT_FOUND);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(read_gives_text_with_nul)
{
    char *text;
    size_t n;

    put("a", "hello");
    ck_assert_int_eq(
        aci_platform_read_file(&text, &n, &memory, "a", 5, NULL), AC_OK);
    ck_assert_uint_eq(n, 5);
    ck_assert_str_eq(text, "hello");
    aci_platform_free(&memory, text);
    put("a", "");
    ck_assert_int_eq(
        aci_platform_read_file(&text, &n, &memory, "a", 5, NULL), AC_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_str_eq(text, "");
    aci_platform_free(&memory, text);
}
END_TEST

START_TEST(too_long_a_file_is_refused)
{
    ac_error error = AC_ERROR_INIT;
    char *text;
    size_t n;

    put("a", "hello!");
    ck_assert_int_eq(
        aci_platform_read_file(&text, &n, &memory, "a", 5, &error),
        AC_E_UNSUPPORTED);
    ck_assert_str_eq(error.message, "a has 6 bytes, at most 5 are read");
    memory.fail_at = memory.n_allocations + 1;
    ck_assert_int_eq(
        aci_platform_read_file(&text, &n, &memory, "a", 6, &error),
        AC_E_NO_MEMORY);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(kinds_and_sizes)
{
    put("a", "hello");
    ck_assert(aci_platform_is_file("a"));
    ck_assert(!aci_platform_is_directory("a"));
    ck_assert(aci_platform_is_directory("."));
    ck_assert(!aci_platform_is_file("."));
    ck_assert(!aci_platform_is_file("none"));
    ck_assert_int_eq(aci_platform_file_size("a"), 5);
    ck_assert_int_eq(aci_platform_file_size("."), -1);
    ck_assert_int_eq(aci_platform_file_size("none"), -1);
}
END_TEST

START_TEST(join_puts_one_slash)
{
    static const char *const cases[][3] = {
        { "a", "b", "a/b" }, { "a/", "b", "a/b" }, { "", "b", "b" },
        { "/", "b", "/b" },  { "a", "", "a/" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = aci_platform_join(&memory, cases[i][0], cases[i][1]);

        ck_assert_str_eq(path, cases[i][2]);
        aci_platform_free(&memory, path);
    }
}
END_TEST

Suite *test_files_suite(void);
Suite *test_files_suite(void)
{
    Suite *suite = suite_create("test_files");
    TCase *tests = tcase_create("files");

    tcase_add_checked_fixture(tests, enter_folder, leave_folder);
    tcase_add_test(tests, map_shows_the_bytes);
    tcase_add_test(tests, empty_file_maps_to_nothing);
    tcase_add_test(tests, what_is_no_file_is_refused);
    tcase_add_test(tests, read_gives_text_with_nul);
    tcase_add_test(tests, too_long_a_file_is_refused);
    tcase_add_test(tests, kinds_and_sizes);
    tcase_add_test(tests, join_puts_one_slash);
    suite_add_tcase(suite, tests);
    return suite;
}
