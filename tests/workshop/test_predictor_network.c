/* test_predictor_network.c - the gradient against central differences, and
 * the double forward pass against the float one that routing uses. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"
#include "router/arithmetic.h"
#include "workshop/train/predictor_network.h"

enum { HEADS = 3 };

static const aci_network_shape shape = { 12, 90, 16, HEADS };
static aci_network_places places;
static double *numbers;
static aci_network_input input;

static void set_up(void)
{
    static const char text[] = "Is 12 a prime? Say yes, no, or maybe so\nx";
    aci_features features;
    aci_random random;
    size_t i;

    places = aci_router_network_places(&shape);
    numbers = calloc(places.total, sizeof *numbers);
    aci_platform_random_seed(&random, 9);
    for (i = 0; i < places.total; i++)
        numbers[i] = (aci_platform_random_unit(&random) - 0.5) * 0.8;
    aci_router_read_features(&features, NULL, text, sizeof text - 1, 12);
    aci_router_network_read(&input, &features, &shape);
}

static void tear_down(void)
{
    free(numbers);
}

static const double weight_of[HEADS] = { 0.7, -1.3, 0.4 };

/* A loss with a known derivative by each logit. */
static double loss(const aci_network_drop *drop)
{
    static aci_network_trace trace;
    double sum = 0.0;
    int k;

    aci_workshop_network_forward(&trace, numbers, &shape, &places, &input,
                                 drop);
    for (k = 0; k < HEADS; k++)
        sum += weight_of[k] * trace.logit[k];
    return sum;
}

static void check_gradient(const aci_network_drop *drop)
{
    static aci_network_trace trace;
    double *gradient = calloc(places.total, sizeof *gradient);
    size_t i, n_moved = 0;

    aci_workshop_network_forward(&trace, numbers, &shape, &places, &input,
                                 drop);
    aci_workshop_network_backward(gradient, &trace, weight_of, numbers,
                                  &shape, &places, &input, drop);
    for (i = 0; i < places.standard; i++) {
        const double step = 1e-5;
        double kept = numbers[i], above, below, slope;

        numbers[i] = kept + step;
        above = loss(drop);
        numbers[i] = kept - step;
        below = loss(drop);
        numbers[i] = kept;
        slope = (above - below) / (2.0 * step);
        ck_assert_msg(fabs(slope - gradient[i]) <
                          1e-6 + 1e-5 * fabs(slope),
                      "number %zu: %.9g by differences, %.9g by formula", i,
                      slope, gradient[i]);
        n_moved += gradient[i] != 0.0;
    }
    ck_assert_uint_gt(n_moved, places.standard / 2);
    free(gradient);
}

START_TEST(the_gradient_agrees_with_differences)
{
    check_gradient(NULL);
}
END_TEST

START_TEST(the_gradient_agrees_under_dropout)
{
    double wide[ACI_ROUTER_MAX_WIDE], deep[ACI_NETWORK_WIDTH];
    aci_network_drop drop = { wide, deep };
    int i;

    for (i = 0; i < ACI_ROUTER_MAX_WIDE; i++)
        wide[i] = i % 3 == 0 ? 0.0 : 1.5;
    for (i = 0; i < ACI_NETWORK_WIDTH; i++)
        deep[i] = i % 4 == 0 ? 0.0 : 4.0 / 3.0;
    check_gradient(&drop);
}
END_TEST

START_TEST(float_and_double_agree)
{
    static aci_network_trace trace;
    float *floats = calloc(places.total, sizeof *floats), success[HEADS];
    size_t i;
    int k;

    for (i = 0; i < places.total; i++) {
        floats[i] = (float)numbers[i];
        numbers[i] = (double)floats[i];
    }
    aci_router_network_run(success, floats, &shape, &places, &input);
    aci_workshop_network_forward(&trace, numbers, &shape, &places, &input,
                                 NULL);
    for (k = 0; k < HEADS; k++) {
        const double *head = numbers + places.heads + k * ACI_HEAD_SIZE;
        double exact = aci_workshop_sigmoid(
            head[ACI_HEAD_SLOPE] * trace.logit[k] + head[ACI_HEAD_OFFSET]);

        ck_assert_double_eq_tol((double)success[k], exact, 2e-6);
    }
    free(floats);
}
END_TEST

START_TEST(exp_and_log_agree_with_the_c_library)
{
    double x;

    for (x = -30.0; x < 30.0; x += 0.173)
        ck_assert_double_eq_tol(aci_workshop_exp(x) / exp(x), 1.0, 1e-14);
    for (x = 1e-9; x < 1e9; x *= 1.7)
        ck_assert_double_eq_tol(aci_workshop_log(x), log(x), 1e-13);
    ck_assert(aci_workshop_exp(-1e9) >= 0.0);
    ck_assert(isfinite(aci_workshop_exp(1e9)));
}
END_TEST

START_TEST(a_network_of_four_heads_keeps_to_its_size)
{
    aci_network_shape four = { 15, 4096, 100, 4 };

    ck_assert_uint_le(aci_router_network_places(&four).total + 1, 10500);
}
END_TEST

Suite *test_predictor_network_suite(void);

Suite *test_predictor_network_suite(void)
{
    Suite *suite = suite_create("test_predictor_network");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_gradient_agrees_with_differences);
    tcase_add_test(tests, the_gradient_agrees_under_dropout);
    tcase_add_test(tests, float_and_double_agree);
    tcase_add_test(tests, exp_and_log_agree_with_the_c_library);
    tcase_add_test(tests, a_network_of_four_heads_keeps_to_its_size);
    suite_add_tcase(suite, tests);
    return suite;
}
