/* test_policy.c - which variant is chosen, and why; decisions to the bit.
 *
 * The predictors are made here: all numbers zero but two heads' biases, so
 * their answers are known; the golden one is filled from a seeded stream. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"
#include "router/predictor.h"

static aci_memory memory;

static aci_predictor *make(const char *a, float success_a, const char *b,
                           float success_b)
{
    aci_network_shape shape = { 15, 64, 8, 2 };
    aci_predictor *p;
    float *head;

    aci_platform_memory_init(&memory);
    p = aci_router_predictor_new(&memory, &shape, 14);
    head = p->numbers + p->places.heads;
    head[ACI_HEAD_SLOPE] = head[ACI_HEAD_SIZE + ACI_HEAD_SLOPE] = 1.0f;
    head[ACI_HEAD_OFFSET] = logf(success_a / (1.0f - success_a));
    head[ACI_HEAD_SIZE + ACI_HEAD_OFFSET] =
        logf(success_b / (1.0f - success_b));
    strcpy(p->names[0], a);
    strcpy(p->names[1], b);
    memset(p->familiar, 255, (size_t)1 << 11); /* knows every word */
    p->max_unfamiliarity = 0.5f;
    return p;
}

static const aci_candidate zoo[3] = {
    { "full", 1.0, 1000 }, { "int8", 0.5, 500 }, { "int4", 0.25, 250 }
};

static ac_decision decide(const aci_predictor *p, const aci_policy *policy)
{
    ac_decision d;

    aci_router_decide(&d, p, zoo, 3, 0, policy, "some words", 10);
    return d;
}

static void expect(const ac_decision *d, const char *name, uint32_t reason)
{
    ck_assert_str_eq(d->variant_name, name);
    ck_assert_uint_eq(d->reason, reason);
    ck_assert_str_eq(zoo[d->variant].name, name);
    ck_assert(d->expected_nanodollars == zoo[d->variant].expected_nanodollars);
    ck_assert(d->full_nanodollars == 1000);
    ck_assert_uint_eq(d->n_variants, 3);
}

/* Success of int8, of int4, the least asked; what should come. */
static const struct {
    float int8, int4, least;
    const char *variant;
    uint32_t reason;
} table[] = {
    { 0.95f, 0.90f, 0.70f, "int4", AC_REASON_CHEAPEST },
    { 0.95f, 0.69f, 0.70f, "int8", AC_REASON_CHEAPEST },
    { 0.60f, 0.65f, 0.70f, "full", AC_REASON_LOW_CONFIDENCE },
    { 0.60f, 0.65f, 0.62f, "int4", AC_REASON_CHEAPEST },
    { 0.60f, 0.65f, 0.00f, "full", AC_REASON_LOW_CONFIDENCE }, /* 0: 0.7 */
    { 0.95f, 0.90f, 1.00f, "full", AC_REASON_LOW_CONFIDENCE },
    { 0.10f, 0.75f, 0.70f, "int4", AC_REASON_CHEAPEST },
};

START_TEST(the_cheapest_sufficient_variant_is_chosen)
{
    aci_policy policy = { table[_i].least, 0.0f, -1, 0 };
    aci_predictor *p = make("int8", table[_i].int8, "int4", table[_i].int4);
    ac_decision d = decide(p, &policy);

    expect(&d, table[_i].variant, table[_i].reason);
    ck_assert(d.success[0] == 1.0f);
    ck_assert_float_eq_tol(d.success[1], table[_i].int8, 1e-5f);
    ck_assert_float_eq_tol(d.success[2], table[_i].int4, 1e-5f);
    ck_assert(d.confidence == d.success[d.variant]);
    ck_assert(d.unfamiliarity == 0.0f);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(unfamiliar_prompts_go_to_full)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    aci_predictor *p = make("int8", 0.9f, "int4", 0.9f);
    ac_decision d;

    memset(p->familiar, 0, (size_t)1 << 11);
    d = decide(p, &policy);
    expect(&d, "full", AC_REASON_UNFAMILIAR);
    ck_assert(d.unfamiliarity == 1.0f);
    policy.max_unfamiliarity = 1.0f; /* the caller does not mind */
    d = decide(p, &policy);
    expect(&d, "int4", AC_REASON_CHEAPEST);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(an_empty_prompt_is_unfamiliar)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    aci_predictor *p = make("int8", 0.9f, "int4", 0.9f);
    ac_decision d;

    aci_router_decide(&d, p, zoo, 3, 0, &policy, NULL, 0);
    expect(&d, "full", AC_REASON_UNFAMILIAR);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(a_shape_far_outside_is_unfamiliar)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    aci_predictor *p = make("int8", 0.9f, "int4", 0.9f);
    float *mean = p->numbers + p->places.standard;
    size_t n = (size_t)1 << 20;
    char *text = malloc(n);
    ac_decision d;

    memset(text, 'w', n);
    mean[ACI_SHAPE_LENGTH] = 8.0f; /* prompts of 256 bytes, give or take */
    mean[ACI_ROUTER_SHAPES + ACI_SHAPE_LENGTH] = 1.0f;
    aci_router_decide(&d, p, zoo, 3, 0, &policy, text, 256);
    expect(&d, "int4", AC_REASON_CHEAPEST);
    aci_router_decide(&d, p, zoo, 3, 0, &policy, text, n);
    expect(&d, "full", AC_REASON_UNFAMILIAR);
    free(text);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(a_pinned_variant_is_taken)
{
    aci_policy policy = { 0.7f, 0.0f, 1, 1 }; /* over budget, never mind */
    aci_predictor *p = make("int8", 0.1f, "int4", 0.9f);
    ac_decision d = decide(p, &policy);

    expect(&d, "int8", AC_REASON_PINNED);
    ck_assert_float_eq_tol(d.confidence, 0.1f, 1e-5f);
    d = decide(NULL, &policy);
    expect(&d, "int8", AC_REASON_PINNED);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(without_a_predictor_full_answers)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    ac_decision d = decide(NULL, &policy);

    expect(&d, "full", AC_REASON_NO_PREDICTOR);
    ck_assert(d.confidence == 1.0f);
    ck_assert(d.prompt_hash != 0);
}
END_TEST

/* Success of int8 and int4, the budget; what should come. */
static const struct {
    float int8, int4;
    int64_t budget;
    const char *variant;
    uint32_t reason;
} budgets[] = {
    { 0.60f, 0.30f, 1000, "full", AC_REASON_LOW_CONFIDENCE }, /* it fits */
    { 0.60f, 0.30f, 999, "int8", AC_REASON_BUDGET },
    { 0.30f, 0.60f, 999, "int4", AC_REASON_BUDGET },
    { 0.60f, 0.30f, 499, "int4", AC_REASON_BUDGET },
    { 0.60f, 0.30f, 249, "int4", AC_REASON_BUDGET }, /* nothing fits */
    { 0.95f, 0.90f, 250, "int4", AC_REASON_CHEAPEST },
    { 0.95f, 0.30f, 250, "int4", AC_REASON_BUDGET },
};

START_TEST(a_budget_buys_the_best_within_it)
{
    aci_policy policy = { 0.7f, 0.0f, -1, budgets[_i].budget };
    aci_predictor *p = make("int8", budgets[_i].int8, "int4",
                            budgets[_i].int4);
    ac_decision d = decide(p, &policy);

    expect(&d, budgets[_i].variant, budgets[_i].reason);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(a_budget_without_a_predictor_takes_the_nearest_to_full)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 600 };
    ac_decision d = decide(NULL, &policy);

    expect(&d, "int8", AC_REASON_BUDGET);
}
END_TEST

START_TEST(a_budget_without_prices_takes_the_cheapest)
{
    aci_candidate unpriced[2] = { { "full", 1.0, -1 }, { "int4", 0.25, -1 } };
    aci_policy policy = { 0.7f, 0.0f, -1, 600 };
    ac_decision d;

    aci_router_decide(&d, NULL, unpriced, 2, 0, &policy, "x", 1);
    ck_assert_str_eq(d.variant_name, "int4");
    ck_assert_uint_eq(d.reason, AC_REASON_BUDGET);
    ck_assert(d.expected_nanodollars == -1 && d.full_nanodollars == -1);
}
END_TEST

START_TEST(a_variant_without_a_head_is_not_routed_to)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    aci_predictor *p = make("int8", 0.9f, "other", 0.9f);
    ac_decision d = decide(p, &policy);

    expect(&d, "int8", AC_REASON_CHEAPEST);
    ck_assert(d.success[2] == 0.0f);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(full_has_its_own_head_when_trained)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    aci_predictor *p = make("full", 0.8f, "int4", 0.3f);
    ac_decision d = decide(p, &policy);

    expect(&d, "full", AC_REASON_LOW_CONFIDENCE);
    ck_assert_float_eq_tol(d.confidence, 0.8f, 1e-5f);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(a_variant_dearer_than_full_is_not_chosen)
{
    aci_candidate dear[2] = { { "full", 1.0, 10 }, { "int8", 1.2, 12 } };
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    aci_predictor *p = make("int8", 0.9f, "int4", 0.9f);
    ac_decision d;

    aci_router_decide(&d, p, dear, 2, 0, &policy, "some words", 10);
    ck_assert_str_eq(d.variant_name, "full");
    ck_assert_uint_eq(d.reason, AC_REASON_CHEAPEST);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(absurd_weights_give_no_confidence)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    aci_predictor *p = make("int8", 0.9f, "int4", 0.9f);
    ac_decision d;
    size_t i;

    for (i = 0; i < p->places.standard; i++)
        p->numbers[i] = i % 2 ? 3e38f : -3e38f;
    d = decide(p, &policy);
    ck_assert(d.success[1] >= 0.0f && d.success[1] <= 1.0f);
    ck_assert(d.success[2] >= 0.0f && d.success[2] <= 1.0f);
    aci_router_predictor_close(p);
}
END_TEST

/* ---- To the bit ---------------------------------------------------------- */

/* The golden bits came out the same of gcc 12 and clang 14 at -O0, -O2 and
 * -O3 -march=native; any other bits are a fault, not a tolerance. */
static aci_predictor *make_golden(void)
{
    aci_network_shape shape = { 15, 4096, 100, 3 };
    aci_predictor *p;
    aci_random random;
    size_t i;

    aci_platform_memory_init(&memory);
    p = aci_router_predictor_new(&memory, &shape, 14);
    aci_platform_random_seed(&random, 2026);
    for (i = 0; i < p->places.total; i++)
        p->numbers[i] =
            (float)(aci_platform_random_unit(&random) - 0.5) * 0.7f;
    return p;
}

static const struct {
    const char *prompt;
    uint32_t bits[3]; /* of the three heads' success */
    uint64_t hash;
} golden[] = {
    { "", { 0x3ED8DDAEu, 0x3F013DF8u, 0x3F04B0B2u }, 0x257B09A147B82A19u },
    { "Hello", { 0x3EE321EBu, 0x3F00F3A5u, 0x3F04B460u },
      0x4432B10F2BC2CE49u },
    { "What is the capital of France?\nA. Paris\nB. Rome\nAnswer:",
      { 0x3EE8CA2Eu, 0x3EFC8D36u, 0x3F04B4A5u }, 0x91F014C07ECEF62Du },
    { "\xFF\xC3( caf\xC3\xA9 \xF0\x9F\x98\x80 12345",
      { 0x3EE53737u, 0x3EFEBAA8u, 0x3F04B375u }, 0xA8B5C66364B1D756u },
    { "def f(x):\n\treturn {x: x**2}; // ```",
      { 0x3EEA2BF7u, 0x3F002F00u, 0x3F04B93Fu }, 0x7DD68A3462C781B9u },
    { "Natalia sold clips to 48 of her friends in April, and then she sold "
      "half as many clips in May. How many?",
      { 0x3EF19DCCu, 0x3F006904u, 0x3F04B83Au }, 0x9529F6099538D7E7u },
};

START_TEST(success_is_the_same_to_the_bit)
{
    aci_predictor *p = make_golden();
    float success[3], unfamiliarity;
    uint64_t hash;
    uint32_t bits;
    int k;

    aci_router_predict(success, &unfamiliarity, &hash, p, golden[_i].prompt,
                       strlen(golden[_i].prompt));
    for (k = 0; k < 3; k++) {
        memcpy(&bits, &success[k], sizeof bits);
        ck_assert_msg(bits == golden[_i].bits[k], "head %d: 0x%08X", k, bits);
    }
    ck_assert_msg(hash == golden[_i].hash, "hash 0x%016llX",
                  (unsigned long long)hash);
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(a_decision_replays)
{
    aci_policy policy = { 0.5f, 1.0f, -1, 0 };
    aci_predictor *p = make_golden();
    ac_decision a, b;

    strcpy(p->names[0], "int8");
    strcpy(p->names[1], "int4");
    memset(&a, 0xA5, sizeof a);
    aci_router_decide(&a, p, zoo, 3, 0, &policy, "Replay me.", 10);
    memset(&b, 0x5A, sizeof b);
    aci_router_decide(&b, p, zoo, 3, 0, &policy, "Replay me.", 10);
    ck_assert(memcmp(&a, &b, sizeof a) == 0);
    aci_router_predictor_close(p);
}
END_TEST

Suite *test_policy_suite(void);

Suite *test_policy_suite(void)
{
    Suite *suite = suite_create("test_policy");
    TCase *tests = tcase_create("all");

    tcase_add_loop_test(tests, the_cheapest_sufficient_variant_is_chosen, 0,
                        (int)(sizeof table / sizeof table[0]));
    tcase_add_test(tests, unfamiliar_prompts_go_to_full);
    tcase_add_test(tests, an_empty_prompt_is_unfamiliar);
    tcase_add_test(tests, a_shape_far_outside_is_unfamiliar);
    tcase_add_test(tests, a_pinned_variant_is_taken);
    tcase_add_test(tests, without_a_predictor_full_answers);
    tcase_add_loop_test(tests, a_budget_buys_the_best_within_it, 0,
                        (int)(sizeof budgets / sizeof budgets[0]));
    tcase_add_test(tests,
                   a_budget_without_a_predictor_takes_the_nearest_to_full);
    tcase_add_test(tests, a_budget_without_prices_takes_the_cheapest);
    tcase_add_test(tests, a_variant_without_a_head_is_not_routed_to);
    tcase_add_test(tests, full_has_its_own_head_when_trained);
    tcase_add_test(tests, a_variant_dearer_than_full_is_not_chosen);
    tcase_add_test(tests, absurd_weights_give_no_confidence);
    tcase_add_loop_test(tests, success_is_the_same_to_the_bit, 0,
                        (int)(sizeof golden / sizeof golden[0]));
    tcase_add_test(tests, a_decision_replays);
    suite_add_tcase(suite, tests);
    return suite;
}
