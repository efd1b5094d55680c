/* tokenizer_merges.h - which byte pairs a vocabulary is made of. */
#ifndef ACI_WORKSHOP_TRAIN_TOKENIZER_MERGES_H
#define ACI_WORKSHOP_TRAIN_TOKENIZER_MERGES_H

#include "workshop/train/tokenizer_words.h"

typedef struct aci_learned_merge {
    uint32_t left, right;            /* tokens */
} aci_learned_merge;

/* Tokens are numbered: special ones, the 256 bytes in the order of GPT-2's
 * letters, then what merging makes. */
typedef struct aci_learned {
    aci_memory *memory;
    aci_words tokens;                /* their bytes, by number */
    uint32_t n_special;
    aci_learned_merge *merges;       /* in the order they were learned */
    size_t n_merges, merges_capacity;
    uint64_t n_corpus_tokens;        /* what the words became */
} aci_learned;

/* Called after each merge with the number of tokens so far. */
typedef ac_status (*aci_merge_progress)(void *context, uint32_t n_tokens,
                                        ac_error *error);

/* Merges until there are n_vocab tokens or no pair occurs min_count times.
 * Free `out` also after a failure. */
ac_status aci_workshop_learn_merges(aci_learned *out, aci_memory *memory,
                                    const aci_words *words,
                                    const aci_specials *specials,
                                    uint32_t n_vocab, uint64_t min_count,
                                    aci_merge_progress on_progress,
                                    void *context, ac_error *error);
void aci_workshop_learned_free(aci_learned *learned);

#endif
