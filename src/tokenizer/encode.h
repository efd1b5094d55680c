/* encode.h - encoding with parts of the text guarded. */
#ifndef ACI_TOKENIZER_ENCODE_H
#define ACI_TOKENIZER_ENCODE_H

#include "tokenizer/added.h"

/* aci_tokenizer_encode, where special tokens that touch one of the guarded
 * spans (in order, not overlapping) stay text: a chat's contents. */
ac_status aci_tokenizer_encode_guarded(aci_tokens *tokens,
                                       const aci_tokenizer *tokenizer,
                                       const char *text, size_t n_bytes,
                                       const aci_span *guarded,
                                       size_t n_guarded, int parse_special,
                                       int add_begin, ac_error *error);

#endif
