/* handles.c - see handles.h. */
#include "api/handles.h"

#include <string.h>

#include "platform/error.h"

/* A struct_size beyond this is garbage, not the future. */
#define LARGEST_STRUCT 4096u

ac_status aci_api_need(const void *pointer, const char *what, ac_error *error)
{
    if (pointer != NULL)
        return AC_OK;
    return aci_platform_fail(error, AC_E_ARGUMENT, "%s was NULL", what);
}

static ac_status read_size(uint32_t *size, const void *given,
                           const char *what, ac_error *error)
{
    memcpy(size, given, sizeof *size);
    if (*size >= 2 * sizeof *size && *size <= LARGEST_STRUCT &&
        *size % 8 == 0)
        return AC_OK;
    return aci_platform_fail(
        error, AC_E_ARGUMENT,
        "%s.struct_size was %u; start from the struct's _INIT macro", what,
        *size);
}

ac_status aci_api_take_options(void *own, size_t own_bytes, const void *given,
                               const char *what, ac_error *error)
{
    const uint8_t *bytes = given;
    uint32_t size;
    size_t i;
    ac_status status;

    if (given == NULL)
        return AC_OK;
    status = read_size(&size, given, what, error);
    if (status != AC_OK)
        return status;
    for (i = own_bytes; i < size; i++)
        if (bytes[i] != 0)
            return aci_platform_fail(
                error, AC_E_UNSUPPORTED,
                "%s had a field newer than this library, version %s", what,
                AC_VERSION_STRING);
    memcpy(own, given, size < own_bytes ? size : own_bytes);
    return AC_OK;
}

ac_status aci_api_give_result(void *out, const void *own, size_t own_bytes,
                              const char *what, ac_error *error)
{
    uint32_t size;
    ac_status status = aci_api_need(out, what, error);

    if (status == AC_OK)
        status = read_size(&size, out, what, error);
    if (status != AC_OK)
        return status;
    memcpy((uint8_t *)out + sizeof size, (const uint8_t *)own + sizeof size,
           (size < own_bytes ? size : own_bytes) - sizeof size);
    return AC_OK;
}

const char *aci_api_synthetic(const char *path)
{
    static const char prefix[] = "synthetic:";
    size_t n = sizeof prefix - 1;

    return strncmp(path, prefix, n) == 0 ? path + n : NULL;
}
