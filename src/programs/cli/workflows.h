/* workflows.h - what the actions of `agentcompress workflows` share. */
#ifndef CLI_WORKFLOWS_H
#define CLI_WORKFLOWS_H

#include "cli.h"

int workflows_generate(int argc, char **argv, const command *self);

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

#endif
