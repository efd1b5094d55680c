/* ladder_make.c - see ladder_make.h. */
#include "workshop/compress/ladder_make.h"

#include <math.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/error.h"
#include "platform/files.h"
#include "workshop/compress/ladder_target.h"

typedef struct ladder_making {
    const aci_ladder_work *work;
    const aci_ladder_plan *plan;
    aci_zoo_card *card;
    aci_model *model;          /* the store, opened with its plain card */
    aci_extras_build *extras;  /* of the variant at hand; at the end of all */
    aci_ladder_school school;
    int32_t n_owned;           /* tensors of the variant at hand */
    char has_own[AC_MAX_VARIANTS];
    int32_t n_owned_all;
} ladder_making;

/* What is kept of a finished variant; its tensors are a file beside. */
typedef struct made_variant {
    aci_recovered recovered;
    int64_t n_owned;
} made_variant;

/* int8 loses next to nothing; what keeps less, or reads int4, is trained. */
static int is_taught(const ladder_making *m, const aci_recipe *recipe)
{
    return m->school.n_tokens > 0 &&
           (aci_workshop_recipe_is_structural(recipe) ||
            recipe->weight_bits == 4);
}

static void tell(const ladder_making *m, const aci_recipe *recipe,
                 const aci_recovered *r)
{
    aci_workshop_ladder_note(
        m->work, AC_LOG_INFO,
        "%s: KL %.4f before recovery, %.4f after %llu tokens, %.0f s",
        recipe->name, r->kl_before > 0.0 ? r->kl_before : 0.0,
        r->kl_after > 0.0 ? r->kl_after : 0.0, /* rounding gives -0.0000 */
        (unsigned long long)r->n_tokens, r->seconds);
}

/* A copy as its codes will say it, and its divergence. */
static ac_status code_copy(aci_float_model *out, double *kl,
                           ladder_making *m, const aci_float_model *of,
                           const aci_variant_plan *plan, ac_error *error)
{
    ac_status status = aci_workshop_floats_cut(out, of, NULL, error);

    if (status == AC_OK)
        status = aci_workshop_ladder_matrices(NULL, out, m->work,
                                              &m->plan->order, plan, error);
    if (status == AC_OK)
        status = aci_workshop_school_judge(out, kl, &m->school,
                                           plan->recipe.name, error);
    return status;
}

/* Tokens that went through the whole model: a layer's by itself count by its
 * share of the layers. */
static uint64_t tokens_of(const aci_recover_report *report,
                          const aci_ladder_work *work)
{
    return report->n_tokens[2] - report->n_tokens[1] +
           report->n_tokens[1] / (uint64_t)work->shape->n_layer;
}

static void swap(aci_float_model *a, aci_float_model *b)
{
    aci_float_model other = *a;

    *a = *b;
    *b = other;
}

/* What is to be coded, trained; left as it was where codes of the trained are
 * no better than codes of the closed form. *coded becomes the better one's. */
static ac_status teach_codes(ladder_making *m, aci_float_model *student,
                             aci_float_model *coded, double kl,
                             const aci_variant_plan *plan,
                             aci_recovered *out, ac_error *error)
{
    aci_float_model trained = { .memory = m->work->memory };
    aci_float_model recoded = { .memory = m->work->memory };
    aci_recover_report report = { .n_steps = 0 };
    double now = kl;
    ac_status status = aci_workshop_floats_cut(&trained, student, NULL,
                                               error);

    if (status == AC_OK)
        status = aci_workshop_school_teach(&trained, &report, &m->school,
                                           plan, 0, error);
    if (status == AC_OK)
        status = code_copy(&recoded, &now, m, &trained, plan, error);
    if (status == AC_OK && now < kl) {
        swap(student, &trained);
        swap(coded, &recoded);
    }
    out->n_tokens += tokens_of(&report, m->work);
    aci_workshop_floats_close(&trained);
    aci_workshop_floats_close(&recoded);
    return status;
}

/* Trains what is to be coded, codes it, trains the rest around the codes. */
static ac_status teach_and_code(ladder_making *m, aci_float_model *student,
                                const aci_variant_plan *plan,
                                aci_recovered *out, ac_error *error)
{
    uint64_t began = aci_platform_monotonic_nanoseconds();
    aci_float_model coded = { .memory = m->work->memory };
    aci_recover_report report = { .n_steps = 0 };
    ac_status status = aci_workshop_school_enrol(student, plan, m->model, -1,
                                                 error);

    if (status == AC_OK)
        status = code_copy(&coded, &out->kl_before, m, student, plan, error);
    if (status == AC_OK && plan->recipe.compensate)
        status = teach_codes(m, student, &coded, out->kl_before, plan, out,
                             error);
    if (status == AC_OK)
        status = aci_workshop_school_teach(&coded, &report, &m->school, plan,
                                           1, error);
    if (status == AC_OK)
        status = aci_workshop_ladder_matrices(m->extras, student, m->work,
                                              &m->plan->order, plan, error);
    if (status == AC_OK)
        swap(student, &coded);
    aci_workshop_floats_close(&coded);
    if (status != AC_OK)
        return status;
    out->kl_after = report.kl[2];
    out->n_tokens += tokens_of(&report, m->work);
    out->seconds = (double)(aci_platform_monotonic_nanoseconds() - began) *
                   1e-9;
    tell(m, &plan->recipe, out);
    return AC_OK;
}

static void count_owned(ladder_making *m, const aci_float_model *student,
                        const aci_variant_plan *plan, int32_t layer)
{
    for (int32_t i = 0; i < ACI_N_MATRICES; i++)
        m->n_owned += aci_workshop_ladder_owns(student, plan, layer, i);
}

/* Trained end to end: all of it is in memory. */
static ac_status make_taught(ladder_making *m, const aci_variant_plan *plan,
                             aci_recovered *recovered, ac_error *error)
{
    aci_float_model student;
    ac_status status = aci_workshop_ladder_student(
        &student, m->work, &m->plan->order, plan, error);

    if (status == AC_OK)
        status = teach_and_code(m, &student, plan, recovered, error);
    for (int32_t l = 0; status == AC_OK && l < m->work->shape->n_layer; l++)
        count_owned(m, &student, plan, l);
    if (status == AC_OK)
        status = aci_workshop_ladder_vectors(m->extras, &student, plan,
                                             m->model, &m->n_owned, error);
    aci_workshop_floats_close(&student);
    return status;
}

/* Not trained, a layer is made and coded by itself. */
static ac_status make_untaught(ladder_making *m, const aci_variant_plan *plan,
                               ac_error *error)
{
    const aci_ladder_work *work = m->work;
    int32_t n = work->shape->n_layer;
    ac_status status = AC_OK;

    for (int32_t l = 0; status == AC_OK && l < n; l++) {
        aci_float_model student = { .memory = NULL };

        status = aci_workshop_ladder_progress(work, plan->recipe.name,
                                              (uint64_t)l, (uint64_t)n, NAN,
                                              error);
        if (status == AC_OK)
            status = aci_workshop_ladder_student_layer(
                &student, work, &m->plan->order, plan, l, error);
        if (status == AC_OK)
            status = aci_workshop_ladder_layer_matrices(
                m->extras, &student, work, &m->plan->order, plan, l, error);
        if (status == AC_OK)
            status = aci_workshop_ladder_vectors(m->extras, &student, plan,
                                                 m->model, &m->n_owned, error);
        if (status == AC_OK)
            count_owned(m, &student, plan, l);
        aci_workshop_floats_close(&student);
    }
    return status;
}

static ac_status make_variant(ladder_making *m, int32_t number,
                              ac_error *error)
{
    const aci_variant_plan *plan = &m->plan->variants[number];
    aci_recovered *recovered = &m->card->recovered[number];
    ac_status status;

    if (!is_taught(m, &plan->recipe))
        return make_untaught(m, plan, error);
    if (!m->school.by_blocks)
        return make_taught(m, plan, recovered, error);
    status = aci_workshop_ladder_blocks(m->extras, recovered, &m->n_owned,
                                        &m->school, &m->plan->order, plan,
                                        m->model, error);
    if (status == AC_OK)
        tell(m, &plan->recipe, recovered);
    return status;
}

/* The variant into a file of its own, and that it is finished. */
static ac_status keep_variant(ladder_making *m, int32_t number,
                              const char *path, uint64_t key, ac_error *error)
{
    const char *name = m->plan->variants[number].recipe.name;
    made_variant made;
    aci_store_built built;
    ac_status status = aci_workshop_extras_open(
        &m->extras, m->work->memory, path, m->work->group, error);

    m->n_owned = 0;
    if (status == AC_OK)
        status = make_variant(m, number, error);
    if (status == AC_OK && m->n_owned > 0) {
        status = aci_workshop_extras_commit(&built, m->extras,
                                            m->card->weights_checksum, error);
        if (status == AC_OK)
            m->extras = NULL;
    }
    aci_workshop_extras_abandon(m->extras);
    m->extras = NULL;
    memset(&made, 0, sizeof made);
    made.recovered = m->card->recovered[number];
    made.n_owned = m->n_owned;
    if (status == AC_OK)
        status = aci_workshop_stage_put(m->work->stages, name, key, &made,
                                        sizeof made, error);
    return status;
}

/* Made, or taken up as an interrupted run made it. */
static ac_status find_variant(ladder_making *m, int32_t number,
                              ac_error *error)
{
    const aci_recipe *recipe = &m->plan->variants[number].recipe;
    uint64_t key = aci_workshop_ladder_variant_key(m->work, m->plan, number);
    made_variant made;
    char *path;
    ac_status status = AC_OK;

    if (!is_taught(m, recipe) && !aci_workshop_recipe_is_structural(recipe))
        return AC_OK;
    path = aci_workshop_stage_path(m->work->stages, recipe->name, ".acw");
    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    if (aci_workshop_stage_take(&made, m->work->stages, recipe->name, key,
                                sizeof made) &&
        (made.n_owned == 0 || aci_platform_is_file(path))) {
        m->card->recovered[number] = made.recovered;
        m->n_owned = (int32_t)made.n_owned;
    } else {
        status = keep_variant(m, number, path, key, error);
    }
    m->has_own[number] = m->n_owned > 0;
    m->n_owned_all += m->n_owned;
    aci_platform_free(m->work->memory, path);
    return status;
}

/* What variants own, of all of them, into one file. */
static ac_status join(ladder_making *m, const char *extras, ac_error *error)
{
    ac_status status = aci_workshop_extras_open(
        &m->extras, m->work->memory, extras, m->work->group, error);

    for (int32_t i = 0; status == AC_OK && i < m->plan->n; i++) {
        char *path = aci_workshop_stage_path(
            m->work->stages, m->plan->variants[i].recipe.name, ".acw");

        if (path == NULL)
            return aci_platform_fail_memory(error, "a path");
        if (m->has_own[i])
            status = aci_workshop_extras_append(m->extras, path, error);
        aci_platform_free(m->work->memory, path);
    }
    return status;
}

/* ---- the card ------------------------------------------------------------ */

static ac_status list_variants(ladder_making *m, ac_error *error)
{
    size_t n = (size_t)m->work->shape->n_layer;

    aci_model_card_clear(m->card, m->work->memory);
    m->card->n_variants = m->plan->n;
    for (int32_t i = 0; i < m->plan->n; i++) {
        const aci_variant_plan *plan = &m->plan->variants[i];
        aci_variant *variant = &m->card->variants[i];

        aci_workshop_recipe_variant(variant, &plan->recipe);
        if (plan->kept == NULL)
            continue;
        variant->kept = aci_platform_alloc_array(m->work->memory, n,
                                                 sizeof *variant->kept);
        if (variant->kept == NULL)
            return aci_platform_fail_memory(error, "a variant's plan");
        memcpy(variant->kept, plan->kept, n * sizeof *plan->kept);
        variant->n_kept = (int32_t)n;
    }
    return AC_OK;
}

static ac_status commit(ladder_making *m, const char *folder, ac_error *error)
{
    char *path = aci_platform_join(m->work->memory, folder, ACI_ZOO_CARD);
    aci_store_built built = { 0, 0 };
    ac_status status = path != NULL
                           ? list_variants(m, error)
                           : aci_platform_fail_memory(error, "a path");

    if (status == AC_OK && m->n_owned_all > 0) {
        status = aci_workshop_extras_commit(&built, m->extras,
                                            m->card->weights_checksum, error);
        if (status == AC_OK)
            m->extras = NULL;
    }
    m->card->extras_bytes = built.n_bytes;
    m->card->extras_checksum = built.checksum;
    m->card->seconds = (double)(aci_platform_monotonic_nanoseconds() -
                                m->work->began_nanoseconds) * 1e-9;
    if (status == AC_OK)
        status = aci_model_card_write(m->card, m->work->memory, path, error);
    aci_platform_free(m->work->memory, path);
    return status;
}

/* Bytes of the zoo over those of the model at 16 bits a weight. */
static void tell_bytes(const ladder_making *m)
{
    double zoo = (double)(m->card->weights_bytes + m->card->extras_bytes);
    double ratio = zoo / (2.0 * (double)aci_model_parameter_count(
                                    m->work->shape));

    aci_workshop_ladder_note(
        m->work, ratio > 1.15 ? AC_LOG_WARNING : AC_LOG_INFO,
        "the zoo takes %.3f times the bytes of a 16-bit checkpoint: %.3f the "
        "store, %.3f what variants own", ratio,
        ratio * (double)m->card->weights_bytes / zoo,
        ratio * (double)m->card->extras_bytes / zoo);
}

ac_status aci_workshop_ladder_make(aci_zoo_card *card,
                                   const aci_ladder_work *work,
                                   aci_ladder_plan *plan,
                                   const char *folder, ac_error *error)
{
    ladder_making m = { .work = work, .plan = plan, .card = card };
    char *path = aci_platform_join(work->memory, folder, ACI_ZOO_EXTRAS);
    char *card_path = aci_platform_join(work->memory, folder, ACI_ZOO_CARD);
    ac_status status = path != NULL && card_path != NULL
                           ? aci_model_open(&m.model, work->memory, folder, 0,
                                            error)
                           : aci_platform_fail_memory(error, "a path");

    if (status == AC_OK) /* unfinished, it is no zoo */
        aci_platform_remove_file(card_path);
    if (status == AC_OK)
        status = aci_workshop_school_open(&m.school, work, folder,
                                          plan->losses != NULL, error);
    if (status == AC_OK)
        status = aci_workshop_ladder_targets(plan, card, work, &m.school,
                                             m.model, error);
    for (int32_t i = 0; status == AC_OK && i < plan->n; i++)
        status = find_variant(&m, i, error);
    if (status == AC_OK)
        status = join(&m, path, error);
    if (status == AC_OK)
        status = commit(&m, folder, error);
    if (status == AC_OK)
        tell_bytes(&m);
    aci_workshop_extras_abandon(m.extras);
    aci_workshop_school_close(&m.school);
    aci_model_close(m.model);
    aci_platform_free(work->memory, path);
    aci_platform_free(work->memory, card_path);
    return status;
}
