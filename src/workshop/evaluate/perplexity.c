/* perplexity.c - see perplexity.h.
 *
 * Every variant has a session of its own, and all read the same few tokens in
 * turn, full first: only those rows' logits are held, of full and of one
 * other. Rows that judge nothing are run without the output head. */
#include "workshop/evaluate/perplexity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/evaluate/batch_mean.h"
#include "workshop/evaluate/compare_rows.h"
#include "workshop/evaluate/text_windows.h"

/* The sums of one variant. */
typedef struct judged {
    aci_session *session;
    aci_batch_mean nats, over_full, kl, same;
    float *kls;               /* [n_judged] for the quantiles */
    uint64_t nanoseconds;
} judged;

typedef struct judging {
    const aci_judged_model *with;
    const aci_judged_text *text;
    const ac_perplexity_options *options;
    const int32_t *numbers;   /* [n_variants], full first */
    int32_t n_variants, n_vocab;
    aci_window_rule rule;
    judged variants[AC_MAX_VARIANTS];
    int32_t *tokens;          /* [context] of the window at hand */
    float *full, *own;        /* [n_rows, n_vocab] */
    aci_row *rows;            /* [n_rows] */
    size_t n_rows;
    uint64_t n_judged, n_windows; /* so far */
    uint64_t judged_bytes;
    uint64_t began, done, total; /* tokens, over all variants */
} judging;

/* ---- windows ------------------------------------------------------------- */

static int counts(const judging *j, size_t i)
{
    return j->text->counts == NULL || j->text->counts[i];
}

/* The next window of the document [from, until), in the text's numbering,
 * that judges something; `first` and `end` trimmed to what counts. */
static bool next_window(aci_window *trimmed, aci_window *at, const judging *j,
                        size_t from, size_t until)
{
    while (aci_workshop_window_next(at, &j->rule, until - from)) {
        aci_window w = { from + at->begin, from + at->end, from + at->first };

        while (w.first < w.end && !counts(j, w.first))
            w.first++;
        while (w.end > w.first && !counts(j, w.end - 1))
            w.end--;
        if (w.first < w.end) {
            *trimmed = w;
            return true;
        }
    }
    return false;
}

/* What there is to do, before it is done. */
static ac_status count_work(judging *j, ac_error *error)
{
    const aci_judged_text *text = j->text;
    size_t d, from, i;

    for (d = 0, from = 0; d < text->n_documents; from = text->ends[d++]) {
        aci_window at = { 0, 0, 0 }, w;

        while (next_window(&w, &at, j, from, text->ends[d])) {
            j->total += w.end - 1 - w.begin;
            for (i = w.first; i < w.end; i++)
                j->n_judged += (uint64_t)counts(j, i);
        }
    }
    j->total *= (uint64_t)j->n_variants;
    if (j->n_judged > 0)
        return AC_OK;
    if (text->tokens.n >= 2 && (j->rule.whole || j->rule.second_half))
        return aci_platform_fail(
            error, AC_E_ARGUMENT, "the text had %zu tokens, too few for a "
            "window of %zu; ask for a smaller context or give more text",
            text->tokens.n, j->rule.context);
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "the text had %zu tokens and none to judge; the "
                             "first has nothing before it, prompts do not "
                             "count", text->tokens.n);
}

/* ---- one window ---------------------------------------------------------- */

/* Logits of a few rows, copied where they stay. */
typedef struct keeping {
    float *to;
    size_t first;             /* position that goes to row 0 */
} keeping;

static void keep_row(size_t position, const aci_logits *logits, void *user)
{
    keeping *k = user;
    size_t n = (size_t)logits->n_vocab;

    memcpy(k->to + (position - k->first) * n, logits->values,
           n * sizeof(float));
}

static ac_status tell(judging *j, size_t n_tokens, ac_error *error)
{
    ac_progress progress = { sizeof progress, 0, "judge",
                             j->done += n_tokens, j->total, 0.0,
                             (double)NAN };

    progress.seconds = 1e-9 * (double)(aci_platform_monotonic_nanoseconds() -
                                       j->began);
    if (j->options->on_progress != NULL &&
        j->options->on_progress(&progress, j->options->progress_user) != 0)
        return aci_platform_fail(error, AC_E_CANCELLED,
                                 "judging was cancelled");
    return AC_OK;
}

static ac_status add_rows(judging *j, judged *own, size_t n, size_t position,
                          const char *name, ac_error *error)
{
    uint64_t at = j->n_judged;
    size_t i;

    for (i = 0; i < n; i++) {
        const aci_row *row = &j->rows[i];

        if (row->target < 0)
            continue;
        if (row->is_bad)
            return aci_platform_fail(
                error, AC_E_NUMERIC, "the logits of variant \"%s\" at token "
                "%zu of the text were not finite: its weights are broken",
                name, position + i);
        aci_workshop_batch_add(&own->nats, row->nats);
        aci_workshop_batch_add(&own->over_full, row->nats - row->full_nats);
        aci_workshop_batch_add(&own->kl, row->kl);
        aci_workshop_batch_add(&own->same, (double)row->same_top);
        own->kls[at++] = (float)row->kl;
    }
    return AC_OK;
}

/* Rows [at, at + n) of the window, read by every variant in turn. */
static ac_status judge_rows(judging *j, const aci_window *w, size_t at,
                            size_t n, ac_error *error)
{
    ac_status status = AC_OK;
    int32_t v;
    size_t i;

    for (i = 0; i < n; i++) {
        size_t target = w->begin + at + i + 1;

        j->rows[i].target = counts(j, target) ? j->text->tokens.ids[target]
                                              : -1;
    }
    for (v = 0; v < j->n_variants && status == AC_OK; v++) {
        judged *own = &j->variants[v];
        keeping keep = { v == 0 ? j->full : j->own, at };
        uint64_t began = aci_platform_monotonic_nanoseconds();
        int32_t number = j->numbers[v];

        status = aci_engine_score_more(own->session, j->tokens + at, n,
                                       number, keep_row, &keep, error);
        if (status == AC_OK) {
            aci_workshop_compare_rows(j->rows, j->full, keep.to, (int64_t)n,
                                      j->n_vocab, j->with->pool);
            status = add_rows(j, own, n, w->begin + at,
                              j->with->model->variants[number].name, error);
        }
        own->nanoseconds += aci_platform_monotonic_nanoseconds() - began;
        if (status == AC_OK)
            status = tell(j, n, error);
    }
    for (i = 0; i < n; i++) {
        if (j->rows[i].target < 0)
            continue;
        j->n_judged++;
        j->judged_bytes += aci_tokenizer_piece(NULL, 0, j->with->tokenizer,
                                               j->rows[i].target, 0);
    }
    return status;
}

/* The rows before the first that judges, through every variant. */
static ac_status skip_rows(judging *j, size_t n, ac_error *error)
{
    ac_status status = AC_OK;
    int32_t v;

    for (v = 0; v < j->n_variants && status == AC_OK; v++) {
        judged *own = &j->variants[v];
        uint64_t began = aci_platform_monotonic_nanoseconds();

        aci_engine_session_reset(own->session);
        status = aci_engine_skip(own->session, j->tokens, n, j->numbers[v],
                                 error);
        own->nanoseconds += aci_platform_monotonic_nanoseconds() - began;
        if (status == AC_OK && n > 0)
            status = tell(j, n, error);
    }
    return status;
}

static ac_status judge_window(judging *j, const aci_window *w,
                              ac_error *error)
{
    size_t n = w->end - 1 - w->begin; /* the last token predicts nothing */
    size_t at = w->first - 1 - w->begin;
    ac_status status;

    memcpy(j->tokens, j->text->tokens.ids + w->begin, n * sizeof *j->tokens);
    if (j->options->begin == AC_BEGIN_WINDOW)
        j->tokens[0] = aci_tokenizer_bos(j->with->tokenizer);
    status = skip_rows(j, at, error);
    for (; at < n && status == AC_OK; at += j->n_rows)
        status = judge_rows(j, w, at, n - at < j->n_rows ? n - at : j->n_rows,
                            error);
    j->n_windows++;
    return status;
}

static void close_batch(judging *j)
{
    int32_t v;

    for (v = 0; v < j->n_variants; v++) {
        aci_workshop_batch_close(&j->variants[v].nats);
        aci_workshop_batch_close(&j->variants[v].over_full);
        aci_workshop_batch_close(&j->variants[v].kl);
        aci_workshop_batch_close(&j->variants[v].same);
    }
}

/* A batch is as many tokens as a window has, so that windows that overlap
 * share one. */
static ac_status judge_document(judging *j, size_t from, size_t until,
                                ac_error *error)
{
    aci_window at = { 0, 0, 0 }, w;
    size_t batch = 0; /* began here */
    ac_status status = AC_OK;

    while (status == AC_OK && next_window(&w, &at, j, from, until)) {
        status = judge_window(j, &w, error);
        if (at.end - batch >= j->rule.context) {
            close_batch(j);
            batch = at.end;
        }
    }
    close_batch(j);
    return status;
}

/* ---- results ------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void quantiles(ac_quality *q, float *kls, size_t n)
{
    size_t above = (n * 99 + 99) / 100; /* nearest rank */

    qsort(kls, n, sizeof *kls, compare);
    q->kl_median = n % 2 ? (double)kls[n / 2]
                         : 0.5 * ((double)kls[n / 2 - 1] + (double)kls[n / 2]);
    q->kl_p99 = (double)kls[above - 1];
    q->kl_max = (double)kls[n - 1];
}

static void conclude(ac_quality *q, judging *j, int32_t v)
{
    judged *own = &j->variants[v];
    double bits = (double)j->n_judged / (double)j->judged_bytes / log(2.0);

    memset(q, 0, sizeof *q);
    q->struct_size = sizeof *q;
    q->variant = (uint32_t)j->numbers[v];
    memcpy(q->name, j->with->model->variants[j->numbers[v]].name,
           sizeof q->name);
    q->nats = aci_workshop_batch_mean(&q->nats_error, &own->nats);
    q->perplexity = exp(q->nats);
    q->perplexity_error = q->perplexity * q->nats_error;
    q->bits_per_byte = q->nats * bits;
    q->bits_per_byte_error = q->nats_error * bits;
    q->nats_over_full = aci_workshop_batch_mean(&q->nats_over_full_error,
                                                &own->over_full);
    q->kl = aci_workshop_batch_mean(&q->kl_error, &own->kl);
    q->same_top = aci_workshop_batch_mean(&q->same_top_error, &own->same);
    quantiles(q, own->kls, (size_t)j->n_judged);
    q->seconds = 1e-9 * (double)own->nanoseconds;
}

/* One hash over every token's length and bytes: the same vocabulary, the same
 * hash, whatever file it came in. */
static void name_vocabulary(char *out, const aci_tokenizer *tokenizer)
{
    int32_t token, n = aci_tokenizer_size(tokenizer);
    aci_sha256 hash;

    aci_platform_sha256_begin(&hash);
    for (token = 0; token < n; token++) {
        char piece[1024];
        size_t length = aci_tokenizer_piece(piece, sizeof piece, tokenizer,
                                            token, 1);
        uint8_t size[4] = { (uint8_t)length, (uint8_t)(length >> 8),
                            (uint8_t)(length >> 16),
                            (uint8_t)(length >> 24) };

        aci_platform_sha256_add(&hash, size, sizeof size);
        aci_platform_sha256_add(&hash, piece, length < sizeof piece
                                                  ? length : sizeof piece);
    }
    aci_platform_sha256_text(out, &hash);
}

static void summarize(ac_text_summary *s, const judging *j)
{
    const ac_text_summary start = AC_TEXT_SUMMARY_INIT;
    const ac_perplexity_options *o = j->options;
    const aci_judged_text *text = j->text;
    int32_t bos = aci_tokenizer_bos(j->with->tokenizer);

    *s = start;
    s->n_context = o->n_context;
    s->stride = o->stride;
    s->second_half = o->second_half;
    s->whole_windows = o->whole_windows;
    s->begin = o->begin;
    s->special = o->special;
    s->kv_bits = o->kv_bits;
    s->n_bytes = text->n_bytes;
    s->n_tokens = text->tokens.n;
    s->n_judged = j->n_judged;
    s->judged_bytes = j->judged_bytes;
    s->n_documents = text->n_documents;
    s->n_windows = j->n_windows;
    s->n_batches = j->variants[0].nats.n_batches;
    s->n_vocab = (uint32_t)j->n_vocab;
    s->begin_token = -1;
    if (o->begin == AC_BEGIN_WINDOW ||
        (o->begin == AC_BEGIN_DOCUMENT && text->tokens.ids[0] == bos))
        s->begin_token = bos;
    s->end_token = o->end ? aci_tokenizer_eos(j->with->tokenizer) : -1;
    memcpy(s->text_sha256, text->sha256, ACI_SHA256_TEXT);
    name_vocabulary(s->vocabulary_sha256, j->with->tokenizer);
}

/* ---- all of it ----------------------------------------------------------- */

static ac_status make_buffers(judging *j, ac_error *error)
{
    aci_memory *memory = j->with->memory;
    size_t row = (size_t)j->n_vocab * sizeof(float);
    ac_status status = AC_OK;
    int32_t v;

    for (v = 0; v < j->n_variants && status == AC_OK; v++) {
        judged *own = &j->variants[v];

        status = aci_engine_session_open(
            &own->session, j->with->engine, j->options->n_context,
            j->options->kv_bits, error);
        own->kls = aci_platform_alloc_array(memory, (size_t)j->n_judged,
                                            sizeof(float));
        if (status == AC_OK && own->kls == NULL)
            status = aci_platform_fail_memory(error, "divergences");
    }
    if (status != AC_OK)
        return status;
    j->n_rows = aci_engine_score_rows(j->variants[0].session);
    j->tokens = aci_platform_alloc_array(memory, j->rule.context,
                                         sizeof *j->tokens);
    j->rows = aci_platform_alloc_array(memory, j->n_rows, sizeof *j->rows);
    j->full = aci_platform_alloc_array(memory, j->n_rows, row);
    j->own = aci_platform_alloc_array(memory, j->n_rows, row);
    if (!j->tokens || !j->rows || !j->full || !j->own)
        return aci_platform_fail_memory(error, "logits");
    return AC_OK;
}

static void release(judging *j)
{
    aci_memory *memory = j->with->memory;
    int32_t v;

    aci_platform_free(memory, j->own);
    aci_platform_free(memory, j->full);
    aci_platform_free(memory, j->rows);
    aci_platform_free(memory, j->tokens);
    for (v = 0; v < j->n_variants; v++) {
        aci_platform_free(memory, j->variants[v].kls);
        aci_engine_session_close(j->variants[v].session);
    }
    aci_platform_free(memory, j);
}

static ac_status judge_text(judging *j, ac_error *error)
{
    const aci_judged_text *text = j->text;
    size_t d, from;
    ac_status status = count_work(j, error);

    if (status == AC_OK)
        status = make_buffers(j, error);
    j->n_judged = 0; /* counted again while it happens */
    for (d = 0, from = 0; d < text->n_documents && status == AC_OK; d++) {
        status = judge_document(j, from, text->ends[d], error);
        from = text->ends[d];
    }
    return status;
}

ac_status aci_workshop_perplexity(ac_quality *out, ac_text_summary *summary,
                                  const aci_judged_model *with,
                                  const aci_judged_text *text,
                                  const int32_t *numbers, int32_t n_variants,
                                  const ac_perplexity_options *options,
                                  ac_error *error)
{
    judging *j = aci_platform_alloc_zeroed(with->memory, 1, sizeof *j);
    int32_t v;
    ac_status status;

    if (j == NULL)
        return aci_platform_fail_memory(error, "judging");
    j->with = with;
    j->text = text;
    j->options = options;
    j->numbers = numbers;
    j->n_variants = n_variants;
    j->n_vocab = with->model->shape.n_vocab;
    j->rule = (aci_window_rule){ options->n_context, options->stride,
                                 options->second_half == 1,
                                 options->whole_windows == 1 };
    j->began = aci_platform_monotonic_nanoseconds();
    status = judge_text(j, error);
    for (v = 0; v < n_variants && status == AC_OK; v++)
        conclude(&out[v], j, v);
    if (status == AC_OK)
        summarize(summary, j);
    release(j);
    return status;
}
