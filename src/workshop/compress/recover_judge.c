/* recover_judge.c - following a teacher, and the divergence from it on held-out
 * text. */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/recover_internal.h"

/* ---- the teacher --------------------------------------------------------- */

ac_status aci_workshop_followed_open(aci_followed *out,
                                     const aci_recovery *recovery,
                                     ac_error *error)
{
    aci_network_options options = {
        .max_tokens = recovery->options.batch_tokens, .forward_only = true
    };

    memset(out, 0, sizeof *out);
    if (recovery->teacher->model != NULL)
        return aci_workshop_network_create_from(
            &out->network, recovery->memory, recovery->pool,
            recovery->teacher->model, &options, error);
    out->logits = aci_platform_alloc_array(
        recovery->memory, (size_t)recovery->options.batch_tokens,
        (size_t)recovery->student.shape.n_vocab * sizeof *out->logits);
    return out->logits != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "a teacher's logits");
}

void aci_workshop_followed_close(aci_followed *followed,
                                 const aci_recovery *recovery)
{
    aci_workshop_network_free(followed->network);
    aci_platform_free(recovery->memory, followed->logits);
}

ac_status aci_workshop_followed_ask(aci_objective *out, aci_followed *followed,
                                    const aci_recovery *recovery,
                                    const aci_batch *batch, float temperature,
                                    ac_error *error)
{
    *out = (aci_objective){ .loss = ACI_LOSS_KL, .temperature = temperature,
                            .teacher = followed->network,
                            .teacher_logits = followed->logits };
    if (followed->network != NULL)
        return AC_OK;
    return recovery->teacher->logits(followed->logits, batch,
                                     recovery->teacher->user, error);
}

/* ---- judging ------------------------------------------------------------- */

typedef struct sums {
    double kl, loss;
    int64_t n;
} sums;

static ac_status judge_batch(sums *sum, aci_network *network,
                             aci_followed *followed,
                             const aci_recovery *recovery,
                             const aci_batch *batch, bool with_loss,
                             ac_error *error)
{
    aci_objective objective;
    double part = 0.0;
    int64_t n = 0;
    ac_status status = aci_workshop_followed_ask(&objective, followed,
                                                 recovery, batch, 1.0f,
                                                 error);

    if (status == AC_OK)
        status = aci_workshop_network_step(network, &part, &n, batch,
                                           &objective, 0.0f, error);
    sum->kl += part;
    sum->n += n;
    if (status != AC_OK || !with_loss)
        return status;
    objective = (aci_objective){ .loss = ACI_LOSS_CROSS_ENTROPY };
    status = aci_workshop_network_step(network, &part, &n, batch, &objective,
                                       0.0f, error);
    sum->loss += part;
    return status;
}

ac_status aci_workshop_recover_judge(double *kl, double *perplexity,
                                     aci_network *network,
                                     aci_followed *followed,
                                     const aci_recovery *recovery,
                                     ac_error *error)
{
    aci_corpus_batch batch;
    sums sum = { 0 };
    uint64_t n_tokens = 0;
    size_t next = 0;
    ac_status status = aci_workshop_corpus_batch_create(
        &batch, recovery->memory, recovery->options.batch_tokens, error);

    while (status == AC_OK && n_tokens < recovery->options.judge_tokens &&
           aci_workshop_corpus_walk(&batch, &next, recovery->held_out)) {
        status = judge_batch(&sum, network, followed, recovery, &batch.batch,
                             perplexity != NULL, error);
        n_tokens += (uint64_t)batch.batch.n_tokens;
        if (status == AC_OK)
            status = aci_workshop_recover_poll(recovery, error);
    }
    *kl = sum.kl / (double)sum.n;
    if (perplexity != NULL)
        *perplexity = exp(sum.loss / (double)sum.n);
    aci_workshop_corpus_batch_free(&batch);
    if (status == AC_OK && !isfinite(*kl))
        status = aci_platform_fail(error, AC_E_NUMERIC,
                                   "the divergence on held-out text was not "
                                   "finite");
    return status;
}

ac_status aci_workshop_recover_judge_now(double *kl, double *perplexity,
                                         const aci_recovery *recovery,
                                         ac_error *error)
{
    aci_network_options options = {
        .max_tokens = recovery->options.batch_tokens, .forward_only = true
    };
    aci_network *network = NULL;
    aci_followed followed = { NULL, NULL };
    ac_status status = aci_workshop_network_create_from(
        &network, recovery->memory, recovery->pool, &recovery->student,
        &options, error);

    if (status == AC_OK)
        status = aci_workshop_followed_open(&followed, recovery, error);
    if (status == AC_OK)
        status = aci_workshop_recover_judge(kl, perplexity, network,
                                            &followed, recovery, error);
    aci_workshop_followed_close(&followed, recovery);
    aci_workshop_network_free(network);
    return status;
}
