/* check_text.c - see check_text.h. */
#include "workshop/evaluate/check_text.h"

#include <stdlib.h>

#include "platform/error.h"
#include "tokenizer/utf8.h"

bool aci_workshop_text_clean(aci_slice text)
{
    size_t i = 0, length;

    while (i < text.n) {
        length = aci_utf8_length(text.at + i, text.n - i);
        if (length == 0 || text.at[i] == 0x7f ||
            (length == 1 && text.at[i] < ' ' && text.at[i] != '\n' &&
             text.at[i] != '\t' && text.at[i] != '\r'))
            return false;
        i += length;
    }
    return true;
}

/* ---- plain spelling ------------------------------------------------------ */

typedef struct spelling {
    const char *from;
    char to;
} spelling;

static const spelling spellings[] = {
    { "\xc2\xa0", ' ' },     /* no-break space */
    { "\xe2\x80\x89", ' ' }, /* thin space */
    { "\xe2\x80\xaf", ' ' }, /* narrow no-break space */
    { "\xc2\xb7", ' ' },     /* middle dot */
    { "\xe2\x8b\x85", ' ' }, /* dot operator */
    { "\xe2\x80\x90", '-' }, /* hyphen */
    { "\xe2\x80\x91", '-' }, /* non-breaking hyphen */
    { "\xe2\x80\x92", '-' }, /* figure dash */
    { "\xe2\x80\x93", '-' }, /* en dash */
    { "\xe2\x88\x92", '-' }, /* minus */
    { "\xe2\x80\x94", ';' }, /* em dash */
    { "\xe2\x80\x9c", '"' }, { "\xe2\x80\x9d", '"' },
    { "\xe2\x80\x98", '\'' }, { "\xe2\x80\x99", '\'' },
    { "\xc2\xb2", '2' }, { "\xc2\xb3", '3' },
    { "\xc2\xb5", 'u' }, { "\xce\xbc", 'u' }
};

/* The plain character at text[*i], which moves behind it. */
static char plain_character(aci_slice text, size_t *i)
{
    size_t k, n;

    if ((unsigned char)text.at[*i] >= 0x80) {
        for (k = 0; k < sizeof spellings / sizeof *spellings; k++) {
            n = strlen(spellings[k].from);
            if (text.n - *i >= n &&
                memcmp(text.at + *i, spellings[k].from, n) == 0) {
                *i += n;
                return spellings[k].to;
            }
        }
    }
    return text.at[(*i)++];
}

size_t aci_workshop_text_respell(char *out, aci_slice text, bool keep_lines)
{
    bool space = false, line = false;
    size_t i = 0, n = 0;

    while (i < text.n) {
        char c = plain_character(text, &i);

        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            space = true;
            line |= keep_lines && (c == '\n' || c == '\r');
            continue;
        }
        if (space && n > 0)
            out[n++] = line ? '\n' : ' ';
        space = line = false;
        out[n++] = c;
    }
    return n;
}

ac_status aci_workshop_text_plain(aci_slice *out, aci_memory *memory,
                                  aci_slice text, bool keep_lines,
                                  ac_error *error)
{
    char *plain = aci_platform_alloc(memory, text.n);

    if (plain == NULL)
        return aci_platform_fail_memory(error, "an answer");
    out->n = aci_workshop_text_respell(plain, text, keep_lines);
    out->at = plain;
    return AC_OK;
}

/* ---- phrases ------------------------------------------------------------- */

static char lower(char c)
{
    return aci_is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static bool word_goes_on(aci_slice text, size_t end)
{
    return end < text.n &&
           (aci_is_word(text.at[end]) ||
            (text.at[end] == '-' && end + 1 < text.n &&
             aci_is_word(text.at[end + 1])));
}

static bool word_began_before(aci_slice text, size_t at)
{
    return at > 0 && (aci_is_word(text.at[at - 1]) ||
                      (at > 1 && text.at[at - 1] == '-' &&
                       aci_is_word(text.at[at - 2])));
}

size_t aci_workshop_phrase_at(aci_slice text, size_t at, aci_slice phrase,
                              bool exact)
{
    size_t i;

    if (phrase.n == 0 || phrase.n > text.n - at)
        return 0;
    for (i = 0; i < phrase.n; i++) {
        char a = text.at[at + i], b = phrase.at[i];

        if (a == b || (b == ' ' && a == '\n'))
            continue;
        if (exact || lower(a) != lower(b))
            return 0;
    }
    if (aci_is_word(phrase.at[0]) && word_began_before(text, at))
        return 0;
    if (aci_is_word(phrase.at[phrase.n - 1]) &&
        word_goes_on(text, at + phrase.n))
        return 0;
    return at + phrase.n;
}

size_t aci_workshop_phrase_find(aci_slice text, size_t from, aci_slice phrase,
                                bool exact)
{
    size_t at;

    for (at = from; at < text.n; at++) {
        if (aci_workshop_phrase_at(text, at, phrase, exact) != 0)
            return at;
    }
    return text.n;
}

bool aci_workshop_phrase_exact(aci_slice phrase)
{
    size_t i;

    for (i = 0; i < phrase.n; i++) {
        if (aci_is_digit(phrase.at[i]) ||
            (i > 0 && aci_is_upper(phrase.at[i]) &&
             aci_is_word(phrase.at[i - 1])))
            return true;
    }
    return false;
}

/* ---- sentences and words ------------------------------------------------- */

/* "et al." and the like end no sentence. */
static bool abbreviation_before(aci_slice text, size_t stop)
{
    static const char *const known[] = { "al",  "vs",  "approx", "ca",
                                         "e.g", "i.e", "cf" };
    size_t i;

    for (i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i]);

        if (stop >= n && aci_workshop_phrase_at(text, stop - n,
                                                aci_slice_of(known[i]),
                                                false) == stop)
            return true;
    }
    return false;
}

size_t aci_workshop_sentence_end(aci_slice text, size_t from)
{
    size_t i;

    for (i = from; i < text.n; i++) {
        char c = text.at[i];

        if (c == '\n')
            return i + 1;
        if ((c == '.' || c == '!' || c == '?') &&
            (i + 1 == text.n || aci_is_space(text.at[i + 1])) &&
            !abbreviation_before(text, i))
            return i + 1;
    }
    return text.n;
}

size_t aci_workshop_text_words(aci_slice text)
{
    size_t i, n = 0;

    for (i = 0; i < text.n; i++)
        n += !aci_is_space(text.at[i]) &&
             (i == 0 || aci_is_space(text.at[i - 1]));
    return n;
}

static bool is_negation(aci_slice word)
{
    static const char *const known[] = {
        "not", "no", "never", "without", "neither", "nor", "cannot", "hardly",
        "failed", "fails", "fail", "n't", "isn't", "wasn't", "didn't",
        "doesn't", "don't", "nothing", "none", "unlikely", "false"
    };
    size_t i, k;

    for (i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i]) != word.n)
            continue;
        for (k = 0; k < word.n && lower(word.at[k]) == known[i][k]; k++)
            ;
        if (k == word.n)
            return true;
    }
    return false;
}

bool aci_workshop_text_negated(aci_slice text, size_t from, size_t at)
{
    int32_t seen;

    for (seen = 0; seen < 3; seen++) {
        size_t end, start;

        while (at > from && !aci_is_word(text.at[at - 1])) {
            if (strchr(",;:.!?\n", text.at[at - 1]) != NULL)
                return false; /* another clause */
            at--;
        }
        end = start = at;
        while (start > from && (aci_is_word(text.at[start - 1]) ||
                                text.at[start - 1] == '\''))
            start--;
        if (start == end)
            return false;
        if (is_negation(aci_slice_part(text, start, end)))
            return true;
        at = start;
    }
    return false;
}

/* ---- copies -------------------------------------------------------------- */

enum { RUN = 10, LEAST_RUN = 4 };

static size_t count_words(aci_slice text)
{
    size_t i, n = 0;

    for (i = 0; i < text.n; i++)
        n += aci_is_word(text.at[i]) &&
             (i + 1 == text.n || !aci_is_word(text.at[i + 1]));
    return n;
}

/* Hashes of the runs of `run` words; returns how many. Letter case and what
 * is between words do not count. */
static size_t hash_runs(uint64_t *out, aci_slice text, size_t run)
{
    uint64_t words[RUN] = { 0 };
    size_t i = 0, n_words = 0, n = 0, k;

    while (i < text.n) {
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        size_t start = i;

        for (; i < text.n && aci_is_word(text.at[i]); i++)
            hash = (hash ^ (uint8_t)lower(text.at[i])) * 1099511628211u;
        if (i == start) {
            i++;
            continue;
        }
        words[n_words++ % run] = hash;
        if (n_words < run)
            continue;
        for (hash = 0, k = 0; k < run; k++)
            hash = hash * 0x9e3779b97f4a7c15u + words[(n_words + k) % run];
        out[n++] = hash;
    }
    return n;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

ac_status aci_workshop_text_copied(bool *out, aci_memory *memory,
                                   aci_slice answer, aci_slice source,
                                   ac_error *error)
{
    uint64_t *known = aci_platform_alloc_array(memory, source.n + 1, 8);
    uint64_t *said = aci_platform_alloc_array(memory, answer.n + 1, 8);
    size_t run = count_words(source), n_known, n_said, i;
    ac_status status = AC_OK;

    *out = false;
    if (known == NULL || said == NULL) {
        status = aci_platform_fail_memory(error, "a comparison of texts");
        goto done;
    }
    run = run > RUN ? RUN : run < LEAST_RUN ? LEAST_RUN : run;
    n_known = hash_runs(known, source, run);
    n_said = hash_runs(said, answer, run);
    qsort(known, n_known, sizeof *known, compare_hashes);
    for (i = 0; i < n_said && !*out; i++)
        *out = bsearch(&said[i], known, n_known, sizeof *known,
                       compare_hashes) != NULL;
done:
    aci_platform_free(memory, said);
    aci_platform_free(memory, known);
    return status;
}
