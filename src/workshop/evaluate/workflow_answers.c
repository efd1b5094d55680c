/* workflow_answers.c - see workflow_answers.h. */
#include "workshop/evaluate/workflow_answers.h"

#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/evaluate/json_lines.h"
#include "workshop/evaluate/workflow_row.h"

/* All rows of a file are one variant's. */
static ac_status check_variant(aci_answers *out, const json_t *row,
                               ac_error *error)
{
    const char *name = json_string_value(json_object_get(row, "variant"));

    if (name == NULL)
        name = "";
    if (json_object_size(out->by_id) == 0)
        snprintf(out->variant, sizeof out->variant, "%s", name);
    if (strncmp(out->variant, name, sizeof out->variant - 1) != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the variant is \"%.63s\", rows above have "
                                 "\"%.63s\"; score one at a time", name,
                                 out->variant);
    return AC_OK;
}

static ac_status add_row(const json_t *row, void *user, ac_error *error)
{
    aci_answers *out = user;
    const char *id = json_string_value(json_object_get(row, "id"));
    json_t *answer = json_object_get(row, "answer"), *steps;
    json_int_t step = json_integer_value(json_object_get(row, "step"));
    char key[16];
    ac_status status;

    if (id == NULL || !json_is_string(answer) || step < 1 ||
        step > ACI_MAX_STEPS)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "there is no id, no step of 1 to %d, or no "
                                 "text \"answer\"", ACI_MAX_STEPS);
    status = check_variant(out, row, error);
    if (status != AC_OK)
        return status;
    steps = json_object_get(out->by_id, id);
    if (steps == NULL) {
        steps = json_object();
        if (json_object_set_new(out->by_id, id, steps) != 0)
            return aci_platform_fail_memory(error, "answers");
    }
    snprintf(key, sizeof key, "%d", (int)step);
    if (json_object_get(steps, key) != NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "step %s of %s was answered before", key,
                                 id);
    if (json_object_set(steps, key, answer) != 0)
        return aci_platform_fail_memory(error, "answers");
    return AC_OK;
}

ac_status aci_workshop_answers_read(aci_answers *out, aci_memory *memory,
                                    const char *path, ac_error *error)
{
    ac_status status;

    memset(out, 0, sizeof *out);
    snprintf(out->path, sizeof out->path, "%s", path);
    out->by_id = json_object();
    if (out->by_id == NULL)
        return aci_platform_fail_memory(error, "answers");
    status = aci_workshop_json_lines(memory, path, add_row, out, error);
    if (status != AC_OK)
        aci_workshop_answers_free(out);
    return status;
}

void aci_workshop_answers_free(aci_answers *answers)
{
    json_decref(answers->by_id);
    answers->by_id = NULL;
}

const char *aci_workshop_answers_find(const aci_answers *answers,
                                      const char *id, int32_t step)
{
    char key[16];

    snprintf(key, sizeof key, "%d", (int)step);
    return json_string_value(
        json_object_get(json_object_get(answers->by_id, id), key));
}

size_t aci_workshop_answers_drop(aci_answers *answers, const char *id)
{
    size_t n = json_object_size(json_object_get(answers->by_id, id));

    json_object_del(answers->by_id, id);
    return n;
}

const char *aci_workshop_answers_left(const aci_answers *answers)
{
    return json_object_iter_key(json_object_iter(answers->by_id));
}
