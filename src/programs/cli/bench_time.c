/* bench_time.c - timing the variants of an opened zoo: medians of several runs
 * after one short run that nobody counts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum {
    MOST_TOKENS = 65536,
    WARM_PROMPT = 16, WARM_GENERATE = 4
};

typedef struct timing {
    double prefill[MAX_RUNS], decode[MAX_RUNS]; /* tokens per second */
    uint32_t n_draft, n_accepted;
} timing;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *values, uint32_t n)
{
    double sorted[MAX_RUNS];

    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

static double least(const double *values, uint32_t n)
{
    double low = values[0];
    uint32_t i;

    for (i = 1; i < n; i++)
        low = values[i] < low ? values[i] : low;
    return low;
}

/* ---- what is asked for --------------------------------------------------- */

bool bench_read_lengths(bench *b)
{
    const char *at = b->lengths_text;

    for (b->n_lengths = 0; at != NULL; at++) {
        char *end;
        unsigned long n;

        if (*at < '0' || *at > '9' || b->n_lengths == MAX_LENGTHS)
            return false;
        n = strtoul(at, &end, 10);
        if (n < 1 || n > MOST_TOKENS || (*end != ',' && *end != '\0'))
            return false;
        b->lengths[b->n_lengths++] = (uint32_t)n;
        if (*end == '\0')
            return true;
        at = end;
    }
    return true;
}

/* A GPU is there for the paper's own prompts; a processor would take hours
 * over them. */
static void settle(bench *b, const ac_engine_info *info)
{
    static const uint32_t long_ones[] = { 512, 2048 };
    bool large = b->synthetic != NULL && strncmp(info->device, "cpu", 3) != 0;
    uint32_t i;

    if (b->n_generate == 0)
        b->n_generate = large ? 128 : 64;
    if (b->n_lengths > 0)
        return;
    for (i = 0; large && i < 2; i++)
        if (long_ones[i] + b->n_generate < info->n_context)
            b->lengths[b->n_lengths++] = long_ones[i];
    if (b->n_lengths == 0)
        b->lengths[b->n_lengths++] = 128;
}

static uint32_t longest(const bench *b)
{
    uint32_t most = 0, i;

    for (i = 0; i < b->n_lengths; i++)
        most = b->lengths[i] > most ? b->lengths[i] : most;
    return most;
}

ac_status bench_open(bench_opened *out, bench *b, const char *path,
                     ac_error *error)
{
    ac_session_options options = AC_SESSION_OPTIONS_INIT;
    const bench_opened none = { NULL, NULL, AC_ENGINE_INFO_INIT };
    double began = progress_seconds();
    ac_status status;

    *out = none;
    status = open_engine(&out->engine, path, &b->open, false, error);
    if (status == AC_OK)
        status = ac_describe(&out->info, out->engine, error);
    if (status == AC_OK) {
        settle(b, &out->info);
        options.n_context = longest(b) * 9 / 8 + b->n_generate + 64;
        if (options.n_context > out->info.n_context)
            options.n_context = out->info.n_context;
        status = ac_session_open(&out->session, out->engine, &options, error);
    }
    if (status == AC_OK)
        status = ac_describe(&out->info, out->engine, error);
    if (status != AC_OK) {
        bench_close(out);
        return status;
    }
    b->open_seconds += progress_seconds() - began;
    if (out->info.device_bytes > b->device_bytes)
        b->device_bytes = out->info.device_bytes;
    snprintf(b->name, sizeof b->name, "%s", out->info.name);
    snprintf(b->device, sizeof b->device, "%s", out->info.device);
    return AC_OK;
}

void bench_close(bench_opened *opened)
{
    ac_session_close(opened->session);
    ac_close(opened->engine);
    opened->session = NULL;
    opened->engine = NULL;
}

/* ---- runs ---------------------------------------------------------------- */

/* The first n_bytes of the text are at least n tokens. */
static bool is_enough(const ac_engine *engine, const char *text,
                      size_t n_bytes, uint32_t n)
{
    size_t n_tokens = 0;

    ac_tokenize(NULL, 0, &n_tokens, engine, text, n_bytes, 0, NULL);
    return n_tokens >= n;
}

/* A prompt of n tokens, or hardly more; every run's differs from its first
 * byte, so nothing is cached. */
static char *make_prompt(const ac_engine *engine, uint32_t n, uint32_t run)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyz ";
    size_t capacity = 8 * (size_t)n + 64, low = 0, high = capacity, i;
    char *text = malloc(capacity + 1);

    if (text == NULL)
        return NULL;
    for (i = 0; i < capacity; i++)
        text[i] = word[(i * 7 + i / 5 + run * 11) % (sizeof word - 1)];
    while (high - low > 1) { /* enough at high, not at low */
        size_t middle = low + (high - low) / 2;

        if (is_enough(engine, text, middle, n))
            high = middle;
        else
            low = middle;
    }
    text[high] = '\0';
    return text;
}

static ac_status run_once(ac_usage *out, const bench *b,
                          const bench_opened *opened, const char *variant,
                          uint32_t n_prompt, uint32_t n_generate,
                          uint32_t run, ac_error *error)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    char *prompt = make_prompt(opened->engine, n_prompt, run);
    ac_status status;

    if (prompt == NULL)
        return AC_E_NO_MEMORY;
    options.max_tokens = n_generate;
    options.variant = variant;
    options.ignore_end = 1;
    options.speculate = b->speculate;
    status = ac_session_reset(opened->session, error);
    if (status == AC_OK)
        status = ac_generate(&result, opened->session, prompt,
                             strlen(prompt), &options, error);
    if (status == AC_OK)
        *out = *result.usage;
    free(prompt);
    return status;
}

static ac_status tell(bench *b, ac_error *error)
{
    ac_progress progress = { sizeof progress, 0, "runs", b->n_done++, 0, 0.0,
                             (double)NAN };

    progress.total = (uint64_t)b->n_variants * b->n_lengths * b->n_runs;
    progress.seconds = progress_seconds() - b->began;
    if (draw_progress(&progress, &b->progress) == 0)
        return AC_OK;
    snprintf(error->message, sizeof error->message, "stopped");
    return AC_E_CANCELLED;
}

static ac_status time_runs(timing *t, bench *b, const bench_opened *opened,
                           const char *variant, uint32_t n_prompt,
                           ac_error *error)
{
    ac_status status = AC_OK;
    uint32_t run;

    for (run = 0; run < b->n_runs && status == AC_OK; run++) {
        ac_usage u;

        status = tell(b, error);
        if (status == AC_OK)
            status = run_once(&u, b, opened, variant, n_prompt,
                              b->n_generate, run, error);
        if (status != AC_OK)
            break;
        t->prefill[run] = (double)u.prompt_tokens * 1e9 /
                          (double)(u.prefill_nanoseconds + 1);
        t->decode[run] = (double)u.generated_tokens * 1e9 /
                         (double)(u.decode_nanoseconds + 1);
        t->n_draft += u.draft_tokens;
        t->n_accepted += u.accepted_tokens;
    }
    return status;
}

static json_t *make_row(const ac_variant_info *info, const timing *t,
                        uint32_t n_prompt, uint32_t n)
{
    double decode = median(t->decode, n);

    return json_pack(
        "{s:s, s:I, s:f, s:f, s:f, s:f, s:I, s:f, s:f}", "variant",
        info->name, "prompt_tokens", (json_int_t)n_prompt,
        "prefill_tokens_per_second", median(t->prefill, n), "prefill_least",
        least(t->prefill, n), "decode_tokens_per_second", decode,
        "decode_least", least(t->decode, n), "bytes_per_token",
        (json_int_t)info->bytes_per_token, "decode_gigabytes_per_second",
        decode * (double)info->bytes_per_token * 1e-9, "accepted_share",
        t->n_draft ? (double)t->n_accepted / t->n_draft : 0.0);
}

ac_status bench_variant(bench *b, const bench_opened *opened, uint32_t v,
                        uint32_t row, ac_error *error)
{
    ac_variant_info info = AC_VARIANT_INFO_INIT;
    ac_usage unused;
    ac_status status = ac_variant_describe(&info, opened->engine, v, error);
    uint32_t i;

    if (b->rows[row] == NULL)
        b->rows[row] = json_array();
    cancel_on_interrupt(opened->session);
    if (status == AC_OK)
        status = run_once(&unused, b, opened, info.name, WARM_PROMPT,
                          WARM_GENERATE, MAX_RUNS, error);
    for (i = 0; i < b->n_lengths && status == AC_OK; i++) {
        timing t = { .n_draft = 0 };

        status = time_runs(&t, b, opened, info.name, b->lengths[i], error);
        if (status == AC_OK)
            json_array_append_new(b->rows[row],
                                  make_row(&info, &t, b->lengths[i],
                                           b->n_runs));
    }
    cancel_on_interrupt(NULL);
    return status;
}
