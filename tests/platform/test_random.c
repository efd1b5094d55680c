/* test_random.c - published first numbers, ranges, moments. */
#include "platform/random.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

START_TEST(first_numbers_are_those_of_the_published_generator)
{
    /* xoshiro256** from state 1, 2, 3, 4: the authors' C program. */
    aci_random random = { { 1, 2, 3, 4 } };
    static const uint64_t expected[] = { 11520, 0, 1509978240,
                                         1215971899390074240 };

    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(aci_platform_random_next(&random), expected[i]);
    /* SplitMix64 from 0: its authors' first numbers. */
    aci_platform_random_seed(&random, 0);
    ck_assert_uint_eq(random.state[0], 0xE220A8397B1DCDAFu);
    ck_assert_uint_eq(random.state[1], 0x6E789E6AA1B965F4u);
}
END_TEST

START_TEST(unit_is_in_range_and_even)
{
    aci_random random;
    double sum = 0;

    aci_platform_random_seed(&random, 5);
    for (int i = 0; i < 100000; i++) {
        double u = aci_platform_random_unit(&random);

        ck_assert(u >= 0 && u < 1);
        sum += u;
    }
    ck_assert_double_eq_tol(sum / 100000, 0.5, 0.005);
}
END_TEST

START_TEST(below_is_even)
{
    aci_random random;
    int counts[7] = { 0 };

    aci_platform_random_seed(&random, 6);
    for (int i = 0; i < 70000; i++)
        counts[aci_platform_random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert_int_lt(abs(counts[i] - 10000), 500);
    ck_assert_uint_eq(aci_platform_random_below(&random, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(aci_platform_random_below(&random, UINT64_MAX - 1),
                          UINT64_MAX - 1);
}
END_TEST

START_TEST(normal_has_the_right_moments_and_tails)
{
    aci_random random;
    double sum = 0, squares = 0, fourths = 0;
    int n = 200000, beyond_two = 0;

    aci_platform_random_seed(&random, 7);
    for (int i = 0; i < n; i++) {
        double x = aci_platform_random_normal(&random);

        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
        beyond_two += fabs(x) > 2;
    }
    ck_assert_double_eq_tol(sum / n, 0, 0.01);
    ck_assert_double_eq_tol(squares / n, 1, 0.01);
    ck_assert_double_eq_tol(fourths / n, 3, 0.1);
    ck_assert_double_eq_tol(beyond_two / (double)n, 0.0455, 0.002);
}
END_TEST

Suite *test_random_suite(void);
Suite *test_random_suite(void)
{
    Suite *suite = suite_create("test_random");
    TCase *tests = tcase_create("random");

    tcase_add_test(tests,
                   first_numbers_are_those_of_the_published_generator);
    tcase_add_test(tests, unit_is_in_range_and_even);
    tcase_add_test(tests, below_is_even);
    tcase_add_test(tests, normal_has_the_right_moments_and_tails);
    suite_add_tcase(suite, tests);
    return suite;
}
