/* predictor_calibrate.c - from scores to probabilities, and what is strange.
 *
 * Platt scaling (1999): success = sigmoid(slope logit + offset), both found by
 * Newton's method on scores of prompts the scoring fit had not seen; the
 * targets are his, a little inside 0 and 1, so that a head with no failure yet
 * does not become certain.
 * A head whose logit says nothing (slope below 0) becomes a constant. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/predictor_fit.h"
#include "workshop/train/predictor_network.h"

static const double STRANGEST_SHARE = 0.03; /* of our own prompts, to full */
static const float LEAST_THRESHOLD = 0.25f;

typedef struct platt {
    const double *logits; /* [n] */
    const double *targets;
    uint32_t n;
} platt;

/* One damped Newton step; false when it has arrived. */
static int newton_step(double *slope, double *offset, const platt *p,
                       int fixed_slope)
{
    double g_s = 0.0, g_o = 0.0, h_ss = 1e-6, h_so = 0.0, h_oo = 1e-6;
    double determinant, d_s = 0.0, d_o;
    uint32_t i;

    for (i = 0; i < p->n; i++) {
        double x = p->logits[i];
        double y = aci_workshop_sigmoid(*slope * x + *offset);
        double w = y * (1.0 - y), d = y - p->targets[i];

        g_s += d * x;
        g_o += d;
        h_ss += w * x * x;
        h_so += w * x;
        h_oo += w;
    }
    determinant = h_ss * h_oo - h_so * h_so;
    if (fixed_slope || determinant < 1e-12) {
        d_o = g_o / h_oo;
    } else {
        d_s = (g_s * h_oo - g_o * h_so) / determinant;
        d_o = (g_o * h_ss - g_s * h_so) / determinant;
    }
    d_s = d_s > 1.0 ? 1.0 : (d_s < -1.0 ? -1.0 : d_s);
    d_o = d_o > 1.0 ? 1.0 : (d_o < -1.0 ? -1.0 : d_o);
    *slope -= d_s;
    *offset -= d_o;
    return d_s * d_s + d_o * d_o > 1e-20;
}

static void fit_platt(double *slope, double *offset, const platt *p)
{
    int round;

    *slope = 1.0;
    *offset = 0.0;
    for (round = 0; round < 100; round++)
        if (!newton_step(slope, offset, p, 0))
            break;
    if (*slope >= 0.0 && *slope < 100.0)
        return;
    *slope = 0.0;
    *offset = 0.0;
    for (round = 0; round < 100; round++)
        if (!newton_step(slope, offset, p, 1))
            break;
}

/* Platt's targets of one head over the items that know it. */
static uint32_t gather(double *logits, double *targets,
                       const aci_predictor_data *data,
                       const aci_held_scores *scores, uint32_t head)
{
    double n_good = 0.0, n_bad = 0.0;
    uint32_t n = 0, i;

    for (i = 0; i < data->train.n; i++) {
        uint32_t item = data->train.items[i];
        float y = aci_data_label(data, item, head);

        if (isnan(y))
            continue;
        n_good += (double)y;
        n_bad += 1.0 - (double)y;
        logits[n] = scores->logits[(size_t)item * ACI_NETWORK_MAX_HEADS +
                                   head];
        targets[n++] = (double)y;
    }
    for (i = 0; i < n; i++)
        targets[i] = targets[i] * (n_good + 1.0) / (n_good + 2.0) +
                     (1.0 - targets[i]) / (n_bad + 2.0);
    return n;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* The unfamiliarity that only the strangest of our own prompts exceed. */
static float fit_threshold(const aci_predictor_data *data,
                           const aci_held_scores *scores, double *values)
{
    const aci_part *part = &data->train;
    uint32_t i, at;
    float threshold;

    for (i = 0; i < part->n; i++)
        values[i] = scores->strange[part->items[i]];
    qsort(values, part->n, sizeof *values, compare);
    at = part->n - 1 - (uint32_t)(STRANGEST_SHARE * part->n);
    threshold = (float)values[at];
    if (threshold < LEAST_THRESHOLD)
        return LEAST_THRESHOLD;
    return threshold > 0.95f ? 0.95f : threshold;
}

ac_status aci_workshop_calibrate(aci_predictor *predictor,
                                 const aci_predictor_data *data,
                                 const aci_held_scores *scores,
                                 ac_error *error)
{
    size_t n = data->train.n;
    double *pairs = aci_platform_alloc_array(data->memory, n,
                                             2 * sizeof *pairs);
    uint32_t k;

    if (pairs == NULL)
        return aci_platform_fail_memory(error, "calibration");
    for (k = 0; k < predictor->shape.n_heads; k++) {
        platt p = { pairs, pairs + n,
                    gather(pairs, pairs + n, data, scores, k) };
        float *head = predictor->numbers + predictor->places.heads +
                      k * ACI_HEAD_SIZE;
        double slope, offset;

        fit_platt(&slope, &offset, &p);
        head[ACI_HEAD_SLOPE] = (float)slope;
        head[ACI_HEAD_OFFSET] = (float)offset;
    }
    predictor->max_unfamiliarity = fit_threshold(data, scores, pairs);
    aci_platform_free(data->memory, pairs);
    return AC_OK;
}

/* ---- Scores of held-out prompts ------------------------------------------ */

ac_status aci_workshop_held_new(aci_held_scores *out,
                                const aci_predictor_data *data,
                                ac_error *error)
{
    out->memory = data->memory;
    out->logits = aci_platform_alloc_zeroed(
        data->memory, data->n, ACI_NETWORK_MAX_HEADS * sizeof *out->logits);
    out->strange = aci_platform_alloc_zeroed(data->memory, data->n,
                                             sizeof *out->strange);
    if (out->logits != NULL && out->strange != NULL)
        return AC_OK;
    return aci_platform_fail_memory(error, "calibration");
}

void aci_workshop_held_free(aci_held_scores *scores)
{
    if (scores->memory == NULL)
        return;
    aci_platform_free(scores->memory, scores->logits);
    aci_platform_free(scores->memory, scores->strange);
}

ac_status aci_workshop_held_score(aci_held_scores *scores,
                                  const aci_predictor *predictor,
                                  const aci_predictor_data *data,
                                  ac_error *error)
{
    aci_network_trace *trace = aci_platform_alloc(data->memory,
                                                  sizeof *trace);
    double *numbers = aci_platform_alloc_array(
        data->memory, predictor->places.total, sizeof *numbers);
    ac_status status = AC_OK;
    size_t j;
    uint32_t i;

    if (trace == NULL || numbers == NULL) {
        status = aci_platform_fail_memory(error, "calibration");
        goto out;
    }
    for (j = 0; j < predictor->places.total; j++)
        numbers[j] = (double)predictor->numbers[j];
    for (i = 0; i < data->held.n; i++) {
        uint32_t item = data->held.items[i];

        aci_workshop_network_forward(trace, numbers, &predictor->shape,
                                     &predictor->places, &data->inputs[item],
                                     NULL);
        memcpy(scores->logits + (size_t)item * ACI_NETWORK_MAX_HEADS,
               trace->logit, predictor->shape.n_heads * sizeof(double));
        scores->strange[item] = (double)aci_router_unfamiliarity(
            predictor, &data->features[item]);
    }
out:
    aci_platform_free(data->memory, trace);
    aci_platform_free(data->memory, numbers);
    return status;
}
