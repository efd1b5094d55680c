/* utf8.h - finding characters in bytes that may not be UTF-8. Shortest form
 * only, no surrogates, nothing above U+10FFFF (Unicode 15, table 3-7). */
#ifndef ACI_TOKENIZER_UTF8_H
#define ACI_TOKENIZER_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the character at text[0], or 0 when it is not a whole valid one. */
static inline size_t aci_utf8_length(const char *text, size_t n_bytes)
{
    const uint8_t *b = (const uint8_t *)text;
    uint8_t low = 0x80, high = 0xBF;
    size_t length, i;

    if (n_bytes == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    if (b[0] < 0xC2 || b[0] > 0xF4)
        return 0;
    length = b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : 4;
    if (length > n_bytes)
        return 0;
    if (b[0] == 0xE0)
        low = 0xA0;
    else if (b[0] == 0xED)
        high = 0x9F;
    else if (b[0] == 0xF0)
        low = 0x90;
    else if (b[0] == 0xF4)
        high = 0x8F;
    if (b[1] < low || b[1] > high)
        return 0;
    for (i = 2; i < length; i++)
        if ((b[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

/* Code point of a character already known to be valid. */
static inline uint32_t aci_utf8_decode(const char *text, size_t length)
{
    const uint8_t *b = (const uint8_t *)text;

    switch (length) {
    case 1:
        return b[0];
    case 2:
        return (b[0] & 31u) << 6 | (b[1] & 63u);
    case 3:
        return (b[0] & 15u) << 12 | (b[1] & 63u) << 6 | (b[2] & 63u);
    default:
        return (b[0] & 7u) << 18 | (b[1] & 63u) << 12 | (b[2] & 63u) << 6 |
               (b[3] & 63u);
    }
}

/* Bytes from the start that are valid UTF-8. */
static inline size_t aci_utf8_valid(const char *text, size_t n_bytes)
{
    size_t i = 0, length;

    for (;;) {
        while (i + 8 <= n_bytes) {
            uint64_t word;
            memcpy(&word, text + i, 8);
            if ((word & 0x8080808080808080u) != 0)
                break;
            i += 8;
        }
        length = aci_utf8_length(text + i, n_bytes - i);
        if (length == 0)
            return i;
        i += length;
    }
}

#endif
