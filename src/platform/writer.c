/* writer.c - a file that appears under its name complete or not at all.
 *
 *     <path>.tmp-<pid>  --append, patch-->  --fsync-->  rename to <path>
 *
 * The temporary file is locked while it is written: one left by a killed
 * process of the same number is taken over, one still being written (another
 * thread, or a container that also calls itself 17) is AC_E_BUSY. Small
 * appends are gathered; after a failed write the writer only abandons. */
#include "platform/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/durable.h"
#include "platform/error.h"

#define BUFFER_BYTES 65536u

struct aci_writer {
    aci_memory *memory;
    char *path;
    char *temporary;
    uint64_t flushed_bytes;    /* in the file */
    size_t n_buffered;         /* behind them, in the buffer */
    int file;                  /* -1 after the temporary file is gone */
    ac_status failed;          /* the first failure, or AC_OK */
    char buffer[BUFFER_BYTES];
};

/* True when `path` still names the file that `file` has open: its last owner
 * may have renamed or removed it before we got the lock. */
static bool still_named(int file, const char *path)
{
    struct stat opened, named;

    return fstat(file, &opened) == 0 && stat(path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static ac_status open_temporary(aci_writer *writer, ac_error *error)
{
    for (;;) {
        int file = open(writer->temporary,
                        O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

        if (file < 0)
            return aci_platform_fail_errno(error, errno, "cannot create %s",
                                           writer->temporary);
        if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            close(file);
            return aci_platform_fail(error, AC_E_BUSY,
                                     "%s is being written by another",
                                     writer->path);
        }
        if (still_named(file, writer->temporary)) {
            writer->file = file;
            break;
        }
        close(file);
    }
    if (ftruncate(writer->file, 0) != 0)
        return aci_platform_fail_errno(error, errno, "cannot write %s",
                                       writer->temporary);
    return AC_OK;
}

ac_status aci_platform_writer_open(aci_writer **out, aci_memory *memory,
                                   const char *path, ac_error *error)
{
    aci_writer *writer;
    ac_status result;

    *out = NULL;
    writer = aci_platform_alloc_zeroed(memory, 1, sizeof *writer);
    if (writer == NULL)
        return aci_platform_fail_memory(error, "a file writer");
    writer->memory = memory;
    writer->file = -1;
    writer->path = aci_platform_strndup(memory, path, strlen(path));
    writer->temporary = aci_platform_temporary_name(memory, path, 0);
    if (writer->path == NULL || writer->temporary == NULL)
        result = aci_platform_fail_memory(error, "a path");
    else
        result = open_temporary(writer, error);
    if (result != AC_OK) {
        aci_platform_writer_abandon(writer);
        return result;
    }
    *out = writer;
    return AC_OK;
}

/* Writes everything at `offset`, however many calls that takes. */
static ac_status write_fully(aci_writer *writer, uint64_t offset,
                             const char *data, size_t n, ac_error *error)
{
    while (n > 0) {
        ssize_t step = pwrite(writer->file, data, n, (off_t)offset);

        if (step < 0 && errno == EINTR)
            continue;
        if (step <= 0) {
            int number = step == 0 ? ENOSPC : errno;

            writer->failed = aci_platform_fail_errno(
                error, number, "cannot write %s", writer->temporary);
            return writer->failed;
        }
        data += step;
        offset += (uint64_t)step;
        n -= (size_t)step;
    }
    return AC_OK;
}

static ac_status flush(aci_writer *writer, ac_error *error)
{
    ac_status result;

    if (writer->failed != AC_OK)
        return aci_platform_fail(error, writer->failed,
                                 "writing %s had failed before",
                                 writer->path);
    result = write_fully(writer, writer->flushed_bytes, writer->buffer,
                         writer->n_buffered, error);
    if (result == AC_OK) {
        writer->flushed_bytes += writer->n_buffered;
        writer->n_buffered = 0;
    }
    return result;
}

ac_status aci_platform_writer_append(aci_writer *writer, const void *data,
                                     size_t n_bytes, ac_error *error)
{
    ac_status result;

    if (n_bytes == 0)
        return AC_OK;
    if (n_bytes > BUFFER_BYTES - writer->n_buffered) {
        result = flush(writer, error);
        if (result != AC_OK)
            return result;
    }
    if (n_bytes >= BUFFER_BYTES) {
        result = write_fully(writer, writer->flushed_bytes, data, n_bytes,
                             error);
        if (result == AC_OK)
            writer->flushed_bytes += n_bytes;
        return result;
    }
    memcpy(writer->buffer + writer->n_buffered, data, n_bytes);
    writer->n_buffered += n_bytes;
    return AC_OK;
}

ac_status aci_platform_writer_align(aci_writer *writer, size_t alignment,
                                    ac_error *error)
{
    static const char zeros[4096];
    uint64_t beyond = aci_platform_writer_offset(writer) % alignment;
    size_t missing = beyond == 0 ? 0 : alignment - (size_t)beyond;

    while (missing > 0) {
        size_t n = missing < sizeof zeros ? missing : sizeof zeros;
        ac_status result = aci_platform_writer_append(writer, zeros, n, error);

        if (result != AC_OK)
            return result;
        missing -= n;
    }
    return AC_OK;
}

ac_status aci_platform_writer_extend(aci_writer *writer, uint64_t n_bytes,
                                     ac_error *error)
{
    ac_status result = flush(writer, error);
    uint64_t end = writer->flushed_bytes + n_bytes;
    int number;

    if (result != AC_OK || n_bytes == 0)
        return result;
    if (end < n_bytes || end > INT64_MAX)
        return aci_platform_fail(error, AC_E_DISK_FULL,
                                 "%s would be too long", writer->path);
    do {
        number = fallocate(writer->file, 0, (off_t)writer->flushed_bytes,
                           (off_t)n_bytes) == 0 ? 0 : errno;
    } while (number == EINTR);
    if (number == EOPNOTSUPP) /* this file system cannot reserve */
        number = ftruncate(writer->file, (off_t)end) == 0 ? 0 : errno;
    if (number != 0) {
        writer->failed = aci_platform_fail_errno(
            error, number, "cannot extend %s", writer->temporary);
        return writer->failed;
    }
    writer->flushed_bytes = end;
    return AC_OK;
}

ac_status aci_platform_writer_patch(aci_writer *writer, uint64_t offset,
                                    const void *data, size_t n_bytes,
                                    ac_error *error)
{
    uint64_t end = aci_platform_writer_offset(writer);
    ac_status result;

    if (offset > end || n_bytes > end - offset)
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "a patch of %s went past its end",
                                 writer->path);
    result = flush(writer, error);
    if (result != AC_OK)
        return result;
    return write_fully(writer, offset, data, n_bytes, error);
}

uint64_t aci_platform_writer_offset(const aci_writer *writer)
{
    return writer->flushed_bytes + writer->n_buffered;
}

ac_status aci_platform_writer_flush(aci_writer *writer, ac_error *error)
{
    return flush(writer, error);
}

const char *aci_platform_writer_temporary(const aci_writer *writer)
{
    return writer->temporary;
}

/* Closes and removes the temporary file, if it is still there. */
static void discard(aci_writer *writer)
{
    if (writer->file < 0)
        return;
    unlink(writer->temporary); /* before the lock goes with the close */
    close(writer->file);
    writer->file = -1;
}

ac_status aci_platform_writer_commit(aci_writer *writer, ac_error *error)
{
    ac_status result = flush(writer, error);
    int parent = -1, number;

    if (result == AC_OK)
        result = aci_platform_open_parent(&parent, writer->memory,
                                          writer->path, error);
    if (result == AC_OK && fsync(writer->file) != 0)
        result = aci_platform_fail_errno(error, errno, "cannot sync %s",
                                         writer->temporary);
    if (result == AC_OK && rename(writer->temporary, writer->path) != 0)
        result = aci_platform_fail_errno(error, errno, "cannot rename %s",
                                         writer->temporary);
    if (result != AC_OK) {
        writer->failed = result;
        discard(writer);
        if (parent >= 0)
            close(parent);
        return result;
    }
    close(writer->file);
    writer->file = -1;
    number = aci_platform_sync_directory(parent);
    close(parent);
    if (number != 0)
        return aci_platform_fail_errno(error, number, "cannot sync %s",
                                       writer->path);
    aci_platform_writer_abandon(writer); /* nothing left to remove */
    return AC_OK;
}

void aci_platform_writer_abandon(aci_writer *writer)
{
    if (writer == NULL)
        return;
    discard(writer);
    aci_platform_free(writer->memory, writer->temporary);
    aci_platform_free(writer->memory, writer->path);
    aci_platform_free(writer->memory, writer);
}
