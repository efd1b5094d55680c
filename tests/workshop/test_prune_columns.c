/* test_prune_columns.c - orders, losses and compensated weights, against least
 * squares on the samples themselves, solved by elimination in long double. */
#include "workshop/compress/prune_columns.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"
#include "real_layer.h"

Suite *test_prune_columns_suite(void);

enum { OUT = 5, IN = 12, ROWS = 80 };

static aci_memory memory;
static aci_algebra *algebra;
static float weights[OUT * IN], samples[ROWS * IN], mean[IN];
static double moments[IN * IN];

/* Inputs that hang together and have a mean; input 3 is dead. */
static void set_up(void)
{
    aci_random random;
    int i, j;

    aci_platform_memory_init(&memory);
    ck_assert(aci_workshop_algebra_create(&algebra, &memory, NULL, NULL,
                                          NULL) == AC_OK);
    aci_platform_random_seed(&random, 21);
    for (i = 0; i < OUT * IN; i++)
        weights[i] = (float)aci_platform_random_normal(&random);
    for (i = 0; i < ROWS; i++) {
        float shared = (float)aci_platform_random_normal(&random);

        for (j = 0; j < IN; j++) {
            float own = (float)aci_platform_random_normal(&random);

            samples[i * IN + j] =
                j == 3 ? 0.0f
                       : (float)(1 + j % 4) * own * (j % 3 == 0 ? 0.2f : 1.0f)
                             + shared * (float)(j % 5) + (float)(j - 4);
        }
    }
    real_statistics(moments, mean, samples, ROWS, IN);
}

static void tear_down(void)
{
    aci_workshop_algebra_free(algebra);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static aci_prune_input input_of(int64_t width, int32_t method, int32_t rounds)
{
    aci_prune_input in = { weights, OUT, IN, width, moments, mean, 1e-9,
                           method, rounds };

    return in;
}

/* The least mean |W x - W' x_K - b|^2 over W', b, for the columns of `units`
 * that are not 0 in every sample, by the normal equations of [x_K, 1]. */
static double least_loss(float *w_2, double *bias, const int32_t *units,
                         int n_units, int width)
{
    long double a[IN + 1][IN + 1 + OUT] = { { 0.0L } }, loss = 0.0L;
    int column[IN], n = 0, i, j, r, p;

    for (i = 0; i < n_units * width; i++) {
        int from = units[i / width] * width + i % width;

        if (from != 3)
            column[n++] = from;
    }
    for (r = 0; r < ROWS; r++)
        for (i = 0; i <= n; i++) {
            long double x = i < n ? samples[r * IN + column[i]] : 1.0L;

            for (j = 0; j <= n; j++)
                a[i][j] += x * (j < n ? samples[r * IN + column[j]] : 1.0L);
            for (p = 0; p < OUT; p++)
                for (j = 0; j < IN; j++)
                    a[i][n + 1 + p] += x * weights[p * IN + j] *
                                       samples[r * IN + j];
        }
    for (p = 0; p <= n; p++) /* Gauss, Jordan; positive definite */
        for (i = 0; i <= n; i++) {
            long double factor = i == p ? 0.0L : a[i][p] / a[p][p];

            for (j = p; j < n + 1 + OUT && i != p; j++)
                a[i][j] -= factor * a[p][j];
        }
    for (i = 0; i < OUT; i++) {
        for (j = 0; j < n; j++)
            w_2[i * IN + column[j]] = (float)(a[j][n + 1 + i] / a[j][j]);
        bias[i] = (double)(a[n][n + 1 + i] / a[n][n]);
    }
    for (r = 0; r < ROWS; r++)
        for (i = 0; i < OUT; i++) {
            long double d = -(a[n][n + 1 + i] / a[n][n]);

            for (j = 0; j < IN; j++)
                d += (long double)weights[i * IN + j] * samples[r * IN + j];
            for (j = 0; j < n; j++)
                d -= a[j][n + 1 + i] / a[j][j] * samples[r * IN + column[j]];
            loss += d * d;
        }
    return (double)(loss / ROWS);
}

/* Every number of units kept: loss, weights and bias are those of least
 * squares over the units that the order names. */
static void check_against_samples(const aci_pruning *p)
{
    int width = (int)p->width, k, i, j;

    for (k = 0; k <= p->n_units; k++) {
        float known[OUT * IN] = { 0.0f }, got[OUT * IN];
        double known_bias[OUT], bias[OUT];
        double loss = least_loss(known, known_bias, p->order, k, width);
        double scale = p->loss[0];

        ck_assert_double_eq_tol(p->loss[k] / scale, loss / scale, 1e-6);
        ck_assert(aci_workshop_prune_compensate(got, bias, algebra, p, k,
                                                NULL) == AC_OK);
        for (i = 0; i < OUT; i++) {
            ck_assert_double_eq_tol(bias[i], known_bias[i], 1e-3);
            for (j = 0; j < k * width; j++) {
                int from = p->order[j / width] * width + j % width;

                /* a dead input keeps its weight */
                ck_assert_double_eq_tol(got[i * k * width + j],
                                        from == 3 ? weights[i * IN + 3]
                                                  : known[i * IN + from],
                                        1e-4);
            }
        }
    }
}

/* Backwards by trying everything. */
static void order_by_trying(int32_t *order, int n_units, int width)
{
    int left = n_units, u, i;

    for (u = 0; u < n_units; u++)
        order[u] = u;
    for (; left > 1; left--) {
        double least = INFINITY;
        int32_t swap;
        int best = 0;

        for (u = 0; u < left; u++) {
            float w_2[OUT * IN];
            double bias[OUT], loss;
            int32_t rest[IN];

            for (i = 0; i < left - 1; i++)
                rest[i] = order[i < u ? i : i + 1];
            loss = least_loss(w_2, bias, rest, left - 1, width);
            if (loss < least - 1e-9) {
                least = loss;
                best = u;
            }
        }
        swap = order[best];
        order[best] = order[left - 1];
        order[left - 1] = swap;
    }
}

START_TEST(one_by_one_it_is_the_greedy_order)
{
    const int widths[] = { 1, 2, 3, 12 };
    int width = widths[_i];
    aci_prune_input in = input_of(width, ACI_PRUNE_SECOND_ORDER, IN / width);
    int32_t known[IN];
    aci_pruning p;

    set_up();
    ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_OK);
    ck_assert_int_eq(p.n_units, IN / width);
    order_by_trying(known, IN / width, width);
    ck_assert_mem_eq(p.order, known, (size_t)(IN / width) * sizeof *known);
    check_against_samples(&p);
    aci_workshop_pruning_free(&p);
    tear_down();
}
END_TEST

/* Whatever the order, what is said of it is true. */
START_TEST(other_orders_are_compensated_as_well)
{
    int32_t method;

    set_up();
    for (method = 0; method < 3; method++) {
        aci_prune_input in = input_of(2, method, 3);
        int32_t seen[IN] = { 0 };
        aci_pruning p;
        int u;

        ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_OK);
        for (u = 0; u < p.n_units; u++)
            seen[p.order[u]]++;
        for (u = 0; u < p.n_units; u++)
            ck_assert_int_eq(seen[u], 1);
        check_against_samples(&p);
        aci_workshop_pruning_free(&p);
    }
    tear_down();
}
END_TEST

/* Weights as they were: bias_loss and the bias are those of the samples. */
static void check_bias_only(const aci_pruning *p)
{
    int width = (int)p->width, k, j;

    for (k = 0; k <= p->n_units; k++) {
        float cut[OUT * IN];
        double bias[OUT], error;

        memcpy(cut, weights, sizeof cut);
        for (j = k * width; j < IN; j++) {
            int from = p->order[j / width] * width + j % width, i;

            for (i = 0; i < OUT; i++)
                cut[i * IN + from] = 0.0f;
        }
        aci_workshop_prune_bias(bias, p, k);
        error = real_error(weights, cut, bias, samples, ROWS, OUT, IN);
        ck_assert_double_eq_tol(p->bias_loss[k] / p->loss[0],
                                error / p->loss[0], 1e-6);
        ck_assert_double_ge(p->bias_loss[k], p->loss[k] * (1.0 - 1e-6));
    }
}

static double flap_score(int column)
{
    double variance = 0.0, norm = 0.0;
    int i;

    for (i = 0; i < ROWS; i++)
        variance += pow(samples[i * IN + column] - mean[column], 2.0);
    for (i = 0; i < OUT; i++)
        norm += pow(weights[i * IN + column], 2.0);
    return variance * norm;
}

START_TEST(a_bias_alone)
{
    aci_prune_input in = input_of(1, ACI_PRUNE_BIAS_ONLY, 0);
    aci_pruning p, flap;
    int k, u, better = 0;

    set_up();
    ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_OK);
    check_bias_only(&p);
    ck_assert_int_eq(p.order[IN - 1], 3); /* dead: costs nothing */
    in.method = ACI_PRUNE_FLUCTUATION;
    ck_assert(aci_workshop_prune(&flap, algebra, &in, NULL) == AC_OK);
    check_bias_only(&flap);
    for (u = 0; u + 1 < IN; u++)
        ck_assert_double_ge(flap_score(flap.order[u]),
                            flap_score(flap.order[u + 1]) * (1.0 - 1e-6));
    for (k = 1; k < IN; k++)
        better += p.bias_loss[k] <= flap.bias_loss[k] * (1.0 + 1e-9);
    ck_assert_int_ge(better, IN / 2);
    aci_workshop_pruning_free(&p);
    aci_workshop_pruning_free(&flap);
    tear_down();
}
END_TEST

START_TEST(nothing_that_varies_is_no_error)
{
    aci_prune_input in = input_of(3, ACI_PRUNE_SECOND_ORDER, 0);
    double constant[IN * IN], bias[OUT], sum;
    float out[OUT * IN];
    aci_pruning p;
    int i, j;

    set_up();
    for (i = 0; i < IN * IN; i++)
        constant[i] = (double)mean[i / IN] * mean[i % IN];
    in.h = constant;
    ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_OK);
    /* with nothing kept, the mean answer is the whole answer */
    ck_assert(aci_workshop_prune_compensate(out, bias, algebra, &p, 0, NULL) ==
              AC_OK);
    for (i = 0; i < OUT; i++) {
        for (sum = 0.0, j = 0; j < IN; j++)
            sum += (double)weights[i * IN + j] * mean[j];
        ck_assert_double_eq_tol(bias[i], sum, 1e-9);
    }
    /* and with all kept, nothing changes */
    ck_assert(aci_workshop_prune_compensate(out, bias, algebra, &p, 4, NULL) ==
              AC_OK);
    for (i = 0; i < OUT; i++) {
        ck_assert_double_eq_tol(bias[i], 0.0, 1e-5);
        for (j = 0; j < IN; j++)
            ck_assert_double_eq_tol(
                out[i * IN + j],
                weights[i * IN + p.order[j / 3] * 3 + j % 3], 1e-6);
    }
    ck_assert(aci_workshop_prune_compensate(out, bias, algebra, &p, 5, NULL) ==
              AC_E_ARGUMENT);
    aci_workshop_pruning_free(&p);
    tear_down();
}
END_TEST

START_TEST(bad_input_and_no_memory)
{
    aci_prune_input in = input_of(5, ACI_PRUNE_SECOND_ORDER, 0);
    ac_status status = AC_E_NO_MEMORY;
    uint64_t fail;
    aci_pruning p;

    set_up();
    ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_E_ARGUMENT);
    in.width = 2;
    for (fail = 1; status != AC_OK; fail++) {
        memory.fail_at = memory.n_allocations + fail;
        status = aci_workshop_prune(&p, algebra, &in, NULL);
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
        if (status != AC_OK)
            ck_assert_ptr_null(p.factor);
    }
    ck_assert_uint_gt(fail, 12);
    {
        float out[OUT * IN];
        double bias[OUT];

        memory.fail_at = memory.n_allocations + 1;
        ck_assert(aci_workshop_prune_compensate(out, bias, algebra, &p, 3,
                                                NULL) == AC_E_NO_MEMORY);
    }
    memory.fail_at = 0;
    aci_workshop_pruning_free(&p);
    mean[2] += 100.0f; /* not of these moments */
    ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_E_NUMERIC);
    mean[2] = NAN;
    ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_E_NUMERIC);
    mean[2] = 0.0f;
    moments[7] = NAN; /* off the diagonal */
    ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_E_NUMERIC);
    moments[7] = 0.0;
    weights[9] = INFINITY;
    ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_E_NUMERIC);
    ck_assert_ptr_null(p.order);
    tear_down();
}
END_TEST

Suite *test_prune_columns_suite(void)
{
    Suite *suite = suite_create("test_prune_columns");
    TCase *tc = tcase_create("prune_columns");

    tcase_add_loop_test(tc, one_by_one_it_is_the_greedy_order, 0, 4);
    tcase_add_test(tc, other_orders_are_compensated_as_well);
    tcase_add_test(tc, a_bias_alone);
    tcase_add_test(tc, nothing_that_varies_is_no_error);
    tcase_add_test(tc, bad_input_and_no_memory);
    suite_add_tcase(suite, tc);
    return suite;
}
