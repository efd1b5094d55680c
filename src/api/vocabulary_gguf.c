/* vocabulary_gguf.c - tokenizer.ggml.* of a GGUF file, read into the struct
 * the tokenizer is built from. Nothing is interpreted here. */
#include "api/vocabulary_gguf.h"

#include <string.h>

#include "platform/error.h"

#define KEY "tokenizer.ggml."
#define MODEL_BYTES 32

static int give_token(void *context, size_t i, const char **text,
                      size_t *n_bytes, float *score, int32_t *type)
{
    const aci_gguf *gguf = context;
    double value = 0.0;
    int64_t number = 1;

    if (!aci_model_gguf_array_string(text, n_bytes, gguf, KEY "tokens", i))
        return 0;
    /* Files of byte-level models have no scores, a few have no types. */
    (void)aci_model_gguf_array_real(&value, gguf, KEY "scores", i);
    (void)aci_model_gguf_array_integer(&number, gguf, KEY "token_type", i);
    *score = (float)value;
    *type = number < 0 || number > 6 ? 0 : (int32_t)number;
    return 1;
}

static int give_merge(void *context, size_t i, const char **text,
                      size_t *n_bytes)
{
    return aci_model_gguf_array_string(text, n_bytes, context, KEY "merges",
                                       i);
}

/* A token number, or -1 (some writers say 2^32 - 1); one that no int32 holds
 * is out of any range. */
static int32_t token_number(const aci_gguf *gguf, const char *key)
{
    int64_t number;

    if (!aci_model_gguf_integer(&number, gguf, key) || number == -1 ||
        number == UINT32_MAX)
        return -1;
    return number < 0 || number > INT32_MAX ? INT32_MAX : (int32_t)number;
}

static int32_t flag(const aci_gguf *gguf, const char *key)
{
    int64_t number;

    if (!aci_model_gguf_integer(&number, gguf, key))
        return -1;
    return number != 0;
}

ac_status aci_api_vocabulary_gguf(aci_tokenizer **out, aci_memory *memory,
                                  const aci_gguf *gguf, ac_error *error)
{
    aci_vocabulary_source source;
    char model[MODEL_BYTES] = { 0 };
    const char *text = NULL;
    size_t n_bytes = 0, n_listed = 0;

    *out = NULL;
    memset(&source, 0, sizeof source);
    if (!aci_model_gguf_string(&text, &n_bytes, gguf, KEY "model") ||
        !aci_model_gguf_array_length(&source.n_tokens, gguf, KEY "tokens"))
        return aci_platform_fail(error, AC_E_NOT_FOUND,
                                 "the GGUF file held no vocabulary");
    memcpy(model, text, n_bytes < sizeof model ? n_bytes : sizeof model - 1);
    source.context = (void *)(uintptr_t)gguf; /* only read */
    source.token = give_token;
    source.merge = give_merge;
    source.model = model;
    if (aci_model_gguf_array_length(&n_listed, gguf, KEY "merges"))
        source.n_merges = n_listed;
    if (!aci_model_gguf_string(&source.pre, &source.pre_bytes, gguf,
                               KEY "pre"))
        source.pre = NULL;
    source.bos = token_number(gguf, KEY "bos_token_id");
    source.eos = token_number(gguf, KEY "eos_token_id");
    source.unknown = token_number(gguf, KEY "unknown_token_id");
    source.add_bos = flag(gguf, KEY "add_bos_token");
    source.add_eos = flag(gguf, KEY "add_eos_token");
    source.add_space_prefix = flag(gguf, KEY "add_space_prefix");
    if (!aci_model_gguf_string(&source.chat_template,
                               &source.chat_template_bytes, gguf,
                               "tokenizer.chat_template"))
        source.chat_template = NULL;
    return aci_tokenizer_from_vocabulary(out, memory, &source, error);
}
