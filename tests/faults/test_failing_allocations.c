/* test_failing_allocations.c - through the host's allocator every allocation
 * of opening and using a zoo fails once: AC_E_NO_MEMORY with a message, every
 * block returned, and the next try works. What the library's libraries
 * allocate is failed by tests/programs/failing_malloc.sh. */
#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "faults/faults_zoo.h"

/* A host that refuses one allocation. */
typedef struct host {
    atomic_ulong n_asked;
    atomic_long n_out;
    unsigned long fail_at;
} host;

static void *host_allocate(size_t bytes, void *user)
{
    host *h = user;

    if (atomic_fetch_add(&h->n_asked, 1) + 1 == h->fail_at)
        return NULL;
    atomic_fetch_add(&h->n_out, 1);
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

static void host_release(void *block, void *user)
{
    host *h = user;

    if (block != NULL)
        atomic_fetch_sub(&h->n_out, 1);
    free(block);
}

static ac_status use_with(host *h, const char *path, const char *ledger,
                          ac_error *error)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;

    options.n_threads = 1; /* allocations in a fixed order */
    options.allocate = host_allocate;
    options.release = host_release;
    options.allocator_user = h;
    options.ledger_path = ledger;
    return faults_use_zoo(path, &options, error);
}

static void fail_each(const char *zoo, const char *ledger_name)
{
    host calm = { 0, 0, 0 };
    ac_error error = AC_ERROR_INIT;
    unsigned long total;
    char path[160];
    const char *ledger = NULL;

    if (ledger_name != NULL)
        ledger = strcpy(path, faults_path(ledger_name));

    ck_assert_msg(use_with(&calm, zoo, ledger, &error) == AC_OK, "%s",
                  error.message);
    ck_assert_int_eq(calm.n_out, 0);
    total = calm.n_asked;
    ck_assert_uint_gt(total, 10);
    for (unsigned long at = 1; at <= total; at++) {
        host stingy = { 0, 0, at };
        ac_error failure = AC_ERROR_INIT;
        ac_status status = use_with(&stingy, zoo, ledger, &failure);

        ck_assert_msg(stingy.n_out == 0, "allocation %lu of %lu: %ld leaked",
                      at, total, stingy.n_out);
        ck_assert_msg(status == AC_E_NO_MEMORY,
                      "allocation %lu of %lu gave %s: %s", at, total,
                      ac_status_name(status), failure.message);
        ck_assert_int_eq(failure.status, AC_E_NO_MEMORY);
        ck_assert_uint_gt(strlen(failure.message), 0);
    }
    ck_assert_int_eq(use_with(&calm, zoo, ledger, &error), AC_OK);
}

START_TEST(each_allocation_of_using_a_zoo)
{
    char zoo[160];

    fail_each(strcpy(zoo, faults_path("tiny.zoo")), NULL);
}
END_TEST

START_TEST(each_allocation_with_random_weights)
{
    fail_each("synthetic:tiny", NULL);
}
END_TEST

START_TEST(each_allocation_with_a_ledger)
{
    char zoo[160];

    fail_each(strcpy(zoo, faults_path("tiny.zoo")), "ledger.sqlite");
}
END_TEST

START_TEST(memory_limit_is_an_error_not_a_crash)
{
    int n_good = 0, n_refused = 0;

    for (uint64_t limit = 1024; limit < (64u << 20); limit = limit * 5 / 4) {
        ac_open_options options = AC_OPEN_OPTIONS_INIT;
        ac_error error = AC_ERROR_INIT;
        ac_status status;

        options.memory_limit_bytes = limit;
        status = faults_use_zoo(faults_path("tiny.zoo"), &options, &error);
        n_good += status == AC_OK;
        n_refused += status == AC_E_NO_MEMORY;
        ck_assert_msg(status == AC_OK || status == AC_E_NO_MEMORY,
                      "limit %llu gave %s: %s", (unsigned long long)limit,
                      ac_status_name(status), error.message);
        /* once enough, always enough */
        ck_assert(status == AC_OK || n_good == 0);
    }
    ck_assert_int_gt(n_good, 0);
    ck_assert_int_gt(n_refused, 0);
}
END_TEST

/* A session that failed for lack of memory leaves the engine usable. */
START_TEST(engine_survives_a_session_that_did_not_fit)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    ac_session *session = NULL;
    host h = { 0, 0, 0 };
    unsigned long before;

    options.n_threads = 1;
    options.allocate = host_allocate;
    options.release = host_release;
    options.allocator_user = &h;
    ck_assert_int_eq(ac_open(&engine, faults_path("tiny.zoo"), &options,
                             &error), AC_OK);
    for (unsigned long i = 1; i < 1000; i++) {
        long out = h.n_out;

        before = h.n_asked;
        h.fail_at = before + i;
        if (ac_session_open(&session, engine, NULL, &error) == AC_OK)
            break;
        ck_assert_ptr_null(session);
        ck_assert_int_eq(error.status, AC_E_NO_MEMORY);
        ck_assert_int_eq(h.n_out, out);
    }
    h.fail_at = 0;
    ck_assert_ptr_nonnull(session);
    ac_session_close(session);
    ac_close(engine);
    ck_assert_int_eq(h.n_out, 0);
}
END_TEST

Suite *test_failing_allocations_suite(void);
Suite *test_failing_allocations_suite(void)
{
    Suite *suite = suite_create("test_failing_allocations");
    TCase *tests = tcase_create("failing_allocations");

    tcase_add_unchecked_fixture(tests, faults_zoo_make, faults_zoo_remove);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, each_allocation_of_using_a_zoo);
    tcase_add_test(tests, each_allocation_with_random_weights);
    tcase_add_test(tests, each_allocation_with_a_ledger);
    tcase_add_test(tests, memory_limit_is_an_error_not_a_crash);
    tcase_add_test(tests, engine_survives_a_session_that_did_not_fit);
    suite_add_tcase(suite, tests);
    return suite;
}
