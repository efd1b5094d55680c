/* scanner.c - the three common expressions written out, because PCRE2 takes
 * longer to find a word than merging takes to encode it. Each gives what its
 * expression gives (test_scanner.c compares them on random text); the order of
 * the tests below is the order of the alternatives in splitter.c. */
#include "tokenizer/splitter.h"

#include <string.h>
#include <utf8proc.h>

#include "tokenizer/utf8.h"

enum { OTHER, LETTER, NUMBER, SPACE, NEWLINE }; /* NEWLINE: \r \n, a space */

static const uint8_t ascii_class[128] = {
    ['\t'] = SPACE, ['\n'] = NEWLINE, ['\v'] = SPACE, ['\f'] = SPACE,
    ['\r'] = NEWLINE, [' '] = SPACE,
    ['0'] = NUMBER, ['1'] = NUMBER, ['2'] = NUMBER, ['3'] = NUMBER,
    ['4'] = NUMBER, ['5'] = NUMBER, ['6'] = NUMBER, ['7'] = NUMBER,
    ['8'] = NUMBER, ['9'] = NUMBER,
    ['A'] = LETTER, ['B'] = LETTER, ['C'] = LETTER, ['D'] = LETTER,
    ['E'] = LETTER, ['F'] = LETTER, ['G'] = LETTER, ['H'] = LETTER,
    ['I'] = LETTER, ['J'] = LETTER, ['K'] = LETTER, ['L'] = LETTER,
    ['M'] = LETTER, ['N'] = LETTER, ['O'] = LETTER, ['P'] = LETTER,
    ['Q'] = LETTER, ['R'] = LETTER, ['S'] = LETTER, ['T'] = LETTER,
    ['U'] = LETTER, ['V'] = LETTER, ['W'] = LETTER, ['X'] = LETTER,
    ['Y'] = LETTER, ['Z'] = LETTER,
    ['a'] = LETTER, ['b'] = LETTER, ['c'] = LETTER, ['d'] = LETTER,
    ['e'] = LETTER, ['f'] = LETTER, ['g'] = LETTER, ['h'] = LETTER,
    ['i'] = LETTER, ['j'] = LETTER, ['k'] = LETTER, ['l'] = LETTER,
    ['m'] = LETTER, ['n'] = LETTER, ['o'] = LETTER, ['p'] = LETTER,
    ['q'] = LETTER, ['r'] = LETTER, ['s'] = LETTER, ['t'] = LETTER,
    ['u'] = LETTER, ['v'] = LETTER, ['w'] = LETTER, ['x'] = LETTER,
    ['y'] = LETTER, ['z'] = LETTER,
};

/* Class and length of the character at text[0]; n_bytes > 0, valid UTF-8. */
static int wide_class(const char *text, size_t n_bytes, size_t *length)
{
    size_t n = aci_utf8_length(text, n_bytes);
    uint32_t point;

    *length = n == 0 ? 1 : n;
    if (n == 0)
        return OTHER;
    point = aci_utf8_decode(text, n);
    if (point == 0x85 || point == 0xA0 || point == 0x1680 ||
        (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
        point == 0x2029 || point == 0x202F || point == 0x205F ||
        point == 0x3000)
        return SPACE;
    switch (utf8proc_category((utf8proc_int32_t)point)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return NUMBER;
    default:
        return OTHER;
    }
}

static inline int class_at(const char *text, size_t n_bytes, size_t *length)
{
    uint8_t byte = (uint8_t)text[0];

    if (byte < 0x80) {
        *length = 1;
        return ascii_class[byte];
    }
    return wide_class(text, n_bytes, length);
}

/* Bytes of the run of one class from `at`. */
static inline size_t run(const char *text, size_t n_bytes, size_t at,
                         int wanted)
{
    size_t length;

    while (at < n_bytes) {
        if (class_at(text + at, n_bytes - at, &length) != wanted)
            break;
        at += length;
    }
    return at;
}

/* \s+(?!\S)|\s+ from 0, where text[0] is white space: all of the run at the
 * end of the text, else all but its last character, unless it is the only. */
static size_t spaces(const char *text, size_t n_bytes)
{
    size_t at = 0, before = 0, length;

    while (at < n_bytes) {
        int kind = class_at(text + at, n_bytes - at, &length);
        if (kind != SPACE && kind != NEWLINE)
            break;
        before = at;
        at += length;
    }
    if (at == n_bytes || before == 0)
        return at;
    return before;
}

/* 's 't 're 've 'm 'll 'd after an apostrophe at text[0]; 0 when none. With
 * `any_case` as (?i: ) has it, where U+017F is an s. */
static size_t contraction(const char *text, size_t n_bytes, int any_case)
{
    char first, second;

    if (n_bytes < 2)
        return 0;
    first = text[1];
    second = n_bytes > 2 ? text[2] : '\0';
    if (any_case) {
        if ((uint8_t)first == 0xC5 && (uint8_t)second == 0xBF)
            return 3;
        if (first >= 'A' && first <= 'Z')
            first = (char)(first + 32);
        if (second >= 'A' && second <= 'Z')
            second = (char)(second + 32);
    }
    switch (first) {
    case 's': case 't': case 'm': case 'd':
        return 2;
    case 'r': case 'v':
        return second == 'e' ? 3 : 0;
    case 'l':
        return second == 'l' ? 3 : 0;
    default:
        return 0;
    }
}

static size_t scan_gpt2(const char *text, size_t n_bytes)
{
    size_t at, length, next;
    int kind;

    if (text[0] == '\'' && (at = contraction(text, n_bytes, 0)) != 0)
        return at;
    at = text[0] == ' ' && n_bytes > 1 ? 1 : 0;
    kind = class_at(text + at, n_bytes - at, &length);
    if (kind == LETTER || kind == NUMBER || kind == OTHER) {
        next = at + length;
        return run(text, n_bytes, next, kind);
    }
    return spaces(text, n_bytes);
}

/* The rest of \s*[\r\n]+|\s+(?!\S)|\s+: up to and with the last line end of
 * the white space, when it has one. */
static size_t spaces_lines(const char *text, size_t n_bytes)
{
    size_t at = 0, line_end = 0, length;

    while (at < n_bytes) {
        int kind = class_at(text + at, n_bytes - at, &length);
        if (kind != SPACE && kind != NEWLINE)
            break;
        at += length;
        if (kind == NEWLINE)
            line_end = at;
    }
    return line_end > 0 ? line_end : spaces(text, n_bytes);
}

/* Llama 3 and Qwen 2 differ in how many digits go together. */
static inline size_t scan_words(const char *text, size_t n_bytes,
                                int max_digits)
{
    size_t at, length, next;
    int kind, second, digits;

    if (text[0] == '\'' && (at = contraction(text, n_bytes, 1)) != 0)
        return at;
    kind = class_at(text, n_bytes, &length);
    if (kind == LETTER)
        return run(text, n_bytes, length, LETTER);
    if ((kind == SPACE || kind == OTHER) && length < n_bytes) {
        second = class_at(text + length, n_bytes - length, &next);
        if (second == LETTER)
            return run(text, n_bytes, length + next, LETTER);
    }
    if (kind == NUMBER) {
        at = length;
        for (digits = 1; digits < max_digits && at < n_bytes; digits++) {
            if (class_at(text + at, n_bytes - at, &length) != NUMBER)
                break;
            at += length;
        }
        return at;
    }
    at = text[0] == ' ' && n_bytes > 1 ? 1 : 0;
    if (class_at(text + at, n_bytes - at, &length) == OTHER) {
        at = run(text, n_bytes, at + length, OTHER);
        while (at < n_bytes && (text[at] == '\r' || text[at] == '\n'))
            at++;
        return at;
    }
    return spaces_lines(text, n_bytes);
}

static size_t scan_llama3(const char *text, size_t n_bytes)
{
    return scan_words(text, n_bytes, 3);
}

static size_t scan_qwen2(const char *text, size_t n_bytes)
{
    return scan_words(text, n_bytes, 1);
}

/* One digit, or everything up to the next. */
static size_t scan_digit(const char *text, size_t n_bytes)
{
    size_t at = 0, length;

    while (at < n_bytes) {
        if (class_at(text + at, n_bytes - at, &length) == NUMBER)
            return at == 0 ? length : at;
        at += length;
    }
    return at;
}

aci_scanner aci_tokenizer_scanner_for(const char *pattern, size_t n_bytes)
{
    static const struct {
        const char *pattern;
        aci_scanner scanner;
    } known[] = {
        { aci_tokenizer_pattern_gpt2, scan_gpt2 },
        { aci_tokenizer_pattern_llama3, scan_llama3 },
        { aci_tokenizer_pattern_qwen2, scan_qwen2 },
        { aci_tokenizer_pattern_digit, scan_digit },
    };
    size_t i;

    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].pattern) == n_bytes &&
            memcmp(known[i].pattern, pattern, n_bytes) == 0)
            return known[i].scanner;
    return NULL;
}
