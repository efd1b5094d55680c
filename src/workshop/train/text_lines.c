/* text_lines.c - see text_lines.h. The file is mapped; bytes are copied or
 * unpacked into one buffer that grows to the longest line. */
#include "workshop/train/text_lines.h"

#include <lzma.h>
#include <stdbool.h>
#include <string.h>

#include "platform/error.h"
#include "platform/files.h"

enum { CHUNK_BYTES = 1 << 16, LONGEST_LINE = 1 << 24 };
#define XZ_MAGIC "\xFD" "7zXZ"
#define XZ_MEMORY_LIMIT ((uint64_t)256 << 20)

struct aci_text_lines {
    aci_memory *memory;
    aci_mapping file;
    size_t n_read;      /* of the file, when it is plain */
    bool packed, ended; /* ended: no more bytes will come */
    lzma_stream xz;
    char *buffer;
    size_t n, capacity; /* of the buffer */
    size_t at;          /* where the next line begins */
    uint64_t number;
    char name[256];     /* of the file, for messages */
};

ac_status aci_workshop_lines_open(aci_text_lines **out, aci_memory *memory,
                                  const char *path, ac_error *error)
{
    aci_text_lines *lines = aci_platform_alloc_zeroed(memory, 1,
                                                      sizeof *lines);
    ac_status status;

    *out = NULL;
    if (lines == NULL)
        return aci_platform_fail_memory(error, "reading a file");
    lines->memory = memory;
    lines->xz = (lzma_stream)LZMA_STREAM_INIT;
    strncpy(lines->name, path, sizeof lines->name - 1);
    status = aci_platform_map(&lines->file, path, error);
    if (status != AC_OK) {
        aci_platform_free(memory, lines);
        return status;
    }
    lines->packed = lines->file.size >= 6 &&
                    memcmp(lines->file.data, XZ_MAGIC, 6) == 0;
    if (lines->packed &&
        lzma_stream_decoder(&lines->xz, XZ_MEMORY_LIMIT, LZMA_CONCATENATED) !=
            LZMA_OK) {
        aci_workshop_lines_close(lines);
        return aci_platform_fail_memory(error, "unpacking a file");
    }
    lines->xz.next_in = lines->file.data;
    lines->xz.avail_in = lines->file.size;
    *out = lines;
    return AC_OK;
}

void aci_workshop_lines_close(aci_text_lines *lines)
{
    if (lines == NULL)
        return;
    lzma_end(&lines->xz);
    aci_platform_unmap(&lines->file);
    aci_platform_free(lines->memory, lines->buffer);
    aci_platform_free(lines->memory, lines);
}

/* Room for one chunk more; the lines already given are let go. */
static ac_status make_room(aci_text_lines *lines, ac_error *error)
{
    size_t larger = lines->capacity * 2 + CHUNK_BYTES;
    char *buffer;

    memmove(lines->buffer, lines->buffer + lines->at, lines->n - lines->at);
    lines->n -= lines->at;
    lines->at = 0;
    if (lines->n > LONGEST_LINE)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s: line %llu is longer than 16 MiB",
                                 lines->name,
                                 (unsigned long long)lines->number + 1);
    if (lines->capacity - lines->n >= CHUNK_BYTES)
        return AC_OK;
    buffer = aci_platform_realloc(lines->memory, lines->buffer, larger);
    if (buffer == NULL)
        return aci_platform_fail_memory(error, "a long line");
    lines->buffer = buffer;
    lines->capacity = larger;
    return AC_OK;
}

static ac_status unpack(aci_text_lines *lines, ac_error *error)
{
    lzma_ret result;

    lines->xz.next_out = (uint8_t *)lines->buffer + lines->n;
    lines->xz.avail_out = CHUNK_BYTES;
    result = lzma_code(&lines->xz, LZMA_FINISH);
    lines->n += CHUNK_BYTES - lines->xz.avail_out;
    lines->ended = result == LZMA_STREAM_END;
    if (result == LZMA_OK || result == LZMA_STREAM_END)
        return AC_OK;
    if (result == LZMA_MEM_ERROR || result == LZMA_MEMLIMIT_ERROR)
        return aci_platform_fail_memory(error, "unpacking a file");
    return aci_platform_fail(error, AC_E_FORMAT,
                             "%s: damaged .xz data after line %llu",
                             lines->name, (unsigned long long)lines->number);
}

static ac_status read_more(aci_text_lines *lines, ac_error *error)
{
    size_t left = lines->file.size - lines->n_read;
    ac_status status;

    if (lines->buffer == NULL || lines->capacity - lines->n < CHUNK_BYTES) {
        if (lines->buffer == NULL) {
            lines->buffer = aci_platform_alloc(lines->memory, CHUNK_BYTES);
            if (lines->buffer == NULL)
                return aci_platform_fail_memory(error, "reading a file");
            lines->capacity = CHUNK_BYTES;
        }
        status = make_room(lines, error);
        if (status != AC_OK)
            return status;
    }
    if (lines->packed)
        return unpack(lines, error);
    left = left < CHUNK_BYTES ? left : CHUNK_BYTES;
    if (left > 0)
        memcpy(lines->buffer + lines->n, lines->file.data + lines->n_read,
               left);
    lines->n += left;
    lines->n_read += left;
    lines->ended = lines->n_read == lines->file.size;
    return AC_OK;
}

ac_status aci_workshop_lines_next(const char **line, size_t *n_bytes,
                                  aci_text_lines *lines, ac_error *error)
{
    size_t searched = 0;

    *line = NULL;
    *n_bytes = 0;
    for (;;) {
        size_t have = lines->n - lines->at;
        const char *from = NULL, *end = NULL;
        ac_status status;

        if (have > 0)
            from = lines->buffer + lines->at;
        if (have > searched)
            end = memchr(from + searched, '\n', have - searched);
        if (end != NULL || (lines->ended && have > 0)) {
            *line = from;
            *n_bytes = end != NULL ? (size_t)(end - from) : have;
            lines->at += *n_bytes + (end != NULL);
            lines->number++;
            return AC_OK;
        }
        if (lines->ended)
            return AC_OK;
        searched = have;
        status = read_more(lines, error);
        if (status != AC_OK)
            return status;
    }
}

ac_status aci_workshop_lines_bytes(const char **bytes, size_t *n_bytes,
                                   aci_text_lines *lines, ac_error *error)
{
    ac_status status = AC_OK;

    lines->at = lines->n = 0;
    while (lines->n == 0 && !lines->ended && status == AC_OK)
        status = read_more(lines, error);
    *bytes = lines->buffer;
    *n_bytes = status == AC_OK ? lines->n : 0;
    return status;
}

static bool is_blank(const char *line, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

ac_status aci_workshop_lines_json(json_t **row, aci_text_lines *lines,
                                  const char *path, size_t flags,
                                  ac_error *error)
{
    json_error_t why;
    const char *line;
    size_t n;
    ac_status status;

    *row = NULL;
    do {
        status = aci_workshop_lines_next(&line, &n, lines, error);
        if (status != AC_OK || line == NULL)
            return status;
    } while (is_blank(line, n));
    *row = json_loadb(line, n, flags, &why);
    if (*row != NULL)
        return AC_OK;
    if (json_error_code(&why) == json_error_out_of_memory)
        return aci_platform_fail_memory(error, "a line of JSON");
    return aci_platform_fail(error, AC_E_FORMAT, "%s: line %llu: %s", path,
                             (unsigned long long)lines->number, why.text);
}

static bool ends_in(const char *path, size_t n, const char *ending)
{
    size_t length = strlen(ending);

    return n >= length && memcmp(path + n - length, ending, length) == 0;
}

bool aci_workshop_lines_are_json(const char *path)
{
    size_t n = strlen(path);

    if (ends_in(path, n, ".xz"))
        n -= 3;
    return ends_in(path, n, ".jsonl") || ends_in(path, n, ".json");
}

uint64_t aci_workshop_lines_number(const aci_text_lines *lines)
{
    return lines->number;
}
