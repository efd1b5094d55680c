/* features.c - a prompt into hashes and shape; see features.h.
 *
 * Splitter: a run of letters is a token, a run of digits is a token, any other
 * byte that is not white space is a token. Bytes of 128 and more count as
 * letters, so any UTF-8 word is one token and broken UTF-8 is only a strange
 * word. ASCII capitals are folded; every digit reads as '0', and at most four
 * of them, so "1987" and "2024" are one word and "7" is another. A run longer
 * than 24 bytes is hashed by its first 24. */
#include "router/features.h"

#include <stdbool.h>
#include <string.h>

#include "platform/checksum.h"
#include "router/arithmetic.h"

enum { WORD_BYTES = 24, DIGITS = 4 };
enum { SPACE, LETTER, DIGIT, MARK };

/* Tags keep a word, its ends and pairs apart in one table. */
enum { TAG_WORD = 1, TAG_PREFIX, TAG_SUFFIX, TAG_PAIR, TAG_TEMPLATE, TAG_SHAPE,
       TAG_EMBED, TAG_EMBED_AGAIN, TAG_FIRST };

static int class_of(uint8_t byte)
{
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
        byte >= 128)
        return LETTER;
    if (byte >= '0' && byte <= '9')
        return DIGIT;
    if (byte == ' ' || (byte >= 9 && byte <= 13))
        return SPACE;
    return MARK;
}

static uint8_t folded(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return (uint8_t)(byte | 32);
    if (byte >= '0' && byte <= '9')
        return '0';
    return byte;
}

/* FNV-1a (Fowler, Noll, Vo) over the bytes, then mixed with the tag. */
static uint64_t hash_bytes(const uint8_t *bytes, size_t n, uint64_t tag)
{
    uint64_t hash = 0xCBF29CE484222325u;
    size_t i;

    for (i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    return aci_router_mix(hash + tag * 0x9E3779B97F4A7C15u);
}

static size_t skip_template(uint32_t *number, const aci_templates *templates,
                            const char *prompt, size_t n_bytes)
{
    size_t longest = 0;
    uint32_t i;

    *number = 0;
    for (i = 0; templates != NULL && i < templates->n; i++) {
        size_t n = templates->n_bytes[i];

        if (n > longest && n <= n_bytes &&
            memcmp(prompt, templates->text[i], n) == 0) {
            longest = n;
            *number = i + 1;
        }
    }
    return longest;
}

static void read_tokens(aci_features *out, const uint8_t *text, size_t n_bytes,
                        uint32_t n_tokens)
{
    size_t at = 0;

    out->n_tokens = 0;
    while (out->n_tokens < n_tokens) {
        uint8_t word[WORD_BYTES];
        size_t n = 0, limit, ends;
        int class;

        while (at < n_bytes && class_of(text[at]) == SPACE)
            at++;
        if (at == n_bytes)
            return;
        class = class_of(text[at]);
        limit = class == MARK ? 1 : (class == DIGIT ? DIGITS : WORD_BYTES);
        do {
            if (n < limit)
                word[n++] = folded(text[at]);
            at++;
        } while (class != MARK && at < n_bytes && class_of(text[at]) == class);
        ends = n < 3 ? n : 3;
        out->word[out->n_tokens] = hash_bytes(word, n, TAG_WORD);
        out->prefix[out->n_tokens] = hash_bytes(word, ends, TAG_PREFIX);
        out->suffix[out->n_tokens] =
            hash_bytes(word + n - ends, ends, TAG_SUFFIX);
        out->n_tokens++;
    }
}

/* What one pass over the window counts. */
typedef struct tally {
    uint32_t n_class[4];
    uint32_t n_words, n_capitals, n_operators, n_foreign, n_newlines;
    size_t first_line; /* bytes before the first newline */
    bool question, blank, table, code;
} tally;

static void count_mark(tally *t, const uint8_t *text, size_t i, size_t n)
{
    switch (text[i]) {
    case '?':
        t->question = true;
        break;
    case '_':
        t->blank |= i + 1 < n && text[i + 1] == '_';
        break;
    case '|':
        t->table = true;
        break;
    case '{':
    case ';':
        t->code = true;
        break;
    case '`':
        t->code |= i + 2 < n && text[i + 1] == '`' && text[i + 2] == '`';
        break;
    case '+': case '-': case '=': case '*': case '/':
    case '^': case '<': case '>': case '\\':
        t->n_operators++;
        break;
    default:
        break;
    }
}

static void count_window(tally *t, const uint8_t *text, size_t n)
{
    int previous = SPACE;
    size_t i;

    memset(t, 0, sizeof *t);
    t->first_line = n;
    for (i = 0; i < n; i++) {
        int class = class_of(text[i]);

        t->n_class[class]++;
        t->n_words += class == LETTER && previous != LETTER;
        t->n_capitals += text[i] >= 'A' && text[i] <= 'Z';
        t->n_foreign += text[i] >= 128;
        if (class == MARK)
            count_mark(t, text, i, n);
        if (text[i] == '\n') {
            if (t->n_newlines == 0)
                t->first_line = i;
            t->n_newlines++;
        }
        t->table |= text[i] == '\t';
        previous = class;
    }
}

static float share(uint32_t part, size_t whole)
{
    return whole == 0 ? 0.0f : (float)part / (float)whole;
}

static void read_shape(float *shape, const uint8_t *text, size_t n_window,
                       size_t n_bytes)
{
    tally t;

    count_window(&t, text, n_window);
    shape[ACI_SHAPE_LENGTH] = aci_router_log2(1 + (uint64_t)n_bytes);
    shape[ACI_SHAPE_FIRST_LINE] = aci_router_log2(1 + (uint64_t)t.first_line);
    shape[ACI_SHAPE_OTHER_LINES] =
        t.n_newlines == 0 ? 0.0f
                          : aci_router_log2(1 + (n_window - t.first_line) /
                                                    t.n_newlines);
    shape[ACI_SHAPE_LINES] = aci_router_log2(1 + (uint64_t)t.n_newlines);
    shape[ACI_SHAPE_DIGITS] = share(t.n_class[DIGIT], n_window);
    shape[ACI_SHAPE_PUNCTUATION] = share(t.n_class[MARK], n_window);
    shape[ACI_SHAPE_CAPITALS] = share(t.n_capitals, n_window);
    shape[ACI_SHAPE_OPERATORS] = share(t.n_operators, n_window);
    shape[ACI_SHAPE_FOREIGN] = share(t.n_foreign, n_window);
    shape[ACI_SHAPE_WORD_BYTES] =
        share(t.n_class[LETTER], (size_t)t.n_words * 8);
    shape[ACI_SHAPE_QUESTION] = t.question ? 1.0f : 0.0f;
    shape[ACI_SHAPE_BLANK] = t.blank ? 1.0f : 0.0f;
    shape[ACI_SHAPE_TABLE] = t.table ? 1.0f : 0.0f;
    shape[ACI_SHAPE_CODE] = t.code ? 1.0f : 0.0f;
}

void aci_router_read_features(aci_features *out,
                              const aci_templates *templates,
                              const char *prompt, size_t prompt_bytes,
                              uint32_t n_tokens)
{
    size_t skipped, n_bytes, n_window;
    const uint8_t *text;

    memset(out, 0, sizeof *out);
    if (prompt_bytes == 0)
        prompt = ""; /* may be NULL */
    skipped = skip_template(&out->template_number, templates, prompt,
                            prompt_bytes);
    text = (const uint8_t *)prompt + skipped;
    n_bytes = prompt_bytes - skipped;
    n_window = n_bytes < ACI_ROUTER_WINDOW_BYTES ? n_bytes
                                                 : ACI_ROUTER_WINDOW_BYTES;
    read_tokens(out, text, n_window, n_tokens);
    read_shape(out->shape, text, n_window, n_bytes);
}

/* Every field is written out, low byte first, so that the hash is the same on
 * any machine. */
static size_t put(uint8_t *to, uint64_t value, size_t n_bytes)
{
    size_t i;

    for (i = 0; i < n_bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
    return n_bytes;
}

uint64_t aci_router_hash_features(const aci_features *features)
{
    uint8_t bytes[8 + 24 * ACI_ROUTER_MAX_TOKENS + 4 * ACI_ROUTER_SHAPES];
    size_t n = 0;
    uint32_t i, bits;

    n += put(bytes + n, features->n_tokens, 4);
    n += put(bytes + n, features->template_number, 4);
    for (i = 0; i < features->n_tokens; i++) {
        n += put(bytes + n, features->word[i], 8);
        n += put(bytes + n, features->prefix[i], 8);
        n += put(bytes + n, features->suffix[i], 8);
    }
    for (i = 0; i < ACI_ROUTER_SHAPES; i++) {
        memcpy(&bits, &features->shape[i], sizeof bits);
        n += put(bytes + n, bits, 4);
    }
    return aci_platform_checksum(bytes, n, 0);
}

/* Low bits choose the row, the top bit the sign. */
static uint32_t entry_of(uint64_t hash, uint64_t tag, uint32_t n_wide)
{
    uint64_t mixed = aci_router_mix(hash + tag * 0x9E3779B97F4A7C15u);
    uint32_t row = (uint32_t)(((mixed & 0xFFFFFFFFu) * n_wide) >> 32);

    return row | (mixed >> 63 ? ACI_ROUTER_WIDE_NEGATIVE : 0u);
}

uint32_t aci_router_wide_entries(uint32_t entries[ACI_ROUTER_MAX_WIDE],
                                 const aci_features *features,
                                 uint32_t n_wide)
{
    static const uint8_t binned[ACI_ROUTER_BINNED_SHAPES] = {
        ACI_SHAPE_LENGTH, ACI_SHAPE_FIRST_LINE, ACI_SHAPE_OTHER_LINES
    };
    uint32_t n = 0, i;

    for (i = 0; i < features->n_tokens; i++) {
        entries[n++] = entry_of(features->word[i], TAG_WORD, n_wide);
        entries[n++] = entry_of(features->prefix[i], TAG_PREFIX, n_wide);
        if (i > 0)
            entries[n++] = entry_of(features->word[i] +
                                    3 * features->word[i - 1],
                                    TAG_PAIR, n_wide);
    }
    if (features->n_tokens > 0)
        entries[n++] = entry_of(features->word[0], TAG_FIRST, n_wide);
    for (i = 0; i < ACI_ROUTER_BINNED_SHAPES; i++)
        entries[n++] = entry_of((uint64_t)(2.0f * features->shape[binned[i]]),
                                TAG_SHAPE + 16u * i, n_wide);
    if (features->template_number > 0)
        entries[n++] = entry_of(features->template_number, TAG_TEMPLATE,
                                n_wide);
    return n;
}

static uint32_t row_of(uint64_t hash, uint64_t tag, uint32_t n_rows)
{
    uint64_t mixed = aci_router_mix(hash + tag * 0x9E3779B97F4A7C15u);

    return (uint32_t)(((mixed & 0xFFFFFFFFu) * n_rows) >> 32);
}

void aci_router_embedding_rows(uint32_t rows[4], const aci_features *features,
                               uint32_t i, uint32_t n_embedding)
{
    rows[0] = row_of(features->word[i], TAG_EMBED, n_embedding);
    rows[1] = row_of(features->word[i], TAG_EMBED_AGAIN, n_embedding);
    rows[2] = row_of(features->prefix[i], TAG_EMBED, n_embedding);
    rows[3] = row_of(features->suffix[i], TAG_EMBED, n_embedding);
}
