/* workflows_run.c - `agentcompress workflows run`: a zoo answers a suite.
 *
 * Prompts reach the model as they are, without a chat template; decoding is
 * greedy and ends with the text or at the step's max_tokens; white space around
 * an answer is cut. Later prompts hold the zoo's own earlier answers (with
 * --reference the right ones).
 *
 * Forward passes of one engine take turns, and threads inside a pass of a small
 * model mostly wait for each other (1 M parameters, 100 workflows: 5.1 s of
 * processor time with two of them, 3.8 s with one). So every worker has an
 * engine of its own with one thread: the weights are mapped, and shared by the
 * system. A device that is not the CPU copies them, and gets one engine. */
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workflows.h"

enum { MAX_STEPS = 64, MAX_JOBS = 64 };

typedef struct run_arguments {
    open_arguments open;
    suite_arguments suite;
    const char *variant, *out;
    uint32_t n_jobs;
    float confidence;
    bool reference, quiet;
} run_arguments;

typedef struct running {
    const run_arguments *arguments;
    const char *zoo;
    suite_rows rows;
    answers_file answers;
    pthread_mutex_t lock;     /* of the answers, and of what is below */
    ac_status status;         /* of the first failure */
    ac_error error;
    _Atomic size_t next;      /* workflow to be taken */
    _Atomic uint64_t n_done, n_tokens, n_too_long;
    _Atomic int n_working;
    _Atomic bool stop;
    uint64_t n_steps;         /* to do */
    ac_engine *shared;        /* NULL: an engine for each worker */
    char zoo_mark[MARK_BYTES];
} running;

static void note_failure(running *r, ac_status status, const ac_error *error)
{
    pthread_mutex_lock(&r->lock);
    if (r->status == AC_OK) {
        r->status = status;
        r->error = *error;
    }
    pthread_mutex_unlock(&r->lock);
    atomic_store(&r->stop, true);
}

/* ---- one step ------------------------------------------------------------ */

static json_t *trimmed(const char *text)
{
    size_t n;

    while (isspace((unsigned char)*text))
        text++;
    n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    return json_text(text, n);
}

static int32_t go_on(const char *text, size_t n_bytes, void *user)
{
    running *r = user;

    (void)text;
    (void)n_bytes;
    return atomic_load(&r->stop) || was_interrupted();
}

static json_t *answer_row(const running *r, const json_t *workflow,
                          size_t step, const ac_result *result,
                          double seconds)
{
    const ac_usage *u = result->usage;
    bool answered = result->decision != NULL && u != NULL;
    char mark[MARK_BYTES];
    json_t *row;

    suite_mark(mark, workflow, step - 1, r->arguments->reference);
    row = json_pack(
        "{s:s, s:I, s:o, s:s, s:s, s:s, s:I, s:I, s:f}", "id",
        row_id(workflow), "step",
        (json_int_t)step, "answer",
        trimmed(answered && result->text ? result->text : ""), "variant",
        r->arguments->variant, "suite", mark, "zoo", r->zoo_mark, "n_prompt",
        (json_int_t)(answered ? u->prompt_tokens + u->cached_tokens : 0),
        "n_generated", (json_int_t)(answered ? u->generated_tokens : 0),
        "seconds", seconds);
    if (answered && strcmp(r->arguments->variant, "routed") == 0)
        json_object_set_new(row, "ran",
                            json_string(result->decision->variant_name));
    return row;
}

/* Asks the model and writes the row; *answer is a copy of what it said. */
static ac_status ask(char **answer, running *r, ac_session *session,
                     const json_t *workflow, size_t step, const char *prompt,
                     uint32_t max_tokens, ac_error *error)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    double began = progress_seconds();
    const char *variant = r->arguments->variant;
    json_t *row;
    ac_status status;

    options.max_tokens = max_tokens;
    options.variant = strcmp(variant, "routed") == 0 ? "auto" : variant;
    options.min_confidence = r->arguments->confidence;
    options.on_text = go_on;
    options.text_user = r;
    status = ac_generate(&result, session, prompt, strlen(prompt), &options,
                         error);
    if (status == AC_E_CONTEXT_FULL) {
        atomic_fetch_add(&r->n_too_long, 1); /* no answer to be had */
        status = AC_OK;
    }
    if (status != AC_OK)
        return status;
    row = answer_row(r, workflow, step, &result, progress_seconds() - began);
    *answer = strdup(json_string_value(json_object_get(row, "answer")));
    pthread_mutex_lock(&r->lock);
    status = put_answer(&r->answers, row, error);
    pthread_mutex_unlock(&r->lock);
    atomic_fetch_add(&r->n_tokens, result.n_tokens);
    atomic_fetch_add(&r->n_done, 1);
    return *answer == NULL ? AC_E_NO_MEMORY : status;
}

/* ---- one workflow -------------------------------------------------------- */

static ac_status answer_workflow(running *r, ac_session *session, size_t w,
                                 ac_error *error)
{
    const json_t *row = r->rows.parsed[w];
    const char *id = row_id(row), *text = r->rows.texts[w];
    const char *earlier[MAX_STEPS];
    char *owned[MAX_STEPS] = { NULL };
    size_t n = row_steps(row), i;
    ac_status status = AC_OK;

    for (i = 0; i < n && i < MAX_STEPS && status == AC_OK; i++) {
        char *prompt = NULL;
        uint32_t max_tokens = 0;

        earlier[i] = kept_answer(&r->answers, id, i + 1);
        if (earlier[i] == NULL) {
            status = ac_workflows_prompt(&prompt, &max_tokens, text,
                                         strlen(text), earlier, i, error);
            if (status == AC_OK)
                status = ask(&owned[i], r, session, row, i + 1, prompt,
                             max_tokens, error);
            earlier[i] = owned[i];
        }
        if (r->arguments->reference)
            earlier[i] = json_string_value(
                json_object_get(row_step(row, i), "answer"));
        ac_free(prompt);
    }
    for (i = 0; i < n && i < MAX_STEPS; i++)
        free(owned[i]);
    return status;
}

static void *work(void *user)
{
    running *r = user;
    open_arguments open = r->arguments->open;
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    ac_session *session = NULL;
    size_t w;
    ac_status status = AC_OK;

    if (r->shared == NULL) {
        open.n_threads = 1;
        status = open_engine(&engine, r->zoo, &open, false, &error);
    }
    if (status == AC_OK)
        status = ac_session_open(&session, r->shared ? r->shared : engine,
                                 NULL, &error);
    while (status == AC_OK && !atomic_load(&r->stop) &&
           (w = atomic_fetch_add(&r->next, 1)) < r->rows.n)
        status = answer_workflow(r, session, w, &error);
    if (status != AC_OK)
        note_failure(r, status, &error);
    ac_session_close(session);
    ac_close(engine);
    atomic_fetch_sub(&r->n_working, 1);
    return NULL;
}

/* ---- all of them --------------------------------------------------------- */

static uint64_t steps_to_do(const running *r)
{
    uint64_t n = 0;
    size_t w, i;

    for (w = 0; w < r->rows.n; w++)
        for (i = 0; i < row_steps(r->rows.parsed[w]); i++)
            n += kept_answer(&r->answers, row_id(r->rows.parsed[w]), i + 1) ==
                 NULL;
    return n;
}

static void watch(running *r, double began)
{
    progress_state state = { .quiet = r->arguments->quiet };
    ac_progress at = { sizeof at, 0, "steps", 0, r->n_steps, 0.0,
                       (double)NAN };

    while (atomic_load(&r->n_working) > 0) {
        usleep(20000);
        at.done = atomic_load(&r->n_done);
        at.seconds = progress_seconds() - began;
        if (draw_progress(&at, &state) != 0)
            atomic_store(&r->stop, true);
    }
    end_progress(&state);
}

static void run_workers(running *r, uint32_t n_jobs, double began)
{
    pthread_t threads[MAX_JOBS];
    uint32_t n_started = 0, i;

    for (i = 0; i < n_jobs; i++) {
        atomic_fetch_add(&r->n_working, 1);
        if (pthread_create(&threads[n_started], NULL, work, r) == 0)
            n_started++;
        else
            atomic_fetch_sub(&r->n_working, 1);
    }
    if (n_started == 0)
        work((atomic_fetch_add(&r->n_working, 1), r));
    watch(r, began);
    for (i = 0; i < n_started; i++)
        pthread_join(threads[i], NULL);
}

/* Not the CPU: one engine for all. */
static ac_status open_shared(running *r, ac_error *error)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_variant_info variant = AC_VARIANT_INFO_INIT;
    const char *name = r->arguments->variant;
    uint32_t v;
    ac_status status = open_engine(&r->shared, r->zoo, &r->arguments->open,
                                   false, error);

    if (status == AC_OK)
        status = ac_describe(&info, r->shared, error);
    if (status != AC_OK)
        return status;
    for (v = 0; strcmp(name, "routed") != 0 && v < info.n_variants; v++)
        if (ac_variant_describe(&variant, r->shared, v, error) == AC_OK &&
            strcmp(variant.name, name) == 0)
            break;
    if (v == info.n_variants) {
        snprintf(error->message, sizeof error->message,
                 "%s has no variant \"%.32s\"", r->zoo, name);
        return AC_E_NOT_FOUND;
    }
    if (strncmp(info.device, "cpu", 3) == 0) {
        ac_close(r->shared);
        r->shared = NULL;
    }
    return AC_OK;
}

/* Opens the answers; those that are kept must be this suite's and zoo's. */
static ac_status open_kept(running *r, ac_error *error)
{
    const run_arguments *a = r->arguments;
    uint64_t n_found = 0;
    ac_status status = zoo_mark(r->zoo_mark, r->zoo, a->variant,
                                a->confidence, error);

    if (status == AC_OK)
        status = open_answers(&r->answers, a->out, a->variant, r->zoo_mark,
                              error);
    for (size_t w = 0; status == AC_OK && w < r->rows.n; w++)
        status = compare_answers(&r->answers, r->rows.parsed[w],
                                 a->reference, &n_found, error);
    if (status == AC_OK && r->answers.n_unmarked > 0)
        fprintf(stderr, "warning: %llu answers in %s do not say which zoo and "
                "suite they are of, and are kept\n",
                (unsigned long long)r->answers.n_unmarked, a->out);
    if (status == AC_OK && n_found < r->answers.n_kept)
        fprintf(stderr, "warning: %llu answers in %s are to workflows that "
                "this run does not have\n",
                (unsigned long long)(r->answers.n_kept - n_found), a->out);
    return status;
}

static int run_suite(running *r)
{
    const run_arguments *a = r->arguments;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t n_jobs = a->n_jobs ? a->n_jobs : cores > 0 ? (uint32_t)cores : 1;
    double began = progress_seconds(), seconds;
    ac_error error = AC_ERROR_INIT;
    ac_status status = open_shared(r, &error);

    if (status == AC_OK)
        status = open_kept(r, &error);
    if (status != AC_OK)
        return report_failure(status, &error);
    r->n_steps = steps_to_do(r);
    if (r->n_steps > 0)
        run_workers(r, n_jobs < MAX_JOBS ? n_jobs : MAX_JOBS, began);
    if (r->status != AC_OK)
        return report_failure(r->status, &r->error);
    if (was_interrupted())
        return EXIT_CANCELLED;
    seconds = progress_seconds() - began;
    if (!a->quiet)
        fprintf(stderr, "%zu workflows, %llu steps answered now (%llu were "
                "there) in %.1f s, %.0f tokens/s\n", r->rows.n,
                (unsigned long long)r->n_done,
                (unsigned long long)r->answers.n_kept, seconds,
                (double)r->n_tokens / seconds);
    if (r->n_too_long > 0)
        fprintf(stderr, "%llu prompts were longer than the context and got "
                "an empty answer\n", (unsigned long long)r->n_too_long);
    return EXIT_DONE;
}

int workflows_run(int argc, char **argv, const command *self)
{
    run_arguments a = { .suite.split = "test", .variant = "full" };
    const argument table[] = {
        { "variant", ARGUMENT_TEXT, &a.variant, "V",
          "which variant answers, or routed (full)" },
        { "out", ARGUMENT_TEXT, &a.out, "FILE",
          "answers; those already there are kept" },
        SUITE_ARGUMENTS(a.suite),
        { "reference", ARGUMENT_FLAG, &a.reference, NULL,
          "put right earlier answers into prompts, not its own" },
        { "confidence", ARGUMENT_REAL, &a.confidence, "C",
          "least chance of success, when routed (0.7)" },
        { "jobs", ARGUMENT_NUMBER, &a.n_jobs, "N",
          "workflows at once (one per core)" },
        { "quiet", ARGUMENT_FLAG, &a.quiet, NULL, "no progress" },
        OPEN_ARGUMENTS(a.open),
    };
    running r = { .arguments = &a, .lock = PTHREAD_MUTEX_INITIALIZER };
    ac_error error = AC_ERROR_INIT;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &r.zoo, 1, 1);

    if (code >= 0)
        return code;
    if (a.out == NULL) {
        fprintf(stderr, "agentcompress: --out FILE is missing\n");
        return EXIT_USAGE;
    }
    code = load_suite(&r.rows, &a.suite);
    if (code == EXIT_DONE)
        code = run_suite(&r);
    if (close_answers(&r.answers, &error) != AC_OK && code == EXIT_DONE)
        code = report_failure(AC_E_IO, &error);
    ac_close(r.shared);
    free_suite(&r.rows);
    return code;
}
