/* test_threads.c - the pool: every item once, from many callers. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "platform/threads.h"

Suite *test_threads_suite(void);

enum { N_ITEMS = 10007 };

typedef struct tally {
    _Atomic int hits[N_ITEMS];
    _Atomic int64_t largest_chunk;
    _Atomic int worst_thread;
} tally;

static aci_memory memory;
static tally counts;

static void count_items(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    tally *t = argument;
    int64_t i;

    for (i = first; i < last; i++)
        atomic_fetch_add(&t->hits[i], 1);
    if (last - first > atomic_load(&t->largest_chunk))
        atomic_store(&t->largest_chunk, last - first);
    if (thread > atomic_load(&t->worst_thread))
        atomic_store(&t->worst_thread, thread);
}

static void expect_each(int times, int64_t n)
{
    int64_t i;

    for (i = 0; i < N_ITEMS; i++)
        ck_assert_int_eq(atomic_load(&counts.hits[i]), i < n ? times : 0);
}

static aci_pool *make_pool(uint32_t n)
{
    aci_pool *pool = NULL;

    memset(&counts, 0, sizeof counts);
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, n, NULL),
                     AC_OK);
    return pool;
}

static void end_pool(aci_pool *pool)
{
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

START_TEST(every_item_is_done_once_in_chunks)
{
    static const uint32_t threads[] = { 1, 2, 3, 7, 16 };
    static const int64_t chunks[] = { 1, 4, 100, 20000 };
    size_t t, c;

    for (t = 0; t < 5; t++)
        for (c = 0; c < 4; c++) {
            aci_pool *pool = make_pool(threads[t]);

            ck_assert_int_eq(aci_platform_pool_threads(pool),
                             (int32_t)threads[t]);
            aci_platform_pool_run(pool, count_items, &counts, N_ITEMS,
                                  chunks[c]);
            expect_each(1, N_ITEMS);
            ck_assert_int_le(counts.largest_chunk, chunks[c]);
            ck_assert_int_lt(counts.worst_thread, (int)threads[t]);
            end_pool(pool);
        }
}
END_TEST

START_TEST(few_items_and_none_are_fine)
{
    aci_pool *pool = make_pool(4);
    int64_t n;

    aci_platform_pool_run(pool, count_items, &counts, 0, 1);
    expect_each(0, 0);
    for (n = 1; n < 6; n++) {
        memset(&counts, 0, sizeof counts);
        aci_platform_pool_run(pool, count_items, &counts, n, 1);
        expect_each(1, n);
    }
    end_pool(pool);
}
END_TEST

START_TEST(many_runs_in_a_row_lose_nothing)
{
    aci_pool *pool = make_pool(3);
    int i;

    for (i = 0; i < 3000; i++)
        aci_platform_pool_run(pool, count_items, &counts, 13, 1);
    expect_each(3000, 13);
    end_pool(pool);
}
END_TEST

START_TEST(sleeping_threads_wake_up)
{
    aci_pool *pool = make_pool(3);
    struct timespec pause = { 0, 3000000 }; /* longer than they spin */
    int i;

    for (i = 0; i < 30; i++) {
        nanosleep(&pause, NULL);
        aci_platform_pool_run(pool, count_items, &counts, 50, 1);
    }
    expect_each(30, 50);
    end_pool(pool);
}
END_TEST

static void *run_often(void *user)
{
    int i;

    for (i = 0; i < 300; i++)
        aci_platform_pool_run(user, count_items, &counts, 40, 2);
    return NULL;
}

START_TEST(callers_on_several_threads_take_turns)
{
    aci_pool *pool = make_pool(2);
    pthread_t threads[4];
    int i;

    for (i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, run_often, pool);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    expect_each(1200, 40);
    end_pool(pool);
}
END_TEST

START_TEST(out_of_memory_is_an_error)
{
    aci_pool *pool = NULL;
    uint64_t n;

    for (n = 1; n <= 3; n++) {
        aci_platform_memory_init(&memory);
        memory.fail_at = n;
        ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                         AC_E_NO_MEMORY);
        ck_assert_ptr_null(pool);
        ck_assert_uint_eq(memory.used_bytes, 0);
    }
    aci_platform_pool_free(NULL);
    aci_platform_mutex_free(NULL);
}
END_TEST

Suite *test_threads_suite(void)
{
    Suite *suite = suite_create("test_threads");
    TCase *tc = tcase_create("pool");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, every_item_is_done_once_in_chunks);
    tcase_add_test(tc, few_items_and_none_are_fine);
    tcase_add_test(tc, many_runs_in_a_row_lose_nothing);
    tcase_add_test(tc, sleeping_threads_wake_up);
    tcase_add_test(tc, callers_on_several_threads_take_turns);
    tcase_add_test(tc, out_of_memory_is_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
