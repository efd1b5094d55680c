/* json_read.c - reading the JSON files of a model folder. */
#include "tokenizer/json_read.h"

#include <string.h>

#include "platform/error.h"
#include "platform/files.h"

#define MAX_JSON_BYTES ((size_t)256 << 20)

ac_status aci_tokenizer_json_load(json_t **out, aci_memory *memory,
                                  const char *path, ac_error *error)
{
    json_error_t where;
    char *text = NULL;
    size_t n_bytes = 0;
    ac_status status;

    *out = NULL;
    status = aci_platform_read_file(&text, &n_bytes, memory, path,
                                    MAX_JSON_BYTES, error);
    if (status != AC_OK)
        return status;
    *out = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES |
                      JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &where);
    aci_platform_free(memory, text);
    if (*out != NULL)
        return AC_OK;
    if (json_error_code(&where) == json_error_out_of_memory)
        return aci_platform_fail_memory(error, path);
    return aci_platform_fail(error, AC_E_FORMAT, "%s was not JSON: line %d, %s",
                             path, where.line, where.text);
}

int64_t aci_tokenizer_json_id(const json_t *value, int64_t limit)
{
    double number = json_is_real(value) ? json_real_value(value) : -1.0;

    if (!(number >= 0.0 && number < (double)limit) ||
        (double)(int64_t)number != number)
        return -1;
    return (int64_t)number;
}

int aci_tokenizer_json_is(const json_t *object, const char *key,
                          const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL && strcmp(value, text) == 0;
}

int aci_tokenizer_json_true(const json_t *object, const char *key,
                            int otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}
