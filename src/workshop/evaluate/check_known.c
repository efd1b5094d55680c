/* check_known.c - see check_known.h. */
#include "workshop/evaluate/check_known.h"

#include <stdbool.h>
#include <string.h>

#include "platform/error.h"

/* Of a kind, which fields an object may have: the check itself (part NULL), or
 * what it holds under a name, one object or a list of them. Fields the user
 * names himself (rows and conditions of a hypothesis) are not here. */
typedef struct known_fields {
    const char *kind, *part;
    const char *fields;        /* with a blank before and behind each */
} known_fields;

static const known_fields known[] = {
    { "citation", NULL, " kind style record " },
    { "citation", "record",
      " authors year title journal volume issue pages doi " },
    { "data_to_text", NULL,
      " kind source facts rows quantity unit allowed direction groups roles "
      "pairs counted words none max_words " },
    { "data_to_text", "facts", " entity value unit optional " },
    { "data_to_text", "rows", " entity value unit optional " },
    { "data_to_text", "roles", " role entity optional " },
    { "literature_review", NULL,
      " kind source n_sources min_sources ignore claims words none "
      "max_words " },
    { "literature_review", "claims",
      " any markers numbers unit against optional " },
    { "hypothesis", NULL,
      " kind outcome predictor sign condition variables conditions rows " },
    { "hypothesis", "condition", " variable value " },
};

static bool is_in(const char *fields, const char *key)
{
    size_t n = strlen(key);

    for (const char *at = strstr(fields, key); n > 0 && at != NULL;
         at = strstr(at + 1, key))
        if (at[-1] == ' ' && at[n] == ' ')
            return true;
    return false;
}

static ac_status look(const json_t *object, const known_fields *fields,
                      ac_error *error)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
        if (strchr(key, ' ') != NULL || !is_in(fields->fields, key))
            return aci_platform_fail(
                error, AC_E_FORMAT, "check: %s%s%s has no field \"%.40s\"",
                fields->kind, fields->part != NULL ? "'s " : "",
                fields->part != NULL ? fields->part : "", key);
    return AC_OK;
}

ac_status aci_workshop_check_known(const json_t *check, ac_error *error)
{
    const char *kind = json_string_value(json_object_get(check, "kind"));
    ac_status status = AC_OK;

    for (size_t i = 0; kind != NULL && status == AC_OK &&
                       i < sizeof known / sizeof *known; i++) {
        const known_fields *fields = &known[i];
        const json_t *part = fields->part != NULL
                                 ? json_object_get(check, fields->part)
                                 : check;

        if (strcmp(fields->kind, kind) != 0)
            continue;
        if (json_is_object(part))
            status = look(part, fields, error);
        for (size_t k = 0; status == AC_OK && k < json_array_size(part); k++)
            status = look(json_array_get(part, k), fields, error);
    }
    return status;
}
