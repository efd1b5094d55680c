/* ladder_recover.c - variants trained by the whole model, as floats whose
 * untrained part is what the store's codes say. */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/export.h"
#include "workshop/compress/ladder_make.h"

/* Longer pieces teach little more and take memory by their square. */
enum { CONTEXT = 512 };

/* Documents kept for judging, and tokens judged on. */
static const double exam_share = 0.1;
enum { EXAM_TOKENS = 16384, FEWEST_BLOCK_TOKENS = 2048 };

/* ---- texts --------------------------------------------------------------- */

static ac_status read_texts(aci_ladder_school *school,
                            const aci_tokenizer *tokenizer, int32_t documents,
                            ac_error *error)
{
    const aci_ladder_work *work = school->work;
    const ac_compress_options *options = work->options;
    int32_t context = work->shape->n_context < CONTEXT
                          ? work->shape->n_context
                          : CONTEXT;
    aci_corpus_reading reading = {
        .tokenizer = tokenizer, .train = &school->lessons,
        .held_out = &school->exam, .held_out_share = exam_share,
        .documents = documents
    };
    ac_status status = AC_OK;

    aci_workshop_corpus_init(&school->lessons, work->memory, context,
                             work->shape->n_vocab);
    aci_workshop_corpus_init(&school->exam, work->memory, context,
                             work->shape->n_vocab);
    for (uint32_t i = 0; status == AC_OK && i < options->n_calibration; i++)
        status = aci_workshop_corpus_read(&reading, options->calibration[i],
                                          1.0, error);
    return status;
}

/* A text that is one document is read line by line. */
static ac_status open_texts(aci_ladder_school *school, const char *folder,
                            ac_error *error)
{
    const aci_ladder_work *work = school->work;
    aci_tokenizer *tokenizer = NULL;
    char *file = aci_platform_join(work->memory, folder, ACI_ZOO_TOKENIZER);
    ac_status status;

    if (file == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_tokenizer_open(&tokenizer, work->memory, file, error);
    if (status == AC_OK)
        status = read_texts(school, tokenizer, ACI_DOCUMENTS_BLANK, error);
    if (status == AC_OK && (school->lessons.n_pieces == 0 ||
                            school->exam.n_pieces == 0)) {
        aci_workshop_corpus_free(&school->lessons);
        aci_workshop_corpus_free(&school->exam);
        status = read_texts(school, tokenizer, ACI_DOCUMENTS_LINE, error);
    }
    aci_tokenizer_close(tokenizer);
    aci_platform_free(work->memory, file);
    return status;
}

ac_status aci_workshop_school_open(aci_ladder_school *out,
                                   const aci_ladder_work *work,
                                   const char *folder, int is_needed,
                                   ac_error *error)
{
    uint64_t n = work->options->recovery_tokens;
    ac_status status;

    memset(out, 0, sizeof *out);
    out->work = work;
    if (work->teaching == ACI_TEACH_NONE && !is_needed)
        return AC_OK;
    status = open_texts(out, folder, error);
    if (status == AC_OK && (out->lessons.n_pieces == 0 ||
                            out->exam.n_pieces == 0)) {
        aci_workshop_ladder_note(work, AC_LOG_WARNING,
                                 "the calibration text is too short to train "
                                 "variants and judge them; none is trained");
        return AC_OK;
    }
    out->by_blocks = work->teaching == ACI_TEACH_BLOCKS;
    if (status == AC_OK && (!out->by_blocks || is_needed))
        status = aci_workshop_floats_read(&out->teacher, work->memory,
                                          work->checkpoint, error);
    out->n_tokens = work->teaching == ACI_TEACH_NONE ? 0
                    : n != 0                         ? n
                                             : AC_RECOVERY_TOKENS;
    return status;
}

void aci_workshop_school_close(aci_ladder_school *school)
{
    if (school->work == NULL)
        return;
    if (school->teacher.memory != NULL)
        aci_workshop_floats_close(&school->teacher);
    if (school->lessons.memory != NULL)
        aci_workshop_corpus_free(&school->lessons);
    if (school->exam.memory != NULL)
        aci_workshop_corpus_free(&school->exam);
    memset(school, 0, sizeof *school);
}

/* ---- the student --------------------------------------------------------- */

static int32_t bits_of(const aci_recipe *recipe, const aci_tensor *tensor,
                       const aci_shape *shape)
{
    if (tensor->layer >= 0)
        return recipe->weight_bits;
    /* A tied table is one array here; as head it matters more. */
    return tensor->row == ACI_ROW_HEAD || shape->tied_embeddings
               ? recipe->head_bits
               : recipe->embed_bits;
}

/* The first rows and columns of the store's tensor. */
static void copy_stored(float *out, const aci_float_array *array,
                        const aci_tensor *tensor, const aci_model *model,
                        int32_t bits, float *row)
{
    /* The list's look-up hands out what may be changed; we only read. */
    aci_model *open = (aci_model *)(uintptr_t)model;
    size_t n = (size_t)array->n_columns;

    if (!tensor->is_matrix) {
        memcpy(out, *aci_model_tensor_vector(open, tensor), n * sizeof *out);
        return;
    }
    for (int64_t r = 0; r < array->n_rows; r++) {
        aci_workshop_export_values(row, aci_model_tensor_matrix(open, tensor),
                                   (int32_t)r, bits);
        memcpy(out + (size_t)r * n, row, n * sizeof *out);
    }
}

static int is_gone(const aci_float_model *student,
                   const aci_float_array *array, const aci_tensor *tensor)
{
    const aci_float_layer *layer;

    if (array->n_rows * array->n_columns == 0)
        return 1;
    if (array->layer < 0)
        return 0;
    layer = &student->layers[array->layer];
    return tensor->row >= ACI_ROW_FFN_NORM ? layer->n_ff == 0
                                           : layer->n_head_kv == 0;
}

/* One that the shape lacks; both halves of a layer add to the same stream. */
static int may_learn_bias(const aci_tensor *tensor)
{
    return tensor->row == ACI_ROW_DOWN_BIAS;
}

ac_status aci_workshop_school_enrol(aci_float_model *student,
                                    const aci_variant_plan *plan,
                                    const aci_model *model, int32_t layer,
                                    ac_error *error)
{
    const aci_shape *shape = &model->shape;
    aci_float_array array;
    float *row = aci_platform_alloc_array(
        student->memory,
        (size_t)shape->n_embd + (size_t)shape->n_ff +
            (size_t)shape->n_head * (size_t)shape->head_dim,
        sizeof *row);
    ac_status status = row != NULL
                           ? AC_OK
                           : aci_platform_fail_memory(error, "a row");

    for (size_t i = 0;
         status == AC_OK && aci_workshop_floats_at(&array, student, i); i++) {
        aci_tensor tensor;
        int is_stored;

        if (*array.place != NULL ||
            (layer >= 0 && array.layer != layer &&
             (array.layer >= 0 || array.n_rows > 1)) ||
            !aci_model_tensor_named(&tensor, shape, array.name) ||
            is_gone(student, &array, &tensor) ||
            (tensor.is_matrix && array.matrix >= 0 &&
             student->layers[array.layer].matrices[array.matrix].rank > 0))
            continue;
        is_stored = aci_model_tensor_present(shape, &tensor);
        if (!is_stored && !may_learn_bias(&tensor))
            continue;
        *array.place = aci_workshop_floats_array(
            student, (size_t)(array.n_rows * array.n_columns));
        if (*array.place == NULL)
            status = aci_platform_fail_memory(error, array.name);
        else if (is_stored)
            copy_stored(*array.place, &array, &tensor, model,
                        bits_of(&plan->recipe, &tensor, shape), row);
    }
    aci_platform_free(student->memory, row);
    return status;
}

/* ---- teaching ------------------------------------------------------------ */

typedef struct listener {
    const aci_ladder_work *work;
    const char *name;
    uint64_t n_tokens, n_tokens_all; /* told last */
    double kl;
} listener;

static int32_t poll(void *user)
{
    const listener *l = user;

    return aci_workshop_ladder_progress(l->work, l->name, l->n_tokens,
                                        l->n_tokens_all, l->kl,
                                        NULL) != AC_OK;
}

static int32_t listen(const aci_recover_progress *progress, void *user)
{
    listener *l = user;

    l->n_tokens = progress->n_tokens;
    l->n_tokens_all = progress->n_tokens_all;
    l->kl = progress->held_out_kl;
    return poll(l);
}

/* The caller of compress has no variant that could be as it was. */
static ac_status stopped(ac_status status, const char *name, ac_error *error)
{
    if (status != AC_E_CANCELLED)
        return status;
    return aci_platform_fail(error, status,
                             "it was stopped at %s; no zoo was made", name);
}

ac_status aci_workshop_school_judge(aci_float_model *student, double *kl,
                                    aci_ladder_school *school,
                                    const char *name, ac_error *error)
{
    aci_recover_teacher teacher = { .model = &school->teacher };
    listener l = { school->work, name, 0, 0, NAN };
    aci_recover_options options = { .no_blocks = true, .no_end = true,
                                    .judge_tokens = school->judge_tokens,
                                    .on_poll = poll, .progress_user = &l };
    aci_recover_report report;
    ac_status status;

    if (options.judge_tokens == 0)
        options.judge_tokens = EXAM_TOKENS;
    status = aci_workshop_recover(
        school->work->memory, school->work->pool, &report, student, &teacher,
        &school->lessons, &school->exam, &options, error);

    *kl = report.kl[0];
    return stopped(status, name, error);
}

ac_status aci_workshop_school_teach(aci_float_model *student,
                                    aci_recover_report *report,
                                    aci_ladder_school *school,
                                    const aci_variant_plan *plan,
                                    int codes_are_fixed, ac_error *error)
{
    aci_recover_teacher teacher = { .model = &school->teacher };
    listener l = { school->work, plan->recipe.name, 0, 0, NAN };
    uint64_t n = school->n_tokens;
    ac_status status;
    aci_recover_options options = {
        .end_tokens = codes_are_fixed ? n / 2 : n,
        .block_tokens = n / 8 > FEWEST_BLOCK_TOKENS ? n / 8
                                                    : FEWEST_BLOCK_TOKENS,
        .judge_tokens = EXAM_TOKENS,
        .seed = school->work->options->seed,
        .on_progress = listen, .on_poll = poll, .progress_user = &l
    };

    if (options.block_tokens > 65536)
        options.block_tokens = 0; /* as many as memory allows */
    if (codes_are_fixed || !plan->recipe.compensate ||
        !aci_workshop_recipe_is_structural(&plan->recipe)) {
        options.block_parts = options.end_parts = ACI_CHOOSE_NORMS |
                                                  ACI_CHOOSE_BIASES;
        options.no_blocks = true;
    }
    status = aci_workshop_recover(school->work->memory, school->work->pool,
                                  report, student, &teacher, &school->lessons,
                                  &school->exam, &options, error);
    return stopped(status, plan->recipe.name, error);
}
