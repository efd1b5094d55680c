/* read_folder.c - a Hugging Face directory: which vocabulary file it has, and
 * what the configuration files beside it say of begin, end and chat.
 *
 * Later files know better: the vocabulary itself, then special_tokens_map,
 * tokenizer_config, generation_config, and config.json for what is left. */
#include <string.h>

#include "platform/error.h"
#include "tokenizer/draft.h"
#include "tokenizer/json_read.h"
#include "tokenizer/spelling.h"

#define MAX_TEXT_BYTES ((size_t)256 << 20)

typedef struct folder {
    aci_draft *draft;
    const char *path;
    ac_error *error;
} folder;

/* Text of a token named in a config: a string or {"content": string}. */
static const json_t *name_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_object(value))
        value = json_object_get(value, "content");
    return json_is_string(value) ? value : NULL;
}

/* A file of the folder as JSON; *out is NULL when there is none. */
static ac_status load(const folder *f, json_t **out, const char *name)
{
    char *path = aci_platform_join(f->draft->memory, f->path, name);
    ac_status status = AC_OK;

    *out = NULL;
    if (path == NULL)
        return aci_platform_fail_memory(f->error, name);
    if (aci_platform_is_file(path))
        status = aci_tokenizer_json_load(out, f->draft->memory, path,
                                         f->error);
    aci_platform_free(f->draft->memory, path);
    return status;
}

static int32_t find_name(const folder *f, const json_t *name)
{
    if (name == NULL)
        return -1;
    return aci_tokenizer_draft_find(f->draft, json_string_value(name),
                                    json_string_length(name));
}

/* bos, eos, unk by their texts; they become special. */
static ac_status read_names(const folder *f, const json_t *config)
{
    static const char *const keys[] = { "bos_token", "eos_token",
                                        "unk_token" };
    int32_t *const slots[] = { &f->draft->bos, &f->draft->eos,
                               &f->draft->unknown };
    ac_status status = AC_OK;
    int i;

    for (i = 0; i < 3 && status == AC_OK; i++) {
        int32_t id = find_name(f, name_of(config, keys[i]));

        if (id < 0)
            continue;
        status = aci_tokenizer_draft_added(f->draft, (size_t)id,
                                           ACI_ACT_ADDED_SPECIAL, f->error);
        if (i < 2 || *slots[i] < 0)
            *slots[i] = id;
    }
    return status;
}

static ac_status read_added_decoder(const folder *f, json_t *list)
{
    ac_status status = AC_OK;
    const char *key;
    json_t *token;

    json_object_foreach(list, key, token) {
        const json_t *content = json_object_get(token, "content");
        size_t id = 0, i;

        for (i = 0; key[i] >= '0' && key[i] <= '9' && i < 8; i++)
            id = id * 10 + (size_t)(key[i] - '0');
        if (i == 0 || key[i] != '\0' || !json_is_string(content))
            return aci_platform_fail(f->error, AC_E_FORMAT,
                                     "added token \"%.20s\" was malformed",
                                     key);
        if (id < f->draft->n_tokens && f->draft->tokens[id].present)
            continue; /* the vocabulary itself said how to match it */
        status = aci_tokenizer_draft_token(
            f->draft, id, json_string_value(content),
            json_string_length(content), 0, 0.0f, f->error);
        if (status == AC_OK)
            status = aci_tokenizer_draft_added(
                f->draft, id,
                aci_tokenizer_json_true(token, "special", 1)
                    ? ACI_ACT_ADDED_SPECIAL : 0, f->error);
        if (status != AC_OK)
            return status;
    }
    return AC_OK;
}

/* {"<|x|>": 50257} of the oldest folders. */
static ac_status read_added_list(const folder *f, json_t *list)
{
    ac_status status = AC_OK;
    const char *key;
    json_t *id;

    json_object_foreach(list, key, id) {
        int64_t number = aci_tokenizer_json_id(id, ACI_ACT_MAX_TOKENS);

        if (number < 0)
            return aci_platform_fail(f->error, AC_E_FORMAT,
                                     "added token \"%.40s\" had a bad id",
                                     key);
        if ((size_t)number < f->draft->n_tokens &&
            f->draft->tokens[number].present)
            continue;
        status = aci_tokenizer_draft_token(f->draft, (size_t)number, key,
                                           strlen(key), 0, 0.0f, f->error);
        if (status == AC_OK)
            status = aci_tokenizer_draft_added(f->draft, (size_t)number,
                                               ACI_ACT_ADDED_SPECIAL,
                                               f->error);
        if (status != AC_OK)
            return status;
    }
    return AC_OK;
}

/* A template: a string, or a list of {name, template} with a default. */
static ac_status read_template(const folder *f, const json_t *value)
{
    const json_t *found = json_is_string(value) ? value : NULL;
    size_t i;

    for (i = 0; i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        if (aci_tokenizer_json_is(entry, "name", "default"))
            found = json_object_get(entry, "template");
    }
    if (!json_is_string(found))
        return AC_OK;
    return aci_tokenizer_draft_template(f->draft, json_string_value(found),
                                        json_string_length(found), f->error);
}

static ac_status read_template_files(const folder *f)
{
    aci_memory *memory = f->draft->memory;
    json_t *root = NULL;
    char *path, *text = NULL;
    size_t n_bytes = 0;
    ac_status status = load(f, &root, "chat_template.json");

    if (status == AC_OK)
        status = read_template(f, json_object_get(root, "chat_template"));
    json_decref(root);
    if (status != AC_OK)
        return status;
    path = aci_platform_join(memory, f->path, "chat_template.jinja");
    if (path == NULL)
        return aci_platform_fail_memory(f->error, "the chat template");
    if (aci_platform_is_file(path))
        status = aci_platform_read_file(&text, &n_bytes, memory, path,
                                        ACI_ACT_MAX_TEMPLATE_BYTES, f->error);
    if (status == AC_OK && text != NULL)
        status = aci_tokenizer_draft_template(f->draft, text, n_bytes,
                                              f->error);
    aci_platform_free(memory, text);
    aci_platform_free(memory, path);
    return status;
}

static void set_end(const folder *f, const json_t *id)
{
    int64_t number = aci_tokenizer_json_id(id, (int64_t)f->draft->n_tokens);

    if (number < 0)
        return;
    f->draft->tokens[number].kind |= ACI_ACT_END;
    if (f->draft->eos < 0)
        f->draft->eos = (int32_t)number;
}

/* bos_token_id, eos_token_id (one or a list). */
static void read_ids(const folder *f, const json_t *config)
{
    const json_t *bos = json_object_get(config, "bos_token_id");
    const json_t *eos = json_object_get(config, "eos_token_id");
    int64_t number = aci_tokenizer_json_id(bos,
                                           (int64_t)f->draft->n_tokens);
    size_t i;

    if (number >= 0 && f->draft->bos < 0)
        f->draft->bos = (int32_t)number;
    set_end(f, eos);
    for (i = 0; i < json_array_size(eos); i++)
        set_end(f, json_array_get(eos, i));
}

static ac_status read_tokenizer_config(const folder *f, const json_t *config)
{
    const json_t *begins = json_object_get(config, "add_bos_token");
    ac_status status;

    status = read_names(f, config);
    if (json_is_true(begins))
        f->draft->flags |= ACI_ACT_ADD_BOS;
    else if (json_is_false(begins))
        f->draft->flags &= ~ACI_ACT_ADD_BOS;
    if (status == AC_OK)
        status = read_template(f, json_object_get(config, "chat_template"));
    return status;
}

ac_status aci_tokenizer_read_configs(aci_draft *draft, const char *path,
                                     ac_error *error)
{
    const folder f = { draft, path, error };
    json_t *special = NULL, *config = NULL, *added = NULL, *other = NULL;
    static const char *const models[] = { "generation_config.json",
                                          "config.json" };
    ac_status status;
    int i;

    status = load(&f, &special, "special_tokens_map.json");
    if (status == AC_OK)
        status = load(&f, &config, "tokenizer_config.json");
    if (status == AC_OK)
        status = load(&f, &added, "added_tokens.json");
    if (status == AC_OK)
        status = read_added_decoder(
            &f, json_object_get(config, "added_tokens_decoder"));
    if (status == AC_OK)
        status = read_added_list(&f, added);
    if (status == AC_OK)
        status = aci_tokenizer_draft_index(draft, 0, error);
    if (status == AC_OK)
        status = read_names(&f, special);
    if (status == AC_OK && config != NULL)
        status = read_tokenizer_config(&f, config);
    if (status == AC_OK)
        status = read_template_files(&f);
    for (i = 0; i < 2 && status == AC_OK; i++) {
        status = load(&f, &other, models[i]);
        read_ids(&f, other);
        json_decref(other);
    }
    json_decref(added);
    json_decref(config);
    json_decref(special);
    return status;
}

/* vocab.json: {"token": id}. */
static ac_status read_vocab(const folder *f, const char *path)
{
    json_t *root = NULL, *id;
    const char *key;
    ac_status status;

    status = aci_tokenizer_json_load(&root, f->draft->memory, path, f->error);
    if (status == AC_OK && !json_is_object(root))
        status = aci_platform_fail(f->error, AC_E_FORMAT,
                                   "%s was no list of tokens", path);
    if (status == AC_OK)
        json_object_foreach(root, key, id) {
            int64_t number = aci_tokenizer_json_id(id, ACI_ACT_MAX_TOKENS);

            if (number < 0)
                status = aci_platform_fail(f->error, AC_E_FORMAT,
                                           "%s: the id of \"%.40s\" was out "
                                           "of range", path, key);
            else
                status = aci_tokenizer_draft_spelled(
                    f->draft, (size_t)number, key, strlen(key), ACI_ACT_MODEL,
                    0.0f, 0, 0, f->error);
            if (status != AC_OK)
                break;
        }
    json_decref(root);
    return status;
}

/* merges.txt: "left right" a line, perhaps behind "#version: ...". */
static ac_status read_merge_lines(const folder *f, const char *path)
{
    char *text = NULL, *line, *end;
    size_t n_bytes = 0, rank = 0, length;
    ac_status status;

    status = aci_platform_read_file(&text, &n_bytes, f->draft->memory, path,
                                    MAX_TEXT_BYTES, f->error);
    if (status == AC_OK)
        status = aci_tokenizer_draft_index(f->draft, 0, f->error);
    for (line = text; status == AC_OK && line < text + n_bytes;
         line = end + 1) {
        end = memchr(line, '\n', n_bytes - (size_t)(line - text));
        if (end == NULL)
            end = text + n_bytes;
        length = (size_t)(end - line);
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length == 0 || (line == text && length > 9 &&
                            memcmp(line, "#version:", 9) == 0))
            continue;
        status = aci_tokenizer_draft_merge_line(f->draft, line, length, rank++,
                                                0, f->error);
    }
    aci_platform_free(f->draft->memory, text);
    return status;
}

/* The expression such a folder means is known from the tokenizer's class. */
static ac_status read_class(const folder *f)
{
    const char *pattern = aci_tokenizer_pattern_gpt2, *name;
    json_t *config = NULL;
    ac_status status = load(f, &config, "tokenizer_config.json");

    if (status != AC_OK)
        return status;
    name = json_string_value(json_object_get(config, "tokenizer_class"));
    if (name != NULL && strncmp(name, "Qwen2Tokenizer", 14) == 0) {
        pattern = aci_tokenizer_pattern_qwen2;
        f->draft->form = ACI_ACT_FORM_NFC;
    } else if (name != NULL && strncmp(name, "GPT2Tokenizer", 13) != 0) {
        status = aci_platform_fail(f->error, AC_E_UNSUPPORTED,
                                   "vocab.json of a \"%.40s\" without a "
                                   "tokenizer.json cannot be read", name);
    }
    if (aci_tokenizer_json_true(config, "add_prefix_space", 0))
        f->draft->prefix = ACI_ACT_PREFIX_MISSING;
    json_decref(config);
    if (status == AC_OK)
        status = aci_tokenizer_draft_split(f->draft, pattern, strlen(pattern),
                                           ACI_SPLIT_ISOLATED, 0, f->error);
    return status;
}

static ac_status read_vocabulary_files(const folder *f, char *const paths[4])
{
    ac_status status;

    if (aci_platform_is_file(paths[0]))
        return aci_tokenizer_read_json(f->draft, paths[0], f->error);
    if (aci_platform_is_file(paths[1]))
        return aci_tokenizer_read_sentencepiece(f->draft, paths[1], f->error);
    if (!aci_platform_is_file(paths[2]) || !aci_platform_is_file(paths[3]))
        return aci_platform_fail(f->error, AC_E_NOT_FOUND,
                                 "%s had no tokenizer.json, tokenizer.model, "
                                 "or vocab.json with merges.txt", f->path);
    status = read_class(f);
    if (status == AC_OK)
        status = read_vocab(f, paths[2]);
    if (status == AC_OK)
        status = read_merge_lines(f, paths[3]);
    return status;
}

ac_status aci_tokenizer_from_folder(aci_tokenizer **out, aci_memory *memory,
                                    const char *path, ac_error *error)
{
    static const char *const names[4] = { "tokenizer.json", "tokenizer.model",
                                          "vocab.json", "merges.txt" };
    char *paths[4] = { NULL, NULL, NULL, NULL };
    aci_draft draft;
    const folder f = { &draft, path, error };
    ac_status status = AC_OK;
    int i;

    *out = NULL;
    aci_tokenizer_draft_init(&draft, memory);
    for (i = 0; i < 4; i++) {
        paths[i] = aci_platform_join(memory, path, names[i]);
        if (paths[i] == NULL)
            status = aci_platform_fail_memory(error, "a path");
    }
    if (status == AC_OK)
        status = read_vocabulary_files(&f, paths);
    if (status == AC_OK)
        status = aci_tokenizer_read_configs(&draft, path, error);
    if (status == AC_OK)
        status = aci_tokenizer_draft_finish(out, &draft, error);
    for (i = 0; i < 4; i++)
        aci_platform_free(memory, paths[i]);
    aci_tokenizer_draft_free(&draft);
    return status;
}
