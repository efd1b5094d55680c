/* write_json.h - a tokenizer as Hugging Face's files. */
#ifndef ACI_TOKENIZER_WRITE_JSON_H
#define ACI_TOKENIZER_WRITE_JSON_H

#include "tokenizer/tokenizer.h"

/* Writes tokenizer.json, tokenizer_config.json and generation_config.json into
 * `folder`. AC_E_UNSUPPORTED for what tokenizer.json cannot say. */
ac_status aci_tokenizer_write_json(const aci_tokenizer *tokenizer,
                                   aci_memory *memory, const char *folder,
                                   ac_error *error);

#endif
