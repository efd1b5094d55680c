/* checkpoint_tokenizer.c - see checkpoint_tokenizer.h. */
#include "api/checkpoint_tokenizer.h"

#include <string.h>

#include "api/vocabulary_gguf.h"
#include "platform/error.h"
#include "platform/files.h"

ac_status aci_api_checkpoint_tokenizer(aci_tokenizer **out,
                                       aci_memory *memory, const char *path,
                                       ac_error *error)
{
    aci_gguf *gguf = NULL;
    ac_status status;

    if (aci_platform_is_directory(path))
        return aci_tokenizer_from_folder(out, memory, path, error);
    *out = NULL;
    status = aci_model_gguf_open(&gguf, memory, path, error);
    if (status == AC_OK)
        status = aci_api_vocabulary_gguf(out, memory, gguf, error);
    aci_model_gguf_close(gguf);
    return status;
}

/* ---- the byte tokenizer -------------------------------------------------- */

enum { N_BYTES = 256, END_TOKEN = N_BYTES };

/* Token i is byte i, spelled as GPT-2 spells bytes: printable ones as
 * themselves, the others as the code points from 256 on, in order. */
typedef struct byte_spelling {
    char text[N_BYTES][3];
} byte_spelling;

static int is_printable(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
           byte >= 174;
}

static void spell_bytes(byte_spelling *out)
{
    int byte, next = N_BYTES;

    for (byte = 0; byte < N_BYTES; byte++) {
        int point = is_printable(byte) ? byte : next++;
        char *at = out->text[byte];

        if (point < 0x80) {
            at[0] = (char)point;
            at[1] = '\0';
        } else {
            at[0] = (char)(0xC0 | point >> 6);
            at[1] = (char)(0x80 | (point & 0x3F));
            at[2] = '\0';
        }
    }
}

static int give_byte(void *context, size_t i, const char **text,
                     size_t *n_bytes, float *score, int32_t *type)
{
    const byte_spelling *spelling = context;

    *text = i == END_TOKEN ? "<|endoftext|>" : spelling->text[i];
    *n_bytes = strlen(*text);
    *score = 0.0f;
    *type = i == END_TOKEN ? 3 : 1; /* control, normal */
    return 1;
}

ac_status aci_api_byte_tokenizer(aci_tokenizer **out, aci_memory *memory,
                                 ac_error *error)
{
    byte_spelling spelling;
    aci_vocabulary_source source = {
        .context = &spelling, .n_tokens = N_BYTES + 1, .token = give_byte,
        .model = "gpt2", .pre = "gpt-2", .pre_bytes = 5, .bos = -1,
        .eos = END_TOKEN, .unknown = -1, .add_bos = 0, .add_eos = 0,
        .add_space_prefix = -1
    };

    spell_bytes(&spelling);
    return aci_tokenizer_from_vocabulary(out, memory, &source, error);
}
