/* answers_file.c - answers on their way to a file, so that a run that was
 * stopped anywhere goes on where it was. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workflows.h"

static ac_status fail(ac_error *error, ac_status status, const char *path,
                      const char *what)
{
    snprintf(error->message, sizeof error->message, "%s %s", path, what);
    return status;
}

static bool keep(answers_file *out, json_t *row)
{
    const char *id = json_string_value(json_object_get(row, "id"));
    json_int_t step = json_integer_value(json_object_get(row, "step"));
    json_t *steps;
    char key[24];

    if (id == NULL || step < 1 ||
        !json_is_string(json_object_get(row, "answer")))
        return false;
    steps = json_object_get(out->by_id, id);
    if (steps == NULL) {
        steps = json_object();
        json_object_set_new(out->by_id, id, steps);
    }
    snprintf(key, sizeof key, "%lld", (long long)step);
    json_object_set(steps, key, row);
    out->n_kept++;
    return true;
}

/* A row made before there were marks has none, and is believed. */
static bool is_stale(const json_t *row, const char *field, const char *mark)
{
    const char *own = json_string_value(json_object_get(row, field));

    return own != NULL && strcmp(own, mark) != 0;
}

/* Whole lines are kept; *end is where the last of them ends. */
static ac_status read_kept(answers_file *out, long *end, const char *path,
                           const char *variant, const char *zoo,
                           ac_error *error)
{
    char *line = NULL;
    size_t capacity = 0;
    ac_status status = AC_OK;
    ssize_t n;

    *end = 0;
    while (status == AC_OK &&
           (n = getline(&line, &capacity, out->file)) > 0 &&
           line[n - 1] == '\n') {
        json_t *row = json_loads(line, 0, NULL);
        const char *name =
            json_string_value(json_object_get(row, "variant"));

        if (!keep(out, row))
            status = fail(error, AC_E_FORMAT, path,
                          "holds a line that is no answer");
        else if (name == NULL || strcmp(name, variant) != 0)
            status = fail(error, AC_E_ARGUMENT, path,
                          "holds another variant's answers");
        else if (is_stale(row, "zoo", zoo))
            status = fail(error, AC_E_ARGUMENT, path,
                          "holds answers of another zoo, or of this one as it "
                          "was; give another --out, or remove it");
        out->n_unmarked += json_object_get(row, "zoo") == NULL ? 1 : 0;
        json_decref(row);
        *end += n;
    }
    free(line);
    return status;
}

ac_status open_answers(answers_file *out, const char *path,
                       const char *variant, const char *zoo, ac_error *error)
{
    long end;
    ac_status status;

    memset(out, 0, sizeof *out);
    out->path = path;
    out->by_id = json_object();
    out->file = fopen(path, "a+");
    if (out->file == NULL)
        return fail(error, AC_E_IO, path, "could not be opened");
    rewind(out->file);
    status = read_kept(out, &end, path, variant, zoo, error);
    if (status == AC_OK && (fseek(out->file, 0, SEEK_END) != 0 ||
                            ftruncate(fileno(out->file), end) != 0))
        status = fail(error, AC_E_IO, path, "could not be written");
    return status;
}

static const json_t *kept_row(const answers_file *file, const char *id,
                              size_t step)
{
    char key[24];

    snprintf(key, sizeof key, "%zu", step);
    return json_object_get(json_object_get(file->by_id, id), key);
}

const char *kept_answer(const answers_file *file, const char *id, size_t step)
{
    return json_string_value(json_object_get(kept_row(file, id, step),
                                             "answer"));
}

ac_status compare_answers(const answers_file *file, const json_t *row,
                          bool reference, uint64_t *n_found, ac_error *error)
{
    char mark[MARK_BYTES];

    for (size_t i = 0; i < row_steps(row); i++) {
        const json_t *kept = kept_row(file, row_id(row), i + 1);

        if (kept == NULL)
            continue;
        *n_found += 1;
        suite_mark(mark, row, i, reference);
        if (!is_stale(kept, "suite", mark))
            continue;
        snprintf(error->message, sizeof error->message,
                 "%s holds an answer to another prompt than step %zu of "
                 "%.80s has now; give another --out, or remove it",
                 file->path, i + 1, row_id(row));
        return AC_E_ARGUMENT;
    }
    return AC_OK;
}

ac_status put_answer(answers_file *file, json_t *row, ac_error *error)
{
    char *line = row ? json_dumps(row, JSON_COMPACT) : NULL;
    ac_status status = AC_OK;

    json_decref(row);
    if (line == NULL)
        return fail(error, AC_E_NO_MEMORY, "an answer",
                    "did not fit into memory");
    if (fprintf(file->file, "%s\n", line) < 0 || fflush(file->file) != 0)
        status = fail(error, AC_E_IO, "the answers",
                      "could not be written");
    free(line);
    return status;
}

ac_status close_answers(answers_file *file, ac_error *error)
{
    ac_status status = AC_OK;

    if (file->file != NULL && fclose(file->file) != 0)
        status = fail(error, AC_E_IO, "the answers",
                      "could not be written");
    json_decref(file->by_id);
    return status;
}
