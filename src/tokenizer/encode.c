/* encode.c - from text to token ids.
 *
 *     text -> added tokens taken out -> normal form, leading space
 *          -> pieces (expressions) -> merging -> ids
 *
 * A piece that is a token standing for itself is done at once; most words are.
 * A long piece is cut where two bytes meet that no merge ever joins: no token
 * can reach across, so the parts merge as the whole would. */
#include "tokenizer/encode.h"

#include <string.h>

#include "platform/error.h"
#include "tokenizer/merge.h"
#include "tokenizer/normalise.h"
#include "tokenizer/utf8.h"

#define CUT_ABOVE_BYTES 24

typedef struct encoder {
    const aci_tokenizer *tokenizer;
    aci_tokens *tokens;
    aci_merger merger;
    aci_bytes normal, prefixed;
    void *scratch[ACI_ACT_MAX_SPLITS];
    ac_error *error;
} encoder;

static ac_status no_memory(encoder *e)
{
    return aci_platform_fail_memory(e->error, "tokens");
}

static ac_status grow(encoder *e, size_t n)
{
    size_t capacity = e->tokens->capacity, wanted = e->tokens->n + n;
    int32_t *ids;

    capacity = capacity + capacity / 2 + 64;
    if (capacity < wanted)
        capacity = wanted;
    if (capacity > SIZE_MAX / sizeof *ids)
        return no_memory(e);
    ids = aci_platform_realloc(e->tokenizer->memory, e->tokens->ids,
                               capacity * sizeof *ids);
    if (ids == NULL)
        return no_memory(e);
    e->tokens->ids = ids;
    e->tokens->capacity = capacity;
    return AC_OK;
}

static inline ac_status push(encoder *e, int32_t id)
{
    if (e->tokens->n == e->tokens->capacity) {
        ac_status status = grow(e, 1);
        if (status != AC_OK)
            return status;
    }
    e->tokens->ids[e->tokens->n++] = id;
    return AC_OK;
}

/* Part of a piece; tokens of the piece begin at `start` in the list. */
static ac_status encode_part(encoder *e, const char *text, size_t n_bytes,
                             size_t start)
{
    const aci_act_header *header = e->tokenizer->header;
    bool fuse = (header->flags & ACI_ACT_FUSE_UNKNOWN) != 0;
    ac_status status;
    size_t i;
    int whole;

    if (n_bytes <= header->max_token_bytes) {
        int32_t id = aci_act_find(e->tokenizer, text, n_bytes, &whole);
        if (id >= 0 && whole)
            return push(e, id);
    }
    if (aci_tokenizer_merge_piece(&e->merger, text, n_bytes) != AC_OK)
        return no_memory(e);
    for (i = 0; i < e->merger.n; i++) {
        int32_t id = e->merger.ids[i];

        if (fuse && id == header->unknown && e->tokens->n > start &&
            e->tokens->ids[e->tokens->n - 1] == id)
            continue;
        status = push(e, id);
        if (status != AC_OK)
            return status;
    }
    return AC_OK;
}

static bool may_cut(const aci_tokenizer *tokenizer, const char *text, size_t i)
{
    uint32_t pair =
        (uint32_t)(uint8_t)text[i - 1] << 8 | (uint8_t)text[i];

    if ((tokenizer->pairs[pair >> 3] >> (pair & 7) & 1) != 0)
        return false;
    return tokenizer->header->family == ACI_ACT_BYTES ||
           ((uint8_t)text[i] & 0xC0) != 0x80;
}

static ac_status encode_piece(encoder *e, const char *text, size_t n_bytes)
{
    const aci_tokenizer *tokenizer = e->tokenizer;
    const aci_act_header *header = tokenizer->header;
    size_t first = 0, start = e->tokens->n, i;
    ac_status status = AC_OK;
    int whole;

    if ((header->flags & ACI_ACT_IGNORE_MERGES) != 0 &&
        n_bytes <= header->max_token_bytes) {
        int32_t id = aci_act_find(tokenizer, text, n_bytes, &whole);
        if (id >= 0)
            return push(e, id);
    }
    if (n_bytes > CUT_ABOVE_BYTES)
        for (i = 1; i < n_bytes && status == AC_OK; i++)
            if (may_cut(tokenizer, text, i)) {
                status = encode_part(e, text + first, i - first, start);
                first = i;
            }
    if (status == AC_OK)
        status = encode_part(e, text + first, n_bytes - first, start);
    return status;
}

/* Valid UTF-8 through the expressions from `step` on. */
static ac_status split_from(encoder *e, uint32_t step, const char *text,
                            size_t n_bytes)
{
    const aci_tokenizer *tokenizer = e->tokenizer;
    bool last = step + 1 >= tokenizer->header->n_splits;
    aci_scanner scanner;
    aci_split_walk walk;
    ac_status status = AC_OK;
    size_t at = 0, length;

    if (step >= tokenizer->header->n_splits)
        return encode_piece(e, text, n_bytes);
    scanner = aci_tokenizer_splitter_scanner(tokenizer->splitters[step]);
    if (scanner == NULL)
        aci_tokenizer_split_begin(&walk, tokenizer->splitters[step],
                                  &e->scratch[step], text, n_bytes);
    while (at < n_bytes && status == AC_OK) {
        if (scanner != NULL)
            length = scanner(text + at, n_bytes - at);
        else
            status = aci_tokenizer_split_next(&length, &walk, e->error);
        if (status == AC_OK)
            status = last ? encode_piece(e, text + at, length)
                          : split_from(e, step + 1, text + at, length);
        at += length;
    }
    return status;
}

static ac_status put_prefix(encoder *e, const char **text, size_t *n_bytes)
{
    aci_bytes *bytes = &e->prefixed;

    bytes->n = 0;
    if (aci_tokenizer_bytes_add(bytes, " ", 1) != AC_OK ||
        aci_tokenizer_bytes_add(bytes, *text, *n_bytes) != AC_OK)
        return no_memory(e);
    *text = bytes->data;
    *n_bytes = bytes->n;
    return AC_OK;
}

/* Normalised text without added tokens; `is_first`: it begins the text. */
static ac_status encode_plain(encoder *e, const char *text, size_t n_bytes,
                              int is_first)
{
    const aci_act_header *header = e->tokenizer->header;
    ac_status status = AC_OK;
    size_t at = 0, last;

    if (n_bytes == 0)
        return AC_OK;
    if ((header->prefix == ACI_ACT_PREFIX_MISSING ||
         (header->prefix == ACI_ACT_PREFIX_FIRST && is_first)) &&
        text[0] != ' ')
        status = put_prefix(e, &text, &n_bytes);
    if (header->n_splits == 0 && status == AC_OK)
        return encode_piece(e, text, n_bytes);
    while (at < n_bytes && status == AC_OK) {
        last = at + aci_utf8_valid(text + at, n_bytes - at);
        if (last > at) {
            status = split_from(e, 0, text + at, last - at);
        } else { /* bytes that are not text: a piece of their own */
            do
                last++;
            while (last < n_bytes &&
                   aci_utf8_length(text + last, n_bytes - last) == 0);
            status = encode_piece(e, text + at, last - at);
        }
        at = last;
    }
    return status;
}

static bool has_normalized(const aci_tokenizer *tokenizer)
{
    uint32_t i;

    for (i = 0; i < tokenizer->header->n_added; i++)
        if ((tokenizer->added[i].flags & ACI_ACT_ADDED_NORMALIZED) != 0)
            return true;
    return false;
}

/* Text between added tokens matched in the raw text: normalised, then searched
 * for those that are matched after normalisation. A prefixed space in front of
 * such a token goes with it, as the reference has it: there the token itself
 * is normalised and begins with one. */
static ac_status encode_section(encoder *e, const aci_added_search *raw,
                                size_t first, size_t last)
{
    const aci_act_header *header = e->tokenizer->header;
    const char *text = raw->text + first;
    size_t n_bytes = last - first, n_normal, at = 0;
    aci_added_search search = *raw;
    bool moved = false;
    aci_span taken = { 0, 0 };
    ac_status status = AC_OK;
    int32_t id;

    if (n_bytes == 0)
        return AC_OK;
    if (header->form != ACI_ACT_FORM_NONE) {
        e->normal.n = 0;
        if (aci_tokenizer_normalise(&e->normal, text, n_bytes,
                                    header->form) != AC_OK)
            return no_memory(e);
        moved = e->normal.n != n_bytes ||
                memcmp(e->normal.data, text, n_bytes) != 0;
        text = e->normal.data;
        n_bytes = e->normal.n;
    }
    n_normal = n_bytes;
    if (header->prefix == ACI_ACT_PREFIX_ALWAYS)
        status = put_prefix(e, &text, &n_bytes);
    search.text = text;
    search.n_bytes = n_bytes;
    search.at = 0;
    search.normalized = ACI_ACT_ADDED_NORMALIZED;
    search.guard = 0;
    search.guard_base = first;
    search.text_base = n_bytes - n_normal;
    if (search.n_guarded > 0 && moved) /* places are lost: guard all of it */
        search.parse_special = 0;
    while (status == AC_OK && has_normalized(e->tokenizer) &&
           aci_tokenizer_added_next(&search, &taken, &id)) {
        if (header->prefix == ACI_ACT_PREFIX_ALWAYS && taken.first > at &&
            text[taken.first - 1] == ' ')
            taken.first--;
        status = encode_plain(e, text + at, taken.first - at,
                              first == 0 && at == 0);
        if (status == AC_OK)
            status = push(e, id);
        at = taken.last;
    }
    if (status == AC_OK)
        status = encode_plain(e, text + at, n_bytes - at,
                              first == 0 && at == 0);
    return status;
}

static ac_status encode_text(encoder *e, aci_added_search *search)
{
    aci_span taken = { 0, 0 };
    ac_status status = AC_OK;
    size_t at = 0;
    int32_t id;

    while (status == AC_OK && aci_tokenizer_added_next(search, &taken, &id)) {
        status = encode_section(e, search, at, taken.first);
        if (status == AC_OK)
            status = push(e, id);
        at = taken.last;
    }
    if (status == AC_OK)
        status = encode_section(e, search, at, search->n_bytes);
    return status;
}

ac_status aci_tokenizer_encode_guarded(aci_tokens *tokens,
                                       const aci_tokenizer *tokenizer,
                                       const char *text, size_t n_bytes,
                                       const aci_span *guarded,
                                       size_t n_guarded, int parse_special,
                                       int add_begin, ac_error *error)
{
    aci_memory *memory = tokenizer->memory;
    encoder e = { .tokenizer = tokenizer, .tokens = tokens,
                  .merger = { .tokenizer = tokenizer },
                  .normal = { .memory = memory },
                  .prefixed = { .memory = memory }, .error = error };
    aci_added_search search = { .tokenizer = tokenizer, .text = text,
                                .n_bytes = n_bytes, .guarded = guarded,
                                .n_guarded = n_guarded,
                                .parse_special = parse_special };
    size_t n_before = tokens->n, i;
    ac_status status = AC_OK;

    if (n_bytes >= UINT32_MAX)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a text of %zu bytes is too long", n_bytes);
    if (add_begin && tokenizer->header->bos >= 0 &&
        (tokenizer->header->flags & ACI_ACT_ADD_BOS) != 0)
        status = push(&e, tokenizer->header->bos);
    if (status == AC_OK && n_bytes > 0)
        status = encode_text(&e, &search);
    for (i = 0; i < ACI_ACT_MAX_SPLITS; i++)
        aci_tokenizer_split_scratch_free(e.scratch[i]);
    aci_platform_free(memory, e.prefixed.data);
    aci_platform_free(memory, e.normal.data);
    aci_tokenizer_merger_free(&e.merger);
    if (status != AC_OK)
        tokens->n = n_before;
    return status;
}

ac_status aci_tokenizer_encode(aci_tokens *tokens,
                               const aci_tokenizer *tokenizer,
                               const char *text, size_t n_bytes,
                               int parse_special, int add_begin,
                               ac_error *error)
{
    return aci_tokenizer_encode_guarded(tokens, tokenizer, text, n_bytes, NULL,
                                        0, parse_special, add_begin, error);
}

void aci_tokenizer_tokens_free(aci_memory *memory, aci_tokens *tokens)
{
    aci_platform_free(memory, tokens->ids);
    tokens->ids = NULL;
    tokens->n = tokens->capacity = 0;
}
