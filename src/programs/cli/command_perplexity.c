/* command_perplexity.c - `agentcompress perplexity` and `score`: how well
 * variants predict a text, and how near they stay to full. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* One text's figures. */
typedef struct judged {
    const char *path;         /* NULL: from the command line */
    ac_text_summary summary;
    ac_quality rows[AC_MAX_VARIANTS];
    size_t n_rows;
} judged;

static ac_status judge(judged *j, ac_engine *engine, const char *path,
                       const ac_perplexity_options *options, ac_error *error)
{
    const ac_text_summary summary = AC_TEXT_SUMMARY_INIT;
    const ac_quality row = AC_QUALITY_INIT;

    j->path = path;
    j->summary = summary;
    j->rows[0] = row;
    return ac_perplexity(j->rows, AC_MAX_VARIANTS, &j->n_rows, &j->summary,
                         engine, path, options, error);
}

/* ---- for machines -------------------------------------------------------- */

static const char *begin_name(uint32_t begin)
{
    static const char *const names[] = { "document", "window", "none" };

    return begin < 3 ? names[begin] : "?";
}

static json_t *row_json(const ac_quality *q)
{
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:o}",
        "variant", q->name, "perplexity", json_number(q->perplexity),
        "perplexity_error", json_number(q->perplexity_error),
        "nats_per_token", json_number(q->nats),
        "nats_per_token_error", json_number(q->nats_error),
        "bits_per_byte", json_number(q->bits_per_byte),
        "bits_per_byte_error", json_number(q->bits_per_byte_error),
        "nats_over_full", json_number(q->nats_over_full),
        "nats_over_full_error", json_number(q->nats_over_full_error),
        "kl_divergence", json_number(q->kl),
        "kl_divergence_error", json_number(q->kl_error),
        "kl_median", json_number(q->kl_median),
        "kl_p99", json_number(q->kl_p99), "kl_max", json_number(q->kl_max),
        "same_top_token", json_number(q->same_top),
        "same_top_token_error", json_number(q->same_top_error),
        "seconds", json_number(q->seconds));
}

static json_t *judged_json(const judged *j, const char *model)
{
    const ac_text_summary *s = &j->summary;
    json_t *rows = json_array();
    size_t i;

    for (i = 0; i < j->n_rows; i++)
        json_array_append_new(rows, row_json(&j->rows[i]));
    return json_pack(
        "{s:s, s:s*, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s, "
        "s:i, s:i, s:b, s:i, s:i, s:s, s:I, s:o}",
        "model", model, "text", j->path, "text_sha256", s->text_sha256,
        "bytes", (json_int_t)s->n_bytes, "documents",
        (json_int_t)s->n_documents, "tokens", (json_int_t)s->n_tokens,
        "judged_tokens", (json_int_t)s->n_judged, "judged_bytes",
        (json_int_t)s->judged_bytes, "context", (json_int_t)s->n_context,
        "stride", (json_int_t)s->stride, "second_half", s->second_half == 1,
        "whole_windows", s->whole_windows == 1, "begin",
        begin_name(s->begin), "begin_token", (int)s->begin_token,
        "end_token", (int)s->end_token, "special",
        s->special == AC_SPECIAL_PARSE, "kv_bits", (int)s->kv_bits,
        "vocabulary", (int)s->n_vocab, "vocabulary_sha256",
        s->vocabulary_sha256, "batches", (json_int_t)s->n_batches,
        "variants", rows);
}

/* ---- for people ---------------------------------------------------------- */

/* "12.3456 +- 0.0123"; the error is left out where there is none. */
static const char *with_error(char *out, double value, double error,
                              int places, double scale)
{
    if (isnan(error))
        snprintf(out, 48, "%.*f", places,
                 without_sign(scale * value, places));
    else
        snprintf(out, 48, "%.*f +- %.*f", places,
                 without_sign(scale * value, places), places,
                 scale * error);
    return out;
}

static void print_head(const judged *j, const char *model)
{
    const ac_text_summary *s = &j->summary;
    char bytes[32];

    printf("model      %s; vocabulary of %u, sha256 %.16s\n"
           "text       %s, sha256 %.16s; %s in %llu document%s\n"
           "tokens     %llu, of which %llu are judged\n"
           "windows    %llu of %u tokens, stride %u%s%s\n",
           model, s->n_vocab, s->vocabulary_sha256,
           j->path ? j->path : "(given)", s->text_sha256,
           format_bytes(bytes, (double)s->n_bytes),
           (unsigned long long)s->n_documents,
           s->n_documents == 1 ? "" : "s",
           (unsigned long long)s->n_tokens, (unsigned long long)s->n_judged,
           (unsigned long long)s->n_windows, s->n_context, s->stride,
           s->second_half ? ", second halves judged"
           : s->stride == s->n_context ? ", disjoint" : ", sliding",
           s->whole_windows ? ", whole ones only" : "");
    if (s->begin_token >= 0)
        printf("begin      token %d %s\n", (int)s->begin_token,
               s->begin == AC_BEGIN_WINDOW
                   ? "in place of each window's first"
                   : "before each document");
    else
        printf("begin      no begin token\n");
    if (s->end_token >= 0)
        printf("end        token %d behind each document, judged\n",
               (int)s->end_token);
    printf("cache      %u bits\n"
           "errors     +- is one standard error, from %llu batches of "
           "%u tokens or a document\n\n", s->kv_bits,
           (unsigned long long)s->n_batches, s->n_context);
}

static int longest_name(const judged *j)
{
    size_t longest = 10, i;

    for (i = 0; i < j->n_rows; i++)
        if (strlen(j->rows[i].name) > longest)
            longest = strlen(j->rows[i].name);
    return (int)longest;
}

static void print_judged(const judged *j, const char *model)
{
    int width = longest_name(j);
    size_t i;

    print_head(j, model);
    printf("%-*s %-22s %-20s %-22s %s\n", width, "variant", "perplexity",
           "bits per byte", "ln(ppl / full's)", "tokens/s");
    for (i = 0; i < j->n_rows; i++) {
        const ac_quality *q = &j->rows[i];
        char perplexity[48], bits[48], over[48];

        printf("%-*s %-22s %-20s %-22s %.0f\n", width, q->name,
               with_error(perplexity, q->perplexity, q->perplexity_error, 4,
                          1.0),
               with_error(bits, q->bits_per_byte, q->bits_per_byte_error, 4,
                          1.0),
               with_error(over, q->nats_over_full, q->nats_over_full_error,
                          5, 1.0),
               (double)j->summary.n_judged / q->seconds);
    }
    if (j->n_rows < 2)
        return;
    printf("\n%-*s %-24s %-10s %-10s %-10s %s\n", width, "variant",
           "KL from full, nats", "median", "99%", "most",
           "same top token, %");
    for (i = 1; i < j->n_rows; i++) {
        const ac_quality *q = &j->rows[i];
        char kl[48], same[48];

        printf("%-*s %-24s %-10.6f %-10.6f %-10.6f %s\n", width, q->name,
               with_error(kl, q->kl, q->kl_error, 6, 1.0),
               without_sign(q->kl_median, 6), without_sign(q->kl_p99, 6),
               without_sign(q->kl_max, 6),
               with_error(same, q->same_top, q->same_top_error, 2, 100.0));
    }
}

/* ---- perplexity ---------------------------------------------------------- */

enum { MAX_TEXTS = 64 };

static bool read_begin(uint32_t *out, const char *name)
{
    for (*out = AC_BEGIN_DOCUMENT; *out <= AC_BEGIN_NONE; ++*out)
        if (strcmp(name, begin_name(*out)) == 0)
            return true;
    fprintf(stderr, "agentcompress perplexity: --begin is document, window "
            "or none\n");
    return false;
}

static int judge_texts(const char *const *texts, const char *zoo,
                       const open_arguments *open,
                       const ac_perplexity_options *options,
                       progress_state *progress, bool json)
{
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    json_t *list = json ? json_array() : NULL;
    judged *j = malloc(sizeof *j);
    ac_status status = j ? AC_OK : AC_E_NO_MEMORY;
    size_t i;

    if (status == AC_OK)
        status = open_engine(&engine, zoo, open, false, &error);
    for (i = 0; status == AC_OK && texts[i] != NULL; i++) {
        status = judge(j, engine, texts[i], options, &error);
        end_progress(progress);
        if (status == AC_OK && json) {
            json_array_append_new(list, judged_json(j, zoo));
        } else if (status == AC_OK) {
            printf("%s", i > 0 ? "\n" : "");
            print_judged(j, zoo);
            fflush(stdout);
        }
    }
    ac_close(engine);
    free(j);
    if (status != AC_OK) {
        json_decref(list);
        return report_failure(status, &error);
    }
    return json ? print_json(list) : EXIT_DONE;
}

int command_perplexity(int argc, char **argv, const command *self)
{
    ac_perplexity_options options = AC_PERPLEXITY_OPTIONS_INIT;
    progress_state progress = { .line_open = false };
    open_arguments open = { 0 };
    const char *begin = "document", *words[MAX_TEXTS + 2] = { NULL };
    bool second_half = false, whole = false, special = false, end = false;
    bool json = false;
    const argument table[] = {
        { "variants", ARGUMENT_TEXT, &options.variants, "LIST",
          "int8,int4 (all; full always runs)" },
        { "context", ARGUMENT_NUMBER, &options.n_context, "N",
          "tokens of a window (512, or the model's)" },
        { "stride", ARGUMENT_NUMBER, &options.stride, "S",
          "from window to window (N: disjoint)" },
        { "second-half", ARGUMENT_FLAG, &second_half, NULL,
          "judge each disjoint window's second half only" },
        { "whole-windows", ARGUMENT_FLAG, &whole, NULL,
          "leave out a last window that is not whole" },
        { "begin", ARGUMENT_TEXT, &begin, "WHERE",
          "begin token before each document, each window, or none" },
        { "end", ARGUMENT_FLAG, &end, NULL,
          "judge the end token behind each document too" },
        { "special", ARGUMENT_FLAG, &special, NULL,
          "read special tokens in the text" },
        { "tokens", ARGUMENT_LARGE, &options.max_tokens, "N",
          "stop after so many of each text (all)" },
        { "kv-bits", ARGUMENT_NUMBER, &options.kv_bits, "B",
          "of the cache: 32, 16 or 8 (16; a checkpoint's 32)" },
        { "json", ARGUMENT_FLAG, &json, NULL, "a JSON array, one per text" },
        { "quiet", ARGUMENT_FLAG, &progress.quiet, NULL, "no progress" },
        OPEN_ARGUMENTS(open),
    };
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2,
                               MAX_TEXTS + 1);

    if (code >= 0)
        return code;
    if (!read_begin(&options.begin, begin))
        return EXIT_USAGE;
    options.second_half = second_half;
    options.whole_windows = whole;
    options.end = end;
    options.special = special ? AC_SPECIAL_PARSE : AC_SPECIAL_AS_TEXT;
    options.on_progress = draw_progress;
    options.progress_user = &progress;
    return judge_texts(words + 1, words[0], &open, &options, &progress, json);
}

/* ---- score --------------------------------------------------------------- */

static int print_score(const judged *j, bool json)
{
    const ac_quality *q = &j->rows[j->n_rows - 1];

    if (json)
        return print_json(json_pack(
            "{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "variant", q->name,
            "tokens", (json_int_t)j->summary.n_judged, "window",
            (json_int_t)j->summary.n_context, "nats_per_token",
            json_number(q->nats), "perplexity", json_number(q->perplexity),
            "kl_divergence", json_number(q->kl), "same_top_token",
            json_number(q->same_top)));
    printf("variant        %s\ntokens scored  %llu\nperplexity     %.4f "
           "(%.4f nats per token)\n", q->name,
           (unsigned long long)j->summary.n_judged, q->perplexity, q->nats);
    if (j->n_rows > 1)
        printf("KL from full   %.3e nats per token\nsame top token %.2f%%\n",
               q->kl, 100.0 * q->same_top);
    return EXIT_DONE;
}

int command_score(int argc, char **argv, const command *self)
{
    ac_perplexity_options options = AC_PERPLEXITY_OPTIONS_INIT;
    open_arguments open = { 0 };
    const char *file = NULL, *words[2] = { NULL, NULL };
    bool json = false;
    const argument table[] = {
        { "variant", ARGUMENT_TEXT, &options.variants, "V",
          "variant (full)" },
        { "file", ARGUMENT_TEXT, &file, "FILE", "text file instead of TEXT" },
        { "window", ARGUMENT_NUMBER, &options.n_context, "N",
          "tokens scored together (512, or the context)" },
        { "json", ARGUMENT_FLAG, &json, NULL, "one JSON object" },
        OPEN_ARGUMENTS(open),
    };
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    judged *j;
    ac_status status;
    int code;

    options.variants = "full";
    code = parse_arguments(argc, argv, self, table,
                           sizeof table / sizeof *table, words, 1, 2);
    if (code >= 0)
        return code;
    if ((file == NULL) == (words[1] == NULL)) {
        fprintf(stderr, "agentcompress score: give TEXT or --file\n");
        return EXIT_USAGE;
    }
    options.text = words[1];
    options.text_bytes = words[1] ? strlen(words[1]) : 0;
    options.special = AC_SPECIAL_PARSE;
    j = malloc(sizeof *j);
    status = j ? open_engine(&engine, words[0], &open, false, &error)
               : AC_E_NO_MEMORY;
    if (status == AC_OK)
        status = judge(j, engine, file, &options, &error);
    code = status == AC_OK ? print_score(j, json)
                           : report_failure(status, &error);
    ac_close(engine);
    free(j);
    return code;
}
