/* test_ledger_write.c - reserving and settling under threads, processes, kills
 * and full disks. */
#include "accountant/ledger_write.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "accountant/ledger.h"
#include "accountant/ledger_file.h"
#include "small_model.h"

static aci_memory memory;
static aci_model model;
static aci_price price;

static aci_ledger_writer *open_writer(const char *path)
{
    aci_ledger_opening opening = { &model, &price, 77, "no counter" };
    aci_ledger_writer *writer;
    ac_error error = AC_ERROR_INIT;

    model = small_model();
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_accountant_price_find(&price, &memory, NULL,
                                               "local-cpu", NULL), AC_OK);
    ck_assert_msg(aci_accountant_writer_open(&writer, &memory, path, &opening,
                                             &error) == AC_OK,
                  "%s", error.message);
    return writer;
}

static ac_status reserve(uint64_t *id, aci_ledger_writer *writer,
                         const char *label, ac_error *error)
{
    ac_decision decision = small_decision(&model, SMALL_INT4);

    return aci_accountant_writer_reserve(id, writer, &decision, NULL, 999,
                                         label, error);
}

static ac_status settle(aci_ledger_writer *writer, uint64_t id,
                        ac_error *error)
{
    ac_usage usage = small_usage(SMALL_INT4);

    usage.macs = id; /* to be found again */
    usage.nanodollars = 10;
    usage.full_nanodollars = 20;
    usage.microjoules = -1;
    return aci_accountant_writer_settle(writer, id, &usage, "int4",
                                        AC_REASON_CHEAPEST, AC_STOP_END,
                                        error);
}

static int64_t ask(const char *path, const char *sql)
{
    sqlite3 *file;
    sqlite3_stmt *s;
    int64_t value;

    ck_assert_int_eq(aci_accountant_file_open(&file, path, ACI_LEDGER_READ,
                                              NULL), AC_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(file, sql, -1, &s, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close_v2(file);
    return value;
}

static void check_integrity(const char *path)
{
    ck_assert(ask(path, "SELECT integrity_check = 'ok' FROM "
                        "pragma_integrity_check LIMIT 1") == 1);
}

START_TEST(a_request_goes_through_both_phases)
{
    const char *path = small_path("l.sqlite");
    aci_ledger_writer *writer = open_writer(path);
    ac_error error = AC_ERROR_INIT;
    uint64_t a, b;

    ck_assert_int_eq(reserve(&a, writer, "one", NULL), AC_OK);
    ck_assert_int_eq(reserve(&b, writer, NULL, NULL), AC_OK);
    ck_assert(a == 1 && b == 2);
    ck_assert(ask(path, "SELECT count(*) FROM requests WHERE state = 0") == 2);
    ck_assert_int_eq(settle(writer, b, NULL), AC_OK);
    ck_assert(ask(path, "SELECT state FROM requests WHERE id = 2") == 1);
    ck_assert(ask(path, "SELECT state FROM requests WHERE id = 1") == 0);
    /* Neither twice nor what was never reserved. */
    ck_assert_int_eq(settle(writer, b, &error), AC_E_INTERNAL);
    ck_assert_int_eq(settle(writer, 99, &error), AC_E_INTERNAL);
    ck_assert(ask(path, "SELECT predictor_checksum FROM openings") == 77);
    ck_assert(ask(path, "SELECT model_checksum FROM openings") ==
              (int64_t)0xfedcba9876543210u);
    aci_accountant_writer_close(writer);
    ck_assert_uint_eq(memory.used_bytes, 0);
    small_remove();
}
END_TEST

START_TEST(long_labels_are_cut_between_characters)
{
    const char *path = small_path("l.sqlite");
    aci_ledger_writer *writer = open_writer(path);
    char label[3001];
    uint64_t id;

    memset(label, 'a', sizeof label);
    memcpy(label + 1021, "\xE2\x82\xAC", 3); /* across byte 1023 */
    label[3000] = '\0';
    ck_assert_int_eq(reserve(&id, writer, label, NULL), AC_OK);
    ck_assert(ask(path, "SELECT length(CAST(label AS BLOB)) FROM requests") ==
              1021);
    aci_accountant_writer_close(writer);
    small_remove();
}
END_TEST

/* ---- threads ------------------------------------------------------------- */

enum { N_THREADS = 8, PER_THREAD = 40 };

static void *work(void *argument)
{
    aci_ledger_writer *writer = argument;
    intptr_t bad = 0;
    int i;

    for (i = 0; i < PER_THREAD; i++) {
        uint64_t id;

        bad += reserve(&id, writer, "t", NULL) != AC_OK;
        bad += settle(writer, id, NULL) != AC_OK;
    }
    return (void *)bad;
}

START_TEST(threads_share_one_writer)
{
    const char *path = small_path("l.sqlite");
    aci_ledger_writer *writer = open_writer(path);
    pthread_t threads[N_THREADS];
    int i;

    for (i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, writer), 0);
    for (i = 0; i < N_THREADS; i++) {
        void *bad;

        pthread_join(threads[i], &bad);
        ck_assert_ptr_null(bad);
    }
    aci_accountant_writer_close(writer);
    ck_assert(ask(path, "SELECT count(*) FROM requests WHERE state = 1"
                        " AND macs = id") == N_THREADS * PER_THREAD);
    check_integrity(path);
    small_remove();
}
END_TEST

/* ---- processes ----------------------------------------------------------- */

/* Reserves and settles `n` requests; tells of each settled one by a byte. */
static void child(const char *path, int n, int tell)
{
    aci_ledger_writer *writer = open_writer(path);
    int i;

    for (i = 0; i < n; i++) {
        uint64_t id;

        if (reserve(&id, writer, "child", NULL) != AC_OK ||
            settle(writer, id, NULL) != AC_OK)
            _exit(1);
        if (tell >= 0 && write(tell, &id, sizeof id) != sizeof id)
            _exit(2);
    }
    aci_accountant_writer_close(writer);
    _exit(0);
}

START_TEST(processes_share_one_file_from_its_making_on)
{
    enum { N = 4, EACH = 40 };
    char path[256];
    pid_t pids[N];
    int i;

    strcpy(path, small_path("l.sqlite"));
    for (i = 0; i < N; i++)
        if ((pids[i] = fork()) == 0)
            child(path, EACH, -1);
    for (i = 0; i < N; i++) {
        int status;

        waitpid(pids[i], &status, 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert(ask(path, "SELECT count(*) FROM requests WHERE state = 1") ==
              N * EACH);
    ck_assert(ask(path, "SELECT count(*) FROM openings") == N);
    check_integrity(path);
    small_remove();
}
END_TEST

START_TEST(a_kill_loses_nothing_settled)
{
    char path[256];
    uint64_t id, n_told = 0;
    unsigned round, seed = 12345;

    strcpy(path, small_path("l.sqlite"));
    for (round = 0; round < 25; round++) {
        int pipes[2];
        pid_t pid;
        struct timespec nap = { 0, 0 };

        ck_assert_int_eq(pipe(pipes), 0);
        if ((pid = fork()) == 0)
            child(path, 1000000, pipes[1]);
        close(pipes[1]);
        seed = seed * 1103515245u + 12345u;
        nap.tv_nsec = 2000000 + (long)(seed / 65536u % 60u) * 1000000;
        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(pipes[0], &id, sizeof id) == sizeof id) {
            char sql[96];

            n_told++;
            snprintf(sql, sizeof sql, "SELECT count(*) FROM requests WHERE "
                     "id = %llu AND state = 1 AND macs = id",
                     (unsigned long long)id);
            ck_assert(ask(path, sql) == 1);
        }
        close(pipes[0]);
        check_integrity(path);
        /* At most the one in flight, per process killed. */
        ck_assert(ask(path, "SELECT count(*) FROM requests WHERE state = 0")
                  <= (int64_t)round + 1);
    }
    ck_assert_uint_gt(n_told, 25);
    ck_assert(ask(path, "SELECT count(*) FROM requests WHERE state = 1") >=
              (int64_t)n_told);
    small_remove();
}
END_TEST

/* ---- refusals ------------------------------------------------------------ */

START_TEST(a_full_disk_is_told_before_the_work)
{
    const char *path = small_path("l.sqlite");
    aci_ledger_writer *writer = open_writer(path);
    struct rlimit limit = { 200000, RLIM_INFINITY };
    ac_error error = AC_ERROR_INIT;
    ac_status status = AC_OK;
    uint64_t id = 1, last = 0;
    int i;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (i = 0; i < 10000 && status == AC_OK; i++) {
        status = reserve(&id, writer, "filling", &error);
        if (status == AC_OK) {
            last = id;
            status = settle(writer, id, &error);
        }
    }
    ck_assert_msg(status == AC_E_DISK_FULL, "%d: %s", status, error.message);
    ck_assert_int_eq(error.status, AC_E_DISK_FULL);
    /* Room again: it goes on. */
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(reserve(&id, writer, "room", NULL), AC_OK);
    ck_assert_uint_ge(id, last);
    ck_assert_int_eq(settle(writer, id, NULL), AC_OK);
    aci_accountant_writer_close(writer);
    check_integrity(path);
    small_remove();
}
END_TEST

START_TEST(no_memory_is_told)
{
    aci_ledger_opening opening = { &model, &price, 0, NULL };
    const char *path = small_path("l.sqlite");
    aci_ledger_writer *writer = open_writer(path);
    uint64_t n;

    aci_accountant_writer_close(writer);
    for (n = 1; n <= 2; n++) {
        aci_platform_memory_init(&memory);
        memory.fail_at = n;
        ck_assert_int_eq(aci_accountant_writer_open(&writer, &memory, path,
                                                    &opening, NULL),
                         AC_E_NO_MEMORY);
        ck_assert_ptr_null(writer);
        ck_assert_uint_eq(memory.used_bytes, 0);
    }
    small_remove();
}
END_TEST

Suite *test_ledger_write_suite(void);
Suite *test_ledger_write_suite(void)
{
    Suite *suite = suite_create("test_ledger_write");
    TCase *tests = tcase_create("test_ledger_write");

    tcase_add_test(tests, a_request_goes_through_both_phases);
    tcase_add_test(tests, long_labels_are_cut_between_characters);
    tcase_add_test(tests, threads_share_one_writer);
    tcase_add_test(tests, processes_share_one_file_from_its_making_on);
    tcase_add_test(tests, a_kill_loses_nothing_settled);
    tcase_add_test(tests, a_full_disk_is_told_before_the_work);
    tcase_add_test(tests, no_memory_is_told);
    suite_add_tcase(suite, tests);
    return suite;
}
