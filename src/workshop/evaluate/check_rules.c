/* check_rules.c - see check_rules.h. */
#include "workshop/evaluate/check_rules.h"

#include <stdarg.h>
#include <stdio.h>

#include "platform/error.h"

void aci_workshop_rule(aci_rules *rules, bool holds, const char *format, ...)
{
    va_list list;
    char *c;

    rules->n++;
    if (holds) {
        rules->n_held++;
        return;
    }
    if (rules->reason[0] != '\0')
        return;
    va_start(list, format);
    vsnprintf(rules->reason, sizeof rules->reason, format, list);
    va_end(list);
    for (c = rules->reason; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

/* ---- fields -------------------------------------------------------------- */

static ac_status read_text(aci_slice *out, const json_t *value,
                           const char *key, ac_error *error)
{
    *out = (aci_slice){ json_string_value(value), json_string_length(value) };
    if (out->at == NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"%s\" is not a string", key);
    if (out->n > ACI_CHECK_MOST_TEXT || !aci_workshop_text_clean(*out))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"%s\" is longer than %d bytes or "
                                 "has control characters", key,
                                 ACI_CHECK_MOST_TEXT);
    return AC_OK;
}

ac_status aci_workshop_check_text(aci_slice *out, const json_t *object,
                                  const char *key, ac_error *error)
{
    ac_status status =
        read_text(out, json_object_get(object, key), key, error);

    if (status == AC_OK && out->n == 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"%s\" is empty", key);
    return status;
}

ac_status aci_workshop_check_text_or(aci_slice *out, const json_t *object,
                                     const char *key, ac_error *error)
{
    const json_t *value = json_object_get(object, key);

    *out = aci_slice_of("");
    return value == NULL ? AC_OK : read_text(out, value, key, error);
}

/* A list of at most `most`, or absent. */
static ac_status read_list(size_t *n, size_t most, const json_t *list,
                           const char *key, ac_error *error)
{
    *n = json_array_size(list);
    if (list != NULL && (!json_is_array(list) || *n > most))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"%s\" is not a list of at most %zu",
                                 key, most);
    return AC_OK;
}

ac_status aci_workshop_check_texts(aci_slice *out, int32_t *n, int32_t most,
                                   const json_t *object, const char *key,
                                   ac_error *error)
{
    const json_t *list = json_object_get(object, key);
    size_t size, i;
    ac_status status = read_list(&size, (size_t)most, list, key, error);

    *n = 0;
    for (i = 0; i < size && status == AC_OK; i++) {
        status = read_text(&out[i], json_array_get(list, i), key, error);
        if (status == AC_OK && out[i].n == 0)
            status = aci_platform_fail(error, AC_E_FORMAT,
                                       "check: \"%s\" has an empty text", key);
    }
    if (status == AC_OK)
        *n = (int32_t)size;
    return status;
}

static ac_status read_integer(int32_t *out, const json_t *value,
                              const char *key, int32_t low, int32_t high,
                              ac_error *error)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < low || number > high)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"%s\" is not a whole number from %d "
                                 "to %d", key, (int)low, (int)high);
    *out = (int32_t)number;
    return AC_OK;
}

ac_status aci_workshop_check_integer(int32_t *out, const json_t *object,
                                     const char *key, int32_t low,
                                     int32_t high, ac_error *error)
{
    return read_integer(out, json_object_get(object, key), key, low, high,
                        error);
}

ac_status aci_workshop_check_integers(int32_t *out, int32_t *n, int32_t most,
                                      const json_t *object, const char *key,
                                      int32_t low, int32_t high,
                                      ac_error *error)
{
    const json_t *list = json_object_get(object, key);
    size_t size, i;
    ac_status status = read_list(&size, (size_t)most, list, key, error);

    *n = 0;
    for (i = 0; i < size && status == AC_OK; i++)
        status = read_integer(&out[i], json_array_get(list, i), key, low,
                              high, error);
    if (status == AC_OK)
        *n = (int32_t)size;
    return status;
}

ac_status aci_workshop_check_objects(const json_t **out, size_t most,
                                     const json_t *object, const char *key,
                                     ac_error *error)
{
    const json_t *list = json_object_get(object, key);
    size_t n, i;
    ac_status status = read_list(&n, most, list, key, error);

    *out = list;
    for (i = 0; i < n && status == AC_OK; i++) {
        if (!json_is_object(json_array_get(list, i)))
            status = aci_platform_fail(error, AC_E_FORMAT,
                                       "check: \"%s\" has a member that is "
                                       "not an object", key);
    }
    return status;
}
