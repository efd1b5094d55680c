/* trainer.c - a training run from its files to the trained model; trainer.h
 * lists the parts.
 *
 *     open (tokenizer, data, network, teacher, state) -> step, judge, save,
 *     log, report ... -> save, write the model
 *
 * What is on disk is always enough to go on: the state appears whole or not at
 * all, the model likewise, and the log is cut back to the state when a run is
 * resumed. */
#include "workshop/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/workshop.h"

#define SAVE_SECONDS 300.0

static double seconds_since(uint64_t then)
{
    return (double)(aci_platform_monotonic_nanoseconds() - then) * 1e-9;
}

static void say(const aci_trainer *trainer, int32_t level, const char *text)
{
    if (trainer->settings.given.on_log != NULL)
        trainer->settings.given.on_log(level, text,
                                       trainer->settings.given.log_user);
}

/* ---- the loop ------------------------------------------------------------ */

static int is_last(const aci_trainer *trainer)
{
    return trainer->counters.step >= trainer->settings.given.n_steps;
}

static int is_judging(const aci_trainer *trainer)
{
    uint64_t step = trainer->counters.step;

    return trainer->held_out.n_pieces > 0 &&
           (is_last(trainer) ||
            step % trainer->settings.given.evaluate_every == 0);
}

/* Judges; writes the model when it is the best so far. */
static ac_status judge(aci_trainer *trainer, ac_error *error)
{
    aci_train_counters *c = &trainer->counters;
    ac_status status = aci_workshop_trainer_judge(&c->held_out_loss, trainer,
                                                  error);

    if (status != AC_OK)
        return status;
    if (c->best_step != 0 && !(c->held_out_loss < c->best_loss)) {
        c->n_waiting++;
        return AC_OK;
    }
    c->n_waiting = 0;
    c->best_loss = c->held_out_loss;
    c->best_step = c->step;
    return aci_workshop_trained_write(trainer, error);
}

/* The state; and the model, where nothing says which was best. */
static ac_status save(aci_trainer *trainer, ac_error *error)
{
    ac_status status = AC_OK;

    if (trainer->held_out.n_pieces == 0 ||
        (trainer->counters.best_step == 0 && is_last(trainer)))
        status = aci_workshop_trained_write(trainer, error);
    if (status == AC_OK)
        status = aci_workshop_state_save(trainer, error);
    trainer->saved_at = aci_platform_monotonic_nanoseconds();
    return status;
}

static int is_saving(const aci_trainer *trainer)
{
    uint32_t every = trainer->settings.given.save_every;

    if (every != 0)
        return trainer->counters.step % every == 0;
    return seconds_since(trainer->saved_at) >= SAVE_SECONDS;
}

static double matrix_share(const aci_trainer *trainer)
{
    return trainer->matrix_rate > 0.0
               ? trainer->done_rate / trainer->matrix_rate : 0.0;
}

/* Nonzero to stop. */
static int report_progress(const aci_trainer *trainer)
{
    const ac_training_options *o = &trainer->settings.given;
    const aci_train_counters *c = &trainer->counters;
    ac_training_progress progress = {
        .struct_size = sizeof progress, .step = c->step,
        .n_steps = o->n_steps, .n_tokens = c->n_tokens,
        .seconds = c->seconds, .tokens_per_second = trainer->token_rate,
        .loss = c->mean_loss, .held_out_loss = c->held_out_loss,
        .learning_rate = trainer->last_rate,
        .matrix_share = matrix_share(trainer)
    };
    double of_this_run = c->seconds - trainer->seconds_before;
    uint64_t left = o->n_steps - c->step;

    if (o->on_progress == NULL)
        return 0;
    progress.seconds_left = of_this_run / (double)(c->step -
                                                   trainer->step_before) *
                            (double)left;
    return o->on_progress(&progress, o->progress_user) != 0;
}

/* Rates over about the last twenty steps. */
static void follow_rates(aci_trainer *trainer, double seconds)
{
    double operations = 0.0, tokens = 0.0, keep;

    for (uint32_t i = 0; i < trainer->settings.given.n_accumulate; i++) {
        const aci_batch *batch = &trainer->batches[i].batch;

        operations += aci_workshop_network_operations(trainer->network,
                                                      batch);
        tokens += batch->n_tokens;
    }
    keep = trainer->token_rate == 0.0 ? 0.0 : 0.95;
    trainer->done_rate = keep * trainer->done_rate +
                         (1.0 - keep) * operations / seconds;
    trainer->token_rate = keep * trainer->token_rate +
                          (1.0 - keep) * tokens / seconds;
}

static ac_status one_step(aci_trainer *trainer, int *stop, ac_error *error)
{
    uint64_t began = aci_platform_monotonic_nanoseconds();
    ac_status status = aci_workshop_trainer_step(trainer, error);
    int judging;

    if (status != AC_OK)
        return status;
    follow_rates(trainer, seconds_since(began));
    trainer->counters.seconds = trainer->seconds_before +
                                seconds_since(trainer->began_at);
    judging = is_judging(trainer);
    if (judging)
        status = judge(trainer, error);
    if (status == AC_OK)
        status = aci_workshop_log_step(trainer, judging, error);
    *stop = report_progress(trainer);
    if (status == AC_OK && is_saving(trainer) && !*stop && !is_last(trainer))
        status = save(trainer, error);
    return status;
}

static int is_out_of_patience(const aci_trainer *trainer)
{
    uint32_t patience = trainer->settings.given.patience;

    return patience != 0 && trainer->counters.n_waiting >= patience;
}

static ac_status run_steps(aci_trainer *trainer, ac_error *error)
{
    int stop = 0, patient = !is_out_of_patience(trainer);
    ac_status status = AC_OK;

    trainer->began_at = trainer->saved_at =
        aci_platform_monotonic_nanoseconds();
    while (status == AC_OK && !stop && patient && !is_last(trainer)) {
        status = one_step(trainer, &stop, error);
        patient = !is_out_of_patience(trainer);
    }
    if (status == AC_OK)
        status = save(trainer, error);
    if (status == AC_OK && stop && patient && !is_last(trainer))
        status = aci_platform_fail(
            error, AC_E_CANCELLED,
            "training was stopped after step %llu; it can be resumed",
            (unsigned long long)trainer->counters.step);
    return status;
}

/* ---- all of it ----------------------------------------------------------- */

static void give_report(ac_training_report *out, const aci_trainer *trainer)
{
    const aci_train_counters *c = &trainer->counters;

    out->stopped_early = !is_last(trainer);
    out->n_parameters = trainer->n_parameters;
    out->n_trainable = trainer->n_trainable;
    out->n_steps = c->step;
    out->n_tokens = c->n_tokens;
    out->seconds = c->seconds;
    out->tokens_per_second = trainer->token_rate;
    out->matrix_share = matrix_share(trainer);
    out->loss = c->mean_loss;
    out->held_out_loss = c->best_loss;
    out->best_step = c->best_step;
}

static void say_sizes(const aci_trainer *trainer)
{
    const ac_training_options *o = &trainer->settings.given;
    char text[240];

    snprintf(text, sizeof text,
             "%llu parameters, %llu of them trained; %zu pieces of %llu "
             "tokens to learn from, %zu held out; %llu steps",
             (unsigned long long)trainer->n_parameters,
             (unsigned long long)trainer->n_trainable, trainer->data.n_pieces,
             (unsigned long long)trainer->data.n_tokens,
             trainer->held_out.n_pieces, (unsigned long long)o->n_steps);
    say(trainer, AC_LOG_INFO, text);
    if (trainer->data.n_shortened > 0) {
        snprintf(text, sizeof text,
                 "the beginnings of %llu prompts were dropped: with their "
                 "completions they were longer than %u tokens",
                 (unsigned long long)trainer->data.n_shortened, o->n_context);
        say(trainer, AC_LOG_WARNING, text);
    }
    if (trainer->counters.step > 0) {
        snprintf(text, sizeof text, "resuming after step %llu",
                 (unsigned long long)trainer->counters.step);
        say(trainer, AC_LOG_INFO, text);
    }
}

ac_status aci_workshop_train(aci_memory *memory, aci_pool *pool,
                             ac_training_report *report, const char *model,
                             const char *out,
                             const ac_training_options *options,
                             ac_error *error)
{
    aci_trainer trainer = { .memory = memory, .pool = pool, .model = model,
                            .out = out };
    ac_status status = aci_workshop_settings_take(&trainer.settings, options,
                                                  error);

    if (status != AC_OK)
        return status;
    status = aci_workshop_trainer_open(&trainer, error);
    if (status == AC_OK) {
        say_sizes(&trainer);
        status = run_steps(&trainer, error);
    }
    if (status == AC_OK)
        give_report(report, &trainer);
    aci_workshop_trainer_close(&trainer);
    return status;
}
