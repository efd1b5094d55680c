/* workflows_show.c - `agentcompress workflows show`: one workflow to read. */
#include <stdlib.h>
#include <string.h>

#include "workflows.h"

/* Text with a margin. */
static void print_indented(const char *text)
{
    const char *end;

    for (; text != NULL && *text != '\0'; text = *end ? end + 1 : end) {
        end = strchr(text, '\n');
        if (end == NULL)
            end = text + strlen(text);
        printf("    %.*s\n", (int)(end - text), text);
    }
}

/* What the checker wants: a line for each field, sources left out. */
static void print_check(const json_t *check)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)check, key, value) {
        char *text;

        if (strcmp(key, "source") == 0 || strcmp(key, "kind") == 0)
            continue;
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        printf("    %-14s %s\n", key, text ? text : "");
        free(text);
    }
}

static void print_step(const json_t *step, size_t number, const char *prompt,
                       uint32_t max_tokens)
{
    const json_t *check = json_object_get(step, "check");
    const char *kind = json_string_value(json_object_get(step, "kind"));
    const char *answer = json_string_value(json_object_get(step, "answer"));
    const char *template =
        json_string_value(json_object_get(step, "template"));
    char *facts = json_dumps(json_object_get(step, "facts"), JSON_COMPACT);

    if (kind == NULL)
        kind = json_string_value(json_object_get(check, "kind"));
    printf("\nstep %zu: %s, level %lld", number, kind,
           (long long)json_integer_value(json_object_get(step, "level")));
    if (template != NULL)
        printf(", template %s", template);
    if (facts != NULL && strcmp(facts, "[]") != 0)
        printf(", facts %s", facts);
    printf("\n  prompt\n");
    print_indented(prompt);
    printf(answer ? "  reference answer\n" : "  no reference answer\n");
    print_indented(answer);
    printf("  the checker wants (at most %u tokens)\n", max_tokens);
    print_check(check);
    free(facts);
}

static int print_workflow(const json_t *row, const char *text)
{
    const char *domain = json_string_value(json_object_get(row, "domain"));
    size_t n = row_steps(row), i;
    const char **answers = calloc(n + 1, sizeof *answers);
    ac_error error = AC_ERROR_INIT;
    ac_status status = answers ? AC_OK : AC_E_NO_MEMORY;

    printf("%s%s%s, %zu steps\n", row_id(row), domain ? ": " : "",
           domain ? domain : "", n);
    for (i = 0; i < n && status == AC_OK; i++) {
        char *prompt = NULL;
        uint32_t max_tokens = 0;

        status = ac_workflows_prompt(&prompt, &max_tokens, text, strlen(text),
                                     answers, i, &error);
        if (status == AC_OK)
            print_step(row_step(row, i), i + 1, prompt, max_tokens);
        answers[i] = json_string_value(
            json_object_get(row_step(row, i), "answer"));
        ac_free(prompt);
    }
    free(answers);
    return status == AC_OK ? EXIT_DONE : report_failure(status, &error);
}

int workflows_show(int argc, char **argv, const command *self)
{
    suite_arguments suite = { .split = "test", .n_workflows = 1 };
    const char *id = NULL, *file = NULL;
    uint64_t index = 0;
    const argument table[] = {
        { "workflows", ARGUMENT_TEXT, &suite.path, "FILE",
          "JSON lines instead of a split; FILE alone is the same" },
        { "split", ARGUMENT_TEXT, &suite.split, "S",
          "train, calibration, test, ood-kind, ood-domain or ood-template" },
        { "seed", ARGUMENT_LARGE, &suite.seed, "S", "of the split (0)" },
        { "index", ARGUMENT_LARGE, &index, "I",
          "number of the workflow, from 0 (0)" },
        { "id", ARGUMENT_TEXT, &id, "ID", "by its name, in a FILE" },
    };
    suite_rows rows = { .n = 0 };
    size_t w = 0;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &file, 0, 1);

    if (code >= 0)
        return code;
    if (file != NULL && suite.path != NULL) {
        fprintf(stderr, "agentcompress: two files were named, %s and %s\n",
                suite.path, file);
        return EXIT_USAGE;
    }
    if (file != NULL)
        suite.path = file;
    if (suite.path == NULL) {
        suite.first = index;
        index = 0;
    }
    code = load_suite(&rows, &suite);
    if (id != NULL)
        while (w < rows.n && strcmp(row_id(rows.parsed[w]), id) != 0)
            w++;
    else
        w = (size_t)index;
    if (code == EXIT_DONE && w < rows.n) {
        code = print_workflow(rows.parsed[w], rows.texts[w]);
    } else if (code == EXIT_DONE) {
        fprintf(stderr, "agentcompress: there is no such workflow\n");
        code = EXIT_MISSING;
    }
    free_suite(&rows);
    return code;
}
