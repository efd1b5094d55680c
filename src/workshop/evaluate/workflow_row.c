/* workflow_row.c - see workflow_row.h. */
#include "workshop/evaluate/workflow_row.h"

#include <string.h>

#include "platform/error.h"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static ac_status read_step(aci_workflow_step *out, const json_t *row,
                           int number, ac_error *error)
{
    const json_t *level = json_object_get(row, "level");
    const json_t *most = json_object_get(row, "max_tokens");
    json_int_t n_tokens = json_is_integer(most) ? json_integer_value(most)
                                                : 256;

    out->check = json_object_get(row, "check");
    out->kind = text_of(row, "kind");
    if (out->kind == NULL)
        out->kind = text_of(out->check, "kind");
    out->prompt = text_of(row, "prompt");
    out->answer = text_of(row, "answer");
    out->level = (int32_t)json_integer_value(level);
    out->max_tokens = (int32_t)n_tokens;
    if (out->prompt == NULL)
        return aci_platform_fail(error, AC_E_FORMAT, "step %d has no prompt",
                                 number);
    if (!json_is_object(out->check) || out->kind == NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "step %d has no check with a kind", number);
    if (level != NULL && (!json_is_integer(level) ||
                          json_integer_value(level) < 0 ||
                          json_integer_value(level) > 99))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the level of step %d is not a number of 0 "
                                 "to 99", number);
    if ((most != NULL && !json_is_integer(most)) || n_tokens < 1 ||
        n_tokens > 65536)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "max_tokens of step %d is not a number of 1 "
                                 "to 65536", number);
    return AC_OK;
}

ac_status aci_workshop_workflow_read(aci_workflow *out, const json_t *row,
                                     ac_error *error)
{
    const json_t *steps = json_object_get(row, "steps");
    size_t n = json_array_size(steps), i;
    ac_status status = AC_OK;

    out->id = text_of(row, "id");
    out->domain = text_of(row, "domain");
    if (out->domain == NULL)
        out->domain = "";
    if (out->id == NULL || out->id[0] == '\0')
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the workflow has no id");
    if (n == 0 || n > ACI_MAX_STEPS)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "workflow %s has no list of 1 to %d steps",
                                 out->id, ACI_MAX_STEPS);
    out->n_steps = (int32_t)n;
    for (i = 0; i < n && status == AC_OK; i++)
        status = read_step(&out->steps[i], json_array_get(steps, i),
                           (int)i + 1, error);
    return status == AC_OK
               ? AC_OK
               : aci_platform_fail_within(error, status, out->id);
}

/* ---- earlier answers ----------------------------------------------------- */

/* The number in "{{n}}" at `text` and where it ends, or 0. */
static size_t placeholder(const char *text, const char **end)
{
    const char *at = text + 2;
    size_t n = 0;

    if (text[0] != '{' || text[1] != '{')
        return 0;
    while (*at >= '0' && *at <= '9' && n < 1000)
        n = 10 * n + (size_t)(*at++ - '0');
    *end = at + 2;
    return at > text + 2 && at[0] == '}' && at[1] == '}' && n > 0 ? n : 0;
}

/* Writes the filled text to `out` (NULL: only counts) and gives its bytes. */
static size_t fill(char *out, const char *text, const char *const *answers)
{
    size_t n = 0;

    while (*text != '\0') {
        const char *piece = text, *end = text + 1;
        size_t number = placeholder(text, &end), length = 1;

        if (number > 0) {
            piece = answers[number - 1];
            length = strlen(piece);
        } else {
            end = text + 1;
        }
        if (out != NULL)
            memcpy(out + n, piece, length);
        n += length;
        text = end;
    }
    return n;
}

ac_status aci_workshop_workflow_fill(char **out, aci_memory *memory,
                                     const char *text,
                                     const char *const *answers,
                                     size_t n_answers, ac_error *error)
{
    const char *at, *end;
    size_t n;

    *out = NULL;
    for (at = strstr(text, "{{"); at != NULL; at = strstr(at + 1, "{{")) {
        size_t number = placeholder(at, &end);

        if (number > n_answers ||
            (number > 0 && answers[number - 1] == NULL))
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "{{%zu}} stood in a prompt, but there "
                                     "was no answer of that step", number);
    }
    n = fill(NULL, text, answers);
    *out = aci_platform_alloc(memory, n + 1);
    if (*out == NULL)
        return aci_platform_fail_memory(error, "a prompt");
    fill(*out, text, answers);
    (*out)[n] = '\0';
    return AC_OK;
}

ac_status aci_workshop_workflow_training(json_t **out, aci_memory *memory,
                                         const aci_workflow *workflow,
                                         int32_t step, ac_error *error)
{
    const char *answers[ACI_MAX_STEPS];
    char *prompt;
    int32_t i;
    ac_status status;

    *out = NULL;
    for (i = 0; i <= step; i++)
        answers[i] = workflow->steps[i].answer;
    if (answers[step] == NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "step %d of %s has no answer", (int)step + 1,
                                 workflow->id);
    status = aci_workshop_workflow_fill(&prompt, memory,
                                        workflow->steps[step].prompt, answers,
                                        (size_t)step, error);
    if (status != AC_OK)
        return status;
    *out = json_pack("{s:s, s:s}", "prompt", prompt, "completion",
                     answers[step]);
    aci_platform_free(memory, prompt);
    return *out == NULL ? aci_platform_fail_memory(error, "a training row")
                        : AC_OK;
}
