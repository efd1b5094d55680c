/* linear_algebra_eigen.c - the plain symmetric eigen-decomposition.
 *
 * Householder reflections make the matrix tridiagonal, implicit QL steps make
 * it diagonal (Martin, Reinsch, Wilkinson 1968; Dubrulle, Martin, Wilkinson
 * 1968). Vectors are kept as rows, so that reflections and rotations run along
 * memory:
 *
 *     a = H_{n-1} .. H_2  T  H_2 .. H_{n-1},    rows = H_2 .. H_{n-1}
 *
 * where H_i = I - v v' / h acts on the first i coordinates and v stays in row i
 * of a until it is used. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "workshop/compress/linear_algebra_table.h"

enum { MOST_STEPS = 60 /* per value; two are usual */ };

/* Of squares, the largest entry being near 1: dividing by less would lose
 * digits to underflow, and entries of 1e-140 are none. */
static const double nothing = 1e-280;

size_t aci_workshop_plain_eigen_work(int64_t n)
{
    return 3 * (size_t)n;
}

static double *row_of(double *a, int64_t n, int64_t i)
{
    return a + i * n;
}

/* Row i of a becomes v; the result is h, 0 when there is nothing to reflect.
 * *beside is the entry that stays left of the diagonal. */
static double reflection(double *beside, double *v, int64_t i)
{
    double rest = aci_workshop_plain_dot(v, v, i - 1), last = v[i - 1], norm;

    *beside = last;
    if (rest < nothing)
        return 0.0;
    norm = sqrt(rest + last * last);
    *beside = last > 0.0 ? -norm : norm;
    v[i - 1] = last - *beside;
    return norm * norm - last * *beside;
}

/* The leading i x i part: a <- H a H = a - v q' - q v'. */
static void reflect_both_sides(double *a, int64_t n, int64_t i, double h,
                               double *q)
{
    const double *v = row_of(a, n, i);
    double half;
    int64_t r, s;

    for (r = 0; r < i; r++)
        q[r] = aci_workshop_plain_dot(row_of(a, n, r), v, i) / h;
    half = aci_workshop_plain_dot(q, v, i) / (2.0 * h);
    for (r = 0; r < i; r++)
        q[r] -= half * v[r];
    for (r = 0; r < i; r++) {
        double *row = row_of(a, n, r), vr = v[r], qr = q[r];

        for (s = 0; s < i; s++)
            row[s] -= vr * q[s] + qr * v[s];
    }
}

/* The vectors so far, rows below i, times H; then row i is a unit vector. */
static void reflect_rows(double *a, int64_t n, int64_t i, double h)
{
    double *v = row_of(a, n, i);
    int64_t r, s;

    for (r = 0; r < i && h != 0.0; r++) {
        double *row = row_of(a, n, r);
        double factor = aci_workshop_plain_dot(row, v, i) / h;

        for (s = 0; s < i; s++)
            row[s] -= factor * v[s];
    }
    for (r = 0; r < i; r++)
        row_of(a, n, r)[i] = 0.0;
    memset(v, 0, (size_t)n * sizeof *v);
    v[i] = 1.0;
}

/* d: the diagonal of T; e[i] couples i and i + 1. */
static void make_tridiagonal(double *d, double *e, double *h, double *a,
                             int64_t n)
{
    int64_t i;

    for (i = n - 1; i >= 1; i--) {
        h[i] = reflection(&e[i - 1], row_of(a, n, i), i);
        if (h[i] != 0.0)
            reflect_both_sides(a, n, i, h[i], d); /* d is free until below */
    }
    for (i = 0; i < n; i++) {
        d[i] = row_of(a, n, i)[i];
        if (i > 0)
            reflect_rows(a, n, i, h[i]);
        else
            row_of(a, n, 0)[0] = 1.0;
    }
    e[n - 1] = 0.0;
}

static void rotate(double *x, double *y, double c, double s, int64_t n)
{
    int64_t k;

    for (k = 0; k < n; k++) {
        double f = y[k];

        y[k] = s * x[k] + c * f;
        x[k] = c * x[k] - s * f;
    }
}

/* One implicit QL step on the block [first, last], from below upwards. */
static void ql_step(double *d, double *e, double *a, int64_t n, int64_t first,
                    int64_t last)
{
    double g = (d[first + 1] - d[first]) / (2.0 * e[first]);
    double r = hypot(g, 1.0), s = 1.0, c = 1.0, p = 0.0;
    int64_t i;

    g = d[last] - d[first] + e[first] / (g + copysign(r, g));
    for (i = last - 1; i >= first; i--) {
        double f = s * e[i], b = c * e[i];

        r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0.0) { /* the block fell apart on the way */
            d[i + 1] -= p;
            e[last] = 0.0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2.0 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        rotate(row_of(a, n, i), row_of(a, n, i + 1), c, s, n);
    }
    d[first] -= p;
    e[first] = g;
    e[last] = 0.0;
}

static int make_diagonal(double *d, double *e, double *a, int64_t n)
{
    int64_t first, last;
    int steps;

    for (first = 0; first < n; first++)
        for (steps = 0;; steps++) {
            for (last = first; last < n - 1; last++)
                if (fabs(e[last]) <= DBL_MIN + DBL_EPSILON *
                                         (fabs(d[last]) + fabs(d[last + 1])))
                    break;
            if (last == first)
                break;
            if (steps == MOST_STEPS)
                return 0;
            ql_step(d, e, a, n, first, last);
        }
    return 1;
}

static void sort_ascending(double *values, double *a, double *spare, int64_t n)
{
    size_t bytes = (size_t)n * sizeof *a;
    int64_t i, j, least;

    for (i = 0; i < n; i++) {
        double value = values[i];

        for (least = i, j = i + 1; j < n; j++)
            if (values[j] < values[least])
                least = j;
        if (least == i)
            continue;
        values[i] = values[least];
        values[least] = value;
        memcpy(spare, row_of(a, n, i), bytes);
        memcpy(row_of(a, n, i), row_of(a, n, least), bytes);
        memcpy(row_of(a, n, least), spare, bytes);
    }
}

/* The largest entry of the lower triangle; that triangle becomes both. */
static double mirror(double *a, int64_t n)
{
    double most = 0.0;
    int64_t i, j;

    for (i = 0; i < n; i++)
        for (j = 0; j <= i; j++) {
            a[j * n + i] = a[i * n + j];
            most = fmax(most, fabs(a[i * n + j]));
        }
    return most;
}

int aci_workshop_plain_eigen(const aci_lapack *lapack, double *values,
                             double *a, double *work, int64_t n)
{
    double most = mirror(a, n);
    double scale = most > 0.0 ? ldexp(1.0, ilogb(most)) : 1.0;
    int64_t i;

    (void)lapack;
    /* squares of entries must neither overflow nor vanish */
    for (i = 0; i < n * n; i++)
        a[i] /= scale;
    make_tridiagonal(values, work, work + n, a, n);
    if (!make_diagonal(values, work, a, n))
        return 0;
    sort_ascending(values, a, work, n);
    for (i = 0; i < n; i++)
        values[i] *= scale;
    return 1;
}
