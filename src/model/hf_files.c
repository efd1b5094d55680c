/* hf_files.c - finding and cross-checking shards. */
#include "model/hf_files.h"

#include <string.h>

#include "model/checkpoint_json.h"
#include "platform/error.h"
#include "platform/files.h"

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"
#define TORCH "pytorch_model.bin"

enum { MAX_SHARDS = 4096 };
#define MAX_INDEX_BYTES ((size_t)64 << 20)

static ac_status open_one(aci_hf_files *out, const char *folder,
                          const char *name, ac_error *error)
{
    char *path = aci_platform_join(out->memory, folder, name);
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_safetensors_open(&out->files[out->n], out->memory,
                                        path, error);
    if (status == AC_OK)
        out->n++;
    aci_platform_free(out->memory, path);
    return status;
}

/* A file beside the index and nothing else: no folders, no climbing. */
static int is_shard_name(const char *name)
{
    static const char suffix[] = ".safetensors";
    size_t n = name != NULL ? strlen(name) : 0;

    return n > sizeof suffix - 1 && n < 256 && name[0] != '.' &&
           strchr(name, '/') == NULL &&
           strcmp(name + n - (sizeof suffix - 1), suffix) == 0;
}

/* The distinct file names of the map, as keys of an object: name to number,
 * in order of appearance. */
static ac_status list_shards(json_t *shards, const json_t *map,
                             ac_error *error)
{
    const char *tensor;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
        const char *name = json_string_value(value);
        size_t n = json_object_size(shards);

        if (!is_shard_name(name))
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "tensor %s was said to be in \"%s\"",
                                     tensor, name != NULL ? name : "");
        if (json_object_get(shards, name) != NULL)
            continue;
        if (n == MAX_SHARDS)
            return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                     "there were more than %d shards",
                                     MAX_SHARDS);
        if (json_object_set_new(shards, name,
                                json_integer((json_int_t)n)) != 0)
            return aci_platform_fail_memory(error, "a list of shards");
    }
    if (json_object_size(shards) == 0)
        return aci_platform_fail(error, AC_E_FORMAT, "weight_map was empty");
    return AC_OK;
}

static ac_status open_shards(aci_hf_files *out, const char *folder,
                             json_t *shards, ac_error *error)
{
    ac_status status = AC_OK;
    const char *name;
    json_t *number;

    out->files = aci_platform_alloc_zeroed(
        out->memory, json_object_size(shards), sizeof *out->files);
    if (out->files == NULL)
        return aci_platform_fail_memory(error, "a list of shards");
    json_object_foreach(shards, name, number) {
        json_integer_set(number, (json_int_t)out->n);
        status = open_one(out, folder, name, error);
        if (status != AC_OK)
            return status;
    }
    return status;
}

/* Index and shards tell the same story, both ways. */
static ac_status check_map(const aci_hf_files *files, const json_t *map,
                           const json_t *shards, ac_error *error)
{
    size_t n_listed = 0;
    const char *tensor;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
        const char *name = json_string_value(value);
        size_t i = (size_t)json_integer_value(json_object_get(shards, name));

        if (aci_model_safetensors_find(files->files[i], tensor) == NULL)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "tensor %s was not in %s", tensor, name);
        n_listed++;
    }
    for (size_t i = 0; i < files->n; i++)
        for (size_t t = 0; t < aci_model_safetensors_count(files->files[i]);
             t++) {
            const char *name =
                aci_model_safetensors_at(files->files[i], t)->name;
            const json_t *listed = json_object_get(
                shards, json_string_value(json_object_get(map, name)));

            if (listed == NULL || json_integer_value(listed) != (json_int_t)i)
                return aci_platform_fail(
                    error, AC_E_FORMAT,
                    "tensor %s was in a shard where the index has it not",
                    name);
        }
    return n_listed > 0 ? AC_OK : AC_E_INTERNAL;
}

static ac_status load_index(json_t **out, aci_memory *memory,
                            const char *folder, ac_error *error)
{
    char *path = aci_platform_join(memory, folder, INDEX);
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_json_load(out, memory, path, MAX_INDEX_BYTES, error);
    aci_platform_free(memory, path);
    return status;
}

static ac_status open_index(aci_hf_files *out, const char *folder,
                            ac_error *error)
{
    json_t *index = NULL, *shards = json_object();
    const json_t *map;
    ac_status status = load_index(&index, out->memory, folder, error);

    map = json_object_get(index, "weight_map");
    if (status == AC_OK && shards == NULL)
        status = aci_platform_fail_memory(error, "a list of shards");
    if (status == AC_OK && !json_is_object(map))
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   INDEX " had no weight_map");
    if (status == AC_OK)
        status = list_shards(shards, map, error);
    if (status == AC_OK)
        status = open_shards(out, folder, shards, error);
    if (status == AC_OK)
        status = check_map(out, map, shards, error);
    json_decref(shards);
    json_decref(index);
    return status;
}

/* *out 1 when the folder has that file. */
static ac_status look_for(int *out, aci_memory *memory, const char *folder,
                          const char *name, ac_error *error)
{
    char *path = aci_platform_join(memory, folder, name);

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    *out = aci_platform_is_file(path);
    aci_platform_free(memory, path);
    return AC_OK;
}

static ac_status open_single(aci_hf_files *out, const char *folder,
                             ac_error *error)
{
    out->files = aci_platform_alloc_zeroed(out->memory, 1,
                                           sizeof *out->files);
    if (out->files == NULL)
        return aci_platform_fail_memory(error, "a list of shards");
    return open_one(out, folder, SINGLE, error);
}

ac_status aci_model_hf_files_open(aci_hf_files *out, aci_memory *memory,
                                  const char *folder, ac_error *error)
{
    static const char *const names[] = { SINGLE, INDEX, TORCH,
                                         TORCH ".index.json" };
    int has[4] = { 0 };

    out->memory = memory;
    for (int i = 0; i < 4; i++) {
        ac_status status = look_for(&has[i], memory, folder, names[i], error);

        if (status != AC_OK)
            return status;
    }
    if (has[0])
        return open_single(out, folder, error);
    if (has[1])
        return open_index(out, folder, error);
    if (has[2] || has[3])
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%s had its weights as " TORCH
                                 "; save them as safetensors", folder);
    return aci_platform_fail(error, AC_E_NOT_FOUND,
                             "%s had neither " SINGLE " nor " INDEX, folder);
}

void aci_model_hf_files_close(aci_hf_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        aci_model_safetensors_close(files->files[i]);
    if (files->memory != NULL)
        aci_platform_free(files->memory, files->files);
    files->files = NULL;
    files->n = 0;
}

const aci_safetensor *aci_model_hf_files_find(const aci_hf_files *files,
                                              const char *name)
{
    const aci_safetensor *found = NULL;

    for (size_t i = 0; i < files->n && found == NULL; i++)
        found = aci_model_safetensors_find(files->files[i], name);
    return found;
}
