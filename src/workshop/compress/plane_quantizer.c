/* plane_quantizer.c - searched scales; nested codes without calibration.
 *
 * Per row and group of columns the weight of largest magnitude, e, is to land
 * near code -8. In units of -e the weights are v in [-1, 1], v = -1 at e, and
 * the step is a > 0:
 *
 *     candidates  a = 1 / (8 - t/10),  t = -10..10         (llama.cpp's search)
 *     codes       q = round(v / a) in [-8, 7]
 *     refit       a = sum v q / sum q q                    (least squares)
 *     keep        the smallest sum (v - a q)^2
 *
 * With calibration the squares are weighted by E[x^2] of their column times
 * sqrt(v^2 + mean v^2), as llama.cpp does with an importance matrix. (Without
 * one that weighting lost: more error and more KL.)
 *
 * With the float16 scale s = -e a fixed, planes B and C are roundings of what
 * is left, in steps of s/D and s/(256 D).
 *
 * What must stay true: no weight may lie outside what D q + r reaches, or the
 * finer planes could not follow and `full` would be wrong by percents. So
 *     v / a <= (7 D + 7 + 1/2) / D    and    v / a >= -(8 D + 8 + 1/2) / D
 * bound a from below, for candidates and refit alike; where int4 alone would
 * clip more, it may not.
 *
 * D: the error of A+B falls with 1/D, but the bound on a tightens, and that is
 * int4's. |v/a - q| <= 1/2 lets r follow up to D = 14. At D = 12 a group with
 * both extremes equal still has a step of 1/91.5 of them, so A+B is within a
 * factor of 2 of Q8_0 (1/127) in squared error whatever the weights. Figures
 * for 8 to 14 in docs/formats.md. */
#include "workshop/compress/plane_quantizer.h"

#include <math.h>

#include "platform/half.h"

enum { ROWS = ACI_STRIP_ROWS, N_CANDIDATES = 21 };

/* Below this all codes are 0 at the smallest scale there is. */
#define NEGLIGIBLE 0x1p-40f
#define LARGEST_SCALE 65504.0f

/* Round half to even for |x| < 2^22: adding 1.5 * 2^23 leaves no fraction. */
static inline float round_even(float x)
{
    return (x + 12582912.0f) - 12582912.0f;
}

static inline float clamp(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* One group of one strip. */
typedef struct group_state {
    float extreme[ROWS];   /* e */
    float lowest[ROWS];    /* smallest a allowed */
    float best[ROWS];      /* a chosen */
    float best_gain[ROWS]; /* sum v^2 - error, to be largest */
} group_state;

static void find_extremes(group_state *state, const float *x, int32_t group)
{
    float highest[ROWS] = { 0 }, deepest[ROWS] = { 0 };

    for (int32_t k = 0; k < group; k++)
        for (int i = 0; i < ROWS; i++) {
            float value = x[k * ROWS + i];

            highest[i] = value > highest[i] ? value : highest[i];
            deepest[i] = value < deepest[i] ? value : deepest[i];
        }
    for (int i = 0; i < ROWS; i++)
        state->extreme[i] = highest[i] > -deepest[i] ? highest[i] : deepest[i];
}

/* v = -x / e for all columns; rows without weights become zero. */
static void normalize(float *v, group_state *state, const float *x,
                      int32_t group, float ratio)
{
    float factor[ROWS], highest[ROWS] = { 0 };
    const float up = (7.0f * ratio + 7.0f + 0.49f) / ratio;
    const float down = (8.0f * ratio + 8.0f + 0.49f) / ratio;

    for (int i = 0; i < ROWS; i++) {
        float e = state->extreme[i];

        factor[i] = e > NEGLIGIBLE || e < -NEGLIGIBLE ? -1.0f / e : 0.0f;
    }
    for (int32_t k = 0; k < group; k++)
        for (int i = 0; i < ROWS; i++) {
            float value = x[k * ROWS + i] * factor[i];

            v[k * ROWS + i] = value;
            highest[i] = value > highest[i] ? value : highest[i];
        }
    for (int i = 0; i < ROWS; i++) {
        float from_top = highest[i] / up, from_bottom = 1.0f / down;

        state->lowest[i] = from_top > from_bottom ? from_top : from_bottom;
        state->best[i] = 0.0f;
        state->best_gain[i] = -1.0f;
    }
}

/* sums of v q and q q; `weights` NULL: all 1. */
static inline void sum_codes(float *vq, float *qq, const float *v,
                             const float *weights, int32_t group,
                             const float *inverse)
{
    for (int32_t k = 0; k < group; k++)
        for (int i = 0; i < ROWS; i++) {
            float value = v[k * ROWS + i];
            float q = clamp(round_even(value * inverse[i]), -8.0f, 7.0f);
            float weighted = weights != NULL ? weights[k * ROWS + i] * q : q;

            vq[i] += weighted * value;
            qq[i] += weighted * q;
        }
}

/* Codes, refit and gain of one candidate step for all rows. */
static void try_candidate(group_state *state, const float *v,
                          const float *weights, int32_t group, float step)
{
    float inverse[ROWS], vq[ROWS] = { 0 }, qq[ROWS] = { 0 };

    for (int i = 0; i < ROWS; i++)
        inverse[i] = 1.0f / (step > state->lowest[i] ? step
                                                     : state->lowest[i]);
    if (weights != NULL)
        sum_codes(vq, qq, v, weights, group, inverse);
    else
        sum_codes(vq, qq, v, NULL, group, inverse);
    for (int i = 0; i < ROWS; i++) {
        float a = qq[i] > 0.0f ? vq[i] / qq[i] : 0.0f;
        float gain;

        a = a > state->lowest[i] ? a : state->lowest[i];
        gain = a * (2.0f * vq[i] - a * qq[i]);
        if (gain > state->best_gain[i]) {
            state->best_gain[i] = gain;
            state->best[i] = a;
        }
    }
}

/* The float16 scale of one row, never nearer to zero than the bound. Returns
 * 0 when there is none so large. */
static int choose_scale(uint16_t *out, const group_state *state, int row)
{
    float e = state->extreme[row];
    float scale = state->best[row] * (e < 0 ? -e : e);
    float bound = state->lowest[row] * (e < 0 ? -e : e);
    uint16_t sign = e > 0 ? 0x8000u : 0u;
    uint16_t half;

    *out = 0;
    if (e <= NEGLIGIBLE && e >= -NEGLIGIBLE)
        return 1;
    if (!(bound <= LARGEST_SCALE))
        return 0;
    half = aci_platform_f16_from_f32(scale < LARGEST_SCALE ? scale
                                                           : LARGEST_SCALE);
    if (aci_platform_f32_from_f16(half) < bound || half == 0)
        half++; /* one step up; bound <= 65504 keeps it finite */
    *out = half | sign;
    return 1;
}

static void write_codes(aci_strip_codes *out, const float *x, int32_t first,
                        int32_t group, const uint16_t *scales, float ratio)
{
    float inverse[ROWS];

    for (int i = 0; i < ROWS; i++) {
        float s = aci_platform_f32_from_f16(scales[i]);

        inverse[i] = s < 0 || s > 0 ? 1.0f / s : 0.0f;
    }
    for (int32_t k = 0; k < group; k++) {
        size_t at = (size_t)(first + k) * ROWS;

        for (int i = 0; i < ROWS; i++) {
            float y = x[k * ROWS + i] * inverse[i];
            float q = clamp(round_even(y), -8.0f, 7.0f);
            float fine = y * ratio;
            float r = clamp(round_even(fine) - ratio * q, -8.0f, 7.0f);
            float rest = fine - (ratio * q + r);
            float t = clamp(round_even(256.0f * rest), -127.0f, 127.0f);

            out->q[at + (size_t)i] = (int8_t)q;
            out->r[at + (size_t)i] = (int8_t)r;
            out->t[at + (size_t)i] = (int8_t)t;
        }
    }
}

/* importance[k] * sqrt(v^2 + mean v^2); 1 where no column has any. */
static const float *weigh(float *weights, const float *v,
                          const float *importance, int32_t group)
{
    float mean[ROWS] = { 0 }, any = 0.0f;

    for (int32_t k = 0; k < group; k++) {
        any = importance[k] > any ? importance[k] : any;
        for (int i = 0; i < ROWS; i++)
            mean[i] += v[k * ROWS + i] * v[k * ROWS + i] / (float)group;
    }
    if (!(any > 0.0f))
        return NULL;
    /* Relative to the largest, so that nothing over- or underflows. */
    for (int32_t k = 0; k < group; k++)
        for (int i = 0; i < ROWS; i++) {
            float value = v[k * ROWS + i];

            weights[k * ROWS + i] = importance[k] / any *
                                    sqrtf(value * value + mean[i]);
        }
    return weights;
}

int32_t aci_workshop_search_scales(uint16_t *out, const float *weights,
                                   const float *importance,
                                   int32_t n_in_padded, int32_t group,
                                   int32_t ratio)
{
    float v[128 * ROWS], weighted[128 * ROWS];
    group_state state;

    for (int32_t first = 0; first < n_in_padded; first += group) {
        const float *x = weights + (size_t)first * ROWS, *by = NULL;
        uint16_t *scales = out + (size_t)(first / group) * ROWS;

        find_extremes(&state, x, group);
        normalize(v, &state, x, group, (float)ratio);
        if (importance != NULL)
            by = weigh(weighted, v, importance + first, group);
        for (int t = 0; t < N_CANDIDATES; t++)
            try_candidate(&state, v, by, group,
                          1.0f / (9.0f - 0.1f * (float)t));
        for (int i = 0; i < ROWS; i++)
            if (!choose_scale(&scales[i], &state, i))
                return i;
    }
    return -1;
}

int32_t aci_workshop_quantize_strip(aci_strip_codes *out, const float *weights,
                                    int32_t n_in_padded, int32_t group,
                                    int32_t ratio)
{
    int32_t row = aci_workshop_search_scales(out->scales, weights, NULL,
                                             n_in_padded, group, ratio);

    for (int32_t first = 0; row < 0 && first < n_in_padded; first += group)
        write_codes(out, weights + (size_t)first * ROWS, first, group,
                    out->scales + (size_t)(first / group) * ROWS,
                    (float)ratio);
    return row;
}
