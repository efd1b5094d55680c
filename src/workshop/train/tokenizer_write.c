/* tokenizer_write.c - see tokenizer_write.h. The shape of the files is what
 * `tokenizers` 0.23 and `transformers` write for a byte-level model; merges
 * are "left right", which every version of them reads. */
#include "workshop/train/tokenizer_write.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "platform/files.h"
#include "platform/json_file.h"
#include "tokenizer/spelling.h"

#define TOKENIZER "tokenizer.json"
#define CONFIG "tokenizer_config.json"

/* Token as the file spells it; special tokens are plain ASCII. */
static size_t spell(char *out, const aci_learned *learned, uint32_t token)
{
    const aci_word *word = &learned->tokens.items[token];
    const char *text = learned->tokens.text + word->at;

    if (token >= learned->n_special)
        return aci_tokenizer_spell_bytes(out, text, word->n_bytes);
    memcpy(out, text, word->n_bytes);
    return word->n_bytes;
}

static json_t *make_name(const aci_learned *learned, uint32_t token)
{
    char name[2 * ACI_LONGEST_WORD];
    size_t n = spell(name, learned, token);

    return json_stringn(name, n);
}

/* jansson takes NULL for "no memory" wherever a value is handed over, and then
 * gives NULL itself; what an array or object lost must be looked for. */
static json_t *unless(int lost, json_t *value)
{
    if (!lost)
        return value;
    json_decref(value);
    return NULL;
}

/* A special token as transformers describes it; `id` only in tokenizer.json. */
static json_t *make_special(const aci_learned *learned, uint32_t token,
                            bool with_id)
{
    json_t *object = json_object();
    int lost = 0;

    if (with_id)
        lost |= json_object_set_new(object, "id", json_integer(token));
    lost |= json_object_set_new(object, "content", make_name(learned, token));
    lost |= json_object_set_new(object, "single_word", json_false());
    lost |= json_object_set_new(object, "lstrip", json_false());
    lost |= json_object_set_new(object, "rstrip", json_false());
    lost |= json_object_set_new(object, "normalized", json_false());
    lost |= json_object_set_new(object, "special", json_true());
    return unless(lost, object);
}

static json_t *make_added(const aci_learned *learned)
{
    json_t *list = json_array();
    int lost = 0;
    uint32_t i;

    for (i = 0; i < learned->n_special; i++)
        lost |= json_array_append_new(list, make_special(learned, i, true));
    return unless(lost, list);
}

static json_t *make_vocabulary(const aci_learned *learned)
{
    char name[2 * ACI_LONGEST_WORD + 1];
    json_t *vocabulary = json_object();
    int lost = 0;
    uint32_t i;

    for (i = 0; i < learned->tokens.n && lost == 0; i++) {
        name[spell(name, learned, i)] = '\0';
        lost |= json_object_set_new(vocabulary, name, json_integer(i));
    }
    return unless(lost, vocabulary);
}

static json_t *make_merges(const aci_learned *learned)
{
    char line[4 * ACI_LONGEST_WORD + 1];
    json_t *list = json_array();
    int lost = 0;
    size_t i, n;

    for (i = 0; i < learned->n_merges && lost == 0; i++) {
        n = spell(line, learned, learned->merges[i].left);
        line[n++] = ' ';
        n += spell(line + n, learned, learned->merges[i].right);
        lost |= json_array_append_new(list, json_stringn(line, n));
    }
    return unless(lost, list);
}

static json_t *make_byte_level(void)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel",
                     "add_prefix_space", 0, "trim_offsets", 0, "use_regex", 0);
}

static json_t *make_tokenizer(const aci_learned *learned, const char *pattern)
{
    json_t *splits = json_pack(
        "{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence",
        "pretokenizers", "type", "Split", "pattern", "Regex", pattern,
        "behavior", "Isolated", "invert", 0, make_byte_level());
    json_t *model = json_pack(
        "{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE",
        "dropout", "unk_token", "continuing_subword_prefix",
        "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
        "ignore_merges", 0, "vocab", make_vocabulary(learned), "merges",
        make_merges(learned));

    return json_pack("{s:s, s:n, s:n, s:o, s:n, s:o, s:o, s:o, s:o}",
                     "version", "1.0", "truncation", "padding",
                     "added_tokens", make_added(learned), "normalizer",
                     "pre_tokenizer", splits, "post_processor",
                     make_byte_level(), "decoder", make_byte_level(),
                     "model", model);
}

/* {"0": {...}, "1": {...}} */
static json_t *make_decoder(const aci_learned *learned)
{
    json_t *object = json_object();
    int lost = 0;
    uint32_t i;

    for (i = 0; i < learned->n_special; i++) {
        char id[16];

        snprintf(id, sizeof id, "%u", i);
        lost |= json_object_set_new(object, id,
                                    make_special(learned, i, false));
    }
    return unless(lost, object);
}

static json_t *make_config(const aci_learned *learned)
{
    json_t *others = json_array();
    int lost = 0;
    uint32_t i;

    for (i = 1; i < learned->n_special; i++)
        lost |= json_array_append_new(others, make_name(learned, i));
    return json_pack(
        "{s:s, s:o, s:o, s:b, s:b, s:o, s:o}", "tokenizer_class",
        "PreTrainedTokenizerFast", "bos_token", make_name(learned, 0),
        "eos_token", make_name(learned, 0), "add_bos_token", 0,
        "clean_up_tokenization_spaces", 0, "additional_special_tokens",
        unless(lost, others), "added_tokens_decoder", make_decoder(learned));
}

/* ---- Writing ------------------------------------------------------------- */

static ac_status write_within(const json_t *root, aci_memory *memory,
                              const char *folder, const char *name,
                              ac_error *error)
{
    char *path = aci_platform_join(memory, folder, name);
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_platform_json_write(root, memory, path, error);
    aci_platform_free(memory, path);
    return status;
}

/* tokenizer.json last: with it the directory holds a tokenizer. */
static ac_status write_folder(const json_t *tokenizer, const json_t *config,
                              aci_memory *memory, const char *path,
                              ac_error *error)
{
    bool is_new = !aci_platform_is_directory(path);
    const char *folder = path;
    char *made = NULL;
    ac_status status = AC_OK;

    if (is_new)
        status = aci_platform_folder_begin(&made, memory, path, false, error);
    if (is_new)
        folder = made;
    if (status == AC_OK)
        status = write_within(config, memory, folder, CONFIG, error);
    if (status == AC_OK)
        status = write_within(tokenizer, memory, folder, TOKENIZER, error);
    if (status == AC_OK && is_new)
        status = aci_platform_folder_commit(memory, made, path, error);
    if (status != AC_OK)
        aci_platform_folder_abandon(memory, made);
    return status;
}

ac_status aci_workshop_tokenizer_write(const aci_learned *learned,
                                       const char *path, const char *pattern,
                                       ac_error *error)
{
    json_t *tokenizer = make_tokenizer(learned, pattern);
    json_t *config = make_config(learned);
    size_t n = strlen(path);
    ac_status status;

    if (n > 5 && strcmp(path + n - 5, ".json") == 0)
        status = aci_platform_json_write(tokenizer, learned->memory, path,
                                         error);
    else
        status = write_folder(tokenizer, config, learned->memory, path,
                              error);
    json_decref(tokenizer);
    json_decref(config);
    return status;
}
