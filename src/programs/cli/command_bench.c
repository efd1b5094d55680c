/* command_bench.c - `agentcompress bench`: tokens per second of every variant,
 * prefill and decode, medians of several runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

enum { MAX_RUNS = 32 };

typedef struct bench_arguments {
    open_arguments open;
    const char *synthetic, *variant;
    uint32_t n_prompt, n_generate, n_runs;
    bool json, speculate;
} bench_arguments;

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

/* A prompt of about n tokens; every run's differs, so nothing is cached. */
static char *make_prompt(const ac_engine *engine, uint32_t n, uint32_t run)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyz ";
    size_t capacity = 8 * (size_t)n + 64, i, n_tokens = 0;
    char *text = malloc(capacity + 1);

    if (text == NULL)
        return NULL;
    for (i = 0; i < capacity; i++)
        text[i] = word[(i * 7 + i / 5 + run * 11) % (sizeof word - 1)];
    for (i = 1; i < capacity && n_tokens < n; i += 1 + i / 16)
        if (ac_tokenize(NULL, 0, &n_tokens, engine, text, i, 0, NULL) != AC_OK
            && n_tokens == 0)
            break;
    text[i < capacity ? i : capacity] = '\0';
    return text;
}

static ac_status time_run(timing *t, uint32_t run, ac_session *session,
                          const ac_engine *engine, const char *variant,
                          const bench_arguments *a, ac_error *error)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    char *prompt = make_prompt(engine, a->n_prompt, run);
    ac_status status;

    if (prompt == NULL)
        return AC_E_NO_MEMORY;
    options.max_tokens = a->n_generate;
    options.variant = variant;
    options.ignore_end = 1;
    options.speculate = a->speculate;
    status = ac_generate(&result, session, prompt, strlen(prompt), &options,
                         error);
    if (status == AC_OK) {
        const ac_usage *u = result.usage;

        t->prefill[run] = (double)u->prompt_tokens * 1e9 /
                          (double)(u->prefill_nanoseconds + 1);
        t->decode[run] = (double)u->generated_tokens * 1e9 /
                         (double)(u->decode_nanoseconds + 1);
        t->n_draft += u->draft_tokens;
        t->n_accepted += u->accepted_tokens;
    }
    free(prompt);
    return status;
}

static void add_row(json_t *rows, const ac_variant_info *info,
                    const timing *t, uint32_t n, double full_decode)
{
    double decode = median(t->decode, n);

    json_array_append_new(
        rows, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:o, s:f}", "variant",
                        info->name, "prefill_tokens_per_second",
                        median(t->prefill, n), "prefill_least",
                        least(t->prefill, n), "decode_tokens_per_second",
                        decode, "decode_least", least(t->decode, n),
                        "decode_gigabytes_per_second",
                        decode * (double)info->bytes_per_token * 1e-9,
                        "cost_ratio", json_number(full_decode / decode),
                        "accepted_share",
                        t->n_draft ? (double)t->n_accepted / t->n_draft
                                   : 0.0));
}

static void print_rows(const json_t *rows, const ac_engine_info *info,
                       const bench_arguments *a)
{
    size_t i;

    printf("%s, %s; prompt %u, generated %u, median (least) of "
           "%u runs\n\n%-10s %22s %22s %10s %8s\n",
           info->name, info->device, a->n_prompt,
           a->n_generate, a->n_runs, "variant", "prefill tokens/s",
           "decode tokens/s", "GB/s", "cost");
    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        char prefill[40], decode[40];

        snprintf(prefill, sizeof prefill, "%.1f (%.1f)",
                 json_real_value(json_object_get(
                     row, "prefill_tokens_per_second")),
                 json_real_value(json_object_get(row, "prefill_least")));
        snprintf(decode, sizeof decode, "%.1f (%.1f)",
                 json_real_value(json_object_get(
                     row, "decode_tokens_per_second")),
                 json_real_value(json_object_get(row, "decode_least")));
        printf("%-10s %22s %22s %10.2f %8.3f\n",
               json_string_value(json_object_get(row, "variant")), prefill,
               decode,
               json_real_value(json_object_get(
                   row, "decode_gigabytes_per_second")),
               json_real_value(json_object_get(row, "cost_ratio")));
    }
}

static ac_status bench_engine(json_t *rows, ac_engine *engine,
                              const ac_engine_info *info,
                              const bench_arguments *a, ac_error *error)
{
    ac_session_options options = AC_SESSION_OPTIONS_INIT;
    ac_session *session = NULL;
    double full_decode = NAN;
    uint32_t v, i, n_context = a->n_prompt * 2 + a->n_generate + 64;
    ac_status status;

    options.n_context = n_context < info->n_context ? n_context
                                                    : info->n_context;
    status = ac_session_open(&session, engine, &options, error);
    cancel_on_interrupt(session);
    for (i = 0; i < info->n_variants && status == AC_OK; i++) {
        ac_variant_info variant = AC_VARIANT_INFO_INIT;
        timing t = { .n_draft = 0 };
        uint32_t run;

        v = (info->full_variant + i) % info->n_variants; /* full first */
        status = ac_variant_describe(&variant, engine, v, error);
        if (status != AC_OK ||
            (a->variant && strcmp(a->variant, variant.name) != 0))
            continue;
        for (run = 0; run < a->n_runs && status == AC_OK; run++)
            status = time_run(&t, run, session, engine, variant.name, a,
                              error);
        if (status != AC_OK)
            break;
        if (v == info->full_variant)
            full_decode = median(t.decode, a->n_runs);
        add_row(rows, &variant, &t, a->n_runs, full_decode);
    }
    cancel_on_interrupt(NULL);
    ac_session_close(session);
    return status;
}

/* ---- a synthetic zoo, made for the run and removed after it -------------- */

static ac_status make_synthetic(char *path, size_t capacity,
                                const bench_arguments *a, ac_error *error)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    progress_state progress = { .line_open = false };
    char source[256];
    ac_status status;

    snprintf(source, sizeof source, "synthetic:%s", a->synthetic);
    snprintf(path, capacity, "/tmp/agentcompress-bench-%ld.zoo",
             (long)getpid());
    options.on_progress = draw_progress;
    options.progress_user = &progress;
    status = ac_compress(source, path, &options, error);
    end_progress(&progress);
    return status;
}

static void remove_synthetic(const char *path)
{
    static const char *const files[] = { "zoo.json", "weights.acw",
                                         "tokenizer.act" };
    char file[512];
    size_t i;

    for (i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s/%s", path, files[i]);
        unlink(file);
    }
    rmdir(path);
}

static int check_counts(const bench_arguments *a, bool has_zoo)
{
    if (a->n_runs < 1 || a->n_runs > MAX_RUNS || a->n_prompt < 1 ||
        a->n_generate < 1 || a->n_prompt > 65536 || a->n_generate > 65536) {
        fprintf(stderr, "agentcompress bench: --runs takes 1 to %d, --prompt "
                "and --generate 1 to 65536\n", MAX_RUNS);
        return EXIT_USAGE;
    }
    if (has_zoo == (a->synthetic != NULL)) {
        fprintf(stderr, "agentcompress bench: give ZOO or --synthetic\n");
        return EXIT_USAGE;
    }
    return -1;
}

int command_bench(int argc, char **argv, const command *self)
{
    bench_arguments a = { .n_prompt = 128, .n_generate = 64, .n_runs = 3 };
    const argument table[] = {
        { "synthetic", ARGUMENT_TEXT, &a.synthetic, "SHAPE",
          "random weights: llama-3.2-1b, smollm-135m, ..." },
        { "variant", ARGUMENT_TEXT, &a.variant, "V", "only this one" },
        { "prompt", ARGUMENT_NUMBER, &a.n_prompt, "N", "tokens (128)" },
        { "generate", ARGUMENT_NUMBER, &a.n_generate, "N", "tokens (64)" },
        { "runs", ARGUMENT_NUMBER, &a.n_runs, "N", "of each (3)" },
        { "speculate", ARGUMENT_FLAG, &a.speculate, NULL,
          "int4 drafts for the others" },
        { "json", ARGUMENT_FLAG, &a.json, NULL, "a JSON array" },
        OPEN_ARGUMENTS(a.open),
    };
    ac_error error = AC_ERROR_INIT;
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_engine *engine = NULL;
    json_t *rows = json_array();
    const char *zoo = NULL;
    char made[256] = "";
    ac_status status = AC_OK;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &zoo, 0, 1);

    if (code < 0)
        code = check_counts(&a, zoo != NULL);
    if (code >= 0)
        return code;
    if (zoo == NULL) {
        status = make_synthetic(made, sizeof made, &a, &error);
        zoo = made;
    }
    if (status == AC_OK)
        status = open_engine(&engine, zoo, &a.open, false, &error);
    if (status == AC_OK)
        status = ac_describe(&info, engine, &error);
    if (status == AC_OK)
        status = bench_engine(rows, engine, &info, &a, &error);
    code = EXIT_DONE;
    if (status != AC_OK)
        code = report_failure(status, &error);
    else if (!a.json)
        print_rows(rows, &info, &a);
    ac_close(engine);
    if (made[0] != '\0')
        remove_synthetic(made);
    if (status == AC_OK && a.json)
        return print_json(rows);
    json_decref(rows);
    return code;
}
