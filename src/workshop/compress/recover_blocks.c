/* recover_blocks.c - one layer at a time: a network of that layer alone learns
 * the teacher's output from the student's input.
 *
 *     rows of a batch       teacher  x --f_l--> f_l(x)        over x, in place
 *                           student  x^ -f^_l-> f^_l(x^)      over x^, after
 *                                                             it was trained
 *
 * An eighth of the batches is not trained on: there the best pass is found,
 * "none" among them. */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/recover_internal.h"

/* ---- models of one layer ------------------------------------------------- */

/* Layer l of a model, as a model that has no other. */
static aci_float_model alone(const aci_block_run *r,
                             const aci_float_model *from)
{
    aci_float_model model = *from;

    model.shape.n_layer = model.shape.n_vocab = 1;
    model.shape.tied_embeddings = 1;
    model.layers = &from->layers[r->l];
    model.embed = r->zeros;
    model.head = NULL;
    model.blocks = NULL;
    return model;
}

static ac_status open_layer(aci_network **out, const aci_block_run *r,
                            const aci_float_model *from, bool trained,
                            ac_error *error)
{
    uint32_t chosen[2] = { r->chosen[r->l], 0 };
    aci_network_options options = {
        .trainable = ACI_TRAIN_CHOSEN, .chosen = chosen,
        .max_tokens = r->recovery->options.batch_tokens,
        .forward_only = !trained
    };
    aci_float_model model = alone(r, from);

    return aci_workshop_network_create_from(out, r->recovery->memory,
                                            r->recovery->pool, &model,
                                            &options, error);
}

/* One layer's messages know neither its number nor the step. */
static ac_status within(const aci_block_run *r, ac_status status,
                        ac_error *error)
{
    if (status == AC_E_NUMERIC)
        return aci_platform_fail(error, status,
                                 "recovery of layer %d: numbers were not "
                                 "finite after %llu tokens", (int)r->l,
                                 (unsigned long long)r->n_tokens);
    return status;
}

static aci_batch batch_of(const aci_block_run *r, const aci_block_piece *p)
{
    aci_batch batch = p->batch.batch;

    batch.tokens = r->tokens;
    batch.targets = NULL;
    return batch;
}

float *aci_workshop_block_at(const aci_block_run *r, float *rows,
                             const aci_block_piece *p)
{
    return rows + (p->first - r->skipped) *
                      (size_t)r->recovery->student.shape.n_embd;
}

ac_status aci_workshop_block_propagate(aci_block_run *r, float *rows,
                                       const aci_float_model *model,
                                       size_t from, ac_error *error)
{
    aci_network *network;
    ac_status status = open_layer(&network, r, model, false, error);

    for (size_t i = from; status == AC_OK && i < r->n_pieces; i++) {
        aci_batch batch = batch_of(r, &r->pieces[i]);
        float *at = aci_workshop_block_at(r, rows, &r->pieces[i]);

        status = aci_workshop_network_block(network, at, at, &batch, error);
        if (status == AC_OK)
            status = aci_workshop_recover_poll(r->recovery, error);
    }
    aci_workshop_network_free(network);
    return within(r, status, error);
}

/* ---- training one -------------------------------------------------------- */

static aci_objective objective_of(const aci_block_run *r,
                                  const aci_block_piece *p)
{
    return (aci_objective){
        .loss = ACI_LOSS_BLOCK_MSE,
        .block_input = aci_workshop_block_at(r, r->student, p),
        .block_target = aci_workshop_block_at(r, r->teacher, p)
    };
}

/* Loss to relative error. */
static double scale_of(const aci_block_run *r, const aci_block_piece *p)
{
    return (double)r->recovery->student.shape.n_embd / p->power;
}

static void measure_power(aci_block_run *r)
{
    size_t width = (size_t)r->recovery->student.shape.n_embd;

    for (size_t i = 0; i < r->n_pieces; i++) {
        aci_block_piece *p = &r->pieces[i];
        const float *at = aci_workshop_block_at(r, r->teacher, p);
        size_t n = (size_t)p->batch.batch.n_tokens * width;
        double sum = 0.0;

        for (size_t k = 0; k < n; k++)
            sum += (double)at[k] * (double)at[k];
        p->power = sum > 0.0 ? sum : 1.0;
    }
}

/* Relative error on the pieces kept back. */
static ac_status judge(double *out, const aci_block_run *r,
                       aci_network *network, ac_error *error)
{
    double sum = 0.0, loss;
    int64_t n;
    ac_status status = AC_OK;

    for (size_t i = r->n_pieces - r->n_kept;
         status == AC_OK && i < r->n_pieces; i++) {
        const aci_block_piece *p = &r->pieces[i];
        aci_batch batch = batch_of(r, p);
        aci_objective objective = objective_of(r, p);

        status = aci_workshop_network_step(network, &loss, &n, &batch,
                                           &objective, 0.0f, error);
        sum += loss * scale_of(r, p);
        if (status == AC_OK)
            status = aci_workshop_recover_poll(r->recovery, error);
    }
    *out = sum / (double)r->n_kept;
    return status;
}

static ac_status tell(aci_block_run *r, ac_error *error)
{
    aci_recover_progress progress = {
        .rung = ACI_RECOVER_BLOCKS, .layer = r->l,
        .n_layer = r->recovery->student.shape.n_layer, .loss = r->loss,
        .n_tokens = r->n_tokens, .n_tokens_all = r->n_tokens_all
    };

    return aci_workshop_recover_tell(r->recovery, &progress, error);
}

static ac_status one_step(aci_block_run *r, aci_network *network,
                          const aci_block_piece *p,
                          uint64_t step, uint64_t n_steps, ac_error *error)
{
    aci_adamw update = {
        .rate = aci_workshop_recover_rate(
            r->recovery->options.block_rate,
            (double)step / (double)n_steps),
        .beta_1 = 0.9f, .beta_2 = 0.95f, .epsilon = 1e-8f, .max_norm = 1.0f,
        .step = (int64_t)step + 1
    };
    aci_batch batch = batch_of(r, p);
    aci_objective objective = objective_of(r, p);
    int64_t n;
    ac_status status;

    aci_workshop_network_clear(network);
    status = aci_workshop_network_step(network, &r->loss, &n, &batch,
                                       &objective, (float)scale_of(r, p),
                                       error);
    r->loss *= scale_of(r, p);
    if (status == AC_OK)
        status = aci_workshop_network_update(network, NULL, &update, error);
    r->n_tokens += (uint64_t)batch.n_tokens;
    if (status == AC_OK)
        status = tell(r, error);
    return within(r, status, error);
}

static bool is_out_of_time(const aci_block_run *r)
{
    return aci_workshop_recover_done(r->recovery, 0.0) >= 1.0;
}

static ac_status train(double *best, aci_block_run *r, aci_network *network,
                       ac_error *error)
{
    const aci_recover_options *o = &r->recovery->options;
    uint64_t n = r->n_pieces > r->n_kept ? r->n_pieces - r->n_kept
                                         : r->n_pieces;
    uint64_t step = 0, key;
    aci_float_model into = alone(r, &r->recovery->student);
    double now;
    ac_status status = AC_OK;

    for (uint32_t i = 0; status == AC_OK && i < o->block_passes &&
                         !is_out_of_time(r); i++) {
        key = o->seed + 0x9E3779B97F4A7C15u * (1 + i);
        for (uint64_t k = 0; status == AC_OK && k < n && !is_out_of_time(r);
             k++, step++)
            status = one_step(
                r, network,
                &r->pieces[aci_workshop_corpus_permute(k, n, key)], step,
                n * o->block_passes, error);
        if (status == AC_OK)
            status = within(r, judge(&now, r, network, error), error);
        if (status == AC_OK && now < *best) {
            *best = now;
            status = aci_workshop_network_give(&into, network, error);
        }
    }
    return status;
}

ac_status aci_workshop_block_teach(aci_block_run *r, ac_error *error)
{
    aci_network *network;
    ac_status status;

    measure_power(r);
    status = open_layer(&network, r, &r->recovery->student, true, error);
    if (status == AC_OK)
        status = within(r, judge(&r->before, r, network, error), error);
    r->after = r->before;
    if (status == AC_OK && r->chosen[r->l] != 0)
        status = train(&r->after, r, network, error);
    aci_workshop_network_free(network);
    return status;
}

static ac_status one_layer(aci_block_run *r, ac_error *error)
{
    aci_recover_report *report = r->recovery->report;
    int32_t n_layer = r->recovery->student.shape.n_layer;
    ac_status status = aci_workshop_block_propagate(
        r, r->teacher, r->recovery->teacher->model, 0, error);

    if (status == AC_OK)
        status = aci_workshop_block_teach(r, error);
    report->block_error[0] += r->before / n_layer;
    report->block_error[1] += r->after / n_layer;
    return status == AC_OK
               ? aci_workshop_block_propagate(r, r->student,
                                              &r->recovery->student, 0, error)
               : status;
}

/* ---- text ---------------------------------------------------------------- */

ac_status aci_workshop_block_piece(aci_block_piece **out, aci_block_run *r,
                                   size_t most, ac_error *error)
{
    aci_memory *memory = r->recovery->memory;

    if (r->pieces == NULL)
        r->pieces = aci_platform_alloc_zeroed(memory, most,
                                              sizeof *r->pieces);
    if (r->pieces == NULL)
        return aci_platform_fail_memory(error, "calibration text");
    *out = &r->pieces[r->n_pieces++];
    (*out)->first = r->n_rows;
    return aci_workshop_corpus_batch_create(
        &(*out)->batch, memory, r->recovery->options.batch_tokens, error);
}

static ac_status draw(aci_block_run *r, ac_error *error)
{
    const aci_recovery *recovery = r->recovery;
    aci_corpus_cursor cursor = { { 0 }, { 0 } };
    double rows = aci_workshop_corpus_rows(recovery->calibration);
    double wanted = fmin((double)recovery->options.block_tokens, rows);
    size_t n = (size_t)(wanted / (double)recovery->options.batch_tokens);
    ac_status status = AC_OK;

    n = n > 0 ? n : 1;
    while (r->n_pieces < n && status == AC_OK) {
        aci_block_piece *p;

        status = aci_workshop_block_piece(&p, r, n, error);
        if (status != AC_OK)
            return status;
        aci_workshop_corpus_draw(&p->batch, &cursor, recovery->calibration,
                                 recovery->options.seed);
        r->n_rows += (size_t)p->batch.batch.n_tokens;
    }
    r->n_kept = n < 2 ? n : (n + 7) / 8;
    return status;
}

static void embed(const aci_block_run *r, float *rows,
                  const aci_float_model *model)
{
    size_t width = (size_t)model->shape.n_embd;

    for (size_t i = 0; i < r->n_pieces; i++) {
        const aci_batch *batch = &r->pieces[i].batch.batch;
        float *at = aci_workshop_block_at(r, rows, &r->pieces[i]);

        for (int32_t k = 0; k < batch->n_tokens; k++)
            memcpy(at + (size_t)k * width,
                   model->embed + (size_t)batch->tokens[k] * width,
                   width * sizeof *at);
    }
}

ac_status aci_workshop_block_rows(aci_block_run *r, ac_error *error)
{
    aci_memory *memory = r->recovery->memory;
    size_t width = (size_t)r->recovery->student.shape.n_embd;

    r->teacher = aci_platform_alloc_array(memory, r->n_rows,
                                          width * sizeof *r->teacher);
    r->student = aci_platform_alloc_array(memory, r->n_rows,
                                          width * sizeof *r->student);
    r->zeros = aci_platform_alloc_zeroed(memory, width, sizeof *r->zeros);
    r->tokens = aci_platform_alloc_zeroed(
        memory, (size_t)r->recovery->options.batch_tokens,
        sizeof *r->tokens);
    return r->teacher != NULL && r->student != NULL && r->zeros != NULL &&
                   r->tokens != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "what the layers say");
}

void aci_workshop_block_close(aci_block_run *r)
{
    aci_memory *memory = r->recovery->memory;

    for (size_t i = 0; i < r->n_pieces; i++)
        aci_workshop_corpus_batch_free(&r->pieces[i].batch);
    aci_platform_free(memory, r->pieces);
    aci_platform_free(memory, r->teacher);
    aci_platform_free(memory, r->student);
    aci_platform_free(memory, r->zeros);
    aci_platform_free(memory, r->tokens);
    aci_platform_free(memory, r->chosen);
}

ac_status aci_workshop_recover_blocks(aci_recovery *recovery, ac_error *error)
{
    aci_block_run r = { .recovery = recovery };
    int32_t n_layer = recovery->student.shape.n_layer;
    ac_status status = AC_OK;

    r.chosen = aci_platform_alloc_zeroed(
        recovery->memory, (size_t)n_layer + 1, sizeof *r.chosen);
    if (r.chosen == NULL)
        return aci_platform_fail_memory(error, "what to recover");
    if (!aci_workshop_recover_choose(r.chosen, recovery,
                                     recovery->options.block_parts))
        goto out;
    status = draw(&r, error);
    if (status == AC_OK)
        status = aci_workshop_block_rows(&r, error);
    if (status == AC_OK) {
        embed(&r, r.teacher, recovery->teacher->model);
        embed(&r, r.student, &recovery->student);
    }
    for (; r.l < n_layer; r.l++)
        if (r.chosen[r.l] != 0)
            r.n_tokens_all += r.n_rows * recovery->options.block_passes;
    for (r.l = 0; status == AC_OK && r.l < n_layer && !is_out_of_time(&r);
         r.l++)
        status = one_layer(&r, error);
    recovery->report->n_tokens[1] += r.n_tokens;
out:
    aci_workshop_block_close(&r);
    return status;
}
