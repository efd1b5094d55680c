/* test_prune_neurons.c - neurons of a layer of the shipped model: what pruning
 * costs on text that it was not calibrated on. */
#include "workshop/compress/prune_neurons.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "real_layer.h"

Suite *test_prune_neurons_suite(void);

static aci_memory memory;
static aci_algebra *algebra;
static real_layer layer;
static double power; /* variance of the output over the held-out text */

static void set_up(void)
{
    int64_t n;
    double *bias;
    float *zero;

    real_layer_open(&layer, 4);
    aci_platform_memory_init(&memory);
    ck_assert(aci_workshop_algebra_create(&algebra, &memory, NULL, NULL,
                                          NULL) == AC_OK);
    n = layer.n_embd;
    bias = calloc((size_t)n, sizeof *bias);
    zero = calloc((size_t)(n * layer.n_ff), sizeof *zero);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < layer.n_ff; j++)
            bias[i] += (double)layer.w_down[i * layer.n_ff + j] *
                       layer.down.mean[j];
    power = real_error(layer.w_down, zero, bias, layer.down.held,
                       layer.down.n_rows, n, layer.n_ff);
    free(bias);
    free(zero);
}

static void tear_down(void)
{
    aci_workshop_algebra_free(algebra);
    real_layer_close(&layer);
}

static void prune(aci_pruning *out, int32_t method)
{
    aci_feed_forward block = { NULL, NULL, layer.w_down, layer.n_embd,
                               layer.n_ff };

    ck_assert(aci_workshop_prune_neurons(out, algebra, &block, layer.down.h,
                                         layer.down.mean, method, NULL) ==
              AC_OK);
}

/* Error over power on held-out text with `kept` columns of the order, whose
 * weights are cut [n_embd, kept]. */
static double held_error(const int32_t *order, const float *cut,
                         const double *bias, int64_t kept)
{
    int64_t n = layer.n_ff, i, j;
    float *full = calloc((size_t)(layer.n_embd * n), sizeof *full);
    double error;

    for (i = 0; i < layer.n_embd; i++)
        for (j = 0; j < kept; j++)
            full[i * n + order[j]] = cut[i * kept + j];
    error = real_error(layer.w_down, full, bias, layer.down.held,
                       layer.down.n_rows, layer.n_embd, n);
    free(full);
    return error / power;
}

static double compensated(const aci_pruning *p, int64_t kept)
{
    float *cut = calloc((size_t)(layer.n_embd * kept), sizeof *cut);
    double *bias = calloc((size_t)layer.n_embd, sizeof *bias), error;

    ck_assert(aci_workshop_prune_compensate(cut, bias, algebra, p, kept,
                                            NULL) == AC_OK);
    error = held_error(p->order, cut, bias, kept);
    free(cut);
    free(bias);
    return error;
}

static double bias_only(const aci_pruning *p, const int32_t *order,
                        int64_t kept, int with_bias)
{
    float *cut = calloc((size_t)(layer.n_embd * kept), sizeof *cut);
    double *bias = calloc((size_t)layer.n_embd, sizeof *bias), error;
    int64_t i, j;

    for (i = 0; i < layer.n_embd; i++)
        for (j = 0; j < kept; j++)
            cut[i * kept + j] = layer.w_down[i * layer.n_ff + order[j]];
    if (with_bias)
        aci_workshop_prune_bias(bias, p, kept);
    error = held_error(order, cut, with_bias ? bias : NULL, kept);
    free(cut);
    free(bias);
    return error;
}

static const double *sort_key;

static int by_key(const void *a, const void *b)
{
    double x = sort_key[*(const int32_t *)a], y = sort_key[*(const int32_t *)b];

    return (x < y) - (x > y);
}

/* Columns of W_down by their norm. */
static void order_by_magnitude(int32_t *order)
{
    double *norm = calloc((size_t)layer.n_ff, sizeof *norm);
    int64_t i, j;

    for (j = 0; j < layer.n_ff; j++) {
        order[j] = (int32_t)j;
        for (i = 0; i < layer.n_embd; i++)
            norm[j] += pow(layer.w_down[i * layer.n_ff + j], 2.0);
    }
    sort_key = norm;
    qsort(order, (size_t)layer.n_ff, sizeof *order, by_key);
    free(norm);
}

START_TEST(on_a_real_layer_it_beats_magnitude_and_flap)
{
    int32_t *magnitude = calloc((size_t)layer.n_ff, sizeof *magnitude);
    int64_t kept;
    aci_pruning second, flap, first;

    prune(&second, ACI_PRUNE_SECOND_ORDER);
    prune(&flap, ACI_PRUNE_FLUCTUATION);
    prune(&first, ACI_PRUNE_BIAS_ONLY);
    order_by_magnitude(magnitude);
    for (kept = layer.n_ff / 4; kept < layer.n_ff; kept += layer.n_ff / 4) {
        double ours = compensated(&second, kept);
        double flap_ls = compensated(&flap, kept);
        double flap_bias = bias_only(&flap, flap.order, kept, 1);
        double first_bias = bias_only(&first, first.order, kept, 1);
        double plain = bias_only(&second, magnitude, kept, 0);

        printf("  %3d %% of neurons: error %.4f of the output's variance; "
               "FLAP's order %.4f, with a bias only %.4f, ours for a bias "
               "%.4f; magnitude %.4f\n", (int)(100 * kept / layer.n_ff), ours,
               flap_ls, flap_bias, first_bias, plain);
        ck_assert_double_lt(ours, 0.5 * plain);
        ck_assert_double_lt(ours, 0.8 * flap_bias);
        ck_assert_double_lt(ours, 1.05 * flap_ls);
        ck_assert_double_lt(flap_bias, plain);
        /* what calibration promised is near what the other text shows */
        ck_assert_double_lt(ours,
                            2.0 * second.loss[kept] / second.loss[0] + 1e-3);
    }
    aci_workshop_pruning_free(&second);
    aci_workshop_pruning_free(&flap);
    aci_workshop_pruning_free(&first);
    free(magnitude);
}
END_TEST

/* Eight rounds are nearly as good as one neuron at a time. */
START_TEST(rounds_cost_little)
{
    aci_prune_input in = { .weights = layer.w_down, .n_out = layer.n_embd,
                           .n_in = layer.n_ff, .width = 1, .h = layer.down.h,
                           .mean = layer.down.mean };
    double loss[3];
    int i;

    for (i = 0; i < 3; i++) {
        const int32_t rounds[] = { 1, 0, 64 };
        aci_pruning p;

        in.rounds = rounds[i];
        ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_OK);
        loss[i] = p.loss[layer.n_ff / 2] / p.loss[0];
        aci_workshop_pruning_free(&p);
    }
    printf("  half the neurons: %.4f in one round, %.4f in 8, %.4f in 64\n",
           loss[0], loss[1], loss[2]);
    ck_assert_double_lt(loss[1], loss[0]);
    ck_assert_double_lt(loss[1], 1.25 * loss[2]);
}
END_TEST

START_TEST(a_block_in_order_computes_the_same)
{
    enum { EMBD = 3, FF = 4 };
    float gate[FF * EMBD], up[FF * EMBD], down[EMBD * FF], x[EMBD];
    float to_gate[FF * EMBD], to_up[FF * EMBD], to_down[EMBD * FF];
    const int32_t order[FF] = { 2, 0, 3, 1 };
    aci_feed_forward block = { gate, up, down, EMBD, FF };
    double out[2][EMBD] = { { 0.0 } };
    int i, j, k, time;

    for (i = 0; i < FF * EMBD; i++) {
        gate[i] = (float)(i % 5) - 1.5f;
        up[i] = (float)(i % 7) * 0.3f;
        down[i] = (float)(i * i % 11);
    }
    for (i = 0; i < EMBD; i++)
        x[i] = (float)i - 0.7f;
    aci_workshop_order_neurons(to_gate, to_up, to_down, &block, order);
    for (time = 0; time < 2; time++)
        for (j = 0; j < FF; j++) {
            double g = 0.0, u = 0.0;

            for (k = 0; k < EMBD; k++) {
                g += (time ? to_gate : gate)[j * EMBD + k] * x[k];
                u += (time ? to_up : up)[j * EMBD + k] * x[k];
            }
            for (i = 0; i < EMBD; i++)
                out[time][i] += (time ? to_down : down)[i * FF + j] * g /
                                (1.0 + exp(-g)) * u;
        }
    for (i = 0; i < EMBD; i++)
        ck_assert_double_eq_tol(out[0][i], out[1][i], 1e-12);
    ck_assert(to_down[0] == down[2] && to_gate[0] == gate[2 * EMBD]);
}
END_TEST

Suite *test_prune_neurons_suite(void)
{
    Suite *suite = suite_create("test_prune_neurons");
    TCase *tc = tcase_create("prune_neurons");

    tcase_add_unchecked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, on_a_real_layer_it_beats_magnitude_and_flap);
    tcase_add_test(tc, rounds_cost_little);
    tcase_add_test(tc, a_block_in_order_computes_the_same);
    suite_add_tcase(suite, tc);
    return suite;
}
