/* tokenizer_words.h - how often each piece of a text occurs: a hash table of
 * byte strings, numbered in the order they came. */
#ifndef ACI_WORKSHOP_TRAIN_TOKENIZER_WORDS_H
#define ACI_WORKSHOP_TRAIN_TOKENIZER_WORDS_H

#include "platform/memory.h"
#include "tokenizer/splitter.h"

/* A piece longer than this is counted in parts, so that text without a space
 * in it cannot make learning slow. */
#define ACI_LONGEST_WORD 1024u

typedef struct aci_word {
    uint64_t count;
    size_t at;                       /* in aci_words.text */
    uint32_t n_bytes, hash;
} aci_word;

typedef struct aci_words {
    aci_memory *memory;
    aci_word *items;
    size_t n, capacity;
    uint32_t *slots;                 /* item + 1, or 0; n_slots a power of 2 */
    size_t n_slots;
    char *text;
    size_t text_bytes, text_capacity;
} aci_words;

void aci_workshop_words_init(aci_words *words, aci_memory *memory);
void aci_workshop_words_free(aci_words *words);

/* The number of the word, made with count 0 when it is new. */
ac_status aci_workshop_words_find(uint32_t *item, aci_words *words,
                                  const char *text, size_t n_bytes,
                                  ac_error *error);

/* Text that is never merged: it is taken out before the words are counted. */
typedef struct aci_specials {
    const char *const *names;
    uint32_t n;
} aci_specials;

/* Counts the pieces of one stretch of text. Bytes that are not UTF-8 are left
 * out. */
ac_status aci_workshop_words_count(aci_words *words, aci_scanner scanner,
                                   const aci_specials *specials,
                                   const char *text, size_t n_bytes,
                                   ac_error *error);

/* Adds the counts of `other`. */
ac_status aci_workshop_words_add(aci_words *words, const aci_words *other,
                                 ac_error *error);

#endif
