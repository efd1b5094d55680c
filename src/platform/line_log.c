/* line_log.c - a file that grows line by line; see files.h. */
#include "platform/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/error.h"

struct aci_line_log {
    aci_memory *memory;
    char *path;
    int file;
};

ac_status aci_platform_line_log_open(aci_line_log **out, aci_memory *memory,
                                     const char *path, ac_error *error)
{
    aci_line_log *log = aci_platform_alloc_zeroed(memory, 1, sizeof *log);
    ac_status status = AC_OK;

    *out = NULL;
    if (log == NULL)
        return aci_platform_fail_memory(error, "a log");
    log->memory = memory;
    log->file = -1;
    log->path = aci_platform_strndup(memory, path, strlen(path));
    if (log->path == NULL)
        status = aci_platform_fail_memory(error, "a path");
    if (status == AC_OK) {
        log->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (log->file < 0)
            status = aci_platform_fail_errno(error, errno, "cannot open %s",
                                             path);
    }
    if (status == AC_OK && flock(log->file, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK
                     ? aci_platform_fail(error, AC_E_BUSY,
                                         "%s is being written by another",
                                         path)
                     : aci_platform_fail_errno(error, errno,
                                               "cannot lock %s", path);
    if (status != AC_OK) {
        aci_platform_line_log_close(log);
        return status;
    }
    *out = log;
    return AC_OK;
}

ac_status aci_platform_line_log_add(aci_line_log *log, const char *text,
                                    size_t n_bytes, ac_error *error)
{
    while (n_bytes > 0) {
        ssize_t step = write(log->file, text, n_bytes);

        if (step < 0 && errno == EINTR)
            continue;
        if (step <= 0)
            return aci_platform_fail_errno(error, step == 0 ? ENOSPC : errno,
                                           "cannot write %s", log->path);
        text += step;
        n_bytes -= (size_t)step;
    }
    return AC_OK;
}

ac_status aci_platform_line_log_cut(aci_line_log *log, size_t n_bytes,
                                    ac_error *error)
{
    if (ftruncate(log->file, (off_t)n_bytes) == 0)
        return AC_OK;
    return aci_platform_fail_errno(error, errno, "cannot cut %s", log->path);
}

void aci_platform_line_log_close(aci_line_log *log)
{
    if (log == NULL)
        return;
    if (log->file >= 0)
        close(log->file);
    aci_platform_free(log->memory, log->path);
    aci_platform_free(log->memory, log);
}
