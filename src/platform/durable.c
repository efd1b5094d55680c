/* durable.c - temporary names, and names that survive a power cut.
 *
 * A file's bytes are safe after fsync of the file; that it has its name is
 * safe only after fsync of the directory. */
#include "platform/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/error.h"

/* Length of `path` without the slashes at its end. */
static size_t trimmed_length(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

char *aci_platform_name_beside(aci_memory *memory, const char *path,
                               const char *suffix, size_t reserve_bytes)
{
    size_t n = trimmed_length(path), n_suffix = strlen(suffix);
    char *block = aci_platform_alloc(memory, reserve_bytes + n + n_suffix + 1);

    if (block == NULL)
        return NULL;
    memcpy(block + reserve_bytes, path, n);
    memcpy(block + reserve_bytes + n, suffix, n_suffix + 1);
    return block + reserve_bytes;
}

char *aci_platform_temporary_name(aci_memory *memory, const char *path,
                                  size_t reserve_bytes)
{
    char suffix[32];

    snprintf(suffix, sizeof suffix, ".tmp-%ld", (long)getpid());
    return aci_platform_name_beside(memory, path, suffix, reserve_bytes);
}

ac_status aci_platform_open_parent(int *out, aci_memory *memory,
                                   const char *path, ac_error *error)
{
    size_t n = trimmed_length(path);
    ac_status result = AC_OK;
    char *parent;

    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    parent = n > 0 ? aci_platform_strndup(memory, path, n)
                   : aci_platform_strndup(memory, ".", 1);
    if (parent == NULL)
        return aci_platform_fail_memory(error, "a path");
    *out = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0)
        result = aci_platform_fail_errno(error, errno, "cannot open %s",
                                         parent);
    aci_platform_free(memory, parent);
    return result;
}

int aci_platform_sync_directory(int directory)
{
    /* EINVAL: a file system on which directories need no fsync. */
    return fsync(directory) == 0 || errno == EINVAL ? 0 : errno;
}
