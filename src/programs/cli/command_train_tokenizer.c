/* command_train_tokenizer.c - `agentcompress train-tokenizer`. */
#include "cli.h"

static json_t *report_json(const ac_tokenizer_report *r)
{
    return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:o}", "vocabulary",
                     (int)r->n_vocab, "merges", (int)r->n_merges, "bytes",
                     (json_int_t)r->n_bytes, "words",
                     (json_int_t)r->n_words, "distinct_words",
                     (json_int_t)r->n_distinct_words, "tokens",
                     (json_int_t)r->n_tokens, "seconds",
                     json_number(r->seconds));
}

static void print_report(const ac_tokenizer_report *r, uint32_t wanted)
{
    char size[32], rate[32], took[32];

    printf("%u tokens from %u merges; %s of text is %llu tokens, %.3f bytes "
           "each\n%llu words, %llu of them distinct; %s, %s/s\n",
           r->n_vocab, r->n_merges,
           format_bytes(size, (double)r->n_bytes),
           (unsigned long long)r->n_tokens,
           r->n_tokens > 0 ? (double)r->n_bytes / (double)r->n_tokens : 0.0,
           (unsigned long long)r->n_words,
           (unsigned long long)r->n_distinct_words,
           format_seconds(took, r->seconds),
           format_bytes(rate, r->seconds > 0.0
                                  ? (double)r->n_bytes / r->seconds : 0.0));
    if (r->n_vocab < wanted)
        printf("fewer than the %u asked for: no other pair was frequent "
               "enough\n", wanted);
}

int command_train_tokenizer(int argc, char **argv, const command *self)
{
    ac_tokenizer_options options = AC_TOKENIZER_OPTIONS_INIT;
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    progress_state progress = { .line_open = false };
    text_list data = { .n = 0 }, special = { .n = 0 };
    bool json = false;
    const argument table[] = {
        { "data", ARGUMENT_TEXTS, &data, "FILE...",
          "text or JSON lines (.jsonl), plain or .xz" },
        { "vocab", ARGUMENT_NUMBER, &options.n_vocab, "N",
          "tokens, special ones and bytes included (4096)" },
        { "digits", ARGUMENT_NUMBER, &options.max_digits, "N",
          "most digits in one token, 1 or 3 (1)" },
        { "min-count", ARGUMENT_LARGE, &options.min_count, "N",
          "pairs rarer than this are not merged (2)" },
        { "special", ARGUMENT_TEXTS, &special, "TOKEN...",
          "special tokens after <|endoftext|>" },
        { "threads", ARGUMENT_NUMBER, &options.n_threads, "N",
          "threads (one per core); the result is the same" },
        { "json", ARGUMENT_FLAG, &json, NULL, "one JSON object" },
        { "quiet", ARGUMENT_FLAG, &progress.quiet, NULL, "no progress" },
    };
    ac_error error = AC_ERROR_INIT;
    const char *out;
    ac_status status;
    int code;

    options.n_vocab = 4096;
    code = parse_arguments(argc, argv, self, table,
                           sizeof table / sizeof *table, &out, 1, 1);
    if (code >= 0)
        return code;
    options.data = data.items;
    options.n_data = data.n;
    options.special_tokens = special.items;
    options.n_special_tokens = special.n;
    options.on_progress = draw_progress;
    options.progress_user = &progress;
    status = ac_train_tokenizer(&report, out, &options, &error);
    end_progress(&progress);
    if (status != AC_OK)
        return report_failure(status, &error);
    if (json)
        return print_json(report_json(&report));
    print_report(&report, options.n_vocab);
    return EXIT_DONE;
}
