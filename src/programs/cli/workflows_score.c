/* workflows_score.c - `agentcompress workflows score` and `outcomes`. */
#include <stdlib.h>
#include <string.h>

#include "workflows.h"

/* ---- the table ----------------------------------------------------------- */

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* " 93.1 % [90.2, 95.0]", or blanks. */
static void print_share(const json_t *estimate)
{
    if (estimate == NULL)
        printf("  %22s", "");
    else
        printf("  %6.2f %% [%5.1f, %5.1f]", 100.0 * number_of(estimate,
               "value"), 100.0 * number_of(estimate, "low"),
               100.0 * number_of(estimate, "high"));
}

static void print_groups(const json_t *groups)
{
    const json_t *row;
    const char *last = "";
    size_t i;

    printf("%-24s %6s %6s  %-22s  %5s  %-22s\n", "", "flows", "steps",
           "step success", "score", "workflow success");
    json_array_foreach(groups, i, row) {
        const char *by = json_string_value(json_object_get(row, "by"));
        const char *name = json_string_value(json_object_get(row, "name"));

        if (strcmp(by, last) != 0 && strcmp(by, "all") != 0)
            printf("%s\n", strcmp(by, "kind_level") == 0 ? "kind at level"
                                                         : by);
        last = by;
        printf("  %-22s %6.0f %6.0f", name[0] ? name : "(none)",
               number_of(row, "workflows"), number_of(row, "steps"));
        print_share(json_object_get(row, "step_success"));
        printf("  %.3f", number_of(row, "score"));
        print_share(json_object_get(row, "workflow_success"));
        putchar('\n');
    }
}

static void print_difference(const json_t *estimate)
{
    if (estimate == NULL)
        printf("  %24s", "");
    else
        printf("  %+7.2f    [%+6.1f, %+6.1f]",
               100.0 * number_of(estimate, "value"),
               100.0 * number_of(estimate, "low"),
               100.0 * number_of(estimate, "high"));
}

static void print_against(const json_t *against)
{
    const json_t *row;
    size_t i;

    printf("\nminus %s, in percentage points, paired\n",
           json_string_value(json_object_get(against, "variant")));
    json_array_foreach(json_object_get(against, "groups"), i, row) {
        printf("  %-10s %-24s",
               json_string_value(json_object_get(row, "by")),
               json_string_value(json_object_get(row, "name")));
        print_difference(json_object_get(row, "step_difference"));
        print_difference(json_object_get(row, "workflow_difference"));
        putchar('\n');
    }
    printf("workflows gained %.0f, lost %.0f\n",
           number_of(against, "workflows_gained"),
           number_of(against, "workflows_lost"));
}

static void print_report(const json_t *report, uint32_t n_reasons)
{
    const char *variant =
        json_string_value(json_object_get(report, "variant"));
    const json_t *row;
    size_t i;

    printf("%s: %.0f workflows, %.0f steps, %.0f of them unanswered; "
           "95 %% intervals from\n%.0f resamples of whole workflows\n\n",
           variant[0] ? variant : "answers",
           number_of(report, "workflows"), number_of(report, "steps"),
           number_of(report, "missing"), number_of(report, "resamples"));
    print_groups(json_object_get(report, "groups"));
    if (json_array_size(json_object_get(report, "failures")) > 0)
        printf("\nwhy steps failed\n");
    json_array_foreach(json_object_get(report, "failures"), i, row) {
        if (i == n_reasons)
            break;
        printf("  %6.0f  %-18s %s\n", number_of(row, "count"),
               json_string_value(json_object_get(row, "kind")),
               json_string_value(json_object_get(row, "reason")));
    }
    if (json_object_get(report, "against") != NULL)
        print_against(json_object_get(report, "against"));
}

/* ---- score --------------------------------------------------------------- */

static void use_suite(ac_workflows_score_options *options,
                      const suite_arguments *suite)
{
    options->workflows_path = suite->path;
    options->split = suite->split;
    options->seed = suite->seed;
    options->first = suite->first;
    options->n_workflows = suite->n_workflows;
}

/* One line for each step: what was wrong. */
static int32_t put_verdict(const ac_step_verdict *v, void *user)
{
    json_t *row = json_pack(
        "{s:s, s:i, s:s, s:s, s:i, s:b, s:f, s:s}", "id", v->workflow, "step",
        (int)v->step, "domain", v->domain, "kind", v->kind, "level",
        (int)v->level, "passed", (int)v->passed, "score", v->score, "reason",
        v->reason);
    int failed = row == NULL || json_dumpf(row, user, JSON_COMPACT) != 0;

    json_decref(row);
    return failed || putc('\n', user) == EOF || was_interrupted();
}

static int print_score(const char *text, bool json, uint32_t n_reasons)
{
    json_t *report = json_loads(text, 0, NULL);

    if (report == NULL)
        return EXIT_RESOURCES;
    if (json)
        puts(text);
    else
        print_report(report, n_reasons);
    json_decref(report);
    return EXIT_DONE;
}

int workflows_score(int argc, char **argv, const command *self)
{
    ac_workflows_score_options options = AC_WORKFLOWS_SCORE_OPTIONS_INIT;
    suite_arguments suite = { .split = "test" };
    const char *path, *verdicts = NULL;
    uint32_t n_reasons = 8;
    bool json = false;
    const argument table[] = {
        SUITE_ARGUMENTS(suite),
        { "against", ARGUMENT_TEXT, &options.against_path, "FILE",
          "others' answers to the same: paired differences" },
        { "verdicts", ARGUMENT_TEXT, &verdicts, "FILE",
          "write what was wrong with each step, as JSON lines" },
        { "resamples", ARGUMENT_NUMBER, &options.n_resamples, "N",
          "of the bootstrap (10000)" },
        { "resample-seed", ARGUMENT_LARGE, &options.resample_seed, "S",
          "of the bootstrap (0)" },
        { "reasons", ARGUMENT_NUMBER, &n_reasons, "N",
          "kinds of failure to list (8)" },
        { "threads", ARGUMENT_NUMBER, &options.n_threads, "N",
          "threads (one per core)" },
        { "json", ARGUMENT_FLAG, &json, NULL, "one JSON object" },
    };
    ac_error error = AC_ERROR_INIT;
    FILE *out = NULL;
    char *text = NULL;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &path, 1, 1);

    if (code >= 0)
        return code;
    use_suite(&options, &suite);
    if (verdicts != NULL) {
        out = fopen(verdicts, "w");
        if (out == NULL) {
            fprintf(stderr, "agentcompress: could not open %s\n", verdicts);
            return EXIT_MISSING;
        }
        options.on_verdict = put_verdict;
        options.verdict_user = out;
    }
    status = ac_workflows_score(&text, path, &options, &error);
    code = status == AC_OK ? print_score(text, json, n_reasons)
                           : report_failure(status, &error);
    if (out != NULL && fclose(out) != 0 && code == EXIT_DONE)
        code = EXIT_MISSING;
    ac_free(text);
    return code;
}

/* ---- outcomes ------------------------------------------------------------ */

/* {id, step and prompt: {"prompt", "success": {variant: 0 or 1}}}: steps that
 * several variants saw with the same prompt become one row. */
typedef struct collecting {
    json_t *rows;
    const char *variant;     /* of the file at hand, when its rows are silent */
} collecting;

static int32_t collect(const ac_step_verdict *v, void *user)
{
    collecting *c = user;
    const char *variant = v->variant ? v->variant : c->variant;
    json_t *key, *row;
    int32_t failed;

    if (!v->answered || v->prompt == NULL)
        return 0;
    key = json_sprintf("%s %u %s", v->workflow, v->step, v->prompt);
    if (key == NULL)
        return 1;
    row = json_object_get(c->rows, json_string_value(key));
    if (row == NULL) {
        row = json_pack("{s:s, s:{}}", "prompt", v->prompt, "success");
        json_object_set_new(c->rows, json_string_value(key), row);
    }
    failed = json_object_set_new(json_object_get(row, "success"), variant,
                                 json_integer(v->passed ? 1 : 0));
    json_decref(key);
    return failed;
}

static int write_outcomes(const char *path, const json_t *rows)
{
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    const char *key;
    json_t *row;
    bool failed = out == NULL;

    if (out != NULL) {
        json_object_foreach((json_t *)(uintptr_t)rows, key, row)
            if (json_dumpf(row, out, JSON_COMPACT) != 0 ||
                putc('\n', out) == EOF)
                failed = true;
        failed |= out == stdout ? fflush(out) != 0 : fclose(out) != 0;
    }
    if (failed)
        fprintf(stderr, "agentcompress: could not write %s\n", path);
    return failed ? EXIT_MISSING : EXIT_DONE;
}

int workflows_outcomes(int argc, char **argv, const command *self)
{
    ac_workflows_score_options options = AC_WORKFLOWS_SCORE_OPTIONS_INIT;
    suite_arguments suite = { .split = "calibration" };
    const char *files[AC_MAX_VARIANTS] = { NULL }, *path = "-";
    const argument table[] = {
        SUITE_ARGUMENTS(suite),
        { "out", ARGUMENT_TEXT, &path, "FILE", "JSON lines (-, stdout)" },
    };
    ac_error error = AC_ERROR_INIT;
    collecting c = { .rows = json_object() };
    ac_status status = AC_OK;
    size_t i;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, files, 1,
                               AC_MAX_VARIANTS);

    if (code < 0) {
        use_suite(&options, &suite);
        options.on_verdict = collect;
        options.verdict_user = &c;
        for (i = 0; i < AC_MAX_VARIANTS && files[i] && status == AC_OK; i++) {
            c.variant = files[i];
            status = ac_workflows_score(NULL, files[i], &options, &error);
        }
        code = status == AC_OK ? write_outcomes(path, c.rows)
                               : report_failure(status, &error);
    }
    json_decref(c.rows);
    return code;
}
