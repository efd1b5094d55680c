/* decode.c - from token ids to text, and what there is to know of a token. */
#include <string.h>

#include "tokenizer/act.h"

int32_t aci_tokenizer_size(const aci_tokenizer *tokenizer)
{
    return (int32_t)tokenizer->header->n_tokens;
}

int32_t aci_tokenizer_bos(const aci_tokenizer *tokenizer)
{
    return tokenizer->header->bos;
}

int32_t aci_tokenizer_eos(const aci_tokenizer *tokenizer)
{
    return tokenizer->header->eos;
}

static bool is_token(const aci_tokenizer *tokenizer, int32_t token)
{
    return token >= 0 && (uint32_t)token < tokenizer->header->n_tokens;
}

int aci_tokenizer_is_end(const aci_tokenizer *tokenizer, int32_t token)
{
    return is_token(tokenizer, token) &&
           (tokenizer->kinds[token] & ACI_ACT_END) != 0;
}

size_t aci_tokenizer_piece(char *out, size_t capacity,
                           const aci_tokenizer *tokenizer, int32_t token,
                           int with_special)
{
    size_t n_bytes;

    if (!is_token(tokenizer, token) ||
        (!with_special && (tokenizer->kinds[token] & ACI_ACT_SPECIAL) != 0))
        return 0;
    n_bytes = aci_act_token_bytes(tokenizer, token);
    if (n_bytes > 0 && capacity > 0)
        memcpy(out, tokenizer->text + tokenizer->offsets[token],
               n_bytes < capacity ? n_bytes : capacity);
    return n_bytes;
}

size_t aci_tokenizer_decode(char *out, size_t capacity,
                            const aci_tokenizer *tokenizer,
                            const int32_t *tokens, size_t n_tokens,
                            int with_special)
{
    bool strip = (tokenizer->header->flags & ACI_ACT_STRIP_SPACE) != 0;
    size_t n = 0, i;

    for (i = 0; i < n_tokens; i++) {
        const char *text;
        size_t n_bytes = aci_tokenizer_piece(NULL, 0, tokenizer, tokens[i],
                                             with_special);

        if (n_bytes == 0)
            continue;
        text = tokenizer->text + tokenizer->offsets[tokens[i]];
        if (strip && text[0] == ' ') {
            text++;
            n_bytes--;
        }
        strip = false; /* the first text only */
        if (n < capacity && n_bytes > 0)
            memcpy(out + n, text,
                   n_bytes < capacity - n ? n_bytes : capacity - n);
        n += n_bytes;
    }
    return n;
}
