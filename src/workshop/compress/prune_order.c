/* prune_order.c - the orders in which units go, least worth first.
 *
 * Second order keeps M = inv(C), with C of what is left, and W, compensated for
 * what is gone. One round removes the units P of least score:
 *
 *     M[P, P] = L L'     T = inv(L) M[P, :]
 *     W <- W - (W[:, P] inv(L)') T          M <- M - T' T
 *
 * which are products, so a round costs what a few multiplications do; one by
 * one it would be as many passes over M as there are neurons. What is gone is
 * taken out of M and W, which get smaller from round to round. */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/prune_columns.h"

enum { ROUNDS = 8, FEW = 64 };

typedef struct state {
    aci_algebra *algebra;
    aci_memory *memory;
    int64_t n_out, n, width, n_units; /* n: columns that are left */
    double *m;         /* [n, n] */
    double *w;         /* [n_out, n] */
    double *score;     /* [n_units] */
    int32_t *place;    /* [n_units]: which unit of M's it is; -1: gone */
    int32_t *unit;     /* [n_left], those left, least score first */
    int64_t n_left;
} state;

static ac_status no_memory(ac_error *error)
{
    return aci_platform_fail_memory(error, "an order of pruning");
}

/* Ascending, by merging; of equal units the one that came first stays first.
 * spare [n]. */
static void sort_by_score(int32_t *unit, int32_t *spare, const double *score,
                          int64_t n)
{
    int64_t run, first, i, a, b;

    for (run = 1; run < n; run *= 2) {
        for (first = 0; first < n; first += 2 * run) {
            int64_t middle = first + run < n ? first + run : n;
            int64_t last = middle + run < n ? middle + run : n;

            for (i = first, a = first, b = middle; i < last; i++)
                spare[i] = a < middle && (b == last || score[unit[a]] <=
                                                           score[unit[b]])
                               ? unit[a++]
                               : unit[b++];
        }
        memcpy(unit, spare, (size_t)n * sizeof *unit);
    }
}

/* ---- first order ----------------------------------------------------------*/

/* sum[u]: what the pruned and u lose together beyond what the pruned do. */
static void remove_greedily(int32_t *removed, double *sum, const double *a,
                            int64_t n)
{
    int64_t i, u;

    for (u = 0; u < n; u++) {
        removed[u] = (int32_t)u;
        sum[u] = a[u * n + u];
    }
    for (i = 0; i < n; i++) {
        int64_t best = i;
        int32_t unit;

        for (u = i + 1; u < n; u++)
            if (sum[removed[u]] < sum[removed[best]])
                best = u;
        unit = removed[best];
        removed[best] = removed[i];
        removed[i] = unit;
        for (u = i + 1; u < n; u++)
            sum[removed[u]] += 2.0 * a[(int64_t)removed[u] * n + unit];
    }
}

ac_status aci_workshop_prune_first_order(int32_t *removed, aci_memory *memory,
                                         const double *a, int64_t n_units,
                                         int32_t method, ac_error *error)
{
    size_t n = (size_t)n_units;
    double *score = aci_platform_alloc_array(memory, n, sizeof *score);
    int32_t *spare = aci_platform_alloc_array(memory, n, sizeof *spare);
    ac_status status = score && spare ? AC_OK : no_memory(error);
    int64_t u;

    if (status == AC_OK && method == ACI_PRUNE_BIAS_ONLY)
        remove_greedily(removed, score, a, n_units);
    else if (status == AC_OK) {
        for (u = 0; u < n_units; u++) {
            removed[u] = (int32_t)u;
            score[u] = a[u * n_units + u];
        }
        sort_by_score(removed, spare, score, n_units);
    }
    aci_platform_free(memory, score);
    aci_platform_free(memory, spare);
    return status;
}

/* ---- second order ---------------------------------------------------------*/

/* tr(W_u inv(M_uu) W_u'). */
static ac_status score_unit(state *s, int64_t u, double *block, double *rows,
                            ac_error *error)
{
    int64_t b = s->width, n = s->n, at = s->place[u] * b, i, j;
    aci_solve solve = { rows, block, b, s->n_out, b, b, 1 };
    ac_status status;

    s->score[u] = 0.0;
    if (b == 1) {
        for (i = 0; i < s->n_out; i++)
            s->score[u] += s->w[i * n + at] * s->w[i * n + at];
        s->score[u] /= s->m[at * n + at];
        return AC_OK;
    }
    for (i = 0; i < b; i++)
        memcpy(block + i * b, s->m + (at + i) * n + at,
               (size_t)b * sizeof *block);
    for (i = 0; i < s->n_out; i++)
        memcpy(rows + i * b, s->w + i * n + at, (size_t)b * sizeof *rows);
    status = aci_workshop_cholesky(s->algebra, block, b, NULL, error);
    if (status == AC_OK)
        status = aci_workshop_triangular_solve(s->algebra, &solve, 0, error);
    for (i = 0; i < s->n_out && status == AC_OK; i++)
        for (j = 0; j < b; j++)
            s->score[u] += rows[i * b + j] * rows[i * b + j];
    return status;
}

static ac_status score_all(state *s, ac_error *error)
{
    double *block = aci_platform_alloc_array(
        s->memory, (size_t)(s->width * s->width), sizeof *block);
    double *rows = aci_platform_alloc_array(
        s->memory, (size_t)(s->n_out * s->width), sizeof *rows);
    int32_t *spare = aci_platform_alloc_array(s->memory, (size_t)s->n_left,
                                              sizeof *spare);
    ac_status status = block && rows && spare ? AC_OK : no_memory(error);
    int64_t i;

    for (i = 0; i < s->n_left && status == AC_OK; i++)
        status = score_unit(s, s->unit[i], block, rows, error);
    if (status == AC_OK)
        sort_by_score(s->unit, spare, s->score, s->n_left);
    aci_platform_free(s->memory, block);
    aci_platform_free(s->memory, rows);
    aci_platform_free(s->memory, spare);
    return status;
}

/* Column number i of the first `p` units. */
static int64_t column(const state *s, int64_t i)
{
    return s->place[s->unit[i / s->width]] * s->width + i % s->width;
}

/* Columns of units that are gone out of n_rows rows, in place: what is written
 * lies before what is read. `is_gone` by place. */
static void close_gaps(double *a, const char *is_gone, int64_t n_rows,
                       const state *s)
{
    int64_t b = s->width, i, u;
    double *to = a;

    for (i = 0; i < n_rows; i++)
        for (u = 0; u < s->n / b; u++)
            if (!is_gone[u]) {
                memmove(to, a + i * s->n + u * b, (size_t)b * sizeof *to);
                to += b;
            }
}

/* The first n_gone units, no longer in s->unit, out of M and W. */
static ac_status take_out(state *s, int64_t n_gone, ac_error *error)
{
    int64_t b = s->width, units = s->n / b, u, k = 0;
    char *is_gone = aci_platform_alloc_zeroed(s->memory, (size_t)units, 1);
    int32_t *shift = aci_platform_alloc_array(s->memory, (size_t)units,
                                              sizeof *shift);

    if (is_gone != NULL && shift != NULL) {
        for (u = 0; u < n_gone; u++)
            is_gone[s->place[s->unit[u]]] = 1;
        for (u = 0; u < units; u++) {
            shift[u] = is_gone[u] ? -1 : (int32_t)k;
            if (!is_gone[u]) /* its rows of M, down over those gone */
                memmove(s->m + k++ * b * s->n, s->m + u * b * s->n,
                        (size_t)(b * s->n) * sizeof *s->m);
        }
        close_gaps(s->m, is_gone, k * b, s);
        close_gaps(s->w, is_gone, s->n_out, s);
        for (u = 0; u < s->n_units; u++)
            if (s->place[u] >= 0)
                s->place[u] = shift[s->place[u]];
        s->n = k * b;
    }
    aci_platform_free(s->memory, is_gone);
    aci_platform_free(s->memory, shift);
    return is_gone != NULL && shift != NULL ? AC_OK : no_memory(error);
}

/* The first n_gone units leave M and W. */
static ac_status remove_units(state *s, int64_t n_gone, ac_error *error)
{
    int64_t p = n_gone * s->width, n = s->n, i, j;
    double *l = aci_platform_alloc_array(s->memory, (size_t)(p * p),
                                         sizeof *l);
    double *t = aci_platform_alloc_array(s->memory, (size_t)(p * n),
                                         sizeof *t);
    double *wp = aci_platform_alloc_array(s->memory, (size_t)(s->n_out * p),
                                          sizeof *wp);
    aci_solve solve_t = { t, l, p, n, n, p, 0 };
    aci_solve solve_w = { wp, l, p, s->n_out, p, p, 1 };
    aci_dense_product of_w = { s->w, wp, t, s->n_out, n, p, n, p, n,
                               0, 0, -1.0, 1.0, 0, 0 };
    aci_dense_product of_m = { s->m, t, t, n, n, p, n, n, n,
                               1, 0, -1.0, 1.0, 1, 0 };
    ac_status status = l && t && wp ? AC_OK : no_memory(error);

    for (i = 0; i < p && status == AC_OK; i++) {
        const double *row = s->m + column(s, i) * n;

        memcpy(t + i * n, row, (size_t)n * sizeof *t);
        for (j = 0; j < p; j++)
            l[i * p + j] = row[column(s, j)];
        for (j = 0; j < s->n_out; j++)
            wp[j * p + i] = s->w[j * n + column(s, i)];
    }
    if (status == AC_OK)
        status = aci_workshop_cholesky(s->algebra, l, p, NULL, error);
    if (status == AC_OK)
        status = aci_workshop_triangular_solve(s->algebra, &solve_t, 0, error);
    if (status == AC_OK)
        status = aci_workshop_triangular_solve(s->algebra, &solve_w, 0, error);
    if (status == AC_OK)
        status = aci_workshop_product(s->algebra, &of_w, error);
    if (status == AC_OK)
        status = aci_workshop_product(s->algebra, &of_m, error);
    if (status == AC_OK)
        status = take_out(s, n_gone, error);
    s->unit += n_gone;
    s->n_left -= n_gone;
    aci_platform_free(s->memory, l);
    aci_platform_free(s->memory, t);
    aci_platform_free(s->memory, wp);
    return status;
}

ac_status aci_workshop_prune_second_order(int32_t *removed,
                                          aci_algebra *algebra, double *c,
                                          double *w,
                                          const aci_prune_input *in,
                                          ac_error *error)
{
    state s = { .algebra = algebra,
                .memory = aci_workshop_algebra_memory(algebra),
                .n_out = in->n_out,
                .n = in->n_in,
                .width = in->width,
                .n_units = in->n_in / in->width,
                .m = c,
                .w = w,
                .unit = removed };
    int64_t rounds = in->rounds ? in->rounds : ROUNDS, step, u;
    ac_status status;

    s.n_left = s.n_units;
    if (in->rounds == 0 && s.n_units < FEW)
        rounds = s.n_units;
    step = (s.n_units + rounds - 1) / rounds;
    s.score = aci_platform_alloc_array(s.memory, (size_t)s.n_units,
                                       sizeof *s.score);
    s.place = aci_platform_alloc_array(s.memory, (size_t)s.n_units,
                                       sizeof *s.place);
    for (u = 0; s.place != NULL && u < s.n_units; u++)
        removed[u] = s.place[u] = (int32_t)u;
    status = s.score && s.place
                 ? aci_workshop_spd_inverse(algebra, s.m, s.n, NULL, error)
                 : no_memory(error);
    while (status == AC_OK) {
        status = score_all(&s, error);
        if (s.n_left <= step)
            break; /* the last ones: no further round depends on them */
        if (status == AC_OK)
            status = remove_units(&s, step, error);
    }
    aci_platform_free(s.memory, s.score);
    aci_platform_free(s.memory, s.place);
    return status;
}
