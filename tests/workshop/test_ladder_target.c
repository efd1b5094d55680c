/* test_ladder_target.c - variants by what they may cost: what was asked for is
 * kept, a looser target is not expected to lose more, threads change nothing,
 * and what cannot be reached is refused before anything is done. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "../model/store_fixture.h"


static ac_status make(const char *zoo, const char *targets,
                      uint32_t n_threads)
{
    ac_compress_options options = zoo_calibrated();

    options.variants = "full";
    options.targets = targets;
    options.recovery_tokens = AC_RECOVERY_NONE;
    options.n_threads = n_threads;
    return ac_compress(ZOO_MODEL, zoo, &options, &zoo_error);
}

static json_t *describe(const char *zoo)
{
    char *text = NULL;
    json_t *json;

    ck_assert_msg(ac_inspect(&text, zoo, &zoo_error) == AC_OK, "%s",
                  zoo_error.message);
    json = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(json);
    ac_free(text);
    return json;
}

static const json_t *variant(const json_t *zoo, size_t i)
{
    return json_array_get(json_object_get(zoo, "variants"), i);
}

static double number(const json_t *of, const char *part, const char *field)
{
    return json_number_value(json_object_get(json_object_get(of, part),
                                             field));
}

START_TEST(a_target_is_kept_and_a_looser_one_loses_less)
{
    static const struct { const char *name, *cost; double share; } asked[] = {
        { "target-0.10", "bit_operations_per_token", 0.1 },
        { "target-0.15", "bit_operations_per_token", 0.15 },
        { "target-0.30", "bit_operations_per_token", 0.3 },
        { "target-bytes-0.25", "bytes_per_token", 0.25 },
        { "target-bytes-0.6250", "bytes_per_token", 0.625 },
        { "target-macs-0.90", "macs_per_token", 0.9 }
    };
    enum { N = sizeof asked / sizeof *asked };
    double last = INFINITY;
    json_t *zoo;

    ck_assert_msg(make(zoo_path, "cost=0.1,cost=0.15,cost=0.3,bytes=0.25,"
                       "bytes=0.625,macs=0.9", 2) == AC_OK, "%s",
                  zoo_error.message);
    zoo = describe(zoo_path);
    for (size_t i = 0; i < N; i++) {
        const json_t *v = variant(zoo, i + 1);
        double cost = number(v, "cost", asked[i].cost) /
                      number(variant(zoo, 0), "cost", asked[i].cost);
        double expected = number(v, "target", "expected");
        double kl = number(v, "target", "kl_expected");

        ck_assert_str_eq(json_string_value(json_object_get(v, "name")),
                         asked[i].name);
        ck_assert_double_le(cost, asked[i].share);
        /* as much of it as is of use; some of base's layers lose nothing */
        ck_assert_double_ge(cost, i == 0 ? 0.09 : 0.2 * asked[i].share);
        ck_assert_double_eq_tol(cost, expected, 0.01);
        ck_assert(isfinite(kl) && kl >= 0.0);
        last = i == 0 || i == 3 || i == 5 ? INFINITY : last;
        ck_assert_double_le(kl, last);
        last = kl;
    }
    json_decref(zoo);
}
END_TEST

START_TEST(threads_do_not_matter)
{
    char other[160], path[2][200];
    json_t *one, *two;

    snprintf(other, sizeof other, "%s.other", zoo_path);
    ck_assert_int_eq(make(zoo_path, "cost=0.1", 1), AC_OK);
    ck_assert_int_eq(make(other, "cost=0.1", 3), AC_OK);
    one = describe(zoo_path);
    two = describe(other);
    ck_assert(json_equal(json_object_get(one, "variants"),
                         json_object_get(two, "variants")));
    ck_assert(json_equal(json_object_get(one, "extras"),
                         json_object_get(two, "extras")));
    json_decref(one);
    json_decref(two);
    snprintf(path[0], sizeof path[0], "rm -rf %s", other);
    ck_assert_int_eq(system(path[0]), 0);
}
END_TEST

START_TEST(what_cannot_be_reached_is_refused_with_the_least)
{
    static const char *const none[] = {
        "cost", "cost=", "cost=0", "cost=1.5", "cost=-1", "cost=x",
        "price=0.3", "cost=0.3,", ",cost=0.3", "=0.3", "cost=0.3x", "cost=nan",
        ""
    };
    char *named, again[32];

    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_int_eq(make(zoo_path, none[i], 0), AC_E_ARGUMENT);
        ck_assert_msg(strstr(zoo_error.message, "share of full's") != NULL,
                      "%s: %s", none[i], zoo_error.message);
    }
    ck_assert_int_eq(make(zoo_path, "cost=0.2,cost=0.20", 0), AC_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(zoo_error.message, "named twice"));
    ck_assert_int_eq(make(zoo_path, "cost=0.3,cost=0.01", 0), AC_E_ARGUMENT);
    named = strstr(zoo_error.message, "cost is 0.");
    ck_assert_msg(named != NULL && strstr(zoo_error.message, "cannot be "
                                          "reached") != NULL, "%s",
                  zoo_error.message);
    ck_assert_int_ne(access(zoo_path, F_OK), 0);
    snprintf(again, sizeof again, "cost=%.5s", named + 8);
    ck_assert_msg(make(zoo_path, again, 0) == AC_OK, "%s: %s", again,
                  zoo_error.message);
}
END_TEST

Suite *test_ladder_target_suite(void);
Suite *test_ladder_target_suite(void)
{
    Suite *suite = suite_create("test_ladder_target");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, zoo_enter, zoo_leave);
    tcase_add_test(tests, a_target_is_kept_and_a_looser_one_loses_less);
    tcase_add_test(tests, threads_do_not_matter);
    tcase_add_test(tests, what_cannot_be_reached_is_refused_with_the_least);
    suite_add_tcase(suite, tests);
    return suite;
}
