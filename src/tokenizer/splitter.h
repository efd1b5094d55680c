/* splitter.h - cutting text into the pieces that merging works on. */
#ifndef ACI_TOKENIZER_SPLITTER_H
#define ACI_TOKENIZER_SPLITTER_H

#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

/* What becomes of the text a pattern matches (the names of tokenizer.json);
 * text between matches is always a piece too. */
#define ACI_SPLIT_ISOLATED 0u        /* each match is a piece */
#define ACI_SPLIT_PREVIOUS 1u        /* it joins the piece before it */
#define ACI_SPLIT_NEXT 2u            /* it joins the piece after it */
#define ACI_SPLIT_CONTIGUOUS 3u      /* matches in a row are one piece */

/* The patterns of the families, as their files spell them. */
extern const char aci_tokenizer_pattern_gpt2[];
extern const char aci_tokenizer_pattern_llama3[];
extern const char aci_tokenizer_pattern_qwen2[];
extern const char aci_tokenizer_pattern_digit[];  /* each on its own */

/* A compiled pattern; read-only, any thread. */
typedef struct aci_splitter aci_splitter;

/* `invert`: pieces between matches count as the matches. With `exact` the
 * pattern always runs through PCRE2, also where a written-out scanner is known
 * to give the same (tests compare the two). */
ac_status aci_tokenizer_splitter_create(aci_splitter **out, aci_memory *memory,
                                        const char *pattern, size_t n_bytes,
                                        uint32_t behaviour, uint32_t invert,
                                        int exact, ac_error *error);
void aci_tokenizer_splitter_free(aci_splitter *splitter);

/* One walk over one text (valid UTF-8), on one thread. */
typedef struct aci_split_walk {
    const aci_splitter *splitter;
    const char *text;
    size_t n_bytes;
    void **scratch;
    size_t at;                       /* end of the segments read so far */
    size_t match_first, match_last;  /* the next match, when matched > 0 */
    int matched;                     /* 1 found, 0 look, -1 no more */
    size_t held_last;                /* a segment read ahead, when held */
    int held, held_is_match;
    size_t piece;                    /* where the next piece begins */
} aci_split_walk;

/* `scratch` is memory for matching that lives through many walks over the same
 * splitter: NULL at first, freed by split_scratch_free. */
void aci_tokenizer_split_begin(aci_split_walk *walk,
                               const aci_splitter *splitter, void **scratch,
                               const char *text, size_t n_bytes);
/* Length of the next piece (it begins where the last ended); 0 at the end. */
ac_status aci_tokenizer_split_next(size_t *n_bytes, aci_split_walk *walk,
                                   ac_error *error);
void aci_tokenizer_split_scratch_free(void *scratch);

/* Written-out scanners: the length of the piece at text[0], n_bytes > 0. */
typedef size_t (*aci_scanner)(const char *text, size_t n_bytes);
/* NULL when there is none for this pattern. */
aci_scanner aci_tokenizer_scanner_for(const char *pattern, size_t n_bytes);
/* The one this splitter may use instead of a walk, or NULL. */
aci_scanner aci_tokenizer_splitter_scanner(const aci_splitter *splitter);

#endif
