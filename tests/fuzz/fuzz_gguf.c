/* fuzz_gguf.c - a GGUF file: container, shape, tensors, vocabulary. */
#include "api/checkpoint_tokenizer.h"
#include "fuzz/checkpoint_use.h"
#include "fuzz/target.h"
#include "fuzz/tokenizer_use.h"

int fuzz_gguf(const uint8_t *data, size_t n);
int fuzz_gguf(const uint8_t *data, size_t n)
{
    const char *path = fuzz_file("model.gguf", data, n);
    aci_tokenizer *tokenizer = NULL;
    aci_memory memory;

    fuzz_memory_begin(&memory);
    fuzz_use_checkpoint(&memory, path);
    if (aci_api_checkpoint_tokenizer(&tokenizer, &memory, path, NULL) ==
        AC_OK)
        fuzz_use_tokenizer(&memory, tokenizer);
    aci_tokenizer_close(tokenizer);
    fuzz_memory_end(&memory);
    return 0;
}
