/* read_vocabulary.c - a vocabulary handed over token by token: GGUF's, or the
 * one read_sentencepiece.c finds in a tokenizer.model.
 *
 * "gpt2" brings merges. "llama" brings scores: of all neighbours whose joined
 * text is a token, the one with the best score joins first. That is the same
 * as merges ranked by the score of their result, so we write down every way a
 * token splits into two tokens. */
#include <stdlib.h>
#include <string.h>

#include "platform/error.h"
#include "tokenizer/draft.h"
#include "tokenizer/spelling.h"
#include "tokenizer/utf8.h"

/* Types of tokens in GGUF and SentencePiece alike. */
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

/* Longest token whose ways to split are written down; Llama's is 48 bytes. */
#define MAX_SCORED_BYTES 512u

typedef struct pre_tokenizer {
    const char *name;
    const char *patterns[2];
    uint32_t form, flags;
} pre_tokenizer;

static const pre_tokenizer *find_pre(const aci_vocabulary_source *source)
{
    static const pre_tokenizer known[] = {
        { "gpt-2", { aci_tokenizer_pattern_gpt2 }, 0, 0 },
        { "gpt2", { aci_tokenizer_pattern_gpt2 }, 0, 0 },
        { "default", { aci_tokenizer_pattern_gpt2 }, 0, 0 },
        { "llama-bpe", { aci_tokenizer_pattern_llama3 }, 0,
          ACI_ACT_IGNORE_MERGES | ACI_ACT_ADD_BOS },
        { "llama3", { aci_tokenizer_pattern_llama3 }, 0,
          ACI_ACT_IGNORE_MERGES | ACI_ACT_ADD_BOS },
        { "llama-v3", { aci_tokenizer_pattern_llama3 }, 0,
          ACI_ACT_IGNORE_MERGES | ACI_ACT_ADD_BOS },
        { "smaug-bpe", { aci_tokenizer_pattern_llama3 }, 0, 0 },
        { "dbrx", { aci_tokenizer_pattern_llama3 }, 0, 0 },
        { "qwen2", { aci_tokenizer_pattern_qwen2 }, ACI_ACT_FORM_NFC, 0 },
        { "deepseek-r1-qwen", { aci_tokenizer_pattern_qwen2 },
          ACI_ACT_FORM_NFC, 0 },
        { "smollm",
          { aci_tokenizer_pattern_digit, aci_tokenizer_pattern_gpt2 }, 0, 0 },
        { "starcoder",
          { aci_tokenizer_pattern_digit, aci_tokenizer_pattern_gpt2 }, 0, 0 },
    };
    size_t i;

    if (source->pre == NULL || source->pre_bytes == 0)
        return &known[0];
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == source->pre_bytes &&
            memcmp(known[i].name, source->pre, source->pre_bytes) == 0)
            return &known[i];
    return NULL;
}

static ac_status set_pre(aci_draft *draft, const aci_vocabulary_source *source,
                         ac_error *error)
{
    const pre_tokenizer *pre = find_pre(source);
    ac_status status = AC_OK;
    int i;

    if (pre == NULL)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED,
            "the pre-tokenizer \"%.*s\" is none we can run: gpt-2, llama-bpe, "
            "smaug-bpe, dbrx, qwen2, deepseek-r1-qwen, smollm, starcoder",
            (int)(source->pre_bytes < 40 ? source->pre_bytes : 40),
            source->pre);
    draft->form = pre->form;
    draft->flags |= pre->flags;
    for (i = 0; i < 2 && pre->patterns[i] != NULL && status == AC_OK; i++)
        status = aci_tokenizer_draft_split(draft, pre->patterns[i],
                                           strlen(pre->patterns[i]),
                                           ACI_SPLIT_ISOLATED, 0, error);
    return status;
}

static ac_status read_token(aci_draft *draft,
                            const aci_vocabulary_source *source, size_t i,
                            ac_error *error)
{
    bool spaces = draft->family == ACI_ACT_CHARACTERS;
    const char *text = NULL;
    size_t n_bytes = 0;
    float score = 0.0f;
    int32_t type = NORMAL;
    ac_status status;

    if (!source->token(source->context, i, &text, &n_bytes, &score, &type))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "token %zu could not be read", i);
    switch (type) {
    case NORMAL:
        return aci_tokenizer_draft_spelled(draft, i, text, n_bytes,
                                           ACI_ACT_MODEL, score, spaces, 0,
                                           error);
    case BYTE:
        if (aci_tokenizer_unspell_fallback(text, n_bytes) < 0)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "byte token %zu was misspelt", i);
        return aci_tokenizer_draft_spelled(draft, i, text, n_bytes, 0, score,
                                           spaces, 1, error);
    case UNUSED:
        return aci_tokenizer_draft_token(draft, i, text, n_bytes, 0, score,
                                         error);
    case USER_DEFINED:
        if (spaces) /* spelled as SentencePiece spells */
            status = aci_tokenizer_draft_spelled(draft, i, text, n_bytes, 0,
                                                 score, 1, 0, error);
        else
            status = aci_tokenizer_draft_token(draft, i, text, n_bytes, 0,
                                               score, error);
        return status != AC_OK ? status
                               : aci_tokenizer_draft_added(draft, i, 0, error);
    case UNKNOWN:
    case CONTROL:
        status = aci_tokenizer_draft_token(draft, i, text, n_bytes, 0, score,
                                           error);
        if (status == AC_OK)
            status = aci_tokenizer_draft_added(draft, i, ACI_ACT_ADDED_SPECIAL,
                                               error);
        if (status == AC_OK && type == UNKNOWN)
            draft->tokens[i].kind |= ACI_ACT_UNKNOWN;
        return status;
    default:
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "token %zu was of unknown type %d", i,
                                 (int)type);
    }
}

static ac_status read_listed_merges(aci_draft *draft,
                                    const aci_vocabulary_source *source,
                                    ac_error *error)
{
    ac_status status = AC_OK;
    size_t i;

    for (i = 0; i < source->n_merges && status == AC_OK; i++) {
        const char *line = NULL;
        size_t n_bytes = 0;

        if (!source->merge(source->context, i, &line, &n_bytes))
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "merge %zu could not be read", i);
        status = aci_tokenizer_draft_merge_line(draft, line, n_bytes, i, 0,
                                                error);
    }
    return status;
}

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int compare_scored(const void *left, const void *right)
{
    const scored *a = left, *b = right;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Every way to make token `id` of two others. */
static ac_status split_token(aci_draft *draft, uint32_t id, size_t rank,
                             ac_error *error)
{
    const aci_draft_token token = draft->tokens[id];
    const char *text = draft->text + token.offset;
    ac_status status = AC_OK;
    size_t at, length;

    if (token.n_bytes > MAX_SCORED_BYTES)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "token %u was %u bytes long", id,
                                 token.n_bytes);
    /* Another token of the same text is the one that merging gives. */
    if (aci_tokenizer_draft_find(draft, text, token.n_bytes) != (int32_t)id)
        return AC_OK;
    for (at = 0; at < token.n_bytes && status == AC_OK; at += length) {
        int32_t left, right;

        length = aci_utf8_length(text + at, token.n_bytes - at);
        if (length == 0)
            return AC_OK; /* not text: nothing can become it */
        if (at == 0)
            continue;
        left = aci_tokenizer_draft_find(draft, text, at);
        right = aci_tokenizer_draft_find(draft, text + at,
                                         token.n_bytes - at);
        if (left >= 0 && right >= 0)
            status = aci_tokenizer_draft_merge(draft, left, right, rank,
                                               (int32_t)id, error);
    }
    return status;
}

static ac_status derive_merges(aci_draft *draft, ac_error *error)
{
    scored *order = aci_platform_alloc_array(draft->memory, draft->n_tokens,
                                             sizeof *order);
    ac_status status = AC_OK;
    size_t n = 0, i, rank = 0;

    if (order == NULL)
        return aci_platform_fail_memory(error, "the merges");
    for (i = 0; i < draft->n_tokens; i++) {
        const aci_draft_token *token = &draft->tokens[i];

        if ((token->kind & ACI_ACT_MODEL) == 0)
            continue;
        if (token->score != token->score) {
            status = aci_platform_fail(error, AC_E_NUMERIC,
                                       "the score of token %zu was NaN", i);
            goto out;
        }
        order[n].score = token->score;
        order[n++].id = (uint32_t)i;
    }
    qsort(order, n, sizeof *order, compare_scored);
    for (i = 0; i < n && status == AC_OK; i++) {
        /* Equal scores share a rank: then the leftmost pair joins first. */
        if (i > 0 && order[i].score != order[i - 1].score)
            rank++;
        status = split_token(draft, order[i].id, rank, error);
    }
out:
    aci_platform_free(draft->memory, order);
    return status;
}

static void set_bounds(aci_draft *draft, const aci_vocabulary_source *source,
                       bool sentencepiece)
{
    int add_bos = source->add_bos;
    int prefix = source->add_space_prefix;

    draft->bos = source->bos;
    draft->eos = source->eos;
    draft->unknown = source->unknown;
    if (add_bos < 0)
        add_bos = sentencepiece ||
                  (draft->flags & ACI_ACT_ADD_BOS) != 0;
    if (prefix < 0)
        prefix = sentencepiece;
    draft->flags &= ~ACI_ACT_ADD_BOS;
    if (add_bos)
        draft->flags |= ACI_ACT_ADD_BOS;
    if (prefix) {
        draft->prefix = sentencepiece ? ACI_ACT_PREFIX_ALWAYS
                                      : ACI_ACT_PREFIX_MISSING;
        if (sentencepiece)
            draft->flags |= ACI_ACT_STRIP_SPACE;
    }
}

static bool in_range(const aci_vocabulary_source *source, int32_t id)
{
    return id >= -1 && (id < 0 || (size_t)id < source->n_tokens);
}

ac_status aci_tokenizer_read_vocabulary(aci_draft *draft,
                                        const aci_vocabulary_source *source,
                                        ac_error *error)
{
    bool sentencepiece = source->model != NULL &&
                         strcmp(source->model, "llama") == 0;
    ac_status status = AC_OK;
    size_t i;

    if (!sentencepiece &&
        (source->model == NULL || strcmp(source->model, "gpt2") != 0))
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the tokenizer model \"%.40s\" is none we "
                                 "can run: gpt2, llama",
                                 source->model == NULL ? "" : source->model);
    if (source->n_tokens == 0 || source->n_tokens > ACI_ACT_MAX_TOKENS ||
        source->n_merges > ACI_ACT_MAX_MERGES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the vocabulary had %zu tokens and %zu "
                                 "merges", source->n_tokens,
                                 source->n_merges);
    if (!in_range(source, source->bos) || !in_range(source, source->eos) ||
        !in_range(source, source->unknown))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "a begin, end or unknown token was out of "
                                 "range");
    draft->family = sentencepiece ? ACI_ACT_CHARACTERS : ACI_ACT_BYTES;
    if (!sentencepiece)
        status = set_pre(draft, source, error);
    set_bounds(draft, source, sentencepiece);
    for (i = 0; i < source->n_tokens && status == AC_OK; i++)
        status = read_token(draft, source, i, error);
    if (status == AC_OK)
        status = aci_tokenizer_draft_index(draft, sentencepiece, error);
    if (status == AC_OK)
        status = sentencepiece ? derive_merges(draft, error)
                               : read_listed_merges(draft, source, error);
    if (status == AC_OK && source->chat_template != NULL)
        status = aci_tokenizer_draft_template(draft, source->chat_template,
                                              source->chat_template_bytes,
                                              error);
    return status;
}

ac_status aci_tokenizer_from_vocabulary(aci_tokenizer **out,
                                        aci_memory *memory,
                                        const aci_vocabulary_source *source,
                                        ac_error *error)
{
    aci_draft draft;
    ac_status status;

    *out = NULL;
    aci_tokenizer_draft_init(&draft, memory);
    status = aci_tokenizer_read_vocabulary(&draft, source, error);
    if (status == AC_OK)
        status = aci_tokenizer_draft_finish(out, &draft, error);
    aci_tokenizer_draft_free(&draft);
    return status;
}
