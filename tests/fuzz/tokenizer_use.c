/* tokenizer_use.c - see tokenizer_use.h. */
#include "fuzz/tokenizer_use.h"

#include <stdlib.h>
#include <string.h>

static void encode_and_decode(aci_memory *memory,
                              const aci_tokenizer *tokenizer, int special)
{
    static const char text[] = "Hello, <s> na\xC3\xAFve <|im_end|>\xFF\xC3 "
                               "\xE4\xB8\xAD\xE6\x96\x87 12345\n\n  x\t!?";
    aci_tokens tokens = { NULL, 0, 0 };
    size_t n_bytes;
    char *decoded;

    if (aci_tokenizer_encode(&tokens, tokenizer, text, sizeof text - 1,
                             special, special, NULL) == AC_OK) {
        n_bytes = aci_tokenizer_decode(NULL, 0, tokenizer, tokens.ids,
                                       tokens.n, special);
        decoded = aci_platform_alloc(memory, n_bytes + 1);
        if (decoded != NULL &&
            aci_tokenizer_decode(decoded, n_bytes + 1, tokenizer, tokens.ids,
                                 tokens.n, special) != n_bytes)
            abort();
        aci_platform_free(memory, decoded);
    }
    aci_tokenizer_tokens_free(memory, &tokens);
}

void fuzz_use_tokenizer(aci_memory *memory, const aci_tokenizer *tokenizer)
{
    static const ac_message turns[] = { { "system", "Be brief." },
                                        { "user", "Hi <|im_end|>" },
                                        { "assistant", "Hi" },
                                        { "user", "" } };
    aci_tokens tokens = { NULL, 0, 0 };
    int32_t n = aci_tokenizer_size(tokenizer);
    char piece[16];

    encode_and_decode(memory, tokenizer, 0);
    encode_and_decode(memory, tokenizer, 1);
    for (int32_t id = -2; id < n + 2; id += id < 300 ? 1 : 1 + n / 300) {
        aci_tokenizer_piece(piece, sizeof piece, tokenizer, id, 0);
        aci_tokenizer_piece(piece, sizeof piece, tokenizer, id, 1);
        aci_tokenizer_is_end(tokenizer, id);
    }
    aci_tokenizer_bos(tokenizer);
    if (strlen(aci_tokenizer_chat_name(tokenizer)) > 64)
        abort();
    aci_tokenizer_encode_chat(&tokens, tokenizer, turns, 4, NULL);
    aci_tokenizer_tokens_free(memory, &tokens);
}
