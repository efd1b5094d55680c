/* splitter.c - cutting text by a regular expression, through PCRE2.
 *
 * tokenizer.json speaks Oniguruma's dialect. Where PCRE2 reads the same
 * letters differently the pattern is rewritten: \s is Unicode's White_Space
 * (PCRE2 adds U+180E), \w has marks and connectors. What cannot be said is
 * refused. Compiled code is shared by threads; match data belongs to a walk.
 *
 * Patterns are as trusted as the file they come from: PCRE2's own limits stop
 * one that backtracks for ever, and that is an error, not a hang. */
#include "tokenizer/splitter.h"

#include <pcre2.h>
#include <stdbool.h>
#include <string.h>

#include "platform/error.h"

const char aci_tokenizer_pattern_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
    "|\\s+(?!\\S)|\\s+";
const char aci_tokenizer_pattern_llama3[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const char aci_tokenizer_pattern_qwen2[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const char aci_tokenizer_pattern_digit[] = "\\p{N}";

struct aci_splitter {
    aci_memory *memory;
    pcre2_general_context *context;
    pcre2_code *code;
    aci_scanner scanner;
    uint32_t behaviour;
    int invert;
};

static void *allocate(PCRE2_SIZE n_bytes, void *memory)
{
    return aci_platform_alloc(memory, n_bytes);
}

static void release(void *block, void *memory)
{
    aci_platform_free(memory, block);
}

#define SPACES \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}" \
    "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define WORDS "\\p{L}\\p{M}\\p{N}\\p{Pc}"

/* What an escaped letter becomes, inside or outside [...]; NULL: itself;
 * "": cannot be said. */
static const char *translate(char letter, bool in_class)
{
    switch (letter) {
    case 's':
        return in_class ? SPACES : "[" SPACES "]";
    case 'S':
        return in_class ? "" : "[^" SPACES "]";
    case 'w':
        return in_class ? WORDS : "[" WORDS "]";
    case 'W':
        return in_class ? "" : "[^" WORDS "]";
    case 'h': case 'H': case 'K': case 'R': case 'X': case 'G': case 'Z':
        return ""; /* other meanings in the two dialects */
    default:
        return NULL;
    }
}

/* Writes the part of the pattern at `at` to out[*n], in PCRE2's dialect; the
 * bytes read, or 0 for what cannot be said. */
static size_t rewrite_one(char *out, size_t *n, const char *pattern,
                          size_t n_bytes, size_t at, bool *in_class)
{
    const char *other;
    size_t taken = 1;
    char c = pattern[at];

    if (c == '\\' && at + 1 < n_bytes) {
        other = translate(pattern[at + 1], *in_class);
        if (other == NULL) {
            memcpy(out + *n, pattern + at, 2);
            *n += 2;
            return 2;
        }
        memcpy(out + *n, other, strlen(other));
        *n += strlen(other);
        return *other == '\0' ? 0 : 2;
    }
    if (*in_class && (c == '[' || (c == '&' && at + 1 < n_bytes &&
                                   pattern[at + 1] == '&')))
        return 0; /* nested classes, intersections */
    out[(*n)++] = c;
    if (c == '[' && !*in_class) { /* ']' behind '[' or "[^" is a letter */
        *in_class = true;
        if (at + taken < n_bytes && pattern[at + taken] == '^')
            out[(*n)++] = pattern[at + taken++];
        if (at + taken < n_bytes && pattern[at + taken] == ']')
            out[(*n)++] = pattern[at + taken++];
    } else if (c == ']') {
        *in_class = false;
    }
    return taken;
}

/* The pattern in PCRE2's dialect, in new memory. */
static ac_status rewrite(char **out, size_t *out_bytes, aci_memory *memory,
                         const char *pattern, size_t n_bytes, ac_error *error)
{
    size_t longest = sizeof "[^" SPACES "]", i, taken;
    bool in_class = false;

    *out_bytes = 0;
    *out = aci_platform_alloc_array(memory, n_bytes + 1, longest);
    if (*out == NULL)
        return aci_platform_fail_memory(error, "the pre-tokenizer");
    for (i = 0; i < n_bytes; i += taken) {
        taken = rewrite_one(*out, out_bytes, pattern, n_bytes, i, &in_class);
        if (taken > 0)
            continue;
        aci_platform_free(memory, *out);
        *out = NULL;
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the pre-tokenizer expression used \"%.2s\" "
                                 "at %zu, which we cannot run", pattern + i,
                                 i);
    }
    return AC_OK;
}

static ac_status compile(aci_splitter *splitter, const char *pattern,
                         size_t n_bytes, ac_error *error)
{
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
                             PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *context =
        pcre2_compile_context_create(splitter->context);
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR words[128] = { 0 };
    int number = 0;

    if (context == NULL)
        return aci_platform_fail_memory(error, "the pre-tokenizer");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    splitter->code = pcre2_compile((PCRE2_SPTR)pattern, n_bytes, options,
                                   &number, &at, context);
    pcre2_compile_context_free(context);
    if (splitter->code == NULL) {
        if (number == PCRE2_ERROR_HEAP_FAILED)
            return aci_platform_fail_memory(error, "the pre-tokenizer");
        pcre2_get_error_message(number, words, sizeof words);
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED,
            "the pre-tokenizer expression was refused at %zu: %s", (size_t)at,
            (const char *)words);
    }
    /* Without JIT everything works, more slowly. */
    (void)pcre2_jit_compile(splitter->code, PCRE2_JIT_COMPLETE);
    return AC_OK;
}

ac_status aci_tokenizer_splitter_create(aci_splitter **out, aci_memory *memory,
                                        const char *pattern, size_t n_bytes,
                                        uint32_t behaviour, uint32_t invert,
                                        int exact, ac_error *error)
{
    aci_splitter *splitter;
    size_t text_bytes = 0;
    char *text = NULL;
    ac_status status;

    *out = NULL;
    splitter = aci_platform_alloc_zeroed(memory, 1, sizeof *splitter);
    if (splitter == NULL)
        return aci_platform_fail_memory(error, "the pre-tokenizer");
    splitter->memory = memory;
    splitter->behaviour = behaviour;
    splitter->invert = invert != 0;
    if (!exact && behaviour == ACI_SPLIT_ISOLATED)
        splitter->scanner = aci_tokenizer_scanner_for(pattern, n_bytes);
    if (splitter->scanner != NULL) {
        *out = splitter;
        return AC_OK;
    }
    splitter->context =
        pcre2_general_context_create(allocate, release, memory);
    if (splitter->context == NULL)
        status = aci_platform_fail_memory(error, "the pre-tokenizer");
    else
        status = rewrite(&text, &text_bytes, memory, pattern, n_bytes, error);
    if (status == AC_OK)
        status = compile(splitter, text, text_bytes, error);
    aci_platform_free(memory, text);
    if (status != AC_OK) {
        aci_tokenizer_splitter_free(splitter);
        return status;
    }
    *out = splitter;
    return AC_OK;
}

void aci_tokenizer_splitter_free(aci_splitter *splitter)
{
    if (splitter == NULL)
        return;
    pcre2_code_free(splitter->code);
    pcre2_general_context_free(splitter->context);
    aci_platform_free(splitter->memory, splitter);
}

aci_scanner aci_tokenizer_splitter_scanner(const aci_splitter *splitter)
{
    return splitter->scanner;
}

void aci_tokenizer_split_begin(aci_split_walk *walk,
                               const aci_splitter *splitter, void **scratch,
                               const char *text, size_t n_bytes)
{
    memset(walk, 0, sizeof *walk);
    walk->splitter = splitter;
    walk->scratch = scratch;
    walk->text = text;
    walk->n_bytes = n_bytes;
}

void aci_tokenizer_split_scratch_free(void *scratch)
{
    pcre2_match_data_free(scratch);
}

/* Looks for the next match at or behind walk->at. */
static ac_status look(aci_split_walk *walk, ac_error *error)
{
    const aci_splitter *splitter = walk->splitter;
    const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    const PCRE2_SIZE *bounds;
    int result;

    if (*walk->scratch == NULL)
        *walk->scratch = pcre2_match_data_create(1, splitter->context);
    if (*walk->scratch == NULL)
        return aci_platform_fail_memory(error, "the pre-tokenizer");
    result = pcre2_match(splitter->code, (PCRE2_SPTR)walk->text, walk->n_bytes,
                         walk->at, options, *walk->scratch, NULL);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(splitter->code, (PCRE2_SPTR)walk->text,
                             walk->n_bytes, walk->at, options | PCRE2_NO_JIT,
                             *walk->scratch, NULL);
    if (result == PCRE2_ERROR_NOMATCH) {
        walk->matched = -1;
        return AC_OK;
    }
    if (result == PCRE2_ERROR_NOMEMORY || result == PCRE2_ERROR_HEAPLIMIT)
        return aci_platform_fail_memory(error, "the pre-tokenizer");
    if (result < 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the pre-tokenizer expression gave up on "
                                 "this text (PCRE2 error %d)", result);
    bounds = pcre2_get_ovector_pointer(*walk->scratch);
    walk->match_first = bounds[0];
    walk->match_last = bounds[1];
    walk->matched = 1;
    if (bounds[0] < walk->at || bounds[1] <= bounds[0]) /* \K and the like */
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the pre-tokenizer expression matched "
                                 "backwards");
    return AC_OK;
}

/* The next run of text that is a match or lies between two; false at the end.
 * It begins at walk->at before the call. */
static ac_status segment(aci_split_walk *walk, size_t *last, int *is_match,
                         ac_error *error)
{
    ac_status status = AC_OK;

    *last = walk->at;
    if (walk->at == walk->n_bytes)
        return AC_OK;
    if (walk->splitter->scanner != NULL) {
        walk->at += walk->splitter->scanner(walk->text + walk->at,
                                            walk->n_bytes - walk->at);
        *is_match = 1;
        *last = walk->at;
        return AC_OK;
    }
    if (walk->matched == 0)
        status = look(walk, error);
    if (status != AC_OK)
        return status;
    if (walk->matched < 0 || walk->match_first > walk->at) {
        *last = walk->matched < 0 ? walk->n_bytes : walk->match_first;
        *is_match = walk->splitter->invert;
    } else {
        *last = walk->match_last;
        *is_match = !walk->splitter->invert;
        walk->matched = 0;
    }
    walk->at = *last;
    return AC_OK;
}

/* Whether a segment and the one behind it make one piece. */
static bool joins(uint32_t behaviour, int is_match, int next_is_match)
{
    switch (behaviour) {
    case ACI_SPLIT_PREVIOUS:
        return !is_match && next_is_match;
    case ACI_SPLIT_NEXT:
        return is_match && !next_is_match;
    case ACI_SPLIT_CONTIGUOUS:
        return is_match == next_is_match;
    default:
        return false;
    }
}

ac_status aci_tokenizer_split_next(size_t *n_bytes, aci_split_walk *walk,
                                   ac_error *error)
{
    uint32_t behaviour = walk->splitter->behaviour;
    size_t last, next_last, first = walk->piece;
    int is_match = 0, next_is_match = 0;
    ac_status status = AC_OK;

    *n_bytes = 0;
    if (walk->held) {
        last = walk->held_last;
        is_match = walk->held_is_match;
        walk->held = 0;
    } else {
        status = segment(walk, &last, &is_match, error);
    }
    while (status == AC_OK && behaviour != ACI_SPLIT_ISOLATED &&
           last > first) {
        status = segment(walk, &next_last, &next_is_match, error);
        if (status != AC_OK || next_last == last)
            break;
        if (!joins(behaviour, is_match, next_is_match)) {
            walk->held = 1;
            walk->held_last = next_last;
            walk->held_is_match = next_is_match;
            break;
        }
        last = next_last;
        is_match = next_is_match;
        if (behaviour != ACI_SPLIT_CONTIGUOUS)
            break;
    }
    if (status != AC_OK)
        return status;
    walk->piece = last;
    *n_bytes = last - first;
    return AC_OK;
}
