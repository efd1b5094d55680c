/* command_tokens.c - `agentcompress tokenize` and `score`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Tokens of a text in memory the caller frees. */
static ac_status all_tokens(int32_t **out, size_t *n, const ac_engine *engine,
                            const char *text, size_t n_bytes,
                            uint32_t special, ac_error *error)
{
    ac_status status = ac_tokenize(NULL, 0, n, engine, text, n_bytes, special,
                                   error);

    *out = NULL;
    if (status != AC_OK && status != AC_E_TOO_SMALL)
        return status;
    *out = malloc((*n + 1) * sizeof **out);
    if (*out == NULL)
        return AC_E_NO_MEMORY;
    return ac_tokenize(*out, *n, n, engine, text, n_bytes, special, error);
}

static void print_tokens(const int32_t *tokens, size_t n,
                         const ac_engine *engine, json_t *list)
{
    size_t i;

    for (i = 0; i < n; i++) {
        char text[512];
        size_t bytes = 0;
        json_t *piece;
        char *quoted;

        if (ac_detokenize(text, sizeof text, &bytes, engine, &tokens[i], 1,
                          AC_SPECIAL_PARSE, NULL) != AC_OK)
            bytes = 0;
        piece = json_text(text, bytes);
        if (list != NULL) {
            json_array_append_new(list, json_pack("{s:i, s:o}", "token",
                                                  (int)tokens[i], "text",
                                                  piece));
            continue;
        }
        quoted = json_dumps(piece, JSON_ENCODE_ANY);
        printf("%8d  %s\n", (int)tokens[i], quoted ? quoted : "?");
        free(quoted);
        json_decref(piece);
    }
}

int command_tokenize(int argc, char **argv, const command *self)
{
    open_arguments open = { 0 };
    bool json = false, special = false;
    const argument table[] = {
        { "special", ARGUMENT_FLAG, &special, NULL,
          "read special tokens in the text, and add the begin token" },
        { "json", ARGUMENT_FLAG, &json, NULL, "a JSON array" },
        OPEN_ARGUMENTS(open),
    };
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    const char *words[2];
    int32_t *tokens = NULL;
    size_t n = 0;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2, 2);

    if (code >= 0)
        return code;
    status = open_engine(&engine, words[0], &open, false, &error);
    if (status == AC_OK)
        status = all_tokens(&tokens, &n, engine, words[1], strlen(words[1]),
                            special ? AC_SPECIAL_PARSE : AC_SPECIAL_AS_TEXT,
                            &error);
    code = EXIT_DONE;
    if (status != AC_OK) {
        code = report_failure(status, &error);
    } else {
        json_t *list = json ? json_array() : NULL;

        print_tokens(tokens, n, engine, list);
        if (list != NULL)
            code = print_json(list);
    }
    free(tokens);
    ac_close(engine);
    return code;
}

/* ---- score --------------------------------------------------------------- */

/* Sums over the windows of a text. */
typedef struct sums {
    double nll, kl;          /* nats */
    size_t n_scored, n_same; /* same most likely token as full */
    size_t n_compared;
} sums;

static double log_sum_exp(const float *x, size_t n)
{
    double top = (double)x[0], sum = 0.0;
    size_t i;

    for (i = 1; i < n; i++)
        top = (double)x[i] > top ? (double)x[i] : top;
    for (i = 0; i < n; i++)
        sum += exp((double)x[i] - top);
    return top + log(sum);
}

/* Kullback-Leibler divergence of `own` from `full`, in nats. */
static double divergence(const float *full, const float *own, size_t n)
{
    double zf = log_sum_exp(full, n), zo = log_sum_exp(own, n), kl = 0.0;
    size_t i;

    for (i = 0; i < n; i++) {
        double lf = (double)full[i] - zf;

        kl += exp(lf) * (lf - ((double)own[i] - zo));
    }
    return kl;
}

static size_t largest(const float *x, size_t n)
{
    size_t best = 0, i;

    for (i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* One window; its logits are compared with full's when both are given. */
static ac_status score_window(sums *s, ac_session *session,
                              const int32_t *tokens, size_t n,
                              const char *variant, float *logprobs,
                              float *own, float *full, size_t n_vocab,
                              ac_error *error)
{
    size_t i;
    ac_status status;

    if (full != NULL) {
        status = ac_score(logprobs, full, session, tokens, n, "full", error);
        if (status != AC_OK)
            return status;
    }
    status = ac_score(logprobs, own, session, tokens, n, variant, error);
    if (status != AC_OK)
        return status;
    for (i = 1; i < n; i++)
        s->nll -= (double)logprobs[i];
    s->n_scored += n - 1;
    for (i = 0; i < n && full != NULL; i++) {
        const float *f = full + i * n_vocab, *o = own + i * n_vocab;

        s->kl += divergence(f, o, n_vocab);
        s->n_same += largest(f, n_vocab) == largest(o, n_vocab);
        s->n_compared++;
    }
    return AC_OK;
}

static ac_status score_text(sums *s, ac_engine *engine, const int32_t *tokens,
                            size_t n, const char *variant, uint32_t window,
                            bool compare, ac_error *error)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_session_options options = AC_SESSION_OPTIONS_INIT;
    ac_session *session = NULL;
    float *logprobs = NULL, *own = NULL, *full = NULL;
    size_t at;
    ac_status status = ac_describe(&info, engine, error);

    if (window == 0 || window > info.n_context)
        window = info.n_context < 512 ? info.n_context : 512;
    options.n_context = window;
    if (status == AC_OK)
        status = ac_session_open(&session, engine, &options, error);
    logprobs = malloc(window * sizeof *logprobs);
    if (compare) {
        own = malloc((size_t)window * info.n_vocab * sizeof *own);
        full = malloc((size_t)window * info.n_vocab * sizeof *full);
    }
    if (logprobs == NULL || (compare && (own == NULL || full == NULL)))
        status = AC_E_NO_MEMORY;
    for (at = 0; at + 1 < n && status == AC_OK; at += window) {
        size_t length = n - at < window ? n - at : window;

        if (length < 2 && at > 0)
            break;
        if (was_interrupted())
            status = AC_E_CANCELLED;
        else
            status = score_window(s, session, tokens + at, length, variant,
                                  logprobs, own, full, info.n_vocab, error);
    }
    free(full);
    free(own);
    free(logprobs);
    ac_session_close(session);
    return status;
}

static char *read_whole(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size;

    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0) {
        text = malloc((size_t)size + 1);
        *n_bytes = text ? fread(text, 1, (size_t)size, file) : 0;
    }
    fclose(file);
    return text;
}

static int print_score(const sums *s, const char *variant, uint32_t window,
                       bool json)
{
    double nll = s->n_scored ? s->nll / (double)s->n_scored : NAN;
    double kl = s->n_compared ? s->kl / (double)s->n_compared : NAN;
    double same = s->n_compared
                      ? (double)s->n_same / (double)s->n_compared : NAN;

    if (json)
        return print_json(json_pack(
            "{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "variant", variant,
            "tokens", (json_int_t)s->n_scored, "window", (json_int_t)window,
            "nats_per_token", json_number(nll), "perplexity",
            json_number(exp(nll)), "kl_divergence", json_number(kl),
            "same_top_token", json_number(same)));
    printf("variant        %s\ntokens scored  %zu\nperplexity     %.4f "
           "(%.4f nats per token)\n", variant, s->n_scored, exp(nll), nll);
    if (s->n_compared > 0)
        printf("KL from full   %.3e nats per token\nsame top token %.2f%%\n",
               kl, 100.0 * same);
    return EXIT_DONE;
}

int command_score(int argc, char **argv, const command *self)
{
    open_arguments open = { 0 };
    const char *variant = "full", *file = NULL, *words[2] = { NULL, NULL };
    uint32_t window = 0;
    bool json = false;
    const argument table[] = {
        { "variant", ARGUMENT_TEXT, &variant, "V", "variant (full)" },
        { "file", ARGUMENT_TEXT, &file, "FILE", "text file instead of TEXT" },
        { "window", ARGUMENT_NUMBER, &window, "N",
          "tokens scored together (512, or the context)" },
        { "json", ARGUMENT_FLAG, &json, NULL, "one JSON object" },
        OPEN_ARGUMENTS(open),
    };
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    sums s = { 0 };
    int32_t *tokens = NULL;
    char *read = NULL;
    size_t n = 0, n_bytes = 0;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 1, 2);

    if (code >= 0)
        return code;
    if ((file == NULL) == (words[1] == NULL)) {
        fprintf(stderr, "agentcompress score: give TEXT or --file\n");
        return EXIT_USAGE;
    }
    if (file != NULL && (read = read_whole(file, &n_bytes)) == NULL) {
        fprintf(stderr, "agentcompress: could not read %s\n", file);
        return EXIT_MISSING;
    }
    if (file == NULL)
        n_bytes = strlen(words[1]);
    status = open_engine(&engine, words[0], &open, false, &error);
    if (status == AC_OK)
        status = all_tokens(&tokens, &n, engine, read ? read : words[1],
                            n_bytes, AC_SPECIAL_PARSE, &error);
    if (status == AC_OK)
        status = score_text(&s, engine, tokens, n, variant, window,
                            strcmp(variant, "full") != 0, &error);
    code = status == AC_OK ? print_score(&s, variant, window, json)
                           : report_failure(status, &error);
    free(tokens);
    free(read);
    ac_close(engine);
    return code;
}
