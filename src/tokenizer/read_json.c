/* read_json.c - tokenizer.json, as the Hugging Face library writes it.
 *
 *     normalizer, pre_tokenizer -> form, prefix, splits
 *     model (BPE) + added_tokens -> tokens, merges, added
 *     post_processor -> whether bos comes first;  decoder -> leading space
 *
 * A step we cannot run exactly is refused by name rather than skipped. */
#include <string.h>

#include "platform/error.h"
#include "tokenizer/draft.h"
#include "tokenizer/json_read.h"
#include "tokenizer/spelling.h"

#define MARK "\xE2\x96\x81" /* U+2581, SentencePiece's space */

typedef struct reader {
    aci_draft *draft;
    ac_error *error;
    int spaces;                      /* text's spaces became U+2581 */
    int byte_level;                  /* a ByteLevel step was seen */
} reader;

typedef ac_status (*step_function)(reader *r, const json_t *step,
                                   const char *type);

/* Runs `each` over a step, or over the list of a Sequence, in order. */
static ac_status walk(reader *r, const json_t *step, const char *list_key,
                      step_function each, int depth)
{
    const char *type = json_string_value(json_object_get(step, "type"));
    const json_t *list;
    ac_status status = AC_OK;
    size_t i;

    if (step == NULL || json_is_null(step))
        return AC_OK;
    if (type == NULL || depth > 8)
        return aci_platform_fail(r->error, AC_E_FORMAT,
                                 "a step of the tokenizer had no type");
    if (strcmp(type, "Sequence") != 0)
        return each(r, step, type);
    list = json_object_get(step, list_key);
    for (i = 0; i < json_array_size(list) && status == AC_OK; i++)
        status = walk(r, json_array_get(list, i), list_key, each, depth + 1);
    return status;
}

static ac_status refuse(reader *r, const char *what, const char *type)
{
    return aci_platform_fail(r->error, AC_E_UNSUPPORTED,
                             "the %s \"%.40s\" is none we can run", what,
                             type);
}

static ac_status read_normalizer(reader *r, const json_t *step,
                                 const char *type)
{
    static const char *const forms[] = { "", "NFC", "NFD", "NFKC", "NFKD" };
    const json_t *pattern = json_object_get(step, "pattern");
    uint32_t i;

    for (i = ACI_ACT_FORM_NFC; i <= ACI_ACT_FORM_NFKD; i++)
        if (strcmp(type, forms[i]) == 0) {
            r->draft->form = i;
            return AC_OK;
        }
    if (strcmp(type, "Prepend") == 0 &&
        aci_tokenizer_json_is(step, "prepend", MARK)) {
        r->draft->prefix = ACI_ACT_PREFIX_ALWAYS;
        return AC_OK;
    }
    if (strcmp(type, "Replace") == 0 &&
        aci_tokenizer_json_is(pattern, "String", " ") &&
        aci_tokenizer_json_is(step, "content", MARK)) {
        r->spaces = 1;
        return AC_OK;
    }
    return refuse(r, "normalizer", type);
}

static ac_status behaviour_of(reader *r, const json_t *step, uint32_t *out,
                              uint32_t *invert)
{
    static const char *const names[] = { "Isolated", "MergedWithPrevious",
                                         "MergedWithNext", "Contiguous" };
    const char *name = json_string_value(json_object_get(step, "behavior"));

    *invert = aci_tokenizer_json_true(step, "invert", 0) ? 1 : 0;
    for (*out = 0; *out < 4; ++*out)
        if (name != NULL && strcmp(name, names[*out]) == 0)
            return AC_OK;
    /* What such an expression leaves over is dropped there; the expressions in
     * use leave nothing over, and we keep it. */
    if (name != NULL && strcmp(name, "Removed") == 0 && *invert) {
        *out = ACI_SPLIT_ISOLATED;
        *invert = 0;
        return AC_OK;
    }
    return refuse(r, "split behaviour", name == NULL ? "" : name);
}

/* A split at a fixed string. */
static ac_status split_string(reader *r, const char *text, uint32_t behaviour,
                              uint32_t invert)
{
    char pattern[256];
    size_t n = 0, i;

    if (r->spaces && strcmp(text, " ") == 0)
        return AC_OK; /* there are none left when it runs */
    if (r->spaces && strcmp(text, MARK) == 0)
        text = " ";
    if (*text == '\0' || strlen(text) > 120)
        return refuse(r, "split at", text);
    for (i = 0; text[i] != '\0'; i++) {
        if (((uint8_t)text[i] > ' ' && (uint8_t)text[i] < '0') ||
            strchr(":;<=>?@[\\]^_`{|}~", text[i]) != NULL)
            pattern[n++] = '\\';
        pattern[n++] = text[i];
    }
    return aci_tokenizer_draft_split(r->draft, pattern, n, behaviour, invert,
                                     r->error);
}

static ac_status read_metaspace(reader *r, const json_t *step)
{
    const char *scheme =
        json_string_value(json_object_get(step, "prepend_scheme"));
    aci_draft *draft = r->draft;

    if (!aci_tokenizer_json_is(step, "replacement", MARK))
        return refuse(r, "Metaspace replacement", "other than U+2581");
    r->spaces = 1;
    if (scheme == NULL)
        scheme = aci_tokenizer_json_true(step, "add_prefix_space", 1)
                     ? "always" : "never";
    if (strcmp(scheme, "always") == 0)
        draft->prefix = ACI_ACT_PREFIX_MISSING;
    else if (strcmp(scheme, "first") == 0)
        draft->prefix = ACI_ACT_PREFIX_FIRST;
    if (!aci_tokenizer_json_true(step, "split", 1))
        return AC_OK;
    return aci_tokenizer_draft_split(draft, " ", 1, ACI_SPLIT_NEXT, 0,
                                     r->error);
}

static ac_status read_byte_level(reader *r, const json_t *step)
{
    const char *pattern = aci_tokenizer_pattern_gpt2;

    r->byte_level = 1;
    r->draft->family = ACI_ACT_BYTES;
    if (aci_tokenizer_json_true(step, "add_prefix_space", 1))
        r->draft->prefix = ACI_ACT_PREFIX_MISSING;
    if (!aci_tokenizer_json_true(step, "use_regex", 1))
        return AC_OK;
    return aci_tokenizer_draft_split(r->draft, pattern, strlen(pattern),
                                     ACI_SPLIT_ISOLATED, 0, r->error);
}

static ac_status read_pre_tokenizer(reader *r, const json_t *step,
                                    const char *type)
{
    const json_t *pattern = json_object_get(step, "pattern");
    const char *text;
    uint32_t behaviour = 0, invert = 0;
    ac_status status;

    if (r->byte_level)
        return refuse(r, "step behind ByteLevel", type);
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(r, step);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(r, step);
    if (strcmp(type, "Digits") == 0) {
        int each = aci_tokenizer_json_true(step, "individual_digits", 0);
        return aci_tokenizer_draft_split(
            r->draft, aci_tokenizer_pattern_digit,
            strlen(aci_tokenizer_pattern_digit),
            each ? ACI_SPLIT_ISOLATED : ACI_SPLIT_CONTIGUOUS, 0, r->error);
    }
    status = behaviour_of(r, step, &behaviour, &invert);
    if (strcmp(type, "Punctuation") == 0) {
        text = "[\\p{P}\\x{21}-\\x{2f}\\x{3a}-\\x{40}\\x{5b}-\\x{60}"
               "\\x{7b}-\\x{7e}]";
        return status != AC_OK ? status : aci_tokenizer_draft_split(
            r->draft, text, strlen(text), behaviour, 0, r->error);
    }
    if (strcmp(type, "Split") != 0)
        return refuse(r, "pre-tokenizer", type);
    if (status != AC_OK)
        return status;
    text = json_string_value(json_object_get(pattern, "Regex"));
    if (text != NULL)
        return aci_tokenizer_draft_split(
            r->draft, text,
            json_string_length(json_object_get(pattern, "Regex")), behaviour,
            invert, r->error);
    text = json_string_value(json_object_get(pattern, "String"));
    if (text != NULL)
        return split_string(r, text, behaviour, invert);
    return refuse(r, "split pattern", "");
}

/* Whether and with which token a text begins. */
static ac_status read_post_processor(reader *r, const json_t *step,
                                     const char *type)
{
    const json_t *first, *name, *ids;
    int64_t id;

    if (strcmp(type, "TemplateProcessing") != 0)
        return AC_OK;
    first = json_array_get(json_object_get(step, "single"), 0);
    name = json_object_get(json_object_get(first, "SpecialToken"), "id");
    if (!json_is_string(name))
        return AC_OK;
    ids = json_object_get(json_object_get(json_object_get(step,
                                                          "special_tokens"),
                                          json_string_value(name)), "ids");
    if (json_array_size(ids) != 1)
        return AC_OK;
    id = aci_tokenizer_json_id(json_array_get(ids, 0),
                               (int64_t)r->draft->n_tokens);
    if (id < 0)
        return aci_platform_fail(r->error, AC_E_FORMAT,
                                 "the begin token was out of range");
    r->draft->bos = (int32_t)id;
    r->draft->flags |= ACI_ACT_ADD_BOS;
    return AC_OK;
}

static ac_status read_decoder(reader *r, const json_t *step, const char *type)
{
    if ((strcmp(type, "Strip") == 0 &&
         aci_tokenizer_json_is(step, "content", " ") &&
         aci_tokenizer_json_id(json_object_get(step, "start"), 1 << 20) > 0) ||
        (strcmp(type, "Metaspace") == 0 &&
         !aci_tokenizer_json_is(step, "prepend_scheme", "never") &&
         aci_tokenizer_json_true(step, "add_prefix_space", 1)))
        r->draft->flags |= ACI_ACT_STRIP_SPACE;
    return AC_OK;
}

static ac_status read_vocabulary(reader *r, const json_t *model)
{
    json_t *vocabulary = json_object_get(model, "vocab");
    int fallback = aci_tokenizer_json_true(model, "byte_fallback", 0);
    ac_status status = AC_OK;
    void *iterator;

    if (!json_is_object(vocabulary))
        return aci_platform_fail(r->error, AC_E_FORMAT,
                                 "the model had no vocabulary");
    for (iterator = json_object_iter(vocabulary);
         iterator != NULL && status == AC_OK;
         iterator = json_object_iter_next(vocabulary, iterator)) {
        const char *text = json_object_iter_key(iterator);
        int64_t number = aci_tokenizer_json_id(
            json_object_iter_value(iterator), ACI_ACT_MAX_TOKENS);

        if (number < 0)
            return aci_platform_fail(r->error, AC_E_FORMAT,
                                     "a token's id was out of range");
        status = aci_tokenizer_draft_spelled(
            r->draft, (size_t)number, text, strlen(text), ACI_ACT_MODEL, 0.0f,
            r->spaces, fallback, r->error);
    }
    return status;
}

static ac_status read_merges(reader *r, const json_t *model)
{
    const json_t *merges = json_object_get(model, "merges");
    ac_status status;
    size_t i;

    status = aci_tokenizer_draft_index(r->draft, 0, r->error);
    for (i = 0; i < json_array_size(merges) && status == AC_OK; i++) {
        const json_t *merge = json_array_get(merges, i);
        const json_t *left = json_array_get(merge, 0);
        const json_t *right = json_array_get(merge, 1);

        if (json_is_string(merge))
            status = aci_tokenizer_draft_merge_line(
                r->draft, json_string_value(merge), json_string_length(merge),
                i, r->spaces, r->error);
        else if (json_array_size(merge) == 2 && json_is_string(left) &&
                 json_is_string(right))
            status = aci_tokenizer_draft_merge_pair(
                r->draft, json_string_value(left), json_string_length(left),
                json_string_value(right), json_string_length(right), i,
                r->spaces, r->error);
        else
            status = aci_platform_fail(r->error, AC_E_FORMAT,
                                       "merge %zu was not two tokens", i);
    }
    return status;
}

static ac_status read_added(reader *r, const json_t *list)
{
    aci_draft *draft = r->draft;
    ac_status status = AC_OK;
    size_t i;

    for (i = 0; i < json_array_size(list) && status == AC_OK; i++) {
        const json_t *token = json_array_get(list, i);
        const json_t *content = json_object_get(token, "content");
        int64_t number = aci_tokenizer_json_id(json_object_get(token, "id"),
                                               ACI_ACT_MAX_TOKENS);
        const aci_draft_token *known;

        if (!json_is_string(content) || number < 0)
            return aci_platform_fail(r->error, AC_E_FORMAT,
                                     "added token %zu was malformed", i);
        if ((size_t)number >= draft->n_tokens ||
            !draft->tokens[number].present)
            status = aci_tokenizer_draft_token(
                draft, (size_t)number, json_string_value(content),
                json_string_length(content), 0, 0.0f, r->error);
        if (status != AC_OK)
            break;
        known = &draft->tokens[number];
        if (known->n_bytes != json_string_length(content) ||
            memcmp(draft->text + known->offset, json_string_value(content),
                   known->n_bytes) != 0)
            continue; /* spelled differently: it is reached by merging */
        status = aci_tokenizer_draft_added(
            draft, (size_t)number,
            (aci_tokenizer_json_true(token, "special", 0)
                 ? ACI_ACT_ADDED_SPECIAL : 0) |
            (aci_tokenizer_json_true(token, "lstrip", 0)
                 ? ACI_ACT_ADDED_LEFT : 0) |
            (aci_tokenizer_json_true(token, "rstrip", 0)
                 ? ACI_ACT_ADDED_RIGHT : 0) |
            (aci_tokenizer_json_true(token, "single_word", 0)
                 ? ACI_ACT_ADDED_WORD : 0) |
            (aci_tokenizer_json_true(token, "normalized", 0)
                 ? ACI_ACT_ADDED_NORMALIZED : 0), r->error);
    }
    return status;
}

static ac_status check_model(reader *r, const json_t *model)
{
    const char *type = json_string_value(json_object_get(model, "type"));
    const char *prefix = json_string_value(
        json_object_get(model, "continuing_subword_prefix"));
    const char *suffix =
        json_string_value(json_object_get(model, "end_of_word_suffix"));

    if (!json_is_object(model))
        return aci_platform_fail(r->error, AC_E_FORMAT, "it had no model");
    if ((type == NULL && !json_is_array(json_object_get(model, "merges"))) ||
        (type != NULL && strcmp(type, "BPE") != 0))
        return refuse(r, "tokenizer model", type == NULL ? "?" : type);
    if ((prefix != NULL && *prefix != '\0') ||
        (suffix != NULL && *suffix != '\0'))
        return refuse(r, "word affix", prefix != NULL && *prefix ? prefix
                                                                 : suffix);
    return AC_OK;
}

static ac_status read_unknown(reader *r, const json_t *model)
{
    const json_t *name = json_object_get(model, "unk_token");
    aci_draft *draft = r->draft;

    if (aci_tokenizer_json_true(model, "ignore_merges", 0))
        draft->flags |= ACI_ACT_IGNORE_MERGES;
    if (aci_tokenizer_json_true(model, "fuse_unk", 0))
        draft->flags |= ACI_ACT_FUSE_UNKNOWN;
    if (!json_is_string(name))
        return AC_OK;
    draft->unknown = aci_tokenizer_draft_find(
        draft, json_string_value(name), json_string_length(name));
    if (draft->unknown >= 0) {
        draft->tokens[draft->unknown].kind |= ACI_ACT_UNKNOWN;
        draft->tokens[draft->unknown].kind &= (uint8_t)~ACI_ACT_MODEL;
    }
    return AC_OK;
}

ac_status aci_tokenizer_read_json(aci_draft *draft, const char *path,
                                  ac_error *error)
{
    reader r = { .draft = draft, .error = error };
    json_t *root = NULL;
    const json_t *model;
    ac_status status;

    status = aci_tokenizer_json_load(&root, draft->memory, path, error);
    if (status != AC_OK)
        return status;
    model = json_object_get(root, "model");
    draft->family = ACI_ACT_CHARACTERS;
    status = check_model(&r, model);
    if (status == AC_OK)
        status = walk(&r, json_object_get(root, "normalizer"), "normalizers",
                      read_normalizer, 0);
    if (status == AC_OK)
        status = walk(&r, json_object_get(root, "pre_tokenizer"),
                      "pretokenizers", read_pre_tokenizer, 0);
    if (status == AC_OK)
        status = read_vocabulary(&r, model);
    if (status == AC_OK)
        status = read_added(&r, json_object_get(root, "added_tokens"));
    if (status == AC_OK)
        status = read_merges(&r, model);
    if (status == AC_OK)
        status = read_unknown(&r, model);
    if (status == AC_OK)
        status = walk(&r, json_object_get(root, "post_processor"),
                      "processors", read_post_processor, 0);
    if (status == AC_OK)
        status = walk(&r, json_object_get(root, "decoder"), "decoders",
                      read_decoder, 0);
    json_decref(root);
    if (status != AC_OK)
        aci_platform_fail_within(error, status, path);
    return status;
}
