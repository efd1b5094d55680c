/* target_facts.c - the measurements that targets are chosen by: students that
 * differ from the whole model in one thing, held against it on text that none
 * of them was made from. */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/ladder_target.h"
#include "workshop/compress/prune_allocate.h"
#include "workshop/compress/prune_neurons.h"

/* Judged many times: less text than a variant's exam. */
enum { JUDGE_TOKENS = 4096 };

/* What is too little to be measured is still something: of options that seem to
 * lose nothing the widest is taken. */
static const double least_kl = 1e-6;

/* Below this a relative error says nothing of what a larger one does. */
static const double least_error = 1e-6;

typedef struct measuring {
    const aci_ladder_work *work;
    const aci_ladder_plan *plan;
    aci_ladder_school *school;
    aci_model *model;
    aci_target_facts *facts;
    aci_variant_plan trial;    /* with room for all that a plan may have */
    uint64_t n_done;
} measuring;

static size_t per_layer(int64_t n_ranks)
{
    return ACI_N_FACTS + 2 * (size_t)(n_ranks + 1);
}

static double *layer_of(const aci_target_facts *facts, int32_t layer)
{
    return (double *)(uintptr_t)facts->layers +
           (size_t)layer * per_layer(facts->n_ranks);
}

double aci_workshop_fact_alpha(const aci_target_facts *facts, int32_t layer,
                               int32_t fact)
{
    return layer_of(facts, layer)[fact];
}

static double *errors_of(const aci_target_facts *facts, int32_t layer,
                         int is_o)
{
    return layer_of(facts, layer) + ACI_N_FACTS +
           (is_o ? (size_t)facts->n_ranks + 1 : 0);
}

double aci_workshop_fact_error(const aci_target_facts *facts, int32_t layer,
                               int is_o, int64_t step)
{
    return errors_of(facts, layer, is_o)[step];
}

int32_t aci_workshop_target_ranks(const aci_shape *s, int is_o)
{
    int64_t heads = (int64_t)s->n_head * s->head_dim;
    int64_t keys = (int64_t)s->n_head_kv * s->head_dim;

    return (int32_t)(aci_workshop_ladder_ceiling(
                         is_o ? s->n_embd : heads + 2 * keys,
                         is_o ? heads : s->n_embd) /
                     ACI_LADDER_RANKS);
}

/* ---- one student --------------------------------------------------------- */

/* At most; a layer without a choice is left out. */
static uint64_t n_judged(const aci_shape *s)
{
    uint64_t each = 2;

    each += aci_workshop_target_ranks(s, 0) > 0 ? 1 : 0;
    each += aci_workshop_target_ranks(s, 1) > 0 ? 1 : 0;
    return 4 + (uint64_t)s->n_layer * each;
}

/* The trial's divergence as floats of that many bits. */
static ac_status judge(double *kl, measuring *m, int32_t bits,
                       int32_t head_bits, ac_error *error)
{
    const aci_shape *s = m->work->shape;
    aci_float_model student;
    ac_status status = aci_workshop_ladder_progress(
        m->work, "sensitivity", m->n_done++,
        n_judged(s), NAN, error);

    m->trial.recipe.weight_bits = bits;
    m->trial.recipe.head_bits = head_bits;
    m->trial.recipe.embed_bits = bits == 16 ? 16 : 8;
    if (status != AC_OK)
        return status;
    status = aci_workshop_ladder_student(&student, m->work, &m->plan->order,
                                         &m->trial, error);
    if (status == AC_OK)
        status = aci_workshop_school_enrol(&student, &m->trial, m->model,
                                           -1, error);
    if (status == AC_OK)
        status = aci_workshop_school_judge(&student, kl, m->school,
                                           "sensitivity", error);
    aci_workshop_floats_close(&student);
    *kl = *kl > 0.0 ? *kl : 0.0; /* rounding */
    return status;
}

static void whole_again(measuring *m)
{
    for (int32_t l = 0; l < m->work->shape->n_layer; l++) {
        m->trial.kept[l] = (aci_kept){ m->work->shape->n_head_kv,
                                       m->work->shape->n_ff };
        m->trial.rank_qkv[l] = m->trial.rank_o[l] = 0;
    }
}

/* Divergence per relative error of a layer that is like the trial. */
static ac_status measure(double *alpha, measuring *m, double relative,
                         ac_error *error)
{
    double kl = 0.0;
    ac_status status = judge(&kl, m, 16, 16, error);

    *alpha = fmax(kl, least_kl) / fmax(relative, least_error);
    whole_again(m);
    return status;
}

/* ---- one layer ----------------------------------------------------------- */

static int64_t half_of(int64_t units, int64_t multiple, int64_t least)
{
    int64_t half = (units / 2 + multiple - 1) / multiple * multiple;

    return half > least ? half : least;
}

static ac_status measure_widths(double *alphas, measuring *m, int32_t l,
                                ac_error *error)
{
    const aci_shape *s = m->work->shape;
    aci_prune_rules rules = { .n_layer = s->n_layer };
    aci_prune_choice heads = { .n_units = s->n_head_kv, .multiple = 1,
                               .layer = l };
    aci_prune_choice neurons = { .n_units = s->n_ff, .layer = l,
                                 .multiple = ACI_NEURON_MULTIPLE };
    int64_t k = half_of(s->n_head_kv, 1,
                        aci_workshop_prune_least(&heads, &rules));
    int64_t n = half_of(s->n_ff, ACI_NEURON_MULTIPLE,
                        aci_workshop_prune_least(&neurons, &rules));
    ac_status status = AC_OK;

    if (k < s->n_head_kv) {
        m->trial.kept[l].n_head_kv = (int32_t)k;
        status = measure(
            &alphas[ACI_FACT_HEADS], m,
            aci_workshop_losses_heads(m->plan, s, l, 0)[k], error);
    }
    if (status == AC_OK && n < s->n_ff) {
        m->trial.kept[l].n_ff = (int32_t)n;
        status = measure(
            &alphas[ACI_FACT_NEURONS], m,
            aci_workshop_losses_neurons(m->plan, s, l,
                                        0)[n / ACI_NEURON_MULTIPLE], error);
    }
    return status;
}

/* Relative errors by rank of what factors the matrix, or three, has. */
static ac_status factor_errors(double *errors, const measuring *m, int32_t l,
                               int is_o, ac_error *error)
{
    const aci_ladder_work *work = m->work;
    const aci_shape *s = work->shape;
    int32_t heads = s->n_head * s->head_dim;
    int32_t most = aci_workshop_target_ranks(s, is_o);
    aci_ladder_seen seen = { .h = NULL };
    aci_low_rank factors = { .memory = NULL };
    float *o = NULL;
    ac_status status = AC_OK;

    if (!is_o)
        status = aci_workshop_ladder_factor_qkv(
            &factors, work, &m->plan->order, l, NULL,
            (int64_t)most * ACI_LADDER_RANKS, error);
    else
        status = aci_workshop_ladder_tensor(&o, work, &m->plan->order, l,
                                            ACI_ROW_O, NULL, error);
    if (status == AC_OK && is_o)
        status = aci_workshop_ladder_see(&seen, work, &m->plan->order, l,
                                         ACI_INPUT_O, heads, error);
    if (status == AC_OK && is_o)
        status = aci_workshop_ladder_factor(
            &factors, work, o, s->n_embd, heads, seen.h,
            (int64_t)most * ACI_LADDER_RANKS, error);
    for (int64_t i = 0; status == AC_OK && i <= m->facts->n_ranks; i++) {
        int64_t rank = i * ACI_LADDER_RANKS;
        double all = factors.error[0] > 0.0 ? factors.error[0] : 1.0;

        errors[i] = i <= most && rank <= factors.most
                        ? fmax(factors.error[rank] / all, 0.0) : -1.0;
    }
    if (status == AC_OK)
        aci_workshop_low_rank_free(&factors);
    if (is_o)
        aci_workshop_ladder_unsee(&seen, work);
    aci_platform_free(work->memory, o);
    return status;
}

static ac_status measure_ranks(double *alphas, measuring *m, int32_t l,
                               ac_error *error)
{
    ac_status status = AC_OK;

    for (int is_o = 0; status == AC_OK && is_o < 2; is_o++) {
        double *errors = errors_of(m->facts, l, is_o);
        int64_t step = (aci_workshop_target_ranks(m->work->shape, is_o) + 1) /
                       2;

        if (step == 0)
            continue;
        status = factor_errors(errors, m, l, is_o, error);
        while (step > 0 && errors[step] < 0.0)
            step--;
        if (status != AC_OK || step == 0)
            continue;
        (is_o ? m->trial.rank_o : m->trial.rank_qkv)[l] =
            (int32_t)step * ACI_LADDER_RANKS;
        status = measure(&alphas[is_o ? ACI_FACT_O : ACI_FACT_QKV], m,
                         errors[step], error);
    }
    return status;
}

/* ---- all of them --------------------------------------------------------- */

static ac_status measure_all(measuring *m, ac_error *error)
{
    static const int32_t bits[] = { 4, 8 };
    ac_status status = AC_OK;

    whole_again(m);
    for (int i = 0; status == AC_OK && i < 4; i++)
        status = judge(&m->facts->kl[i / 2][i % 2], m, bits[i / 2],
                       bits[i % 2], error);
    for (int32_t l = 0; status == AC_OK && l < m->work->shape->n_layer; l++) {
        status = measure_widths(layer_of(m->facts, l), m, l, error);
        if (status == AC_OK)
            status = measure_ranks(layer_of(m->facts, l), m, l, error);
    }
    return status;
}

static ac_status open_trial(measuring *m, ac_error *error)
{
    size_t layers = (size_t)m->work->shape->n_layer;
    aci_memory *memory = m->work->memory;

    m->trial.recipe = (aci_recipe){ "sensitivity", 16, 16, 16, 16, 1.0, 1.0,
                                    1.0, 1.0, 1, 0.0, 0 };
    m->trial.kept = aci_platform_alloc_array(memory, layers,
                                             sizeof *m->trial.kept);
    m->trial.rank_qkv = aci_platform_alloc_array(memory, layers,
                                                 sizeof *m->trial.rank_qkv);
    m->trial.rank_o = aci_platform_alloc_array(memory, layers,
                                               sizeof *m->trial.rank_o);
    return m->trial.kept != NULL && m->trial.rank_qkv != NULL &&
                   m->trial.rank_o != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "a plan to try");
}

ac_status aci_workshop_target_facts(aci_target_facts **out,
                                    const aci_ladder_work *work,
                                    const aci_ladder_plan *plan,
                                    aci_ladder_school *school,
                                    aci_model *model, ac_error *error)
{
    static const char stage[] = "sensitivity";
    int32_t qkv = aci_workshop_target_ranks(work->shape, 0);
    int32_t o = aci_workshop_target_ranks(work->shape, 1);
    int64_t n_ranks = qkv > o ? qkv : o;
    size_t n = sizeof **out + (size_t)work->shape->n_layer *
                                  per_layer(n_ranks) * sizeof(double);
    uint64_t key = aci_workshop_ladder_store_key(work, &plan->order);
    measuring m = { work, plan, school, model,
                    aci_platform_alloc_zeroed(work->memory, n, 1),
                    { .kept = NULL }, 0 };
    ac_status status;

    *out = m.facts;
    if (m.facts == NULL)
        return aci_platform_fail_memory(error, "what targets go by");
    if (aci_workshop_stage_take(m.facts, work->stages, stage, key, n))
        return AC_OK;
    memset(m.facts, 0, n);
    m.facts->n_ranks = n_ranks;
    for (int32_t l = 0; l < work->shape->n_layer; l++)
        for (int64_t i = 0; i < 2 * (n_ranks + 1); i++)
            layer_of(m.facts, l)[ACI_N_FACTS + i] = -1.0;
    status = open_trial(&m, error);
    school->judge_tokens = JUDGE_TOKENS;
    if (status == AC_OK)
        status = measure_all(&m, error);
    school->judge_tokens = 0;
    if (status == AC_OK)
        status = aci_workshop_target_seconds(m.facts, work, model, error);
    if (status == AC_OK)
        status = aci_workshop_stage_put(work->stages, stage, key, m.facts, n,
                                        error);
    aci_platform_free(work->memory, m.trial.kept);
    aci_platform_free(work->memory, m.trial.rank_qkv);
    aci_platform_free(work->memory, m.trial.rank_o);
    return status;
}
