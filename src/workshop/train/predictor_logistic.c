/* predictor_logistic.c - the baseline: a logistic regression with as many
 * numbers as the predictor has, over the same features (hashed words, pairs,
 * word ends, template, shapes), fitted the same way (AdamW, dropout, running
 * mean, early stopping). */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "platform/error.h"
#include "platform/random.h"
#include "workshop/train/predictor_fit.h"
#include "workshop/train/predictor_network.h"

/* Weights: n_hashed, then the shapes, then the bias. */
typedef struct logistic {
    const aci_predictor_data *data;
    const aci_predictor *predictor;
    const aci_fit_settings *settings;
    aci_random random;
    uint32_t head, n_hashed;
    size_t n;
    uint32_t *order;
    double *weights, *gradient, *first, *second, *mean, *best; /* [n] */
    double power_1, power_2, mean_weight;
} logistic;

/* Where an item's inputs go and their values. */
typedef struct active {
    uint32_t n;
    uint32_t place[ACI_ROUTER_MAX_WIDE + ACI_ROUTER_SHAPES + 1];
    double value[ACI_ROUTER_MAX_WIDE + ACI_ROUTER_SHAPES + 1];
} active;

static void activate(active *out, const logistic *l, uint32_t item)
{
    uint32_t entries[ACI_ROUTER_MAX_WIDE], n, i;
    float standard[ACI_ROUTER_SHAPES];

    n = aci_router_wide_entries(entries, &l->data->features[item],
                                l->n_hashed);
    for (i = 0; i < n; i++) {
        out->place[i] = entries[i] & ~ACI_ROUTER_WIDE_NEGATIVE;
        out->value[i] = entries[i] & ACI_ROUTER_WIDE_NEGATIVE ? -1.0 : 1.0;
    }
    aci_router_network_standardise(standard, l->predictor->numbers,
                                   &l->predictor->places,
                                   l->data->features[item].shape);
    for (i = 0; i < ACI_ROUTER_SHAPES; i++) {
        out->place[n] = l->n_hashed + i;
        out->value[n++] = (double)standard[i];
    }
    out->place[n] = l->n_hashed + ACI_ROUTER_SHAPES;
    out->value[n++] = 1.0;
    out->n = n;
}

static double score(const double *weights, const active *in)
{
    double sum = 0.0;
    uint32_t i;

    for (i = 0; i < in->n; i++)
        sum += weights[in->place[i]] * in->value[i];
    return sum;
}

static void take_step(logistic *l)
{
    const aci_fit_settings *s = l->settings;
    double correct_1, correct_2;
    size_t i;

    l->power_1 *= 0.9;
    l->power_2 *= 0.999;
    correct_1 = 1.0 / (1.0 - l->power_1);
    correct_2 = 1.0 / (1.0 - l->power_2);
    l->mean_weight = s->average * l->mean_weight + (1.0 - s->average);
    for (i = 0; i < l->n; i++) {
        double g = l->gradient[i];

        l->first[i] = 0.9 * l->first[i] + 0.1 * g;
        l->second[i] = 0.999 * l->second[i] + 0.001 * g * g;
        l->weights[i] -=
            s->rate_wide * (l->first[i] * correct_1 /
                                (sqrt(l->second[i] * correct_2) + 1e-8) +
                            (i < l->n_hashed ? s->decay_wide : 0.0) *
                                l->weights[i]);
        l->mean[i] = s->average * l->mean[i] +
                     (1.0 - s->average) * l->weights[i];
    }
}

static void run_epoch(logistic *l)
{
    uint32_t n = l->data->train.n, i, j, in_batch = 0;

    memset(l->gradient, 0, l->n * sizeof *l->gradient);
    for (i = 0; i < n; i++) {
        uint32_t other = i + (uint32_t)aci_platform_random_below(&l->random,
                                                                 n - i);
        uint32_t item = l->order[other];
        float y = aci_data_label(l->data, item, l->head);
        active in;
        double d;

        l->order[other] = l->order[i];
        l->order[i] = item;
        if (!isnan(y)) {
            activate(&in, l, item);
            for (j = 0; j + ACI_ROUTER_SHAPES + 1 < in.n; j++)
                in.value[j] *= aci_platform_random_unit(&l->random) <
                                       l->settings->drop_wide
                                   ? 0.0
                                   : 1.0 / (1.0 - l->settings->drop_wide);
            d = aci_workshop_sigmoid(score(l->weights, &in)) - (double)y;
            for (j = 0; j < in.n; j++)
                l->gradient[in.place[j]] +=
                    d * in.value[j] / l->settings->batch;
        }
        if (++in_batch == l->settings->batch || i + 1 == n) {
            take_step(l);
            memset(l->gradient, 0, l->n * sizeof *l->gradient);
            in_batch = 0;
        }
    }
}

/* Squared error of the running mean on the held-out part. */
static double held_error(logistic *l)
{
    const aci_part *part = &l->data->held;
    double sum = 0.0;
    uint32_t i;
    size_t j;

    for (j = 0; j < l->n; j++)
        l->gradient[j] = l->mean[j] / l->mean_weight;
    for (i = 0; i < part->n; i++) {
        float y = aci_data_label(l->data, part->items[i], l->head);
        active in;
        double d;

        if (isnan(y))
            continue;
        activate(&in, l, part->items[i]);
        d = aci_workshop_sigmoid(score(l->gradient, &in)) - (double)y;
        sum += d * d;
    }
    return sum;
}

static void run(double *scores, uint32_t *epochs, logistic *l)
{
    bool stops = l->data->held.n > 0;
    double lowest = INFINITY;
    uint32_t epoch, i;

    *epochs = 0;
    for (epoch = 1; epoch <= l->settings->max_epochs; epoch++) {
        double error;

        run_epoch(l);
        error = held_error(l);
        if (!stops || error < lowest) {
            lowest = error;
            *epochs = epoch;
            memcpy(l->best, l->gradient, l->n * sizeof *l->best);
        } else if (epoch - *epochs >= l->settings->patience) {
            break;
        }
    }
    for (i = 0; i < l->data->test.n; i++) {
        active in;

        activate(&in, l, l->data->test.items[i]);
        scores[i] = score(l->best, &in);
    }
}

ac_status aci_workshop_fit_logistic(double *scores, uint32_t *epochs,
                                    const aci_predictor_data *data,
                                    const aci_predictor *predictor,
                                    uint32_t head, uint32_t n_weights,
                                    const aci_fit_settings *settings,
                                    ac_error *error)
{
    aci_memory *memory = data->memory;
    logistic l = { .data = data, .predictor = predictor,
                   .settings = settings, .head = head, .power_1 = 1.0,
                   .power_2 = 1.0 };
    double *arrays;
    ac_status status = AC_OK;

    l.n_hashed = n_weights - ACI_ROUTER_SHAPES - 1;
    l.n = n_weights;
    aci_platform_random_seed(&l.random, settings->seed);
    arrays = aci_platform_alloc_zeroed(memory, l.n, 6 * sizeof *arrays);
    l.order = aci_platform_alloc_array(memory, data->train.n,
                                       sizeof *l.order);
    if (arrays == NULL || l.order == NULL) {
        status = aci_platform_fail_memory(error, "the logistic baseline");
    } else {
        l.weights = arrays;
        l.gradient = arrays + l.n;
        l.first = arrays + 2 * l.n;
        l.second = arrays + 3 * l.n;
        l.mean = arrays + 4 * l.n;
        l.best = arrays + 5 * l.n;
        memcpy(l.order, data->train.items, data->train.n * sizeof *l.order);
        run(scores, epochs, &l);
    }
    aci_platform_free(memory, arrays);
    aci_platform_free(memory, l.order);
    return status;
}
