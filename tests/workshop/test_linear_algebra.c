/* test_linear_algebra.c - float64 algebra, by OpenBLAS and plain, against
 * matrices whose factors are known and against sums in long double. */
#include "workshop/compress/linear_algebra.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"

Suite *test_linear_algebra_suite(void);

static const char *const levels[] = { "plain", "openblas" };
static aci_memory memory;
static aci_pool *pool;
static aci_algebra *algebra;

/* A test of each level: `_i` says which. */
static int open_level(int which)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL), AC_OK);
    if (aci_workshop_algebra_create(&algebra, &memory, pool, levels[which],
                                    NULL) == AC_OK)
        return 1;
    fprintf(stderr, "SKIP linear algebra by %s: not installed\n",
            levels[which]);
    return 0;
}

static void close_level(void)
{
    aci_workshop_algebra_free(algebra);
    aci_platform_pool_free(pool);
    algebra = NULL;
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static double *filled(int64_t n, uint64_t seed)
{
    double *a = calloc((size_t)n + 1, sizeof *a);
    aci_random random;
    int64_t i;

    aci_platform_random_seed(&random, seed);
    for (i = 0; i < n; i++)
        a[i] = aci_platform_random_normal(&random);
    return a;
}

/* X X' + diagonal, X [n, n]. */
static double *positive(int64_t n, double diagonal, uint64_t seed)
{
    double *x = filled(n * n, seed), *a = filled(n * n, 0);
    int64_t i, j, k;

    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++) {
            long double sum = i == j ? diagonal : 0.0;

            for (k = 0; k < n; k++)
                sum += (long double)x[i * n + k] * x[j * n + k];
            a[i * n + j] = (double)sum;
        }
    free(x);
    return a;
}

/* The furthest entry of x' y, [n, n], from I. */
static double from_identity(const double *x, const double *y, int64_t n)
{
    double worst = 0.0;
    int64_t i, j, k;

    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++) {
            long double sum = i == j ? -1.0L : 0.0L;

            for (k = 0; k < n; k++)
                sum += (long double)x[k * n + i] * y[k * n + j];
            worst = fmax(worst, fabs((double)sum));
        }
    return worst;
}

static double entry(const double *a, int64_t stride, int transposed, int64_t i,
                    int64_t j)
{
    return transposed ? a[j * stride + i] : a[i * stride + j];
}

static void check_product(int64_t m, int64_t n, int64_t k, int kind)
{
    int ta = kind & 1, tb = kind >> 1 & 1;
    aci_dense_product p = { .m = m, .n = n, .k = k, .alpha = 0.75,
                      .beta = kind & 4 ? -2.0 : 0.0, .a_transposed = ta,
                      .b_transposed = tb };
    double *a, *b, *c, *before;
    int64_t i, j, r;

    p.a_stride = (ta ? m : k) + 3;
    p.b_stride = (tb ? k : n) + 1;
    p.c_stride = n + 2;
    p.a = a = filled((ta ? k : m) * p.a_stride, 1);
    p.b = b = filled((tb ? n : k) * p.b_stride, 2);
    p.c = c = filled(m * p.c_stride, 3);
    before = filled(m * p.c_stride, 3);
    if (p.beta == 0.0)
        c[0] = NAN; /* not read */
    ck_assert_int_eq(aci_workshop_product(algebra, &p, NULL), AC_OK);
    for (i = 0; i < m; i++) {
        for (j = 0; j < n; j++) {
            long double sum = 0.0;

            for (r = 0; r < k; r++)
                sum += (long double)entry(a, p.a_stride, ta, i, r) *
                       entry(b, p.b_stride, tb, r, j);
            sum = 0.75L * sum +
                  (p.beta == 0.0 ? 0.0L
                                 : p.beta * before[i * p.c_stride + j]);
            ck_assert_double_eq_tol(c[i * p.c_stride + j], (double)sum,
                                    1e-13 * (1.0 + (double)k));
        }
        for (; j < p.c_stride; j++)
            ck_assert(c[i * p.c_stride + j] == before[i * p.c_stride + j]);
    }
    free(a);
    free(b);
    free(c);
    free(before);
}

START_TEST(products_are_sums_of_products)
{
    int kind;

    if (!open_level(_i))
        return;
    for (kind = 0; kind < 8; kind++) {
        check_product(1, 1, 1, kind);
        check_product(5, 3, 0, kind);
        check_product(131, 70, 67, kind);
        check_product(64, 65, 200, kind);
    }
    close_level();
}
END_TEST

/* A' A, the half that is computed and the other; A' upper or not. */
static void check_symmetric(int64_t n, int64_t k, int is_upper)
{
    aci_dense_product p = { .m = n, .n = n, .k = k, .alpha = -0.5,
                            .beta = is_upper ? 0.0 : 1.0, .a_transposed = 1,
                            .c_stride = n + 1, .a_stride = n + 3,
                            .b_stride = n + 3, .c_symmetric = 1,
                            .a_upper = is_upper };
    double *a = filled(k * (n + 3), 1), *c = filled(n * (n + 1), 0);
    int64_t i, j, r;

    for (i = 0; is_upper && i < k; i++)
        for (j = i + 1; j < n; j++)
            a[i * (n + 3) + j] = 0.0;
    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++)
            c[i * (n + 1) + j] = (double)(i + j);
    p.c = c;
    p.a = p.b = a;
    ck_assert_int_eq(aci_workshop_product(algebra, &p, NULL), AC_OK);
    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++) {
            long double sum = 0.0;

            for (r = 0; r < k; r++)
                sum += (long double)a[r * (n + 3) + i] * a[r * (n + 3) + j];
            sum = -0.5L * sum + (is_upper ? 0.0L : (long double)(i + j));
            ck_assert_double_eq_tol(c[i * (n + 1) + j], (double)sum,
                                    1e-13 * (1.0 + (double)k));
            ck_assert(c[i * (n + 1) + j] == c[j * (n + 1) + i]);
        }
    free(a);
    free(c);
}

START_TEST(symmetric_and_triangular_products_leave_nothing_out)
{
    if (!open_level(_i))
        return;
    check_symmetric(1, 1, 0);
    check_symmetric(200, 70, 0);
    check_symmetric(67, 67, 1);
    check_symmetric(200, 211, 1);
    close_level();
}
END_TEST

START_TEST(the_number_of_threads_changes_nothing)
{
    enum { N = 300, RIGHT = 150 };
    double *a, *x, *first = NULL, *first_x = NULL;
    uint32_t threads;

    if (!open_level(_i))
        return;
    for (threads = 1; threads <= 4; threads += threads) {
        double *c = filled(N * N, 0);
        aci_pool *mine;
        aci_algebra *of_mine;
        aci_dense_product p = { c, NULL, NULL, N, N, N, N, N, N,
                                0, 1, 1.0, 0.0, 0, 0 };
        aci_solve s = { NULL, NULL, N, RIGHT, RIGHT, N, 0 };

        ck_assert(aci_platform_pool_create(&mine, &memory, threads, NULL) ==
                  AC_OK);
        ck_assert(aci_workshop_algebra_create(&of_mine, &memory, mine,
                                              levels[_i], NULL) == AC_OK);
        a = positive(N, 1.0, 4);
        p.a = p.b = a;
        ck_assert(aci_workshop_product(of_mine, &p, NULL) == AC_OK);
        ck_assert(aci_workshop_cholesky(of_mine, a, N, NULL, NULL) == AC_OK);
        s.x = x = filled(N * RIGHT, 5);
        s.l = a;
        ck_assert(aci_workshop_spd_solve(of_mine, &s, NULL) == AC_OK);
        if (first == NULL) {
            first = c;
            first_x = x;
        } else {
            ck_assert_mem_eq(first, c, N * N * sizeof *c);
            ck_assert_mem_eq(first_x, x, N * RIGHT * sizeof *x);
            free(c);
            free(x);
        }
        free(a);
        aci_workshop_algebra_free(of_mine);
        aci_platform_pool_free(mine);
    }
    free(first);
    free(first_x);
    close_level();
}
END_TEST

START_TEST(a_factor_known_by_hand)
{
    double a[9] = { 4, NAN, NAN, 12, 37, NAN, -16, -43, 98 };
    const double l[9] = { 2, 0, 0, 6, 1, 0, -8, 5, 3 };
    int64_t pivot = 7;
    int i;

    if (!open_level(_i))
        return;
    ck_assert(aci_workshop_cholesky(algebra, a, 3, &pivot, NULL) == AC_OK);
    ck_assert_int_eq(pivot, -1);
    for (i = 0; i < 9; i++)
        ck_assert_double_eq_tol(a[i], l[i], 1e-13);
    close_level();
}
END_TEST

START_TEST(the_failing_pivot_is_named)
{
    enum { N = 90, BAD = 57 };
    double *a;
    int64_t pivot;
    ac_error error = AC_ERROR_INIT;

    if (!open_level(_i))
        return;
    a = positive(N, 1.0, 6);
    a[BAD * N + BAD] = -1.0;
    ck_assert_int_eq(aci_workshop_cholesky(algebra, a, N, &pivot, &error),
                     AC_E_NUMERIC);
    ck_assert_int_eq(pivot, BAD);
    ck_assert_ptr_nonnull(strstr(error.message, "pivot 57 of 90"));
    free(a);
    a = positive(N, 1.0, 6);
    a[BAD * N + BAD] = -1.0;
    ck_assert_int_eq(aci_workshop_spd_inverse(algebra, a, N, &pivot, &error),
                     AC_E_NUMERIC);
    ck_assert_int_eq(pivot, BAD);
    free(a);
    /* the inverse factor comes from below: the leading part is tried last */
    a = positive(N, 1.0, 6);
    a[BAD * N + BAD] = -1.0;
    ck_assert_int_eq(aci_workshop_inverse_factor(algebra, a, N, &pivot, NULL),
                     AC_E_NUMERIC);
    ck_assert_int_eq(pivot, BAD);
    free(a);
    close_level();
}
END_TEST

static double binomial(int n, int k)
{
    double b = 1.0;
    int i;

    for (i = 1; i <= k; i++)
        b = b * (n - k + i) / i;
    return b;
}

/* 1 / (i + j + 1), whose inverse is whole numbers:
 * (-1)^(i+j) (i+j+1) C(n+i,n-j-1) C(n+j,n-i-1) C(i+j,i)^2. */
START_TEST(the_inverse_of_hilbert_s_matrix)
{
    enum { N = 6 };
    double a[N * N], u[N * N];
    int i, j, k;

    if (!open_level(_i))
        return;
    for (i = 0; i < N; i++)
        for (j = 0; j < N; j++)
            a[i * N + j] = u[i * N + j] = 1.0 / (i + j + 1);
    ck_assert(aci_workshop_spd_inverse(algebra, a, N, NULL, NULL) == AC_OK);
    ck_assert(aci_workshop_inverse_factor(algebra, u, N, NULL, NULL) == AC_OK);
    for (i = 0; i < N; i++)
        for (j = 0; j < N; j++) {
            double c = binomial(i + j, i), from_factor = 0.0;
            double known = ((i + j) % 2 ? -1.0 : 1.0) * (i + j + 1) *
                           binomial(N + i, N - j - 1) *
                           binomial(N + j, N - i - 1) * c * c;

            for (k = 0; k < N; k++)
                from_factor += u[k * N + i] * u[k * N + j];
            ck_assert_double_eq_tol(a[i * N + j] / known, 1.0, 1e-8);
            ck_assert_double_eq_tol(from_factor / known, 1.0, 1e-8);
            if (j < i)
                ck_assert(u[i * N + j] == 0.0);
        }
    close_level();
}
END_TEST

/* U_jj^2 is the conditional precision that GPTQ divides by. */
START_TEST(the_inverse_factor_holds_every_trailing_inverse)
{
    enum { N = 70 };
    double *a, *u;
    int64_t j, i;

    if (!open_level(_i))
        return;
    a = positive(N, 0.1, 8);
    u = positive(N, 0.1, 8);
    ck_assert(aci_workshop_inverse_factor(algebra, u, N, NULL, NULL) == AC_OK);
    for (j = 0; j < N; j += 23) {
        int64_t rest = N - j;
        double *tail = filled(rest * rest, 0);

        for (i = 0; i < rest; i++)
            memcpy(tail + i * rest, a + (i + j) * N + j,
                   (size_t)rest * sizeof *tail);
        ck_assert(aci_workshop_spd_inverse(algebra, tail, rest, NULL, NULL) ==
                  AC_OK);
        ck_assert_double_gt(u[j * N + j], 0.0);
        ck_assert_double_eq_tol(u[j * N + j] * u[j * N + j] / tail[0], 1.0,
                                1e-9);
        free(tail);
    }
    free(a);
    free(u);
    close_level();
}
END_TEST

static void check_solve(int64_t n, int64_t n_right, int by_rows)
{
    double *a = positive(n, 1.0, 9), *l = positive(n, 1.0, 9);
    int64_t stride = (by_rows ? n : n_right) + 1;
    int64_t rows = by_rows ? n_right : n, i, j, k;
    double *b = filled(rows * stride, 10), *x = filled(rows * stride, 10);
    aci_solve s = { x, l, n, n_right, stride, n, by_rows };

    ck_assert(aci_workshop_cholesky(algebra, l, n, NULL, NULL) == AC_OK);
    ck_assert(aci_workshop_spd_solve(algebra, &s, NULL) == AC_OK);
    for (i = 0; i < n; i++)
        for (j = 0; j < n_right; j++) {
            double sum = 0.0;

            for (k = 0; k < n; k++)
                sum += a[i * n + k] * entry(x, stride, by_rows, k, j);
            ck_assert_double_eq_tol(sum, entry(b, stride, by_rows, i, j),
                                    1e-8);
        }
    memcpy(x, b, (size_t)(rows * stride) * sizeof *x);
    ck_assert(aci_workshop_triangular_solve(algebra, &s, 1, NULL) == AC_OK);
    for (i = 0; i < n; i++)
        for (j = 0; j < n_right; j++) {
            double sum = 0.0;

            for (k = i; k < n; k++)
                sum += l[k * n + i] * entry(x, stride, by_rows, k, j);
            ck_assert_double_eq_tol(sum, entry(b, stride, by_rows, i, j),
                                    1e-9);
        }
    free(a);
    free(l);
    free(b);
    free(x);
}

START_TEST(solutions_solve)
{
    double zero = 0.0, x = 1.0;
    aci_solve s = { &x, &zero, 1, 1, 1, 1, 0 };

    if (!open_level(_i))
        return;
    check_solve(1, 1, 0);
    check_solve(50, 130, 0);
    check_solve(50, 130, 1);
    check_solve(83, 3, 1);
    ck_assert(aci_workshop_triangular_solve(algebra, &s, 0, NULL) ==
              AC_E_NUMERIC);
    close_level();
}
END_TEST

/* a = V' diag(values) V, V's rows orthonormal; within 1e-13 of the largest. */
static void check_eigen(double *a, int64_t n)
{
    double *v = calloc((size_t)(n * n), sizeof *v), largest = 1e-300;
    double *values = calloc((size_t)n, sizeof *values);
    int64_t i, j, k;

    memcpy(v, a, (size_t)(n * n) * sizeof *v);
    for (i = 0; i < n; i++)
        for (j = i + 1; j < n; j++)
            v[i * n + j] = NAN; /* not read */
    ck_assert(aci_workshop_symmetric_eigen(values, algebra, v, n, NULL) ==
              AC_OK);
    for (i = 0; i < n; i++) {
        largest = fmax(largest, fabs(values[i]));
        ck_assert(i == 0 || values[i - 1] <= values[i]);
    }
    for (i = 0; i < n; i++)
        for (j = 0; j < n; j++) {
            long double sum = 0.0L, dot = i == j ? -1.0L : 0.0L;

            for (k = 0; k < n; k++) {
                sum += (long double)v[k * n + i] * values[k] * v[k * n + j];
                dot += (long double)v[i * n + k] * v[j * n + k];
            }
            ck_assert_double_eq_tol((double)sum / largest,
                                    a[i * n + j] / largest, 2e-13);
            ck_assert_double_eq_tol((double)dot, 0.0, 2e-13);
        }
    free(v);
    free(values);
}

START_TEST(eigenvectors_give_the_matrix_back)
{
    enum { N = 60 };
    double *a, *x;
    int64_t i, j, k;

    if (!open_level(_i))
        return;
    a = positive(N, 0.0, 11);
    check_eigen(a, N);
    for (i = 0; i < N * N; i++)
        a[i] *= 1e200;
    check_eigen(a, N);
    for (i = 0; i < N * N; i++)
        a[i] *= 1e-290; /* 1e-90 */
    check_eigen(a, N);
    /* rank 3, and a matrix of equal values */
    x = filled(N * 3, 12);
    for (i = 0; i < N; i++)
        for (j = 0; j < N; j++)
            for (a[i * N + j] = 0.0, k = 0; k < 3; k++)
                a[i * N + j] += x[i * 3 + k] * x[j * 3 + k];
    check_eigen(a, N);
    memset(a, 0, N * N * sizeof *a);
    check_eigen(a, N);
    for (i = 0; i < N; i++)
        a[i * N + i] = 5.0;
    check_eigen(a, N);
    check_eigen(a, 1);
    free(a);
    free(x);
    ck_assert(aci_workshop_symmetric_eigen(NULL, algebra, NULL, 0, NULL) ==
              AC_OK);
    close_level();
}
END_TEST

/* -1, 2, -1: values 2 - 2 cos(pi k / (n + 1)), vectors sines. */
START_TEST(a_string_swings_in_sines)
{
    enum { N = 41 };
    double a[N * N] = { 0.0 }, values[N];
    const double step = 3.14159265358979323846 / (N + 1);
    int k, i;

    if (!open_level(_i))
        return;
    for (i = 0; i < N; i++) {
        a[i * N + i] = 2.0;
        if (i > 0)
            a[i * N + i - 1] = -1.0;
    }
    ck_assert(aci_workshop_symmetric_eigen(values, algebra, a, N, NULL) ==
              AC_OK);
    for (k = 0; k < N; k++) {
        double sign = a[k * N] > 0.0 ? 1.0 : -1.0, most = 0.0, least = 0.0;

        ck_assert_double_eq_tol(values[k], 2.0 - 2.0 * cos((k + 1) * step),
                                1e-13);
        for (i = 0; i < N; i++) {
            ck_assert_double_eq_tol(a[k * N + i],
                                    sign * sqrt(2.0 / (N + 1)) *
                                        sin((k + 1) * (i + 1) * step), 1e-12);
            most = fmax(most, a[k * N + i]);
            least = fmin(least, a[k * N + i]);
        }
        ck_assert_double_ge(most, -least - 1e-12);
    }
    close_level();
}
END_TEST

START_TEST(what_is_not_a_number_is_refused)
{
    double bad[4] = { 1.0, 0.0, INFINITY, 1.0 }, good[4] = { 1, 0, 0, 1 };
    double out[4] = { 9, 9, 9, 9 }, values[2];
    aci_dense_product p = { out, good, bad, 2, 2, 2, 2, 2, 2,
                            0, 0, 1.0, 0.0, 0, 0 };
    aci_solve s = { good, bad, 2, 2, 2, 2, 0 };
    int64_t pivot = 5;
    int time;

    if (!open_level(_i))
        return;
    for (time = 0; time < 2; time++) {
        ck_assert(aci_workshop_product(algebra, &p, NULL) == AC_E_NUMERIC);
        ck_assert(out[0] == 9.0);
        ck_assert(aci_workshop_cholesky(algebra, bad, 2, &pivot, NULL) ==
                  AC_E_NUMERIC);
        ck_assert_int_eq(pivot, -1);
        ck_assert(aci_workshop_spd_inverse(algebra, bad, 2, NULL, NULL) ==
                  AC_E_NUMERIC);
        ck_assert(aci_workshop_inverse_factor(algebra, bad, 2, NULL, NULL) ==
                  AC_E_NUMERIC);
        ck_assert(aci_workshop_symmetric_eigen(values, algebra, bad, 2, NULL)
                  == AC_E_NUMERIC);
        ck_assert(aci_workshop_spd_solve(algebra, &s, NULL) == AC_E_NUMERIC);
        ck_assert(good[0] == 1.0 && bad[0] == 1.0);
        bad[2] = NAN;
    }
    ck_assert(aci_workshop_cholesky(algebra, good, 32001, NULL, NULL) ==
              AC_E_ARGUMENT);
    p.c_stride = 1;
    ck_assert(aci_workshop_product(algebra, &p, NULL) == AC_E_ARGUMENT);
    close_level();
}
END_TEST

START_TEST(no_memory_is_said)
{
    double a[4] = { 2, 1, 1, 2 }, values[2];
    aci_algebra *none;

    if (!open_level(_i))
        return;
    memory.fail_at = memory.n_allocations + 1;
    ck_assert(aci_workshop_spd_inverse(algebra, a, 2, NULL, NULL) ==
              AC_E_NO_MEMORY);
    memory.fail_at = memory.n_allocations + 1;
    ck_assert(aci_workshop_symmetric_eigen(values, algebra, a, 2, NULL) ==
              AC_E_NO_MEMORY);
    memory.fail_at = memory.n_allocations + 1;
    ck_assert(aci_workshop_algebra_create(&none, &memory, NULL, NULL, NULL) ==
              AC_E_NO_MEMORY);
    ck_assert_ptr_null(none);
    ck_assert(a[0] == 2.0 && a[1] == 1.0);
    ck_assert(aci_workshop_algebra_create(&none, &memory, NULL, "mkl", NULL) ==
              AC_E_UNSUPPORTED);
    close_level();
}
END_TEST

START_TEST(levels_agree)
{
    enum { N = 200 };
    double *a[2], values[2][N], *s[2];
    int which;
    int64_t i;

    for (which = 0; which < 2; which++) {
        if (!open_level(which))
            return;
        ck_assert_str_eq(aci_workshop_algebra_level(algebra), levels[which]);
        a[which] = positive(N, 0.0, 13);
        s[which] = positive(N, 1.0, 14);
        ck_assert(aci_workshop_symmetric_eigen(values[which], algebra,
                                               a[which], N, NULL) == AC_OK);
        ck_assert(aci_workshop_inverse_factor(algebra, s[which], N, NULL,
                                              NULL) == AC_OK);
        close_level();
    }
    for (i = 0; i < N; i++)
        ck_assert_double_eq_tol(values[0][i], values[1][i], 1e-11);
    for (i = 0; i < N * N; i++) { /* signs are settled: vectors too */
        ck_assert_double_eq_tol(a[0][i], a[1][i], 1e-8);
        ck_assert_double_eq_tol(s[0][i], s[1][i], 1e-10);
    }
    ck_assert_double_lt(from_identity(a[0], a[0], N), 1e-12);
    for (which = 0; which < 2; which++) {
        free(a[which]);
        free(s[which]);
    }
}
END_TEST

Suite *test_linear_algebra_suite(void)
{
    Suite *suite = suite_create("test_linear_algebra");
    TCase *tc = tcase_create("linear_algebra");

    tcase_add_loop_test(tc, products_are_sums_of_products, 0, 2);
    tcase_add_loop_test(
        tc, symmetric_and_triangular_products_leave_nothing_out, 0, 2);
    tcase_add_loop_test(tc, the_number_of_threads_changes_nothing, 0, 2);
    tcase_add_loop_test(tc, a_factor_known_by_hand, 0, 2);
    tcase_add_loop_test(tc, the_failing_pivot_is_named, 0, 2);
    tcase_add_loop_test(tc, the_inverse_of_hilbert_s_matrix, 0, 2);
    tcase_add_loop_test(tc, the_inverse_factor_holds_every_trailing_inverse,
                        0, 2);
    tcase_add_loop_test(tc, solutions_solve, 0, 2);
    tcase_add_loop_test(tc, eigenvectors_give_the_matrix_back, 0, 2);
    tcase_add_loop_test(tc, a_string_swings_in_sines, 0, 2);
    tcase_add_loop_test(tc, what_is_not_a_number_is_refused, 0, 2);
    tcase_add_loop_test(tc, no_memory_is_said, 0, 2);
    tcase_add_test(tc, levels_agree);
    suite_add_tcase(suite, tc);
    return suite;
}
