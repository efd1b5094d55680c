/* tokenizer_write.h - what was learned as Hugging Face's files. */
#ifndef ACI_WORKSHOP_TRAIN_TOKENIZER_WRITE_H
#define ACI_WORKSHOP_TRAIN_TOKENIZER_WRITE_H

#include "workshop/train/tokenizer_merges.h"

/* Writes tokenizer.json to `path` when that ends in ".json"; else
 * tokenizer.json and tokenizer_config.json into the directory `path`, which is
 * made when it is missing. Each file atomically, a new directory as a whole.
 * Token 0 begins and ends texts. */
ac_status aci_workshop_tokenizer_write(const aci_learned *learned,
                                       const char *path, const char *pattern,
                                       ac_error *error);

#endif
