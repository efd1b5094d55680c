/* recover.c - recovery as a whole: options, the rungs in order, what is kept.
 * All work is on a copy; the caller's arrays change at the very end. */
#include "workshop/compress/recover.h"

#include <math.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/compress/recover_internal.h"

enum { STATES_BYTES = 512 << 20 }; /* of the blocks' rows, if not told */

/* ---- shared by the rungs ------------------------------------------------- */

float aci_workshop_recover_rate(float peak, double done)
{
    const double warm = 0.05, pi = 3.14159265358979323846;

    if (done < warm) /* never 0: there may be one step only */
        return peak * (float)((done + 0.01) / (warm + 0.01));
    done = (done - warm) / (1.0 - warm);
    return peak * (float)(0.5 * (1.0 + cos(pi * fmin(done, 1.0))));
}

double aci_workshop_recover_seconds(const aci_recovery *recovery)
{
    return (double)(aci_platform_monotonic_nanoseconds() -
                    recovery->began_at) * 1e-9;
}

double aci_workshop_recover_done(const aci_recovery *recovery, double work)
{
    if (recovery->seconds_limit <= 0.0)
        return work;
    return fmax(work, aci_workshop_recover_seconds(recovery) /
                          recovery->seconds_limit);
}

static ac_status stopped(ac_error *error)
{
    return aci_platform_fail(error, AC_E_CANCELLED,
                             "recovery was stopped; the variant is as it was");
}

ac_status aci_workshop_recover_tell(aci_recovery *recovery,
                                    aci_recover_progress *progress,
                                    ac_error *error)
{
    const aci_recover_options *o = &recovery->options;
    double seconds = aci_workshop_recover_seconds(recovery);
    double rate = (double)progress->n_tokens / fmax(seconds, 1e-9);
    double left = progress->n_tokens_all > progress->n_tokens
                      ? (double)(progress->n_tokens_all -
                                 progress->n_tokens) / rate : 0.0;

    if (o->on_progress == NULL)
        return AC_OK;
    if (recovery->seconds_limit > 0.0)
        left = fmin(left, fmax(recovery->seconds_limit - seconds, 0.0));
    progress->seconds = seconds;
    progress->seconds_left = left;
    progress->tokens_per_second = rate;
    progress->held_out_kl = recovery->held_out_kl;
    if (o->on_progress(progress, o->progress_user) == 0)
        return AC_OK;
    return stopped(error);
}

ac_status aci_workshop_recover_poll(const aci_recovery *recovery,
                                    ac_error *error)
{
    const aci_recover_options *o = &recovery->options;

    if (o->on_poll == NULL || o->on_poll(o->progress_user) == 0)
        return AC_OK;
    return stopped(error);
}

static uint32_t matrices_of(const aci_recovery *recovery, int32_t l,
                            uint32_t parts)
{
    const aci_float_layer *layer = &recovery->student.layers[l];
    const aci_shape *shape = &recovery->student.shape;
    uint32_t set = 0;

    for (int i = 0; i < ACI_N_MATRICES; i++) {
        bool is_cut = i < ACI_MATRIX_GATE
                          ? layer->n_head_kv < shape->n_head_kv
                          : layer->n_ff < shape->n_ff;

        if (layer->matrices[i].dense != NULL &&
            (is_cut || (parts & ACI_RECOVER_UNCUT) != 0))
            set |= 1u << i;
        if (layer->matrices[i].left != NULL &&
            (parts & ACI_CHOOSE_FACTORS) != 0)
            set |= ACI_CHOOSE_FACTORS;
    }
    return set & (parts | ACI_CHOOSE_FACTORS);
}

bool aci_workshop_recover_choose(uint32_t *chosen,
                                 const aci_recovery *recovery, uint32_t parts)
{
    int32_t n = recovery->student.shape.n_layer, l;
    uint32_t all = 0;

    for (l = 0; l < n; l++) {
        const aci_float_layer *layer = &recovery->student.layers[l];

        if (layer->n_head_kv == 0 && layer->n_ff == 0)
            continue;
        chosen[l] = matrices_of(recovery, l, parts) |
                    (parts & ACI_CHOOSE_NORMS);
        for (int i = 0; i < ACI_N_MATRICES; i++)
            if (layer->biases[i] != NULL)
                chosen[l] |= parts & ACI_CHOOSE_BIASES;
        all |= chosen[l];
    }
    chosen[n] = parts & ACI_CHOOSE_NORMS;
    return (all | chosen[n]) != 0;
}

/* ---- options ------------------------------------------------------------- */

static uint64_t states_tokens(const aci_float_model *student)
{
    uint64_t row = 2 * (uint64_t)student->shape.n_embd * sizeof(float);
    uint64_t most = STATES_BYTES / row;

    return most < 65536 ? most : 65536;
}

void aci_workshop_recover_fill_in(aci_recovery *r)
{
    aci_recover_options *o = &r->options;
    const uint32_t parts = 1u << ACI_MATRIX_O | 1u << ACI_MATRIX_DOWN |
                           ACI_CHOOSE_FACTORS | ACI_CHOOSE_NORMS |
                           ACI_CHOOSE_BIASES;
    float rate = 0.25f / (float)r->student.shape.n_embd;
    int32_t context = r->calibration->n_context;

    context = context > r->held_out->n_context ? context
                                               : r->held_out->n_context;
    rate = rate < 1e-3f ? rate : 1e-3f;
    o->block_parts = o->block_parts != 0 ? o->block_parts : parts;
    o->end_parts = o->end_parts != 0 ? o->end_parts : parts;
    if (o->block_tokens == 0)
        o->block_tokens = states_tokens(&r->student);
    o->block_passes = o->block_passes != 0 ? o->block_passes : 6;
    o->block_rate = o->block_rate != 0.0f ? o->block_rate : rate;
    o->end_rate = o->end_rate != 0.0f ? o->end_rate : rate / 2;
    o->end_tokens = o->end_tokens != 0 ? o->end_tokens : 500000;
    o->temperature = o->temperature != 0.0f ? o->temperature : 1.0f;
    o->judge_tokens = o->judge_tokens != 0 ? o->judge_tokens : 16384;
    o->patience = o->patience != 0 ? o->patience : 5;
    if (o->batch_tokens == 0)
        o->batch_tokens = context > 1024 ? context : 1024;
}

static int is_positive(float x)
{
    return x > 0.0f && isfinite(x);
}

static ac_status check_options(const aci_recovery *r, ac_error *error)
{
    const aci_recover_options *o = &r->options;

    if (!is_positive(o->block_rate) || !is_positive(o->end_rate) ||
        !is_positive(o->temperature) || !(o->cross_entropy >= 0.0f) ||
        !(o->cross_entropy < 1.0f) || !(o->seconds >= 0.0))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a rate, temperature, share or time of "
                                 "recovery was out of range");
    if (o->batch_tokens < r->calibration->n_context ||
        o->batch_tokens < r->held_out->n_context)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "batches of %d tokens were shorter than a "
                                 "context", (int)o->batch_tokens);
    if (r->calibration->n_pieces == 0 || r->held_out->n_pieces == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "recovery needs calibration and held-out "
                                 "text");
    return AC_OK;
}

static ac_status check_teacher(const aci_recovery *r, ac_error *error)
{
    const aci_recover_teacher *teacher = r->teacher;
    const aci_shape *of, *own = &r->student.shape;

    if (teacher->model == NULL && teacher->logits == NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "recovery needs a teacher");
    if (teacher->model == NULL)
        return AC_OK;
    of = &teacher->model->shape;
    if (of->n_vocab != own->n_vocab || of->n_embd != own->n_embd ||
        of->n_layer != own->n_layer)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "teacher and student were no two forms of "
                                 "one model");
    return AC_OK;
}

/* ---- the rungs ----------------------------------------------------------- */

/* Arrays of `from` into those of `to`: one form, two owners. */
static void copy_values(aci_float_model *to, aci_float_model *from)
{
    aci_float_array here, there;

    for (size_t i = 0; aci_workshop_floats_at(&here, to, i); i++) {
        aci_workshop_floats_at(&there, from, i);
        if (*here.place != NULL)
            memcpy(*here.place, *there.place,
                   (size_t)(here.n_rows * here.n_columns) * sizeof(float));
    }
}

static void begin(aci_recovery *r, double limit)
{
    r->began_at = aci_platform_monotonic_nanoseconds();
    r->seconds_limit = limit;
}

/* After a rung: what was spent up to point `at`. */
static void end(aci_recovery *r, int at)
{
    r->seconds_before += aci_workshop_recover_seconds(r);
    r->report->seconds[at] = r->seconds_before;
}

/* Point `at` is what point `at` - 1 was. */
static void repeat(aci_recover_report *report, int at)
{
    report->kl[at] = report->kl[at - 1];
    report->perplexity[at] = report->perplexity[at - 1];
}

static ac_status run_blocks(aci_recovery *r, aci_float_model *original,
                            ac_error *error)
{
    aci_recover_report *report = r->report;
    ac_status status = AC_OK;

    begin(r, r->options.seconds / 2.0);
    repeat(report, 1);
    if (!r->options.no_blocks && r->teacher->model != NULL) {
        status = aci_workshop_recover_blocks(r, error);
        if (status == AC_OK)
            status = aci_workshop_recover_judge_now(
                &report->kl[1], &report->perplexity[1], r, error);
        report->blocks_kept = report->kl[1] < report->kl[0];
        if (status == AC_OK && !report->blocks_kept) {
            copy_values(&r->student, original);
            repeat(report, 1);
        }
    }
    r->held_out_kl = report->kl[1];
    end(r, 1);
    return status;
}

static ac_status run_end(aci_recovery *r, ac_error *error)
{
    aci_recover_report *report = r->report;
    double limit = r->options.seconds - r->seconds_before;
    ac_status status = AC_OK;

    begin(r, r->options.seconds > 0.0 ? fmax(limit, 1e-3) : 0.0);
    repeat(report, 2);
    report->n_tokens[2] = report->n_tokens[1];
    if (!r->options.no_end)
        status = aci_workshop_recover_end(r, error);
    if (status == AC_OK && report->end_kept)
        status = aci_workshop_recover_judge_now(
            &report->kl[2], &report->perplexity[2], r, error);
    end(r, 2);
    return status;
}

/* The teacher's own perplexity, as a student of itself. */
static ac_status judge_teacher(aci_recovery *r, ac_error *error)
{
    aci_float_model student = r->student;
    double kl;
    ac_status status;

    r->report->teacher_perplexity = NAN;
    if (r->teacher->model == NULL ||
        (r->options.no_blocks && r->options.no_end)) /* only the student is
                                                        asked about */
        return AC_OK;
    r->student = *r->teacher->model;
    status = aci_workshop_recover_judge_now(
        &kl, &r->report->teacher_perplexity, r, error);
    r->student = student;
    return status;
}

ac_status aci_workshop_recover(aci_memory *memory, aci_pool *pool,
                               aci_recover_report *report,
                               aci_float_model *student,
                               const aci_recover_teacher *teacher,
                               const aci_corpus *calibration,
                               const aci_corpus *held_out,
                               const aci_recover_options *options,
                               ac_error *error)
{
    aci_recovery r = { .memory = memory, .pool = pool, .teacher = teacher,
                       .calibration = calibration, .held_out = held_out,
                       .options = *options, .report = report };
    ac_status status = aci_workshop_floats_check(student, error);

    memset(report, 0, sizeof *report);
    if (status != AC_OK)
        return status;
    status = aci_workshop_floats_cut(&r.student, student, NULL, error);
    if (status == AC_OK) {
        aci_workshop_recover_fill_in(&r);
        status = check_options(&r, error);
    }
    if (status == AC_OK)
        status = check_teacher(&r, error);
    if (status == AC_OK)
        status = judge_teacher(&r, error);
    if (status == AC_OK)
        status = aci_workshop_recover_judge_now(
            &report->kl[0], &report->perplexity[0], &r, error);
    if (status == AC_OK)
        status = run_blocks(&r, student, error);
    if (status == AC_OK)
        status = run_end(&r, error);
    if (status == AC_OK)
        copy_values(student, &r.student);
    aci_workshop_floats_close(&r.student);
    return status;
}
