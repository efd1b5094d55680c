/* files.h - mapping, reading, and writing so that a kill leaves no ruin. */
#ifndef ACI_PLATFORM_FILES_H
#define ACI_PLATFORM_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

/* A file mapped read-only. An empty file has data NULL and size 0. */
typedef struct aci_mapping {
    const uint8_t *data;
    size_t size;
} aci_mapping;

ac_status aci_platform_map(aci_mapping *out, const char *path,
                           ac_error *error);
void aci_platform_unmap(aci_mapping *mapping);

/* Whole file into memory, a NUL added behind it; refuses more than
 * `max_bytes`. */
ac_status aci_platform_read_file(char **out, size_t *n_bytes,
                                 aci_memory *memory, const char *path,
                                 size_t max_bytes, ac_error *error);

bool aci_platform_is_directory(const char *path);
bool aci_platform_is_file(const char *path);
/* Size in bytes, or -1. */
int64_t aci_platform_file_size(const char *path);

/* "a/b" from "a" and "b" in new memory, or NULL. */
char *aci_platform_join(aci_memory *memory, const char *folder,
                        const char *name);

/* A file being written beside its final place: "<path>.tmp-<pid>". commit
 * fsyncs and renames, and frees the writer when it succeeds; after a commit
 * that failed the temporary file is gone and the writer is still to be
 * abandoned. abandon removes the file and frees. */
typedef struct aci_writer aci_writer;
ac_status aci_platform_writer_open(aci_writer **out, aci_memory *memory,
                                   const char *path, ac_error *error);
ac_status aci_platform_writer_append(aci_writer *writer, const void *data,
                                     size_t n_bytes, ac_error *error);
/* Zero bytes up to the next multiple of `alignment`. */
ac_status aci_platform_writer_align(aci_writer *writer, size_t alignment,
                                    ac_error *error);
/* `n_bytes` zero bytes at the end, their space taken from the disk now, so that
 * a full disk shows before the work; to be patched later, in any order. */
ac_status aci_platform_writer_extend(aci_writer *writer, uint64_t n_bytes,
                                     ac_error *error);
/* Overwrite bytes already written. */
ac_status aci_platform_writer_patch(aci_writer *writer, uint64_t offset,
                                    const void *data, size_t n_bytes,
                                    ac_error *error);
uint64_t aci_platform_writer_offset(const aci_writer *writer);
/* Everything written so far is in the temporary file, under this name: to be
 * read back before it is committed. */
ac_status aci_platform_writer_flush(aci_writer *writer, ac_error *error);
const char *aci_platform_writer_temporary(const aci_writer *writer);
ac_status aci_platform_writer_commit(aci_writer *writer, ac_error *error);
void aci_platform_writer_abandon(aci_writer *writer); /* NULL is fine */

/* A file that is in the way, or no longer needed; one that is not there is
 * fine. */
void aci_platform_remove_file(const char *path);

/* A directory made where it belongs, unless it is there already. */
ac_status aci_platform_make_directory(const char *path, ac_error *error);

/* Lines added at the end of a file, one whole line a write, by one process at
 * a time (AC_E_BUSY). Made when it is not there. Survives a kill, not a power
 * cut. */
typedef struct aci_line_log aci_line_log;
ac_status aci_platform_line_log_open(aci_line_log **out, aci_memory *memory,
                                     const char *path, ac_error *error);
ac_status aci_platform_line_log_add(aci_line_log *log, const char *text,
                                    size_t n_bytes, ac_error *error);
/* Cuts the file to its first n_bytes. */
ac_status aci_platform_line_log_cut(aci_line_log *log, size_t n_bytes,
                                    ac_error *error);
void aci_platform_line_log_close(aci_line_log *log); /* NULL is fine */

/* A directory made beside its place, "<path>.tmp-<pid>", filled, then renamed
 * over it. With `overwrite` an existing directory is swapped out and removed
 * (the caller makes sure that it is one of ours); without it, existing is
 * AC_E_ARGUMENT. commit frees `temporary` when it succeeds; after a failure it
 * is still to be abandoned, which removes the directory. */
ac_status aci_platform_folder_begin(char **out_temporary, aci_memory *memory,
                                    const char *path, bool overwrite,
                                    ac_error *error);
ac_status aci_platform_folder_commit(aci_memory *memory, char *temporary,
                                     const char *path, ac_error *error);
void aci_platform_folder_abandon(aci_memory *memory, char *temporary);

/* The same as "<path>.unfinished", which a kill leaves and the next call finds
 * as it was, but for files that were half written: work that takes hours is
 * taken up again. `leave` ends it so. */
ac_status aci_platform_folder_take_up(char **out_temporary, aci_memory *memory,
                                      const char *path, bool overwrite,
                                      ac_error *error);
void aci_platform_folder_leave(aci_memory *memory, char *temporary);

/* A directory and all that is in it; one that is not there is fine. */
void aci_platform_remove_folder(const char *path);

#endif
