/* tokenizer_text.c - see tokenizer_text.h. */
#include "workshop/train/tokenizer_text.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/text_lines.h"

enum { PART_BYTES = 1 << 16, PARTS_PER_THREAD = 16 };

typedef struct part {
    size_t at, n_bytes;
} part;

/* What one thread counts. */
typedef struct tally {
    aci_words words;
    ac_status status;
    ac_error error;
} tally;

struct aci_text_counter {
    aci_memory *memory;
    aci_pool *pool;
    aci_scanner scanner;
    aci_specials specials;
    aci_text_progress on_progress;
    void *context;
    tally *tallies;                  /* [n_threads] */
    int32_t n_threads;
    char *block;
    size_t n, capacity;              /* of the block */
    part *parts;
    size_t n_parts, parts_capacity;
    size_t ready;                    /* bytes of the block already in parts */
    uint64_t n_bytes;                /* of text, all in all */
};

void aci_workshop_text_counter_free(aci_text_counter *counter)
{
    int32_t i;

    if (counter == NULL)
        return;
    for (i = 0; counter->tallies != NULL && i < counter->n_threads; i++)
        aci_workshop_words_free(&counter->tallies[i].words);
    aci_platform_free(counter->memory, counter->tallies);
    aci_platform_free(counter->memory, counter->block);
    aci_platform_free(counter->memory, counter->parts);
    aci_platform_free(counter->memory, counter);
}

ac_status aci_workshop_text_counter_create(aci_text_counter **out,
                                           aci_memory *memory, aci_pool *pool,
                                           aci_scanner scanner,
                                           const aci_specials *specials,
                                           aci_text_progress on_progress,
                                           void *context, ac_error *error)
{
    aci_text_counter *counter = aci_platform_alloc_zeroed(memory, 1,
                                                          sizeof *counter);
    int32_t n = aci_platform_pool_threads(pool), i;

    *out = NULL;
    if (counter == NULL)
        return aci_platform_fail_memory(error, "counting words");
    counter->memory = memory;
    counter->pool = pool;
    counter->scanner = scanner;
    counter->specials = *specials;
    counter->on_progress = on_progress;
    counter->context = context;
    counter->n_threads = n;
    counter->capacity = (size_t)n * PARTS_PER_THREAD * PART_BYTES;
    counter->block = aci_platform_alloc(memory, counter->capacity);
    counter->tallies = aci_platform_alloc_zeroed(memory, (size_t)n,
                                                 sizeof *counter->tallies);
    if (counter->block == NULL || counter->tallies == NULL) {
        aci_workshop_text_counter_free(counter);
        return aci_platform_fail_memory(error, "counting words");
    }
    for (i = 0; i < n; i++)
        aci_workshop_words_init(&counter->tallies[i].words, memory);
    *out = counter;
    return AC_OK;
}

/* ---- Cutting into parts -------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* No piece of the patterns of Llama 3 and Qwen 2 reaches from before text[i]
 * behind it, and neither side's pieces change when they are apart. */
static bool is_safe_cut(const char *text, size_t i)
{
    char before = text[i - 1], here = text[i];

    return (before == '\n' && here > ' ' && here < 0x7F) ||
           (here == ' ' && is_letter(before));
}

/* Where to end a part of the text in [first, last): at the last good place,
 * or, when there is none, between two characters. */
static size_t cut_before(const char *text, size_t first, size_t last)
{
    size_t i;

    for (i = last - 1; i > first; i--)
        if (is_safe_cut(text, i))
            return i;
    for (i = last - 1; i > first && last - i < 4; i--)
        if ((text[i] & 0xC0) != 0x80)
            return i;
    return last;
}

static ac_status add_part(aci_text_counter *counter, size_t end,
                          ac_error *error)
{
    size_t n = counter->parts_capacity * 2 + 64;
    part *parts;

    if (counter->n_parts == counter->parts_capacity) {
        parts = aci_platform_realloc(counter->memory, counter->parts,
                                     n * sizeof *parts);
        if (parts == NULL)
            return aci_platform_fail_memory(error, "counting words");
        counter->parts = parts;
        counter->parts_capacity = n;
    }
    counter->parts[counter->n_parts++] = (part){ counter->ready,
                                                 end - counter->ready };
    counter->ready = end;
    return AC_OK;
}

/* Cuts what is in the block: all of it when the text `ended`, else all but
 * the last piece, which may go on. */
static ac_status cut_parts(aci_text_counter *counter, bool ended,
                           ac_error *error)
{
    ac_status status = AC_OK;

    while (counter->n - counter->ready > PART_BYTES && status == AC_OK)
        status = add_part(counter,
                          cut_before(counter->block, counter->ready,
                                     counter->ready + PART_BYTES), error);
    if (status == AC_OK && ended && counter->n > counter->ready)
        status = add_part(counter, counter->n, error);
    return status;
}

static void count_parts(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    aci_text_counter *counter = argument;
    tally *own = &counter->tallies[thread];

    for (; first < last && own->status == AC_OK; first++)
        own->status = aci_workshop_words_count(
            &own->words, counter->scanner, &counter->specials,
            counter->block + counter->parts[first].at,
            counter->parts[first].n_bytes, &own->error);
}

/* Counts the parts and moves what is left of the block to its start. */
static ac_status count_block(aci_text_counter *counter, ac_error *error)
{
    ac_status status = AC_OK;
    int32_t i;

    for (i = 0; i < counter->n_threads; i++) {
        ac_error none = AC_ERROR_INIT;

        counter->tallies[i].error = none;
        counter->tallies[i].status = AC_OK;
    }
    aci_platform_pool_run(counter->pool, count_parts, counter,
                          (int64_t)counter->n_parts, 1);
    for (i = 0; i < counter->n_threads && status == AC_OK; i++)
        if (counter->tallies[i].status != AC_OK)
            status = aci_platform_fail(error, counter->tallies[i].status,
                                       "%s", counter->tallies[i].error.message);
    counter->n_bytes += counter->ready;
    counter->n -= counter->ready;
    memmove(counter->block, counter->block + counter->ready, counter->n);
    counter->ready = 0;
    counter->n_parts = 0;
    if (status == AC_OK)
        status = counter->on_progress(counter->context, counter->n_bytes,
                                      error);
    return status;
}

/* Text that goes on what was appended before, unless that was ended. */
static ac_status append(aci_text_counter *counter, const char *text, size_t n,
                        ac_error *error)
{
    ac_status status = AC_OK;

    while (n > 0 && status == AC_OK) {
        size_t taken = counter->capacity - counter->n;

        taken = taken < n ? taken : n;
        memcpy(counter->block + counter->n, text, taken);
        counter->n += taken;
        text += taken;
        n -= taken;
        if (counter->n < counter->capacity)
            break;
        status = cut_parts(counter, false, error);
        if (status == AC_OK)
            status = count_block(counter, error);
    }
    return status;
}

static ac_status end_text(aci_text_counter *counter, ac_error *error)
{
    return cut_parts(counter, true, error);
}

/* ---- Reading files ------------------------------------------------------- */

static ac_status read_plain(aci_text_counter *counter, aci_text_lines *lines,
                            ac_error *error)
{
    const char *bytes;
    size_t n;
    ac_status status;

    for (;;) {
        status = aci_workshop_lines_bytes(&bytes, &n, lines, error);
        if (status != AC_OK)
            return status;
        if (n == 0)
            return end_text(counter, error);
        status = append(counter, bytes, n, error);
        if (status != AC_OK)
            return status;
    }
}

/* Why a line cannot be used, or NULL. Prompt and completion are texts of
 * their own: the model meets a prompt without what follows. */
static const char *take_line(ac_status *status, aci_text_counter *counter,
                             const json_t *line, ac_error *error)
{
    static const char *const keys[] = { "text", "prompt", "completion" };
    size_t i, first = json_object_get(line, "text") != NULL ? 0 : 1;
    size_t last = first == 0 ? 1 : 3;

    for (i = first; i < last && *status == AC_OK; i++) {
        const json_t *value = json_object_get(line, keys[i]);

        if (!json_is_string(value))
            return "there is neither \"text\" nor \"prompt\" with "
                   "\"completion\"";
        *status = append(counter, json_string_value(value),
                         json_string_length(value), error);
        if (*status == AC_OK)
            *status = end_text(counter, error);
    }
    return NULL;
}

static ac_status read_json_lines(aci_text_counter *counter,
                                 aci_text_lines *lines, const char *path,
                                 ac_error *error)
{
    for (;;) {
        const char *why;
        json_t *json;
        ac_status status = aci_workshop_lines_json(&json, lines, path,
                                                   JSON_ALLOW_NUL, error);

        if (status != AC_OK || json == NULL)
            return status;
        why = take_line(&status, counter, json, error);
        json_decref(json);
        if (why != NULL)
            return aci_platform_fail(
                error, AC_E_FORMAT, "%s: line %llu: %s", path,
                (unsigned long long)aci_workshop_lines_number(lines), why);
        if (status != AC_OK)
            return status;
    }
}

ac_status aci_workshop_text_counter_file(aci_text_counter *counter,
                                         const char *path, ac_error *error)
{
    aci_text_lines *lines;
    ac_status status = aci_workshop_lines_open(&lines, counter->memory, path,
                                               error);

    if (status != AC_OK)
        return status;
    if (aci_workshop_lines_are_json(path))
        status = read_json_lines(counter, lines, path, error);
    else
        status = read_plain(counter, lines, error);
    aci_workshop_lines_close(lines);
    return status;
}

ac_status aci_workshop_text_counter_words(aci_words **out,
                                          uint64_t *n_bytes,
                                          aci_text_counter *counter,
                                          ac_error *error)
{
    ac_status status = count_block(counter, error);
    int32_t i;

    *out = &counter->tallies[0].words;
    *n_bytes = counter->n_bytes;
    for (i = 1; i < counter->n_threads && status == AC_OK; i++) {
        status = aci_workshop_words_add(*out, &counter->tallies[i].words,
                                        error);
        aci_workshop_words_free(&counter->tallies[i].words);
    }
    return status;
}
