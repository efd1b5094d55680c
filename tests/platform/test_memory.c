/* test_memory.c - counting, limits, injected failures, the host's allocator. */
#include "platform/memory.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

START_TEST(blocks_are_aligned_writable_and_counted)
{
    aci_memory memory;
    static const size_t sizes[] = { 0, 1, 63, 64, 65, 4095, 1000000 };

    aci_platform_memory_init(&memory);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *block = aci_platform_alloc(&memory, sizes[i]);

        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % 64, 0);
        memset(block, 0xAB, sizes[i]);
        ck_assert_uint_ge(memory.used_bytes, sizes[i]);
        aci_platform_free(&memory, block);
        ck_assert_uint_eq(memory.used_bytes, 0);
    }
    aci_platform_free(&memory, NULL);
}
END_TEST

START_TEST(sizes_are_told_in_their_unit)
{
    static const struct { uint64_t n; const char *text; } known[] = {
        { 0, "0 bytes" }, { 812, "812 bytes" }, { 1024, "1.0 KiB" },
        { 100000, "98 KiB" }, { 1 << 20, "1.0 MiB" },
        { (uint64_t)3 << 30, "3.0 GiB" }, { UINT64_MAX, "16777216 TiB" }
    };
    char text[24];

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_str_eq(aci_platform_bytes_text(text, known[i].n),
                         known[i].text);
}
END_TEST

START_TEST(absurd_sizes_give_null)
{
    aci_memory memory;

    aci_platform_memory_init(&memory);
    ck_assert_ptr_null(aci_platform_alloc(&memory, SIZE_MAX));
    ck_assert_ptr_null(aci_platform_alloc(&memory, SIZE_MAX - 64));
    ck_assert_ptr_null(aci_platform_alloc(&memory, SIZE_MAX - 128));
    ck_assert_ptr_null(aci_platform_alloc_array(&memory, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(aci_platform_alloc_zeroed(&memory, SIZE_MAX, 2));
    ck_assert_ptr_null(aci_platform_strndup(&memory, "", SIZE_MAX));
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(zeroed_is_zero_and_strndup_ends)
{
    aci_memory memory;
    unsigned char *block;
    char *copy;

    aci_platform_memory_init(&memory);
    block = aci_platform_alloc_zeroed(&memory, 33, 7);
    for (int i = 0; i < 33 * 7; i++)
        ck_assert_uint_eq(block[i], 0);
    copy = aci_platform_strndup(&memory, "variant", 3);
    ck_assert_str_eq(copy, "var");
    aci_platform_free(&memory, copy);
    aci_platform_free(&memory, block);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(limit_holds_and_is_given_back)
{
    aci_memory memory;
    void *first, *second;

    aci_platform_memory_init(&memory);
    memory.limit_bytes = 4096;
    first = aci_platform_alloc(&memory, 3000);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(aci_platform_alloc(&memory, 3000));
    aci_platform_free(&memory, first);
    second = aci_platform_alloc(&memory, 3000);
    ck_assert_ptr_nonnull(second);
    aci_platform_free(&memory, second);
    ck_assert_ptr_null(aci_platform_alloc(&memory, 5000));
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(exactly_the_chosen_allocation_fails)
{
    aci_memory memory;

    aci_platform_memory_init(&memory);
    memory.fail_at = 3;
    for (int i = 1; i <= 5; i++) {
        void *block = aci_platform_alloc(&memory, 10);

        ck_assert_int_eq(block == NULL, i == 3);
        aci_platform_free(&memory, block);
    }
    ck_assert_uint_eq(memory.n_allocations, 5);
}
END_TEST

START_TEST(realloc_keeps_bytes_and_survives_failure)
{
    aci_memory memory;
    char *block, *grown;

    aci_platform_memory_init(&memory);
    block = aci_platform_realloc(&memory, NULL, 100);
    for (int i = 0; i < 100; i++)
        block[i] = (char)i;
    memory.fail_at = memory.n_allocations + 1;
    ck_assert_ptr_null(aci_platform_realloc(&memory, block, 100000));
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(block[i], i);
    memory.fail_at = 0;
    grown = aci_platform_realloc(&memory, block, 100000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(grown[i], i);
    block = aci_platform_realloc(&memory, grown, 10);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(block[i], i);
    aci_platform_free(&memory, block);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

/* A host's allocator that knows how many blocks are out. */
static void *host_allocate(size_t bytes, void *user)
{
    *(int *)user += 1;
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

static void host_release(void *block, void *user)
{
    if (block != NULL)
        *(int *)user -= 1;
    free(block);
}

START_TEST(host_allocator_gets_every_block_back)
{
    aci_memory memory;
    int n_out = 0;
    void *blocks[10];

    aci_platform_memory_init(&memory);
    memory.allocate = host_allocate;
    memory.release = host_release;
    memory.user = &n_out;
    for (int i = 0; i < 10; i++)
        blocks[i] = aci_platform_alloc(&memory, (size_t)i * 100);
    ck_assert_int_eq(n_out, 10);
    blocks[4] = aci_platform_realloc(&memory, blocks[4], 9999);
    for (int i = 0; i < 10; i++)
        aci_platform_free(&memory, blocks[i]);
    ck_assert_int_eq(n_out, 0);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

/* Takes and gives back; counts how many allocations failed. */
static void *churn(void *argument)
{
    aci_memory *memory = argument;
    intptr_t n_failed = 0;

    for (int i = 0; i < 5000; i++) {
        void *block = aci_platform_alloc(memory, (size_t)(i % 257));

        n_failed += block == NULL;
        aci_platform_free(memory, block);
    }
    return (void *)n_failed;
}

START_TEST(threads_share_counts_and_one_failure)
{
    aci_memory memory;
    pthread_t threads[4];
    intptr_t n_failed = 0;

    aci_platform_memory_init(&memory);
    memory.limit_bytes = 1 << 20;
    memory.fail_at = 7777;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, &memory);
    for (int i = 0; i < 4; i++) {
        void *result;

        pthread_join(threads[i], &result);
        n_failed += (intptr_t)result;
    }
    ck_assert_int_eq(n_failed, 1);
    ck_assert_uint_eq(memory.n_allocations, 20000);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

Suite *test_memory_suite(void);
Suite *test_memory_suite(void)
{
    Suite *suite = suite_create("test_memory");
    TCase *tests = tcase_create("memory");

    tcase_add_test(tests, sizes_are_told_in_their_unit);
    tcase_add_test(tests, blocks_are_aligned_writable_and_counted);
    tcase_add_test(tests, absurd_sizes_give_null);
    tcase_add_test(tests, zeroed_is_zero_and_strndup_ends);
    tcase_add_test(tests, limit_holds_and_is_given_back);
    tcase_add_test(tests, exactly_the_chosen_allocation_fails);
    tcase_add_test(tests, realloc_keeps_bytes_and_survives_failure);
    tcase_add_test(tests, host_allocator_gets_every_block_back);
    tcase_add_test(tests, threads_share_counts_and_one_failure);
    suite_add_tcase(suite, tests);
    return suite;
}
