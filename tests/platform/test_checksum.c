/* test_checksum.c - XXH64 against published values, and streaming. */
#include "platform/checksum.h"

#include <check.h>
#include <string.h>

#include "platform/random.h"

START_TEST(published_values)
{
    /* From the xxHash specification's reference program. */
    ck_assert_uint_eq(aci_platform_checksum("", 0, 0), 0xEF46DB3751D8E999u);
    ck_assert_uint_eq(aci_platform_checksum("a", 1, 0), 0xD24EC4F1A98C6E5Bu);
    ck_assert_uint_eq(aci_platform_checksum("abc", 3, 0),
                      0x44BC2CF5AD770999u);
    ck_assert_uint_eq(
        aci_platform_checksum("Nobody inspects the spammish repetition", 39,
                              0), 0xFBCEA83C8A378BF1u);
}
END_TEST

START_TEST(pieces_give_the_same_as_the_whole)
{
    uint8_t data[500];
    aci_random random;

    aci_platform_random_seed(&random, 1);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)aci_platform_random_next(&random);
    for (size_t n = 0; n <= sizeof data; n++) {
        uint64_t whole = aci_platform_checksum(data, n, 42);
        aci_checksum state;
        size_t at = 0;

        aci_platform_checksum_begin(&state, 42);
        while (at < n) {
            size_t step = aci_platform_random_below(&random, 70);

            if (step > n - at)
                step = n - at;
            aci_platform_checksum_add(&state, data + at, step);
            at += step;
        }
        ck_assert_uint_eq(aci_platform_checksum_end(&state), whole);
        ck_assert_uint_eq(aci_platform_checksum_end(&state), whole);
    }
}
END_TEST

START_TEST(every_bit_matters)
{
    uint8_t data[100];
    uint64_t right;

    memset(data, 7, sizeof data);
    right = aci_platform_checksum(data, sizeof data, 0);
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_uint_ne(aci_platform_checksum(data, sizeof data, 0), right);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_uint_ne(aci_platform_checksum(data, sizeof data, 1), right);
}
END_TEST

Suite *test_checksum_suite(void);
Suite *test_checksum_suite(void)
{
    Suite *suite = suite_create("test_checksum");
    TCase *tests = tcase_create("checksum");

    tcase_add_test(tests, published_values);
    tcase_add_test(tests, pieces_give_the_same_as_the_whole);
    tcase_add_test(tests, every_bit_matters);
    suite_add_tcase(suite, tests);
    return suite;
}
