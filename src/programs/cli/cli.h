/* cli.h - what the commands of `agentcompress` share. They see the public
 * header and nothing else of the library. */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <agentcompress.h>

/* Exit codes, documented in the manual page; never a signal. */
enum {
    EXIT_DONE = 0,
    EXIT_USAGE = 1,       /* the command line itself */
    EXIT_MISSING = 2,     /* not found, cannot be read or written */
    EXIT_MALFORMED = 3,   /* a file is damaged or unsupported */
    EXIT_CONTEXT = 4,     /* prompt longer than the context */
    EXIT_RESOURCES = 5,   /* out of memory or disk */
    EXIT_DEVICE = 6,
    EXIT_BUDGET = 7,
    EXIT_CANCELLED = 8,   /* Ctrl-C */
    EXIT_INTERNAL = 9
};

/* ---- arguments.c --------------------------------------------------------- */

typedef enum argument_kind {
    ARGUMENT_FLAG,        /* bool */
    ARGUMENT_TEXT,        /* const char * */
    ARGUMENT_NUMBER,      /* uint32_t */
    ARGUMENT_LARGE,       /* uint64_t; K, M, G understood */
    ARGUMENT_REAL,        /* float */
    ARGUMENT_EACH,        /* text_list: one word each time it is given */
    ARGUMENT_TEXTS        /* text_list: the words up to the next option */
} argument_kind;

/* Words given to one option, or to several of the same name. */
typedef struct text_list {
    const char *items[1024];
    uint32_t n;
} text_list;

typedef struct argument {
    const char *name;     /* "max-tokens", without dashes */
    argument_kind kind;
    void *value;          /* holds the default until parsed */
    const char *hint;     /* "N" */
    const char *help;
} argument;

typedef struct command {
    const char *name;
    const char *usage;    /* "ZOO PROMPT" */
    const char *summary;  /* one line */
    const char *examples; /* lines for --help */
    int (*run)(int argc, char **argv, const struct command *command);
} command;

/* Splits argv (after the command's name) into options and positionals, of
 * which there must be between `least` and `most`. Handles --help. Returns -1
 * to go on, or the exit code. */
int parse_arguments(int argc, char **argv, const command *self,
                    const argument *arguments, size_t n_arguments,
                    const char **positionals, size_t least, size_t most);

/* ---- report.c ------------------------------------------------------------ */

/* Prints "agentcompress: message" and gives the exit code of `status`. */
int report_failure(ac_status status, const ac_error *error);

/* Prints the JSON, a newline, and releases it; EXIT_DONE or EXIT_RESOURCES. */
int print_json(json_t *json);

/* The variants of ac_inspect's description side by side; nothing for other
 * descriptions. */
void print_variants(const json_t *zoo);

/* A number of a variant's description, NaN where there is none. */
double number_at(const json_t *object, const char *part, const char *field);
/* The variant called full, or NULL. */
const json_t *find_full(const json_t *variants);

/* json_real, or null for NaN and infinities. */
json_t *json_number(double value);
/* Always valid UTF-8: other bytes become U+FFFD. */
json_t *json_text(const char *text, size_t n_bytes);

json_t *decision_json(const ac_decision *decision, const ac_engine *engine);
json_t *usage_json(const ac_usage *usage);

/* The value, or 0 where so many decimals would show it as "-0.00". */
double without_sign(double value, int decimals);

/* "$0.001234", "1.2 ms", "3.4 MB" into a buffer of 32 bytes. */
const char *format_dollars(char *out, int64_t nanodollars);
const char *format_seconds(char *out, double seconds);
const char *format_bytes(char *out, double bytes);

/* ---- progress.c ---------------------------------------------------------- */

/* An ac_progress_callback that draws one line on stderr when it is a terminal:
 * stage, bar, rate, time left; otherwise a line per stage. Stops the work on
 * Ctrl-C. `user` is a progress_state. */
typedef struct progress_state {
    char stage[32];
    double drawn_at;      /* seconds, of the last drawing */
    double stage_began;
    bool line_open;
    bool quiet;
} progress_state;
int32_t draw_progress(const ac_progress *progress, void *user);
void end_progress(progress_state *state);
/* Seconds of a clock that never goes back. */
double progress_seconds(void);

/* ---- loss_curve.c -------------------------------------------------------- */

/* Draws the losses of a log.csv as an SVG. */
int draw_loss_curve(const char *log_path, const char *svg_path,
                    bool log_steps);

/* ---- frontier_plot.c ----------------------------------------------------- */

/* Draws the variants of ac_inspect's description as an SVG: `cost` (bytes,
 * bit_operations, macs, seconds; NULL: what was measured) against `quality`
 * (kl, perplexity, success; NULL likewise). `path` is named in failures.
 * Returns the exit code. */
int draw_frontier(const json_t *zoo, const char *path, const char *svg_path,
                  const char *cost, const char *quality);

/* ---- interrupt.c --------------------------------------------------------- */

/* Makes Ctrl-C (and SIGTERM) set a flag and cancel the session, if any. A
 * second Ctrl-C ends the process in the ordinary way. */
void watch_interrupts(void);
void cancel_on_interrupt(ac_session *session); /* NULL: none */
bool was_interrupted(void);
/* Said at once when it happens, where tidying up may take seconds; a constant
 * that ends in a line break. */
void announce_interrupt(const char *text);

/* ---- opening ------------------------------------------------------------- */

typedef struct open_arguments {
    const char *device, *cpu_level, *ledger, *prices, *price;
    uint32_t n_threads;
    bool no_ledger, verify;
    progress_state *progress;     /* to draw copying to a GPU with; or NULL */
} open_arguments;

/* Opens the zoo or checkpoint; without --ledger, a zoo's own ledger
 * ("ZOO/ledger.sqlite") is used when it can be. */
ac_status open_engine(ac_engine **out, const char *path,
                      const open_arguments *arguments, bool with_ledger,
                      ac_error *error);
/* "ZOO/ledger.sqlite", or the path itself when it is a file. */
void ledger_path(char *out, size_t capacity, const char *zoo);

#define OPEN_ARGUMENTS(o)                                                     \
    { "device", ARGUMENT_TEXT, &(o).device, "D",                              \
      "auto, cpu, or cuda:N" },                                               \
    { "threads", ARGUMENT_NUMBER, &(o).n_threads, "N",                        \
      "threads (one per core)" },                                             \
    { "cpu-level", ARGUMENT_TEXT, &(o).cpu_level, "L",                        \
      "reference, avx2 or avx512 instead of the best" }
#define LEDGER_ARGUMENTS(o)                                                   \
    { "ledger", ARGUMENT_TEXT, &(o).ledger, "FILE",                           \
      "ledger to write (ZOO/ledger.sqlite)" },                                \
    { "no-ledger", ARGUMENT_FLAG, &(o).no_ledger, NULL, "record nothing" },   \
    { "prices", ARGUMENT_TEXT, &(o).prices, "FILE",                           \
      "price book (the one built in)" },                                      \
    { "price", ARGUMENT_TEXT, &(o).price, "NAME",                             \
      "entry of the price book (local-cpu)" }

/* ---- commands ------------------------------------------------------------ */

int command_compress(int argc, char **argv, const command *self);
int command_measure(int argc, char **argv, const command *self);
int command_run(int argc, char **argv, const command *self);
int command_chat(int argc, char **argv, const command *self);
int command_route(int argc, char **argv, const command *self);
int command_ledger(int argc, char **argv, const command *self);
int command_export(int argc, char **argv, const command *self);
int command_inspect(int argc, char **argv, const command *self);
int command_tokenize(int argc, char **argv, const command *self);
int command_perplexity(int argc, char **argv, const command *self);
int command_score(int argc, char **argv, const command *self);
int command_outcomes(int argc, char **argv, const command *self);
int command_train_predictor(int argc, char **argv, const command *self);
int command_train_tokenizer(int argc, char **argv, const command *self);
int command_workflows(int argc, char **argv, const command *self);
int command_train(int argc, char **argv, const command *self);
int command_bench(int argc, char **argv, const command *self);

#endif
