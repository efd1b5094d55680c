/* ac_inspect.c - what a path is, as JSON. */
#include <string.h>

#include "api/handles.h"
#include "model/describe.h"
#include "platform/error.h"
#include "platform/files.h"
#include "workshop/workshop.h"

/* GGUF files say so in their first bytes; any other single file can only be a
 * predictor. */
static ac_status begins_with_gguf(int *out, const char *path, ac_error *error)
{
    aci_mapping mapping;
    ac_status status = aci_platform_map(&mapping, path, error);

    if (status != AC_OK)
        return status;
    *out = mapping.size >= 4 && memcmp(mapping.data, "GGUF", 4) == 0;
    aci_platform_unmap(&mapping);
    return AC_OK;
}

ac_status ac_inspect(char **out_json, const char *path, ac_error *error)
{
    aci_memory memory;
    int is_gguf = 0;
    ac_status status = aci_api_need(out_json, "out_json", error);

    if (status != AC_OK)
        return status;
    *out_json = NULL;
    status = aci_api_need(path, "path", error);
    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&memory);
    if (aci_api_synthetic(path) != NULL)
        return aci_workshop_synthetic_describe(
            out_json, &memory, aci_api_synthetic(path), error);
    if (aci_model_is_zoo(path))
        return aci_model_describe_zoo(out_json, &memory, path, 0, error);
    if (aci_platform_is_directory(path))
        return aci_model_describe_checkpoint(out_json, &memory, path, error);
    status = begins_with_gguf(&is_gguf, path, error);
    if (status != AC_OK)
        return status;
    if (is_gguf)
        return aci_model_describe_checkpoint(out_json, &memory, path, error);
    return aci_router_predictor_describe(out_json, &memory, path, error);
}
