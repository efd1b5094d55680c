/* corpus_read.c - files to documents; see corpus.h.
 *
 * Text goes in as it is, its end marked by the model's end token; of a prompt
 * and its completion each is made into tokens on its own, as they are when the
 * model is used: the prompt comes in whole and the completion is appended. */
#include <jansson.h>
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "workshop/train/corpus.h"
#include "workshop/train/text_lines.h"

typedef struct reader {
    const aci_corpus_reading *reading;
    aci_memory *memory;
    aci_text_lines *lines;
    const char *path;
    aci_tokens tokens;      /* of the document at hand */
    char *text;             /* of the text document at hand */
    size_t n_text, capacity;
    ac_error *error;
} reader;

static ac_status refuse(const reader *r, const char *why)
{
    return aci_platform_fail(
        r->error, AC_E_FORMAT, "%s: line %llu: %s", r->path,
        (unsigned long long)aci_workshop_lines_number(r->lines), why);
}

/* In [0, 1): held out when below the share. */
static double place_of(const char *text, size_t n)
{
    return (double)(aci_platform_checksum(text, n, 0x4E1D) >> 11) * 0x1p-53;
}

static ac_status push_end(reader *r)
{
    const aci_tokenizer *tokenizer = r->reading->tokenizer;
    aci_tokens *tokens = &r->tokens;
    int32_t end = aci_tokenizer_eos(tokenizer);

    if (end < 0)
        return AC_OK;
    if (tokens->n == tokens->capacity) {
        int32_t *ids = aci_platform_realloc(
            r->memory, tokens->ids, (tokens->n * 2 + 16) * sizeof *ids);

        if (ids == NULL)
            return aci_platform_fail_memory(r->error, "tokens");
        tokens->ids = ids;
        tokens->capacity = tokens->n * 2 + 16;
    }
    tokens->ids[tokens->n++] = end;
    return AC_OK;
}

/* `given` may be NULL: the whole of `learned` is learned. */
static ac_status add_document(reader *r, const char *given, size_t n_given,
                              const char *learned, size_t n_learned)
{
    const aci_corpus_reading *reading = r->reading;
    bool is_held = reading->held_out_share > 0.0 &&
                   place_of(given != NULL ? given : learned,
                            given != NULL ? n_given : n_learned) <
                       reading->held_out_share;
    size_t n_before = 0;
    ac_status status = AC_OK;

    r->tokens.n = 0;
    if (given != NULL) {
        status = aci_tokenizer_encode(&r->tokens, reading->tokenizer, given,
                                      n_given, 0, 1, r->error);
        n_before = r->tokens.n;
    }
    if (status == AC_OK)
        status = aci_tokenizer_encode(&r->tokens, reading->tokenizer, learned,
                                      n_learned, 0, given == NULL, r->error);
    if (status == AC_OK)
        status = push_end(r);
    if (status == AC_OK)
        status = aci_workshop_corpus_add(
            is_held ? reading->held_out : reading->train, r->tokens.ids,
            r->tokens.n, n_before, r->error);
    return status;
}

/* ---- JSON lines ---------------------------------------------------------- */

static ac_status add_record(reader *r, const json_t *record)
{
    const json_t *text = json_object_get(record, "text");
    const json_t *prompt = json_object_get(record, "prompt");
    const json_t *completion = json_object_get(record, "completion");

    if (json_is_string(text))
        return add_document(r, NULL, 0, json_string_value(text),
                            json_string_length(text));
    if (json_is_string(prompt) && json_is_string(completion))
        return add_document(r, json_string_value(prompt),
                            json_string_length(prompt),
                            json_string_value(completion),
                            json_string_length(completion));
    return refuse(r, "neither \"text\" nor \"prompt\" and \"completion\" are "
                     "strings of it");
}

static ac_status read_records(reader *r)
{
    json_t *record = NULL;
    ac_status status;

    do {
        status = aci_workshop_lines_json(&record, r->lines, r->path,
                                         JSON_REJECT_DUPLICATES, r->error);
        if (status != AC_OK || record == NULL)
            return status;
        status = add_record(r, record);
        json_decref(record);
    } while (status == AC_OK);
    return status;
}

/* ---- text ---------------------------------------------------------------- */

static ac_status append_line(reader *r, const char *line, size_t n)
{
    if (n + 1 > r->capacity - r->n_text) {
        size_t larger = r->capacity * 2 + n + 4096;
        char *text = aci_platform_realloc(r->memory, r->text, larger);

        if (text == NULL)
            return aci_platform_fail_memory(r->error, "a document");
        r->text = text;
        r->capacity = larger;
    }
    if (n > 0)
        memcpy(r->text + r->n_text, line, n);
    r->text[r->n_text + n] = '\n';
    r->n_text += n + 1;
    return AC_OK;
}

/* The document at hand, without the blank lines around it. */
static ac_status end_document(reader *r)
{
    size_t n = r->n_text, first = 0;

    while (n > 0 && r->text[n - 1] == '\n')
        n--;
    while (first < n && r->text[first] == '\n')
        first++;
    r->n_text = 0;
    return n > first ? add_document(r, NULL, 0, r->text + first, n - first)
                     : AC_OK;
}

/* The mark that many corpora put between documents. */
static bool is_mark(const char *line, size_t n)
{
    static const char mark[] = "<|endoftext|>";

    return n == sizeof mark - 1 && memcmp(line, mark, n) == 0;
}

static ac_status read_text(reader *r)
{
    int32_t documents = r->reading->documents;
    int n_blank = 0;

    for (;;) {
        const char *line;
        size_t n;
        ac_status status = aci_workshop_lines_next(&line, &n, r->lines,
                                                   r->error);

        if (status != AC_OK)
            return status;
        if (line == NULL)
            return end_document(r);
        if (n > 0 && line[n - 1] == '\r')
            n--;
        n_blank = n == 0 ? n_blank + 1 : 0;
        if (!is_mark(line, n))
            status = append_line(r, line, n);
        if (status == AC_OK &&
            (documents == ACI_DOCUMENTS_LINE ||
             (documents == ACI_DOCUMENTS_BLANK &&
              (n_blank == 2 || is_mark(line, n)))))
            status = end_document(r);
        if (status != AC_OK)
            return status;
    }
}

/* ---- files --------------------------------------------------------------- */

ac_status aci_workshop_corpus_read(const aci_corpus_reading *reading,
                                   const char *path, double weight,
                                   ac_error *error)
{
    reader r = { .reading = reading, .memory = reading->train->memory,
                 .path = path, .error = error };
    ac_status status = aci_workshop_corpus_source_begin(reading->train,
                                                        weight, error);

    if (status == AC_OK && reading->held_out != NULL)
        status = aci_workshop_corpus_source_begin(reading->held_out, 1.0,
                                                  error);
    if (status == AC_OK)
        status = aci_workshop_lines_open(&r.lines, r.memory, path, error);
    if (status != AC_OK)
        return status;
    status = aci_workshop_lines_are_json(path) ? read_records(&r)
                                               : read_text(&r);
    aci_workshop_lines_close(r.lines);
    aci_tokenizer_tokens_free(r.memory, &r.tokens);
    aci_platform_free(r.memory, r.text);
    return status;
}
