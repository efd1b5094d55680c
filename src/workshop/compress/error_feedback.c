/* error_feedback.c - GPTQ into nested planes.
 *
 * Codes of a row are to make e' H e small, e = w - w^, H = E[x x']. With H =
 * V D V', V upper with ones on its diagonal, D diagonal,
 *
 *     e' H e = sum_k D_k (e_k + sum_{j<k} e_j V_jk)^2
 *
 * so each column in turn is rounded to
 *
 *     y_k = w_k + sum_{j<k} e_j V_jk
 *
 * which makes the k-th term as small as codes allow: LDLQ (Chee et al., QuIP,
 * arXiv 2307.13304), whose theorem 6 says that these are the very codes of GPTQ
 * (Frantar et al., arXiv 2210.17323). GPTQ's own form pushes the errors into
 * the columns still to come, by the upper Cholesky factor of the inverse of H;
 * here they are gathered when a column's turn comes, and nothing is inverted.
 * Columns go in blocks of 128, gathering from the blocks before at full speed.
 *
 * Then each column is looked at again, all others as they are: the best value
 * for it is w^_k + (H e)_k / H_kk. One such pass of coordinate descent (Nair,
 * Suggala, CDQuant, arXiv 2406.17542) takes 10 % more off the error, and gives
 * back what the bounds below take.
 *
 * Plane A is found so, then plane B on the same weights with A as it is, and C
 * is the rounding of what is left. Bounds, with D the ratio and x = w / s:
 *
 *     A   x - q in [-(8.49 + SLACK) / D, (7.49 + SLACK) / D]
 *     B   |D x - c| <= 1/2 + SLACK,      c = D q + r
 *
 * The first is what r reaches from q; the second what t reaches from c, but for
 * SLACK, by which a few weights of `full` are off at most: SLACK / D of an int4
 * step. 0 would leave r nothing to choose. No order of columns other than the
 * matrix's own is used: sorting by importance needs the groups sorted as well,
 * and with descent behind it there is nothing left to gain. */
#include "workshop/compress/error_feedback.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "platform/half.h"

enum { ROWS = ACI_STRIP_ROWS, BLOCK = 128, N_TRIES = 6 };

enum { N_DESCENTS = 1 };
#define SLACK 0.125f
#define DAMPING 0.01

typedef float lanes __attribute__((vector_size(4 * ROWS)));

/* ---- the factor ---------------------------------------------------------- */

/* H in reverse order of rows and columns, damped. */
static void reverse(double *out, const aci_input_statistics *input,
                    double damping)
{
    size_t n = (size_t)input->n;
    const float *from = input->moments;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            size_t row = n - 1 - j, column = n - 1 - i; /* row >= column */

            out[row * n + column] = (double)*from++ +
                                    (i == j ? damping : 0.0);
        }
}

/* With L of the reversed matrix, V[j][k] = L[n-1-j][n-1-k] / L[n-1-k][n-1-k].*/
static void take_factor(float *out, const double *l, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double by = 1.0 / l[(n - 1 - k) * n + (n - 1 - k)];

        for (size_t j = 0; j < k; j++)
            out[k * n + j] = (float)(l[(n - 1 - j) * n + (n - 1 - k)] * by);
    }
}

static void take_moments(aci_feedback *f, const aci_input_statistics *input,
                         double damping)
{
    size_t n = (size_t)f->n;
    const float *from = input->moments;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++, from++)
            f->moments[i * n + j] = f->moments[j * n + i] =
                i == j ? (float)((double)*from + damping) : *from;
    for (size_t i = 0; i < n; i++)
        f->inverse[i] = 1.0f / f->moments[i * n + i];
}

/* Every try starts from the statistics again: the last one spoilt them. */
static ac_status factor(aci_feedback *f, double *work, aci_algebra *algebra,
                        const aci_input_statistics *input, ac_error *error)
{
    double damping, mean = 0.0;
    ac_status status = AC_E_NUMERIC;

    for (int32_t k = 0; k < f->n; k++)
        mean += (double)f->importance[k] / f->n;
    damping = mean > 0.0 ? DAMPING * mean : 1.0;
    for (; status == AC_E_NUMERIC && f->n_tries < N_TRIES; f->n_tries++) {
        damping *= f->n_tries > 0 ? 10.0 : 1.0;
        reverse(work, input, damping);
        status = aci_workshop_cholesky(algebra, work, f->n, NULL, NULL);
    }
    if (status == AC_OK) {
        take_factor(f->factor, work, (size_t)f->n);
        take_moments(f, input, damping);
        return AC_OK;
    }
    aci_platform_free(f->memory, f->factor);
    f->factor = NULL;
    return status == AC_E_NUMERIC
               ? AC_OK
               : aci_platform_fail_memory(error, "a Cholesky factor");
}

ac_status aci_workshop_feedback_create(aci_feedback **out,
                                       aci_memory *memory,
                                       aci_algebra *algebra,
                                       const aci_input_statistics *input,
                                       ac_error *error)
{
    aci_feedback *f = aci_platform_alloc_zeroed(memory, 1, sizeof *f);
    size_t n = (size_t)input->n;
    double *work = aci_platform_alloc_array(memory, n, n * sizeof *work);
    ac_status status;

    *out = NULL;
    if (f != NULL) {
        f->memory = memory;
        f->n = input->n;
        f->lanes = aci_workshop_feedback_level(NULL);
        f->n_descents = N_DESCENTS;
        f->slack = SLACK;
        f->importance = aci_platform_alloc_zeroed(
            memory, (size_t)aci_matrix_padded(input->n, ACI_COLUMN_PADDING),
            sizeof *f->importance);
        f->factor = aci_platform_alloc_array(memory, n, n * sizeof(float));
        f->moments = aci_platform_alloc_array(memory, n, n * sizeof(float));
        f->inverse = aci_platform_alloc_array(memory, n, sizeof(float));
    }
    if (f == NULL || work == NULL || f->importance == NULL ||
        f->factor == NULL || f->moments == NULL || f->inverse == NULL) {
        status = aci_platform_fail_memory(error, "an input's statistics");
        goto out;
    }
    for (size_t k = 0; k < n; k++)
        f->importance[k] = input->moments[k * (k + 1) / 2 + k];
    status = factor(f, work, algebra, input, error);
out:
    aci_platform_free(memory, work);
    if (status == AC_OK)
        *out = f;
    else
        aci_workshop_feedback_free(f);
    return status;
}

void aci_workshop_feedback_free(aci_feedback *feedback)
{
    if (feedback == NULL)
        return;
    aci_platform_free(feedback->memory, feedback->importance);
    aci_platform_free(feedback->memory, feedback->factor);
    aci_platform_free(feedback->memory, feedback->moments);
    aci_platform_free(feedback->memory, feedback->inverse);
    aci_platform_free(feedback->memory, feedback);
}

uint64_t aci_workshop_feedback_bytes(int32_t n)
{
    uint64_t wide = (uint64_t)n + ACI_COLUMN_PADDING;

    return wide * wide * (sizeof(double) + 2 * sizeof(float));
}

/* ---- one column ---------------------------------------------------------- */

/* A strip while its codes are chosen; row by row of columns, 16 lanes. */
typedef struct strip_work {
    const aci_feedback *feedback;
    const lanes *weights;
    lanes *errors;             /* w - w^ of the plane at hand */
    aci_strip_codes *out;
    int32_t group, plane;      /* 0: A, 1: B */
    float ratio;
    float step[ROWS], inverse[ROWS]; /* of int4, in the group at hand */
} strip_work;

static inline float round_even(float x)
{
    return (x + 12582912.0f) - 12582912.0f;
}

static inline float clamp(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static void enter_group(strip_work *w, int32_t k)
{
    const uint16_t *scales = w->out->scales + (size_t)(k / w->group) * ROWS;

    for (int i = 0; i < ROWS; i++) {
        float s = aci_platform_f32_from_f16(scales[i]);

        w->step[i] = s;
        w->inverse[i] = s < 0 || s > 0 ? 1.0f / s : 0.0f;
    }
}

/* The code of plane A nearest to y that keeps its weight within reach. */
static void choose_a(strip_work *w, int32_t k, const float *y)
{
    const float *x = (const float *)&w->weights[k];
    float *error = (float *)&w->errors[k];
    int8_t *q = w->out->q + (size_t)k * ROWS;
    float slack = w->feedback->slack;
    float above = (7.49f + slack) / w->ratio - 0.5f;
    float below = (8.49f + slack) / w->ratio - 0.5f;

    for (int i = 0; i < ROWS; i++) {
        float at = x[i] * w->inverse[i];
        float low = clamp(round_even(at - above), -8.0f, 7.0f);
        float high = clamp(round_even(at + below), low, 7.0f);
        float code = clamp(round_even(y[i] * w->inverse[i]), low, high);

        q[i] = (int8_t)code;
        error[i] = x[i] - code * w->step[i];
    }
}

/* The code of planes A and B nearest to y, given A's. */
static void choose_b(strip_work *w, int32_t k, const float *y)
{
    const float *x = (const float *)&w->weights[k];
    float *error = (float *)&w->errors[k];
    const int8_t *q = w->out->q + (size_t)k * ROWS;
    int8_t *r = w->out->r + (size_t)k * ROWS;
    float part = 1.0f / w->ratio, slack = w->feedback->slack;

    for (int i = 0; i < ROWS; i++) {
        float at = x[i] * w->inverse[i] * w->ratio;
        float coarse = (float)q[i] * w->ratio;
        float low = clamp(round_even(at - slack), coarse - 8.0f,
                          coarse + 7.0f);
        float high = clamp(round_even(at + slack), low, coarse + 7.0f);
        float code = clamp(round_even(y[i] * w->inverse[i] * w->ratio), low,
                           high);

        r[i] = (int8_t)(code - coarse);
        error[i] = x[i] - code * (w->step[i] * part);
    }
}

static void choose(strip_work *w, int32_t k, const lanes *y)
{
    if (k % w->group == 0)
        enter_group(w, k);
    if (w->plane == 0)
        choose_a(w, k, (const float *)y);
    else
        choose_b(w, k, (const float *)y);
}

/* ---- passes over the columns --------------------------------------------- */

/* Sums over columns [first, last) for columns [begin, end), which have rows
 * in `matrix`. */
static void gather(lanes *y, const strip_work *w, const float *matrix,
                   int32_t begin, int32_t end, int32_t first, int32_t last)
{
    size_t n = (size_t)w->feedback->n;

    w->feedback->lanes->gather((float *)y, (const float *)w->errors,
                               matrix + (size_t)begin * n, n, end - begin,
                               first, last);
}

static void feed_back(strip_work *w)
{
    const aci_feedback *f = w->feedback;
    lanes y[BLOCK];

    for (int32_t begin = 0; begin < f->n; begin += BLOCK) {
        int32_t end = begin + BLOCK < f->n ? begin + BLOCK : f->n;

        memcpy(y, w->weights + begin, (size_t)(end - begin) * sizeof *y);
        gather(y, w, f->factor, begin, end, 0, begin);
        for (int32_t k = begin; k < end; k++) {
            gather(&y[k - begin], w, f->factor, k, k + 1, begin, k);
            choose(w, k, &y[k - begin]);
        }
    }
}

static void descend(strip_work *w)
{
    const aci_feedback *f = w->feedback;
    lanes y[BLOCK];

    for (int32_t begin = 0; begin < f->n; begin += BLOCK) {
        int32_t end = begin + BLOCK < f->n ? begin + BLOCK : f->n;

        memset(y, 0, sizeof y);
        gather(y, w, f->moments, begin, end, 0, begin);
        gather(y, w, f->moments, begin, end, end, f->n);
        for (int32_t k = begin; k < end; k++) {
            lanes *here = &y[k - begin];

            gather(here, w, f->moments, k, k + 1, begin, end);
            *here = w->weights[k] - w->errors[k] + *here * f->inverse[k];
            choose(w, k, here);
        }
    }
}

/* Without a factor every column goes by itself. */
static void round_all(strip_work *w)
{
    for (int32_t k = 0; k < w->feedback->n; k++)
        choose(w, k, &w->weights[k]);
}

static void find_plane(strip_work *w, int32_t plane)
{
    w->plane = plane;
    if (w->feedback->factor == NULL) {
        round_all(w);
        return;
    }
    feed_back(w);
    for (int i = 0; i < w->feedback->n_descents; i++)
        descend(w);
}

/* Plane C: what A and B leave, in 1/256 of B's step. */
static void refine(strip_work *w)
{
    const aci_strip_codes *out = w->out;

    for (int32_t k = 0; k < w->feedback->n; k++) {
        const float *x = (const float *)&w->weights[k];
        size_t at = (size_t)k * ROWS;

        if (k % w->group == 0)
            enter_group(w, k);
        for (size_t i = 0; i < ROWS; i++) {
            float code = w->ratio * (float)out->q[at + i] +
                         (float)out->r[at + i];
            float rest = x[i] * w->inverse[i] * w->ratio - code;

            out->t[at + i] = (int8_t)clamp(round_even(256.0f * rest), -127.0f,
                                           127.0f);
        }
    }
}

int32_t aci_workshop_feedback_strip(aci_strip_codes *out, float *errors,
                                    const aci_feedback *feedback,
                                    const float *weights, int32_t n_in_padded,
                                    int32_t group, int32_t ratio)
{
    strip_work w = { .feedback = feedback,
                     .weights = (const lanes *)(const void *)weights,
                     .errors = (lanes *)(void *)errors,
                     .out = out, .group = group, .ratio = (float)ratio };
    size_t used = (size_t)feedback->n * ROWS;
    size_t padding = (size_t)n_in_padded * ROWS - used;
    int32_t row = aci_workshop_search_scales(out->scales, weights,
                                             feedback->importance,
                                             n_in_padded, group, ratio);

    if (row >= 0)
        return row;
    find_plane(&w, 0);
    find_plane(&w, 1);
    refine(&w);
    memset(out->q + used, 0, padding);
    memset(out->r + used, 0, padding);
    memset(out->t + used, 0, padding);
    return -1;
}
