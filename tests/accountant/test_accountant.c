/* test_accountant.c - a request from reserve to settle: money, energy, full,
 * drops, expectations. */
#include "accountant/accountant.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "accountant/ledger.h"
#include "router/router.h"
#include "small_model.h"

static aci_memory memory;
static aci_model model;
static ac_error error;

static aci_accountant *open_with(const aci_accountant_options *options)
{
    ac_error none = AC_ERROR_INIT;
    aci_accountant *accountant;

    error = none;
    model = small_model();
    aci_platform_memory_init(&memory);
    ck_assert_msg(aci_accountant_open(&accountant, &memory, &model, options,
                                      &error) == AC_OK, "%s", error.message);
    return accountant;
}

static void close_it(aci_accountant *accountant)
{
    aci_accountant_close(accountant);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static ac_usage run(aci_accountant *accountant, uint32_t variant)
{
    ac_decision decision = small_decision(&model, variant);
    ac_usage usage = small_usage(variant);
    aci_meter meter;

    ck_assert_int_eq(aci_accountant_reserve(&meter, accountant, &decision,
                                            NULL, 5, "label", NULL), AC_OK);
    ck_assert_int_eq(aci_accountant_settle(&usage, accountant, &meter, 16, 7,
                                           AC_STOP_END, &decision, NULL),
                     AC_OK);
    return usage;
}

START_TEST(without_a_ledger_costs_are_told)
{
    aci_accountant_options options = { .power_root = "/nowhere" };
    aci_accountant *accountant = open_with(&options);
    ac_usage u = run(accountant, SMALL_INT4);

    /* local-cpu: 0.085 dollars an hour; the router's 0.1 ms included. */
    ck_assert(u.nanodollars == (int64_t)llround(6.0001 * 0.085e9 / 3600));
    ck_assert(u.full_nanoseconds == 12500000000u); /* 2/0.8 + 4/0.4 */
    ck_assert(u.full_nanodollars == (int64_t)llround(12.5 * 0.085e9 / 3600));
    ck_assert_uint_eq(u.full_basis, AC_BASIS_CARD);
    ck_assert(u.microjoules == -1);
    ck_assert_uint_eq(u.energy_source, AC_ENERGY_NONE);
    ck_assert_ptr_nonnull(strstr(aci_accountant_energy_reason(accountant),
                                 "/nowhere"));
    ck_assert(u.macs > 0 && u.bit_operations > u.macs && u.bytes_moved > 0);
    ck_assert_uint_eq(aci_accountant_drops(accountant), 0);
    close_it(accountant);
}
END_TEST

START_TEST(full_costs_itself_without_the_router)
{
    aci_accountant_options options = { .power_root = "/nowhere" };
    aci_accountant *accountant = open_with(&options);
    ac_usage u = run(accountant, SMALL_FULL);

    ck_assert_uint_eq(u.full_basis, AC_BASIS_SAME);
    ck_assert(u.full_nanoseconds == 6000000000u);
    ck_assert(u.nanodollars > u.full_nanodollars); /* routing is not free */
    close_it(accountant);
}
END_TEST

START_TEST(no_price_is_never_nought)
{
    aci_accountant_options options = { .price_name = "unpriced",
                                       .power_root = "/nowhere" };
    aci_accountant *accountant = open_with(&options);
    ac_usage u = run(accountant, SMALL_INT4);
    double seconds;
    int64_t dollars;

    ck_assert(u.nanodollars == -1 && u.full_nanodollars == -1);
    aci_accountant_estimate(&seconds, &dollars, accountant, 0, 10, 10);
    ck_assert(dollars == -1 && seconds > 0);
    ck_assert(aci_accountant_price(accountant, 1) == -1);
    close_it(accountant);
}
END_TEST

static void put(const char *name, const char *text)
{
    FILE *file = fopen(small_path(name), "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(joules_are_those_between_reserve_and_settle)
{
    aci_accountant_options options = { 0 };
    aci_accountant *accountant;
    ac_decision decision;
    ac_usage usage = small_usage(SMALL_INT8);
    aci_meter meter;
    char root[256];

    mkdir(small_path("intel-rapl:0"), 0777);
    put("intel-rapl:0/name", "package-0\n");
    put("intel-rapl:0/energy_uj", "999000\n");
    put("intel-rapl:0/max_energy_range_uj", "1000000\n");
    strcpy(root, small_path(""));
    options.power_root = root;
    accountant = open_with(&options);
    decision = small_decision(&model, SMALL_INT8);
    ck_assert_ptr_null(aci_accountant_energy_reason(accountant));
    put("intel-rapl:0/energy_uj", "999500\n");
    aci_accountant_reserve(&meter, accountant, &decision, NULL, 0, NULL, NULL);
    put("intel-rapl:0/energy_uj", "250\n"); /* wrapped */
    aci_accountant_settle(&usage, accountant, &meter, 16, 0, 0, &decision,
                          NULL);
    ck_assert(usage.microjoules == 750);
    ck_assert_uint_eq(usage.energy_source, AC_ENERGY_RAPL);
    close_it(accountant);
    small_remove();
}
END_TEST

START_TEST(a_ledger_that_cannot_be_opened)
{
    aci_accountant_options options = { .power_root = "/nowhere" };
    aci_accountant *accountant;
    char path[256];

    strcpy(path, small_path("no/folder.sqlite"));
    options.ledger_path = path;
    model = small_model();
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_accountant_open(&accountant, &memory, &model,
                                         &options, NULL), AC_E_IO);
    ck_assert_ptr_null(accountant);
    ck_assert_uint_eq(memory.used_bytes, 0);
    options.ledger_policy = AC_LEDGER_DROP;
    accountant = open_with(&options);
    run(accountant, SMALL_INT4);
    run(accountant, SMALL_INT4);
    ck_assert_uint_eq(aci_accountant_drops(accountant), 2);
    close_it(accountant);
    /* Dropping is for refusals; a stranger's file is a mistake. */
    put("stranger", "this is no ledger, and is not to be written to\n"
        "................................................................");
    strcpy(path, small_path("stranger"));
    ck_assert_int_eq(aci_accountant_open(&accountant, &memory, &model,
                                         &options, NULL), AC_E_FORMAT);
    small_remove();
}
END_TEST

START_TEST(mistakes_of_the_caller_are_told)
{
    aci_accountant_options options = { .price_name = "abacus" };
    aci_accountant *accountant;
    ac_usage usage = small_usage(7);
    aci_meter meter = { 0, -1 };
    ac_decision decision;

    model = small_model();
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_accountant_open(&accountant, &memory, &model,
                                         &options, NULL), AC_E_NOT_FOUND);
    options.price_name = NULL;
    accountant = open_with(&options);
    decision = small_decision(&model, 0);
    ck_assert_int_eq(aci_accountant_settle(&usage, accountant, &meter, 16, 0,
                                           0, &decision, NULL),
                     AC_E_INTERNAL);
    close_it(accountant);
    aci_accountant_close(NULL);
}
END_TEST

START_TEST(every_failed_allocation_is_told)
{
    aci_accountant_options options = { .power_root = "/nowhere" };
    aci_accountant *accountant;
    char path[256];
    uint64_t n;

    strcpy(path, small_path("l.sqlite"));
    options.ledger_path = path;
    model = small_model();
    for (n = 1;; n++) {
        ac_status status;

        aci_platform_memory_init(&memory);
        memory.fail_at = n;
        status = aci_accountant_open(&accountant, &memory, &model, &options,
                                     NULL);
        if (status == AC_OK)
            break;
        ck_assert_int_eq(status, AC_E_NO_MEMORY);
        ck_assert_uint_eq(memory.used_bytes, 0);
    }
    ck_assert_uint_gt(n, 3);
    close_it(accountant);
    small_remove();
}
END_TEST

/* ---- expectations -------------------------------------------------------- */

START_TEST(expectations_follow_the_machine)
{
    aci_accountant_options options = { .power_root = "/nowhere" };
    aci_accountant *accountant = open_with(&options);
    double before, after;
    int64_t dollars;
    int i;

    aci_accountant_estimate(&before, &dollars, accountant, SMALL_INT4, 100,
                            21);
    ck_assert(before > 0 && before < 0.1); /* nominal: a tiny model */
    for (i = 0; i < 3; i++)
        run(accountant, SMALL_FULL); /* 2 s and 4 s */
    aci_accountant_estimate(&after, &dollars, accountant, SMALL_FULL, 100, 21);
    ck_assert_double_eq_tol(after, 6.0, 0.1);
    /* What full taught holds for int4, by the card's ratios. */
    aci_accountant_estimate(&after, &dollars, accountant, SMALL_INT4, 100, 21);
    ck_assert_double_eq_tol(after, 2.0 * 0.8 + 4.0 * 0.4, 0.1);
    ck_assert(dollars == aci_accountant_price(
                             accountant, (uint64_t)llround(after * 1e9)));
    close_it(accountant);
}
END_TEST

START_TEST(measurements_never_turn_the_order)
{
    aci_accountant_options options = { .power_root = "/nowhere" };
    aci_accountant *accountant = open_with(&options);
    ac_decision decision = small_decision(&model, SMALL_INT4);
    aci_meter meter = { 0, -1 };
    double full, int8, int4;
    int64_t dollars;
    int i;

    for (i = 0; i < 20; i++) {
        ac_usage usage = small_usage((uint32_t)i % 3);

        usage.prefill_nanoseconds = i % 2 ? 1 : UINT64_MAX;
        usage.decode_nanoseconds = i % 3 ? 1 : INT64_MAX;
        aci_accountant_settle(&usage, accountant, &meter, 16, 0, 0, &decision,
                              NULL);
        aci_accountant_estimate(&full, &dollars, accountant, 0, 50, 50);
        aci_accountant_estimate(&int8, &dollars, accountant, 1, 50, 50);
        aci_accountant_estimate(&int4, &dollars, accountant, 2, 50, 50);
        ck_assert(isfinite(full) && int4 < full && int8 < full);
        ck_assert(dollars >= 0);
    }
    close_it(accountant);
}
END_TEST

/* ---- replay -------------------------------------------------------------- */

START_TEST(a_decision_is_replayed_from_the_ledger)
{
    static const char prompt[] = "Why is the sky blue?";
    aci_accountant_options options = { .power_root = "/nowhere",
                                       .predictor_checksum = 42 };
    aci_candidate candidates[3], kept[3];
    aci_policy policy = { 0.7f, 0.0f, -1, 300 }, again = { 0 };
    aci_decision_inputs inputs;
    aci_ledger_replay replay;
    ac_decision decision, second;
    aci_accountant *accountant;
    aci_ledger *ledger;
    aci_meter meter;
    char path[256];
    int i;

    strcpy(path, small_path("l.sqlite"));
    options.ledger_path = path;
    accountant = open_with(&options);
    memset(&inputs, 0, sizeof inputs);
    for (i = 0; i < 3; i++) {
        candidates[i].name = model.variants[i].name;
        candidates[i].cost = inputs.cost[i] = 1.0 / (1 + i);
        candidates[i].expected_nanodollars = 700 - 250 * i;
        inputs.expected_nanodollars[i] = 700 - 250 * i;
    }
    inputs.min_confidence = policy.min_confidence;
    inputs.pinned = policy.pinned;
    inputs.budget_nanodollars = policy.budget_nanodollars;
    inputs.n_candidates = 3;
    aci_router_decide(&decision, NULL, candidates, 3, 0, &policy, prompt,
                      sizeof prompt - 1);
    ck_assert_uint_eq(decision.reason, AC_REASON_BUDGET);
    decision.router_nanoseconds = 1234;
    ck_assert_int_eq(aci_accountant_reserve(&meter, accountant, &decision,
                                            &inputs, 1, NULL, NULL), AC_OK);
    close_it(accountant);

    ck_assert_int_eq(aci_accountant_ledger_open(&ledger, &memory, path, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_accountant_ledger_replay(&replay, ledger,
                                                  meter.request_id, NULL),
                     AC_OK);
    ck_assert(replay.predictor_checksum == 42);
    ck_assert(replay.model_checksum == model.checksum);
    again.min_confidence = replay.inputs.min_confidence;
    again.max_unfamiliarity = replay.inputs.max_unfamiliarity;
    again.pinned = replay.inputs.pinned;
    again.budget_nanodollars = replay.inputs.budget_nanodollars;
    for (i = 0; i < replay.inputs.n_candidates; i++) {
        kept[i].name = model.variants[i].name;
        kept[i].cost = replay.inputs.cost[i];
        kept[i].expected_nanodollars = replay.inputs.expected_nanodollars[i];
    }
    aci_router_decide(&second, NULL, kept, replay.inputs.n_candidates, 0,
                      &again, prompt, sizeof prompt - 1);
    second.router_nanoseconds = 1234; /* timed, not decided */
    ck_assert_mem_eq(&second, &decision, sizeof decision);
    ck_assert_int_eq(aci_accountant_ledger_replay(&replay, ledger, 99, NULL),
                     AC_E_NOT_FOUND);
    aci_accountant_ledger_close(ledger);
    small_remove();
}
END_TEST

Suite *test_accountant_suite(void);
Suite *test_accountant_suite(void)
{
    Suite *suite = suite_create("test_accountant");
    TCase *tests = tcase_create("test_accountant");

    tcase_add_test(tests, without_a_ledger_costs_are_told);
    tcase_add_test(tests, full_costs_itself_without_the_router);
    tcase_add_test(tests, no_price_is_never_nought);
    tcase_add_test(tests, joules_are_those_between_reserve_and_settle);
    tcase_add_test(tests, a_ledger_that_cannot_be_opened);
    tcase_add_test(tests, mistakes_of_the_caller_are_told);
    tcase_add_test(tests, every_failed_allocation_is_told);
    tcase_add_test(tests, expectations_follow_the_machine);
    tcase_add_test(tests, measurements_never_turn_the_order);
    tcase_add_test(tests, a_decision_is_replayed_from_the_ledger);
    suite_add_tcase(suite, tests);
    return suite;
}
