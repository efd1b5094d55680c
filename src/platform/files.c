/* files.c - looking at files: mapping, reading, sizes, names. Writing is in
 * writer.c and folder.c. */
#include "platform/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/error.h"

/* Opens a regular file for reading. O_NONBLOCK so that a pipe somebody put in
 * a checkpoint's place cannot hang us. */
static ac_status open_regular(int *out, struct stat *status, const char *path,
                              ac_error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ac_status result;

    if (file < 0)
        return aci_platform_fail_errno(error, errno, "cannot open %s", path);
    if (fstat(file, status) != 0) {
        result = aci_platform_fail_errno(error, errno, "cannot read %s", path);
        close(file);
        return result;
    }
    if (!S_ISREG(status->st_mode)) {
        close(file);
        return aci_platform_fail(error, AC_E_IO, "%s is not a plain file",
                                 path);
    }
    *out = file;
    return AC_OK;
}

ac_status aci_platform_map(aci_mapping *out, const char *path,
                           ac_error *error)
{
    struct stat status;
    ac_status result = AC_OK;
    void *data;
    int file;

    out->data = NULL;
    out->size = 0;
    result = open_regular(&file, &status, path, error);
    if (result != AC_OK || status.st_size == 0) {
        if (result == AC_OK)
            close(file);
        return result;
    }
    data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (data == MAP_FAILED) {
        result = aci_platform_fail_errno(error, errno, "cannot map %s", path);
    } else {
        out->data = data;
        out->size = (size_t)status.st_size;
    }
    close(file); /* the mapping stays */
    return result;
}

void aci_platform_unmap(aci_mapping *mapping)
{
    if (mapping->data != NULL)
        munmap((void *)(uintptr_t)mapping->data, mapping->size);
    mapping->data = NULL;
    mapping->size = 0;
}

/* Reads until `n` bytes came or the file ended; *got says how many. */
static ac_status read_fully(int file, char *into, size_t n, size_t *got,
                            const char *path, ac_error *error)
{
    *got = 0;
    while (*got < n) {
        ssize_t step = read(file, into + *got, n - *got);

        if (step > 0)
            *got += (size_t)step;
        else if (step == 0)
            break;
        else if (errno != EINTR)
            return aci_platform_fail_errno(error, errno, "cannot read %s",
                                           path);
    }
    return AC_OK;
}

ac_status aci_platform_read_file(char **out, size_t *n_bytes,
                                 aci_memory *memory, const char *path,
                                 size_t max_bytes, ac_error *error)
{
    struct stat status;
    ac_status result;
    char *text;
    size_t size;
    int file;

    *out = NULL;
    *n_bytes = 0;
    result = open_regular(&file, &status, path, error);
    if (result != AC_OK)
        return result;
    if ((uint64_t)status.st_size > max_bytes) {
        close(file);
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "%s has %lld bytes, at most %zu are read",
            path, (long long)status.st_size, max_bytes);
    }
    size = (size_t)status.st_size;
    text = aci_platform_alloc(memory, size + 1);
    if (text == NULL)
        result = aci_platform_fail_memory(error, path);
    else
        result = read_fully(file, text, size, n_bytes, path, error);
    close(file);
    if (result != AC_OK) {
        aci_platform_free(memory, text);
        *n_bytes = 0;
        return result;
    }
    text[*n_bytes] = '\0';
    *out = text;
    return AC_OK;
}

bool aci_platform_is_directory(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool aci_platform_is_file(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

int64_t aci_platform_file_size(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return -1;
    return (int64_t)status.st_size;
}

void aci_platform_remove_file(const char *path)
{
    unlink(path);
}

char *aci_platform_join(aci_memory *memory, const char *folder,
                        const char *name)
{
    size_t n_folder = strlen(folder), n_name = strlen(name);
    size_t slash = n_folder > 0 && folder[n_folder - 1] != '/';
    char *path = aci_platform_alloc(memory, n_folder + slash + n_name + 1);

    if (path == NULL)
        return NULL;
    memcpy(path, folder, n_folder);
    if (slash)
        path[n_folder] = '/';
    memcpy(path + n_folder + slash, name, n_name + 1);
    return path;
}
