/* test_ledger_file.c - opening: what is a ledger, what is not, what the system
 * refuses. */
#include "accountant/ledger_file.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "small_model.h"

static ac_error error;
static sqlite3 *file;

static ac_status try_open(const char *path, aci_ledger_access access)
{
    ac_error none = AC_ERROR_INIT;
    ac_status status;

    error = none;
    status = aci_accountant_file_open(&file, path, access, &error);
    ck_assert_int_eq(status, error.status);
    if (status != AC_OK)
        ck_assert_ptr_null(file);
    sqlite3_close_v2(file);
    return status;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *out = fopen(path, "w");

    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(bytes, 1, n, out), n);
    fclose(out);
}

START_TEST(a_new_ledger_is_wal_and_marked)
{
    const char *path = small_path("l.sqlite");
    sqlite3_stmt *s;

    ck_assert_int_eq(aci_accountant_file_open(&file, path, ACI_LEDGER_WRITE,
                                              NULL), AC_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(file, "SELECT journal_mode,"
        " user_version, application_id FROM pragma_journal_mode,"
        " pragma_user_version, pragma_application_id", -1, &s, NULL),
        SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    ck_assert_str_eq((const char *)sqlite3_column_text(s, 0), "wal");
    ck_assert_int_eq(sqlite3_column_int(s, 1), 1);
    ck_assert_int_eq(sqlite3_column_int(s, 2), ACI_LEDGER_APPLICATION);
    sqlite3_finalize(s);
    sqlite3_close_v2(file);
    ck_assert_int_eq(try_open(path, ACI_LEDGER_WRITE), AC_OK);
    ck_assert_int_eq(try_open(path, ACI_LEDGER_READ), AC_OK);
    small_remove();
}
END_TEST

START_TEST(paths_are_paths)
{
    ck_assert_int_eq(try_open("", ACI_LEDGER_WRITE), AC_E_ARGUMENT);
    ck_assert_int_eq(try_open(small_path("none"), ACI_LEDGER_READ),
                     AC_E_NOT_FOUND);
    ck_assert_int_eq(access(small_path("none"), F_OK), -1);
    ck_assert_int_eq(try_open(small_path("no/folder"), ACI_LEDGER_WRITE),
                     AC_E_IO);
    ck_assert_int_eq(try_open("/dev/null/ledger", ACI_LEDGER_WRITE), AC_E_IO);
    ck_assert_int_eq(try_open(small_path(""), ACI_LEDGER_WRITE), AC_E_IO);
    ck_assert_int_eq(try_open(small_path(""), ACI_LEDGER_READ), AC_E_IO);
    ck_assert_int_eq(chdir(small_path("")), 0);
    ck_assert_int_eq(try_open(":memory:", ACI_LEDGER_WRITE), AC_OK);
    ck_assert_int_eq(access(":memory:", F_OK), 0);
    ck_assert_int_eq(chdir("/"), 0);
    small_remove();
}
END_TEST

START_TEST(other_files_are_left_alone)
{
    const char *path = small_path("f");
    struct stat before, after;
    char noise[8192];
    int access;

    for (access = 0; access < 2; access++) {
        memset(noise, 'x', sizeof noise);
        write_bytes(path, noise, sizeof noise);
        ck_assert_int_eq(try_open(path, (aci_ledger_access)access),
                         AC_E_FORMAT);
        memcpy(noise, "SQLite format 3", 16);
        write_bytes(path, noise, sizeof noise);
        ck_assert_int_eq(try_open(path, (aci_ledger_access)access),
                         AC_E_FORMAT);
        unlink(path);
        run_sql(path, "CREATE TABLE requests (id INTEGER PRIMARY KEY)");
        ck_assert_int_eq(stat(path, &before), 0);
        ck_assert_int_eq(try_open(path, (aci_ledger_access)access),
                         AC_E_FORMAT);
        ck_assert_ptr_nonnull(strstr(error.message, "another program"));
        ck_assert_int_eq(stat(path, &after), 0);
        ck_assert(before.st_size == after.st_size);
        ck_assert(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
        unlink(path);
    }
    write_bytes(path, "", 0);
    ck_assert_int_eq(try_open(path, ACI_LEDGER_READ), AC_E_FORMAT);
    ck_assert_int_eq(try_open(path, ACI_LEDGER_WRITE), AC_OK);
    small_remove();
}
END_TEST

START_TEST(a_newer_ledger_is_refused)
{
    const char *path = small_path("l.sqlite");

    ck_assert_int_eq(try_open(path, ACI_LEDGER_WRITE), AC_OK);
    run_sql(path, "PRAGMA user_version = 2");
    ck_assert_int_eq(try_open(path, ACI_LEDGER_WRITE), AC_E_UNSUPPORTED);
    ck_assert_int_eq(try_open(path, ACI_LEDGER_READ), AC_E_UNSUPPORTED);
    run_sql(path, "PRAGMA user_version = -7");
    ck_assert_int_eq(try_open(path, ACI_LEDGER_READ), AC_E_FORMAT);
    small_remove();
}
END_TEST

/* Whatever is cut or flipped: an answer, not a crash. */
START_TEST(ruins_are_refused_or_read)
{
    const char *path = small_path("l.sqlite");
    uint8_t bytes[65536], copy[sizeof bytes];
    size_t n, i;
    FILE *in;

    ck_assert_int_eq(try_open(path, ACI_LEDGER_WRITE), AC_OK);
    in = fopen(path, "r");
    n = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    ck_assert_uint_gt(n, 4096);
    for (i = 1; i < n; i += 97) {
        ac_status status;

        write_bytes(path, bytes, i);
        status = try_open(path, ACI_LEDGER_READ);
        ck_assert(status == AC_E_FORMAT || status == AC_OK);
        memcpy(copy, bytes, n);
        copy[i] ^= 0xFF;
        write_bytes(path, copy, n);
        status = try_open(path, ACI_LEDGER_READ);
        ck_assert(status == AC_OK || status == AC_E_FORMAT ||
                  status == AC_E_UNSUPPORTED || status == AC_E_IO);
    }
    small_remove();
}
END_TEST

Suite *test_ledger_file_suite(void);
Suite *test_ledger_file_suite(void)
{
    Suite *suite = suite_create("test_ledger_file");
    TCase *tests = tcase_create("test_ledger_file");

    tcase_add_test(tests, a_new_ledger_is_wal_and_marked);
    tcase_add_test(tests, paths_are_paths);
    tcase_add_test(tests, other_files_are_left_alone);
    tcase_add_test(tests, a_newer_ledger_is_refused);
    tcase_add_test(tests, ruins_are_refused_or_read);
    suite_add_tcase(suite, tests);
    return suite;
}
