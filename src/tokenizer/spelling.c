/* spelling.c - how vocabulary files spell the bytes of a token.
 *
 * GPT-2: the printable bytes ! to ~, 0xA1 to 0xAC and 0xAE to 0xFF are the
 * letters of the same number; the other 68, in order, are U+0100 and up. */
#include "tokenizer/spelling.h"

#include "platform/error.h"
#include "tokenizer/utf8.h"

static int byte_of_letter(uint32_t point)
{
    if ((point >= 0x21 && point <= 0x7E) || (point >= 0xA1 && point <= 0xAC) ||
        (point >= 0xAE && point <= 0xFF))
        return (int)point;
    if (point < 0x100 || point >= 0x144)
        return -1;
    point -= 0x100;
    if (point < 0x21)
        return (int)point;
    point -= 0x21;
    return point < 34 ? (int)(0x7F + point) : 0xAD;
}

int64_t aci_tokenizer_unspell_bytes(char *out, const char *text,
                                    size_t n_bytes)
{
    size_t i = 0, n = 0, length;

    while (i < n_bytes) {
        int byte;

        length = aci_utf8_length(text + i, n_bytes - i);
        if (length == 0)
            return -1;
        byte = byte_of_letter(aci_utf8_decode(text + i, length));
        if (byte < 0)
            return -1;
        out[n++] = (char)byte;
        i += length;
    }
    return (int64_t)n;
}

static uint32_t letter_of_byte(uint32_t byte)
{
    if (byte < 0x21)
        return 0x100 + byte;
    if (byte >= 0x7F && byte < 0xA1)
        return 0x121 + byte - 0x7F;
    return byte == 0xAD ? 0x143 : byte;
}

size_t aci_tokenizer_spell_bytes(char *out, const char *text, size_t n_bytes)
{
    size_t i, n = 0;

    for (i = 0; i < n_bytes; i++) {
        uint32_t point = letter_of_byte((uint8_t)text[i]);

        if (point >= 0x80) {
            out[n++] = (char)(0xC0 | point >> 6);
            point = 0x80 | (point & 0x3F);
        }
        out[n++] = (char)point;
    }
    return n;
}

size_t aci_tokenizer_unspell_spaces(char *out, const char *text,
                                    size_t n_bytes)
{
    size_t i = 0, n = 0;

    while (i < n_bytes) {
        if (i + 3 <= n_bytes && memcmp(text + i, "\xE2\x96\x81", 3) == 0) {
            out[n++] = ' ';
            i += 3;
        } else {
            out[n++] = text[i++];
        }
    }
    return n;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int aci_tokenizer_unspell_fallback(const char *text, size_t n_bytes)
{
    if (n_bytes != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' ||
        digit(text[3]) < 0 || digit(text[4]) < 0)
        return -1;
    return digit(text[3]) * 16 + digit(text[4]);
}

/* Room for the unspelled text: on the stack where it fits. */
#define SHORT_BYTES 512

ac_status aci_tokenizer_draft_spelled(aci_draft *draft, size_t id,
                                      const char *text, size_t n_bytes,
                                      uint8_t kind, float score, int spaces,
                                      int fallback, ac_error *error)
{
    char room[SHORT_BYTES], *plain = room, byte;
    int value = fallback ? aci_tokenizer_unspell_fallback(text, n_bytes) : -1;
    ac_status status;
    int64_t n;

    if (value >= 0) {
        byte = (char)value;
        return aci_tokenizer_draft_token(draft, id, &byte, 1, ACI_ACT_BYTE,
                                         score, error);
    }
    if (n_bytes > ACI_ACT_MAX_TOKEN_BYTES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "token %zu was %zu bytes long", id, n_bytes);
    if (n_bytes > sizeof room)
        plain = aci_platform_alloc(draft->memory, n_bytes);
    if (plain == NULL)
        return aci_platform_fail_memory(error, "the vocabulary");
    if (draft->family == ACI_ACT_BYTES) {
        n = aci_tokenizer_unspell_bytes(plain, text, n_bytes);
    } else if (spaces) {
        /* A real space never reaches such a vocabulary. */
        if (memchr(text, ' ', n_bytes) != NULL)
            kind &= (uint8_t)~ACI_ACT_MODEL;
        n = (int64_t)aci_tokenizer_unspell_spaces(plain, text, n_bytes);
    } else {
        n = -1;
    }
    if (n >= 0)
        status = aci_tokenizer_draft_token(draft, id, plain, (size_t)n, kind,
                                           score, error);
    else /* as it stands; in a byte-level file nothing can merge into it */
        status = aci_tokenizer_draft_token(
            draft, id, text, n_bytes,
            draft->family == ACI_ACT_BYTES ? (uint8_t)(kind & ~ACI_ACT_MODEL)
                                           : kind,
            score, error);
    if (plain != room)
        aci_platform_free(draft->memory, plain);
    return status;
}

/* Undoes the spelling of one side of a merge. */
static int64_t unspell(const aci_draft *draft, char *out, const char *text,
                       size_t n_bytes, int spaces)
{
    if (draft->family == ACI_ACT_BYTES)
        return aci_tokenizer_unspell_bytes(out, text, n_bytes);
    if (spaces)
        return (int64_t)aci_tokenizer_unspell_spaces(out, text, n_bytes);
    memcpy(out, text, n_bytes);
    return (int64_t)n_bytes;
}

ac_status aci_tokenizer_draft_merge_pair(aci_draft *draft, const char *left,
                                         size_t left_bytes, const char *right,
                                         size_t right_bytes, size_t rank,
                                         int spaces, ac_error *error)
{
    char room[SHORT_BYTES], *plain = room;
    size_t n_bytes = left_bytes + right_bytes;
    int64_t n_left, n_right;
    int32_t a = -1, b = -1, result = -1;

    if (left_bytes == 0 || right_bytes == 0 ||
        left_bytes > ACI_ACT_MAX_TOKEN_BYTES ||
        right_bytes > ACI_ACT_MAX_TOKEN_BYTES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "merge %zu had an empty side", rank);
    if (n_bytes > sizeof room)
        plain = aci_platform_alloc(draft->memory, n_bytes);
    if (plain == NULL)
        return aci_platform_fail_memory(error, "the merges");
    n_left = unspell(draft, plain, left, left_bytes, spaces);
    n_right = n_left <= 0 ? -1 : unspell(draft, plain + n_left, right,
                                         right_bytes, spaces);
    if (n_right > 0) {
        a = aci_tokenizer_draft_find(draft, plain, (size_t)n_left);
        b = aci_tokenizer_draft_find(draft, plain + n_left, (size_t)n_right);
        result = aci_tokenizer_draft_find(draft, plain,
                                          (size_t)(n_left + n_right));
    }
    if (plain != room)
        aci_platform_free(draft->memory, plain);
    if (a < 0 || b < 0 || result < 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "merge %zu was of or into a token that the "
                                 "vocabulary lacks", rank);
    if ((draft->tokens[result].kind & ACI_ACT_MODEL) == 0)
        return AC_OK; /* text never becomes a special token by merging */
    return aci_tokenizer_draft_merge(draft, a, b, rank, result, error);
}

ac_status aci_tokenizer_draft_merge_line(aci_draft *draft, const char *line,
                                         size_t n_bytes, size_t rank,
                                         int spaces, ac_error *error)
{
    const char *gap = n_bytes == 0 ? NULL : memchr(line, ' ', n_bytes);
    size_t left;

    if (gap == NULL || memchr(gap + 1, ' ', n_bytes - (size_t)(gap - line) -
                                                1) != NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "merge %zu was not two tokens", rank);
    left = (size_t)(gap - line);
    return aci_tokenizer_draft_merge_pair(draft, line, left, gap + 1,
                                          n_bytes - left - 1, rank, spaces,
                                          error);
}
