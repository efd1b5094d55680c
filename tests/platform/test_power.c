/* test_power.c - a powercap directory of our own: packages, wraps, refusals. */
#include "platform/power.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static aci_memory memory;

static void make_root(void)
{
    strcpy(root, "/tmp/ac-test-power-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(chdir(root), 0);
    aci_platform_memory_init(&memory);
}

static void remove_root(void)
{
    char command[96];

    ck_assert_uint_eq(memory.used_bytes, 0);
    snprintf(command, sizeof command, "rm -rf %s", root);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
}

static void domain(const char *folder, const char *name, const char *energy)
{
    char path[128];

    mkdir(folder, 0777);
    snprintf(path, sizeof path, "%s/name", folder);
    put(path, name);
    snprintf(path, sizeof path, "%s/energy_uj", folder);
    put(path, energy);
    snprintf(path, sizeof path, "%s/max_energy_range_uj", folder);
    put(path, "1000000\n");
}

START_TEST(packages_are_summed_and_nothing_else)
{
    aci_power *power;

    domain("intel-rapl:0", "package-0\n", "100\n");
    domain("intel-rapl:1", "package-1\n", "5000\n");
    domain("intel-rapl:0:0", "core\n", "50\n");
    domain("intel-rapl:2", "psys\n", "9000\n");
    domain("intel-rapl-mmio:0", "package-0\n", "100\n");
    mkdir("intel-rapl", 0777);
    ck_assert_int_eq(aci_platform_power_open(&power, &memory, root, NULL),
                     AC_OK);
    ck_assert_ptr_null(aci_platform_power_reason(power));
    ck_assert_int_eq(aci_platform_power_microjoules(power), 0);
    put("intel-rapl:0/energy_uj", "130\n");
    put("intel-rapl:1/energy_uj", "5005\n");
    put("intel-rapl:0:0/energy_uj", "60\n");
    put("intel-rapl:2/energy_uj", "9999\n");
    put("intel-rapl-mmio:0/energy_uj", "130\n");
    ck_assert_int_eq(aci_platform_power_microjoules(power), 35);
    aci_platform_power_close(power);
}
END_TEST

START_TEST(wrapping_is_seen)
{
    aci_power *power;

    domain("intel-rapl:0", "package-0\n", "999990\n");
    ck_assert_int_eq(aci_platform_power_open(&power, &memory, root, NULL),
                     AC_OK);
    put("intel-rapl:0/energy_uj", "7\n");
    ck_assert_int_eq(aci_platform_power_microjoules(power), 17);
    put("intel-rapl:0/energy_uj", "10\n");
    ck_assert_int_eq(aci_platform_power_microjoules(power), 20);
    aci_platform_power_close(power);
}
END_TEST

START_TEST(no_counter_says_why)
{
    aci_power *power;

    ck_assert_int_eq(aci_platform_power_open(&power, &memory, root, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_platform_power_microjoules(power), -1);
    ck_assert_ptr_nonnull(strstr(aci_platform_power_reason(power), root));
    aci_platform_power_close(power);
    ck_assert_int_eq(aci_platform_power_open(&power, &memory, "/nowhere",
                                             NULL), AC_OK);
    ck_assert_ptr_nonnull(aci_platform_power_reason(power));
    aci_platform_power_close(power);
    aci_platform_power_close(NULL);
}
END_TEST

START_TEST(unusable_counters_say_why)
{
    aci_power *power;

    domain("intel-rapl:0", "package-0\n", "what\n");
    ck_assert_int_eq(aci_platform_power_open(&power, &memory, root, NULL),
                     AC_OK);
    ck_assert_ptr_nonnull(
        strstr(aci_platform_power_reason(power), "no usable counter"));
    aci_platform_power_close(power);
    unlink("intel-rapl:0/energy_uj");
    ck_assert_int_eq(aci_platform_power_open(&power, &memory, root, NULL),
                     AC_OK);
    ck_assert_ptr_nonnull(
        strstr(aci_platform_power_reason(power), "No such file"));
    aci_platform_power_close(power);
}
END_TEST

START_TEST(a_counter_that_breaks_is_not_guessed)
{
    aci_power *power;

    domain("intel-rapl:0", "package-0\n", "5\n");
    ck_assert_int_eq(aci_platform_power_open(&power, &memory, root, NULL),
                     AC_OK);
    put("intel-rapl:0/energy_uj", "");
    ck_assert_int_eq(aci_platform_power_microjoules(power), -1);
    ck_assert_ptr_nonnull(aci_platform_power_reason(power));
    aci_platform_power_close(power);
}
END_TEST

START_TEST(failed_allocation_is_reported)
{
    aci_power *power;

    memory.fail_at = 1;
    ck_assert_int_eq(aci_platform_power_open(&power, &memory, root, NULL),
                     AC_E_NO_MEMORY);
    ck_assert_ptr_null(power);
}
END_TEST

Suite *test_power_suite(void);
Suite *test_power_suite(void)
{
    Suite *suite = suite_create("test_power");
    TCase *tests = tcase_create("power");

    tcase_add_checked_fixture(tests, make_root, remove_root);
    tcase_add_test(tests, packages_are_summed_and_nothing_else);
    tcase_add_test(tests, wrapping_is_seen);
    tcase_add_test(tests, no_counter_says_why);
    tcase_add_test(tests, unusable_counters_say_why);
    tcase_add_test(tests, a_counter_that_breaks_is_not_guessed);
    tcase_add_test(tests, failed_allocation_is_reported);
    suite_add_tcase(suite, tests);
    return suite;
}
