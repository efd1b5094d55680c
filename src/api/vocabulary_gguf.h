/* vocabulary_gguf.h - the vocabulary inside a GGUF file, as the tokenizer
 * takes it. It lives here because tokenizer/ and model/ do not see each
 * other. */
#ifndef ACI_API_VOCABULARY_GGUF_H
#define ACI_API_VOCABULARY_GGUF_H

#include "model/gguf.h"
#include "tokenizer/tokenizer.h"

/* The tokenizer of an open GGUF file; AC_E_NOT_FOUND when it holds none. The
 * file may be closed afterwards. */
ac_status aci_api_vocabulary_gguf(aci_tokenizer **out, aci_memory *memory,
                                  const aci_gguf *gguf, ac_error *error);

#endif
