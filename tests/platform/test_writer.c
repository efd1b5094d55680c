/* test_writer.c - complete or not at all: commits, failures, full disks. */
#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "platform/files.h"

static char folder[64];
static aci_memory memory;

static void enter_folder(void)
{
    strcpy(folder, "/tmp/ac-test-writer-XXXXXX");
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

static int n_files(void)
{
    DIR *listing = opendir(".");
    int n = 0;

    while (readdir(listing) != NULL)
        n++;
    closedir(listing);
    return n - 2;
}

static void assert_content(const char *path, const char *expected, size_t n)
{
    char *text;
    size_t got;

    ck_assert_int_eq(
        aci_platform_read_file(&text, &got, &memory, path, 1 << 24, NULL),
        AC_OK);
    ck_assert_uint_eq(got, n);
    ck_assert_mem_eq(text, expected, n);
    aci_platform_free(&memory, text);
}

START_TEST(file_appears_at_commit)
{
    aci_writer *writer;

    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "out", NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_append(writer, "ab", 2, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_align(writer, 8, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_align(writer, 8, NULL), AC_OK);
    ck_assert_uint_eq(aci_platform_writer_offset(writer), 8);
    ck_assert_int_eq(aci_platform_writer_append(writer, "cd", 2, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_patch(writer, 1, "X", 1, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_platform_writer_patch(writer, 10, "X", 1, NULL),
                     AC_E_INTERNAL);
    ck_assert(!aci_platform_is_file("out"));
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL), AC_OK);
    assert_content("out", "aX\0\0\0\0\0\0cd", 10);
    ck_assert_int_eq(n_files(), 1);
}
END_TEST

START_TEST(large_and_small_appends_keep_their_order)
{
    enum { SIZE = 1000000 };
    aci_writer *writer;
    char *data = malloc(SIZE);
    size_t at = 0, step = 1;

    for (unsigned i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7919 >> 5 & 127);
    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "out", NULL), AC_OK);
    while (at < SIZE) {
        size_t n = step < SIZE - at ? step : SIZE - at;

        ck_assert_int_eq(
            aci_platform_writer_append(writer, data + at, n, NULL), AC_OK);
        at += n;
        step = step * 3 % 200003;
    }
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL), AC_OK);
    assert_content("out", data, SIZE);
    free(data);
}
END_TEST

START_TEST(abandoned_file_leaves_the_old_one)
{
    aci_writer *writer;
    FILE *old = fopen("out", "w");

    fputs("old", old);
    fclose(old);
    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "out", NULL), AC_OK);
    aci_platform_writer_append(writer, "new", 3, NULL);
    aci_platform_writer_abandon(writer);
    aci_platform_writer_abandon(NULL);
    assert_content("out", "old", 3);
    ck_assert_int_eq(n_files(), 1);
}
END_TEST

START_TEST(two_writers_of_one_file_do_not_mix)
{
    aci_writer *first, *second;

    ck_assert_int_eq(
        aci_platform_writer_open(&first, &memory, "out", NULL), AC_OK);
    ck_assert_int_eq(
        aci_platform_writer_open(&second, &memory, "out", NULL), AC_E_BUSY);
    aci_platform_writer_append(first, "first", 5, NULL);
    ck_assert_int_eq(aci_platform_writer_commit(first, NULL), AC_OK);
    ck_assert_int_eq(
        aci_platform_writer_open(&second, &memory, "out", NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_commit(second, NULL), AC_OK);
    assert_content("out", "", 0);
}
END_TEST

START_TEST(leftover_of_a_killed_process_is_taken_over)
{
    char name[64];
    aci_writer *writer;
    FILE *leftover;

    snprintf(name, sizeof name, "out.tmp-%ld", (long)getpid());
    leftover = fopen(name, "w");
    fputs("half of a much longer file", leftover);
    fclose(leftover);
    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "out", NULL), AC_OK);
    aci_platform_writer_append(writer, "new", 3, NULL);
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL), AC_OK);
    assert_content("out", "new", 3);
    ck_assert_int_eq(n_files(), 1);
}
END_TEST

/* A disk that is full after 100,000 bytes. */
START_TEST(reserved_space_is_zero_until_patched)
{
    aci_writer *writer;
    char expected[9003] = "ab";

    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "out", NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_append(writer, "ab", 2, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_extend(writer, 9000, NULL), AC_OK);
    ck_assert_uint_eq(aci_platform_writer_offset(writer), 9002);
    ck_assert_int_eq(aci_platform_writer_patch(writer, 8000, "x", 1, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_platform_writer_append(writer, "z", 1, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_patch(writer, 1, "y", 1, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_platform_writer_extend(writer, UINT64_MAX, NULL),
                     AC_E_DISK_FULL);
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL), AC_OK);
    expected[1] = 'y';
    expected[8000] = 'x';
    expected[9002] = 'z';
    assert_content("out", expected, 9003);
}
END_TEST

START_TEST(full_disk_shows_when_reserving)
{
    struct rlimit small = { 100000, 100000 };
    aci_writer *writer;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "out", NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_extend(writer, 100001, NULL),
                     AC_E_DISK_FULL);
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL),
                     AC_E_DISK_FULL);
    aci_platform_writer_abandon(writer);
    ck_assert_int_eq(n_files(), 0);
}
END_TEST

START_TEST(full_disk_leaves_nothing)
{
    struct rlimit small = { 100000, 100000 };
    static char data[70000];
    ac_error error = AC_ERROR_INIT;
    aci_writer *writer;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "out", NULL), AC_OK);
    ck_assert_int_eq(
        aci_platform_writer_append(writer, data, sizeof data, NULL), AC_OK);
    ck_assert_int_eq(
        aci_platform_writer_append(writer, data, sizeof data, &error),
        AC_E_DISK_FULL);
    ck_assert_ptr_nonnull(strstr(error.message, "cannot write out.tmp-"));
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL),
                     AC_E_DISK_FULL);
    ck_assert_int_eq(n_files(), 0);
    aci_platform_writer_abandon(writer);
    ck_assert_int_eq(n_files(), 0);
}
END_TEST

/* The same where the last buffered bytes meet the end of the disk. */
START_TEST(full_disk_at_commit_leaves_nothing)
{
    struct rlimit small = { 1000, 1000 };
    static char data[2000];
    aci_writer *writer;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "out", NULL), AC_OK);
    ck_assert_int_eq(
        aci_platform_writer_append(writer, data, sizeof data, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL),
                     AC_E_DISK_FULL);
    ck_assert_int_eq(n_files(), 0);
    aci_platform_writer_abandon(writer);
}
END_TEST

START_TEST(each_failed_allocation_is_reported)
{
    for (uint64_t fail = 1;; fail++) {
        aci_writer *writer = NULL;
        ac_status status;

        memory.fail_at = memory.n_allocations + fail;
        status = aci_platform_writer_open(&writer, &memory, "out", NULL);
        if (status == AC_OK)
            status = aci_platform_writer_commit(writer, NULL);
        if (status == AC_OK)
            break;
        ck_assert_int_eq(status, AC_E_NO_MEMORY);
        ck_assert_int_eq(n_files(), 0);
        aci_platform_writer_abandon(writer);
        ck_assert_uint_lt(fail, 20);
    }
    memory.fail_at = 0;
    ck_assert_int_eq(n_files(), 1);
}
END_TEST

START_TEST(unwritable_places_are_errors)
{
    aci_writer *writer;

    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, "none/out", NULL),
        AC_E_NOT_FOUND);
    ck_assert_ptr_null(writer);
    /* the target is a directory: seen at the rename */
    ck_assert_int_eq(
        aci_platform_writer_open(&writer, &memory, ".", NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL), AC_E_IO);
    aci_platform_writer_abandon(writer);
    ck_assert_int_eq(n_files(), 0);
}
END_TEST

Suite *test_writer_suite(void);
Suite *test_writer_suite(void)
{
    Suite *suite = suite_create("test_writer");
    TCase *tests = tcase_create("writer");

    tcase_add_checked_fixture(tests, enter_folder, leave_folder);
    tcase_add_test(tests, file_appears_at_commit);
    tcase_add_test(tests, large_and_small_appends_keep_their_order);
    tcase_add_test(tests, abandoned_file_leaves_the_old_one);
    tcase_add_test(tests, two_writers_of_one_file_do_not_mix);
    tcase_add_test(tests, leftover_of_a_killed_process_is_taken_over);
    tcase_add_test(tests, reserved_space_is_zero_until_patched);
    tcase_add_test(tests, full_disk_shows_when_reserving);
    tcase_add_test(tests, full_disk_leaves_nothing);
    tcase_add_test(tests, full_disk_at_commit_leaves_nothing);
    tcase_add_test(tests, each_failed_allocation_is_reported);
    tcase_add_test(tests, unwritable_places_are_errors);
    suite_add_tcase(suite, tests);
    return suite;
}
