/* trainer_step.c - one update of the weights, and judging them.
 *
 *     loss of a step = sum over its passes / targets of all its passes
 *
 * so that a step of four passes is the step of one pass four times as large. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/trainer.h"

/* A loss this much above its running mean, for so many steps on end, will not
 * come down again. */
#define HIGH_FACTOR 2.0
#define HIGH_MARGIN 0.5
enum { MAX_HIGH = 30 };
#define MEAN_DECAY 0.98

static ac_status within_step(const aci_trainer *trainer, ac_status status,
                             ac_error *error)
{
    char place[48];

    snprintf(place, sizeof place, "step %llu",
             (unsigned long long)trainer->counters.step + 1);
    return aci_platform_fail_within(error, status, place);
}

/* Loss of one pass over the teacher's words; gradients with it. */
static ac_status follow_teacher(double *loss, aci_trainer *trainer,
                                const aci_corpus_batch *batch, float weight,
                                ac_error *error)
{
    aci_objective objective = {
        .loss = ACI_LOSS_KL,
        .temperature = trainer->settings.given.distill_temperature,
        .teacher_logits = trainer->teacher_logits
    };
    int64_t n;
    ac_status status = aci_workshop_network_logits(
        trainer->teacher, trainer->teacher_logits, &batch->batch, error);

    if (status == AC_OK)
        status = aci_workshop_network_step(trainer->network, loss, &n,
                                           &batch->batch, &objective, weight,
                                           error);
    return status;
}

/* Adds a pass's gradients, and its loss to *sum. */
static ac_status pass(double *sum, aci_trainer *trainer,
                      const aci_corpus_batch *batch, double scale,
                      ac_error *error)
{
    aci_objective plain = { .loss = ACI_LOSS_CROSS_ENTROPY };
    double share = trainer->teacher == NULL
                       ? 0.0
                       : trainer->settings.given.distill_share;
    double loss = 0.0;
    int64_t n;
    ac_status status = AC_OK;

    if (share > 0.0) {
        status = follow_teacher(&loss, trainer, batch, (float)(share * scale),
                                error);
        *sum += share * loss;
    }
    if (status == AC_OK && share < 1.0) {
        status = aci_workshop_network_step(
            trainer->network, &loss, &n, &batch->batch, &plain,
            (float)((1.0 - share) * scale), error);
        *sum += (1.0 - share) * loss;
    }
    return status;
}

static ac_status check_loss(aci_trainer *trainer, double loss,
                            ac_error *error)
{
    aci_train_counters *c = &trainer->counters;
    double keep;

    if (!isfinite(loss))
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "the loss was not finite");
    if (c->step == 0)
        c->mean_loss = loss;
    keep = fmin(MEAN_DECAY, (double)c->step / (double)(c->step + 1));
    if (loss <= HIGH_FACTOR * c->mean_loss + HIGH_MARGIN) {
        c->n_high = 0;
        c->mean_loss = keep * c->mean_loss + (1.0 - keep) * loss;
        return AC_OK;
    }
    if (++c->n_high < MAX_HIGH)
        return AC_OK;
    return aci_platform_fail(error, AC_E_NUMERIC,
                             "the loss had been too high for %d steps (%.4g "
                             "after a mean of %.4g); a lower learning rate "
                             "may help", (int)MAX_HIGH, loss, c->mean_loss);
}

static ac_status update(aci_trainer *trainer, ac_error *error)
{
    const ac_training_options *o = &trainer->settings.given;
    aci_adamw settings = {
        .rate = aci_workshop_settings_rate(&trainer->settings,
                                           trainer->counters.step),
        .beta_1 = o->beta_1, .beta_2 = o->beta_2, .epsilon = 1e-8f,
        .decay = o->weight_decay, .max_norm = o->clip_norm,
        .step = (int64_t)trainer->counters.step + 1
    };

    trainer->last_rate = settings.rate;
    return aci_workshop_network_update(trainer->network, &trainer->last_norm,
                                       &settings, error);
}

/* Of the first steps the mean is that of all of them, not of the start. */
static void follow(float *mean, const float *value, int64_t n, uint64_t step,
                   double decay)
{
    double early = (double)step / (double)(step + 1);
    float keep = (float)(decay < early ? decay : early);

    for (int64_t i = 0; i < n; i++)
        mean[i] = value[i] + keep * (mean[i] - value[i]);
}

static ac_status follow_average(aci_trainer *trainer, ac_error *error)
{
    size_t n = aci_workshop_network_count(trainer->network);
    float *scratch = trainer->average[n];

    for (size_t i = 0; i < n; i++) {
        const aci_parameter *p = aci_workshop_network_at(trainer->network, i);
        ac_status status;

        if (trainer->average[i] == NULL)
            continue;
        status = aci_workshop_network_read(scratch, trainer->network, i,
                                           ACI_OF_VALUE, error);
        if (status != AC_OK)
            return status;
        follow(trainer->average[i], scratch, p->n_rows * p->n_columns,
               trainer->counters.step, trainer->settings.given.average_decay);
    }
    return AC_OK;
}

static void copy_value(float *to, const float *from,
                       const aci_network *network, size_t i)
{
    const aci_parameter *p = aci_workshop_network_at(network, i);

    memcpy(to, from, (size_t)(p->n_rows * p->n_columns) * sizeof *to);
}

ac_status aci_workshop_trainer_swap(aci_trainer *trainer, ac_error *error)
{
    size_t n = aci_workshop_network_count(trainer->network);
    ac_status status = AC_OK;

    if (trainer->average == NULL)
        return AC_OK;
    for (size_t i = 0; status == AC_OK && i < n; i++) {
        float *mean = trainer->average[i];

        if (mean == NULL)
            continue;
        status = aci_workshop_network_read(trainer->average[n],
                                           trainer->network, i, ACI_OF_VALUE,
                                           error);
        if (status == AC_OK)
            status = aci_workshop_network_write(trainer->network, i,
                                                ACI_OF_VALUE, mean, error);
        if (status == AC_OK)
            copy_value(mean, trainer->average[n], trainer->network, i);
    }
    return status;
}

ac_status aci_workshop_trainer_step(aci_trainer *trainer, ac_error *error)
{
    aci_train_counters *c = &trainer->counters;
    uint32_t n_passes = trainer->settings.given.n_accumulate;
    int64_t n_targets = 0;
    double sum = 0.0;
    ac_status status = AC_OK;

    for (uint32_t i = 0; i < n_passes; i++) {
        aci_workshop_corpus_draw(&trainer->batches[i], &c->cursor,
                                 &trainer->data, trainer->settings.given.seed);
        n_targets += trainer->batches[i].n_targets;
        c->n_tokens += (uint64_t)trainer->batches[i].batch.n_tokens;
    }
    aci_workshop_network_clear(trainer->network);
    for (uint32_t i = 0; status == AC_OK && i < n_passes; i++)
        status = pass(&sum, trainer, &trainer->batches[i],
                      1.0 / (double)n_targets, error);
    trainer->last_loss = sum / (double)n_targets;
    if (status == AC_OK)
        status = check_loss(trainer, trainer->last_loss, error);
    if (status == AC_OK)
        status = update(trainer, error);
    if (status == AC_OK && trainer->average != NULL)
        status = follow_average(trainer, error);
    if (status != AC_OK)
        return within_step(trainer, status, error);
    c->n_targets += (uint64_t)n_targets;
    c->step++;
    return AC_OK;
}

/* ---- judging ------------------------------------------------------------- */

static ac_status judge(double *loss, aci_trainer *trainer, ac_error *error)
{
    aci_objective plain = { .loss = ACI_LOSS_CROSS_ENTROPY };
    aci_corpus_batch *batch = &trainer->batches[0];
    uint64_t most = trainer->settings.given.evaluate_tokens, n_tokens = 0;
    int64_t n_targets = 0;
    double sum = 0.0;
    size_t next = 0;

    while (n_tokens < most &&
           aci_workshop_corpus_walk(batch, &next, &trainer->held_out)) {
        double part;
        int64_t n;
        ac_status status = aci_workshop_network_step(
            trainer->network, &part, &n, &batch->batch, &plain, 0.0f, error);

        if (status != AC_OK)
            return status;
        sum += part;
        n_targets += n;
        n_tokens += (uint64_t)batch->batch.n_tokens;
    }
    *loss = sum / (double)n_targets;
    return AC_OK;
}

ac_status aci_workshop_trainer_judge(double *loss, aci_trainer *trainer,
                                     ac_error *error)
{
    ac_status status = aci_workshop_trainer_swap(trainer, error), back;

    if (status != AC_OK)
        return status;
    status = judge(loss, trainer, error);
    back = aci_workshop_trainer_swap(trainer, error);
    return status != AC_OK ? status : back;
}
