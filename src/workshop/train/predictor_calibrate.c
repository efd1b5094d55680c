/* predictor_calibrate.c - from scores to probabilities, and what is strange.
 *
 * Platt scaling (1999): success = sigmoid(slope logit + offset), both found by
 * Newton's method on the calibration part; the targets are his, a little
 * inside 0 and 1, so that a head with no failure yet does not become certain.
 * A head whose logit says nothing (slope below 0) becomes a constant. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/predictor_fit.h"
#include "workshop/train/predictor_network.h"

static const double STRANGEST_SHARE = 0.01; /* of our own prompts, to full */
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
                       const aci_predictor_data *data, const double *all,
                       uint32_t head)
{
    double n_good = 0.0, n_bad = 0.0;
    uint32_t n = 0, i;

    for (i = 0; i < data->calibrate.n; i++) {
        float y = aci_data_label(data, data->calibrate.items[i], head);

        if (isnan(y))
            continue;
        n_good += (double)y;
        n_bad += 1.0 - (double)y;
        logits[n] = all[i * ACI_NETWORK_MAX_HEADS + head];
        targets[n++] = (double)y;
    }
    for (i = 0; i < n; i++)
        targets[i] = targets[i] * (n_good + 1.0) / (n_good + 2.0) +
                     (1.0 - targets[i]) / (n_bad + 2.0);
    return n;
}

static void calibrate_heads(aci_predictor *predictor,
                            const aci_predictor_data *data,
                            aci_network_trace *trace, double *numbers,
                            double *all, double *logits, double *targets)
{
    const aci_part *part = &data->calibrate;
    size_t j;
    uint32_t i, k;

    for (j = 0; j < predictor->places.total; j++)
        numbers[j] = (double)predictor->numbers[j];
    for (i = 0; i < part->n; i++) {
        aci_workshop_network_forward(trace, numbers, &predictor->shape,
                                     &predictor->places,
                                     &data->inputs[part->items[i]], NULL);
        memcpy(all + (size_t)i * ACI_NETWORK_MAX_HEADS, trace->logit,
               sizeof trace->logit);
    }
    for (k = 0; k < predictor->shape.n_heads; k++) {
        platt p = { logits, targets, gather(logits, targets, data, all, k) };
        float *head = predictor->numbers + predictor->places.heads +
                      k * ACI_HEAD_SIZE;
        double slope, offset;

        fit_platt(&slope, &offset, &p);
        head[ACI_HEAD_SLOPE] = (float)slope;
        head[ACI_HEAD_OFFSET] = (float)offset;
    }
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* The unfamiliarity that only the strangest calibration prompts exceed. */
static float fit_threshold(const aci_predictor *predictor,
                           const aci_predictor_data *data, double *values)
{
    const aci_part *part = &data->calibrate;
    uint32_t i, at;
    float threshold;

    for (i = 0; i < part->n; i++)
        values[i] = (double)aci_router_unfamiliarity(
            predictor, &data->features[part->items[i]]);
    qsort(values, part->n, sizeof *values, compare);
    at = part->n - 1 - (uint32_t)(STRANGEST_SHARE * part->n);
    threshold = (float)values[at];
    if (threshold < LEAST_THRESHOLD)
        return LEAST_THRESHOLD;
    return threshold > 0.95f ? 0.95f : threshold;
}

ac_status aci_workshop_calibrate(aci_predictor *predictor,
                                 const aci_predictor_data *data,
                                 ac_error *error)
{
    aci_memory *memory = data->memory;
    size_t n = data->calibrate.n;
    aci_network_trace *trace = aci_platform_alloc_zeroed(memory, 1,
                                                         sizeof *trace);
    double *numbers = aci_platform_alloc_array(
        memory, predictor->places.total, sizeof *numbers);
    double *all = aci_platform_alloc_array(
        memory, n, ACI_NETWORK_MAX_HEADS * sizeof *all);
    double *pairs = aci_platform_alloc_array(memory, n, 2 * sizeof *pairs);
    ac_status status = AC_OK;

    if (trace == NULL || numbers == NULL || all == NULL || pairs == NULL) {
        status = aci_platform_fail_memory(error, "calibration");
    } else {
        calibrate_heads(predictor, data, trace, numbers, all, pairs,
                        pairs + n);
        predictor->max_unfamiliarity = fit_threshold(predictor, data, pairs);
    }
    aci_platform_free(memory, trace);
    aci_platform_free(memory, numbers);
    aci_platform_free(memory, all);
    aci_platform_free(memory, pairs);
    return status;
}
