/* predictor_fit.c - see predictor_fit.h.
 *
 * AdamW over mini-batches, the loss a cross-entropy summed over the heads
 * whose outcome is known. What is kept is not the last numbers but a running
 * mean of them (steadier, and it saves a schedule of rates), as it was in the
 * epoch with the lowest loss on the held-out part. One thread, one stream
 * of random numbers: the same seed gives the same file. */
#include "workshop/train/predictor_fit.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/error.h"
#include "platform/random.h"
#include "workshop/train/predictor_network.h"

void aci_workshop_fit_defaults(aci_fit_settings *out)
{
    memset(out, 0, sizeof *out);
    out->max_epochs = 40;
    out->patience = 6;
    out->batch = 32;
    out->rate_wide = 1e-3;
    out->rate_deep = 1e-3;
    out->decay_wide = 4.0;
    out->decay_deep = 0.1;
    out->drop_wide = 0.5;
    out->drop_deep = 0.1;
    out->average = 0.997;
}

typedef struct fitting {
    const aci_predictor_data *data;
    const aci_network_shape *shape;
    const aci_network_places *places;
    const aci_fit_settings *settings;
    aci_random random;
    size_t n;           /* numbers */
    uint32_t *order;    /* [train.n] */
    double *numbers, *gradient, *first, *second; /* [n] */
    double *mean, *best;                         /* [n] */
    aci_network_trace *trace;
    uint64_t step;
    double power_1, power_2; /* 0.9^step, 0.999^step */
    double mean_weight; /* how much of `mean` is filled */
} fitting;

/* ---- Loss ---------------------------------------------------------------- */

/* -(y log p + (1 - y) log(1 - p)) of p = sigmoid(x), without overflow. */
static double cross_entropy(double x, double y)
{
    double away = x < 0.0 ? -x : x;
    double beyond = aci_workshop_log(1.0 + aci_workshop_exp(-away));

    return (x > 0.0 ? x : 0.0) - x * y + beyond;
}

/* The item's loss; d_logit[heads] its derivative. */
static double item_loss(double *d_logit, const fitting *f, uint32_t item)
{
    double loss = 0.0;
    uint32_t k;

    for (k = 0; k < f->shape->n_heads; k++) {
        float y = aci_data_label(f->data, item, k);

        d_logit[k] = 0.0;
        if (isnan(y))
            continue;
        loss += cross_entropy(f->trace->logit[k], (double)y);
        d_logit[k] = aci_workshop_sigmoid(f->trace->logit[k]) - (double)y;
    }
    return loss;
}

/* Mean loss of a part under `numbers`. */
static double part_loss(const fitting *f, const double *numbers,
                        const aci_part *part)
{
    double d_logit[ACI_NETWORK_MAX_HEADS], sum = 0.0;
    uint32_t i;

    for (i = 0; i < part->n; i++) {
        aci_workshop_network_forward(f->trace, numbers, f->shape, f->places,
                                     &f->data->inputs[part->items[i]], NULL);
        sum += item_loss(d_logit, f, part->items[i]);
    }
    return sum / part->n;
}

/* ---- Beginning ----------------------------------------------------------- */

static void begin_matrix(fitting *f, size_t place, int n_in, int n_out)
{
    double reach = sqrt(6.0 / (n_in + n_out));
    int i;

    for (i = 0; i < n_in * n_out; i++)
        f->numbers[place + (size_t)i] =
            (2.0 * aci_platform_random_unit(&f->random) - 1.0) * reach;
}

static void fill(double *to, int n, double value)
{
    int i;

    for (i = 0; i < n; i++)
        to[i] = value;
}

/* Logit of the head's mean outcome, so that learning begins there. */
static double mean_logit(const fitting *f, uint32_t head)
{
    double sum = 0.5, n = 1.0; /* half a success, half a failure */
    uint32_t i;

    for (i = 0; i < f->data->train.n; i++) {
        float y = aci_data_label(f->data, f->data->train.items[i], head);

        sum += isnan(y) ? 0.0 : (double)y;
        n += isnan(y) ? 0.0 : 1.0;
    }
    return aci_workshop_log(sum / (n - sum));
}

static void begin_numbers(fitting *f)
{
    enum { W = ACI_NETWORK_WIDTH, H = ACI_NETWORK_HIDDEN };
    const aci_network_places *p = f->places;
    uint32_t k;
    size_t i;

    for (i = p->embedding; i < p->shape_in; i++)
        f->numbers[i] =
            0.2 * (2.0 * aci_platform_random_unit(&f->random) - 1.0);
    begin_matrix(f, p->shape_in, ACI_ROUTER_SHAPES, W);
    for (k = 0; k < ACI_NETWORK_LAYERS; k++) {
        size_t at = p->layers + k * ACI_LAYER_SIZE;

        fill(f->numbers + at + ACI_LAYER_NORM_1, W, 1.0);
        fill(f->numbers + at + ACI_LAYER_NORM_2, W, 1.0);
        begin_matrix(f, at + ACI_LAYER_QKV, W, 3 * W);
        begin_matrix(f, at + ACI_LAYER_OUT, W, W);
        begin_matrix(f, at + ACI_LAYER_UP, W, H);
        begin_matrix(f, at + ACI_LAYER_DOWN, H, W);
    }
    fill(f->numbers + p->norm, W, 1.0);
    for (k = 0; k < f->shape->n_heads; k++) {
        double *head = f->numbers + p->heads + k * ACI_HEAD_SIZE;

        head[ACI_HEAD_WIDE] = 1.0;
        head[ACI_HEAD_SLOPE] = 1.0;
        head[ACI_HEAD_BIAS] = mean_logit(f, k);
    }
}

/* ---- A step -------------------------------------------------------------- */

static bool has_gradient(const fitting *f, size_t i)
{
    size_t in_head;

    if (i >= f->places->standard)
        return false;
    if (i < f->places->heads)
        return true;
    in_head = (i - f->places->heads) % ACI_HEAD_SIZE;
    return in_head != ACI_HEAD_SLOPE && in_head != ACI_HEAD_OFFSET;
}

/* AdamW (Loshchilov, Hutter 2017). Biases and norms decay too: they are so
 * few that it makes no difference. The heads' wide scale does not decay. */
static void take_step(fitting *f)
{
    const aci_fit_settings *s = f->settings;
    double warm = (double)f->step / 100.0, correct_1, correct_2;
    size_t i;

    f->step++;
    warm = warm < 1.0 ? warm : 1.0;
    f->power_1 *= 0.9;
    f->power_2 *= 0.999;
    correct_1 = 1.0 / (1.0 - f->power_1);
    correct_2 = 1.0 / (1.0 - f->power_2);
    f->mean_weight = s->average * f->mean_weight + (1.0 - s->average);
    for (i = 0; i < f->n; i++) {
        bool wide = i < f->places->embedding;
        double rate = warm * (wide ? s->rate_wide : s->rate_deep);
        double decay = wide ? s->decay_wide : s->decay_deep;
        double g = f->gradient[i];

        if (!has_gradient(f, i))
            continue;
        if (i >= f->places->heads)
            decay = 0.0;
        f->first[i] = 0.9 * f->first[i] + 0.1 * g;
        f->second[i] = 0.999 * f->second[i] + 0.001 * g * g;
        f->numbers[i] -= rate * (f->first[i] * correct_1 /
                                     (sqrt(f->second[i] * correct_2) + 1e-8) +
                                 decay * f->numbers[i]);
        f->mean[i] = s->average * f->mean[i] +
                     (1.0 - s->average) * f->numbers[i];
    }
}

static void draw_drop(fitting *f, double *keep, uint32_t n, double rate)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        keep[i] = aci_platform_random_unit(&f->random) < rate
                      ? 0.0
                      : 1.0 / (1.0 - rate);
}

static double run_batch(fitting *f, const uint32_t *items, uint32_t n)
{
    double wide[ACI_ROUTER_MAX_WIDE], deep[ACI_NETWORK_WIDTH];
    aci_network_drop drop = { wide, deep };
    double d_logit[ACI_NETWORK_MAX_HEADS], loss = 0.0;
    uint32_t i, k;

    memset(f->gradient, 0, f->n * sizeof *f->gradient);
    for (i = 0; i < n; i++) {
        const aci_network_input *input = &f->data->inputs[items[i]];

        draw_drop(f, wide, input->n_wide, f->settings->drop_wide);
        draw_drop(f, deep, ACI_NETWORK_WIDTH, f->settings->drop_deep);
        aci_workshop_network_forward(f->trace, f->numbers, f->shape,
                                     f->places, input, &drop);
        loss += item_loss(d_logit, f, items[i]);
        for (k = 0; k < f->shape->n_heads; k++)
            d_logit[k] /= n;
        aci_workshop_network_backward(f->gradient, f->trace, d_logit,
                                      f->numbers, f->shape, f->places, input,
                                      &drop);
    }
    take_step(f);
    return loss;
}

static double run_epoch(fitting *f)
{
    uint32_t n = f->data->train.n, i;
    double loss = 0.0;

    for (i = n; i > 1; i--) {
        uint32_t j = (uint32_t)aci_platform_random_below(&f->random, i);
        uint32_t kept = f->order[i - 1];

        f->order[i - 1] = f->order[j];
        f->order[j] = kept;
    }
    for (i = 0; i < n; i += f->settings->batch)
        loss += run_batch(f, f->order + i,
                          n - i < f->settings->batch ? n - i
                                                     : f->settings->batch);
    return loss / n;
}

/* ---- The whole ----------------------------------------------------------- */

/* The running mean so far, in f->gradient (free between batches). */
static void averaged(fitting *f)
{
    size_t i;

    for (i = 0; i < f->n; i++)
        f->gradient[i] = has_gradient(f, i) ? f->mean[i] / f->mean_weight
                                            : f->numbers[i];
}

static ac_status tell(const fitting *f, uint32_t epoch, double loss,
                      uint64_t began, ac_error *error)
{
    uint64_t now = aci_platform_monotonic_nanoseconds();
    ac_progress progress = { sizeof progress, 0, "train",
                             f->settings->epochs_before + epoch,
                             f->settings->epochs_total,
                             (double)(now - began) * 1e-9, loss };

    if (!isfinite(loss))
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "training diverged in epoch %u", epoch);
    if (f->settings->on_progress != NULL &&
        f->settings->on_progress(&progress, f->settings->progress_user))
        return aci_platform_fail(error, AC_E_CANCELLED,
                                 "training was stopped in epoch %u", epoch);
    return AC_OK;
}

static ac_status run_epochs(fitting *f, uint32_t *epochs, ac_error *error)
{
    uint64_t began = aci_platform_monotonic_nanoseconds();
    bool stops = f->data->held.n > 0;
    double lowest = INFINITY;
    uint32_t epoch;

    *epochs = 0;
    for (epoch = 1; epoch <= f->settings->max_epochs; epoch++) {
        double loss = run_epoch(f);
        ac_status status;

        averaged(f);
        if (stops)
            loss = part_loss(f, f->gradient, &f->data->held);
        status = tell(f, epoch, loss, began, error);
        if (status != AC_OK)
            return status;
        if (!stops || loss < lowest) {
            lowest = loss;
            *epochs = epoch;
            memcpy(f->best, f->gradient, f->n * sizeof *f->best);
        } else if (epoch - *epochs >= f->settings->patience) {
            break;
        }
    }
    return AC_OK;
}

static ac_status allocate(fitting *f, ac_error *error)
{
    aci_memory *memory = f->data->memory;
    double **arrays[6] = { &f->numbers, &f->gradient, &f->first,
                           &f->second,  &f->mean,     &f->best };
    int i;

    for (i = 0; i < 6; i++) {
        *arrays[i] = aci_platform_alloc_zeroed(memory, f->n, sizeof(double));
        if (*arrays[i] == NULL)
            return aci_platform_fail_memory(error, "training");
    }
    f->trace = aci_platform_alloc_zeroed(memory, 1, sizeof *f->trace);
    f->order = aci_platform_alloc_array(memory, f->data->train.n,
                                        sizeof *f->order);
    if (f->trace == NULL || f->order == NULL)
        return aci_platform_fail_memory(error, "training");
    return AC_OK;
}

static void release(fitting *f)
{
    aci_memory *memory = f->data->memory;

    aci_platform_free(memory, f->numbers);
    aci_platform_free(memory, f->gradient);
    aci_platform_free(memory, f->first);
    aci_platform_free(memory, f->second);
    aci_platform_free(memory, f->mean);
    aci_platform_free(memory, f->best);
    aci_platform_free(memory, f->trace);
    aci_platform_free(memory, f->order);
}

ac_status aci_workshop_fit(aci_predictor *predictor, uint32_t *epochs,
                           const aci_predictor_data *data,
                           const aci_fit_settings *settings, ac_error *error)
{
    fitting f = { 0 };
    ac_status status;
    size_t i;

    f.data = data;
    f.shape = &predictor->shape;
    f.places = &predictor->places;
    f.settings = settings;
    f.n = predictor->places.total;
    f.power_1 = f.power_2 = 1.0;
    aci_platform_random_seed(&f.random, settings->seed);
    status = allocate(&f, error);
    if (status == AC_OK) {
        for (i = f.places->standard; i < f.n; i++)
            f.numbers[i] = (double)predictor->numbers[i];
        memcpy(f.order, data->train.items, data->train.n * sizeof *f.order);
        begin_numbers(&f);
        status = run_epochs(&f, epochs, error);
    }
    for (i = 0; status == AC_OK && i < f.n; i++)
        predictor->numbers[i] = (float)f.best[i];
    release(&f);
    return status;
}
