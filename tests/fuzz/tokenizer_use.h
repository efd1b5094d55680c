/* tokenizer_use.h - once a tokenizer opened, all of it is used. */
#ifndef TESTS_FUZZ_TOKENIZER_USE_H
#define TESTS_FUZZ_TOKENIZER_USE_H

#include "platform/memory.h"
#include "tokenizer/tokenizer.h"

/* Encodes, decodes and renders chats with it; aborts when decoding what was
 * encoded gives other than the bytes it announced. */
void fuzz_use_tokenizer(aci_memory *memory, const aci_tokenizer *tokenizer);

#endif
