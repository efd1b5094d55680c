/* command_workflows.c - `agentcompress workflows`: tasks with checkers.
 *
 *     generate   makes them            show    prints one for reading
 *     run        answers them with a zoo
 *     score      judges the answers    outcomes  what a predictor learns from
 */
#include <string.h>

#include "workflows.h"

static const command actions[] = {
    { "workflows generate", "", "make workflows as JSON lines",
      "  agentcompress workflows generate --split test --out test.jsonl\n"
      "  agentcompress workflows generate --split train --count 50000 \\\n"
      "      --training --out train.jsonl\n",
      workflows_generate },
    { "workflows show", "[FILE]", "print one workflow for reading",
      "  agentcompress workflows show --split train --index 7\n"
      "  agentcompress workflows show my_tasks.jsonl --id task-12\n",
      workflows_show },
    { "workflows run", "ZOO", "let a zoo answer them",
      "  agentcompress workflows run my.zoo --variant int4 --out int4.jsonl\n"
      "  agentcompress workflows run my.zoo --variant routed \\\n"
      "      --split calibration --out routed.jsonl\n",
      workflows_run },
    { "workflows score", "ANSWERS.jsonl", "judge answers, of any engine",
      "  agentcompress workflows score full.jsonl\n"
      "  agentcompress workflows score int4.jsonl --against full.jsonl\n",
      workflows_score },
    { "workflows outcomes", "ANSWERS.jsonl ...",
      "successes by variant, for train-predictor",
      "  agentcompress workflows outcomes full.jsonl int8.jsonl int4.jsonl \\\n"
      "      --split calibration --out outcomes.jsonl\n",
      workflows_outcomes },
};

enum { N_ACTIONS = sizeof actions / sizeof *actions };

static void print_actions(FILE *to, const command *self)
{
    size_t i;

    fprintf(to, "agentcompress %s - %s\n\nusage: agentcompress %s %s\n\n",
            self->name, self->summary, self->name, self->usage);
    for (i = 0; i < N_ACTIONS; i++)
        fprintf(to, "  %-20s %s\n", actions[i].name, actions[i].summary);
    fprintf(to, "\n`agentcompress workflows ACTION --help` explains one.\n");
}

int command_workflows(int argc, char **argv, const command *self)
{
    size_t skip = strlen(self->name) + 1, i;

    if (argc > 0 && strcmp(argv[0], "--help") == 0) {
        print_actions(stdout, self);
        return EXIT_DONE;
    }
    for (i = 0; argc > 0 && i < N_ACTIONS; i++)
        if (strcmp(argv[0], actions[i].name + skip) == 0)
            return actions[i].run(argc - 1, argv + 1, &actions[i]);
    print_actions(stderr, self);
    return EXIT_USAGE;
}
