/* judged_text.c - see judged_text.h. */
#include "workshop/evaluate/judged_text.h"

#include <jansson.h>
#include <string.h>

#include "platform/error.h"
#include "platform/files.h"
#include "tokenizer/utf8.h"
#include "workshop/train/text_lines.h"

#define XZ_MAGIC "\xFD" "7zXZ"

/* Where an error is, and what reading goes by. */
typedef struct reader {
    aci_judged_text *out;
    const aci_tokenizer *tokenizer;
    const ac_perplexity_options *options;
    const char *path;            /* "the text" when it lies in memory */
    aci_text_lines *lines;       /* NULL: not line by line */
    ac_error *error;
} reader;

static int is_full(const reader *r)
{
    uint64_t most = r->options->max_tokens;

    return most != 0 && r->out->tokens.n >= most;
}

static ac_status mark(const reader *r, size_t from, uint8_t count)
{
    aci_judged_text *out = r->out;
    size_t n = out->tokens.n;

    if (n > out->counts_capacity) {
        size_t capacity = n + n / 2 + 256;
        uint8_t *counts = aci_platform_realloc(out->memory, out->counts,
                                               capacity);

        if (counts == NULL)
            return aci_platform_fail_memory(r->error, "a text's tokens");
        out->counts = counts;
        out->counts_capacity = capacity;
    }
    memset(out->counts + from, count, n - from);
    return AC_OK;
}

static ac_status add_text(const reader *r, const char *text, size_t n_bytes,
                          int begins, uint8_t count, int by_token)
{
    size_t from = r->out->tokens.n;
    int begin = begins && r->options->begin != AC_BEGIN_NONE;
    ac_status status;

    r->out->n_bytes += n_bytes;
    status = aci_tokenizer_encode(&r->out->tokens, r->tokenizer, text,
                                  n_bytes,
                                  r->options->special == AC_SPECIAL_PARSE,
                                  begin, r->error);
    if (status != AC_OK || !by_token)
        return status;
    return mark(r, from, count);
}

/* The model's end token, which counts where there is one. */
static ac_status push_end(const reader *r)
{
    aci_tokens *tokens = &r->out->tokens;
    int32_t end = aci_tokenizer_eos(r->tokenizer);

    if (!r->options->end || end < 0)
        return AC_OK;
    if (tokens->n == tokens->capacity) {
        size_t capacity = tokens->n * 2 + 16;
        int32_t *ids = aci_platform_realloc(r->out->memory, tokens->ids,
                                            capacity * sizeof *ids);

        if (ids == NULL)
            return aci_platform_fail_memory(r->error, "tokens");
        tokens->ids = ids;
        tokens->capacity = capacity;
    }
    tokens->ids[tokens->n++] = end;
    return r->out->counts != NULL ? mark(r, tokens->n - 1, 1) : AC_OK;
}

static ac_status end_document(const reader *r)
{
    aci_judged_text *out = r->out;
    uint64_t most = r->options->max_tokens;
    ac_status status = push_end(r);

    if (status != AC_OK)
        return status;
    if (out->n_documents == out->documents_capacity) {
        size_t capacity = out->documents_capacity * 2 + 64;
        size_t *ends = aci_platform_realloc(out->memory, out->ends,
                                            capacity * sizeof *ends);

        if (ends == NULL)
            return aci_platform_fail_memory(r->error, "documents");
        out->ends = ends;
        out->documents_capacity = capacity;
    }
    if (most != 0 && out->tokens.n > most)
        out->tokens.n = (size_t)most;
    out->ends[out->n_documents++] = out->tokens.n;
    return AC_OK;
}

/* ---- plain text ---------------------------------------------------------- */

static ac_status add_plain(const reader *r, const char *text, size_t n)
{
    size_t valid = n > 0 ? aci_utf8_valid(text, n) : 0;
    ac_status status;

    if (valid < n)
        return aci_platform_fail(
            r->error, AC_E_FORMAT,
            "%s: byte %zu (0x%02X) is not UTF-8; convert the text first, as "
            "with iconv -t UTF-8", r->path, valid, (uint8_t)text[valid]);
    status = add_text(r, text, n, 1, 1, 0);
    return status == AC_OK ? end_document(r) : status;
}

/* Unpacked into one piece. */
static ac_status add_unpacked(const reader *r)
{
    aci_memory *memory = r->out->memory;
    char *text = NULL, *larger;
    size_t n = 0, capacity = 0, n_more;
    const char *more;
    ac_status status;

    for (;;) {
        status = aci_workshop_lines_bytes(&more, &n_more, r->lines, r->error);
        if (status != AC_OK || n_more == 0)
            break;
        if (n + n_more > capacity) {
            capacity = (n + n_more) * 2;
            larger = aci_platform_realloc(memory, text, capacity);
            if (larger == NULL) {
                status = aci_platform_fail_memory(r->error, "the text");
                break;
            }
            text = larger;
        }
        memcpy(text + n, more, n_more);
        n += n_more;
    }
    if (status == AC_OK)
        status = add_plain(r, text, n);
    aci_platform_free(memory, text);
    return status;
}

/* ---- JSON lines ---------------------------------------------------------- */

static ac_status refuse(const reader *r, const char *why)
{
    return aci_platform_fail(
        r->error, AC_E_FORMAT, "%s: line %llu: %s", r->path,
        (unsigned long long)aci_workshop_lines_number(r->lines), why);
}

static ac_status add_member(const reader *r, const json_t *text, int begins,
                            uint8_t count)
{
    return add_text(r, json_string_value(text), json_string_length(text),
                    begins, count, 1);
}

static ac_status add_line(const reader *r, const json_t *line)
{
    const json_t *text = json_object_get(line, "text");
    const json_t *prompt = json_object_get(line, "prompt");
    const json_t *completion = json_object_get(line, "completion");
    ac_status status;

    if (json_is_string(text)) {
        status = add_member(r, text, 1, 1);
    } else if (json_is_string(prompt) && json_is_string(completion)) {
        status = add_member(r, prompt, 1, 0);
        if (status == AC_OK)
            status = add_member(r, completion, 0, 1);
    } else {
        return refuse(r, "there is neither a string \"text\" nor \"prompt\" "
                         "and \"completion\"");
    }
    return status == AC_OK ? end_document(r) : status;
}

static ac_status add_lines(const reader *r)
{
    while (!is_full(r)) {
        json_t *json;
        ac_status status = aci_workshop_lines_json(
            &json, r->lines, r->path, JSON_ALLOW_NUL, r->error);

        if (status != AC_OK || json == NULL)
            return status;
        status = add_line(r, json);
        json_decref(json);
        if (status != AC_OK)
            return status;
    }
    return AC_OK;
}

/* ---- the file ------------------------------------------------------------ */

static ac_status read_path(reader *r)
{
    aci_mapping file;
    int packed, lines = aci_workshop_lines_are_json(r->path);
    ac_status status = aci_platform_map(&file, r->path, r->error);

    if (status != AC_OK)
        return status;
    aci_platform_sha256_of(r->out->sha256, file.data, file.size);
    packed = file.size >= 6 && memcmp(file.data, XZ_MAGIC, 6) == 0;
    if (!packed && !lines) {
        status = add_plain(r, (const char *)file.data, file.size);
    } else {
        status = aci_workshop_lines_open(&r->lines, r->out->memory, r->path,
                                         r->error);
        if (status == AC_OK)
            status = lines ? add_lines(r) : add_unpacked(r);
        aci_workshop_lines_close(r->lines);
    }
    aci_platform_unmap(&file);
    return status;
}

ac_status aci_workshop_judged_text_read(aci_judged_text *out,
                                        aci_memory *memory,
                                        const aci_tokenizer *tokenizer,
                                        const char *path,
                                        const ac_perplexity_options *options,
                                        ac_error *error)
{
    reader r = { out, tokenizer, options, path ? path : "the text", NULL,
                 error };

    memset(out, 0, sizeof *out);
    out->memory = memory;
    if (path != NULL)
        return read_path(&r);
    aci_platform_sha256_of(out->sha256, options->text,
                           (size_t)options->text_bytes);
    return add_plain(&r, options->text, (size_t)options->text_bytes);
}

void aci_workshop_judged_text_free(aci_judged_text *text)
{
    if (text->memory == NULL)
        return;
    aci_tokenizer_tokens_free(text->memory, &text->tokens);
    aci_platform_free(text->memory, text->counts);
    aci_platform_free(text->memory, text->ends);
    memset(text, 0, sizeof *text);
}
