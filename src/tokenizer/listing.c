/* listing.c - see listing.h. */
#include "tokenizer/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/error.h"
#include "tokenizer/spelling.h"
#include "tokenizer/utf8.h"

static int by_rank(const void *left, const void *right)
{
    const aci_act_merge *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->left != b->left)
        return a->left < b->left ? -1 : 1;
    return (a->right > b->right) - (a->right < b->right);
}

static void list_merges(aci_listing *out)
{
    const aci_act_header *header = out->tokenizer->header;

    for (uint32_t i = 0; i < header->n_merge_slots; i++)
        if (out->tokenizer->merges[i].left != ACI_ACT_EMPTY &&
            out->n_merges < header->n_merges)
            out->merges[out->n_merges++] = out->tokenizer->merges[i];
    if (out->n_merges > 0)
        qsort(out->merges, out->n_merges, sizeof *out->merges, by_rank);
}

ac_status aci_tokenizer_listing_open(aci_listing *out, aci_memory *memory,
                                     const aci_tokenizer *tokenizer,
                                     ac_error *error)
{
    const aci_act_header *header = tokenizer->header;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    out->tokenizer = tokenizer;
    out->merges = aci_platform_alloc_array(memory, header->n_merges,
                                           sizeof *out->merges);
    out->added = aci_platform_alloc_zeroed(memory, header->n_tokens, 1);
    out->room = aci_platform_alloc_array(
        memory, (size_t)header->max_token_bytes + 8, 6);
    if (out->merges == NULL || out->added == NULL || out->room == NULL) {
        aci_tokenizer_listing_close(out);
        return aci_platform_fail_memory(error, "a vocabulary's listing");
    }
    list_merges(out);
    for (uint32_t i = 0; i < header->n_added; i++)
        out->added[tokenizer->added[i].id] =
            (uint8_t)(1 + tokenizer->added[i].flags);
    return AC_OK;
}

void aci_tokenizer_listing_close(aci_listing *listing)
{
    if (listing->memory == NULL)
        return;
    aci_platform_free(listing->memory, listing->room);
    aci_platform_free(listing->memory, listing->added);
    aci_platform_free(listing->memory, listing->merges);
    memset(listing, 0, sizeof *listing);
}

/* ---- tokens and merges --------------------------------------------------- */

static aci_token_type type_of(const aci_listing *listing, int32_t id)
{
    const aci_tokenizer *tokenizer = listing->tokenizer;
    uint8_t kind = tokenizer->kinds[id];

    if (aci_act_token_bytes(tokenizer, id) == 0)
        return ACI_TOKEN_UNUSED;
    if ((kind & ACI_ACT_BYTE) != 0)
        return ACI_TOKEN_BYTE;
    /* Byte-level models name an unknown token and never need it. */
    if ((kind & ACI_ACT_UNKNOWN) != 0 &&
        tokenizer->header->family == ACI_ACT_CHARACTERS)
        return ACI_TOKEN_UNKNOWN;
    if ((kind & ACI_ACT_SPECIAL) != 0)
        return ACI_TOKEN_CONTROL;
    if (listing->added[id] != 0)
        return ACI_TOKEN_USER_DEFINED;
    return (kind & ACI_ACT_MODEL) != 0 ? ACI_TOKEN_NORMAL : ACI_TOKEN_UNUSED;
}

/* Spaces become U+2581; out [3 * n]. */
static size_t spell_spaces(char *out, const char *text, size_t n)
{
    size_t written = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(out + written, "\xE2\x96\x81", 3);
            written += 3;
        } else {
            out[written++] = text[i];
        }
    }
    return written;
}

/* A token that merging may produce is spelled, what is matched whole stands as
 * it is. Writes to `out`, without a NUL. */
static size_t spell(char *out, const aci_listing *listing, int32_t id)
{
    const aci_tokenizer *tokenizer = listing->tokenizer;
    const char *text = tokenizer->text + tokenizer->offsets[id];
    size_t n = aci_act_token_bytes(tokenizer, id);

    if ((tokenizer->kinds[id] & ACI_ACT_BYTE) != 0)
        return (size_t)snprintf(out, 7, "<0x%02X>",
                                (unsigned)(uint8_t)text[0]);
    if ((tokenizer->kinds[id] & ACI_ACT_MODEL) == 0) {
        memcpy(out, text, n);
        return n;
    }
    return tokenizer->header->family == ACI_ACT_BYTES
               ? aci_tokenizer_spell_bytes(out, text, n)
               : spell_spaces(out, text, n);
}

size_t aci_tokenizer_listing_token(const char **text, aci_token_type *type,
                                   aci_listing *listing, int32_t id)
{
    size_t n = spell(listing->room, listing, id);

    listing->room[n] = '\0';
    *text = listing->room;
    *type = type_of(listing, id);
    return n;
}

size_t aci_tokenizer_listing_merge(const char **text, aci_listing *listing,
                                   size_t i)
{
    size_t n = spell(listing->room, listing,
                     (int32_t)listing->merges[i].left);

    listing->room[n++] = ' ';
    n += spell(listing->room + n, listing, (int32_t)listing->merges[i].right);
    listing->room[n] = '\0';
    *text = listing->room;
    return n;
}

/* ---- pieces -------------------------------------------------------------- */

/* Split `i` is just this expression, each match a piece. */
static int is_split(const aci_tokenizer *tokenizer, uint32_t i,
                    const char *pattern)
{
    const aci_act_header *header = tokenizer->header;
    const uint8_t *image = tokenizer->image;
    const aci_act_split *split =
        (const aci_act_split *)(const void *)(
            image + header->sections[ACI_ACT_SPLITS].offset) + i;
    const uint8_t *text = image + header->sections[ACI_ACT_SPLIT_TEXT].offset;

    return split->behaviour == ACI_SPLIT_ISOLATED && split->invert == 0 &&
           split->n_bytes == strlen(pattern) &&
           memcmp(text + split->offset, pattern, split->n_bytes) == 0;
}

const char *aci_tokenizer_listing_pre(const aci_listing *listing)
{
    const aci_tokenizer *tokenizer = listing->tokenizer;
    const aci_act_header *header = tokenizer->header;

    if (header->family != ACI_ACT_BYTES)
        return NULL;
    if (header->n_splits == 2 &&
        is_split(tokenizer, 0, aci_tokenizer_pattern_digit) &&
        is_split(tokenizer, 1, aci_tokenizer_pattern_gpt2))
        return "smollm";
    if (header->n_splits != 1)
        return NULL;
    if (is_split(tokenizer, 0, aci_tokenizer_pattern_gpt2))
        return "gpt-2";
    if (is_split(tokenizer, 0, aci_tokenizer_pattern_qwen2))
        return "qwen2";
    /* The same expression; only the first takes whole pieces unmerged. */
    if (is_split(tokenizer, 0, aci_tokenizer_pattern_llama3))
        return (header->flags & ACI_ACT_IGNORE_MERGES) != 0 ? "llama-bpe"
                                                            : "smaug-bpe";
    return NULL;
}

/* ---- scores -------------------------------------------------------------- */

/* Ways to make token `id` of two tokens that are no merges. */
static size_t loose_splits(const aci_tokenizer *tokenizer, int32_t id)
{
    const char *text = tokenizer->text + tokenizer->offsets[id];
    size_t n = aci_act_token_bytes(tokenizer, id), n_loose = 0, at, length;
    int whole;

    for (at = 0; at < n; at += length) {
        int32_t left, right;

        length = aci_utf8_length(text + at, n - at);
        if (length == 0)
            return n_loose;
        if (at == 0)
            continue;
        left = aci_act_find(tokenizer, text, at, &whole);
        right = aci_act_find(tokenizer, text + at, n - at, &whole);
        if (left >= 0 && right >= 0 &&
            aci_act_find_merge(tokenizer, left, right) == NULL)
            n_loose++;
    }
    return n_loose;
}

void aci_tokenizer_listing_scores(float *scores, size_t *n_loose,
                                  const aci_listing *listing)
{
    const aci_tokenizer *tokenizer = listing->tokenizer;
    uint32_t n = tokenizer->header->n_tokens;
    uint32_t last = ACI_ACT_EMPTY;

    *n_loose = 0;
    for (uint32_t i = 0; i < n; i++)
        scores[i] = 0.0f;
    /* By rank: a token met again after others came in between had its merges
     * apart, which one score cannot say. */
    for (size_t i = 0; i < listing->n_merges; i++) {
        const aci_act_merge *merge = &listing->merges[i];

        if (scores[merge->result] == 0.0f)
            scores[merge->result] = -1.0f - (float)merge->rank;
        else if (merge->result != last &&
                 scores[merge->result] != -1.0f - (float)merge->rank)
            ++*n_loose;
        last = merge->result;
    }
    for (uint32_t i = 0; i < n; i++)
        if ((tokenizer->kinds[i] & ACI_ACT_MODEL) != 0)
            *n_loose += loose_splits(tokenizer, (int32_t)i);
}
