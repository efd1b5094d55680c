/* test_clock.c - the clocks run, forwards, at the right speed. */
#include "platform/clock.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

START_TEST(monotonic_never_goes_back)
{
    uint64_t last = aci_platform_monotonic_nanoseconds();

    for (int i = 0; i < 100000; i++) {
        uint64_t now = aci_platform_monotonic_nanoseconds();

        ck_assert_uint_ge(now, last);
        last = now;
    }
}
END_TEST

START_TEST(sleep_takes_as_long_as_it_says)
{
    uint64_t start = aci_platform_monotonic_nanoseconds();
    struct timespec pause = { 0, 20000000 };

    nanosleep(&pause, NULL);
    ck_assert_uint_ge(aci_platform_monotonic_nanoseconds() - start, 20000000);
}
END_TEST

START_TEST(wall_clock_is_the_systems)
{
    int64_t seconds = aci_platform_wall_nanoseconds() / 1000000000;

    ck_assert_int_le(llabs((long long)seconds - (long long)time(NULL)), 1);
}
END_TEST

Suite *test_clock_suite(void);
Suite *test_clock_suite(void)
{
    Suite *suite = suite_create("test_clock");
    TCase *tests = tcase_create("clock");

    tcase_add_test(tests, monotonic_never_goes_back);
    tcase_add_test(tests, sleep_takes_as_long_as_it_says);
    tcase_add_test(tests, wall_clock_is_the_systems);
    suite_add_tcase(suite, tests);
    return suite;
}
