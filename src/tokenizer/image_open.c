/* image_open.c - using an image in place: every offset, count and id in it is
 * checked here once, so that nothing else has to. One pass, no parsing. */
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "tokenizer/act.h"

static ac_status bad(ac_error *error, const char *what)
{
    return aci_platform_fail(error, AC_E_FORMAT,
                             "the tokenizer file had bad %s", what);
}

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static bool is_id(const aci_act_header *header, int32_t id)
{
    return id >= -1 && id < (int64_t)header->n_tokens;
}

static ac_status check_header(const uint8_t *image, size_t n_bytes,
                              ac_error *error)
{
    const aci_act_header *header = (const aci_act_header *)image;
    size_t i;

    if (n_bytes < sizeof *header ||
        memcmp(header->magic, ACI_ACT_MAGIC, sizeof header->magic) != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "this was not a tokenizer file");
    if (header->version != ACI_ACT_VERSION ||
        header->header_bytes != sizeof *header)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the tokenizer file had version %u; we read "
                                 "%u", header->version, ACI_ACT_VERSION);
    if (header->file_bytes != n_bytes)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the tokenizer file was %zu bytes instead of "
                                 "%llu", n_bytes,
                                 (unsigned long long)header->file_bytes);
    if (header->header_checksum !=
            aci_platform_checksum(image,
                                  offsetof(aci_act_header, header_checksum),
                                  0) ||
        header->body_checksum !=
            aci_platform_checksum(image + sizeof *header,
                                  n_bytes - sizeof *header, 0))
        return aci_platform_fail(error, AC_E_CHECKSUM,
                                 "the tokenizer file differed from its "
                                 "checksum");
    for (i = 0; i < sizeof header->reserved; i++)
        if (header->reserved[i] != 0)
            return bad(error, "reserved bytes");
    return AC_OK;
}

static ac_status check_counts(const aci_act_header *header, ac_error *error)
{
    if (header->family != ACI_ACT_BYTES &&
        header->family != ACI_ACT_CHARACTERS)
        return bad(error, "family");
    if (header->flags > 15 || header->prefix > ACI_ACT_PREFIX_FIRST ||
        header->form > ACI_ACT_FORM_NFKD)
        return bad(error, "flags");
    if (header->n_tokens == 0 || header->n_tokens > ACI_ACT_MAX_TOKENS ||
        header->n_merges > ACI_ACT_MAX_MERGES ||
        header->n_added > ACI_ACT_MAX_ADDED ||
        header->n_splits > ACI_ACT_MAX_SPLITS ||
        header->max_token_bytes > ACI_ACT_MAX_TOKEN_BYTES)
        return bad(error, "counts");
    if (!is_power_of_two(header->n_vocabulary_slots) ||
        !is_power_of_two(header->n_merge_slots) ||
        header->vocabulary_probes > ACI_ACT_MAX_PROBES ||
        header->merge_probes > ACI_ACT_MAX_PROBES)
        return bad(error, "table sizes");
    if (!is_id(header, header->bos) || !is_id(header, header->eos) ||
        !is_id(header, header->unknown))
        return bad(error, "token numbers");
    return AC_OK;
}

/* Every section lies in the file, aligned, with the size its count asks. */
static ac_status check_sections(const aci_act_header *header, ac_error *error)
{
    const uint64_t sizes[ACI_ACT_N_SECTIONS] = {
        [ACI_ACT_OFFSETS] = (header->n_tokens + (uint64_t)1) * 4,
        [ACI_ACT_KINDS] = header->n_tokens,
        [ACI_ACT_VOCABULARY] =
            header->n_vocabulary_slots * (uint64_t)sizeof(aci_act_slot),
        [ACI_ACT_MERGES] =
            header->n_merge_slots * (uint64_t)sizeof(aci_act_merge),
        [ACI_ACT_BYTE_IDS] = 1024,
        [ACI_ACT_PAIRS] = 8192,
        [ACI_ACT_ADDED] = header->n_added * (uint64_t)sizeof(aci_act_added),
        [ACI_ACT_SPLITS] = header->n_splits * (uint64_t)sizeof(aci_act_split),
    };
    const uint64_t limits[ACI_ACT_N_SECTIONS] = {
        [ACI_ACT_TEXT] = ACI_ACT_MAX_TEXT_BYTES,
        [ACI_ACT_SPLIT_TEXT] = ACI_ACT_MAX_SPLIT_BYTES,
        [ACI_ACT_TEMPLATE] = ACI_ACT_MAX_TEMPLATE_BYTES,
    };
    int i;

    for (i = 0; i < ACI_ACT_N_SECTIONS; i++) {
        aci_act_section section = header->sections[i];

        if (section.offset % 64 != 0 || section.offset < sizeof *header ||
            section.offset > header->file_bytes ||
            section.n_bytes > header->file_bytes - section.offset ||
            (limits[i] != 0 ? section.n_bytes > limits[i]
                            : section.n_bytes != sizes[i]))
            return bad(error, "sections");
    }
    return AC_OK;
}

static void point(aci_tokenizer *tokenizer, const uint8_t *image)
{
    const aci_act_header *header = (const aci_act_header *)image;
    const aci_act_section *at = header->sections;

    tokenizer->image = image;
    tokenizer->header = header;
    tokenizer->offsets = (const void *)(image + at[ACI_ACT_OFFSETS].offset);
    tokenizer->kinds = image + at[ACI_ACT_KINDS].offset;
    tokenizer->text = (const char *)image + at[ACI_ACT_TEXT].offset;
    tokenizer->vocabulary =
        (const void *)(image + at[ACI_ACT_VOCABULARY].offset);
    tokenizer->merges = (const void *)(image + at[ACI_ACT_MERGES].offset);
    tokenizer->byte_ids = (const void *)(image + at[ACI_ACT_BYTE_IDS].offset);
    tokenizer->pairs = image + at[ACI_ACT_PAIRS].offset;
    tokenizer->added = (const void *)(image + at[ACI_ACT_ADDED].offset);
    tokenizer->chat_template_bytes = (size_t)at[ACI_ACT_TEMPLATE].n_bytes;
    tokenizer->chat_template =
        tokenizer->chat_template_bytes == 0
            ? NULL
            : (const char *)image + at[ACI_ACT_TEMPLATE].offset;
}

static ac_status check_tokens(const aci_tokenizer *tokenizer, ac_error *error)
{
    const aci_act_header *header = tokenizer->header;
    uint64_t text_bytes = header->sections[ACI_ACT_TEXT].n_bytes;
    uint32_t i, longest = 0;

    if (tokenizer->offsets[0] != 0 ||
        tokenizer->offsets[header->n_tokens] != text_bytes)
        return bad(error, "token offsets");
    for (i = 0; i < header->n_tokens; i++) {
        uint32_t first = tokenizer->offsets[i];
        uint32_t last = tokenizer->offsets[i + 1];

        if (last < first || last > text_bytes)
            return bad(error, "token offsets");
        if (last - first > longest)
            longest = last - first;
        if (tokenizer->kinds[i] > ACI_ACT_KIND_BITS)
            return bad(error, "token kinds");
    }
    if (longest != header->max_token_bytes)
        return bad(error, "token lengths");
    for (i = 0; i < 256; i++) {
        int32_t id = tokenizer->byte_ids[i];
        if (!is_id(header, id) ||
            (id >= 0 && (aci_act_token_bytes(tokenizer, id) != 1 ||
                         (uint8_t)tokenizer->text[tokenizer->offsets[id]] !=
                             i)))
            return bad(error, "byte tokens");
    }
    return AC_OK;
}

static ac_status check_tables(const aci_tokenizer *tokenizer, ac_error *error)
{
    const aci_act_header *header = tokenizer->header;
    uint32_t i;

    for (i = 0; i < header->n_vocabulary_slots; i++)
        if ((tokenizer->vocabulary[i].id_whole & ~ACI_ACT_WHOLE) >
            header->n_tokens ||
            tokenizer->vocabulary[i].id_whole == ACI_ACT_WHOLE)
            return bad(error, "vocabulary table");
    for (i = 0; i < header->n_merge_slots; i++) {
        const aci_act_merge *merge = &tokenizer->merges[i];

        if (merge->left == ACI_ACT_EMPTY)
            continue;
        if (merge->left >= header->n_tokens ||
            merge->right >= header->n_tokens ||
            merge->result >= header->n_tokens || merge->rank == UINT32_MAX ||
            aci_act_token_bytes(tokenizer, (int32_t)merge->result) !=
                aci_act_token_bytes(tokenizer, (int32_t)merge->left) +
                    aci_act_token_bytes(tokenizer, (int32_t)merge->right))
            return bad(error, "merges");
    }
    return AC_OK;
}

/* Added tokens are in order of their text, no two alike; by first byte. */
static ac_status check_added(aci_tokenizer *tokenizer, ac_error *error)
{
    const aci_act_header *header = tokenizer->header;
    const char *previous = NULL, *text;
    size_t previous_bytes = 0, n_bytes, shorter;
    uint32_t i, byte = 0;
    int order;

    for (i = 0; i < header->n_added; i++) {
        aci_act_added added = tokenizer->added[i];

        if (added.id >= header->n_tokens || added.flags > ACI_ACT_ADDED_BITS)
            return bad(error, "added tokens");
        text = tokenizer->text + tokenizer->offsets[added.id];
        n_bytes = aci_act_token_bytes(tokenizer, (int32_t)added.id);
        if (n_bytes == 0)
            return bad(error, "added tokens");
        shorter = n_bytes < previous_bytes ? n_bytes : previous_bytes;
        order = previous == NULL ? 1 : memcmp(text, previous, shorter);
        if (order < 0 || (order == 0 && n_bytes <= previous_bytes))
            return bad(error, "added tokens");
        while (byte <= (uint8_t)text[0])
            tokenizer->added_first[byte++] = i;
        previous = text;
        previous_bytes = n_bytes;
    }
    while (byte <= 256)
        tokenizer->added_first[byte++] = header->n_added;
    return AC_OK;
}

static ac_status open_splits(aci_tokenizer *tokenizer, ac_error *error)
{
    const aci_act_header *header = tokenizer->header;
    const uint8_t *image = tokenizer->image;
    const aci_act_split *splits =
        (const void *)(image + header->sections[ACI_ACT_SPLITS].offset);
    const char *text =
        (const char *)image + header->sections[ACI_ACT_SPLIT_TEXT].offset;
    uint64_t text_bytes = header->sections[ACI_ACT_SPLIT_TEXT].n_bytes;
    ac_status status = AC_OK;
    uint32_t i;

    for (i = 0; i < header->n_splits && status == AC_OK; i++) {
        if (splits[i].offset > text_bytes ||
            splits[i].n_bytes > text_bytes - splits[i].offset ||
            splits[i].behaviour > ACI_SPLIT_CONTIGUOUS || splits[i].invert > 1)
            return bad(error, "pre-tokenizer");
        status = aci_tokenizer_splitter_create(
            &tokenizer->splitters[i], tokenizer->memory,
            text + splits[i].offset, splits[i].n_bytes, splits[i].behaviour,
            splits[i].invert, 0, error);
    }
    return status;
}

ac_status aci_tokenizer_view_image(aci_tokenizer *tokenizer,
                                   const uint8_t *image, size_t n_bytes,
                                   ac_error *error)
{
    const aci_act_header *header = (const aci_act_header *)image;
    ac_status status = check_header(image, n_bytes, error);

    if (status == AC_OK)
        status = check_counts(header, error);
    if (status == AC_OK)
        status = check_sections(header, error);
    if (status != AC_OK)
        return status;
    point(tokenizer, image);
    status = check_tokens(tokenizer, error);
    if (status == AC_OK)
        status = check_tables(tokenizer, error);
    if (status == AC_OK)
        status = check_added(tokenizer, error);
    if (status == AC_OK)
        status = open_splits(tokenizer, error);
    if (status == AC_OK)
        aci_tokenizer_chat_recognise(&tokenizer->chat,
                                     tokenizer->chat_template,
                                     tokenizer->chat_template_bytes);
    return status;
}

ac_status aci_tokenizer_open(aci_tokenizer **out, aci_memory *memory,
                             const char *path, ac_error *error)
{
    aci_tokenizer *tokenizer;
    ac_status status;

    *out = NULL;
    tokenizer = aci_platform_alloc_zeroed(memory, 1, sizeof *tokenizer);
    if (tokenizer == NULL)
        return aci_platform_fail_memory(error, "the tokenizer");
    tokenizer->memory = memory;
    status = aci_platform_map(&tokenizer->mapping, path, error);
    if (status == AC_OK) {
        status = aci_tokenizer_view_image(tokenizer, tokenizer->mapping.data,
                                          tokenizer->mapping.size, error);
        if (status != AC_OK)
            aci_platform_fail_within(error, status, path);
    }
    if (status != AC_OK) {
        aci_tokenizer_close(tokenizer);
        return status;
    }
    *out = tokenizer;
    return AC_OK;
}

void aci_tokenizer_close(aci_tokenizer *tokenizer)
{
    int i;

    if (tokenizer == NULL)
        return;
    for (i = 0; i < (int)ACI_ACT_MAX_SPLITS; i++)
        aci_tokenizer_splitter_free(tokenizer->splitters[i]);
    aci_platform_unmap(&tokenizer->mapping);
    aci_platform_free(tokenizer->memory, tokenizer->owned);
    aci_platform_free(tokenizer->memory, tokenizer);
}
