/* command_run.c - `agentcompress run` and `chat`. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* The options both commands share. */
typedef struct run_arguments {
    open_arguments open;
    const char *variant, *stop, *label, *system;
    uint32_t max_tokens, top_k, logprobs, context, kv_bits;
    float temperature, top_p, min_p, repetition, confidence, budget;
    uint64_t seed;
    bool json, quiet, speculate, ignore_end, special, as_chat;
} run_arguments;

#define RUN_ARGUMENTS(a)                                                      \
    { "variant", ARGUMENT_TEXT, &(a).variant, "V",                            \
      "auto, or the name of a variant" },                                     \
    { "max-tokens", ARGUMENT_NUMBER, &(a).max_tokens, "N",                    \
      "tokens at most (256)" },                                               \
    { "temperature", ARGUMENT_REAL, &(a).temperature, "T",                    \
      "0 is greedy (0)" },                                                    \
    { "top-k", ARGUMENT_NUMBER, &(a).top_k, "K", "0 is off" },                \
    { "top-p", ARGUMENT_REAL, &(a).top_p, "P", "0 is off" },                  \
    { "min-p", ARGUMENT_REAL, &(a).min_p, "P", "0 is off" },                  \
    { "repetition-penalty", ARGUMENT_REAL, &(a).repetition, "R", "1 is off" }, \
    { "seed", ARGUMENT_LARGE, &(a).seed, "S", "same seed, same text" },       \
    { "stop", ARGUMENT_TEXT, &(a).stop, "TEXT", "end before this text" },     \
    { "confidence", ARGUMENT_REAL, &(a).confidence, "C",                      \
      "least chance of success to leave full (0.7)" },                        \
    { "budget", ARGUMENT_REAL, &(a).budget, "DOLLARS", "spend no more" },     \
    { "speculate", ARGUMENT_FLAG, &(a).speculate, NULL,                       \
      "int4 drafts, the variant verifies: same text" },                       \
    { "ignore-end", ARGUMENT_FLAG, &(a).ignore_end, NULL,                     \
      "go on after the end token" },                                          \
    { "special", ARGUMENT_FLAG, &(a).special, NULL,                           \
      "read special tokens in the prompt" },                                  \
    { "context", ARGUMENT_NUMBER, &(a).context, "N",                          \
      "tokens the session holds" },                                           \
    { "kv-bits", ARGUMENT_NUMBER, &(a).kv_bits, "B", "32, 16, 8" },            \
    { "label", ARGUMENT_TEXT, &(a).label, "TEXT", "kept in the ledger" },     \
    { "quiet", ARGUMENT_FLAG, &(a).quiet, NULL, "no table afterwards" },      \
    OPEN_ARGUMENTS((a).open), LEDGER_ARGUMENTS((a).open)

static int32_t print_text(const char *text, size_t n_bytes, void *user)
{
    (void)user;
    fwrite(text, 1, n_bytes, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

static void fill_options(ac_generate_options *options, const char **stop,
                         const run_arguments *a)
{
    options->max_tokens = a->max_tokens;
    options->temperature = a->temperature;
    options->top_k = a->top_k;
    options->top_p = a->top_p;
    options->min_p = a->min_p;
    options->repetition_penalty = a->repetition;
    options->seed = a->seed;
    *stop = a->stop;
    options->stop = stop;
    options->n_stop = a->stop != NULL;
    options->n_logprobs = a->logprobs;
    options->special = a->special ? AC_SPECIAL_PARSE : AC_SPECIAL_AS_TEXT;
    options->ignore_end = a->ignore_end;
    options->speculate = a->speculate;
    options->min_confidence = a->confidence;
    options->variant = a->variant;
    options->budget_nanodollars = (int64_t)((double)a->budget * 1e9);
    options->label = a->label;
    if (!a->json)
        options->on_text = print_text;
}

static ac_status open_session(ac_engine **engine, ac_session **session,
                              const char *path, const run_arguments *a,
                              ac_error *error)
{
    ac_session_options options = AC_SESSION_OPTIONS_INIT;
    ac_status status = open_engine(engine, path, &a->open, true, error);

    options.n_context = a->context;
    options.kv_bits = a->kv_bits;
    if (status == AC_OK)
        status = ac_session_open(session, *engine, &options, error);
    if (status == AC_OK)
        cancel_on_interrupt(*session);
    return status;
}

/* ---- what is shown afterwards -------------------------------------------- */

static const char *stop_name(uint32_t reason)
{
    static const char *const names[] = { "none",    "end",    "stop string",
                                         "max tokens", "context", "budget",
                                         "cancelled" };

    return reason < sizeof names / sizeof *names ? names[reason] : "unknown";
}

static void print_summary(const ac_result *result)
{
    const ac_usage *u = result->usage;
    const ac_decision *d = result->decision;
    static const char *const basis[] = { "unknown", "which ran",
                                         "by measured ratios",
                                         "by bytes and operations" };
    double decode = (double)u->decode_nanoseconds * 1e-9;
    char route[32], prefill[32], own[32], full[32];

    fprintf(stderr,
            "\n  variant   %s (%s, confidence %.2f, decided in %s)\n"
            "  tokens    %u prompt + %u cached, %u generated, ended by %s\n"
            "  speed     prefill %s, decode %.1f tokens/s\n",
            d->variant_name, ac_reason_name(d->reason), (double)d->confidence,
            format_seconds(route, (double)d->router_nanoseconds * 1e-9),
            u->prompt_tokens, u->cached_tokens, u->generated_tokens,
            stop_name(result->stop_reason),
            format_seconds(prefill, (double)u->prefill_nanoseconds * 1e-9),
            decode > 0.0 ? (double)u->generated_tokens / decode : 0.0);
    if (u->draft_tokens > 0)
        fprintf(stderr, "  drafted   %u, of which %u kept\n", u->draft_tokens,
                u->accepted_tokens);
    fprintf(stderr, "  cost      %s; on full %s, %s",
            format_dollars(own, u->nanodollars),
            format_dollars(full, u->full_nanodollars),
            basis[u->full_basis < 4 ? u->full_basis : 0]);
    if (u->nanodollars >= 0 && u->full_nanodollars > 0)
        fprintf(stderr, " (%+.0f%%)",
                100.0 * ((double)u->nanodollars /
                             (double)u->full_nanodollars - 1.0));
    fputc('\n', stderr);
}

static json_t *logprobs_json(const ac_result *result, const ac_engine *engine)
{
    json_t *list = json_array();
    uint32_t i, j;

    for (i = 0; i < result->n_tokens && result->token_logprobs; i++) {
        json_t *top = json_array();

        for (j = 0; j < result->n_logprobs; j++) {
            const ac_logprob *p =
                &result->top_logprobs[(size_t)i * result->n_logprobs + j];
            char text[512];
            size_t n = 0;

            if (ac_detokenize(text, sizeof text, &n, engine, &p->token, 1,
                              AC_SPECIAL_PARSE, NULL) != AC_OK)
                n = 0;
            json_array_append_new(
                top, json_pack("{s:i, s:o, s:o}", "token", (int)p->token,
                               "text", json_text(text, n), "logprob",
                               json_number((double)p->logprob)));
        }
        json_array_append_new(
            list, json_pack("{s:i, s:o, s:o}", "token",
                            (int)result->tokens[i], "logprob",
                            json_number((double)result->token_logprobs[i]),
                            "top", top));
    }
    return list;
}

static int print_result(const ac_result *result, const ac_engine *engine,
                        const run_arguments *a, ac_status status)
{
    if (a->json)
        return print_json(json_pack(
            "{s:s, s:o, s:s, s:I, s:o, s:o, s:o}", "status",
            ac_status_name(status), "text",
            json_text(result->text, (size_t)result->text_bytes),
            "stop_reason", stop_name(result->stop_reason), "request_id",
            (json_int_t)result->request_id, "decision",
            decision_json(result->decision, engine), "usage",
            usage_json(result->usage), "logprobs",
            logprobs_json(result, engine)));
    putchar('\n');
    if (!a->quiet)
        print_summary(result);
    return EXIT_DONE;
}

/* ---- run ----------------------------------------------------------------- */

/* Standard input to its end; NULL when memory is short. */
static char *read_input(size_t *n_bytes)
{
    size_t capacity = 65536, n = 0;
    char *text = malloc(capacity);

    while (text != NULL) {
        size_t got = fread(text + n, 1, capacity - n, stdin);
        char *larger;

        n += got;
        if (got == 0)
            break;
        if (n < capacity)
            continue;
        capacity *= 2;
        larger = realloc(text, capacity);
        if (larger == NULL)
            free(text);
        text = larger;
    }
    *n_bytes = n;
    return text;
}

static ac_status generate(ac_result *result, ac_session *session,
                          const char *prompt, size_t n_bytes,
                          const run_arguments *a, ac_error *error)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_message messages[2] = { { "system", a->system }, { "user", prompt } };
    const char *stop;
    size_t first = a->system ? 0 : 1;

    fill_options(&options, &stop, a);
    if (a->as_chat || a->system)
        return ac_generate_chat(result, session, messages + first, 2 - first,
                                &options, error);
    return ac_generate(result, session, prompt, n_bytes, &options, error);
}

int command_run(int argc, char **argv, const command *self)
{
    run_arguments a = { 0 };
    const argument table[] = {
        RUN_ARGUMENTS(a),
        { "logprobs", ARGUMENT_NUMBER, &a.logprobs, "N",
          "alternatives per token, with --json" },
        { "chat", ARGUMENT_FLAG, &a.as_chat, NULL,
          "put the prompt into the model's chat template" },
        { "system", ARGUMENT_TEXT, &a.system, "TEXT",
          "system message (means --chat)" },
        { "json", ARGUMENT_FLAG, &a.json, NULL, "one JSON object" },
    };
    ac_error error = AC_ERROR_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_engine *engine = NULL;
    ac_session *session = NULL;
    const char *words[2];
    char *input = NULL;
    size_t n_bytes;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2, 2);

    if (code >= 0)
        return code;
    n_bytes = strlen(words[1]);
    if (strcmp(words[1], "-") == 0) {
        input = read_input(&n_bytes);
        words[1] = input;
        if (input == NULL)
            return EXIT_RESOURCES;
    }
    status = open_session(&engine, &session, words[0], &a, &error);
    if (status == AC_OK)
        status = generate(&result, session, words[1], n_bytes, &a, &error);
    code = EXIT_DONE;
    if (result.decision != NULL)
        code = print_result(&result, engine, &a, status);
    if (status != AC_OK)
        code = report_failure(status, &error);
    cancel_on_interrupt(NULL);
    ac_session_close(session);
    ac_close(engine);
    free(input);
    return code;
}

/* ---- chat ---------------------------------------------------------------- */

enum { MAX_TURNS = 512 };

/* The conversation; contents are ours to free, but for the system's. */
typedef struct turns {
    ac_message list[MAX_TURNS];
    size_t n;
} turns;

static bool add_turn(turns *t, const char *role, const char *content)
{
    char *copy = strdup(content);

    if (copy == NULL || t->n == MAX_TURNS) {
        free(copy);
        return false;
    }
    t->list[t->n++] = (ac_message){ role, copy };
    return true;
}

static void drop_turns(turns *t, size_t keep)
{
    while (t->n > keep)
        free((char *)(uintptr_t)t->list[--t->n].content);
}

/* One exchange; the user's line is already the last turn. */
static ac_status exchange(turns *t, ac_session *session,
                          const run_arguments *a, ac_error *error)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    const char *stop;
    ac_status status;

    fill_options(&options, &stop, a);
    status = ac_generate_chat(&result, session, t->list, t->n, &options,
                              error);
    if (result.decision == NULL || status != AC_OK) {
        drop_turns(t, t->n - 1);
        return status;
    }
    putchar('\n');
    if (!a->quiet)
        print_summary(&result);
    if (!add_turn(t, "assistant", result.text))
        drop_turns(t, 0);
    return status;
}

static int chat_loop(ac_session *session, const run_arguments *a)
{
    turns t = { .n = 0 };
    char *line = NULL;
    size_t capacity = 0, kept = 0;
    bool prompt = isatty(STDIN_FILENO);
    int code = EXIT_DONE;

    if (a->system && add_turn(&t, "system", a->system))
        kept = 1;
    if (prompt)
        fprintf(stderr, "/reset forgets, /quit or Ctrl-D ends.\n");
    for (;;) {
        ac_error error = AC_ERROR_INIT;
        ssize_t n;
        ac_status status;

        if (prompt)
            fprintf(stderr, "\n> ");
        n = getline(&line, &capacity, stdin);
        if (n <= 0 || strcmp(line, "/quit\n") == 0)
            break;
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (strcmp(line, "/reset") == 0) {
            drop_turns(&t, kept);
            continue;
        }
        if (line[0] == '\0' || !add_turn(&t, "user", line))
            continue;
        status = exchange(&t, session, a, &error);
        if (status != AC_OK)
            code = report_failure(status, &error);
        if (was_interrupted() || (status != AC_OK && !prompt))
            break;
    }
    drop_turns(&t, 0);
    free(line);
    return code;
}

int command_chat(int argc, char **argv, const command *self)
{
    run_arguments a = { 0 };
    const argument table[] = {
        RUN_ARGUMENTS(a),
        { "system", ARGUMENT_TEXT, &a.system, "TEXT", "system message" },
    };
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    ac_session *session = NULL;
    const char *path;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &path, 1, 1);

    if (code >= 0)
        return code;
    status = open_session(&engine, &session, path, &a, &error);
    code = status == AC_OK ? chat_loop(session, &a)
                           : report_failure(status, &error);
    cancel_on_interrupt(NULL);
    ac_session_close(session);
    ac_close(engine);
    return code;
}
