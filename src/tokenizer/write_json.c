/* write_json.c - the steps of read_json.c, the other way:
 *
 *     form, prefix, splits -> normalizer, pre_tokenizer
 *     tokens, merges, added -> model (BPE), added_tokens
 *     whether bos comes first -> post_processor; leading space -> decoder
 *
 * Every token is in the vocabulary, special ones too: the Hugging Face library
 * numbers added tokens that are not there by itself. */
#include "tokenizer/write_json.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "platform/error.h"
#include "platform/json_file.h"
#include "tokenizer/listing.h"

#define MARK "\xE2\x96\x81" /* U+2581, SentencePiece's space */

static const char *split_text(const aci_tokenizer *tokenizer,
                              const aci_act_split **split, uint32_t i)
{
    const aci_act_header *header = tokenizer->header;
    const uint8_t *image = tokenizer->image;

    *split = (const aci_act_split *)(const void *)(
                 image + header->sections[ACI_ACT_SPLITS].offset) + i;
    return (const char *)image +
           header->sections[ACI_ACT_SPLIT_TEXT].offset + (*split)->offset;
}

static bool is_split(const aci_tokenizer *tokenizer, uint32_t i,
                     const char *pattern, uint32_t behaviour)
{
    const aci_act_split *split;
    const char *text = split_text(tokenizer, &split, i);

    return split->behaviour == behaviour && split->invert == 0 &&
           split->n_bytes == strlen(pattern) &&
           memcmp(text, pattern, split->n_bytes) == 0;
}

static json_t *make_split(const aci_tokenizer *tokenizer, uint32_t i)
{
    static const char *const names[] = { "Isolated", "MergedWithPrevious",
                                         "MergedWithNext", "Contiguous" };
    const aci_act_split *split;
    const char *text = split_text(tokenizer, &split, i);

    return json_pack("{s:s, s:{s:s%}, s:s, s:b}", "type", "Split", "pattern",
                     "Regex", text, (size_t)split->n_bytes, "behavior",
                     names[split->behaviour], "invert", (int)split->invert);
}

static json_t *make_byte_level(bool prefix, bool regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel",
                     "add_prefix_space", (int)prefix, "trim_offsets", 0,
                     "use_regex", (int)regex);
}

/* A step in the way that only it can be said; NULL with *bad set: none. */
static json_t *make_bytes_pieces(const aci_tokenizer *tokenizer, bool *bad)
{
    const aci_act_header *header = tokenizer->header;
    bool prefix = header->prefix != ACI_ACT_PREFIX_NONE;
    bool regex = header->n_splits > 0 &&
                 is_split(tokenizer, header->n_splits - 1,
                          aci_tokenizer_pattern_gpt2, ACI_SPLIT_ISOLATED);
    uint32_t n = header->n_splits - (regex ? 1 : 0);
    json_t *list = json_array();
    int lost = list == NULL;

    *bad = header->prefix > ACI_ACT_PREFIX_MISSING ||
           header->prefix == ACI_ACT_PREFIX_ALWAYS || (prefix && n > 0);
    for (uint32_t i = 0; i < n; i++)
        lost |= json_array_append_new(list, make_split(tokenizer, i));
    lost |= json_array_append_new(list, make_byte_level(prefix, regex));
    if (*bad || lost) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", list);
}

/* SentencePiece's way puts the space in front in the normalizer or here. */
static json_t *make_character_pieces(const aci_tokenizer *tokenizer,
                                     bool *bad)
{
    const aci_act_header *header = tokenizer->header;
    bool split = header->n_splits == 1 &&
                 is_split(tokenizer, 0, " ", ACI_SPLIT_NEXT);
    const char *scheme = header->prefix == ACI_ACT_PREFIX_MISSING ? "always"
                         : header->prefix == ACI_ACT_PREFIX_FIRST ? "first"
                                                                  : "never";

    *bad = header->n_splits > 0 && !split;
    if (*bad)
        return NULL;
    if (!split && strcmp(scheme, "never") == 0)
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace",
                     "replacement", MARK, "prepend_scheme", scheme, "split",
                     (int)split);
}

static json_t *make_normalizer(const aci_tokenizer *tokenizer)
{
    static const char *const forms[] = { "", "NFC", "NFD", "NFKC", "NFKD" };
    const aci_act_header *header = tokenizer->header;
    json_t *list = json_array();
    int lost = list == NULL;

    if (header->form != ACI_ACT_FORM_NONE)
        lost |= json_array_append_new(
            list, json_pack("{s:s}", "type", forms[header->form]));
    if (header->family == ACI_ACT_CHARACTERS) {
        if (header->prefix == ACI_ACT_PREFIX_ALWAYS)
            lost |= json_array_append_new(
                list, json_pack("{s:s, s:s}", "type", "Prepend", "prepend",
                                MARK));
        lost |= json_array_append_new(
            list, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace",
                            "pattern", "String", " ", "content", MARK));
    }
    if (!lost && json_array_size(list) > 0)
        return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers",
                         list);
    json_decref(list);
    return lost ? NULL : json_null();
}

static json_t *make_decoder(const aci_tokenizer *tokenizer)
{
    const aci_act_header *header = tokenizer->header;
    json_t *list;

    if (header->family == ACI_ACT_BYTES)
        return make_byte_level(false, false);
    list = json_pack("[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]", "type", "Replace",
                     "pattern", "String", MARK, "content", " ", "type",
                     "ByteFallback", "type", "Fuse");
    if ((header->flags & ACI_ACT_STRIP_SPACE) != 0 &&
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip",
                            "content", " ", "start", 1, "stop", 0)) != 0) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:s, s:o}", "type", "Sequence", "decoders", list);
}

/* The text of a token, which may be no UTF-8 (a lone byte as it stands). */
static json_t *make_text(aci_listing *listing, int32_t id)
{
    aci_token_type type;
    const char *text;
    size_t n;

    if (id < 0)
        return json_null();
    n = aci_tokenizer_listing_token(&text, &type, listing, id);
    return json_stringn(text, n);
}

/* bos in front of every text. */
static json_t *make_post_processor(aci_listing *listing)
{
    const aci_act_header *header = listing->tokenizer->header;
    json_t *name, *whole;
    const char *text;

    if (header->bos < 0 || (header->flags & ACI_ACT_ADD_BOS) == 0)
        return json_null();
    name = make_text(listing, header->bos);
    text = json_string_value(name);
    if (text == NULL)
        return NULL;
    whole = json_pack(
        "{s:s, s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}], "
        "s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}], "
        "s:{s:{s:s, s:[i], s:[s]}}}", "type", "TemplateProcessing", "single",
        "SpecialToken", "id", text, "type_id", 0, "Sequence", "id", "A",
        "type_id", 0, "pair", "SpecialToken", "id", text, "type_id", 0,
        "Sequence", "id", "A", "type_id", 0, "SpecialToken", "id", text,
        "type_id", 1, "Sequence", "id", "B", "type_id", 1, "special_tokens",
        text, "id", text, "ids", (int)header->bos, "tokens", text);
    json_decref(name);
    return whole;
}

static json_t *make_vocabulary(aci_listing *listing)
{
    int32_t n = aci_tokenizer_size(listing->tokenizer);
    json_t *object = json_object();
    int lost = object == NULL;

    for (int32_t i = 0; i < n && !lost; i++) {
        aci_token_type type;
        const char *text;
        size_t n_bytes = aci_tokenizer_listing_token(&text, &type, listing,
                                                     i);

        /* What is no text JSON cannot hold; nothing merges into it either. */
        if (n_bytes > 0 && strlen(text) == n_bytes) {
            json_t *number = json_integer(i);

            if (json_object_set_new(object, text, number) != 0)
                lost = type != ACI_TOKEN_UNUSED;
        }
    }
    if (!lost)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *make_merges(aci_listing *listing)
{
    json_t *list = json_array();
    int lost = list == NULL;

    for (size_t i = 0; i < listing->n_merges && !lost; i++) {
        const char *text;
        size_t n = aci_tokenizer_listing_merge(&text, listing, i);

        lost |= json_array_append_new(list, json_stringn(text, n));
    }
    if (!lost)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *make_added(aci_listing *listing)
{
    int32_t n = aci_tokenizer_size(listing->tokenizer);
    json_t *list = json_array();
    int lost = list == NULL;

    for (int32_t i = 0; i < n && !lost; i++) {
        const aci_tokenizer *tokenizer = listing->tokenizer;
        int flags = listing->added[i] - 1;

        if (flags < 0)
            continue;
        lost |= json_array_append_new(
            list, json_pack(
                "{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", (int)i,
                "content", tokenizer->text + tokenizer->offsets[i],
                aci_act_token_bytes(tokenizer, i), "single_word",
                (flags & (int)ACI_ACT_ADDED_WORD) != 0, "lstrip",
                (flags & (int)ACI_ACT_ADDED_LEFT) != 0, "rstrip",
                (flags & (int)ACI_ACT_ADDED_RIGHT) != 0, "normalized",
                (flags & (int)ACI_ACT_ADDED_NORMALIZED) != 0, "special",
                (flags & (int)ACI_ACT_ADDED_SPECIAL) != 0));
    }
    if (!lost)
        return list;
    json_decref(list);
    return NULL;
}

static bool has_fallback(const aci_tokenizer *tokenizer)
{
    if (tokenizer->header->family != ACI_ACT_CHARACTERS)
        return false;
    for (int i = 0; i < 256; i++)
        if (tokenizer->byte_ids[i] >= 0)
            return true;
    return false;
}

static json_t *make_tokenizer(aci_listing *listing, bool *bad)
{
    const aci_tokenizer *tokenizer = listing->tokenizer;
    uint32_t flags = tokenizer->header->flags;
    json_t *pieces = tokenizer->header->family == ACI_ACT_BYTES
                         ? make_bytes_pieces(tokenizer, bad)
                         : make_character_pieces(tokenizer, bad);
    json_t *model = json_pack(
        "{s:s, s:n, s:o, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE",
        "dropout", "unk_token",
        make_text(listing, tokenizer->header->unknown),
        "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
        (flags & ACI_ACT_FUSE_UNKNOWN) != 0, "byte_fallback",
        (int)has_fallback(tokenizer), "ignore_merges",
        (flags & ACI_ACT_IGNORE_MERGES) != 0, "vocab",
        make_vocabulary(listing), "merges", make_merges(listing));

    return json_pack("{s:s, s:n, s:n, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "version", "1.0", "truncation", "padding",
                     "added_tokens", make_added(listing), "normalizer",
                     make_normalizer(tokenizer), "pre_tokenizer", pieces,
                     "post_processor", make_post_processor(listing),
                     "decoder", make_decoder(tokenizer), "model", model);
}

static json_t *make_config(aci_listing *listing)
{
    const aci_tokenizer *tokenizer = listing->tokenizer;
    const aci_act_header *header = tokenizer->header;
    json_t *config = json_pack(
        "{s:s, s:b, s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
        "add_bos_token", (header->flags & ACI_ACT_ADD_BOS) != 0,
        "clean_up_tokenization_spaces", 0);
    int lost = config == NULL;

    if (header->bos >= 0)
        lost |= json_object_set_new(config, "bos_token",
                                    make_text(listing, header->bos));
    if (header->eos >= 0)
        lost |= json_object_set_new(config, "eos_token",
                                    make_text(listing, header->eos));
    if (header->unknown >= 0)
        lost |= json_object_set_new(config, "unk_token",
                                    make_text(listing, header->unknown));
    if (tokenizer->chat_template_bytes > 0)
        lost |= json_object_set_new(
            config, "chat_template",
            json_stringn(tokenizer->chat_template,
                         tokenizer->chat_template_bytes));
    if (!lost)
        return config;
    json_decref(config);
    return NULL;
}

/* What ends generation: eos, and every other token that does. */
static json_t *make_generation(const aci_tokenizer *tokenizer)
{
    json_t *ends = json_array(), *config = json_object();
    int lost = ends == NULL || config == NULL;

    if (aci_tokenizer_eos(tokenizer) >= 0)
        lost |= json_array_append_new(
            ends, json_integer(aci_tokenizer_eos(tokenizer)));
    for (int32_t i = 0; i < aci_tokenizer_size(tokenizer); i++)
        if (aci_tokenizer_is_end(tokenizer, i) &&
            i != aci_tokenizer_eos(tokenizer))
            lost |= json_array_append_new(ends, json_integer(i));
    if (aci_tokenizer_bos(tokenizer) >= 0)
        lost |= json_object_set_new(
            config, "bos_token_id",
            json_integer(aci_tokenizer_bos(tokenizer)));
    if (!lost && json_array_size(ends) > 0)
        lost |= json_object_set(config, "eos_token_id", ends);
    json_decref(ends);
    if (!lost)
        return config;
    json_decref(config);
    return NULL;
}

/* ---- files --------------------------------------------------------------- */

/* Takes `root`. */
static ac_status write_file(json_t *root, aci_memory *memory,
                            const char *folder, const char *name,
                            ac_error *error)
{
    char *path = aci_platform_join(memory, folder, name);
    ac_status status = path != NULL
                           ? aci_platform_json_write(root, memory, path,
                                                     error)
                           : aci_platform_fail_memory(error, "a path");

    aci_platform_free(memory, path);
    json_decref(root);
    return status;
}

ac_status aci_tokenizer_write_json(const aci_tokenizer *tokenizer,
                                   aci_memory *memory, const char *folder,
                                   ac_error *error)
{
    aci_listing listing;
    bool bad = false;
    json_t *root;
    ac_status status = aci_tokenizer_listing_open(&listing, memory, tokenizer,
                                                  error);

    if (status != AC_OK)
        return status;
    root = make_tokenizer(&listing, &bad);
    if (bad) {
        json_decref(root);
        status = aci_platform_fail(error, AC_E_UNSUPPORTED,
                                   "tokenizer.json cannot say how this "
                                   "tokenizer cuts text into pieces");
    } else {
        status = write_file(root, memory, folder, "tokenizer.json", error);
    }
    if (status == AC_OK)
        status = write_file(make_config(&listing), memory, folder,
                            "tokenizer_config.json", error);
    if (status == AC_OK)
        status = write_file(make_generation(tokenizer), memory, folder,
                            "generation_config.json", error);
    aci_tokenizer_listing_close(&listing);
    return status;
}
