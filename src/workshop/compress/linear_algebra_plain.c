/* linear_algebra_plain.c - the plain versions: for systems without OpenBLAS,
 * and what OpenBLAS is compared with. Inner loops run along rows. */
#include <math.h>
#include <string.h>

#include "workshop/compress/linear_algebra_table.h"

enum { TILE = 64 /* of op(b), packed on the stack: 32 kB */ };

double aci_workshop_plain_dot(const double *x, const double *y, int64_t n)
{
    double sum[8] = { 0.0 }; /* fixed lanes: order without -ffast-math */
    int64_t i;
    int k;

    for (i = 0; i + 8 <= n; i += 8)
        for (k = 0; k < 8; k++)
            sum[k] += x[i + k] * y[i + k];
    for (; i < n; i++)
        sum[i % 8] += x[i] * y[i];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) +
           ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

static void add_scaled(double *y, double factor, const double *x, int64_t n)
{
    int64_t i;

    for (i = 0; i < n; i++)
        y[i] += factor * x[i];
}

/* tile [depth, width] = op(b) from row `p`, column `j`. */
static void pack(double *tile, const aci_dense_product *x, int64_t p, int64_t j,
                 int64_t depth, int64_t width)
{
    int64_t r, s;

    for (r = 0; r < depth; r++)
        for (s = 0; s < width; s++)
            tile[r * TILE + s] = x->b_transposed
                                     ? x->b[(j + s) * x->b_stride + p + r]
                                     : x->b[(p + r) * x->b_stride + j + s];
}

static void product(const aci_lapack *lapack, const aci_dense_product *x)
{
    double tile[TILE * TILE];
    int64_t i, j, p, r;

    (void)lapack;
    for (i = 0; i < x->m; i++)
        for (j = 0; j < x->n; j++)
            x->c[i * x->c_stride + j] =
                x->beta == 0.0 ? 0.0 : x->beta * x->c[i * x->c_stride + j];
    for (p = 0; p < x->k; p += TILE) {
        int64_t depth = x->k - p < TILE ? x->k - p : TILE;

        for (j = 0; j < x->n; j += TILE) {
            int64_t width = x->n - j < TILE ? x->n - j : TILE;

            pack(tile, x, p, j, depth, width);
            for (i = 0; i < x->m; i++)
                for (r = 0; r < depth; r++)
                    add_scaled(x->c + i * x->c_stride + j,
                               x->alpha *
                                   (x->a_transposed
                                        ? x->a[(p + r) * x->a_stride + i]
                                        : x->a[i * x->a_stride + p + r]),
                               tile + r * TILE, width);
        }
    }
}

static int64_t cholesky(const aci_lapack *lapack, double *a, int64_t n)
{
    int64_t i, j;

    (void)lapack;
    for (i = 0; i < n; i++) {
        double *row = a + i * n, pivot;

        for (j = 0; j < i; j++)
            row[j] = (row[j] - aci_workshop_plain_dot(row, a + j * n, j)) /
                     a[j * n + j];
        pivot = row[i] - aci_workshop_plain_dot(row, row, i);
        if (!(pivot > 0.0))
            return i;
        row[i] = sqrt(pivot);
    }
    return -1;
}

/* Row i of inv(L): x_ii = 1 / l_ii, x_i = -x_ii sum_{k<i} l_ik x_k, with the
 * rows above already done. */
static void invert_lower(const aci_lapack *lapack, double *l, int64_t n)
{
    int64_t i, j, k;

    (void)lapack;
    for (i = 0; i < n; i++) {
        double *row = l + i * n, inverse = 1.0 / row[i];

        /* from the left: x_k reaches no further than column k */
        for (k = 0; k < i; k++) {
            double factor = row[k];

            row[k] = 0.0;
            add_scaled(row, factor, l + k * n, k + 1);
        }
        for (j = 0; j < i; j++)
            row[j] *= -inverse;
        row[i] = inverse;
    }
}

static void solve_row(double *x, const aci_solve *s, int32_t transposed)
{
    int64_t i;

    for (i = 0; i < s->n && !transposed; i++) {
        const double *l = s->l + i * s->l_stride;

        x[i] = (x[i] - aci_workshop_plain_dot(l, x, i)) / l[i];
    }
    for (i = s->n - 1; i >= 0 && transposed; i--) {
        const double *l = s->l + i * s->l_stride;

        x[i] /= l[i];
        add_scaled(x, -x[i], l, i);
    }
}

static void divide(double *x, double by, int64_t n)
{
    int64_t i;

    for (i = 0; i < n; i++)
        x[i] /= by;
}

static void solve(const aci_lapack *lapack, const aci_solve *s,
                  int32_t transposed)
{
    int64_t i, j, n = s->n, w = s->x_stride;

    (void)lapack;
    if (s->by_rows) {
        for (i = 0; i < s->n_right; i++)
            solve_row(s->x + i * w, s, transposed);
        return;
    }
    for (i = 0; i < n && !transposed; i++) {
        const double *l = s->l + i * s->l_stride;

        for (j = 0; j < i; j++)
            add_scaled(s->x + i * w, -l[j], s->x + j * w, s->n_right);
        divide(s->x + i * w, l[i], s->n_right);
    }
    for (i = n - 1; i >= 0 && transposed; i--) {
        const double *l = s->l + i * s->l_stride;

        divide(s->x + i * w, l[i], s->n_right);
        for (j = 0; j < i; j++)
            add_scaled(s->x + j * w, -l[j], s->x + i * w, s->n_right);
    }
}

const aci_algebra_level aci_workshop_algebra_plain = {
    "plain", product, cholesky, invert_lower, solve,
    aci_workshop_plain_eigen_work, aci_workshop_plain_eigen
};
