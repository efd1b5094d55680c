/* fuzz_encode.c - any bytes through a byte-level and a SentencePiece
 * tokenizer and back: without special tokens what comes out is what went in.
 * The tokenizers are seeds of the readers' corpora, so that this needs
 * nothing outside the repository. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "tokenizer/tokenizer.h"

static aci_memory tokenizer_memory;

/* Copies a seed into the scratch folder under the name the reader expects. */
static aci_tokenizer *open_seed(const char *seed, const char *name)
{
    static const char *const roots[] = { "", "../../" };
    static char bytes[1 << 18];
    aci_tokenizer *tokenizer = NULL;
    FILE *file = NULL;
    size_t n;

    for (int i = 0; i < 2 && file == NULL; i++) {
        char path[128];

        snprintf(path, sizeof path, "%stests/fuzz/corpora/%s", roots[i],
                 seed);
        file = fopen(path, "rb");
    }
    if (file == NULL)
        return NULL;
    n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    fuzz_empty_folder();
    fuzz_file(name, bytes, n);
    aci_tokenizer_from_folder(&tokenizer, &tokenizer_memory, fuzz_folder(),
                              NULL);
    return tokenizer;
}

static void check_round_trip(const aci_tokenizer *tokenizer, const char *text,
                             size_t n)
{
    aci_tokens tokens = { NULL, 0, 0 };
    size_t n_back;
    char *back;

    if (aci_tokenizer_encode(&tokens, tokenizer, text, n, 0, 0, NULL) !=
        AC_OK)
        abort();
    n_back = aci_tokenizer_decode(NULL, 0, tokenizer, tokens.ids, tokens.n, 0);
    back = malloc(n_back + 1);
    aci_tokenizer_decode(back, n_back + 1, tokenizer, tokens.ids, tokens.n, 0);
    if (n_back != n || memcmp(back, text, n) != 0) {
        fprintf(stderr, "%zu bytes came back as %zu\n", n, n_back);
        abort();
    }
    free(back);
    tokens.n = 0;
    if (aci_tokenizer_encode(&tokens, tokenizer, text, n, 1, 1, NULL) !=
        AC_OK)
        abort();
    aci_tokenizer_tokens_free(&tokenizer_memory, &tokens);
}

int fuzz_encode(const uint8_t *data, size_t n);
int fuzz_encode(const uint8_t *data, size_t n)
{
    static aci_tokenizer *tokenizers[2];

    if (tokenizers[0] == NULL) {
        aci_platform_memory_init(&tokenizer_memory);
        tokenizers[0] = open_seed("tokenizer_json/byte_level.json",
                                  "tokenizer.json");
        tokenizers[1] = open_seed("tokenizer_json/sentencepiece.json",
                                  "tokenizer.json");
    }
    for (int i = 0; i < 2; i++) {
        if (tokenizers[i] == NULL)
            abort();
        check_round_trip(tokenizers[i], (const char *)data, n);
    }
    return 0;
}
