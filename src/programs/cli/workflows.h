/* workflows.h - what the actions of `agentcompress workflows` share. */
#ifndef CLI_WORKFLOWS_H
#define CLI_WORKFLOWS_H

#include "cli.h"

int workflows_generate(int argc, char **argv, const command *self);
int workflows_show(int argc, char **argv, const command *self);
int workflows_run(int argc, char **argv, const command *self);
int workflows_score(int argc, char **argv, const command *self);
int workflows_outcomes(int argc, char **argv, const command *self);

/* Which workflows: --workflows FILE, or a split made on the spot. */
typedef struct suite_arguments {
    const char *path;     /* NULL: the split */
    const char *split;
    uint64_t seed, first, n_workflows;
} suite_arguments;

#define SPLIT_ARGUMENTS(s)                                                    \
    { "split", ARGUMENT_TEXT, &(s).split, "S",                                \
      "train, calibration, test, ood-kind, ood-domain or ood-template" },     \
    { "seed", ARGUMENT_LARGE, &(s).seed, "S",                                 \
      "another sample of the split (0, the frozen one)" },                    \
    { "first", ARGUMENT_LARGE, &(s).first, "I",                               \
      "number of the first workflow (0)" },                                   \
    { "count", ARGUMENT_LARGE, &(s).n_workflows, "N",                         \
      "workflows (test: 500)" }
#define SUITE_ARGUMENTS(s)                                                    \
    { "workflows", ARGUMENT_TEXT, &(s).path, "FILE",                          \
      "JSON lines instead of a split" },                                      \
    SPLIT_ARGUMENTS(s)

/* ---- suite_rows.c -------------------------------------------------------- */

/* Workflows in memory, one JSON text each, parsed as well. */
typedef struct suite_rows {
    char **texts;
    json_t **parsed;
    size_t n, capacity;
} suite_rows;

/* The rows of the file, each checked, or of the split. Prints what went wrong;
 * EXIT_DONE when nothing did. */
int load_suite(suite_rows *out, const suite_arguments *arguments);
void free_suite(suite_rows *rows);

/* Of a row, "" and 0 where it has none. */
const char *row_id(const json_t *row);
size_t row_steps(const json_t *row);
const json_t *row_step(const json_t *row, size_t step);

/* ---- answer_marks.c ------------------------------------------------------ */

enum { MARK_BYTES = 17 };

/* What the answer to step `step` (from 0) depends on in the suite: prompts and
 * lengths up to it and, with `reference`, the right earlier answers. */
void suite_mark(char *out, const json_t *row, size_t step, bool reference);
/* What it depends on in the zoo or checkpoint: weights and the variant's plan;
 * "routed": those of all, the predictor and the confidence. */
ac_status zoo_mark(char *out, const char *path, const char *variant,
                   float confidence, ac_error *error);

/* ---- answers_file.c ------------------------------------------------------ */

/* A file of answers being added to. What an earlier run left is kept; a last
 * line that was cut short is taken away. */
typedef struct answers_file {
    FILE *file;
    const char *path;
    json_t *by_id;        /* {id: {"1": row, ...}} */
    uint64_t n_kept, n_unmarked;
} answers_file;

/* Opens or makes it; AC_E_ARGUMENT when it holds another variant's answers or
 * those of another zoo, AC_E_FORMAT when a line of it is no answer. */
ac_status open_answers(answers_file *out, const char *path,
                       const char *variant, const char *zoo, ac_error *error);
/* AC_E_ARGUMENT when one of the answers kept was given to other prompts than
 * the row's. *n_found grows by how many answers to it are kept. */
ac_status compare_answers(const answers_file *file, const json_t *row,
                          bool reference, uint64_t *n_found,
                          ac_error *error);
/* NULL: not answered yet. */
const char *kept_answer(const answers_file *file, const char *id,
                        size_t step);
/* Writes a row as one line, at once; releases it. */
ac_status put_answer(answers_file *file, json_t *row, ac_error *error);
ac_status close_answers(answers_file *file, ac_error *error);

#endif
