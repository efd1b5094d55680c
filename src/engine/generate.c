/* generate.c - decoding: plain, one token at a time, or speculative.
 *
 * Speculation (Leviathan et al. 2023; here the draft is the int4 plane of the
 * same weights): the draft variant proposes a few tokens greedily; the chosen
 * variant evaluates them all in one pass; at each row the sampler picks a
 * token exactly as it would have without a draft, and the draft is kept as
 * long as it guessed the same. A row's logits do not depend on how many rows
 * are computed together (backend.h), so the text is the same to the last
 * character. Rejected rows' cache entries are overwritten by what follows. */
#include "engine/engine_internal.h"
#include "platform/clock.h"
#include "platform/error.h"

/* One call of aci_engine_generate. */
typedef struct run {
    aci_session *session;
    const aci_generation *generation;
    aci_counts *counts;
    uint32_t max_tokens;
    int32_t draft_length; /* adapts between 1 and ACI_MAX_DRAFT */
} run;

/* A row of logits, for the sampler. */
typedef struct device_row {
    aci_session *session;
    int32_t number;
} device_row;

static ac_status bring_row(void *user, const float **logits, ac_error *error)
{
    device_row *row = user;

    *logits = row->session->logits;
    return aci_engine_fetch_row(row->session, row->number, error);
}

static ac_status find_peaks(run *r, int32_t first, int32_t n_rows,
                            ac_error *error)
{
    const ac_generate_options *options = r->generation->options;

    return aci_engine_find_peaks(r->session, first, n_rows,
                                 aci_engine_n_best(options),
                                 aci_engine_scale(options), error);
}

/* Picks the next token from logits row `number`, whose peaks are known, hands
 * it to the caller, and appends it to the conversation. Sets the stop reason
 * when it is the last. */
static ac_status take_token(run *r, int32_t number, int32_t *token,
                            ac_error *error)
{
    aci_session *session = r->session;
    device_row row = { session, number };
    const aci_row logits = { &session->peaks[number], bring_row, &row };
    aci_sample sample;
    ac_status status;

    status = aci_engine_sample(&sample, &session->sampler, &logits,
                               r->generation->options, session->tokens,
                               session->n_tokens, error);
    if (status != AC_OK)
        return status;
    *token = sample.token;
    session->tokens[session->n_tokens++] = sample.token;
    session->logits_valid = 0;
    r->counts->generated++;
    r->counts->stop_reason = r->generation->on_token(
        sample.token, sample.logprob, sample.top, sample.n_top,
        r->generation->user);
    if (r->counts->stop_reason == 0 && r->counts->generated == r->max_tokens)
        r->counts->stop_reason = AC_STOP_MAX_TOKENS;
    if (r->counts->stop_reason == 0 &&
        session->n_tokens == session->n_context)
        r->counts->stop_reason = AC_STOP_CONTEXT;
    return AC_OK;
}

/* The same from the row that the text stands at. */
static ac_status take_next(run *r, int32_t *token, ac_error *error)
{
    int32_t row = r->session->last_row;
    ac_status status = find_peaks(r, row, 1, error);

    return status == AC_OK ? take_token(r, row, token, error) : status;
}

static ac_status check_cancelled(run *r, ac_error *error)
{
    if (!atomic_load_explicit(&r->session->cancelled, memory_order_relaxed))
        return AC_OK;
    r->counts->stop_reason = AC_STOP_CANCELLED;
    return aci_platform_fail(error, AC_E_CANCELLED,
                             "cancelled after %u tokens",
                             r->counts->generated);
}

static ac_status decode_plain(run *r, ac_error *error)
{
    ac_status status = AC_OK;

    while (status == AC_OK && r->counts->stop_reason == 0) {
        int32_t token;

        status = take_next(r, &token, error);
        if (status == AC_OK && r->counts->stop_reason == 0)
            status = check_cancelled(r, error);
        if (status == AC_OK && r->counts->stop_reason == 0)
            status = aci_engine_catch_up(r->session, r->generation->variant,
                                         error);
    }
    return status;
}

/* How many tokens may be drafted behind the one already chosen. */
static int32_t draft_room(const run *r)
{
    size_t room = r->session->n_context - r->session->n_tokens;
    uint32_t left = r->max_tokens - r->counts->generated;
    int32_t n = r->draft_length;

    if ((size_t)n > room)
        n = (int32_t)room;
    if ((uint32_t)n > left)
        n = (int32_t)left;
    return n;
}

/* Fills rows[1..n_draft]; rows[0] is the last token of the conversation. */
static ac_status propose(run *r, int32_t *rows, int32_t n_draft,
                         ac_error *error)
{
    aci_session *session = r->session;
    int32_t position = (int32_t)session->n_tokens - 1, i;
    ac_status status = AC_OK;

    for (i = 0; i < n_draft && status == AC_OK; i++) {
        status = aci_engine_forward(session, r->generation->draft_variant,
                                    &rows[i], 1, position + i,
                                    session->device_logits, 1, error);
        if (status == AC_OK)
            status = aci_engine_find_peaks(session, 0, 1, 1, 0.0f, error);
        if (status == AC_OK)
            rows[i + 1] = session->peaks[0].best[0].token;
    }
    return status;
}

/* Longer drafts while all is accepted, shorter when little is. */
static void adapt(run *r, int32_t accepted, int32_t n_draft)
{
    if (accepted == n_draft && r->draft_length < ACI_MAX_DRAFT)
        r->draft_length++;
    else if (2 * accepted < n_draft && r->draft_length > 1)
        r->draft_length--;
}

/* Drafts, verifies, keeps what agrees. On return the session's logits row
 * `last_row` continues the text, unless generation stopped. */
static ac_status speculate_once(run *r, ac_error *error)
{
    aci_session *session = r->session;
    int32_t rows[ACI_LOGIT_ROWS], n_draft = draft_room(r), i;
    size_t first = session->n_tokens - 1;
    ac_status status;

    rows[0] = session->tokens[first];
    status = propose(r, rows, n_draft, error);
    if (status == AC_OK)
        status = aci_engine_forward(session, r->generation->variant, rows,
                                    n_draft + 1, (int32_t)first,
                                    session->device_logits, n_draft + 1,
                                    error);
    if (status == AC_OK)
        status = find_peaks(r, 0, n_draft + 1, error);
    if (status != AC_OK)
        return status;
    session->token_variant[first] = (uint8_t)r->generation->variant;
    session->n_cached = session->n_tokens;
    r->counts->drafted += (uint32_t)n_draft;
    for (i = 0; i < n_draft; i++) {
        int32_t token;

        status = take_token(r, i, &token, error);
        if (status != AC_OK || token != rows[i + 1])
            break;
        session->token_variant[session->n_tokens - 1] =
            (uint8_t)r->generation->variant;
        session->n_cached = session->n_tokens;
        r->counts->accepted++;
        if (r->counts->stop_reason != 0)
            break;
    }
    adapt(r, i, n_draft);
    if (status == AC_OK && session->n_cached == session->n_tokens) {
        session->last_row = i; /* all kept: one more row is known */
        session->logits_valid = 1;
    }
    return status;
}

static ac_status decode_speculative(run *r, ac_error *error)
{
    ac_status status = AC_OK;

    while (status == AC_OK && r->counts->stop_reason == 0) {
        int32_t token;

        if (r->session->logits_valid)
            status = take_next(r, &token, error);
        if (status == AC_OK && r->counts->stop_reason == 0)
            status = check_cancelled(r, error);
        if (status == AC_OK && r->counts->stop_reason == 0)
            status = speculate_once(r, error);
    }
    return status;
}

ac_status aci_engine_generate(aci_counts *counts,
                              aci_session *session,
                              const aci_generation *generation,
                              ac_error *error)
{
    const ac_generate_options *options = generation->options;
    uint64_t queued = session->queue_nanoseconds;
    uint64_t began = aci_platform_monotonic_nanoseconds();
    run r = { session, generation, counts,
              options->max_tokens ? options->max_tokens : 256, 3 };
    ac_status status;

    if (!session->logits_valid)
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "there was nothing to continue");
    aci_engine_sampler_seed(&session->sampler, options->seed);
    if (session->n_tokens == session->n_context)
        counts->stop_reason = AC_STOP_CONTEXT;
    if (generation->draft_variant >= 0)
        status = decode_speculative(&r, error);
    else
        status = decode_plain(&r, error);
    queued = session->queue_nanoseconds - queued;
    counts->queue_nanoseconds += queued;
    counts->decode_nanoseconds = aci_platform_monotonic_nanoseconds() - began -
                                 queued;
    return status;
}
