/* export_gguf_vocabulary.c - tokenizer.ggml.*: tokens, types, and merges of
 * byte-level models or scores of SentencePiece's. */
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "tokenizer/listing.h"
#include "workshop/compress/export_gguf_metadata.h"

#define KEY "tokenizer.ggml."

/* Tokens of the model behind the tokenizer's last, and gaps: every row of the
 * embeddings needs a name, no two alike. */
static void add_token(aci_gguf_draft *draft, aci_listing *listing, int32_t id)
{
    int32_t n = aci_tokenizer_size(listing->tokenizer);
    aci_token_type type;
    const char *text;
    char name[32];
    size_t n_bytes = 0;

    if (id < n)
        n_bytes = aci_tokenizer_listing_token(&text, &type, listing, id);
    if (n_bytes == 0) {
        n_bytes = (size_t)snprintf(name, sizeof name, "[PAD%d]", (int)id);
        text = name;
    }
    aci_model_gguf_add_text(draft, text, n_bytes);
}

static int32_t type_of(aci_listing *listing, int32_t id)
{
    aci_token_type type;
    const char *text;

    if (id >= aci_tokenizer_size(listing->tokenizer))
        return ACI_TOKEN_UNUSED;
    aci_tokenizer_listing_token(&text, &type, listing, id);
    return (int32_t)type;
}

static void put_tokens(aci_gguf_draft *draft, aci_listing *listing, int32_t n)
{
    aci_model_gguf_put_texts(draft, KEY "tokens", (uint64_t)n);
    for (int32_t i = 0; i < n; i++)
        add_token(draft, listing, i);
    aci_model_gguf_put_integers(draft, KEY "token_type", (uint64_t)n);
    for (int32_t i = 0; i < n; i++)
        aci_model_gguf_add_integer(draft, type_of(listing, i));
}

static ac_status put_merges(aci_gguf_draft *draft, const aci_export *work,
                            aci_listing *listing, ac_error *error)
{
    const char *pre = aci_tokenizer_listing_pre(listing);

    if (pre == NULL)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "llama.cpp has no name for the way this "
                                 "tokenizer cuts text into pieces");
    if (work->tokenizer->header->prefix != ACI_ACT_PREFIX_NONE)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "llama.cpp puts no space in front of the "
                                 "text of byte-level models, this tokenizer "
                                 "does");
    if (work->tokenizer->header->form != ACI_ACT_FORM_NONE)
        aci_workshop_export_note(
            work, "llama.cpp does not bring text into a Unicode normal form "
            "as this tokenizer does: text that is not in it may become other "
            "tokens");
    aci_model_gguf_put_text(draft, KEY "model", "gpt2", 4);
    aci_model_gguf_put_text(draft, KEY "pre", pre, strlen(pre));
    put_tokens(draft, listing, work->model->shape.n_vocab);
    aci_model_gguf_put_texts(draft, KEY "merges", listing->n_merges);
    for (size_t i = 0; i < listing->n_merges; i++) {
        const char *text;
        size_t n = aci_tokenizer_listing_merge(&text, listing, i);

        aci_model_gguf_add_text(draft, text, n);
    }
    return AC_OK;
}

/* Expressions only matter to SentencePiece's way where a token reaches over
 * what they would cut. */
static void note_loose(const aci_export *work, size_t n_loose)
{
    const aci_act_header *header = work->tokenizer->header;

    if (n_loose > 0)
        aci_workshop_export_note(
            work, "llama.cpp merges tokens of this kind by scores: %zu pairs "
            "would merge there that do not here, or at another time; some "
            "texts may become other tokens", n_loose);
    if (header->n_splits > 0 || header->prefix == ACI_ACT_PREFIX_MISSING ||
        header->prefix == ACI_ACT_PREFIX_FIRST)
        aci_workshop_export_note(
            work, "llama.cpp puts a space in front of every stretch of text "
            "and cuts it nowhere, this tokenizer does otherwise; some texts "
            "may become other tokens");
}

static ac_status put_scores(aci_gguf_draft *draft, const aci_export *work,
                            aci_listing *listing, ac_error *error)
{
    int32_t n = work->model->shape.n_vocab;
    float *scores = aci_platform_alloc_zeroed(work->memory, (size_t)n,
                                              sizeof *scores);
    size_t n_loose;

    if (scores == NULL)
        return aci_platform_fail_memory(error, "the tokens' scores");
    aci_tokenizer_listing_scores(scores, &n_loose, listing);
    note_loose(work, n_loose);
    aci_model_gguf_put_text(draft, KEY "model", "llama", 5);
    aci_model_gguf_put_text(draft, KEY "pre", "default", 7);
    put_tokens(draft, listing, n);
    aci_model_gguf_put_floats(draft, KEY "scores", (uint64_t)n);
    for (int32_t i = 0; i < n; i++)
        aci_model_gguf_add_float(draft, scores[i]);
    aci_model_gguf_put_flag(
        draft, KEY "add_space_prefix",
        work->tokenizer->header->prefix != ACI_ACT_PREFIX_NONE);
    aci_platform_free(work->memory, scores);
    return AC_OK;
}

/* A second token that ends generation (<|im_end|> beside <|endoftext|>). */
static int32_t other_end(const aci_tokenizer *tokenizer)
{
    for (int32_t i = 0; i < aci_tokenizer_size(tokenizer); i++)
        if (i != aci_tokenizer_eos(tokenizer) &&
            aci_tokenizer_is_end(tokenizer, i))
            return i;
    return -1;
}

/* What is not said llama.cpp takes to be token 11, or 1 and 2. */
static ac_status put_bounds(aci_gguf_draft *draft, const aci_export *work,
                            ac_error *error)
{
    const aci_tokenizer *tokenizer = work->tokenizer;
    const aci_act_header *header = tokenizer->header;
    int32_t bos = aci_tokenizer_bos(tokenizer);
    int32_t eos = aci_tokenizer_eos(tokenizer), other = other_end(tokenizer);

    if (bos < 0 && eos < 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the tokenizer has neither a begin nor an "
                                 "end token; llama.cpp would take an "
                                 "ordinary one for it");
    aci_model_gguf_put_u32(draft, KEY "bos_token_id",
                           (uint32_t)(bos >= 0 ? bos : eos));
    aci_model_gguf_put_u32(draft, KEY "eos_token_id",
                           (uint32_t)(eos >= 0 ? eos : bos));
    if (other >= 0)
        aci_model_gguf_put_u32(draft, KEY "eot_token_id", (uint32_t)other);
    if (header->unknown >= 0)
        aci_model_gguf_put_u32(draft, KEY "unknown_token_id",
                               (uint32_t)header->unknown);
    aci_model_gguf_put_flag(draft, KEY "add_bos_token",
                            bos >= 0 &&
                                (header->flags & ACI_ACT_ADD_BOS) != 0);
    aci_model_gguf_put_flag(draft, KEY "add_eos_token", 0);
    if (tokenizer->chat_template != NULL &&
        tokenizer->chat_template_bytes > 0)
        aci_model_gguf_put_text(draft, "tokenizer.chat_template",
                                tokenizer->chat_template,
                                tokenizer->chat_template_bytes);
    return AC_OK;
}

ac_status aci_workshop_export_gguf_vocabulary(aci_gguf_draft *draft,
                                              const aci_export *work,
                                              ac_error *error)
{
    const aci_tokenizer *tokenizer = work->tokenizer;
    aci_listing listing;
    ac_status status;

    if (aci_tokenizer_size(tokenizer) > work->model->shape.n_vocab)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the tokenizer had %d tokens, the model "
                                 "embeds %d",
                                 (int)aci_tokenizer_size(tokenizer),
                                 (int)work->model->shape.n_vocab);
    status = aci_tokenizer_listing_open(&listing, work->memory, tokenizer,
                                        error);
    if (status != AC_OK)
        return status;
    status = tokenizer->header->family == ACI_ACT_BYTES
                 ? put_merges(draft, work, &listing, error)
                 : put_scores(draft, work, &listing, error);
    if (status == AC_OK)
        status = put_bounds(draft, work, error);
    aci_tokenizer_listing_close(&listing);
    return status;
}
