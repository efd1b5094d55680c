/* listing.h - a tokenizer told token by token and merge by merge, in the
 * spelling of vocabulary files: the way back from an image, for exports. */
#ifndef ACI_TOKENIZER_LISTING_H
#define ACI_TOKENIZER_LISTING_H

#include "tokenizer/act.h"
#include "tokenizer/tokenizer.h"

/* What a token is, in the numbers of GGUF and SentencePiece. */
typedef enum aci_token_type {
    ACI_TOKEN_NORMAL = 1,
    ACI_TOKEN_UNKNOWN,
    ACI_TOKEN_CONTROL,
    ACI_TOKEN_USER_DEFINED,
    ACI_TOKEN_UNUSED,
    ACI_TOKEN_BYTE
} aci_token_type;

typedef struct aci_listing {
    aci_memory *memory;
    const aci_tokenizer *tokenizer;
    aci_act_merge *merges;     /* [n_merges], by rank */
    size_t n_merges;
    uint8_t *added;            /* [n_tokens]: 1 + ACI_ACT_ADDED_*; 0: not */
    char *room;                /* two tokens as spelled, a gap, a NUL */
} aci_listing;

/* Fills a zeroed `out`; the tokenizer must outlive it. */
ac_status aci_tokenizer_listing_open(aci_listing *out, aci_memory *memory,
                                     const aci_tokenizer *tokenizer,
                                     ac_error *error);
void aci_tokenizer_listing_close(aci_listing *listing);

/* Token `id` as a file spells it, NUL-terminated, lent until the next call;
 * its bytes. A gap of the numbering has none and is ACI_TOKEN_UNUSED. */
size_t aci_tokenizer_listing_token(const char **text, aci_token_type *type,
                                   aci_listing *listing, int32_t id);

/* "left right" of merge i, lent likewise. */
size_t aci_tokenizer_listing_merge(const char **text, aci_listing *listing,
                                   size_t i);

/* What llama.cpp calls how text is cut into pieces ("qwen2", ...): NULL when
 * it has no name for it, or for tokenizers of characters, which need none. */
const char *aci_tokenizer_listing_pre(const aci_listing *listing);

/* For SentencePiece's way of merging, best score first: a score per token
 * [n_tokens], from the ranks. *n_loose: how many ways to make a token by
 * scores are no merge of the tokenizer, or come at another time; 0: the two
 * ways give the same tokens for every text. */
void aci_tokenizer_listing_scores(float *scores, size_t *n_loose,
                                  const aci_listing *listing);

#endif
