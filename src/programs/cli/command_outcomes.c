/* command_outcomes.c - `agentcompress outcomes`: run every variant on tasks
 * with known answers and note which succeeded: what train-predictor learns
 * from.
 *
 * TASKS.jsonl has one object per line with "prompt" and "answer". A variant
 * succeeds when the first line of its greedy answer is the expected one, white
 * space at the ends aside; with --contains, when it contains it. With
 * --like-full the expected answer is the one that full gives, and tasks need no
 * "answer": success then means "as good as full". */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct outcome_arguments {
    open_arguments open;
    uint32_t max_tokens, limit;
    bool contains, like_full, quiet;
} outcome_arguments;

/* One pass over the tasks. */
typedef struct labelling {
    const outcome_arguments *arguments;
    ac_engine *engine;
    ac_session *session;
    ac_engine_info info;
    ac_variant_info variants[AC_MAX_VARIANTS];
    uint64_t n_success[AC_MAX_VARIANTS];
    uint64_t n_tasks;
    char *expected;          /* full's answer, with --like-full */
    FILE *out;
} labelling;

static void trim(const char **text, size_t *n)
{
    while (*n > 0 && isspace((unsigned char)**text)) {
        (*text)++;
        (*n)--;
    }
    while (*n > 0 && isspace((unsigned char)(*text)[*n - 1]))
        (*n)--;
}

static bool succeeded(const char *text, const char *answer, bool contains)
{
    size_t n_answer = strlen(answer), n_text;

    trim(&answer, &n_answer);
    n_text = strlen(text);
    trim(&text, &n_text);
    if (contains)
        return memmem(text, n_text, answer, n_answer) != NULL;
    if (memchr(text, '\n', n_text) != NULL)
        n_text = (size_t)((const char *)memchr(text, '\n', n_text) - text);
    trim(&text, &n_text);
    return n_text == n_answer && memcmp(text, answer, n_answer) == 0;
}

static ac_status run_variant(bool *success, labelling *l, uint32_t variant,
                             const char *prompt, const char *answer,
                             ac_error *error)
{
    static const char *const newline[] = { "\n" };
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_status status;

    options.max_tokens = l->arguments->max_tokens;
    options.variant = l->variants[variant].name;
    options.stop = newline;
    options.n_stop = l->arguments->contains ? 0 : 1;
    status = ac_generate(&result, l->session, prompt, strlen(prompt),
                         &options, error);
    *success = status == AC_OK && succeeded(result.text, answer,
                                            l->arguments->contains);
    return status;
}

/* Full's own answer becomes the expected one. */
static ac_status ask_full(labelling *l, const char *prompt, ac_error *error)
{
    static const char *const newline[] = { "\n" };
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_status status;

    options.max_tokens = l->arguments->max_tokens;
    options.variant = l->variants[l->info.full_variant].name;
    options.stop = newline;
    options.n_stop = 1;
    status = ac_generate(&result, l->session, prompt, strlen(prompt),
                         &options, error);
    free(l->expected);
    l->expected = status == AC_OK ? strdup(result.text) : NULL;
    return status == AC_OK && l->expected == NULL ? AC_E_NO_MEMORY : status;
}

static ac_status write_outcome(labelling *l, const char *prompt,
                               json_t *success)
{
    json_t *outcome = json_pack("{s:s, s:O}", "prompt", prompt, "success",
                                success);
    char *line = outcome ? json_dumps(outcome, JSON_COMPACT) : NULL;
    ac_status status = AC_OK;

    json_decref(outcome);
    if (line == NULL)
        status = AC_E_NO_MEMORY;
    else if (fprintf(l->out, "%s\n", line) < 0)
        status = AC_E_IO;
    free(line);
    return status;
}

/* One task on every variant, written as one line. */
static ac_status label_task(labelling *l, const char *prompt,
                            const char *answer, ac_error *error)
{
    json_t *success = json_object();
    ac_status status = AC_OK;
    uint32_t v;

    if (l->arguments->like_full) {
        status = ask_full(l, prompt, error);
        answer = l->expected;
    }
    for (v = 0; v < l->info.n_variants && status == AC_OK; v++) {
        bool good;

        status = run_variant(&good, l, v, prompt, answer, error);
        l->n_success[v] += status == AC_OK && good;
        json_object_set_new(success, l->variants[v].name,
                            json_integer(good ? 1 : 0));
    }
    if (status == AC_OK)
        status = write_outcome(l, prompt, success);
    json_decref(success);
    l->n_tasks++;
    return status;
}

static ac_status label_file(labelling *l, FILE *tasks, ac_error *error)
{
    progress_state progress = { .quiet = l->arguments->quiet };
    char *line = NULL;
    size_t capacity = 0;
    uint64_t number = 0;
    ac_status status = AC_OK;

    while (status == AC_OK && getline(&line, &capacity, tasks) > 0) {
        ac_progress at = { sizeof at, 0, "outcomes", ++number,
                           l->arguments->limit, 0.0, (double)NAN };
        json_t *task = json_loads(line, 0, NULL);

        const char *prompt =
            json_string_value(json_object_get(task, "prompt"));
        const char *answer =
            json_string_value(json_object_get(task, "answer"));

        if (prompt == NULL ||
            (answer == NULL && !l->arguments->like_full)) {
            snprintf(error->message, sizeof error->message,
                     "line %llu was no object with prompt and answer",
                     (unsigned long long)number);
            status = AC_E_FORMAT;
        } else {
            status = label_task(l, prompt, answer, error);
        }
        json_decref(task);
        at.seconds = progress_seconds();
        if (status == AC_OK && draw_progress(&at, &progress) != 0)
            status = AC_E_CANCELLED;
        if (l->arguments->limit != 0 && number == l->arguments->limit)
            break;
    }
    end_progress(&progress);
    free(line);
    return status;
}

static ac_status open_labelling(labelling *l, const char *zoo,
                                ac_error *error)
{
    uint32_t v;
    ac_status status = open_engine(&l->engine, zoo, &l->arguments->open,
                                   false, error);

    if (status == AC_OK)
        status = ac_session_open(&l->session, l->engine, NULL, error);
    if (status == AC_OK)
        status = ac_describe(&l->info, l->engine, error);
    for (v = 0; status == AC_OK && v < l->info.n_variants; v++)
        status = ac_variant_describe(&l->variants[v], l->engine, v, error);
    return status;
}

static void print_rates(const labelling *l)
{
    uint32_t v;

    printf("%llu tasks\n", (unsigned long long)l->n_tasks);
    for (v = 0; v < l->info.n_variants && l->n_tasks > 0; v++)
        printf("  %-10s %6.2f%% succeeded\n", l->variants[v].name,
               100.0 * (double)l->n_success[v] / (double)l->n_tasks);
}

int command_outcomes(int argc, char **argv, const command *self)
{
    outcome_arguments a = { .max_tokens = 64 };
    const argument table[] = {
        { "max-tokens", ARGUMENT_NUMBER, &a.max_tokens, "N",
          "of each answer (64)" },
        { "limit", ARGUMENT_NUMBER, &a.limit, "N", "only the first N tasks" },
        { "contains", ARGUMENT_FLAG, &a.contains, NULL,
          "the answer need only contain the expected text" },
        { "like-full", ARGUMENT_FLAG, &a.like_full, NULL,
          "expect what full answers; tasks need no answer" },
        { "quiet", ARGUMENT_FLAG, &a.quiet, NULL, "no progress" },
        OPEN_ARGUMENTS(a.open),
    };
    labelling l = { .arguments = &a,
                    .info = AC_ENGINE_INFO_INIT };
    ac_error error = AC_ERROR_INIT;
    const char *words[3];
    FILE *tasks;
    uint32_t v;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 3, 3);

    if (code >= 0)
        return code;
    for (v = 0; v < AC_MAX_VARIANTS; v++)
        l.variants[v] = (ac_variant_info)AC_VARIANT_INFO_INIT;
    tasks = fopen(words[1], "r");
    l.out = tasks ? fopen(words[2], "w") : NULL;
    if (l.out == NULL) {
        fprintf(stderr, "agentcompress: could not open %s\n",
                tasks ? words[2] : words[1]);
        if (tasks)
            fclose(tasks);
        return EXIT_MISSING;
    }
    status = open_labelling(&l, words[0], &error);
    if (status == AC_OK)
        status = label_file(&l, tasks, &error);
    if (fclose(l.out) != 0 && status == AC_OK)
        status = AC_E_IO;
    fclose(tasks);
    if (status == AC_OK)
        print_rates(&l);
    code = status == AC_OK ? EXIT_DONE : report_failure(status, &error);
    free(l.expected);
    ac_session_close(l.session);
    ac_close(l.engine);
    return code;
}
