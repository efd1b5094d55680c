/* ladder_blocks.c - a variant made, trained and coded a layer at a time: for
 * models of which a few copies in float32 do not fit.
 *
 *     rows of text      teacher  x  --layer of the checkpoint-->  x
 *                       student  x^ --layer, trained and coded->  x^
 *                       plain    as the student, but not trained; exam only
 *
 * Of each layer: the closed form; training of what is to be coded, kept where
 * its codes are better than those of the closed form; codes; training of norms
 * and biases around them (recover_blocks.c); the layer is then done, and
 * forgotten. Text that is not trained on, the exam, says which
 * pass over the others was the best, "none" among them, and at the end of the
 * model, through both heads, the divergence before and after. */
#include <math.h>
#include <string.h>

#include "kernels/multiply.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/compress/export.h"
#include "workshop/compress/ladder_make.h"
#include "workshop/compress/recover_internal.h"

enum { PASSES = 4, FEWEST = 1024, MOST_EXAM = 8192, SLICE = 128 };

typedef struct course {
    const aci_ladder_school *school;
    const aci_ladder_work *work;
    const aci_unit_order *order;
    const aci_variant_plan *plan;
    const aci_model *model;
    aci_extras_build *extras;
    aci_float_model teacher;         /* a layer of it */
    aci_recover_teacher as_teacher;
    aci_recover_report report;
    aci_recovery recovery;           /* its student: a layer of it */
    aci_block_run run;
    float *plain;                    /* [rows of the exam, n_embd] */
    size_t n_lessons;                /* pieces */
    int32_t n_owned;
} course;

/* ---- telling ------------------------------------------------------------- */

static int32_t listen(const aci_recover_progress *progress, void *user)
{
    const course *c = user;

    return aci_workshop_ladder_progress(
               c->work, c->plan->recipe.name, progress->n_tokens,
               progress->n_tokens_all, progress->loss, NULL) != AC_OK;
}

/* Between the steps of training, which tell by themselves. */
static ac_status tell(const course *c, ac_error *error)
{
    return aci_workshop_ladder_progress(c->work, c->plan->recipe.name,
                                        c->run.n_tokens, c->run.n_tokens_all,
                                        NAN, error);
}

/* ---- text ---------------------------------------------------------------- */

static int trains_matrices(const course *c)
{
    return c->plan->recipe.compensate &&
           aci_workshop_recipe_is_structural(&c->plan->recipe);
}

/* Rows that are kept: as many as make the tokens asked for in PASSES. */
static uint64_t lesson_rows(const aci_ladder_work *work)
{
    uint64_t n = work->options->recovery_tokens;

    n = (n != 0 && n != AC_RECOVERY_NONE ? n : AC_RECOVERY_TOKENS) / PASSES;
    n = n > FEWEST ? n : FEWEST;
    return n < 65536 ? n : 65536;
}

static uint64_t exam_rows(const aci_ladder_work *work)
{
    uint64_t n = lesson_rows(work) / 2;

    n = n > FEWEST ? n : FEWEST;
    return n < MOST_EXAM ? n : MOST_EXAM;
}

static ac_status draw(course *c, ac_error *error)
{
    const aci_recovery *r = &c->recovery;
    size_t batch = (size_t)r->options.batch_tokens, next = 0;
    double rows = fmin((double)lesson_rows(c->work),
                       aci_workshop_corpus_rows(r->calibration));
    size_t n = (size_t)rows / batch, most;
    aci_corpus_cursor cursor = { { 0 }, { 0 } };
    aci_block_piece *p;
    ac_status status = AC_OK;

    n = n > 0 ? n : 1;
    most = n + (size_t)exam_rows(c->work) / batch + 1;
    for (size_t i = 0; status == AC_OK && i < n; i++) {
        status = aci_workshop_block_piece(&p, &c->run, most, error);
        if (status != AC_OK)
            break;
        aci_workshop_corpus_draw(&p->batch, &cursor, r->calibration,
                                 r->options.seed);
        c->run.n_rows += (size_t)p->batch.batch.n_tokens;
    }
    c->n_lessons = c->run.n_pieces;
    while (status == AC_OK && c->run.n_pieces < most) {
        status = aci_workshop_block_piece(&p, &c->run, most, error);
        if (status != AC_OK)
            break;
        if (!aci_workshop_corpus_walk(&p->batch, &next, r->held_out)) {
            c->run.n_pieces--;
            aci_workshop_corpus_batch_free(&p->batch);
            break;
        }
        c->run.n_rows += (size_t)p->batch.batch.n_tokens;
    }
    c->run.n_kept = c->run.n_pieces - c->n_lessons;
    if (status == AC_OK && c->run.n_kept == 0)
        status = aci_platform_fail(error, AC_E_ARGUMENT,
                                   "there was no text to judge variants by");
    return status;
}

static size_t first_exam_row(const course *c)
{
    return c->run.pieces[c->n_lessons].first;
}

static int32_t outer_bits(const course *c, int is_head)
{
    const aci_recipe *recipe = &c->plan->recipe;

    return is_head || c->work->shape->tied_embeddings ? recipe->head_bits
                                                      : recipe->embed_bits;
}

/* A matrix outside the layers, as the store has it. */
static const aci_matrix *stored(const course *c, const char *name)
{
    /* The list's look-up hands out what may be changed; we only read. */
    aci_model *open = (aci_model *)(uintptr_t)c->model;
    aci_tensor tensor;

    aci_model_tensor_named(&tensor, c->work->shape, name);
    return aci_model_tensor_matrix(open, &tensor);
}

static ac_status embed(course *c, ac_error *error)
{
    const aci_matrix *table = stored(c, "embed");
    size_t width = (size_t)c->work->shape->n_embd;
    int32_t bits = outer_bits(c, 0);
    ac_status status = aci_workshop_block_rows(&c->run, error);

    c->plain = aci_platform_alloc_array(
        c->work->memory, c->run.n_rows - first_exam_row(c),
        width * sizeof *c->plain);
    if (status == AC_OK && c->plain == NULL)
        return aci_platform_fail_memory(error, "what the layers say");
    for (size_t i = 0; i < c->run.n_pieces; i++) {
        const aci_block_piece *p = &c->run.pieces[i];

        for (int32_t k = 0; status == AC_OK && k < p->batch.batch.n_tokens;
             k++) {
            size_t at = (p->first + (size_t)k) * width;
            int32_t token = p->batch.batch.tokens[k];

            status = aci_model_checkpoint_read(c->run.teacher + at,
                                               c->work->checkpoint, "embed",
                                               token, 1, error);
            aci_workshop_export_values(c->run.student + at, table, token,
                                       bits);
        }
    }
    if (status == AC_OK)
        memcpy(c->plain, c->run.student + first_exam_row(c) * width,
               (c->run.n_rows - first_exam_row(c)) * width * sizeof(float));
    return status;
}

/* ---- a layer ------------------------------------------------------------- */

static ac_status teach(course *c, uint32_t parts, uint32_t passes,
                       ac_error *error)
{
    aci_recovery *r = &c->recovery;

    memset(c->run.chosen, 0,
           ((size_t)c->work->shape->n_layer + 1) * sizeof *c->run.chosen);
    aci_workshop_recover_choose(c->run.chosen, r, parts);
    r->options.block_passes = passes;
    return aci_workshop_block_teach(&c->run, error);
}

/* The model's rows go past the layer, which is then forgotten. */
static ac_status follow(course *c, ac_error *error)
{
    ac_status status = aci_workshop_floats_read_layer(
        &c->teacher, c->work->memory, c->work->checkpoint, c->run.l, error);

    if (status == AC_OK)
        status = aci_workshop_block_propagate(&c->run, c->run.teacher,
                                              &c->teacher, 0, error);
    aci_workshop_floats_close(&c->teacher);
    return status;
}

/* How far a form of the student's layer is from the model's, on the exam. */
static ac_status examine(double *out, course *c, const aci_float_model *form,
                         ac_error *error)
{
    aci_float_model student = c->recovery.student;
    ac_status status;

    c->recovery.student = *form;
    status = teach(c, 0, 1, error);
    c->recovery.student = student;
    *out = c->run.before;
    return status;
}

/* A copy as its codes will say it, and how far it is off. */
static ac_status code_copy(aci_float_model *out, double *off, course *c,
                           const aci_float_model *of, ac_error *error)
{
    ac_status status = aci_workshop_floats_cut(out, of, NULL, error);

    if (status == AC_OK)
        status = aci_workshop_ladder_layer_matrices(
            NULL, out, c->work, c->order, c->plan, c->run.l, error);
    return status == AC_OK ? examine(off, c, out, error) : status;
}

/* Rows of the exam go past the layer as it is without training. */
static ac_status go_plain(double *off, course *c, ac_error *error)
{
    aci_float_model coded = { .memory = NULL };
    ac_status status = code_copy(&coded, off, c, &c->recovery.student, error);

    if (status == AC_OK) {
        c->run.skipped = first_exam_row(c);
        status = aci_workshop_block_propagate(&c->run, c->plain, &coded,
                                              c->n_lessons, error);
        c->run.skipped = 0;
    }
    aci_workshop_floats_close(&coded);
    return status;
}

/* Trains what is to be coded; it stays as it was where codes of the trained
 * are no better than its own, which are `off`. */
static ac_status train_matrices(course *c, double off, ac_error *error)
{
    aci_float_model *student = &c->recovery.student;
    aci_float_model before = { .memory = NULL }, coded = { .memory = NULL };
    double now = off;
    ac_status status = aci_workshop_floats_cut(&before, student, NULL, error);

    if (status == AC_OK)
        status = teach(c, c->recovery.options.block_parts, PASSES, error);
    if (status == AC_OK)
        status = code_copy(&coded, &now, c, student, error);
    if (status == AC_OK && !(now < off)) {
        aci_float_model trained = *student;

        *student = before;
        before = trained;
    }
    aci_workshop_floats_close(&before);
    aci_workshop_floats_close(&coded);
    return status;
}

static ac_status finish_layer(course *c, double off, ac_error *error)
{
    aci_float_model *student = &c->recovery.student;
    int32_t n_layer = c->work->shape->n_layer;
    ac_status status = AC_OK;

    if (trains_matrices(c))
        status = train_matrices(c, off, error);
    if (status == AC_OK)
        status = aci_workshop_ladder_layer_matrices(
            c->extras, student, c->work, c->order, c->plan, c->run.l, error);
    if (status == AC_OK)
        status = teach(c, ACI_CHOOSE_NORMS | ACI_CHOOSE_BIASES, PASSES / 2,
                       error);
    c->report.block_error[0] += off / n_layer;
    c->report.block_error[1] += c->run.after / n_layer;
    if (status == AC_OK)
        status = aci_workshop_ladder_vectors(c->extras, student, c->plan,
                                             c->model, &c->n_owned, error);
    for (int32_t i = 0; i < ACI_N_MATRICES; i++)
        c->n_owned += aci_workshop_ladder_owns(student, c->plan, c->run.l, i);
    return status == AC_OK
               ? aci_workshop_block_propagate(&c->run, c->run.student,
                                              student, 0, error)
               : status;
}

static ac_status one_layer(course *c, ac_error *error)
{
    aci_float_model *student = &c->recovery.student;
    ac_status status = tell(c, error);
    double off;

    if (status == AC_OK)
        status = follow(c, error);
    if (status != AC_OK)
        return status;
    aci_workshop_floats_close(student);
    status = aci_workshop_ladder_student_layer(student, c->work, c->order,
                                               c->plan, c->run.l, error);
    if (status == AC_OK)
        status = aci_workshop_school_enrol(student, c->plan, c->model,
                                           c->run.l, error);
    if (status == AC_OK)
        status = tell(c, error);
    if (status == AC_OK)
        status = go_plain(&off, c, error);
    if (status == AC_OK)
        status = tell(c, error);
    return status == AC_OK ? finish_layer(c, off, error) : status;
}

/* ---- through the heads --------------------------------------------------- */

typedef struct both_heads {
    aci_multiplier *multiplier;
    float *norm;                     /* [n_embd] */
    float *weights[2];               /* [SLICE of n_vocab, n_embd] */
    float *rows;                     /* [SLICE, n_embd] */
    float *logits[3];                /* [SLICE, n_vocab]: teacher, student,
                                        plain */
    double kl[2];
    uint64_t n;
} both_heads;

static void normalise(const course *c, const both_heads *h, const float *x,
                      int32_t n)
{
    int32_t width = c->work->shape->n_embd;

    for (int32_t i = 0; i < n; i++) {
        const float *row = x + (size_t)i * (size_t)width;
        float *out = h->rows + (size_t)i * (size_t)width;
        double sum = 0.0, by;

        for (int32_t k = 0; k < width; k++)
            sum += (double)row[k] * (double)row[k];
        by = 1.0 / sqrt(sum / width + (double)c->work->shape->norm_eps);
        for (int32_t k = 0; k < width; k++)
            out[k] = (float)((double)row[k] * by) * h->norm[k];
    }
}

/* Logits of n rows of x, by the checkpoint's head or the store's. */
static ac_status say(const course *c, both_heads *h, int which, const float *x,
                     int32_t n, ac_error *error)
{
    const aci_shape *s = c->work->shape;
    const char *name = s->tied_embeddings ? "embed" : "head";
    const aci_matrix *table = stored(c, name);
    float *weights = h->weights[which > 0];
    ac_status status = AC_OK;

    normalise(c, h, x, n);
    for (int32_t at = 0; status == AC_OK && at < s->n_vocab; at += SLICE) {
        int32_t some = s->n_vocab - at < SLICE ? s->n_vocab - at : SLICE;
        aci_multiply product = { .c = h->logits[which] + at, .a = h->rows,
                                 .b = weights, .m = n, .n = some,
                                 .k = s->n_embd, .c_stride = s->n_vocab,
                                 .a_stride = s->n_embd,
                                 .b_stride = s->n_embd, .b_transposed = 1 };

        if (which == 0)
            status = aci_model_checkpoint_read(
                weights, c->work->checkpoint, name, at, some, error);
        for (int32_t i = 0; which > 0 && i < some; i++)
            aci_workshop_export_values(
                weights + (size_t)i * (size_t)s->n_embd, table, at + i,
                outer_bits(c, 1));
        aci_kernels_multiply(h->multiplier, &product);
    }
    return status;
}

static double log_sum(const float *x, int32_t n)
{
    double most = x[0], sum = 0.0;

    for (int32_t i = 1; i < n; i++)
        most = fmax(most, (double)x[i]);
    for (int32_t i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    return most + log(sum);
}

static double divergence(const float *p, const float *q, int32_t n)
{
    double all_p = log_sum(p, n), all_q = log_sum(q, n), sum = 0.0;

    for (int32_t i = 0; i < n; i++) {
        double log_p = (double)p[i] - all_p;

        sum += exp(log_p) * (log_p - ((double)q[i] - all_q));
    }
    return sum;
}

static ac_status judge_slice(const course *c, both_heads *h,
                             const aci_block_piece *p, int32_t first,
                             ac_error *error)
{
    const aci_batch *batch = &p->batch.batch;
    size_t width = (size_t)c->work->shape->n_embd;
    size_t at = (p->first + (size_t)first) * width;
    int32_t n = batch->n_tokens - first < SLICE ? batch->n_tokens - first
                                                : SLICE;
    int32_t n_vocab = c->work->shape->n_vocab;
    const float *rows[3] = { c->run.teacher + at, c->run.student + at,
                             c->plain + (at - first_exam_row(c) * width) };
    ac_status status = AC_OK;

    for (int i = 0; status == AC_OK && i < 3; i++)
        status = say(c, h, i, rows[i], n, error);
    for (int32_t i = 0; status == AC_OK && i < n; i++) {
        size_t row = (size_t)i * (size_t)n_vocab;

        if (batch->targets[first + i] < 0)
            continue;
        for (int k = 0; k < 2; k++)
            h->kl[k] += divergence(h->logits[0] + row,
                                   h->logits[1 + k] + row, n_vocab);
        h->n++;
    }
    return status;
}

static ac_status open_heads(both_heads *h, const course *c, ac_error *error)
{
    aci_memory *memory = c->work->memory;
    size_t width = (size_t)c->work->shape->n_embd;
    size_t n_vocab = (size_t)c->work->shape->n_vocab;
    int full;

    h->norm = aci_platform_alloc_array(memory, width, sizeof(float));
    h->rows = aci_platform_alloc_array(memory, SLICE * width, sizeof(float));
    full = h->norm == NULL || h->rows == NULL;
    for (int i = 0; i < 3; i++) {
        h->logits[i] = aci_platform_alloc_array(memory, SLICE * n_vocab,
                                                sizeof(float));
        if (i < 2)
            h->weights[i] = aci_platform_alloc_array(memory, SLICE * width,
                                                     sizeof(float));
        full |= h->logits[i] == NULL || (i < 2 && h->weights[i] == NULL);
    }
    if (full)
        return aci_platform_fail_memory(error, "logits");
    return aci_kernels_multiplier_create(&h->multiplier, memory, c->work->pool,
                                         NULL, error);
}

static void close_heads(both_heads *h, const course *c)
{
    aci_platform_free(c->work->memory, h->norm);
    aci_platform_free(c->work->memory, h->rows);
    for (int i = 0; i < 3; i++)
        aci_platform_free(c->work->memory, h->logits[i]);
    for (int i = 0; i < 2; i++)
        aci_platform_free(c->work->memory, h->weights[i]);
    aci_kernels_multiplier_free(h->multiplier);
}

static ac_status judge(aci_recovered *out, const course *c, ac_error *error)
{
    both_heads h = { .multiplier = NULL };
    ac_status status = open_heads(&h, c, error);

    if (status == AC_OK)
        status = aci_model_checkpoint_read(h.norm, c->work->checkpoint,
                                           "final_norm", 0, 1, error);
    for (size_t i = c->n_lessons; status == AC_OK && i < c->run.n_pieces; i++)
        for (int32_t first = 0;
             status == AC_OK &&
             first < c->run.pieces[i].batch.batch.n_tokens;
             first += SLICE)
            status = judge_slice(c, &h, &c->run.pieces[i], first, error);
    out->kl_after = h.kl[0] / (double)(h.n > 0 ? h.n : 1);
    out->kl_before = h.kl[1] / (double)(h.n > 0 ? h.n : 1);
    close_heads(&h, c);
    if (status == AC_OK && !(isfinite(out->kl_after) &&
                             isfinite(out->kl_before)))
        status = aci_platform_fail(error, AC_E_NUMERIC,
                                   "%s: its divergence from the model was not "
                                   "finite", c->plan->recipe.name);
    return status;
}

/* ---- the whole ----------------------------------------------------------- */

uint64_t aci_workshop_ladder_blocks_bytes(const aci_ladder_work *work)
{
    const aci_shape *s = work->shape;
    uint64_t embd = (uint64_t)s->n_embd, ff = (uint64_t)s->n_ff;
    uint64_t heads = (uint64_t)s->n_head * (uint64_t)s->head_dim;
    uint64_t keys = (uint64_t)s->n_head_kv * (uint64_t)s->head_dim;
    uint64_t layer = embd * (2 * heads + 2 * keys + 3 * ff);
    uint64_t wide = ff > heads ? ff : heads;
    uint64_t rows = 2 * lesson_rows(work) + 3 * exam_rows(work);
    uint64_t batch = 1024 * (10 * embd + 4 * heads + 4 * ff);
    uint64_t head = SLICE * (3 * (uint64_t)s->n_vocab + 3 * embd);
    /* Two forms of a layer and a network with gradients and moments; or one
     * form, while columns are made good or codes are chosen. */
    uint64_t training = 7 * layer + batch;
    uint64_t coding = 2 * layer + 11 * wide * wide;

    return 4 * (rows * embd + head +
                (training > coding ? training : coding));
}

static ac_status begin(course *c, ac_error *error)
{
    aci_recovery *r = &c->recovery;

    r->memory = c->work->memory;
    r->pool = c->work->pool;
    r->teacher = &c->as_teacher;
    r->calibration = &c->school->lessons;
    r->held_out = &c->school->exam;
    r->report = &c->report;
    r->options = (aci_recover_options){ .seed = c->work->options->seed,
                                        .on_progress = listen,
                                        .progress_user = c };
    r->student.shape = *c->work->shape;
    r->began_at = aci_platform_monotonic_nanoseconds();
    c->as_teacher.model = &c->teacher;
    c->run.recovery = r;
    aci_workshop_recover_fill_in(r);
    c->run.chosen = aci_platform_alloc_zeroed(
        r->memory, (size_t)c->work->shape->n_layer + 1,
        sizeof *c->run.chosen);
    return c->run.chosen != NULL
               ? draw(c, error)
               : aci_platform_fail_memory(error, "what to recover");
}

/* Tokens that all layers together are trained on. */
static uint64_t tokens_of_all(const course *c)
{
    uint64_t passes = PASSES / 2 + (trains_matrices(c) ? PASSES : 0);

    return (uint64_t)c->work->shape->n_layer * passes * first_exam_row(c);
}

ac_status aci_workshop_ladder_blocks(aci_extras_build *extras,
                                     aci_recovered *out, int32_t *n_owned,
                                     const aci_ladder_school *school,
                                     const aci_unit_order *order,
                                     const aci_variant_plan *plan,
                                     const aci_model *model, ac_error *error)
{
    course c = { .school = school, .work = school->work, .order = order,
                 .plan = plan, .model = model, .extras = extras,
                 .n_owned = *n_owned };
    int32_t n_layer = c.work->shape->n_layer;
    ac_status status = begin(&c, error);

    if (status == AC_OK) {
        c.run.n_tokens_all = tokens_of_all(&c);
        status = embed(&c, error);
    }
    for (; status == AC_OK && c.run.l < n_layer; c.run.l++)
        status = one_layer(&c, error);
    if (status == AC_OK)
        status = judge(out, &c, error);
    if (status == AC_OK) {
        out->n_tokens = c.run.n_tokens / (uint64_t)n_layer;
        out->seconds = aci_workshop_recover_seconds(&c.recovery);
        *n_owned = c.n_owned;
        aci_workshop_ladder_note(
            c.work, AC_LOG_INFO,
            "%s: a layer errs by %.4f of its output before recovery, %.4f "
            "after", plan->recipe.name, c.report.block_error[0],
            c.report.block_error[1]);
    }
    aci_workshop_floats_close(&c.recovery.student);
    aci_workshop_block_close(&c.run);
    aci_platform_free(c.work->memory, c.plain);
    return status;
}
