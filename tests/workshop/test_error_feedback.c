/* test_error_feedback.c - codes with error feedback: against GPTQ written as
 * its authors have it, in float64; what bounds and descent promise; and on a
 * trained layer against rounding. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/half.h"
#include "platform/random.h"
#include "workshop/compress/error_feedback.h"

enum { ROWS = 16, N = 200, PADDED = 256, GROUP = 32, RATIO = 12 };

static aci_memory memory;
static ac_error error;
static aci_algebra *algebra;
static aci_pool *pool;

static float moments[N * (N + 1) / 2], mean[N], largest[N];
static float weights[PADDED * ROWS] __attribute__((aligned(64)));
static float errors[PADDED * ROWS] __attribute__((aligned(64)));
static int8_t codes[3][PADDED * ROWS];
static uint16_t scales[PADDED / GROUP * ROWS];

static void set_up(void)
{
    ac_error empty = AC_ERROR_INIT;

    error = empty;
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_algebra_create(&algebra, &memory, pool, NULL,
                                                 NULL), AC_OK);
}

static void tear_down(void)
{
    aci_workshop_algebra_free(algebra);
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* Inputs that lie near a space of 40 dimensions, a few of them large; columns
 * 7 and 150 never used. */
static void make_problem(uint64_t seed)
{
    static double basis[40][N], h[N][N];
    aci_random random;
    double x[N];

    aci_platform_random_seed(&random, seed);
    for (int i = 0; i < 40; i++)
        for (int k = 0; k < N; k++)
            basis[i][k] = aci_platform_random_normal(&random);
    memset(h, 0, sizeof h);
    for (int token = 0; token < 1000; token++) {
        for (int k = 0; k < N; k++)
            x[k] = 0.3 * aci_platform_random_normal(&random);
        for (int i = 0; i < 40; i++) {
            double by = aci_platform_random_normal(&random) / (1 + i);

            for (int k = 0; k < N; k++)
                x[k] += by * basis[i][k];
        }
        x[20] *= 8;
        x[7] = x[150] = 0;
        for (int i = 0; i < N; i++)
            for (int k = 0; k <= i; k++)
                h[i][k] += x[i] * x[k] / 1000;
    }
    for (int i = 0, at = 0; i < N; i++)
        for (int k = 0; k <= i; k++)
            moments[at++] = (float)h[i][k];
    memset(weights, 0, sizeof weights);
    for (int i = 0; i < N * ROWS; i++)
        weights[i] = (float)(0.05 * aci_platform_random_normal(&random));
}

static aci_feedback *feedback(void)
{
    aci_input_statistics input = { N, mean, largest, moments };
    aci_feedback *f = NULL;

    ck_assert_int_eq(aci_workshop_feedback_create(&f, &memory, algebra, &input,
                                                  &error), AC_OK);
    return f;
}

static void quantise(const aci_feedback *f)
{
    aci_strip_codes out = { codes[0], codes[1], codes[2], scales };

    ck_assert_int_eq(aci_workshop_feedback_strip(&out, errors, f, weights,
                                                 PADDED, GROUP, RATIO), -1);
}

static double scale_of(int k, int row)
{
    return (double)aci_platform_f32_from_f16(
        scales[k / GROUP * ROWS + row]);
}

static double h_of(int i, int k)
{
    return (double)(i > k ? moments[i * (i + 1) / 2 + k]
                          : moments[k * (k + 1) / 2 + i]);
}

/* Value of the first `planes` planes. */
static double value_of(int k, int row, int planes)
{
    int at = k * ROWS + row;
    double s = scale_of(k, row), c = RATIO * codes[0][at] + codes[1][at];

    if (planes == 1)
        return codes[0][at] * s;
    if (planes == 2)
        return c * s / RATIO;
    return (256 * c + codes[2][at]) * s / (256 * RATIO);
}

/* Sum over the rows of e' H e. */
static double output_error(int planes)
{
    double sum = 0;

    for (int row = 0; row < ROWS; row++) {
        double e[N];

        for (int k = 0; k < N; k++)
            e[k] = (double)weights[k * ROWS + row] - value_of(k, row, planes);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++)
                sum += e[i] * h_of(i, k) * e[k];
    }
    return sum;
}

/* ---- GPTQ by the book ---------------------------------------------------- */

static double inverse[N][N], upper[N][N];

/* Gauss-Jordan, no pivoting: H is damped. */
static void invert_moments(void)
{
    static double a[N][2 * N];
    double damping = 0;

    for (int k = 0; k < N; k++)
        damping += 0.01 * h_of(k, k) / N;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            a[i][k] = h_of(i, k) + (i == k ? damping : 0);
            a[i][N + k] = i == k;
        }
    for (int i = 0; i < N; i++) {
        double by = 1 / a[i][i];

        for (int k = 0; k < 2 * N; k++)
            a[i][k] *= by;
        for (int j = 0; j < N; j++) {
            double times = a[j][i];

            for (int k = 0; j != i && k < 2 * N; k++)
                a[j][k] -= times * a[i][k];
        }
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            inverse[i][k] = a[i][N + k];
}

/* inverse = upper' upper */
static void factor_inverse(void)
{
    memset(upper, 0, sizeof upper);
    for (int i = 0; i < N; i++)
        for (int k = i; k < N; k++) {
            double sum = inverse[i][k];

            for (int j = 0; j < i; j++)
                sum -= upper[j][i] * upper[j][k];
            upper[i][k] = i == k ? sqrt(sum) : sum / upper[i][i];
        }
}

/* Codes of one row with the scales at hand; `base` and `step` make plane B of
 * plane A. Errors are pushed into the columns to come. */
static void gptq_row(int8_t *out, int row, int planes)
{
    double w[N];

    for (int k = 0; k < N; k++)
        w[k] = (double)weights[k * ROWS + row];
    for (int k = 0; k < N; k++) {
        double s = scale_of(k, row), base = 0, q, e;

        if (planes == 2) {
            base = codes[0][k * ROWS + row] * s;
            s /= RATIO;
        }
        q = fmin(fmax(nearbyint((w[k] - base) / s), -8), 7);
        out[k] = (int8_t)q;
        e = (w[k] - base - q * s) / upper[k][k];
        for (int j = k + 1; j < N; j++)
            w[j] -= e * upper[k][j];
    }
}

/* One column more or less near a tie may go the other way in float32 and take
 * later ones with it; otherwise all codes are the same. */
START_TEST(codes_are_those_of_gptq)
{
    int n_other[2] = { 0, 0 };
    aci_feedback *f;

    make_problem(3);
    invert_moments();
    factor_inverse();
    f = feedback();
    ck_assert_int_eq(f->n_tries, 1);
    f->n_descents = 0;
    f->slack = 1000.0f; /* no bounds but the codes' own */
    quantise(f);
    for (int planes = 1; planes <= 2; planes++)
        for (int row = 0; row < ROWS; row++) {
            int8_t expected[N];

            gptq_row(expected, row, planes);
            for (int k = 0; k < N; k++)
                n_other[planes - 1] +=
                    codes[planes - 1][k * ROWS + row] != expected[k];
        }
    ck_assert_int_le(n_other[0], N * ROWS / 500);
    ck_assert_int_le(n_other[1], N * ROWS / 100);
    aci_workshop_feedback_free(f);
}
END_TEST

/* ---- bounds and descent -------------------------------------------------- */

START_TEST(every_plane_reaches_its_weight)
{
    aci_feedback *f;
    int n_bad = 0, n_nearest = 0;

    make_problem(4);
    f = feedback();
    quantise(f);
    for (int row = 0; row < ROWS; row++)
        for (int k = 0; k < N; k++) {
            int at = k * ROWS + row, c = RATIO * codes[0][at] + codes[1][at];
            double s = scale_of(k, row), x = (double)weights[at] / s;
            double full = (double)weights[at] - value_of(k, row, 3);

            n_bad += codes[0][at] < -8 || codes[0][at] > 7 ||
                     codes[1][at] < -8 || codes[1][at] > 7 ||
                     codes[2][at] < -127;
            n_bad += fabs(RATIO * x - c) > 0.5 + 0.125 + 1e-3;
            n_bad += fabs(full) > (0.125 + 0.01) * fabs(s) / RATIO;
            n_nearest += fabs(full) <= 0.01 * fabs(s) / RATIO;
        }
    ck_assert_int_eq(n_bad, 0);
    ck_assert_int_gt(n_nearest, N * ROWS * 8 / 10);
    for (int i = N * ROWS; i < PADDED * ROWS; i++)
        n_bad += codes[0][i] != 0 || codes[1][i] != 0 || codes[2][i] != 0;
    ck_assert_int_eq(n_bad, 0);
    aci_workshop_feedback_free(f);
}
END_TEST

START_TEST(each_step_lowers_the_error)
{
    double rounded, fed, bound, descended, fine_rounded, fine;
    aci_feedback *f;

    make_problem(5);
    f = feedback();
    f->n_descents = 0;
    quantise(f);
    bound = output_error(1);
    f->slack = 1000.0f;
    quantise(f);
    fed = output_error(1);
    f->slack = 0.125f;
    f->n_descents = 1;
    quantise(f);
    descended = output_error(1);
    fine = output_error(2);
    aci_platform_free(&memory, f->factor);
    f->factor = NULL; /* as where it could not be made */
    quantise(f);
    rounded = output_error(1);
    fine_rounded = output_error(2);
    ck_assert_double_lt(fed, 0.5 * rounded);
    ck_assert_double_lt(bound, 0.8 * rounded);
    ck_assert_double_lt(descended, bound);
    ck_assert_double_lt(descended, 1.25 * fed);
    ck_assert_double_lt(fine, 0.9 * fine_rounded);
    ck_assert_double_lt(output_error(3), 1e-4 * fine_rounded);
    aci_workshop_feedback_free(f);
}
END_TEST

START_TEST(every_level_gives_the_same_codes)
{
    static const char *const levels[] = { "avx2", "avx512" };
    static int8_t expected[3][PADDED * ROWS];
    aci_feedback *f;

    make_problem(8);
    f = feedback();
    f->lanes = aci_workshop_feedback_level("portable");
    quantise(f);
    memcpy(expected, codes, sizeof codes);
    for (int i = 0; i < 2; i++) {
        f->lanes = aci_workshop_feedback_level(levels[i]);
        if (f->lanes == NULL) {
            printf("SKIP no %s here\n", levels[i]);
            continue;
        }
        memset(codes, 0, sizeof codes);
        quantise(f);
        ck_assert_mem_eq(expected, codes, sizeof codes);
    }
    aci_workshop_feedback_free(f);
}
END_TEST

/* ---- statistics that are no good ----------------------------------------- */

START_TEST(damping_is_raised_until_it_is_enough)
{
    aci_feedback *f;

    make_problem(6);
    moments[100 * 101 / 2 + 99] += 10; /* indefinite now */
    f = feedback();
    ck_assert_int_gt(f->n_tries, 1);
    ck_assert_ptr_nonnull(f->factor);
    aci_workshop_feedback_free(f);
    moments[100 * 101 / 2 + 99] = 1e30f;
    f = feedback();
    ck_assert_int_eq(f->n_tries, 6);
    ck_assert_ptr_null(f->factor);
    quantise(f); /* rounds */
    aci_workshop_feedback_free(f);
    memset(moments, 0, sizeof moments); /* an input that never was */
    f = feedback();
    quantise(f);
    for (int k = 0; k < N; k++)
        ck_assert_double_le(fabs((double)weights[k * ROWS] -
                                 value_of(k, 0, 3)),
                            fabs(scale_of(k, 0)) / RATIO / 256);
    aci_workshop_feedback_free(f);
}
END_TEST

START_TEST(want_of_memory_is_told)
{
    aci_input_statistics input = { N, mean, largest, moments };
    uint64_t before = memory.used_bytes;
    ac_status status = AC_E_NO_MEMORY;

    make_problem(7);
    for (uint64_t n = 1; status != AC_OK; n++) {
        aci_feedback *f;

        memory.n_allocations = 0;
        memory.fail_at = n;
        status = aci_workshop_feedback_create(&f, &memory, algebra, &input,
                                              &error);
        memory.fail_at = 0;
        aci_workshop_feedback_free(f);
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
        ck_assert_uint_eq(memory.used_bytes, before);
    }
}
END_TEST

Suite *test_error_feedback_suite(void);
Suite *test_error_feedback_suite(void)
{
    Suite *suite = suite_create("test_error_feedback");
    TCase *test = tcase_create("feedback");

    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_set_timeout(test, 60);
    tcase_add_test(test, codes_are_those_of_gptq);
    tcase_add_test(test, every_plane_reaches_its_weight);
    tcase_add_test(test, each_step_lowers_the_error);
    tcase_add_test(test, every_level_gives_the_same_codes);
    tcase_add_test(test, damping_is_raised_until_it_is_enough);
    tcase_add_test(test, want_of_memory_is_told);
    suite_add_tcase(suite, test);
    return suite;
}
