/* test_repeated.c - windows onto one block: every byte is where it belongs, the
 * memory is there once, and what cannot be had is an error. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "platform/repeated.h"

enum { PAGE = ACI_REPEATED_PAGE, PATTERN = 3 * PAGE, BEFORE = 2 * PAGE };

static aci_block block;
static ac_error error = AC_ERROR_INIT;

static uint8_t pattern_byte(size_t i)
{
    return (uint8_t)(i * 131 + i / 251 + 1);
}

static void setup(void)
{
    ck_assert_msg(aci_platform_block_open(&block, BEFORE + PATTERN, &error) ==
                      AC_OK, "%s", error.message);
    for (size_t i = 0; i < PATTERN; i++)
        block.data[BEFORE + i] = pattern_byte(i);
}

static void teardown(void)
{
    aci_platform_block_close(&block);
    aci_platform_block_close(&block); /* once is enough, twice is fine */
}

/* Lines of /proc/self/maps that name our blocks. */
static int count_windows(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    int n = 0;

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        n += strstr(line, "memfd:repeated") != NULL;
    fclose(maps);
    return n;
}

/* Awkward beginnings and lengths: inside a page, over one boundary, whole
 * pages, more than the pattern. */
START_TEST(bytes_are_those_of_the_pattern_and_no_others)
{
    static const size_t places[][2] = {
        { 0, 0 }, { 5, 1 }, { 64, 100 }, { PAGE - 1, 2 }, { PAGE - 8, 16 },
        { PAGE, PAGE }, { 1, PAGE }, { PAGE - 64, 2 * PAGE + 128 },
        { 3 * PAGE, 7 * PAGE }, { 100, 9 * PAGE + 11 }, { 0, 12 * PAGE }
    };

    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        size_t from = places[p][0], n = places[p][1];
        aci_mapping range;

        ck_assert_int_eq(aci_platform_range_open(&range, 12 * PAGE, &error),
                         AC_OK);
        ck_assert_int_eq(aci_platform_range_lay(&range, from, n, &block,
                                                BEFORE, PATTERN, &error),
                         AC_OK);
        ck_assert_int_eq(aci_platform_range_seal(&range, &error), AC_OK);
        for (size_t i = 0; i < range.size; i++)
            ck_assert_msg(range.data[i] == (i >= from && i < from + n
                                                ? pattern_byte(i % PATTERN)
                                                : 0),
                          "byte %zu of %zu bytes at %zu", i, n, from);
        aci_platform_unmap(&range);
    }
}
END_TEST

START_TEST(memory_is_there_once)
{
    aci_mapping range;

    ck_assert_int_eq(aci_platform_range_open(&range, 9 * PAGE, &error),
                     AC_OK);
    ck_assert_int_eq(aci_platform_range_lay(&range, 0, 9 * PAGE, &block,
                                            BEFORE, PATTERN, &error), AC_OK);
    block.data[BEFORE + PAGE] = 77;
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(range.data[PAGE + i * PATTERN], 77);
    aci_platform_unmap(&range);
}
END_TEST

START_TEST(range_outlives_its_block_and_leaves_nothing)
{
    int before = count_windows();
    aci_mapping range;

    ck_assert_int_eq(aci_platform_range_open(&range, 100 * PAGE, &error),
                     AC_OK);
    ck_assert_int_eq(aci_platform_range_lay(&range, 10, 99 * PAGE, &block,
                                            BEFORE, PATTERN, &error), AC_OK);
    ck_assert_int_gt(count_windows(), before);
    aci_platform_block_close(&block);
    ck_assert_uint_eq(range.data[10], pattern_byte(10));
    ck_assert_uint_eq(range.data[50 * PAGE], pattern_byte(50 * PAGE % PATTERN));
    aci_platform_unmap(&range);
    ck_assert_int_eq(count_windows(), 0);
}
END_TEST

START_TEST(what_cannot_be_had_is_no_memory)
{
    aci_mapping range;
    aci_block large;

    ck_assert_int_eq(aci_platform_range_open(&range, UINT64_C(1) << 50,
                                             &error), AC_E_NO_MEMORY);
    ck_assert_ptr_null(range.data);
    ck_assert_int_eq(aci_platform_range_open(&range, UINT64_MAX, &error),
                     AC_E_NO_MEMORY);
    ck_assert_int_eq(aci_platform_block_open(&large, (size_t)1 << 62, &error),
                     AC_E_NO_MEMORY);
    ck_assert_ptr_null(large.data);
    ck_assert_uint_gt(strlen(error.message), 0);
    aci_platform_block_close(&large);
}
END_TEST

Suite *test_repeated_suite(void);
Suite *test_repeated_suite(void)
{
    Suite *suite = suite_create("test_repeated");
    TCase *tests = tcase_create("repeated");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, bytes_are_those_of_the_pattern_and_no_others);
    tcase_add_test(tests, memory_is_there_once);
    tcase_add_test(tests, range_outlives_its_block_and_leaves_nothing);
    tcase_add_test(tests, what_cannot_be_had_is_no_memory);
    suite_add_tcase(suite, tests);
    return suite;
}
