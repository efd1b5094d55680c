/* ac_tokens.c - text to tokens and back, and scoring. */
#include <math.h>
#include <string.h>

#include "api/handles.h"
#include "engine/sampler.h"
#include "platform/error.h"

static ac_status check_special(uint32_t special, ac_error *error)
{
    if (special <= AC_SPECIAL_PARSE)
        return AC_OK;
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "special was neither AC_SPECIAL_AS_TEXT nor "
                             "AC_SPECIAL_PARSE");
}

ac_status ac_tokenize(int32_t *tokens, size_t capacity, size_t *n_tokens,
                      const ac_engine *engine, const char *text,
                      size_t text_bytes, uint32_t special, ac_error *error)
{
    aci_tokens found = { 0 };
    ac_status status = aci_api_need(n_tokens, "n_tokens", error);

    if (status == AC_OK)
        status = aci_api_need(engine, "engine", error);
    if (status == AC_OK && text_bytes > 0)
        status = aci_api_need(text, "text", error);
    if (status == AC_OK && capacity > 0)
        status = aci_api_need(tokens, "tokens", error);
    if (status == AC_OK)
        status = check_special(special, error);
    if (status != AC_OK)
        return status;
    status = aci_tokenizer_encode(&found, engine->tokenizer, text, text_bytes,
                                  special == AC_SPECIAL_PARSE,
                                  special == AC_SPECIAL_PARSE, error);
    if (status == AC_OK) {
        *n_tokens = found.n;
        if (found.n > capacity)
            status = aci_platform_fail(error, AC_E_TOO_SMALL,
                                       "%zu tokens did not fit in %zu",
                                       found.n, capacity);
        else if (found.n > 0)
            memcpy(tokens, found.ids, found.n * sizeof *tokens);
    }
    aci_tokenizer_tokens_free(engine->model->memory, &found);
    return status;
}

ac_status ac_detokenize(char *text, size_t capacity, size_t *text_bytes,
                        const ac_engine *engine, const int32_t *tokens,
                        size_t n_tokens, uint32_t special, ac_error *error)
{
    size_t needed;
    ac_status status = aci_api_need(text_bytes, "text_bytes", error);

    if (status == AC_OK)
        status = aci_api_need(engine, "engine", error);
    if (status == AC_OK && n_tokens > 0)
        status = aci_api_need(tokens, "tokens", error);
    if (status == AC_OK && capacity > 0)
        status = aci_api_need(text, "text", error);
    if (status == AC_OK)
        status = check_special(special, error);
    if (status != AC_OK)
        return status;
    needed = aci_tokenizer_decode(NULL, 0, engine->tokenizer, tokens, n_tokens,
                                  special == AC_SPECIAL_PARSE);
    *text_bytes = needed;
    if (needed + 1 > capacity)
        return aci_platform_fail(error, AC_E_TOO_SMALL,
                                 "%zu bytes and a NUL did not fit in %zu",
                                 needed, capacity);
    aci_tokenizer_decode(text, capacity, engine->tokenizer, tokens, n_tokens,
                         special == AC_SPECIAL_PARSE);
    text[needed] = '\0';
    return AC_OK;
}

/* Where the logits of each position go. */
typedef struct score {
    float *logprobs, *logits;
    const int32_t *tokens;
    size_t n_tokens;
} score;

static void on_logits(size_t position, const aci_logits *logits, void *user)
{
    score *s = user;
    size_t n_vocab = (size_t)logits->n_vocab;

    if (s->logits != NULL)
        memcpy(s->logits + position * n_vocab, logits->values,
               n_vocab * sizeof(float));
    if (position + 1 < s->n_tokens)
        s->logprobs[position + 1] = (float)aci_engine_logprob(
            logits->values, logits->n_vocab, s->tokens[position + 1]);
}

ac_status ac_score(float *logprobs, float *logits, ac_session *session,
                   const int32_t *tokens, size_t n_tokens,
                   const char *variant, ac_error *error)
{
    score s = { logprobs, logits, tokens, n_tokens };
    const char *name = variant ? variant : "full";
    int32_t number;
    size_t i;
    ac_status status = aci_api_need(session, "session", error);

    if (status == AC_OK)
        status = aci_api_need(logprobs, "logprobs", error);
    if (status == AC_OK)
        status = aci_api_need(tokens, "tokens", error);
    if (status != AC_OK)
        return status;
    number = aci_model_variant_find(session->engine->model, name);
    if (number < 0)
        return aci_platform_fail(error, AC_E_NOT_FOUND,
                                 "no variant \"%.32s\"", name);
    status = aci_engine_score(session->session, tokens, n_tokens, number,
                              on_logits, &s, error);
    if (status != AC_OK)
        return status;
    logprobs[0] = 0.0f;
    for (i = 1; i < n_tokens; i++)
        if (!isfinite(logprobs[i]))
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "the logits at position %zu were not "
                                     "finite", i - 1);
    return AC_OK;
}
