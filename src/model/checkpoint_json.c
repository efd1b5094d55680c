/* checkpoint_json.c - jansson behind the limits of checkpoint_json.h. */
#include "model/checkpoint_json.h"

#include <math.h>

#include "platform/error.h"
#include "platform/files.h"

enum { MAX_DEPTH = 32 };

/* Deep nesting is refused before a recursive parser sees it. */
static int is_too_deep(const char *text, size_t n)
{
    int depth = 0, quoted = 0;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = 0;
        } else if (c == '"') {
            quoted = 1;
        } else if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH)
                return 1;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return 0;
}

ac_status aci_model_json_parse(json_t **out, const char *text, size_t n,
                               const char *what, ac_error *error)
{
    json_error_t where;
    json_t *root;

    *out = NULL;
    if (is_too_deep(text, n))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s was nested deeper than %d levels", what,
                                 MAX_DEPTH);
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL && json_error_code(&where) == json_error_out_of_memory)
        return aci_platform_fail_memory(error, what);
    if (root == NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s was not JSON: line %d, %s", what,
                                 where.line, where.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s was not a JSON object", what);
    }
    *out = root;
    return AC_OK;
}

ac_status aci_model_json_load(json_t **out, aci_memory *memory,
                              const char *path, size_t max_bytes,
                              ac_error *error)
{
    char *text;
    size_t n;
    ac_status status = aci_platform_read_file(&text, &n, memory, path,
                                              max_bytes, error);

    *out = NULL;
    if (status != AC_OK)
        return status;
    status = aci_model_json_parse(out, text, n, path, error);
    aci_platform_free(memory, text);
    return status;
}

int aci_model_json_has(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return value != NULL && !json_is_null(value);
}

static ac_status wrong_kind(const char *key, const char *kind,
                            ac_error *error)
{
    return aci_platform_fail(error, AC_E_FORMAT, "\"%s\" was not %s", key,
                             kind);
}

ac_status aci_model_json_integer(int32_t *out, const json_t *object,
                                 const char *key, int32_t otherwise,
                                 ac_error *error)
{
    const json_t *value = json_object_get(object, key);
    double number;

    *out = otherwise;
    if (!aci_model_json_has(object, key))
        return AC_OK;
    number = json_number_value(value); /* some writers say 8192.0 */
    if (!json_is_number(value) || !(fabs(number) <= INT32_MAX) ||
        number != floor(number))
        return wrong_kind(key, "a whole number that fits 32 bits", error);
    *out = (int32_t)number;
    return AC_OK;
}

ac_status aci_model_json_real(float *out, const json_t *object,
                              const char *key, float otherwise,
                              ac_error *error)
{
    const json_t *value = json_object_get(object, key);

    *out = otherwise;
    if (!aci_model_json_has(object, key))
        return AC_OK;
    if (!json_is_number(value))
        return wrong_kind(key, "a number", error);
    *out = (float)json_number_value(value);
    return AC_OK;
}

ac_status aci_model_json_flag(int32_t *out, const json_t *object,
                              const char *key, int32_t otherwise,
                              ac_error *error)
{
    const json_t *value = json_object_get(object, key);

    *out = otherwise;
    if (!aci_model_json_has(object, key))
        return AC_OK;
    if (!json_is_boolean(value))
        return wrong_kind(key, "true or false", error);
    *out = json_is_true(value) ? 1 : 0;
    return AC_OK;
}

ac_status aci_model_json_string(const char **out, const json_t *object,
                                const char *key, ac_error *error)
{
    const json_t *value = json_object_get(object, key);

    *out = NULL;
    if (!aci_model_json_has(object, key))
        return AC_OK;
    if (!json_is_string(value))
        return wrong_kind(key, "a string", error);
    *out = json_string_value(value);
    return AC_OK;
}
