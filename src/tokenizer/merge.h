/* merge.h - byte-pair merging of one piece of text. */
#ifndef ACI_TOKENIZER_MERGE_H
#define ACI_TOKENIZER_MERGE_H

#include "tokenizer/act.h"

/* Work space of one call on one thread; zero it but for `tokenizer`. */
typedef struct aci_merger {
    const aci_tokenizer *tokenizer;
    int32_t *ids;                    /* [n] the result; [capacity] */
    size_t n, capacity;
    void *nodes;                     /* long pieces only */
    size_t nodes_capacity;
    void *heap;
    size_t heap_n, heap_capacity;
} aci_merger;

/* Splits the piece into symbols (bytes, or characters with their fallback) and
 * merges them, lowest rank first, leftmost first among equals. The tokens are
 * merger->ids [merger->n]. AC_OK or AC_E_NO_MEMORY (no message). */
ac_status aci_tokenizer_merge_piece(aci_merger *merger, const char *text,
                                    size_t n_bytes);
void aci_tokenizer_merger_free(aci_merger *merger);

#endif
