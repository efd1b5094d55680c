/* predictor_outcomes.c - see predictor_outcomes.h. Lines are parsed by
 * jansson, which keeps the order of an object's names. */
#include "workshop/train/predictor_outcomes.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "workshop/train/text_lines.h"

enum { MAX_OUTCOMES = 1 << 24 };

/* The place and what is being filled, for messages. */
typedef struct reader {
    aci_outcomes *out;
    aci_text_lines *lines;
    const char *path;
    ac_error *error;
} reader;

static ac_status refuse(const reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static ac_status refuse(const reader *r, const char *format, ...)
{
    char why[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    return aci_platform_fail(
        r->error, AC_E_FORMAT, "%s: line %llu: %s", r->path,
        (unsigned long long)aci_workshop_lines_number(r->lines), why);
}

/* The head called `name`, made when it is new. */
static ac_status find_head(uint32_t *head, const reader *r, const char *name)
{
    aci_outcomes *out = r->out;
    size_t n = strlen(name), i;

    for (*head = 0; *head < out->n_heads; (*head)++)
        if (strcmp(out->names[*head], name) == 0)
            return AC_OK;
    if (n == 0 || n >= sizeof out->names[0])
        return refuse(r, "a variant's name has %zu bytes, not 1 to 31", n);
    for (i = 0; i < n; i++)
        if (name[i] <= 32 || name[i] >= 127)
            return refuse(r, "a variant's name is not printable ASCII");
    if (out->n_heads == ACI_NETWORK_MAX_HEADS)
        return refuse(r, "more than 16 variants");
    memcpy(out->names[out->n_heads++], name, n + 1);
    return AC_OK;
}

static ac_status read_success(aci_outcome *item, const reader *r,
                              const char *name, const json_t *value)
{
    double success = json_is_boolean(value) ? (double)json_is_true(value)
                                            : json_number_value(value);
    uint32_t head;
    ac_status status;

    if (json_is_null(value))
        return AC_OK;
    if (!json_is_boolean(value) && !json_is_number(value))
        return refuse(r, "success of \"%.31s\" is neither a number nor true "
                         "or false", name);
    if (!(success >= 0.0 && success <= 1.0))
        return refuse(r, "success of \"%.31s\" is %g, not in [0, 1]", name,
                      success);
    status = find_head(&head, r, name);
    if (status == AC_OK)
        item->success[head] = (float)success;
    return status;
}

static ac_status read_successes(aci_outcome *item, const reader *r,
                                json_t *line)
{
    json_t *table = json_object_get(line, "success");
    json_t *weak = json_object_get(line, "weak_correct");
    json_t *strong = json_object_get(line, "strong_correct");
    ac_status status = AC_OK;
    const char *name;
    json_t *value;
    int i;

    for (i = 0; i < ACI_NETWORK_MAX_HEADS; i++)
        item->success[i] = NAN;
    if (table == NULL && (weak != NULL || strong != NULL)) {
        if (weak != NULL)
            status = read_success(item, r, "weak", weak);
        if (status == AC_OK && strong != NULL)
            status = read_success(item, r, "strong", strong);
        return status;
    }
    if (!json_is_object(table))
        return refuse(r, "there is no object \"success\"");
    json_object_foreach(table, name, value) {
        status = read_success(item, r, name, value);
        if (status != AC_OK)
            return status;
    }
    return AC_OK;
}

static ac_status grow(aci_outcomes *out, ac_error *error)
{
    size_t capacity = out->capacity * 2 + 256;
    aci_outcome *items;

    if (out->n < out->capacity)
        return AC_OK;
    if (out->n >= MAX_OUTCOMES)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "more than 16 million outcomes");
    items = aci_platform_realloc(out->memory, out->items,
                                 capacity * sizeof *items);
    if (items == NULL)
        return aci_platform_fail_memory(error, "outcomes");
    out->items = items;
    out->capacity = capacity;
    return AC_OK;
}

static ac_status read_line(const reader *r, json_t *line)
{
    json_t *prompt = json_object_get(line, "prompt");
    aci_outcomes *out = r->out;
    aci_outcome *item;
    size_t n, kept;
    ac_status status;

    if (!json_is_string(prompt))
        return refuse(r, "there is no text \"prompt\"");
    status = grow(out, r->error);
    if (status != AC_OK)
        return status;
    item = &out->items[out->n];
    status = read_successes(item, r, line);
    if (status != AC_OK)
        return status;
    n = json_string_length(prompt);
    kept = n < ACI_OUTCOME_KEPT_BYTES ? n : ACI_OUTCOME_KEPT_BYTES;
    item->prompt = aci_platform_strndup(out->memory, json_string_value(prompt),
                                        kept);
    if (item->prompt == NULL)
        return aci_platform_fail_memory(r->error, "a prompt");
    item->prompt_bytes = n;
    item->prompt_hash = aci_platform_checksum(json_string_value(prompt), n, 0);
    out->n++;
    return AC_OK;
}

static ac_status read_lines(const reader *r)
{
    for (;;) {
        json_t *json;
        ac_status status = aci_workshop_lines_json(
            &json, r->lines, r->path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
            r->error);

        if (status != AC_OK || json == NULL)
            return status;
        status = json_is_object(json) ? read_line(r, json)
                                      : refuse(r, "not a JSON object");
        json_decref(json);
        if (status != AC_OK)
            return status;
    }
}

ac_status aci_workshop_outcomes_read(aci_outcomes *out, aci_memory *memory,
                                     const char *path, ac_error *error)
{
    reader r = { out, NULL, path, error };
    ac_status status;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    status = aci_workshop_lines_open(&r.lines, memory, path, error);
    if (status == AC_OK)
        status = read_lines(&r);
    aci_workshop_lines_close(r.lines);
    if (status == AC_OK && out->n_heads == 0)
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "%s: no variant has an outcome", path);
    return status;
}

void aci_workshop_outcomes_free(aci_outcomes *outcomes)
{
    size_t i;

    for (i = 0; i < outcomes->n; i++)
        aci_platform_free(outcomes->memory, outcomes->items[i].prompt);
    aci_platform_free(outcomes->memory, outcomes->items);
    outcomes->items = NULL;
    outcomes->n = outcomes->capacity = 0;
}
