/* ac_measure.c - running a zoo's variants to learn what they are worth here,
 * and writing it into the card: speed relative to full, and, given a text,
 * divergence from full and perplexity.
 *
 * Runs of the variants alternate and medians are compared, so that a machine
 * whose speed drifts does not favour one of them. A small model's run of 32
 * tokens takes less than a processor is taken away for by other work, and three
 * of five runs may be met by that: while all of it is short there are more. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/handles.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/workshop.h"

enum { MAX_RUNS = 64, RUNS = 5, JUDGED_TOKENS = 16384 };

/* Runs beyond RUNS end here, unless their number was given. */
#define ENOUGH_SECONDS 2.0

typedef struct measuring {
    aci_memory memory;
    ac_measure_options options;
    const char *zoo;
    ac_engine *engine;
    ac_session *session;
    uint64_t began, done, total;
    uint32_t n_more; /* runs that may follow while there is time */
    double prefill[AC_MAX_VARIANTS][MAX_RUNS]; /* seconds per token */
    double decode[AC_MAX_VARIANTS][MAX_RUNS];
    aci_variant figures[AC_MAX_VARIANTS];
} measuring;

static ac_status take(measuring *m, const ac_measure_options *options,
                      ac_error *error)
{
    ac_measure_options start = AC_MEASURE_OPTIONS_INIT;
    ac_status status;

    m->options = start;
    status = aci_api_take_options(&m->options, sizeof m->options, options,
                                  "options", error);
    if (status == AC_OK && m->options.reserved != 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "options.reserved was not 0");
    if (m->options.n_runs == 0) {
        m->options.n_runs = RUNS;
        m->n_more = MAX_RUNS - RUNS;
    }
    if (m->options.n_prompt == 0)
        m->options.n_prompt = 128;
    if (m->options.n_generate == 0)
        m->options.n_generate = 32;
    if (status == AC_OK && (m->options.n_runs > MAX_RUNS ||
                            m->options.n_prompt > 65536 ||
                            m->options.n_generate > 65536))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_runs was over %d, or n_prompt or "
                                 "n_generate over 65536", MAX_RUNS);
    return status;
}

static double elapsed_seconds(const measuring *m)
{
    return 1e-9 *
           (double)(aci_platform_monotonic_nanoseconds() - m->began);
}

static ac_status tell(measuring *m, const char *stage, ac_error *error)
{
    ac_progress progress = { sizeof progress, 0, stage, ++m->done, m->total,
                             0.0, (double)NAN };

    progress.seconds = elapsed_seconds(m);
    if (m->options.on_progress != NULL &&
        m->options.on_progress(&progress, m->options.progress_user) != 0)
        return aci_platform_fail(error, AC_E_CANCELLED,
                                 "measuring was cancelled");
    return AC_OK;
}

static ac_status open_zoo(measuring *m, ac_error *error)
{
    ac_open_options open = AC_OPEN_OPTIONS_INIT;
    ac_session_options session = AC_SESSION_OPTIONS_INIT;
    uint32_t wanted = m->options.n_prompt + m->options.n_generate + 8, most;
    ac_status status;

    open.n_threads = m->options.n_threads;
    open.device = m->options.device;
    if (aci_api_synthetic(m->zoo) != NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s is on no disk and has no card", m->zoo);
    status = ac_open(&m->engine, m->zoo, &open, error);
    if (status != AC_OK)
        return status;
    if (m->engine->model->is_checkpoint)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s is a checkpoint and has no card",
                                 m->zoo);
    most = (uint32_t)m->engine->model->shape.n_context;
    if (wanted > most)
        return aci_platform_fail(error, AC_E_CONTEXT_FULL,
                                 "%u tokens were asked for, the model holds "
                                 "%u", wanted, most);
    session.n_context = wanted;
    return ac_session_open(&m->session, m->engine, &session, error);
}

/* ---- speed --------------------------------------------------------------- */

/* One prompt of made-up tokens through the engine itself: what is timed is the
 * model, not the tokenizer or the ledger. */
static uint32_t go_on(int32_t token, float logprob, const ac_logprob *top,
                      uint32_t n_top, void *user)
{
    (void)token;
    (void)logprob;
    (void)top;
    (void)n_top;
    (void)user;
    return 0;
}

static ac_status time_once(measuring *m, int32_t variant, uint32_t run,
                           int32_t *tokens, ac_error *error)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    aci_generation generation = { &options, variant, -1, go_on, NULL };
    aci_session *session = m->session->session;
    uint32_t n = m->options.n_prompt, i;
    aci_counts counts;
    ac_status status;

    for (i = 0; i < n; i++)
        tokens[i] = (int32_t)((i * 7919u + run * 104729u) %
                              (uint32_t)m->engine->model->shape.n_vocab);
    options.max_tokens = m->options.n_generate;
    aci_engine_session_reset(session);
    status = aci_engine_prefill(&counts, session, tokens, n, variant, error);
    if (status == AC_OK)
        status = aci_engine_generate(&counts, session, &generation, error);
    if (status != AC_OK)
        return status;
    m->prefill[variant][run] = (double)counts.prefill_nanoseconds / n;
    m->decode[variant][run] = (double)counts.decode_nanoseconds /
                              counts.generated;
    return tell(m, "time", error);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, uint32_t n)
{
    qsort(values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2]
                 : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

/* Whether run number `run` is made; the total told grows with those added. */
static bool goes_on(measuring *m, uint32_t run, double began)
{
    if (run < m->options.n_runs)
        return true;
    if (m->n_more == 0 || elapsed_seconds(m) - began > ENOUGH_SECONDS)
        return false;
    m->n_more--;
    m->options.n_runs++;
    m->total += (uint64_t)m->engine->model->n_variants;
    return true;
}

static ac_status measure_speed(measuring *m, ac_error *error)
{
    const aci_model *model = m->engine->model;
    int32_t full = model->full_variant, v;
    int32_t *tokens = aci_platform_alloc_array(
        &m->memory, m->options.n_prompt, sizeof *tokens);
    uint32_t run, n;
    double prefill, decode, start = elapsed_seconds(m);
    ac_status status = AC_OK;

    if (tokens == NULL)
        return aci_platform_fail_memory(error, "a prompt");
    for (v = 0; v < model->n_variants && status == AC_OK; v++)
        status = time_once(m, v, 0, tokens, error); /* warm; done again */
    for (run = 0; status == AC_OK && goes_on(m, run, start); run++)
        for (v = 0; v < model->n_variants && status == AC_OK; v++)
            status = time_once(m, v, run, tokens, error);
    aci_platform_free(&m->memory, tokens);
    if (status != AC_OK)
        return status;
    n = m->options.n_runs;
    prefill = median(m->prefill[full], n);
    decode = median(m->decode[full], n);
    for (v = 0; v < model->n_variants; v++) {
        m->figures[v].prefill_ratio =
            v == full ? 1.0 : median(m->prefill[v], n) / prefill;
        m->figures[v].decode_ratio =
            v == full ? 1.0 : median(m->decode[v], n) / decode;
    }
    return AC_OK;
}

/* ---- quality ------------------------------------------------------------- */

/* As `agentcompress perplexity` has it by default, on the text's beginning. */
static ac_status measure_quality(measuring *m, ac_error *error)
{
    ac_perplexity_options options = AC_PERPLEXITY_OPTIONS_INIT;
    ac_quality found[AC_MAX_VARIANTS] = { AC_QUALITY_INIT };
    size_t n = 0, i;
    ac_status status;

    options.max_tokens = JUDGED_TOKENS;
    options.on_progress = m->options.on_progress;
    options.progress_user = m->options.progress_user;
    status = ac_perplexity(found, AC_MAX_VARIANTS, &n, NULL, m->engine,
                           m->options.text_path, &options, error);
    for (i = 0; i < n && status == AC_OK; i++) {
        m->figures[found[i].variant].kl_divergence = found[i].kl;
        m->figures[found[i].variant].perplexity = found[i].perplexity;
    }
    return status;
}

/* ---- the door ------------------------------------------------------------ */

static void forget_figures(measuring *m)
{
    int32_t v;

    for (v = 0; v < m->engine->model->n_variants; v++) {
        aci_variant *f = &m->figures[v];

        *f = m->engine->model->variants[v];
        f->decode_ratio = f->prefill_ratio = (double)NAN;
        f->kl_divergence = f->perplexity = f->success_rate = (double)NAN;
    }
}

ac_status ac_measure(const char *zoo, const ac_measure_options *options,
                     ac_error *error)
{
    aci_memory memory;
    measuring *m;
    int32_t v, n_variants = 0;
    ac_status status = aci_api_need(zoo, "zoo", error);

    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&memory);
    m = aci_platform_alloc_zeroed(&memory, 1, sizeof *m);
    if (m == NULL)
        return aci_platform_fail_memory(error, "measuring");
    aci_platform_memory_init(&m->memory);
    m->zoo = zoo;
    m->began = aci_platform_monotonic_nanoseconds();
    status = take(m, options, error);
    if (status == AC_OK)
        status = open_zoo(m, error);
    if (status == AC_OK) {
        n_variants = m->engine->model->n_variants;
        m->total = (uint64_t)n_variants * (m->options.n_runs + 1);
        forget_figures(m);
        status = measure_speed(m, error);
    }
    if (status == AC_OK && m->options.text_path != NULL)
        status = measure_quality(m, error);
    ac_session_close(m->session);
    ac_close(m->engine); /* before its card is replaced */
    for (v = 0; v < n_variants && status == AC_OK; v++)
        status = aci_workshop_card_update(&m->memory, zoo, &m->figures[v],
                                          error);
    aci_platform_free(&memory, m);
    return status;
}
