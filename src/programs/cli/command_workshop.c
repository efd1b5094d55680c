/* command_workshop.c - `agentcompress compress`, `measure` and
 * `train-predictor`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void print_log(int32_t level, const char *text, void *user)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == AC_LOG_WARNING ? "warning: " : "",
            text);
}

/* No such option was given. */
#define UNSET (UINT64_MAX - 1)

/* "a,b" of all that were given. */
static bool join_targets(char *out, size_t capacity, const text_list *list)
{
    size_t n = 0;

    for (uint32_t i = 0; i < list->n; i++) {
        int more = snprintf(out + n, capacity - n, "%s%s", i > 0 ? "," : "",
                            list->items[i]);

        if (more < 0 || (size_t)more >= capacity - n) {
            fprintf(stderr, "agentcompress compress: too many targets\n");
            return false;
        }
        n += (size_t)more;
    }
    return true;
}

int command_compress(int argc, char **argv, const command *self)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    progress_state progress = { .line_open = false };
    bool overwrite = false;
    text_list calibration = { .n = 0 }, targets = { .n = 0 };
    char all_targets[1024];
    uint64_t recover = UNSET;
    const argument table[] = {
        { "calibrate", ARGUMENT_TEXTS, &calibration, "FILES",
          "text or JSON lines, .xz too, to choose codes by" },
        { "calibration-tokens", ARGUMENT_LARGE, &options.calibration_tokens,
          "N", "tokens of it to read (65536)" },
        { "calibration-cache", ARGUMENT_TEXT, &options.calibration_cache,
          "FILE", "keep the statistics here, or take them from here" },
        { "variants", ARGUMENT_TEXT, &options.variants, "LIST",
          "names, or ladder: eight of them (full,int8,int4)" },
        { "plan", ARGUMENT_TEXT, &options.plan_path, "FILE",
          "JSON file of more variants (docs/compression.md)" },
        { "target", ARGUMENT_EACH, &targets, "COST=SHARE",
          "the best variant of at most that share of full's cost, bytes, "
          "seconds" },
        { "recover", ARGUMENT_LARGE, &recover, "TOKENS",
          "train what lost quality end to end on so many at most; 0: do not "
          "(300000)" },
        { "group", ARGUMENT_NUMBER, &options.group, "N",
          "weights per scale: 32, 64 or 128 (by size)" },
        { "predictor", ARGUMENT_TEXT, &options.predictor_path, "FILE",
          "predictor to put into the zoo" },
        { "memory", ARGUMENT_LARGE, &options.memory_limit_bytes, "BYTES",
          "use no more than this; K, M, G understood" },
        { "threads", ARGUMENT_NUMBER, &options.n_threads, "N",
          "threads (one per core)" },
        { "seed", ARGUMENT_LARGE, &options.seed, "S",
          "of synthetic weights" },
        { "overwrite", ARGUMENT_FLAG, &overwrite, NULL,
          "replace an existing zoo" },
        { "quiet", ARGUMENT_FLAG, &progress.quiet, NULL, "no progress" },
    };
    ac_error error = AC_ERROR_INIT;
    const char *words[2];
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2, 2);

    if (code >= 0)
        return code;
    if (!join_targets(all_targets, sizeof all_targets, &targets))
        return EXIT_USAGE;
    options.targets = targets.n > 0 ? all_targets : NULL;
    options.overwrite = overwrite;
    options.calibration = calibration.items;
    options.n_calibration = calibration.n;
    if (recover != UNSET)
        options.recovery_tokens = recover != 0 ? recover : AC_RECOVERY_NONE;
    options.on_progress = draw_progress;
    options.progress_user = &progress;
    options.on_log = progress.quiet ? NULL : print_log;
    announce_interrupt("\nstopping; the step at hand is ended first (once "
                       "more: at once)\n");
    status = ac_compress(words[0], words[1], &options, &error);
    end_progress(&progress);
    if (status != AC_OK)
        return report_failure(status, &error);
    if (!progress.quiet)
        fprintf(stderr, "made %s; try: agentcompress inspect %s\n", words[1],
                words[1]);
    return EXIT_DONE;
}

int command_measure(int argc, char **argv, const command *self)
{
    ac_measure_options options = AC_MEASURE_OPTIONS_INIT;
    progress_state progress = { .line_open = false };
    const argument table[] = {
        { "text", ARGUMENT_TEXT, &options.text_path, "FILE",
          "text to judge by: divergence from full, perplexity" },
        { "device", ARGUMENT_TEXT, &options.device, "D",
          "auto, cpu, or cuda:N" },
        { "threads", ARGUMENT_NUMBER, &options.n_threads, "N",
          "threads (one per core)" },
        { "prompt", ARGUMENT_NUMBER, &options.n_prompt, "N",
          "tokens per prefill (128)" },
        { "generate", ARGUMENT_NUMBER, &options.n_generate, "N",
          "tokens per decode (32)" },
        { "runs", ARGUMENT_NUMBER, &options.n_runs, "N",
          "of each variant (5, more of a small model)" },
        { "quiet", ARGUMENT_FLAG, &progress.quiet, NULL, "no progress" },
    };
    ac_error error = AC_ERROR_INIT;
    const char *zoo;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &zoo, 1, 1);

    if (code >= 0)
        return code;
    options.on_progress = draw_progress;
    options.progress_user = &progress;
    status = ac_measure(zoo, &options, &error);
    end_progress(&progress);
    if (status != AC_OK)
        return report_failure(status, &error);
    if (!progress.quiet)
        fprintf(stderr, "the card of %s has the figures; see: agentcompress "
                "inspect %s\n", zoo, zoo);
    return EXIT_DONE;
}

static json_t *report_json(const ac_train_report *r)
{
    return json_pack(
        "{s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o, s:o}, "
        "s:{s:o, s:o}, s:o, s:o}",
        "parameters", (int)r->n_parameters, "train", (int)r->n_train,
        "calibrate", (int)r->n_calibrate, "test", (int)r->n_test, "auroc",
        json_number(r->auroc), "brier", json_number(r->brier), "ece",
        json_number(r->ece), "apgr", "predictor", json_number(r->apgr),
        "random", json_number(r->apgr_random), "length",
        json_number(r->apgr_length), "logistic",
        json_number(r->apgr_logistic), "oracle", json_number(r->apgr_oracle),
        "auroc_of", "length", json_number(r->auroc_length), "logistic",
        json_number(r->auroc_logistic), "share_full_at_threshold",
        json_number(r->share_full_at_threshold), "retention_at_threshold",
        json_number(r->retention_at_threshold));
}

/* "0.7312", or "-" where it is not defined. */
static const char *figure(char *out, double value)
{
    if (isnan(value))
        snprintf(out, 16, "-     ");
    else
        snprintf(out, 16, "%.4f", value);
    return out;
}

static void print_line(const char *name, double auroc, double apgr,
                       const char *rest)
{
    char left[16], right[16];

    printf("  %-9s   %s    %s%s\n", name, figure(left, auroc),
           figure(right, apgr), rest);
}

static void print_report(const ac_train_report *r)
{
    char judged[64];

    snprintf(judged, sizeof judged, "   (Brier %.4f, ECE %.4f)", r->brier,
             r->ece);
    printf("%u parameters; %u prompts to learn from, %u to calibrate, %u "
           "held out\n\n              AUROC     APGR\n", r->n_parameters,
           r->n_train, r->n_calibrate, r->n_test);
    print_line("predictor", r->auroc, r->apgr, judged);
    print_line("logistic", r->auroc_logistic, r->apgr_logistic,
               "   hashed words, same features");
    print_line("length", r->auroc_length, r->apgr_length, "");
    print_line("random", 0.5, r->apgr_random, "");
    print_line("oracle", 1.0, r->apgr_oracle, "");
    if (isnan(r->apgr_oracle))
        printf("\nall variants agree on the prompts held out: there is nothing "
               "to gain by\nchoosing, and a dash stands where that would be "
               "judged; more or harder\ntasks are needed\n");
    if (isnan(r->share_full_at_threshold) ||
        isnan(r->retention_at_threshold))
        return;
    printf("\nat confidence 0.7: %.1f%% of prompts go to full, %.1f%% of "
           "full's success is kept\n", 100.0 * r->share_full_at_threshold,
           100.0 * r->retention_at_threshold);
}

int command_train_predictor(int argc, char **argv, const command *self)
{
    ac_train_options options = AC_TRAIN_OPTIONS_INIT;
    ac_train_report report = AC_TRAIN_REPORT_INIT;
    progress_state progress = { .line_open = false };
    bool json = false;
    const argument table[] = {
        { "prefix-tokens", ARGUMENT_NUMBER, &options.n_prefix_tokens, "N",
          "words of the prompt to read, 10-15 (15)" },
        { "epochs", ARGUMENT_NUMBER, &options.max_epochs, "N",
          "passes over the data at most (40)" },
        { "test-share", ARGUMENT_REAL, &options.test_share, "S",
          "share held out, by prompt (0.2)" },
        { "seed", ARGUMENT_LARGE, &options.seed, "S",
          "same seed, same predictor" },
        { "json", ARGUMENT_FLAG, &json, NULL, "one JSON object" },
        { "quiet", ARGUMENT_FLAG, &progress.quiet, NULL, "no progress" },
    };
    ac_error error = AC_ERROR_INIT;
    const char *words[2];
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2, 2);

    if (code >= 0)
        return code;
    options.on_progress = draw_progress;
    options.progress_user = &progress;
    status = ac_train_predictor(&report, words[0], words[1], &options,
                                &error);
    end_progress(&progress);
    if (status != AC_OK)
        return report_failure(status, &error);
    if (json)
        return print_json(report_json(&report));
    print_report(&report);
    return EXIT_DONE;
}
