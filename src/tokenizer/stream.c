/* stream.c - tokens in, whole characters out.
 *
 * A token may end inside a character. Its head waits, at most three bytes,
 * until the next token brings the rest. Bytes that can no longer become a
 * character are given as U+FFFD, one for each maximal part (Unicode 15, 3.9),
 * so that the text handed out is always UTF-8. */
#include <string.h>

#include "platform/error.h"
#include "tokenizer/act.h"
#include "tokenizer/utf8.h"

struct aci_tokenizer_stream {
    aci_memory *memory;
    const aci_tokenizer *tokenizer;
    bool with_special, at_start, strip;
    char *joined;                    /* what waits, then the token's bytes */
    size_t n_waiting;
    char *out;
};

ac_status aci_tokenizer_stream_open(aci_tokenizer_stream **out,
                                    aci_memory *memory,
                                    const aci_tokenizer *tokenizer,
                                    int at_start, int with_special,
                                    ac_error *error)
{
    size_t longest = (size_t)tokenizer->header->max_token_bytes + 3;
    size_t n_bytes = sizeof(aci_tokenizer_stream) + longest + 3 * longest + 1;
    aci_tokenizer_stream *stream = aci_platform_alloc_zeroed(memory, 1,
                                                             n_bytes);

    *out = stream;
    if (stream == NULL)
        return aci_platform_fail_memory(error, "the text stream");
    stream->memory = memory;
    stream->tokenizer = tokenizer;
    stream->with_special = with_special != 0;
    stream->at_start = at_start != 0;
    stream->joined = (char *)(stream + 1);
    stream->out = stream->joined + longest;
    aci_tokenizer_stream_reset(stream);
    return AC_OK;
}

void aci_tokenizer_stream_reset(aci_tokenizer_stream *stream)
{
    uint32_t flags = stream->tokenizer->header->flags;

    stream->n_waiting = 0;
    stream->strip = stream->at_start && (flags & ACI_ACT_STRIP_SPACE) != 0;
}

/* Length of the head of a character that text [n_bytes] is all of, or of the
 * longest part that begins like one; at least 1. `is_head`: more may come. */
static size_t broken_part(const char *text, size_t n_bytes, bool *is_head)
{
    char trial[4];
    uint8_t first = (uint8_t)text[0];
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2, n, low;

    *is_head = false;
    if (first < 0xC2 || first > 0xF4)
        return 1;
    for (n = n_bytes < length - 1 ? n_bytes : length - 1; n >= 1; n--) {
        /* Completed by the smallest or the largest bytes that may follow. */
        for (low = 0; low < 2; low++) {
            memset(trial, low == 0 ? 0x80 : 0xBF, sizeof trial);
            memcpy(trial, text, n);
            if (aci_utf8_length(trial, length) == length) {
                *is_head = n == n_bytes;
                return n;
            }
        }
    }
    return 1;
}

/* Moves whole characters from joined [n] to out; the rest waits, or with
 * `all` becomes U+FFFD. Returns the bytes written. */
static size_t give(aci_tokenizer_stream *stream, size_t n, bool all)
{
    const char *text = stream->joined;
    size_t at = 0, written = 0, length;
    bool is_head;

    while (at < n) {
        length = aci_utf8_valid(text + at, n - at);
        if (length > 0) {
            memcpy(stream->out + written, text + at, length);
            written += length;
            at += length;
            continue;
        }
        length = broken_part(text + at, n - at, &is_head);
        if (is_head && !all)
            break;
        memcpy(stream->out + written, "\xEF\xBF\xBD", 3);
        written += 3;
        at += length;
    }
    stream->n_waiting = n - at;
    memmove(stream->joined, text + at, n - at);
    stream->out[written] = '\0';
    return written;
}

const char *aci_tokenizer_stream_push(size_t *n_bytes,
                                      aci_tokenizer_stream *stream,
                                      int32_t token)
{
    char *room = stream->joined + stream->n_waiting;
    size_t capacity = stream->tokenizer->header->max_token_bytes;
    size_t n = aci_tokenizer_piece(room, capacity, stream->tokenizer, token,
                                   stream->with_special);

    if (n > 0 && stream->strip) {
        stream->strip = false;
        if (room[0] == ' ')
            memmove(room, room + 1, --n);
    }
    *n_bytes = give(stream, stream->n_waiting + n, false);
    return stream->out;
}

const char *aci_tokenizer_stream_finish(size_t *n_bytes,
                                        aci_tokenizer_stream *stream)
{
    *n_bytes = give(stream, stream->n_waiting, true);
    return stream->out;
}

void aci_tokenizer_stream_close(aci_tokenizer_stream *stream)
{
    if (stream != NULL)
        aci_platform_free(stream->memory, stream);
}
