/* draft.c - the growable lists of a tokenizer being put together. */
#include "tokenizer/draft.h"

#include <string.h>

#include "platform/error.h"

void aci_tokenizer_draft_init(aci_draft *draft, aci_memory *memory)
{
    memset(draft, 0, sizeof *draft);
    draft->memory = memory;
    draft->family = ACI_ACT_BYTES;
    draft->bos = draft->eos = draft->unknown = -1;
}

void aci_tokenizer_draft_free(aci_draft *draft)
{
    aci_memory *memory = draft->memory;

    aci_platform_free(memory, draft->index.slots);
    aci_platform_free(memory, draft->chat_template);
    aci_platform_free(memory, draft->split_text);
    aci_platform_free(memory, draft->added);
    aci_platform_free(memory, draft->merges);
    aci_platform_free(memory, draft->text);
    aci_platform_free(memory, draft->tokens);
    aci_tokenizer_draft_init(draft, memory);
}

/* Room for `n` elements of `size` bytes in `list`; false when there is none. */
static bool grow(aci_memory *memory, void **list, size_t *capacity, size_t n,
                 size_t size)
{
    size_t wanted = *capacity < 64 ? 64 : *capacity;
    void *bigger;

    if (n <= *capacity)
        return true;
    while (wanted < n)
        wanted += wanted / 2;
    if (wanted > SIZE_MAX / size)
        return false;
    bigger = aci_platform_realloc(memory, *list, wanted * size);
    if (bigger == NULL)
        return false;
    *list = bigger;
    *capacity = wanted;
    return true;
}

static ac_status reach_token(aci_draft *draft, size_t id, ac_error *error)
{
    size_t n = draft->n_tokens;

    if (id >= ACI_ACT_MAX_TOKENS)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "token id %zu was out of range", id);
    if (id < n)
        return AC_OK;
    if (!grow(draft->memory, (void **)&draft->tokens, &draft->tokens_capacity,
              id + 1, sizeof *draft->tokens))
        return aci_platform_fail_memory(error, "the vocabulary");
    memset(draft->tokens + n, 0, (id + 1 - n) * sizeof *draft->tokens);
    draft->n_tokens = id + 1;
    return AC_OK;
}

ac_status aci_tokenizer_draft_token(aci_draft *draft, size_t id,
                                    const char *text, size_t n_bytes,
                                    uint8_t kind, float score, ac_error *error)
{
    aci_draft_token *token;
    ac_status status = reach_token(draft, id, error);

    if (status != AC_OK)
        return status;
    token = &draft->tokens[id];
    if (token->present)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "token id %zu was given twice", id);
    if (n_bytes > ACI_ACT_MAX_TOKEN_BYTES ||
        draft->text_bytes + n_bytes > ACI_ACT_MAX_TEXT_BYTES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "token %zu was %zu bytes long", id, n_bytes);
    if (!grow(draft->memory, (void **)&draft->text, &draft->text_capacity,
              draft->text_bytes + n_bytes + 1, 1))
        return aci_platform_fail_memory(error, "the vocabulary");
    if (n_bytes > 0)
        memcpy(draft->text + draft->text_bytes, text, n_bytes);
    token->offset = draft->text_bytes;
    token->n_bytes = (uint32_t)n_bytes;
    token->score = score;
    token->kind = kind;
    token->present = 1;
    draft->text_bytes += n_bytes;
    return AC_OK;
}

/* Puts token `id` into the table; an equal text is replaced. */
static ac_status put(aci_draft *draft, uint32_t id, ac_error *error)
{
    aci_draft_index *index = &draft->index;
    const aci_draft_token *token = &draft->tokens[id];
    const char *text = draft->text + token->offset;
    uint64_t hash = aci_act_hash(text, token->n_bytes);
    uint32_t tag = (uint32_t)(hash >> 32), i;

    for (i = 0; i < ACI_ACT_MAX_PROBES; i++) {
        aci_act_slot *slot =
            &index->slots[((uint32_t)hash + i) & (index->n_slots - 1)];
        const aci_draft_token *other;

        if (slot->id_whole != 0) {
            other = &draft->tokens[slot->id_whole - 1];
            if (slot->tag != tag || other->n_bytes != token->n_bytes ||
                memcmp(draft->text + other->offset, text, token->n_bytes) != 0)
                continue;
        }
        slot->id_whole = id + 1;
        slot->tag = tag;
        if (i + 1 > index->probes)
            index->probes = i + 1;
        return AC_OK;
    }
    return aci_platform_fail(error, AC_E_FORMAT,
                             "the vocabulary had too many colliding tokens");
}

ac_status aci_tokenizer_draft_index(aci_draft *draft, int model_only,
                                    ac_error *error)
{
    aci_draft_index *index = &draft->index;
    ac_status status = AC_OK;
    uint32_t n_slots = 16, i;

    while (n_slots < draft->n_tokens + draft->n_tokens / 2)
        n_slots *= 2;
    aci_platform_free(draft->memory, index->slots);
    index->slots = aci_platform_alloc_zeroed(draft->memory, n_slots,
                                             sizeof *index->slots);
    if (index->slots == NULL)
        return aci_platform_fail_memory(error, "the vocabulary table");
    index->n_slots = n_slots;
    index->probes = 0;
    for (i = 0; i < draft->n_tokens && status == AC_OK; i++) {
        const aci_draft_token *token = &draft->tokens[i];

        if (!token->present || token->n_bytes == 0 ||
            (token->kind & ACI_ACT_BYTE) != 0 ||
            (model_only && (token->kind & ACI_ACT_MODEL) == 0))
            continue;
        status = put(draft, i, error);
    }
    return status;
}

int32_t aci_tokenizer_draft_find(const aci_draft *draft, const char *text,
                                 size_t n_bytes)
{
    const aci_draft_index *index = &draft->index;
    uint64_t hash = aci_act_hash(text, n_bytes);
    uint32_t i;

    for (i = 0; i < index->probes; i++) {
        aci_act_slot slot =
            index->slots[((uint32_t)hash + i) & (index->n_slots - 1)];
        const aci_draft_token *token;

        if (slot.id_whole == 0)
            return -1;
        token = &draft->tokens[slot.id_whole - 1];
        if (slot.tag == (uint32_t)(hash >> 32) && token->n_bytes == n_bytes &&
            memcmp(draft->text + token->offset, text, n_bytes) == 0)
            return (int32_t)(slot.id_whole - 1);
    }
    return -1;
}

ac_status aci_tokenizer_draft_merge(aci_draft *draft, int32_t left,
                                    int32_t right, size_t rank,
                                    int32_t result, ac_error *error)
{
    aci_act_merge *merge;

    if (draft->n_merges >= ACI_ACT_MAX_MERGES || rank >= UINT32_MAX)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the vocabulary had too many merges");
    if (!grow(draft->memory, (void **)&draft->merges, &draft->merges_capacity,
              draft->n_merges + 1, sizeof *draft->merges))
        return aci_platform_fail_memory(error, "the merges");
    merge = &draft->merges[draft->n_merges++];
    merge->left = (uint32_t)left;
    merge->right = (uint32_t)right;
    merge->rank = (uint32_t)rank;
    merge->result = (uint32_t)result;
    return AC_OK;
}

ac_status aci_tokenizer_draft_added(aci_draft *draft, size_t id,
                                    uint32_t flags, ac_error *error)
{
    size_t i;

    if (id >= draft->n_tokens || !draft->tokens[id].present)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "added token %zu was not in the vocabulary",
                                 id);
    if (draft->tokens[id].n_bytes == 0)
        return AC_OK; /* nothing to match */
    for (i = 0; i < draft->n_added; i++)
        if (draft->added[i].id == id)
            return AC_OK;
    if (draft->n_added >= ACI_ACT_MAX_ADDED)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "there were too many added tokens");
    if (!grow(draft->memory, (void **)&draft->added, &draft->added_capacity,
              draft->n_added + 1, sizeof *draft->added))
        return aci_platform_fail_memory(error, "the added tokens");
    draft->added[draft->n_added].id = (uint32_t)id;
    draft->added[draft->n_added].flags = flags;
    draft->n_added++;
    if ((flags & ACI_ACT_ADDED_SPECIAL) != 0) {
        draft->tokens[id].kind |= ACI_ACT_SPECIAL;
        draft->tokens[id].kind &= (uint8_t)~ACI_ACT_MODEL;
    }
    return AC_OK;
}

ac_status aci_tokenizer_draft_split(aci_draft *draft, const char *pattern,
                                    size_t n_bytes, uint32_t behaviour,
                                    uint32_t invert, ac_error *error)
{
    aci_act_split *split;
    char *text;

    if (draft->n_splits >= ACI_ACT_MAX_SPLITS ||
        draft->split_bytes + n_bytes > ACI_ACT_MAX_SPLIT_BYTES)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the pre-tokenizer was too long");
    text = aci_platform_realloc(draft->memory, draft->split_text,
                                draft->split_bytes + n_bytes + 1);
    if (text == NULL)
        return aci_platform_fail_memory(error, "the pre-tokenizer");
    memcpy(text + draft->split_bytes, pattern, n_bytes);
    draft->split_text = text;
    split = &draft->splits[draft->n_splits++];
    split->offset = (uint32_t)draft->split_bytes;
    split->n_bytes = (uint32_t)n_bytes;
    split->behaviour = behaviour;
    split->invert = invert;
    draft->split_bytes += n_bytes;
    return AC_OK;
}

ac_status aci_tokenizer_draft_template(aci_draft *draft, const char *text,
                                       size_t n_bytes, ac_error *error)
{
    char *copy;

    if (n_bytes > ACI_ACT_MAX_TEMPLATE_BYTES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the chat template was %zu bytes long",
                                 n_bytes);
    copy = aci_platform_strndup(draft->memory, text, n_bytes);
    if (copy == NULL)
        return aci_platform_fail_memory(error, "the chat template");
    aci_platform_free(draft->memory, draft->chat_template);
    draft->chat_template = copy;
    draft->chat_template_bytes = n_bytes;
    return AC_OK;
}

void aci_tokenizer_draft_mark_ends(aci_draft *draft)
{
    static const char *const names[] = {
        "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end_of_text|>",
        "<|endoftext|>", "</s>", "<|end|>", "<end_of_turn>", "<eos>",
        "<|eot|>", "<|end_of_turn|>",
    };
    size_t i, k;

    for (i = 0; i < draft->n_tokens; i++) {
        aci_draft_token *token = &draft->tokens[i];

        if ((token->kind & ACI_ACT_SPECIAL) == 0)
            continue;
        for (k = 0; k < sizeof names / sizeof names[0]; k++)
            if (token->n_bytes == strlen(names[k]) &&
                memcmp(draft->text + token->offset, names[k],
                       token->n_bytes) == 0)
                token->kind |= ACI_ACT_END;
    }
    if (draft->eos >= 0 && (size_t)draft->eos < draft->n_tokens)
        draft->tokens[draft->eos].kind |= ACI_ACT_END;
}
