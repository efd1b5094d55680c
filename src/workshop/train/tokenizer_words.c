/* tokenizer_words.c - see tokenizer_words.h. Linear probing, at most half
 * full; the hash is kept with the word, so that growing reads no text. */
#include "workshop/train/tokenizer_words.h"

#include <string.h>

#include "platform/error.h"
#include "tokenizer/utf8.h"

enum { FIRST_SLOTS = 1 << 10, MOST_WORDS = 1 << 30 };

void aci_workshop_words_init(aci_words *words, aci_memory *memory)
{
    memset(words, 0, sizeof *words);
    words->memory = memory;
}

void aci_workshop_words_free(aci_words *words)
{
    if (words->memory == NULL)
        return;
    aci_platform_free(words->memory, words->items);
    aci_platform_free(words->memory, words->slots);
    aci_platform_free(words->memory, words->text);
    aci_workshop_words_init(words, words->memory);
}

/* Eight bytes at a time, each spread by a multiplication. */
static uint32_t hash_of(const char *text, size_t n_bytes)
{
    uint64_t hash = n_bytes * 0x9E3779B97F4A7C15u, part;
    size_t i;

    for (i = 0; i + 8 <= n_bytes; i += 8) {
        memcpy(&part, text + i, 8);
        hash = (hash ^ part) * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
    }
    part = 0;
    memcpy(&part, text + i, n_bytes - i);
    hash = (hash ^ part) * 0xD6E8FEB86659FD93u;
    hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
    return (uint32_t)(hash >> 32);
}

static ac_status grow_slots(aci_words *words, ac_error *error)
{
    size_t n = words->n_slots == 0 ? FIRST_SLOTS : words->n_slots * 2, i, at;
    uint32_t *slots = aci_platform_alloc_zeroed(words->memory, n,
                                                sizeof *slots);

    if (slots == NULL)
        return aci_platform_fail_memory(error, "counting words");
    for (i = 0; i < words->n; i++) {
        for (at = words->items[i].hash & (n - 1); slots[at] != 0;)
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    aci_platform_free(words->memory, words->slots);
    words->slots = slots;
    words->n_slots = n;
    return AC_OK;
}

/* Room for one word more, of n_bytes. */
static ac_status make_room(aci_words *words, size_t n_bytes, ac_error *error)
{
    void *larger;
    size_t n;

    if (words->n == words->capacity) {
        n = words->capacity * 2 + 256;
        if (n > MOST_WORDS)
            return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                     "more than a thousand million words");
        larger = aci_platform_realloc(words->memory, words->items,
                                      n * sizeof *words->items);
        if (larger == NULL)
            return aci_platform_fail_memory(error, "counting words");
        words->items = larger;
        words->capacity = n;
    }
    if (words->text_capacity - words->text_bytes < n_bytes) {
        n = words->text_capacity * 2 + n_bytes + 4096;
        larger = aci_platform_realloc(words->memory, words->text, n);
        if (larger == NULL)
            return aci_platform_fail_memory(error, "counting words");
        words->text = larger;
        words->text_capacity = n;
    }
    return words->n * 2 < words->n_slots ? AC_OK : grow_slots(words, error);
}

static ac_status find(uint32_t *item, aci_words *words, const char *text,
                      size_t n_bytes, uint32_t hash, ac_error *error)
{
    size_t at = 0;
    aci_word *word;
    ac_status status = make_room(words, n_bytes, error);

    if (status != AC_OK)
        return status;
    for (at = hash & (words->n_slots - 1); words->slots[at] != 0;
         at = (at + 1) & (words->n_slots - 1)) {
        *item = words->slots[at] - 1;
        word = &words->items[*item];
        if (word->hash == hash && word->n_bytes == n_bytes &&
            memcmp(words->text + word->at, text, n_bytes) == 0)
            return AC_OK;
    }
    *item = (uint32_t)words->n++;
    words->slots[at] = *item + 1;
    words->items[*item] = (aci_word){ 0, words->text_bytes,
                                      (uint32_t)n_bytes, hash };
    memcpy(words->text + words->text_bytes, text, n_bytes);
    words->text_bytes += n_bytes;
    return AC_OK;
}

ac_status aci_workshop_words_find(uint32_t *item, aci_words *words,
                                  const char *text, size_t n_bytes,
                                  ac_error *error)
{
    return find(item, words, text, n_bytes, hash_of(text, n_bytes), error);
}

ac_status aci_workshop_words_add(aci_words *words, const aci_words *other,
                                 ac_error *error)
{
    size_t i;

    for (i = 0; i < other->n; i++) {
        const aci_word *word = &other->items[i];
        uint32_t item;
        ac_status status = find(&item, words, other->text + word->at,
                                word->n_bytes, word->hash, error);

        if (status != AC_OK)
            return status;
        words->items[item].count += word->count;
    }
    return AC_OK;
}

/* ---- Counting text ------------------------------------------------------- */

static ac_status count_one(aci_words *words, const char *text, size_t n_bytes,
                           ac_error *error)
{
    while (n_bytes > 0) {
        size_t n = n_bytes;
        uint32_t item;
        ac_status status;

        if (n > ACI_LONGEST_WORD)
            for (n = ACI_LONGEST_WORD; (text[n] & 0xC0) == 0x80; n--)
                ; /* not inside a character */
        status = aci_workshop_words_find(&item, words, text, n, error);
        if (status != AC_OK)
            return status;
        words->items[item].count++;
        text += n;
        n_bytes -= n;
    }
    return AC_OK;
}

/* Valid UTF-8 without special tokens. */
static ac_status count_plain(aci_words *words, aci_scanner scanner,
                             const char *text, size_t n_bytes,
                             ac_error *error)
{
    ac_status status = AC_OK;

    while (n_bytes > 0 && status == AC_OK) {
        size_t n = scanner(text, n_bytes);

        status = count_one(words, text, n, error);
        text += n;
        n_bytes -= n;
    }
    return status;
}

/* Bytes of the special token at text[0], or 0; of two the longer. */
static size_t special_at(const aci_specials *specials, const char *text,
                         size_t n_bytes)
{
    size_t longest = 0;
    uint32_t i;

    for (i = 0; i < specials->n; i++) {
        size_t n = strlen(specials->names[i]);

        if (n > longest && n <= n_bytes &&
            memcmp(text, specials->names[i], n) == 0)
            longest = n;
    }
    return longest;
}

/* Bytes before the first special token; *length is its own, or 0. */
static size_t before_special(size_t *length, const aci_specials *specials,
                             const uint8_t firsts[256], const char *text,
                             size_t n_bytes)
{
    size_t i;

    *length = 0;
    for (i = 0; i < n_bytes; i++)
        if (firsts[(uint8_t)text[i]] &&
            (*length = special_at(specials, text + i, n_bytes - i)) > 0)
            return i;
    return n_bytes;
}

ac_status aci_workshop_words_count(aci_words *words, aci_scanner scanner,
                                   const aci_specials *specials,
                                   const char *text, size_t n_bytes,
                                   ac_error *error)
{
    uint8_t firsts[256] = { 0 };
    ac_status status = AC_OK;
    uint32_t i;

    for (i = 0; i < specials->n; i++)
        firsts[(uint8_t)specials->names[i][0]] = 1;
    while (n_bytes > 0 && status == AC_OK) {
        size_t valid = aci_utf8_valid(text, n_bytes), at = 0, plain, special;

        while (at < valid && status == AC_OK) {
            plain = before_special(&special, specials, firsts, text + at,
                                   valid - at);
            status = count_plain(words, scanner, text + at, plain, error);
            at += plain + special;
        }
        valid += valid < n_bytes; /* the byte that was wrong */
        text += valid;
        n_bytes -= valid;
    }
    return status;
}
