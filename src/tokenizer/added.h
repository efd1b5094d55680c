/* added.h - finding added tokens in text before it is cut into pieces. */
#ifndef ACI_TOKENIZER_ADDED_H
#define ACI_TOKENIZER_ADDED_H

#include "tokenizer/act.h"

/* Bytes [first, last) of a text. */
typedef struct aci_span {
    size_t first, last;
} aci_span;

typedef struct aci_added_search {
    const aci_tokenizer *tokenizer;
    const char *text;
    size_t n_bytes;
    uint32_t normalized;             /* ACI_ACT_ADDED_NORMALIZED or 0: which */
    int parse_special;               /* 0: special tokens are ordinary text */
    const aci_span *guarded;         /* [n_guarded], in order: special tokens */
    size_t n_guarded;                /* that touch these are text as well */
    size_t guard_base, text_base;    /* place guard_base of the spans' text is
                                        place text_base of this one */
    size_t at;                       /* search goes on from here */
    size_t guard;                    /* first span that may still matter */
} aci_added_search;

/* Next added token: leftmost, of those the longest. Returns 1 and the bytes it
 * takes (white space it swallows included), 0 when there is none. */
int aci_tokenizer_added_next(aci_added_search *search, aci_span *taken,
                             int32_t *id);

#endif
