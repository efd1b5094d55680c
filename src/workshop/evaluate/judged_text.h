/* judged_text.h - a text to judge a model by: documents as tokens, and which
 * tokens count.
 *
 * Plain text is one document. Of JSON lines each is one: {"text": ...}, where
 * all counts, or {"prompt": ..., "completion": ...}, where the completion
 * does; the two are encoded apart and joined. */
#ifndef ACI_WORKSHOP_JUDGED_TEXT_H
#define ACI_WORKSHOP_JUDGED_TEXT_H

#include <stdint.h>

#include "flow.h"
#include "platform/sha256.h"
#include "tokenizer/tokenizer.h"

typedef struct aci_judged_text {
    aci_memory *memory;
    aci_tokens tokens;       /* documents end to end */
    uint8_t *counts;         /* [tokens.n], 1: judge it; NULL: all count */
    size_t *ends;            /* [n_documents] in tokens */
    size_t n_documents, documents_capacity, counts_capacity;
    uint64_t n_bytes;        /* of text, unpacked */
    char sha256[ACI_SHA256_TEXT];
} aci_judged_text;

/* Reads `path`, or options->text when it is NULL; of the options begin, end,
 * special and max_tokens matter. Whatever comes back is to be freed. Errors
 * name the file and the line or byte. */
ac_status aci_workshop_judged_text_read(aci_judged_text *out,
                                        aci_memory *memory,
                                        const aci_tokenizer *tokenizer,
                                        const char *path,
                                        const ac_perplexity_options *options,
                                        ac_error *error);
void aci_workshop_judged_text_free(aci_judged_text *text);

#endif
