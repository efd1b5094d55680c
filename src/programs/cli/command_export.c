/* command_export.c - `agentcompress export`: a variant for other engines. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Warnings go to stderr as they come, and into the JSON. */
typedef struct export_notes {
    json_t *list;
    bool quiet;
    progress_state *progress;
} export_notes;

static void add_note(int32_t level, const char *text, void *user)
{
    export_notes *notes = user;

    (void)level;
    json_array_append_new(notes->list, json_text(text, strlen(text)));
    if (notes->quiet)
        return;
    end_progress(notes->progress);
    fprintf(stderr, "warning: %s\n", text);
}

static json_t *export_json(const ac_export_report *r, const char *out,
                           const char *variant, json_t *notes)
{
    bool run = r->logits_compared != 0;

    return json_pack(
        "{s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:O}",
        "out", out, "variant", variant, "bytes", (json_int_t)r->n_bytes,
        "tensors", (json_int_t)r->n_tensors, "weight_error",
        json_number(r->weight_error), "logit_difference",
        run ? json_number(r->logit_difference) : json_null(),
        "kl_divergence", run ? json_number(r->kl) : json_null(),
        "same_top_token", run ? json_number(r->same_top) : json_null(),
        "tokens_compared", (json_int_t)r->n_tokens, "texts_compared",
        (json_int_t)r->n_texts, "texts_tokenized_differently",
        (json_int_t)r->n_texts_differ, "seconds", json_number(r->seconds),
        "warnings", notes);
}

static void print_export(const ac_export_report *r, const char *out,
                         const char *variant)
{
    char bytes[32];

    printf("wrote            %s: %s, %llu tensors, %s\n"
           "weights          read back, off by at most %.2e of a tensor\n"
           "tokens           %llu of %u texts; %u of the texts differ\n",
           out, variant, (unsigned long long)r->n_tensors,
           format_bytes(bytes, (double)r->n_bytes), r->weight_error,
           (unsigned long long)r->n_tokens, r->n_texts, r->n_texts_differ);
    if (r->logits_compared)
        printf("logits           off by at most %.4g; KL %.3g nats per token; "
               "same top token %.1f%%\n", r->logit_difference, r->kl,
               100.0 * r->same_top);
    else
        printf("logits           not compared\n");
}

int command_export(int argc, char **argv, const command *self)
{
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;
    ac_export_report report = AC_EXPORT_REPORT_INIT;
    progress_state progress = { .line_open = false };
    bool overwrite = false, weights_only = false, json = false;
    const argument table[] = {
        { "format", ARGUMENT_TEXT, &options.format, "F",
          "gguf or compressed-tensors (by the name of OUT)" },
        { "variant", ARGUMENT_TEXT, &options.variant, "V", "variant (full)" },
        { "type", ARGUMENT_TEXT, &options.type, "T",
          "of the weights (the variant's own)" },
        { "prompt", ARGUMENT_TEXT, &options.prompt, "TEXT",
          "compare logits on this text (four short ones)" },
        { "weights-only", ARGUMENT_FLAG, &weights_only, NULL,
          "do not compare logits: less memory" },
        { "memory", ARGUMENT_LARGE, &options.memory_limit_bytes, "BYTES",
          "use no more than this; K, M, G understood" },
        { "threads", ARGUMENT_NUMBER, &options.n_threads, "N",
          "threads (one per core)" },
        { "overwrite", ARGUMENT_FLAG, &overwrite, NULL,
          "replace an earlier export" },
        { "json", ARGUMENT_FLAG, &json, NULL, "one JSON object" },
        { "quiet", ARGUMENT_FLAG, &progress.quiet, NULL,
          "no progress, no warnings" },
    };
    export_notes notes = { NULL, false, &progress };
    ac_error error = AC_ERROR_INIT;
    const char *words[2], *variant;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2, 2);

    if (code >= 0)
        return code;
    options.overwrite = overwrite;
    options.check = weights_only ? AC_EXPORT_CHECK_WEIGHTS
                                 : AC_EXPORT_CHECK_ALL;
    notes.list = json_array();
    notes.quiet = progress.quiet;
    options.on_progress = draw_progress;
    options.progress_user = &progress;
    options.on_log = add_note;
    options.log_user = &notes;
    variant = options.variant != NULL ? options.variant : "full";
    status = ac_export(&report, words[0], words[1], &options, &error);
    end_progress(&progress);
    if (status != AC_OK)
        code = report_failure(status, &error);
    else if (json)
        code = print_json(export_json(&report, words[1], variant,
                                      notes.list));
    else
        print_export(&report, words[1], variant);
    json_decref(notes.list);
    return code < 0 ? EXIT_DONE : code;
}
