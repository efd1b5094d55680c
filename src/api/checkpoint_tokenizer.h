/* checkpoint_tokenizer.h - the tokenizer of a checkpoint, wherever it keeps
 * its vocabulary: beside the weights, or inside the GGUF file. */
#ifndef ACI_API_CHECKPOINT_TOKENIZER_H
#define ACI_API_CHECKPOINT_TOKENIZER_H

#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

/* `path`: a Hugging Face directory or a GGUF file. */
ac_status aci_api_checkpoint_tokenizer(aci_tokenizer **out,
                                       aci_memory *memory, const char *path,
                                       ac_error *error);

/* 256 bytes and an end token: for weights that never saw text. */
ac_status aci_api_byte_tokenizer(aci_tokenizer **out, aci_memory *memory,
                                 ac_error *error);

#endif
