/* test_prune_allocate.c - what blocks give up for a target, which layers go. */
#include "workshop/compress/prune_allocate.h"

#include <check.h>
#include <math.h>
#include <string.h>

Suite *test_prune_allocate_suite(void);

enum { UNITS = 10 };

/* Losses with (1 - k / n)^power, times `scale`. */
static void curve(double *loss, double power, double scale)
{
    int k;

    for (k = 0; k <= UNITS; k++)
        loss[k] = scale * pow(1.0 - k / (double)UNITS, power);
}

static double cost_of(const int64_t *kept, const aci_prune_choice *choices,
                      int n)
{
    double cost = 0.0;

    while (n-- > 0)
        cost += (double)kept[n] * choices[n].cost_per_unit;
    return cost;
}

static double loss_of(const int64_t *kept, const aci_prune_choice *choices,
                      int n)
{
    double loss = 0.0;

    while (n-- > 0)
        loss += choices[n].loss[kept[n]] / choices[n].loss[0];
    return loss;
}

START_TEST(it_is_the_least_loss_for_its_cost)
{
    double a[UNITS + 1], b[UNITS + 1], c[UNITS + 1], reached;
    aci_prune_choice choices[] = { { a, UNITS, 1, 1.0, 0.0, 0 },
                                   { b, UNITS, 1, 1.0, 0.0, 1 },
                                   { c, UNITS, 1, 1.0, 0.0, 2 } };
    aci_prune_rules rules = { .n_layer = 3, .target = 0.6,
                              .least_share = 0.2 };
    int64_t kept[3], other[3];

    curve(a, 2.0, 5.0); /* sizes of outputs do not matter */
    curve(b, 3.0, 0.01);
    curve(c, 1.5, 1e3);
    ck_assert(aci_workshop_prune_allocate(kept, &reached, choices, 3, &rules,
                                          NULL) == AC_OK);
    ck_assert_double_eq_tol(reached, 0.6, 1e-9);
    ck_assert_double_eq_tol(cost_of(kept, choices, 3), 18.0, 1e-9);
    for (other[0] = 2; other[0] <= UNITS; other[0]++)
        for (other[1] = 2; other[1] <= UNITS; other[1]++) {
            other[2] = 18 - other[0] - other[1];
            if (other[2] >= 2 && other[2] <= UNITS)
                ck_assert_double_ge(loss_of(other, choices, 3) + 1e-12,
                                    loss_of(kept, choices, 3));
        }
    ck_assert_int_lt(kept[1], kept[0]);
    ck_assert_int_lt(kept[0], kept[2]);
    /* a block that matters more keeps more; a dear one gives more */
    choices[1].weight = 10.0;
    ck_assert(aci_workshop_prune_allocate(other, &reached, choices, 3, &rules,
                                          NULL) == AC_OK);
    ck_assert_int_gt(other[1], kept[1]);
    choices[1].weight = 0.0;
    choices[2].cost_per_unit = 4.0;
    ck_assert(aci_workshop_prune_allocate(other, &reached, choices, 3, &rules,
                                          NULL) == AC_OK);
    ck_assert_int_lt(other[2], kept[2]);
}
END_TEST

/* Half of block a's units are worth nothing, behind one that is worth much:
 * taken together they are the cheapest. */
START_TEST(it_sees_behind_a_step)
{
    double a[UNITS + 1], b[UNITS + 1], reached;
    aci_prune_choice choices[] = { { a, UNITS, 1, 1.0, 0.0, 0 },
                                   { b, UNITS, 1, 1.0, 0.0, 1 } };
    aci_prune_rules rules = { .n_layer = 2, .target = 0.75 };
    int64_t kept[2];
    int k;

    for (k = 0; k <= UNITS; k++)
        a[k] = k == UNITS ? 0.0 : k >= 5 ? 0.3 : 1.0;
    curve(b, 1.0, 1.0);
    ck_assert(aci_workshop_prune_allocate(kept, &reached, choices, 2, &rules,
                                          NULL) == AC_OK);
    ck_assert_int_eq(kept[0], 5);
    ck_assert_int_eq(kept[1], 10);
}
END_TEST

START_TEST(floors_multiples_and_protected_layers)
{
    double loss[1001], reached;
    aci_prune_choice choices[8];
    aci_prune_rules rules = { .n_layer = 8, .target = 0.1,
                              .fixed_cost = 100.0 };
    int64_t kept[8];
    ac_error error = AC_ERROR_INIT;
    int i;

    for (i = 0; i <= 1000; i++)
        loss[i] = 1000.0 - i;
    for (i = 0; i < 8; i++)
        choices[i] = (aci_prune_choice){ loss, 1000, 64, 1.0, 0.0, i };
    /* 30 % of 1000 is 300, in 64s 320 */
    ck_assert_int_eq(aci_workshop_prune_allocate(kept, &reached, choices, 8,
                                                 &rules, &error),
                     AC_E_BUDGET);
    for (i = 0; i < 8; i++)
        ck_assert_int_eq(kept[i], i < 2 || i == 7 ? 1000 : 320);
    ck_assert_double_eq_tol(reached, (3 * 1000 + 5 * 320 + 100) / 8100.0,
                            1e-9);
    ck_assert_ptr_nonnull(strstr(error.message, "least share"));
    rules.n_first = rules.n_last = -1;
    rules.target = 0.9;
    ck_assert(aci_workshop_prune_allocate(kept, &reached, choices, 8, &rules,
                                          NULL) == AC_OK);
    ck_assert_double_le(reached, 0.9);
    ck_assert_double_ge(reached, 0.9 - 64 / 8100.0);
    for (i = 0; i < 8; i++)
        ck_assert(kept[i] == 1000 || kept[i] % 64 == 0);
    rules.target = 1.0;
    ck_assert(aci_workshop_prune_allocate(kept, &reached, choices, 8, &rules,
                                          NULL) == AC_OK);
    ck_assert(kept[3] == 1000 && reached == 1.0);
    rules.target = 0.0;
    ck_assert(aci_workshop_prune_allocate(kept, &reached, choices, 8, &rules,
                                          NULL) == AC_E_ARGUMENT);
    rules.target = 0.5;
    loss[500] = NAN;
    ck_assert(aci_workshop_prune_allocate(kept, &reached, choices, 8, &rules,
                                          NULL) == AC_E_NUMERIC);
}
END_TEST

START_TEST(layers_that_do_least_go_first)
{
    double cosine[8] = { 0.99, 0.3, 0.9, 0.95, 0.8, 0.97, 0.5, 0.99 };
    uint8_t gone[8] = { 0 };
    const int32_t known[] = { 5, 3, 2, 4, 6, -1 };
    aci_prune_rules rules = { .n_layer = 8 };
    int32_t layer;
    int i;

    for (i = 0; i < 6; i++) {
        ck_assert(aci_workshop_next_layer(&layer, cosine, gone, &rules,
                                          NULL) == AC_OK);
        ck_assert_int_eq(layer, known[i]);
        if (layer >= 0)
            gone[layer] = 1;
    }
    memset(gone, 0, sizeof gone);
    rules.n_layer = 6; /* small: none is protected */
    ck_assert(aci_workshop_next_layer(&layer, cosine, gone, &rules, NULL) ==
              AC_OK);
    ck_assert_int_eq(layer, 0);
    cosine[4] = NAN;
    ck_assert(aci_workshop_next_layer(&layer, cosine, gone, &rules, NULL) ==
              AC_E_NUMERIC);
}
END_TEST

Suite *test_prune_allocate_suite(void)
{
    Suite *suite = suite_create("test_prune_allocate");
    TCase *tc = tcase_create("prune_allocate");

    tcase_add_test(tc, it_is_the_least_loss_for_its_cost);
    tcase_add_test(tc, it_sees_behind_a_step);
    tcase_add_test(tc, floors_multiples_and_protected_layers);
    tcase_add_test(tc, layers_that_do_least_go_first);
    suite_add_tcase(suite, tc);
    return suite;
}
