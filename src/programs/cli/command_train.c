/* command_train.c - `agentcompress train`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* A line on a terminal is redrawn this often; elsewhere one is added. */
#define DRAW_SECONDS 0.2
#define LINE_SECONDS 15.0

typedef struct train_display {
    double drawn_at;
    bool quiet, open;
} train_display;

/* "1h02m", "3m20s", "12s" */
static const char *format_left(char out[32], double seconds)
{
    unsigned s = seconds < 0.0 ? 0 : seconds > 3.5e6 ? 3500000
                                                     : (unsigned)seconds;

    if (s >= 3600)
        snprintf(out, 32, "%uh%02um", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 32, "%um%02us", s / 60, s % 60);
    else
        snprintf(out, 32, "%us", s);
    return out;
}

static void draw(const ac_training_progress *p, bool terminal)
{
    char held_out[40] = "", share[48] = "", left[32];

    if (isfinite(p->held_out_loss))
        snprintf(held_out, sizeof held_out, "  held-out %.4f",
                 p->held_out_loss);
    if (p->matrix_share > 0.0)
        snprintf(share, sizeof share, " (%.0f%% of the matrix rate)",
                 100.0 * p->matrix_share);
    fprintf(stderr,
            "%sstep %llu/%llu  %.0f tokens/s%s  loss %.4f%s  %s left%s",
            terminal ? "\r" : "", (unsigned long long)p->step,
            (unsigned long long)p->n_steps, p->tokens_per_second, share,
            p->loss, held_out, format_left(left, p->seconds_left),
            terminal ? "\033[K" : "\n");
}

static int32_t on_progress(const ac_training_progress *p, void *user)
{
    train_display *display = user;
    bool terminal = isatty(STDERR_FILENO);
    double now = progress_seconds();

    if (!display->quiet &&
        (now - display->drawn_at >= (terminal ? DRAW_SECONDS : LINE_SECONDS) ||
         p->step == p->n_steps)) {
        draw(p, terminal);
        display->drawn_at = now;
        display->open = terminal;
    }
    return was_interrupted() ? 1 : 0;
}

static void on_log(int32_t level, const char *text, void *user)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == AC_LOG_WARNING ? "warning: " : "",
            text);
}

static json_t *report_json(const ac_training_report *r)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:b}",
        "parameters", (json_int_t)r->n_parameters, "trained",
        (json_int_t)r->n_trainable, "steps", (json_int_t)r->n_steps, "tokens",
        (json_int_t)r->n_tokens, "seconds", json_number(r->seconds),
        "tokens_per_second", json_number(r->tokens_per_second),
        "matrix_share", json_number(r->matrix_share), "loss",
        json_number(r->loss), "held_out_loss",
        json_number(r->held_out_loss), "best_step",
        (json_int_t)r->best_step, "stopped_early", (int)r->stopped_early);
}

static void print_report(const ac_training_report *r, const char *out)
{
    char spent[32];

    printf("%llu steps, %llu tokens in %s; loss %.4f",
           (unsigned long long)r->n_steps, (unsigned long long)r->n_tokens,
           format_left(spent, r->seconds), r->loss);
    if (r->best_step != 0)
        printf(", held-out %.4f at step %llu%s", r->held_out_loss,
               (unsigned long long)r->best_step,
               r->stopped_early ? " (stopped early)" : "");
    printf("\n%.0f tokens/s", r->tokens_per_second);
    if (r->matrix_share > 0.0)
        printf(", %.0f%% of the rate of matrix products",
               100.0 * r->matrix_share);
    printf("\nmade %s; try: agentcompress compress %s my.zoo\n", out, out);
}

static bool documents_named(uint32_t *out, const char *name)
{
    static const char *const names[] = { "blank", "file", "line" };

    for (*out = 0; *out < 3; ++*out)
        if (strcmp(name, names[*out]) == 0)
            return true;
    fprintf(stderr, "agentcompress train: documents are told apart by blank, "
            "file or line, not \"%s\"\n", name);
    return false;
}

typedef struct train_flags {
    bool recompute, from_scratch, resume, overwrite, json, plot, log_steps;
    const char *documents;
    text_list data, held_out;
} train_flags;

static int train(ac_training_options *options, const train_flags *flags,
                 train_display *display, const char *model, const char *out)
{
    ac_training_report report = AC_TRAINING_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_status status;

    options->recompute = flags->recompute;
    options->from_scratch = flags->from_scratch;
    options->resume = flags->resume;
    options->overwrite = flags->overwrite;
    options->data = flags->data.items;
    options->n_data = (uint32_t)flags->data.n;
    options->held_out = flags->held_out.items;
    options->n_held_out = (uint32_t)flags->held_out.n;
    options->on_progress = on_progress;
    options->progress_user = display;
    options->on_log = display->quiet ? NULL : on_log;
    status = ac_train(&report, model, out, options, &error);
    if (display->open)
        fputc('\n', stderr);
    if (status != AC_OK)
        return report_failure(status, &error);
    if (flags->json)
        return print_json(report_json(&report));
    print_report(&report, out);
    return EXIT_DONE;
}

/* Long because it is the table of options. */
int command_train(int argc, char **argv, const command *self)
{
    ac_training_options o = AC_TRAINING_OPTIONS_INIT;
    train_flags f = { .documents = "blank" };
    train_display display = { .drawn_at = -1e9 };
    const argument table[] = {
        { "data", ARGUMENT_TEXTS, &f.data, "FILES",
          "text or JSON lines, .xz too; several, weighed by W" },
        { "held-out", ARGUMENT_TEXTS, &f.held_out, "FILES",
          "files to judge by" },
        { "held-out-share", ARGUMENT_REAL, &o.held_out_share, "S",
          "or: this share of the documents (none)" },
        { "documents", ARGUMENT_TEXT, &f.documents, "HOW",
          "text: blank (lines between), file, line (blank)" },
        { "steps", ARGUMENT_LARGE, &o.n_steps, "N", "updates (from epochs)" },
        { "epochs", ARGUMENT_REAL, &o.n_epochs, "E",
          "passes over the data (1)" },
        { "batch-tokens", ARGUMENT_NUMBER, &o.batch_tokens, "N",
          "tokens in one pass (4096)" },
        { "accumulate", ARGUMENT_NUMBER, &o.n_accumulate, "N",
          "passes per update (1)" },
        { "context", ARGUMENT_NUMBER, &o.n_context, "N",
          "longest piece of a document (the model's, <= 1024)" },
        { "learning-rate", ARGUMENT_REAL, &o.learning_rate, "R",
          "at its peak (by size; a tenth for trained weights)" },
        { "schedule", ARGUMENT_TEXT, &o.schedule, "S",
          "cosine, linear or constant (cosine)" },
        { "warmup", ARGUMENT_REAL, &o.warmup_share, "S",
          "share of the steps; -1: none (0.02)" },
        { "final-rate", ARGUMENT_REAL, &o.final_rate_share, "S",
          "share of the peak at the end (0.1)" },
        { "beta1", ARGUMENT_REAL, &o.beta_1, "B", "of AdamW (0.9)" },
        { "beta2", ARGUMENT_REAL, &o.beta_2, "B", "of AdamW (0.95)" },
        { "decay", ARGUMENT_REAL, &o.weight_decay, "D",
          "of weights; -1: none (0.1)" },
        { "clip", ARGUMENT_REAL, &o.clip_norm, "N",
          "norm of gradients; -1: none (1)" },
        { "average", ARGUMENT_REAL, &o.average_decay, "D",
          "keep a running mean of the weights (none)" },
        { "evaluate-every", ARGUMENT_NUMBER, &o.evaluate_every, "N",
          "steps between held-out losses (a twentieth)" },
        { "evaluate-tokens", ARGUMENT_NUMBER, &o.evaluate_tokens, "N",
          "held-out tokens read each time (64K)" },
        { "patience", ARGUMENT_NUMBER, &o.patience, "N",
          "end after N evaluations without a better one" },
        { "trainable", ARGUMENT_TEXT, &o.trainable, "WHAT",
          "all, small, lora, block:N (all)" },
        { "lora-rank", ARGUMENT_NUMBER, &o.lora_rank, "N", "rank (8)" },
        { "lora-alpha", ARGUMENT_REAL, &o.lora_alpha, "A",
          "scale (twice the rank)" },
        { "matrices", ARGUMENT_TEXT, &o.matrices, "LIST",
          "for lora: q,k,v,o,gate,up,down (all)" },
        { "teacher", ARGUMENT_TEXT, &o.teacher, "MODEL",
          "learn its probabilities" },
        { "distill", ARGUMENT_REAL, &o.distill_share, "S",
          "their share of the loss (1)" },
        { "temperature", ARGUMENT_REAL, &o.distill_temperature, "T",
          "of both sides (1)" },
        { "seed", ARGUMENT_LARGE, &o.seed, "S", "of weights and order" },
        { "from-scratch", ARGUMENT_FLAG, &f.from_scratch, NULL,
          "fresh weights though there are some" },
        { "precision", ARGUMENT_TEXT, &o.precision, "P",
          "of matrix products: float32, bf16 (float32)" },
        { "recompute", ARGUMENT_FLAG, &f.recompute, NULL,
          "less memory, a third more work" },
        { "save-every", ARGUMENT_NUMBER, &o.save_every, "N",
          "steps between saved states (5 minutes)" },
        { "resume", ARGUMENT_FLAG, &f.resume, NULL, "go on where OUT is" },
        { "overwrite", ARGUMENT_FLAG, &f.overwrite, NULL, "begin OUT anew" },
        { "threads", ARGUMENT_NUMBER, &o.n_threads, "N",
          "threads (one per core)" },
        { "plot", ARGUMENT_FLAG, &f.plot, NULL,
          "draw LOG.csv as OUT.svg instead" },
        { "log-steps", ARGUMENT_FLAG, &f.log_steps, NULL,
          "for plot: logarithmic steps" },
        { "json", ARGUMENT_FLAG, &f.json, NULL, "one JSON object" },
        { "quiet", ARGUMENT_FLAG, &display.quiet, NULL, "no progress" },
    };
    const char *words[2];
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2, 2);

    if (code >= 0)
        return code;
    if (f.plot)
        return draw_loss_curve(words[0], words[1], f.log_steps);
    if (!documents_named(&o.documents, f.documents))
        return EXIT_USAGE;
    return train(&o, &f, &display, words[0], words[1]);
}
