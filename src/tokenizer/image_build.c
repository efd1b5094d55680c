/* image_build.c - from a draft to an image, and saving images.
 *
 * Layout first, then every section in place. The last step runs the finished
 * tokenizer over its own vocabulary: a token whose text merges back to itself
 * is marked WHOLE, and encoding then takes such pieces without merging. That
 * is exact, since merging depends on the piece's bytes alone. */
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "tokenizer/draft.h"
#include "tokenizer/merge.h"

static uint64_t align64(uint64_t offset)
{
    return (offset + 63) & ~(uint64_t)63;
}

static uint32_t merge_slots(size_t n_merges)
{
    uint32_t n = 16;

    while (n < n_merges + n_merges / 2)
        n *= 2;
    return n;
}

static void lay_out(aci_act_header *header, const aci_draft *draft)
{
    const uint64_t sizes[ACI_ACT_N_SECTIONS] = {
        [ACI_ACT_OFFSETS] = (draft->n_tokens + 1) * sizeof(uint32_t),
        [ACI_ACT_KINDS] = draft->n_tokens,
        [ACI_ACT_TEXT] = draft->text_bytes,
        [ACI_ACT_VOCABULARY] =
            (uint64_t)draft->index.n_slots * sizeof(aci_act_slot),
        [ACI_ACT_MERGES] =
            (uint64_t)merge_slots(draft->n_merges) * sizeof(aci_act_merge),
        [ACI_ACT_BYTE_IDS] = 256 * sizeof(int32_t),
        [ACI_ACT_PAIRS] = 8192,
        [ACI_ACT_ADDED] = draft->n_added * sizeof(aci_act_added),
        [ACI_ACT_SPLITS] = draft->n_splits * sizeof(aci_act_split),
        [ACI_ACT_SPLIT_TEXT] = draft->split_bytes,
        [ACI_ACT_TEMPLATE] = draft->chat_template_bytes,
    };
    uint64_t offset = sizeof *header;
    int i;

    for (i = 0; i < ACI_ACT_N_SECTIONS; i++) {
        header->sections[i].offset = offset;
        header->sections[i].n_bytes = sizes[i];
        offset = align64(offset + sizes[i]);
    }
    header->file_bytes = offset;
}

static void fill_header(aci_act_header *header, const aci_draft *draft)
{
    memcpy(header->magic, ACI_ACT_MAGIC, sizeof header->magic);
    header->version = ACI_ACT_VERSION;
    header->header_bytes = sizeof *header;
    header->family = draft->family;
    header->flags = draft->flags;
    header->prefix = draft->prefix;
    header->form = draft->form;
    header->bos = draft->bos;
    header->eos = draft->eos;
    header->unknown = draft->unknown;
    header->n_tokens = (uint32_t)draft->n_tokens;
    header->n_merges = (uint32_t)draft->n_merges;
    header->n_added = (uint32_t)draft->n_added;
    header->n_splits = (uint32_t)draft->n_splits;
    header->n_vocabulary_slots = draft->index.n_slots;
    header->n_merge_slots = merge_slots(draft->n_merges);
    header->vocabulary_probes = draft->index.probes;
    lay_out(header, draft);
}

static void *section(uint8_t *image, int which)
{
    return image + ((aci_act_header *)image)->sections[which].offset;
}

/* Offsets, kinds, text in order of id, and the byte fallback table. */
static void fill_tokens(uint8_t *image, const aci_draft *draft)
{
    aci_act_header *header = (aci_act_header *)image;
    uint32_t *offsets = section(image, ACI_ACT_OFFSETS);
    uint8_t *kinds = section(image, ACI_ACT_KINDS);
    char *text = section(image, ACI_ACT_TEXT);
    int32_t *byte_ids = section(image, ACI_ACT_BYTE_IDS);
    uint32_t offset = 0;
    size_t i;

    for (i = 0; i < 256; i++)
        byte_ids[i] = -1;
    for (i = 0; i < draft->n_tokens; i++) {
        const aci_draft_token *token = &draft->tokens[i];
        uint8_t wanted = draft->family == ACI_ACT_BYTES ? ACI_ACT_MODEL
                                                        : ACI_ACT_BYTE;

        offsets[i] = offset;
        kinds[i] = token->kind;
        if (token->n_bytes > 0)
            memcpy(text + offset, draft->text + token->offset, token->n_bytes);
        if (token->n_bytes == 1 && (token->kind & wanted) != 0)
            byte_ids[(uint8_t)text[offset]] = (int32_t)i;
        if (token->n_bytes > header->max_token_bytes)
            header->max_token_bytes = token->n_bytes;
        offset += token->n_bytes;
    }
    offsets[draft->n_tokens] = offset;
}

static ac_status fill_merges(uint8_t *image, const aci_draft *draft,
                             ac_error *error)
{
    aci_act_header *header = (aci_act_header *)image;
    aci_act_merge *table = section(image, ACI_ACT_MERGES);
    uint32_t mask = header->n_merge_slots - 1, i;
    size_t k;

    memset(table, 0xFF, (size_t)header->n_merge_slots * sizeof *table);
    for (k = 0; k < draft->n_merges; k++) {
        const aci_act_merge *merge = &draft->merges[k];
        uint32_t first =
            (uint32_t)aci_act_pair_hash(merge->left, merge->right);

        for (i = 0; i < ACI_ACT_MAX_PROBES; i++) {
            aci_act_merge *slot = &table[(first + i) & mask];

            if (slot->left == merge->left && slot->right == merge->right)
                return aci_platform_fail(error, AC_E_FORMAT,
                                         "merge %zu was given twice", k);
            if (slot->left != ACI_ACT_EMPTY)
                continue;
            *slot = *merge;
            break;
        }
        if (i == ACI_ACT_MAX_PROBES)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "too many merges collided");
        if (i + 1 > header->merge_probes)
            header->merge_probes = i + 1;
    }
    return AC_OK;
}

/* Bytes found side by side in what merging can produce: text can be cut
 * anywhere else without changing its tokens. */
static void fill_pairs(uint8_t *image, const aci_draft *draft)
{
    uint8_t *pairs = section(image, ACI_ACT_PAIRS);
    size_t k, i;

    for (k = 0; k < draft->n_merges; k++) {
        const aci_draft_token *token = &draft->tokens[draft->merges[k].result];
        const char *text = draft->text + token->offset;

        for (i = 0; i + 1 < token->n_bytes; i++) {
            uint32_t pair = (uint32_t)(uint8_t)text[i] << 8 |
                            (uint8_t)text[i + 1];
            pairs[pair >> 3] |= (uint8_t)(1u << (pair & 7));
        }
    }
}

static int compare_added(const aci_draft *draft, aci_act_added left,
                         aci_act_added right)
{
    const aci_draft_token *a = &draft->tokens[left.id];
    const aci_draft_token *b = &draft->tokens[right.id];
    uint32_t shorter = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
    int order = memcmp(draft->text + a->offset, draft->text + b->offset,
                       shorter);

    if (order != 0)
        return order;
    return (a->n_bytes > b->n_bytes) - (a->n_bytes < b->n_bytes);
}

/* Heap sort, since the order needs the draft and qsort has no room for it. */
static void sift(aci_draft *draft, size_t root, size_t n)
{
    aci_act_added *list = draft->added, held = list[root];
    size_t child;

    while ((child = 2 * root + 1) < n) {
        if (child + 1 < n &&
            compare_added(draft, list[child], list[child + 1]) < 0)
            child++;
        if (compare_added(draft, held, list[child]) >= 0)
            break;
        list[root] = list[child];
        root = child;
    }
    list[root] = held;
}

static void sort_added(aci_draft *draft)
{
    size_t i, kept = 0;

    for (i = draft->n_added / 2; i-- > 0;)
        sift(draft, i, draft->n_added);
    for (i = draft->n_added; i-- > 1;) {
        aci_act_added top = draft->added[0];
        draft->added[0] = draft->added[i];
        draft->added[i] = top;
        sift(draft, 0, i);
    }
    for (i = 0; i < draft->n_added; i++)
        if (kept == 0 || compare_added(draft, draft->added[kept - 1],
                                       draft->added[i]) != 0)
            draft->added[kept++] = draft->added[i];
    draft->n_added = kept;
}

static void seal(aci_act_header *header)
{
    const uint8_t *image = (const uint8_t *)header;

    header->body_checksum = aci_platform_checksum(
        image + sizeof *header, (size_t)header->file_bytes - sizeof *header,
        0);
    header->header_checksum = aci_platform_checksum(
        image, offsetof(aci_act_header, header_checksum), 0);
}

/* Marks the tokens that merging gives back from their own text. */
static ac_status mark_whole(aci_tokenizer *tokenizer, ac_error *error)
{
    aci_act_slot *slots = section(tokenizer->owned, ACI_ACT_VOCABULARY);
    aci_merger merger = { .tokenizer = tokenizer };
    ac_status status = AC_OK;
    uint32_t i;

    for (i = 0; i < tokenizer->header->n_vocabulary_slots; i++) {
        uint32_t id = slots[i].id_whole - 1;
        const char *text;

        if (slots[i].id_whole == 0)
            continue;
        text = tokenizer->text + tokenizer->offsets[id];
        status = aci_tokenizer_merge_piece(
            &merger, text, aci_act_token_bytes(tokenizer, (int32_t)id));
        if (status != AC_OK)
            break;
        if (merger.n == 1 && merger.ids[0] == (int32_t)id)
            slots[i].id_whole |= ACI_ACT_WHOLE;
    }
    aci_tokenizer_merger_free(&merger);
    return status == AC_OK ? AC_OK
                           : aci_platform_fail_memory(error, "the vocabulary");
}

static ac_status fill(uint8_t *image, aci_draft *draft, ac_error *error)
{
    ac_status status;

    fill_header((aci_act_header *)image, draft);
    fill_tokens(image, draft);
    memcpy(section(image, ACI_ACT_VOCABULARY), draft->index.slots,
           draft->index.n_slots * sizeof *draft->index.slots);
    status = fill_merges(image, draft, error);
    if (status != AC_OK)
        return status;
    fill_pairs(image, draft);
    if (draft->n_added > 0)
        memcpy(section(image, ACI_ACT_ADDED), draft->added,
               draft->n_added * sizeof *draft->added);
    if (draft->n_splits > 0) {
        memcpy(section(image, ACI_ACT_SPLITS), draft->splits,
               draft->n_splits * sizeof *draft->splits);
        memcpy(section(image, ACI_ACT_SPLIT_TEXT), draft->split_text,
               draft->split_bytes);
    }
    if (draft->chat_template_bytes > 0)
        memcpy(section(image, ACI_ACT_TEMPLATE), draft->chat_template,
               draft->chat_template_bytes);
    return AC_OK;
}

ac_status aci_tokenizer_draft_finish(aci_tokenizer **out, aci_draft *draft,
                                     ac_error *error)
{
    aci_act_header measure;
    aci_tokenizer *tokenizer = NULL;
    ac_status status;

    *out = NULL;
    if (draft->n_tokens == 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the vocabulary was empty");
    aci_tokenizer_draft_mark_ends(draft);
    status = aci_tokenizer_draft_index(draft, 1, error);
    if (status != AC_OK)
        return status;
    sort_added(draft);
    memset(&measure, 0, sizeof measure);
    lay_out(&measure, draft);

    tokenizer = aci_platform_alloc_zeroed(draft->memory, 1, sizeof *tokenizer);
    if (tokenizer == NULL)
        return aci_platform_fail_memory(error, "the tokenizer");
    tokenizer->memory = draft->memory;
    tokenizer->owned = aci_platform_alloc_zeroed(
        draft->memory, (size_t)measure.file_bytes, 1);
    if (tokenizer->owned == NULL) {
        status = aci_platform_fail_memory(error, "the tokenizer");
        goto out;
    }
    status = fill(tokenizer->owned, draft, error);
    if (status == AC_OK) {
        seal((aci_act_header *)tokenizer->owned);
        status = aci_tokenizer_view_image(tokenizer, tokenizer->owned,
                                          (size_t)measure.file_bytes, error);
    }
    if (status == AC_OK)
        status = mark_whole(tokenizer, error);
    if (status == AC_OK)
        seal((aci_act_header *)tokenizer->owned);
out:
    if (status != AC_OK) {
        aci_tokenizer_close(tokenizer);
        tokenizer = NULL;
    }
    *out = tokenizer;
    return status;
}

ac_status aci_tokenizer_save(const aci_tokenizer *tokenizer, const char *path,
                             ac_error *error)
{
    aci_writer *writer = NULL;
    ac_status status;

    status = aci_platform_writer_open(&writer, tokenizer->memory, path, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(
            writer, tokenizer->image, (size_t)tokenizer->header->file_bytes,
            error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(writer);
    return status;
}
