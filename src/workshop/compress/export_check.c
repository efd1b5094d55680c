/* export_check.c - an export read back by our own importer and held against
 * the variant: every weight, the tokens of a few texts, the logits of those.
 *
 * A wrong order of rows, a nibble taken for another, a scale in the wrong
 * place give errors of order one, rounding one of at most a few hundredths:
 * between the two lies the line at which the file is refused. */
#include <math.h>
#include <string.h>

#include "engine/engine.h"
#include "model/checkpoint.h"
#include "model/tensor_list.h"
#include "platform/error.h"
#include "tokenizer/act.h"
#include "workshop/compress/export.h"

#define MOST_WEIGHT_ERROR 0.05
#define MOST_KL 0.05

enum { MAX_TOKENS = 64, ROWS = 16 };

static const char *const texts[] = {
    "Once upon a time there was a little girl who lived near the wood.",
    "Water boils at 100 degrees Celsius (212 F); at 3,000 m at about 90.",
    "def add(a, b):\n    return a + b\n\nprint(add(2, 40))\n",
    "Caf\xC3\xA9 au lait, na\xC3\xAFve \xE2\x80\x93 "
    "\xE4\xBD\xA0\xE5\xA5\xBD, \xD0\xBC\xD0\xB8\xD1\x80!",
};

enum { N_TEXTS = sizeof texts / sizeof texts[0] };

/* ---- weights ------------------------------------------------------------- */

/* ||W - W'|| / ||W|| of one tensor. */
static ac_status compare_tensor(double *out, aci_export *work,
                                const aci_checkpoint *back,
                                const aci_export_tensor *from, float *ours,
                                float *theirs, ac_error *error)
{
    const aci_tensor *tensor = &from->tensor;
    double difference = 0.0, whole = 0.0;
    size_t width = (size_t)tensor->n_in;
    ac_status status = AC_OK;

    for (int32_t row = 0; row < tensor->n_out && status == AC_OK;
         row += ROWS) {
        int32_t n = tensor->n_out - row < ROWS ? tensor->n_out - row : ROWS;

        status = aci_model_checkpoint_read(theirs, back, tensor->name, row, n,
                                           error);
        for (int32_t i = 0; i < n && status == AC_OK; i++) {
            aci_workshop_export_read(ours, work, from, row + i);
            for (size_t k = 0; k < width; k++) {
                double d = (double)ours[k] -
                           (double)theirs[(size_t)i * width + k];

                difference += d * d;
                whole += (double)ours[k] * (double)ours[k];
            }
        }
    }
    *out = whole > 0.0 ? sqrt(difference / whole) : sqrt(difference);
    return status;
}

static ac_status compare_weights(aci_export *work, const aci_checkpoint *back,
                                 float *ours, float *theirs, ac_error *error)
{
    size_t n = work->n_tensors;
    ac_status status = AC_OK;

    for (size_t i = 0; i < n && status == AC_OK; i++) {
        const aci_export_tensor *from = &work->tensors[i];
        double found = 0.0;

        status = compare_tensor(&found, work, back, from, ours, theirs,
                                error);
        if (status == AC_OK && !(found <= MOST_WEIGHT_ERROR))
            status = aci_platform_fail(
                error, AC_E_INTERNAL, "%s, read back, was off by %.3g of its "
                "size; nothing was kept", from->tensor.name, found);
        if (found > work->report->weight_error)
            work->report->weight_error = found;
        if (status == AC_OK)
            status = aci_workshop_export_progress(work, "compare", i + 1, n,
                                                  error);
    }
    return status;
}

/* The widest row of what either side runs. */
static size_t widest(const aci_export *work)
{
    const aci_shape *shape = &work->model->shape;
    size_t width = (size_t)shape->n_head * (size_t)shape->head_dim;

    width = width > (size_t)shape->n_embd ? width : (size_t)shape->n_embd;
    width = width > (size_t)shape->n_ff ? width : (size_t)shape->n_ff;
    return aci_workshop_export_widest(work, width);
}

static ac_status check_weights(aci_export *work, const char *path,
                               ac_error *error)
{
    aci_checkpoint *back = NULL;
    size_t width = widest(work);
    float *ours = aci_platform_alloc_array(work->memory, width,
                                           sizeof(float));
    float *theirs = aci_platform_alloc_array(work->memory, width * ROWS,
                                             sizeof(float));
    ac_status status = AC_OK;

    if (ours == NULL || theirs == NULL)
        status = aci_platform_fail_memory(error, "rows to compare");
    if (status == AC_OK)
        status = aci_model_checkpoint_open_cut(&back, work->memory, path,
                                               error);
    if (status == AC_OK)
        status = compare_weights(work, back, ours, theirs, error);
    aci_model_checkpoint_close(back);
    aci_platform_free(work->memory, theirs);
    aci_platform_free(work->memory, ours);
    return status;
}

/* ---- logits -------------------------------------------------------------- */

/* A model made ready to run. */
typedef struct runner {
    aci_backend *backend;
    aci_engine *engine;
    aci_session *session;
    int32_t variant;
} runner;

static void close_runner(runner *r)
{
    aci_engine_session_close(r->session);
    aci_engine_close(r->engine);
    if (r->backend != NULL)
        r->backend->operations->close(r->backend);
}

static ac_status open_runner(runner *r, aci_export *work,
                             const aci_model *model, int32_t variant,
                             uint32_t n_context, ac_error *error)
{
    ac_status status;

    r->variant = variant;
    status = aci_kernels_cpu_open(&r->backend, work->memory, work->pool, NULL,
                                  (int32_t)widest(work), error);
    if (status == AC_OK)
        status = aci_engine_open(&r->engine, work->memory, model, r->backend,
                                 error);
    if (status == AC_OK)
        status = aci_engine_session_open(&r->session, r->engine, n_context,
                                         32, error);
    return status;
}

/* Two rows of logits beside one another. */
typedef struct comparison {
    float *first;              /* [MAX_TOKENS][n_vocab] of the variant */
    size_t n_vocab;
    double most, kl, n_same, n;
    int bad;                   /* something was not finite */
} comparison;

static void keep(size_t position, const aci_logits *logits, void *user)
{
    comparison *c = user;

    memcpy(c->first + position * c->n_vocab, logits->values,
           c->n_vocab * sizeof(float));
}

/* ln sum exp, and where the largest is. */
static double log_sum(size_t *top, const float *values, size_t n)
{
    double sum = 0.0;

    *top = 0;
    for (size_t i = 1; i < n; i++)
        if (values[i] > values[*top])
            *top = i;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)values[i] - (double)values[*top]);
    return (double)values[*top] + log(sum);
}

static void compare(size_t position, const aci_logits *logits, void *user)
{
    comparison *c = user;
    const float *a = c->first + position * c->n_vocab, *b = logits->values;
    size_t top_a, top_b;
    double whole_a = log_sum(&top_a, a, c->n_vocab);
    double whole_b = log_sum(&top_b, b, c->n_vocab), kl = 0.0;

    for (size_t i = 0; i < c->n_vocab; i++) {
        double log_a = (double)a[i] - whole_a, log_b = (double)b[i] - whole_b;

        c->most = fmax(c->most, fabs((double)a[i] - (double)b[i]));
        kl += exp(log_a) * (log_a - log_b);
        c->bad |= !isfinite(a[i]) || !isfinite(b[i]);
    }
    c->kl += kl;
    c->n_same += top_a == top_b;
    c->n += 1.0;
}

static ac_status run_text(comparison *c, runner *ours, runner *theirs,
                          const aci_tokens *tokens, ac_error *error)
{
    size_t n = tokens->n, most = aci_engine_session_context(ours->session);
    ac_status status;

    n = n < most ? n : most;
    if (n == 0)
        return AC_OK;
    status = aci_engine_score(ours->session, tokens->ids, n, ours->variant,
                              keep, c, error);
    if (status == AC_OK)
        status = aci_engine_score(theirs->session, tokens->ids, n,
                                  theirs->variant, compare, c, error);
    return status;
}

static ac_status judge(aci_export *work, const comparison *c, ac_error *error)
{
    ac_export_report *report = work->report;

    if (c->n == 0.0)
        return AC_OK;
    report->logits_compared = 1;
    report->logit_difference = c->most;
    report->kl = c->kl / c->n;
    report->same_top = c->n_same / c->n;
    if (c->bad || !(report->kl <= MOST_KL))
        return aci_platform_fail(
            error, AC_E_INTERNAL, "the file, read back and run, diverged by "
            "%.3g nats per token from %s; nothing was kept", report->kl,
            work->variant->name);
    return AC_OK;
}

/* As long for both: dynamic rope scaling follows from it, and some formats
 * allow less than the zoo. */
static uint32_t context_of(const aci_model *a, const aci_model *b)
{
    int32_t n = a->shape.n_context < b->shape.n_context ? a->shape.n_context
                                                        : b->shape.n_context;

    return n < MAX_TOKENS ? (uint32_t)n : MAX_TOKENS;
}

static ac_status run_texts(aci_export *work, const aci_model *back,
                           const aci_tokens *lists, size_t n_lists,
                           ac_error *error)
{
    runner ours = { 0 }, theirs = { 0 };
    comparison c = { .n_vocab = (size_t)work->model->shape.n_vocab };
    int32_t variant = (int32_t)(work->variant - work->model->variants);
    uint32_t n_context = context_of(work->model, back);
    ac_status status = open_runner(&ours, work, work->model, variant,
                                   n_context, error);

    if (status == AC_OK)
        status = open_runner(&theirs, work, back, 0, n_context, error);
    if (status == AC_OK) {
        c.first = aci_platform_alloc_array(work->memory, MAX_TOKENS,
                                           c.n_vocab * sizeof(float));
        if (c.first == NULL)
            status = aci_platform_fail_memory(error, "logits to compare");
    }
    for (size_t i = 0; i < n_lists && status == AC_OK; i++) {
        status = run_text(&c, &ours, &theirs, &lists[i], error);
        if (status == AC_OK)
            status = aci_workshop_export_progress(work, "run", i + 1, n_lists,
                                                  error);
    }
    if (status == AC_OK)
        status = judge(work, &c, error);
    aci_platform_free(work->memory, c.first);
    close_runner(&theirs);
    close_runner(&ours);
    return status;
}

/* Whether the whole model as float32 is within what we may use. */
static int has_room(const aci_export *work)
{
    uint64_t limit = work->memory->limit_bytes;
    uint64_t need = 5 * aci_model_parameter_count_kept(&work->shape,
                                                      work->kept);

    if (work->options->check == AC_EXPORT_CHECK_WEIGHTS)
        return 0;
    if (limit == 0 || need < limit)
        return 1;
    aci_workshop_export_note(
        work, "the logits were not compared: that takes %llu bytes",
        (unsigned long long)need);
    return 0;
}

static ac_status check_logits(aci_export *work, const char *path,
                              const aci_tokens *lists, size_t n_lists,
                              ac_error *error)
{
    aci_model *back = NULL;
    ac_status status;

    if (!has_room(work))
        return AC_OK;
    status = aci_model_open(&back, work->memory, path, 0, error);
    if (status == AC_OK)
        status = run_texts(work, back, lists, n_lists, error);
    aci_model_close(back);
    return status;
}

/* ---- tokens -------------------------------------------------------------- */

/* Tokens of one text by both tokenizers; keeps those of ours. */
static ac_status compare_tokens(aci_export *work, aci_tokens *ours,
                                const aci_tokenizer *back, const char *text,
                                size_t n_bytes, ac_error *error)
{
    aci_tokens theirs = { 0 };
    ac_status status = aci_tokenizer_encode(ours, work->tokenizer, text,
                                            n_bytes, 0, 1, error);

    if (status == AC_OK)
        status = aci_tokenizer_encode(&theirs, back, text, n_bytes, 0, 1,
                                      error);
    if (status == AC_OK) {
        work->report->n_texts++;
        work->report->n_tokens += ours->n;
        if (ours->n != theirs.n ||
            (ours->n > 0 && memcmp(ours->ids, theirs.ids,
                                   ours->n * sizeof *ours->ids) != 0))
            work->report->n_texts_differ++;
    }
    aci_tokenizer_tokens_free(work->memory, &theirs);
    return status;
}

static ac_status check_tokens(aci_export *work, const char *path,
                              aci_tokens *lists, size_t *n_lists,
                              ac_error *error)
{
    const char *prompt = work->options->prompt;
    aci_tokenizer *back = NULL;
    ac_status status = work->read_tokenizer(&back, work->memory, path, error);

    *n_lists = prompt != NULL ? 1 : N_TEXTS;
    for (size_t i = 0; i < *n_lists && status == AC_OK; i++) {
        const char *text = prompt != NULL ? prompt : texts[i];

        status = compare_tokens(work, &lists[i], back, text, strlen(text),
                                error);
    }
    aci_tokenizer_close(back);
    if (status == AC_OK && work->report->n_texts_differ > 0)
        aci_workshop_export_note(
            work, "the exported tokenizer cuts %u of %u texts into other "
            "tokens", (unsigned)work->report->n_texts_differ,
            (unsigned)work->report->n_texts);
    return status;
}

ac_status aci_workshop_export_check(aci_export *work, const char *path,
                                    ac_error *error)
{
    aci_tokens lists[N_TEXTS] = { { 0 } };
    size_t n_lists = 0;
    ac_status status = check_weights(work, path, error);

    if (status == AC_OK)
        status = check_tokens(work, path, lists, &n_lists, error);
    if (status == AC_OK)
        status = check_logits(work, path, lists, n_lists, error);
    for (size_t i = 0; i < N_TEXTS; i++)
        aci_tokenizer_tokens_free(work->tokenizer->memory, &lists[i]);
    return status;
}
