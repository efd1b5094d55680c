/* added.c - finding added tokens in text.
 *
 * The tokens are sorted by their bytes, so the ones that can begin at a place
 * are a range that every further byte narrows: no automaton to build or store.
 * Which tokens count, and how they treat white space, follows the fields of
 * tokenizer.json (lstrip, rstrip, single_word, normalized, special). */
#include "tokenizer/added.h"

#include <utf8proc.h>

#include "tokenizer/utf8.h"

static uint8_t byte_of(const aci_tokenizer *tokenizer, uint32_t which,
                       size_t depth, bool *is_end)
{
    uint32_t id = tokenizer->added[which].id;

    *is_end = depth == aci_act_token_bytes(tokenizer, (int32_t)id);
    return *is_end ? 0
                   : (uint8_t)tokenizer->text[tokenizer->offsets[id] + depth];
}

/* First of [low, high) whose byte at `depth` is at least `wanted` (0-256);
 * tokens that end there come before all others. */
static uint32_t bound(const aci_tokenizer *tokenizer, uint32_t low,
                      uint32_t high, size_t depth, unsigned wanted)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        bool is_end;
        uint8_t byte = byte_of(tokenizer, middle, depth, &is_end);

        if (is_end || byte < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool eligible(const aci_added_search *search, aci_act_added added,
                     size_t first, size_t last)
{
    size_t i;

    if ((added.flags & ACI_ACT_ADDED_NORMALIZED) != search->normalized)
        return false;
    if ((added.flags & ACI_ACT_ADDED_SPECIAL) == 0)
        return true;
    if (!search->parse_special)
        return false;
    if (last <= search->text_base) /* the space put in front */
        return true;
    last += search->guard_base - search->text_base;
    first += search->guard_base;
    first -= first < search->text_base ? first : search->text_base;
    for (i = search->guard; i < search->n_guarded &&
                            search->guarded[i].first < last; i++)
        if (first < search->guarded[i].last)
            return false;
    return true;
}

/* Longest eligible token that begins at `first`: its index, or -1. */
static int64_t longest_at(const aci_added_search *search, size_t first)
{
    const aci_tokenizer *tokenizer = search->tokenizer;
    uint8_t byte = (uint8_t)search->text[first];
    uint32_t low = tokenizer->added_first[byte];
    uint32_t high = tokenizer->added_first[byte + 1];
    size_t depth = 1;
    int64_t best = -1;

    while (low < high) {
        bool is_end;

        (void)byte_of(tokenizer, low, depth, &is_end);
        if (is_end) {
            if (eligible(search, tokenizer->added[low], first, first + depth))
                best = low;
            low++;
        }
        if (first + depth >= search->n_bytes)
            break;
        byte = (uint8_t)search->text[first + depth];
        low = bound(tokenizer, low, high, depth, byte);
        high = bound(tokenizer, low, high, depth, byte + 1u);
        depth++;
    }
    return best;
}

/* The character that ends at `at`, > 0. */
static uint32_t character_before(const char *text, size_t at, size_t *length)
{
    for (*length = 1; *length <= 4 && *length <= at; ++*length)
        if (aci_utf8_length(text + at - *length, *length) == *length)
            return aci_utf8_decode(text + at - *length, *length);
    *length = 1;
    return 0xFFFD;
}

static bool is_word(uint32_t point)
{
    utf8proc_category_t category =
        utf8proc_category((utf8proc_int32_t)point);

    return (category >= UTF8PROC_CATEGORY_LU &&
            category <= UTF8PROC_CATEGORY_NO) ||
           category == UTF8PROC_CATEGORY_PC;
}

static bool is_space(uint32_t point)
{
    return (point >= 9 && point <= 13) || point == 32 || point == 0x85 ||
           point == 0xA0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
           point == 0x2029 || point == 0x202F || point == 0x205F ||
           point == 0x3000;
}

static bool stands_alone(const char *text, size_t n_bytes, size_t first,
                         size_t last)
{
    size_t length;

    if (first > 0 && is_word(character_before(text, first, &length)))
        return false;
    length = aci_utf8_length(text + last, n_bytes - last);
    return length == 0 || !is_word(aci_utf8_decode(text + last, length));
}

static void swallow_spaces(const aci_added_search *search, uint32_t flags,
                           size_t from, aci_span *taken)
{
    size_t length;

    while ((flags & ACI_ACT_ADDED_LEFT) != 0 && taken->first > from) {
        if (!is_space(character_before(search->text, taken->first, &length)))
            break;
        taken->first -= length;
    }
    while ((flags & ACI_ACT_ADDED_RIGHT) != 0) {
        length = aci_utf8_length(search->text + taken->last,
                                 search->n_bytes - taken->last);
        if (length == 0 ||
            !is_space(aci_utf8_decode(search->text + taken->last, length)))
            break;
        taken->last += length;
    }
}

int aci_tokenizer_added_next(aci_added_search *search, aci_span *taken,
                             int32_t *id)
{
    const aci_tokenizer *tokenizer = search->tokenizer;
    size_t from = search->at, i;

    if (tokenizer->header->n_added == 0)
        return 0;
    for (i = from; i < search->n_bytes; i++) {
        uint8_t byte = (uint8_t)search->text[i];
        int64_t which;
        uint32_t flags;

        if (tokenizer->added_first[byte] == tokenizer->added_first[byte + 1])
            continue;
        while (search->guard < search->n_guarded &&
               search->guarded[search->guard].last + search->text_base <=
                   i + search->guard_base)
            search->guard++;
        which = longest_at(search, i);
        if (which < 0)
            continue;
        *id = (int32_t)tokenizer->added[which].id;
        flags = tokenizer->added[which].flags;
        taken->first = i;
        taken->last = i + aci_act_token_bytes(tokenizer, *id);
        if ((flags & ACI_ACT_ADDED_WORD) != 0 &&
            !stands_alone(search->text, search->n_bytes, taken->first,
                          taken->last)) {
            i = taken->last - 1;
            continue;
        }
        swallow_spaces(search, flags, from, taken);
        search->at = taken->last;
        return 1;
    }
    search->at = search->n_bytes;
    return 0;
}
