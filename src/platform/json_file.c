/* json_file.c - see json_file.h. */
#include "platform/json_file.h"

#include "platform/error.h"
#include "platform/files.h"

typedef struct sink {
    aci_writer *writer;
    ac_error *error;
    ac_status status;
} sink;

static int write_piece(const char *piece, size_t n_bytes, void *user)
{
    sink *out = user;

    out->status = aci_platform_writer_append(out->writer, piece, n_bytes,
                                             out->error);
    return out->status == AC_OK ? 0 : -1;
}

ac_status aci_platform_json_write(const json_t *root, aci_memory *memory,
                                  const char *path, ac_error *error)
{
    sink out = { NULL, error, AC_OK };
    ac_status status;

    if (root == NULL)
        return aci_platform_fail_memory(error, path);
    status = aci_platform_writer_open(&out.writer, memory, path, error);
    if (status != AC_OK)
        return status;
    if (json_dump_callback(root, write_piece, &out,
                           JSON_INDENT(2) | JSON_REAL_PRECISION(17)) != 0)
        status = out.status != AC_OK ? out.status
                                     : aci_platform_fail_memory(error, path);
    if (status == AC_OK)
        status = aci_platform_writer_append(out.writer, "\n", 1, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(out.writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(out.writer);
    return status;
}
