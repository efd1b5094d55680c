/* low_rank.c - factors by one symmetric eigen-decomposition, of
 *
 *     W H W'  [n_out, n_out]       where n_out <= n_in, or
 *     A' A    [n_in, n_in], A = W S, H = S S'        where it is the other way
 *
 * (then u_i = A q_i / |A q_i|). S is the Cholesky factor; H of dead inputs has
 * none and is taken apart itself. Both are in float64: squaring costs half the
 * digits. A randomised sketch instead was left out: docs/compression.md. */
#include "workshop/compress/low_rank.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"

/* Relative to the largest value: below, squares of singular values are
 * rounding, and their vectors anything. */
static const double rounding = 1e-13;

static double *matrix(aci_algebra *algebra, int64_t rows, int64_t columns)
{
    return aci_platform_alloc_array(aci_workshop_algebra_memory(algebra),
                                    (size_t)(rows * columns),
                                    sizeof(double));
}

static ac_status no_memory(ac_error *error)
{
    return aci_platform_fail_memory(error, "low-rank factors");
}

/* c [m, n] = a op(b) [k, n], all tight. */
static ac_status times(aci_algebra *algebra, double *c, const double *a,
                       const double *b, int64_t m, int64_t n, int64_t k,
                       int32_t b_transposed, ac_error *error)
{
    aci_dense_product p = { c, a, b, m, n, k, n, k, b_transposed ? k : n, 0,
                            b_transposed, 1.0, 0.0, 0, 0 };

    return aci_workshop_product(algebra, &p, error);
}

static void widen(double *out, const float *weights, const double *row_weight,
                  int64_t n_out, int64_t n_in)
{
    int64_t i, j;

    for (i = 0; i < n_out; i++)
        for (j = 0; j < n_in; j++)
            out[i * n_in + j] = weights[i * n_in + j] *
                                (row_weight ? row_weight[i] : 1.0);
}

/* ---- the two ways ---------------------------------------------------------*/

/* left [most, n_out], values [n_out] ascending. */
static ac_status from_outputs(aci_low_rank *out, aci_algebra *algebra,
                              double **values, const double *w,
                              const double *h, ac_error *error)
{
    int64_t m = out->n_out, n = out->n_in, i;
    double *wh = h ? matrix(algebra, m, n) : NULL, *a = matrix(algebra, m, m);
    ac_status status = AC_OK;

    *values = matrix(algebra, m, 1);
    if ((h && wh == NULL) || a == NULL || *values == NULL)
        status = no_memory(error);
    if (status == AC_OK && h)
        status = times(algebra, wh, w, h, m, n, n, 0, error);
    if (status == AC_OK)
        status = times(algebra, a, h ? wh : w, w, m, m, n, 1, error);
    if (status == AC_OK)
        status = aci_workshop_symmetric_eigen(*values, algebra, a, m, error);
    for (i = 0; i < out->most && status == AC_OK; i++)
        memcpy(out->left + i * m, a + (m - 1 - i) * m,
               (size_t)m * sizeof *a);
    aci_platform_free(out->memory, wh);
    aci_platform_free(out->memory, a);
    return status;
}

/* s [n, n] with s s' = h. */
static ac_status square_root(double *s, aci_algebra *algebra, const double *h,
                             int64_t n, ac_error *error)
{
    double *values;
    int64_t pivot, i, j;
    ac_status status;

    memcpy(s, h, (size_t)(n * n) * sizeof *s);
    status = aci_workshop_cholesky(algebra, s, n, &pivot, error);
    if (status != AC_E_NUMERIC || pivot < 0)
        return status;
    values = matrix(algebra, n, 1);
    if (values == NULL)
        return no_memory(error);
    memcpy(s, h, (size_t)(n * n) * sizeof *s);
    status = aci_workshop_symmetric_eigen(values, algebra, s, n, error);
    /* rows are vectors: s' s with rows times the root is h; turned, s s' is */
    for (i = 0; i < n && status == AC_OK; i++)
        for (j = 0; j < n; j++)
            s[i * n + j] *= sqrt(fmax(values[i], 0.0));
    for (i = 0; i < n && status == AC_OK; i++)
        for (j = 0; j < i; j++) {
            double x = s[i * n + j];

            s[i * n + j] = s[j * n + i];
            s[j * n + i] = x;
        }
    aci_platform_free(aci_workshop_algebra_memory(algebra), values);
    return status;
}

/* Rows of x [rows, n] orthonormal, each changed by those before it only: twice
 * x <- inv(L) x with x x' = L L'. */
static ac_status orthonormalise(double *x, aci_algebra *algebra, int64_t rows,
                                int64_t n, ac_error *error)
{
    double *gram = matrix(algebra, rows, rows);
    ac_status status = gram ? AC_OK : no_memory(error);
    int time;

    for (time = 0; time < 2 && status == AC_OK; time++) {
        aci_solve s = { x, gram, rows, n, n, rows, 0 };

        status = times(algebra, gram, x, x, rows, rows, n, 1, error);
        if (status == AC_OK)
            status = aci_workshop_cholesky(algebra, gram, rows, NULL, error);
        if (status == AC_OK)
            status = aci_workshop_triangular_solve(algebra, &s, 0, error);
    }
    aci_platform_free(aci_workshop_algebra_memory(algebra), gram);
    return status;
}

/* left from the vectors of A'A (rows of q, values ascending): A q_i, largest
 * first, as many as are more than rounding. */
static ac_status turn_to_outputs(aci_low_rank *out, aci_algebra *algebra,
                                 double *q, const double *values,
                                 const double *a, ac_error *error)
{
    int64_t m = out->n_out, n = out->n_in, i, j;
    double least = values[n - 1] * rounding * (double)n, *first;
    ac_status status;

    while (out->most > 0 && !(values[n - out->most] > least))
        out->most--;
    for (i = 0; i < out->most; i++) {
        double root = sqrt(values[n - 1 - i]);

        for (j = 0; j < n; j++)
            q[(n - 1 - i) * n + j] /= root;
    }
    /* ascending rows, then the other way round */
    status = times(algebra, out->left, q + (n - out->most) * n, a, out->most,
                   m, n, 1, error);
    for (i = 0, first = out->left; i < out->most / 2; i++, first += m)
        for (j = 0; j < m; j++) {
            double *other = out->left + (out->most - 1 - i) * m + j;
            double x = first[j];

            first[j] = *other;
            *other = x;
        }
    if (status == AC_OK)
        status = orthonormalise(out->left, algebra, out->most, m, error);
    return status;
}

static ac_status from_inputs(aci_low_rank *out, aci_algebra *algebra,
                             double **values, const double *w, const double *h,
                             ac_error *error)
{
    int64_t m = out->n_out, n = out->n_in;
    double *s = h ? matrix(algebra, n, n) : NULL;
    double *a = h ? matrix(algebra, m, n) : NULL, *q = matrix(algebra, n, n);
    const double *factor = h ? a : w;
    aci_dense_product square = { q, factor, factor, n, n, m, n, n, n,
                                 1, 0, 1.0, 0.0, 1, 0 };
    ac_status status = AC_OK;

    *values = matrix(algebra, n, 1);
    if ((h && (s == NULL || a == NULL)) || q == NULL || *values == NULL)
        status = no_memory(error);
    if (status == AC_OK && h)
        status = square_root(s, algebra, h, n, error);
    if (status == AC_OK && h)
        status = times(algebra, a, w, s, m, n, n, 0, error);
    if (status == AC_OK)
        status = aci_workshop_product(algebra, &square, error);
    if (status == AC_OK)
        status = aci_workshop_symmetric_eigen(*values, algebra, q, n, error);
    if (status == AC_OK)
        status = turn_to_outputs(out, algebra, q, *values, factor, error);
    aci_platform_free(out->memory, s);
    aci_platform_free(out->memory, a);
    aci_platform_free(out->memory, q);
    return status;
}

/* error[r]: the values beyond the largest r, summed from the smallest up.
 * values [n] ascending. */
static void sum_errors(aci_low_rank *out, const double *values, int64_t n)
{
    double sum = 0.0;
    int64_t i, r;

    for (i = 0; i < n - out->most; i++)
        sum += fmax(values[i], 0.0);
    for (r = out->most; r >= 0; r--) {
        out->error[r] = sum;
        if (r > 0)
            sum += fmax(values[n - r], 0.0);
    }
}

/* ---- factors --------------------------------------------------------------*/

static ac_status check(const aci_low_rank_input *in, ac_error *error)
{
    int64_t i, least = in->n_out < in->n_in ? in->n_out : in->n_in;

    if (in->n_out < 1 || in->n_in < 1 || in->n_out > INT32_MAX ||
        in->n_in > INT32_MAX || in->rank < 0 || in->rank > least)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a %lld x %lld matrix has no rank %lld",
                                 (long long)in->n_out, (long long)in->n_in,
                                 (long long)in->rank);
    for (i = 0; in->row_weight && i < in->n_out; i++)
        if (!(in->row_weight[i] > 0.0) || isinf(in->row_weight[i]))
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "the weight of output %lld was not above "
                                     "zero", (long long)i);
    return AC_OK;
}

static ac_status allocate(aci_low_rank *out, const aci_low_rank_input *in,
                          aci_algebra *algebra, ac_error *error)
{
    int64_t least = in->n_out < in->n_in ? in->n_out : in->n_in;

    memset(out, 0, sizeof *out);
    out->memory = aci_workshop_algebra_memory(algebra);
    out->n_out = in->n_out;
    out->n_in = in->n_in;
    out->most = in->rank > 0 ? in->rank : least;
    out->left = matrix(algebra, out->most, out->n_out);
    out->right = matrix(algebra, out->most, out->n_in);
    out->error = matrix(algebra, out->most + 1, 1);
    return out->left && out->right && out->error ? AC_OK : no_memory(error);
}

ac_status aci_workshop_low_rank(aci_low_rank *out, aci_algebra *algebra,
                                const aci_low_rank_input *in, ac_error *error)
{
    double *w = NULL, *values = NULL;
    int64_t i, j;
    ac_status status = check(in, error);

    memset(out, 0, sizeof *out);
    if (status != AC_OK)
        return status;
    status = allocate(out, in, algebra, error);
    w = matrix(algebra, in->n_out, in->n_in);
    if (status == AC_OK && w == NULL)
        status = no_memory(error);
    if (status != AC_OK)
        goto out;
    widen(w, in->weights, in->row_weight, in->n_out, in->n_in);
    status = in->n_out <= in->n_in
                 ? from_outputs(out, algebra, &values, w, in->h, error)
                 : from_inputs(out, algebra, &values, w, in->h, error);
    if (status == AC_OK)
        status = times(algebra, out->right, out->left, w, out->most, in->n_in,
                       in->n_out, 0, error);
    if (status != AC_OK)
        goto out;
    sum_errors(out, values, in->n_out < in->n_in ? in->n_out : in->n_in);
    for (i = 0; in->row_weight && i < out->most; i++)
        for (j = 0; j < in->n_out; j++)
            out->left[i * in->n_out + j] /= in->row_weight[j];
out:
    aci_platform_free(aci_workshop_algebra_memory(algebra), values);
    aci_platform_free(aci_workshop_algebra_memory(algebra), w);
    if (status != AC_OK)
        aci_workshop_low_rank_free(out);
    return status;
}

void aci_workshop_low_rank_free(aci_low_rank *factors)
{
    aci_platform_free(factors->memory, factors->left);
    aci_platform_free(factors->memory, factors->right);
    aci_platform_free(factors->memory, factors->error);
    memset(factors, 0, sizeof *factors);
}

void aci_workshop_low_rank_take(float *left, float *right,
                                const aci_low_rank *factors, int64_t rank)
{
    int64_t i, j;

    for (i = 0; i < rank; i++) {
        for (j = 0; j < factors->n_out; j++)
            left[j * rank + i] = (float)factors->left[i * factors->n_out + j];
        for (j = 0; j < factors->n_in; j++)
            right[i * factors->n_in + j] =
                (float)factors->right[i * factors->n_in + j];
    }
}

/* ---- around them ----------------------------------------------------------*/

void aci_workshop_low_rank_bias(double *bias, const float *weights,
                                const float *left, const float *right,
                                int64_t n_out, int64_t n_in, int64_t rank,
                                const float *mean)
{
    int64_t i, j, r;

    for (i = 0; i < n_out; i++)
        for (bias[i] = 0.0, j = 0; j < n_in; j++)
            bias[i] += (double)weights[i * n_in + j] * mean[j];
    for (r = 0; r < rank; r++) {
        double answer = 0.0;

        for (j = 0; j < n_in; j++)
            answer += (double)right[r * n_in + j] * mean[j];
        for (i = 0; i < n_out; i++)
            bias[i] -= left[i * rank + r] * answer;
    }
}

ac_status aci_workshop_low_rank_seen(double *out, aci_algebra *algebra,
                                     const float *right, int64_t rank,
                                     int64_t n_in, const double *h,
                                     ac_error *error)
{
    double *v = matrix(algebra, rank, n_in), *vh = matrix(algebra, rank, n_in);
    ac_status status = v && vh ? AC_OK : no_memory(error);
    int64_t i, j;

    if (status == AC_OK) {
        widen(v, right, NULL, rank, n_in);
        status = times(algebra, vh, v, h, rank, n_in, n_in, 0, error);
    }
    if (status == AC_OK)
        status = times(algebra, out, vh, v, rank, rank, n_in, 1, error);
    for (i = 0; i < rank && status == AC_OK; i++) /* to the last bit */
        for (j = 0; j < i; j++)
            out[j * rank + i] = out[i * rank + j];
    aci_platform_free(aci_workshop_algebra_memory(algebra), v);
    aci_platform_free(aci_workshop_algebra_memory(algebra), vh);
    return status;
}

ac_status aci_workshop_answer_error(double *out, aci_algebra *algebra,
                                    const float *a, const float *b,
                                    int64_t n_out, int64_t n_in,
                                    const double *h, ac_error *error)
{
    double *d = matrix(algebra, n_out, n_in), *dh = matrix(algebra, n_out,
                                                           n_in);
    ac_status status = d && dh ? AC_OK : no_memory(error);
    int64_t i;

    for (i = 0; i < n_out * n_in && status == AC_OK; i++)
        d[i] = (double)a[i] - (b ? b[i] : 0.0);
    if (status == AC_OK)
        status = times(algebra, dh, d, h, n_out, n_in, n_in, 0, error);
    if (status == AC_OK)
        *out = 0.0;
    for (i = 0; i < n_out * n_in && status == AC_OK; i++)
        *out += d[i] * dh[i];
    aci_platform_free(aci_workshop_algebra_memory(algebra), d);
    aci_platform_free(aci_workshop_algebra_memory(algebra), dh);
    return status;
}

ac_status aci_workshop_low_rank_balance(double *row_weight,
                                        aci_algebra *algebra,
                                        const aci_low_rank_input *stacked,
                                        const int64_t *rows, int32_t n_parts,
                                        ac_error *error)
{
    int64_t first = 0, i;
    int32_t part;

    for (part = 0; part < n_parts; part++) {
        double power;
        ac_status status = aci_workshop_answer_error(
            &power, algebra, stacked->weights + first * stacked->n_in, NULL,
            rows[part], stacked->n_in, stacked->h, error);

        if (status != AC_OK)
            return status;
        /* a part that never answers has no error to weigh */
        for (i = 0; i < rows[part]; i++)
            row_weight[first + i] = power > 0.0 ? 1.0 / sqrt(power) : 1.0;
        first += rows[part];
    }
    return AC_OK;
}
