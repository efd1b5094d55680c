/* test_low_rank.c - the nearest product of a rank: against an SVD by one-sided
 * Jacobi of the whitened matrix, and on a layer of the shipped model. */
#include "workshop/compress/low_rank.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"
#include "real_layer.h"

Suite *test_low_rank_suite(void);

static aci_memory memory;
static aci_algebra *algebra;
static real_layer layer;

static void open_algebra(void)
{
    aci_platform_memory_init(&memory);
    ck_assert(aci_workshop_algebra_create(&algebra, &memory, NULL, NULL,
                                          NULL) == AC_OK);
}

static void close_algebra(void)
{
    aci_workshop_algebra_free(algebra);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static void open_layer(void)
{
    real_layer_open(&layer, 4);
}

static void close_layer(void)
{
    real_layer_close(&layer);
}

static float *filled(int64_t n, uint64_t seed)
{
    float *x = calloc((size_t)n, sizeof *x);
    aci_random random;
    int64_t i;

    aci_platform_random_seed(&random, seed);
    for (i = 0; i < n; i++)
        x[i] = (float)aci_platform_random_normal(&random);
    return x;
}

/* Inputs that differ in size and hang together; `dead` of them are 0. */
static float *inputs(int64_t rows, int64_t n, int64_t dead, uint64_t seed)
{
    float *x = filled(rows * n, seed);
    int64_t r, j;

    for (r = 0; r < rows; r++)
        for (j = 0; j < n; j++)
            x[r * n + j] = j < dead ? 0.0f
                                    : x[r * n + j] * (float)(1 + j % 5) +
                                          x[r * n + n - 1] + 0.5f;
    return x;
}

static double *moments_of(const float *x, int64_t rows, int64_t n)
{
    double *h = calloc((size_t)(n * n), sizeof *h);

    real_statistics(h, NULL, x, rows, n);
    return h;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* Squares of the singular values of a [m, n] (m >= n), largest first: columns
 * are turned in pairs until all are orthogonal. Destroys a. */
static void jacobi(double *squares, double *a, int64_t m, int64_t n)
{
    int64_t p, q, i;
    int sweep;

    for (sweep = 0; sweep < 40; sweep++)
        for (p = 0; p < n; p++)
            for (q = p + 1; q < n; q++) {
                double pp = 0, qq = 0, pq = 0, t, c, s;

                for (i = 0; i < m; i++) {
                    pp += a[i * n + p] * a[i * n + p];
                    qq += a[i * n + q] * a[i * n + q];
                    pq += a[i * n + p] * a[i * n + q];
                }
                if (fabs(pq) < 1e-300)
                    continue;
                t = (qq - pp) / (2.0 * pq);
                t = copysign(1.0, t) / (fabs(t) + sqrt(1.0 + t * t));
                c = 1.0 / sqrt(1.0 + t * t);
                s = c * t;
                for (i = 0; i < m; i++) {
                    double x = a[i * n + p], y = a[i * n + q];

                    a[i * n + p] = c * x - s * y;
                    a[i * n + q] = s * x + c * y;
                }
            }
    for (p = 0; p < n; p++)
        for (squares[p] = 0.0, i = 0; i < m; i++)
            squares[p] += a[i * n + p] * a[i * n + p];
    qsort(squares, (size_t)n, sizeof *squares, descending);
}

/* The truth does not know H: X is as good a root of it as any, and the singular
 * values of X W' say the least error of every rank (Eckart, Young 1936). */
static void check_optimal(int64_t m, int64_t n, int64_t dead)
{
    enum { ROWS = 60 };
    float *w = filled(m * n, 1), *x = inputs(ROWS, n, dead, 2);
    double *h = moments_of(x, ROWS, n), *answers, *squares;
    aci_low_rank_input in = { w, m, n, h, NULL, 0 };
    aci_low_rank f;
    int64_t r, i, j, rank, least = m < n ? m : n;

    answers = calloc((size_t)(ROWS * m), sizeof *answers);
    squares = calloc((size_t)m, sizeof *squares);
    for (r = 0; r < ROWS; r++)
        for (i = 0; i < m; i++)
            for (j = 0; j < n; j++)
                answers[r * m + i] += (double)x[r * n + j] * w[i * n + j] /
                                      sqrt(ROWS);
    jacobi(squares, answers, ROWS, m);
    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_OK);
    ck_assert_int_le(f.most, least);
    ck_assert_int_ge(f.most, least - dead);
    for (rank = 0; rank <= f.most; rank += 3) {
        float *left = filled(m * (rank + 1), 3);
        float *right = filled(n * (rank + 1), 3), *product = filled(m * n, 3);
        double least_error = 0.0, measured;

        for (i = m - 1; i >= rank; i--)
            least_error += squares[i];
        aci_workshop_low_rank_take(left, right, &f, rank);
        for (i = 0; i < m; i++)
            for (j = 0; j < n; j++) {
                double sum = 0.0;

                for (r = 0; r < rank; r++)
                    sum += (double)left[i * rank + r] * right[r * n + j];
                product[i * n + j] = (float)sum;
            }
        measured = real_error(w, product, NULL, x, ROWS, m, n);
        ck_assert_double_eq_tol(f.error[rank] / squares[0],
                                least_error / squares[0], 1e-11);
        ck_assert_double_eq_tol(measured / squares[0],
                                least_error / squares[0], 1e-7);
        free(left);
        free(right);
        free(product);
    }
    ck_assert_double_le(f.error[f.most] / squares[0], 1e-10);
    aci_workshop_low_rank_free(&f);
    free(w);
    free(x);
    free(h);
    free(answers);
    free(squares);
}

START_TEST(every_rank_is_the_nearest)
{
    open_algebra();
    check_optimal(10, 23, 0);
    check_optimal(23, 10, 0);
    check_optimal(16, 16, 0);
    check_optimal(10, 23, 4);
    check_optimal(23, 10, 4); /* H is singular */
    close_algebra();
}
END_TEST

START_TEST(full_rank_is_the_matrix)
{
    enum { M = 12, N = 20 };
    float *w = filled(M * N, 4), *left = filled(M * M, 0);
    float *right = filled(M * N, 0), mean[N];
    aci_low_rank_input in = { w, M, N, NULL, NULL, 0 };
    double bias[M], sum;
    aci_low_rank f;
    int i, j, r;

    open_algebra();
    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_OK);
    ck_assert_int_eq(f.most, M);
    aci_workshop_low_rank_take(left, right, &f, M);
    for (i = 0; i < M; i++)
        for (j = 0; j < N; j++) {
            for (sum = 0.0, r = 0; r < M; r++)
                sum += left[i * M + r] * right[r * N + j];
            ck_assert_double_eq_tol(sum, w[i * N + j], 1e-5);
        }
    for (j = 0; j < N; j++)
        mean[j] = (float)j;
    aci_workshop_low_rank_bias(bias, w, left, right, M, N, M, mean);
    for (i = 0; i < M; i++)
        ck_assert_double_eq_tol(bias[i], 0.0, 1e-3);
    /* of rank 0 nothing but the mean answer is left */
    aci_workshop_low_rank_bias(bias, w, NULL, NULL, M, N, 0, mean);
    for (i = 0; i < M; i++) {
        for (sum = 0.0, j = 0; j < N; j++)
            sum += (double)w[i * N + j] * j;
        ck_assert_double_eq_tol(bias[i], sum, 1e-9);
    }
    aci_workshop_low_rank_free(&f);
    free(w);
    free(left);
    free(right);
    close_algebra();
}
END_TEST

/* A matrix of rank 2, a zero matrix, inputs of which none is ever seen. */
START_TEST(poor_matrices_have_poor_ranks)
{
    enum { M = 24, N = 9 };
    float *w = filled(M * N, 5), *zero = calloc(M * N, sizeof *zero);
    double *h = calloc(N * N, sizeof *h);
    aci_low_rank_input in = { w, M, N, NULL, NULL, 0 };
    aci_low_rank f;
    int i, j;

    open_algebra();
    for (i = 2; i < M; i++)
        for (j = 0; j < N; j++)
            w[i * N + j] = (float)i * w[j] - w[N + j];
    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_OK);
    ck_assert_int_eq(f.most, 2);
    ck_assert_double_lt(f.error[2], 1e-9 * f.error[0]);
    aci_workshop_low_rank_free(&f);
    in.weights = zero;
    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_OK);
    ck_assert_int_eq(f.most, 0);
    ck_assert(f.error[0] == 0.0);
    aci_workshop_low_rank_free(&f);
    in.weights = w;
    in.h = h;
    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_OK);
    ck_assert_int_eq(f.most, 0);
    aci_workshop_low_rank_free(&f);
    free(w);
    free(zero);
    free(h);
    close_algebra();
}
END_TEST

START_TEST(bad_input_and_no_memory)
{
    enum { M = 8, N = 5 };
    float *w = filled(M * N, 6);
    double row_weight[M] = { 1, 1, 1, 0, 1, 1, 1, 1 };
    aci_low_rank_input in = { w, M, N, NULL, NULL, 6 };
    aci_low_rank f;
    uint64_t fail;
    ac_status status;

    open_algebra();
    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_E_ARGUMENT);
    in.rank = 0;
    in.row_weight = row_weight;
    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_E_NUMERIC);
    in.row_weight = NULL;
    for (fail = 1, status = AC_E_NO_MEMORY; status != AC_OK; fail++) {
        uint64_t before = memory.used_bytes;

        memory.fail_at = memory.n_allocations + fail;
        status = aci_workshop_low_rank(&f, algebra, &in, NULL);
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
        aci_workshop_low_rank_free(&f);
        ck_assert_uint_eq(memory.used_bytes, before);
    }
    ck_assert_uint_gt(fail, 6);
    memory.fail_at = 0;
    w[7] = NAN;
    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_E_NUMERIC);
    ck_assert_ptr_null(f.left);
    free(w);
    close_algebra();
}
END_TEST

/* Shared factors of q, k and v; k is tiny, and would get nothing. */
START_TEST(stacked_matrices_share_by_relative_error)
{
    enum { Q = 16, K = 8, N = 12, M = Q + 2 * K };
    float *w = filled(M * N, 7), *x = inputs(60, N, 0, 8);
    double *h = moments_of(x, 60, N), row_weight[M], error[2][3], power[3];
    const int64_t rows[] = { Q, K, K }, first[] = { 0, Q, Q + K };
    aci_low_rank_input in = { w, M, N, h, NULL, 0 };
    aci_low_rank f;
    int time, part, i, j, r;

    open_algebra();
    for (i = Q * N; i < (Q + K) * N; i++)
        w[i] *= 0.01f;
    ck_assert(aci_workshop_low_rank_balance(row_weight, algebra, &in, rows, 3,
                                            NULL) == AC_OK);
    for (time = 0; time < 2; time++) {
        float left[M * 6], right[6 * N], product[M * N];
        double weighted = 0.0;

        in.row_weight = time ? row_weight : NULL;
        ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_OK);
        aci_workshop_low_rank_take(left, right, &f, 6);
        for (i = 0; i < M; i++)
            for (j = 0; j < N; j++)
                for (product[i * N + j] = 0.0f, r = 0; r < 6; r++)
                    product[i * N + j] += left[i * 6 + r] * right[r * N + j];
        for (part = 0; part < 3; part++) {
            const float *of = w + first[part] * N;

            ck_assert(aci_workshop_answer_error(&power[part], algebra, of,
                                                NULL, rows[part], N, h,
                                                NULL) == AC_OK);
            ck_assert(aci_workshop_answer_error(
                          &error[time][part], algebra, of,
                          product + first[part] * N, rows[part], N, h,
                          NULL) == AC_OK);
            error[time][part] /= power[part];
            weighted += time ? error[time][part]
                             : error[time][part] * power[part];
        }
        ck_assert_double_eq_tol(weighted / f.error[0],
                                f.error[6] / f.error[0], 1e-6);
        aci_workshop_low_rank_free(&f);
    }
    ck_assert_double_lt(error[1][1], 0.7 * error[0][1]);
    free(w);
    free(x);
    free(h);
    close_algebra();
}
END_TEST

START_TEST(what_the_left_factor_sees)
{
    enum { N = 14, R = 5, ROWS = 40 };
    float *x = inputs(ROWS, N, 2, 9), *v = filled(R * N, 10);
    float latent[ROWS * R];
    double *h = moments_of(x, ROWS, N), *known, seen[R * R];
    int i, j, r;

    open_algebra();
    for (r = 0; r < ROWS; r++)
        for (i = 0; i < R; i++) {
            double sum = 0.0;

            for (j = 0; j < N; j++)
                sum += (double)v[i * N + j] * x[r * N + j];
            latent[r * R + i] = (float)sum;
        }
    known = moments_of(latent, ROWS, R);
    ck_assert(aci_workshop_low_rank_seen(seen, algebra, v, R, N, h, NULL) ==
              AC_OK);
    for (i = 0; i < R * R; i++)
        ck_assert_double_eq_tol(seen[i] / known[0], known[i] / known[0],
                                1e-6);
    free(x);
    free(v);
    free(h);
    free(known);
    close_algebra();
}
END_TEST

/* ---- ranks for many ------------------------------------------------------ */

START_TEST(ranks_go_where_errors_fall)
{
    enum { MOST = 64 };
    double flat[MOST + 1], steep[MOST + 1], none[MOST + 1] = { 0.0 };
    aci_rank_choice choices[3] = { { flat, MOST, 2.0, 0.0 },
                                   { steep, MOST, 2.0, 0.0 },
                                   { none, MOST, 2.0, 0.0 } };
    int64_t ranks[3];
    int i;

    for (i = 0; i <= MOST; i++) {
        flat[i] = 100.0 * (1.0 - i / (double)MOST);
        steep[i] = 1e6 * exp(-i / 3.0);
    }
    /* all fits */
    ck_assert(aci_workshop_allocate_ranks(ranks, choices, 3, 16, 1e9, NULL) ==
              AC_OK);
    ck_assert(ranks[0] == 64 && ranks[1] == 64 && ranks[2] == 64);
    /* half: 96 ranks, floors 16; the steep one is done at 32, the zero
     * matrix needs none */
    ck_assert(aci_workshop_allocate_ranks(ranks, choices, 3, 16, 192.0,
                                          NULL) == AC_OK);
    ck_assert_int_eq(ranks[0], 64);
    ck_assert_int_eq(ranks[1], 16);
    ck_assert_int_eq(ranks[2], 16);
    /* a weight draws, a price repels */
    choices[1].weight = 1e6;
    ck_assert(aci_workshop_allocate_ranks(ranks, choices, 3, 16, 192.0,
                                          NULL) == AC_OK);
    ck_assert_int_gt(ranks[1], 32);
    ck_assert(aci_workshop_allocate_ranks(ranks, choices, 3, 16, 95.0,
                                          NULL) == AC_E_ARGUMENT);
    flat[0] = NAN;
    ck_assert(aci_workshop_allocate_ranks(ranks, choices, 3, 16, 192.0,
                                          NULL) == AC_E_ARGUMENT);
}
END_TEST

START_TEST(low_rank_pays_below_four_fifths_of_even)
{
    ck_assert_int_eq(aci_workshop_rank_ceiling(4096, 4096), 1600);
    ck_assert_int_eq(aci_workshop_rank_ceiling(192, 192), 64);
    ck_assert_int_eq(aci_workshop_rank_ceiling(16, 16), 0);
    ck_assert_int_eq(aci_workshop_rank_multiple(2048, 256), 16);
    ck_assert_int_eq(aci_workshop_rank_multiple(2048, 2048), 64);
}
END_TEST

/* ---- a layer of the shipped model ---------------------------------------- */

/* Error over power on text not calibrated on, of rank-r factors. */
static double held_error(const double *h, const float *w,
                         const real_input *input, int64_t m, int64_t rank)
{
    int64_t n = input->n, i, j, r;
    aci_low_rank_input in = { w, m, n, h, NULL, rank };
    float *left = filled(m * rank, 0), *right = filled(rank * n, 0);
    float *product = calloc((size_t)(m * n), sizeof *product);
    float *zero = calloc((size_t)(m * n), sizeof *zero);
    double error, power;
    aci_low_rank f;

    ck_assert(aci_workshop_low_rank(&f, algebra, &in, NULL) == AC_OK);
    aci_workshop_low_rank_take(left, right, &f, rank);
    for (i = 0; i < m; i++)
        for (r = 0; r < rank; r++)
            for (j = 0; j < n; j++)
                product[i * n + j] += left[i * rank + r] * right[r * n + j];
    error = real_error(w, product, NULL, input->held, input->n_rows, m, n);
    power = real_error(w, zero, NULL, input->held, input->n_rows, m, n);
    aci_workshop_low_rank_free(&f);
    free(left);
    free(right);
    free(product);
    free(zero);
    return error / power;
}

START_TEST(on_a_real_layer_it_beats_the_plain_svd)
{
    int64_t m = layer.n_attended + 2 * layer.n_kv, rank = layer.n_embd / 4;
    double seen, plain;

    open_algebra();
    seen = held_error(layer.qkv.h, layer.w_qkv, &layer.qkv, m, rank);
    plain = held_error(NULL, layer.w_qkv, &layer.qkv, m, rank);
    printf("  qkv at a quarter: error %.4f of the output's power, plain SVD "
           "%.4f\n", seen, plain);
    ck_assert_double_lt(seen, 0.6 * plain);
    seen = held_error(layer.o.h, layer.w_o, &layer.o, layer.n_embd, rank);
    plain = held_error(NULL, layer.w_o, &layer.o, layer.n_embd, rank);
    printf("  o at a quarter: error %.4f, plain SVD %.4f\n", seen, plain);
    ck_assert_double_lt(seen, 0.6 * plain);
    close_algebra();
}
END_TEST

Suite *test_low_rank_suite(void)
{
    Suite *suite = suite_create("test_low_rank");
    TCase *tc = tcase_create("low_rank"), *real = tcase_create("real");

    tcase_add_test(tc, every_rank_is_the_nearest);
    tcase_add_test(tc, full_rank_is_the_matrix);
    tcase_add_test(tc, poor_matrices_have_poor_ranks);
    tcase_add_test(tc, bad_input_and_no_memory);
    tcase_add_test(tc, stacked_matrices_share_by_relative_error);
    tcase_add_test(tc, what_the_left_factor_sees);
    tcase_add_test(tc, ranks_go_where_errors_fall);
    tcase_add_test(tc, low_rank_pays_below_four_fifths_of_even);
    suite_add_tcase(suite, tc);
    tcase_add_unchecked_fixture(real, open_layer, close_layer);
    tcase_add_test(real, on_a_real_layer_it_beats_the_plain_svd);
    suite_add_tcase(suite, real);
    return suite;
}
