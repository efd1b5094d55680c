/* fuzz_tokenizer_model.c - tokenizer.model, as SentencePiece writes it. */
#include "fuzz/target.h"
#include "fuzz/tokenizer_use.h"

int fuzz_tokenizer_model(const uint8_t *data, size_t n);
int fuzz_tokenizer_model(const uint8_t *data, size_t n)
{
    aci_tokenizer *tokenizer = NULL;
    aci_memory memory;

    fuzz_empty_folder();
    fuzz_file("tokenizer.model", data, n);
    fuzz_memory_begin(&memory);
    if (aci_tokenizer_from_folder(&tokenizer, &memory, fuzz_folder(), NULL) ==
        AC_OK)
        fuzz_use_tokenizer(&memory, tokenizer);
    aci_tokenizer_close(tokenizer);
    fuzz_memory_end(&memory);
    return 0;
}
