/* stages.c - see stages.h. */
#include "workshop/compress/stages.h"

#include <stdio.h>
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/files.h"

#define FOLDER "stages"
#define SUFFIX ".stage"

/* As it lies in the file, in front of what was found. */
typedef struct stamp {
    char magic[8];
    uint64_t key;
    uint64_t n_bytes;
    uint64_t checksum;         /* of what was found, by the key */
} stamp;

static const char magic[8] = "ACSTAGE1";

ac_status aci_workshop_stages_open(aci_stages *out, aci_memory *memory,
                                   const char *zoo,
                                   const ac_compress_options *options,
                                   ac_error *error)
{
    out->memory = memory;
    out->options = options;
    out->folder = aci_platform_join(memory, zoo, FOLDER);
    return out->folder != NULL ? AC_OK
                               : aci_platform_fail_memory(error, "a path");
}

void aci_workshop_stages_close(aci_stages *stages)
{
    if (stages->memory != NULL)
        aci_platform_free(stages->memory, stages->folder);
    memset(stages, 0, sizeof *stages);
}

static char *path_of(const aci_stages *stages, const char *name,
                     const char *suffix)
{
    char file[64];

    snprintf(file, sizeof file, "%.40s%.20s", name, suffix);
    return aci_platform_join(stages->memory, stages->folder, file);
}

char *aci_workshop_stage_path(const aci_stages *stages, const char *name,
                              const char *suffix)
{
    return aci_platform_make_directory(stages->folder, NULL) == AC_OK
               ? path_of(stages, name, suffix)
               : NULL;
}

static void tell(const aci_stages *stages, int32_t level, const char *name,
                 const char *what)
{
    char text[160];

    if (stages->options->on_log == NULL)
        return;
    snprintf(text, sizeof text, "%.40s: %s", name, what);
    stages->options->on_log(level, text, stages->options->log_user);
}

int aci_workshop_stage_take(void *found, const aci_stages *stages,
                            const char *name, uint64_t key, size_t n_bytes)
{
    char *path = path_of(stages, name, SUFFIX), *bytes = NULL;
    int is_ours = 0;
    size_t n;
    stamp s;

    if (path != NULL && aci_platform_is_file(path) &&
        aci_platform_read_file(&bytes, &n, stages->memory, path,
                               sizeof s + n_bytes, NULL) == AC_OK &&
        n == sizeof s + n_bytes) {
        memcpy(&s, bytes, sizeof s);
        is_ours = memcmp(s.magic, magic, sizeof magic) == 0 && s.key == key &&
                  s.n_bytes == n_bytes &&
                  s.checksum == aci_platform_checksum(bytes + sizeof s,
                                                      n_bytes, key);
    }
    if (is_ours) {
        memcpy(found, bytes + sizeof s, n_bytes);
        tell(stages, AC_LOG_INFO, name, "taken up from the unfinished run");
    } else if (path != NULL && aci_platform_is_file(path)) {
        tell(stages, AC_LOG_WARNING, name,
             "the unfinished run was of another model, text or options; "
             "made anew");
        aci_platform_remove_file(path);
    }
    aci_platform_free(stages->memory, bytes);
    aci_platform_free(stages->memory, path);
    return is_ours;
}

ac_status aci_workshop_stage_put(const aci_stages *stages, const char *name,
                                 uint64_t key, const void *found,
                                 size_t n_bytes, ac_error *error)
{
    char *path = aci_workshop_stage_path(stages, name, SUFFIX);
    stamp s = { .key = key, .n_bytes = n_bytes,
                .checksum = aci_platform_checksum(found, n_bytes, key) };
    aci_writer *writer = NULL;
    ac_status status = path != NULL
                           ? aci_platform_writer_open(&writer, stages->memory,
                                                      path, error)
                           : aci_platform_fail(error, AC_E_NO_MEMORY,
                                               "a stage's file could not be "
                                               "made");

    memcpy(s.magic, magic, sizeof magic);
    if (status == AC_OK)
        status = aci_platform_writer_append(writer, &s, sizeof s, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(writer, found, n_bytes, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(writer);
    aci_platform_free(stages->memory, path);
    return status;
}

int aci_workshop_stages_any(aci_memory *memory, const char *zoo)
{
    char *path = aci_platform_join(memory, zoo, FOLDER);
    int any = path != NULL && aci_platform_is_directory(path);

    aci_platform_free(memory, path);
    return any;
}

void aci_workshop_stages_remove(aci_memory *memory, const char *zoo)
{
    char *path = aci_platform_join(memory, zoo, FOLDER);

    if (path != NULL)
        aci_platform_remove_folder(path);
    aci_platform_free(memory, path);
}
