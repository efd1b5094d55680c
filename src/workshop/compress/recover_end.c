/* recover_end.c - end to end: the student follows the teacher's distribution.
 *
 *     loss of a step = ((1 - c) KL(teacher || student) + c CE) / targets
 *
 * Every so often it is judged on held-out text; the best is written into the
 * floats, and only the best. */
#include <math.h>
#include <stdio.h>

#include "platform/error.h"
#include "workshop/compress/recover_internal.h"

typedef struct run {
    aci_recovery *recovery;
    aci_network *network;
    aci_followed followed;
    aci_corpus_batch batch;
    aci_corpus_cursor cursor;
    uint64_t n_steps, step, n_tokens, n_waiting;
    double loss;
} run;

static ac_status within(const run *r, ac_status status, ac_error *error)
{
    char place[64];

    snprintf(place, sizeof place, "recovery end to end, step %llu",
             (unsigned long long)r->step + 1);
    return aci_platform_fail_within(error, status, place);
}

/* Gradients of one batch, and its loss. */
static ac_status pass(run *r, ac_error *error)
{
    const aci_recover_options *o = &r->recovery->options;
    double share = (double)o->cross_entropy, n = (double)r->batch.n_targets;
    aci_objective objective;
    double part = 0.0;
    int64_t counted;
    ac_status status = aci_workshop_followed_ask(
        &objective, &r->followed, r->recovery, &r->batch.batch,
        o->temperature, error);

    aci_workshop_network_clear(r->network);
    if (status == AC_OK)
        status = aci_workshop_network_step(
            r->network, &r->loss, &counted, &r->batch.batch, &objective,
            (float)((1.0 - share) / n), error);
    r->loss = (1.0 - share) * r->loss / n;
    if (status != AC_OK || share == 0.0)
        return status;
    objective = (aci_objective){ .loss = ACI_LOSS_CROSS_ENTROPY };
    status = aci_workshop_network_step(r->network, &part, &counted,
                                       &r->batch.batch, &objective,
                                       (float)(share / n), error);
    r->loss += share * part / n;
    return status;
}

static ac_status one_step(run *r, ac_error *error)
{
    const aci_recover_options *o = &r->recovery->options;
    double work = (double)r->step / (double)r->n_steps;
    aci_adamw update = {
        .rate = aci_workshop_recover_rate(
            o->end_rate, aci_workshop_recover_done(r->recovery, work)),
        .beta_1 = 0.9f, .beta_2 = 0.95f, .epsilon = 1e-8f, .max_norm = 1.0f,
        .step = (int64_t)r->step + 1
    };
    ac_status status;

    aci_workshop_corpus_draw(&r->batch, &r->cursor, r->recovery->calibration,
                             o->seed);
    status = pass(r, error);
    if (status == AC_OK)
        status = aci_workshop_network_update(r->network, NULL, &update,
                                             error);
    if (status != AC_OK)
        return within(r, status, error);
    r->step++;
    r->n_tokens += (uint64_t)r->batch.batch.n_tokens;
    return AC_OK;
}

/* Keeps the student when it is the best so far. */
static ac_status judge(run *r, ac_error *error)
{
    aci_recovery *recovery = r->recovery;
    aci_recover_report *report = recovery->report;
    double kl;
    ac_status status = aci_workshop_recover_judge(
        &kl, NULL, r->network, &r->followed, recovery, error);

    if (status != AC_OK)
        return within(r, status, error);
    r->n_waiting++;
    if (!(kl < recovery->held_out_kl))
        return AC_OK;
    r->n_waiting = 0;
    recovery->held_out_kl = kl;
    report->best_step = r->step;
    report->end_kept = true;
    return aci_workshop_network_give(&recovery->student, r->network, error);
}

static ac_status tell(run *r, ac_error *error)
{
    uint64_t n = r->n_tokens / r->step * r->n_steps;
    aci_recover_progress progress = {
        .rung = ACI_RECOVER_END, .n_tokens = r->n_tokens, .n_tokens_all = n,
        .n_layer = r->recovery->student.shape.n_layer, .loss = r->loss
    };

    return aci_workshop_recover_tell(r->recovery, &progress, error);
}

static ac_status steps(run *r, ac_error *error)
{
    const aci_recover_options *o = &r->recovery->options;
    uint64_t every = o->judge_every != 0 ? o->judge_every
                                         : (r->n_steps + 9) / 10;
    ac_status status = AC_OK;
    bool is_last = false;

    while (status == AC_OK && !is_last && r->n_waiting < o->patience) {
        status = one_step(r, error);
        if (status != AC_OK)
            break;
        is_last = r->step == r->n_steps ||
                  aci_workshop_recover_done(r->recovery, 0.0) >= 1.0;
        if (is_last || r->step % every == 0)
            status = judge(r, error);
        if (status == AC_OK)
            status = tell(r, error);
    }
    return status;
}

static ac_status open_network(run *r, const uint32_t *chosen, ac_error *error)
{
    aci_recovery *recovery = r->recovery;
    aci_network_options options = {
        .trainable = ACI_TRAIN_CHOSEN, .chosen = chosen,
        .max_tokens = recovery->options.batch_tokens,
        .recompute = recovery->options.recompute
    };

    return aci_workshop_network_create_from(
        &r->network, recovery->memory, recovery->pool, &recovery->student,
        &options, error);
}

ac_status aci_workshop_recover_end(aci_recovery *recovery, ac_error *error)
{
    const aci_recover_options *o = &recovery->options;
    uint64_t batch_tokens = (uint64_t)o->batch_tokens;
    run r = { .recovery = recovery,
              .n_steps = (o->end_tokens + batch_tokens - 1) / batch_tokens };
    size_t n = (size_t)recovery->student.shape.n_layer + 1;
    uint32_t *chosen = aci_platform_alloc_zeroed(recovery->memory, n,
                                                 sizeof *chosen);
    ac_status status = AC_OK;

    if (chosen == NULL)
        return aci_platform_fail_memory(error, "what to recover");
    if (!aci_workshop_recover_choose(chosen, recovery, o->end_parts))
        goto out;
    status = aci_workshop_corpus_batch_create(&r.batch, recovery->memory,
                                              o->batch_tokens, error);
    if (status == AC_OK)
        status = open_network(&r, chosen, error);
    if (status == AC_OK)
        status = aci_workshop_followed_open(&r.followed, recovery, error);
    if (status == AC_OK)
        status = steps(&r, error);
    recovery->report->n_steps = r.step;
    recovery->report->n_tokens[2] += r.n_tokens;
    aci_workshop_followed_close(&r.followed, recovery);
    aci_workshop_network_free(r.network);
    aci_workshop_corpus_batch_free(&r.batch);
out:
    aci_platform_free(recovery->memory, chosen);
    return status;
}
