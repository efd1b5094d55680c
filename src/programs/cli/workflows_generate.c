/* workflows_generate.c - `agentcompress workflows generate`. */
#include <errno.h>
#include <string.h>

#include "workflows.h"

static int32_t put_row(const char *json, size_t n_bytes, void *user)
{
    FILE *out = user;

    fwrite(json, 1, n_bytes, out);
    putc('\n', out);
    return ferror(out) || was_interrupted();
}

/* Closes what was written; a short file is removed. */
static int finish(FILE *out, const char *path, ac_status status,
                  ac_error *error)
{
    bool failed = ferror(out) != 0;

    if (fflush(out) != 0 || (out != stdout && fclose(out) != 0))
        failed = true;
    if (status == AC_OK && !failed)
        return EXIT_DONE;
    if (out != stdout)
        remove(path);
    if (failed) {
        snprintf(error->message, sizeof error->message, "could not write %s",
                 path);
        status = errno == ENOSPC ? AC_E_DISK_FULL : AC_E_IO;
    }
    return report_failure(status, error);
}

int workflows_generate(int argc, char **argv, const command *self)
{
    ac_workflows_options options = AC_WORKFLOWS_OPTIONS_INIT;
    suite_arguments suite = { .split = "test" };
    progress_state progress = { .line_open = false };
    const char *path = "-";
    bool training = false;
    const argument table[] = {
        SPLIT_ARGUMENTS(suite),
        { "out", ARGUMENT_TEXT, &path, "FILE", "JSON lines (-, stdout)" },
        { "training", ARGUMENT_FLAG, &training, NULL,
          "rows of prompt and completion instead, for `train`" },
        { "quiet", ARGUMENT_FLAG, &progress.quiet, NULL, "no progress" },
    };
    ac_error error = AC_ERROR_INIT;
    FILE *out = stdout;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, NULL, 0, 0);

    if (code >= 0)
        return code;
    if (strcmp(path, "-") == 0)
        progress.quiet = true;
    else
        out = fopen(path, "w");
    if (out == NULL) {
        fprintf(stderr, "agentcompress: could not open %s\n", path);
        return EXIT_MISSING;
    }
    options.training = training;
    options.seed = suite.seed;
    options.first = suite.first;
    options.n_workflows = suite.n_workflows;
    options.on_progress = draw_progress;
    options.progress_user = &progress;
    status = ac_workflows_generate(suite.split, &options, put_row, out,
                                   &error);
    end_progress(&progress);
    return finish(out, path, status, &error);
}
