/* check_text.h - looking at answers as text: slices, plain spelling, words.
 *
 * Answers are bytes of a model or of a stranger: nothing here trusts an end
 * marker, and everything is linear in the text for a given phrase. */
#ifndef ACI_WORKSHOP_CHECK_TEXT_H
#define ACI_WORKSHOP_CHECK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agentcompress.h"
#include "platform/memory.h"

typedef struct aci_slice {
    const char *at;
    size_t n;
} aci_slice;

/* For "%.*s" in messages: at most 40 bytes. */
#define ACI_SLICE(s) (int)((s).n > 40 ? 40 : (s).n), (s).at

static inline aci_slice aci_slice_of(const char *text)
{
    return (aci_slice){ text, strlen(text) };
}

static inline aci_slice aci_slice_part(aci_slice s, size_t from, size_t to)
{
    return (aci_slice){ s.at + from, to - from };
}

static inline bool aci_slice_equal(aci_slice a, aci_slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.at, b.at, a.n) == 0);
}

static inline bool aci_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool aci_is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static inline bool aci_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || aci_is_upper(c);
}

/* Letters, digits, and whatever is not ASCII. */
static inline bool aci_is_word(char c)
{
    return aci_is_letter(c) || aci_is_digit(c) || (unsigned char)c >= 0x80;
}

static inline bool aci_is_space(char c)
{
    return c == ' ' || c == '\n';
}

/* Valid UTF-8 without control characters other than tab and line ends. */
bool aci_workshop_text_clean(aci_slice text);

/* The text in plain spelling: runs of white space are one ' ' (or one '\n'
 * when a line ended in them and `keep_lines`), none at the ends; hyphens, en
 * dashes and minus signs are '-', quotes are straight, superscript 2 and 3 are
 * digits, micro signs are 'u', a middle dot is a blank, an em dash is ';'.
 * Never longer than `text`. The caller frees out->at; `respell` writes to
 * room for text.n bytes and returns how many it took. */
ac_status aci_workshop_text_plain(aci_slice *out, aci_memory *memory,
                                  aci_slice text, bool keep_lines,
                                  ac_error *error);

size_t aci_workshop_text_respell(char *out, aci_slice text, bool keep_lines);

/* The end of `phrase` when it stands at text[at] between word bounds, else 0;
 * letter case does not matter unless `exact`. "-" inside a word is part of it:
 * "treated group" is not in "non-treated group". */
size_t aci_workshop_phrase_at(aci_slice text, size_t at, aci_slice phrase,
                              bool exact);
/* The first place at or after `from`, or text.n. */
size_t aci_workshop_phrase_find(aci_slice text, size_t from, aci_slice phrase,
                                bool exact);
/* A phrase that only its letter case tells from another: "NaCl", "CO2". */
bool aci_workshop_phrase_exact(aci_slice phrase);

/* Where the sentence that begins at `from` ends: behind its full stop, at the
 * end of its line, or text.n. */
size_t aci_workshop_sentence_end(aci_slice text, size_t from);

/* Runs of characters between white space. */
size_t aci_workshop_text_words(aci_slice text);

/* "not", "no", "never", "without"... among the three words before `at`, not
 * before `from`. */
bool aci_workshop_text_negated(aci_slice text, size_t from, size_t at);

/* The answer repeats the source: ten words in a row, or all of a source of
 * four to ten. */
ac_status aci_workshop_text_copied(bool *out, aci_memory *memory,
                                   aci_slice answer, aci_slice source,
                                   ac_error *error);

#endif
