/* suite_rows.c - workflows in memory, from a file or made on the spot. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workflows.h"

static bool add_row(suite_rows *rows, const char *json, size_t n_bytes)
{
    size_t larger = 2 * rows->capacity + 256;

    if (rows->n == rows->capacity) {
        char **texts = realloc(rows->texts, larger * sizeof *texts);
        json_t **parsed = NULL;

        if (texts != NULL) {
            rows->texts = texts;
            parsed = realloc(rows->parsed, larger * sizeof(json_t *));
        }
        if (parsed == NULL)
            return false;
        rows->parsed = parsed;
        rows->capacity = larger;
    }
    rows->texts[rows->n] = strndup(json, n_bytes);
    rows->parsed[rows->n] = json_loadb(json, n_bytes,
                                       JSON_REJECT_DUPLICATES, NULL);
    if (rows->texts[rows->n] != NULL && rows->parsed[rows->n] != NULL) {
        rows->n++;
        return true;
    }
    free(rows->texts[rows->n]);
    return false;
}

static int32_t keep_row(const char *json, size_t n_bytes, void *user)
{
    return add_row(user, json, n_bytes) ? 0 : 1;
}

/* Says what is wrong with a row, by its line. */
static int refuse_row(const char *path, size_t number, const char *what)
{
    fprintf(stderr, "agentcompress: %s: line %zu: %s\n", path, number, what);
    return EXIT_MALFORMED;
}

/* The row as it was added last; ids are answered by, so no two are alike. */
static int check_row(const suite_rows *rows, json_t *ids, const char *path,
                     size_t number)
{
    const char *text = rows->texts[rows->n - 1];
    const char *id = row_id(rows->parsed[rows->n - 1]);
    ac_error error = AC_ERROR_INIT;
    char what[128];

    if (ac_workflows_check(text, strlen(text), &error) != AC_OK)
        return refuse_row(path, number, error.message);
    if (json_object_get(ids, id) != NULL) {
        snprintf(what, sizeof what, "workflow %.80s is there twice", id);
        return refuse_row(path, number, what);
    }
    json_object_set_new(ids, id, json_true());
    return EXIT_DONE;
}

static int read_rows(suite_rows *out, const char *path)
{
    json_t *ids = json_object();
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0, number = 0;
    int code = EXIT_DONE;
    ssize_t n;

    if (file == NULL) {
        json_decref(ids);
        fprintf(stderr, "agentcompress: could not open %s\n", path);
        return EXIT_MISSING;
    }
    while (code == EXIT_DONE && (n = getline(&line, &capacity, file)) > 0) {
        number++;
        if (line[strspn(line, " \t\r\n")] == '\0')
            continue;
        code = add_row(out, line, (size_t)n)
                   ? check_row(out, ids, path, number)
                   : refuse_row(path, number, "it is no JSON of a workflow");
    }
    json_decref(ids);
    free(line);
    fclose(file);
    return code;
}

int load_suite(suite_rows *out, const suite_arguments *arguments)
{
    ac_workflows_options options = AC_WORKFLOWS_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_status status;

    memset(out, 0, sizeof *out);
    if (arguments->path != NULL)
        return read_rows(out, arguments->path);
    options.seed = arguments->seed;
    options.first = arguments->first;
    options.n_workflows = arguments->n_workflows;
    status = ac_workflows_generate(arguments->split, &options, keep_row, out,
                                   &error);
    return status == AC_OK ? EXIT_DONE : report_failure(status, &error);
}

void free_suite(suite_rows *rows)
{
    while (rows->n-- > 0) {
        free(rows->texts[rows->n]);
        json_decref(rows->parsed[rows->n]);
    }
    free(rows->texts);
    free(rows->parsed);
}

const char *row_id(const json_t *row)
{
    const char *id = json_string_value(json_object_get(row, "id"));

    return id ? id : "";
}

size_t row_steps(const json_t *row)
{
    return json_array_size(json_object_get(row, "steps"));
}

const json_t *row_step(const json_t *row, size_t step)
{
    return json_array_get(json_object_get(row, "steps"), step);
}
