/* tokenizer_train.c - text files in, a byte-level BPE tokenizer out:
 *
 *     read and count words  ->  learn merges  ->  write tokenizer.json
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/train/tokenizer_text.h"
#include "workshop/train/tokenizer_write.h"
#include "workshop/tell.h"
#include "workshop/workshop.h"

enum { LONGEST_SPECIAL = 64, MOST_SPECIALS = 256, MERGES_PER_REPORT = 16 };

typedef struct training {
    aci_memory *memory;
    const ac_tokenizer_options *options;
    const char *names[MOST_SPECIALS];
    aci_specials specials;
    const char *pattern;
    uint32_t n_vocab, n_start;       /* tokens wanted, and before merging */
    uint64_t began_nanoseconds;
} training;

static ac_status tell(const training *t, const char *stage, uint64_t done,
                      uint64_t total, ac_error *error)
{
    return aci_workshop_tell(t->options->on_progress,
                             t->options->progress_user, stage, done, total,
                             NAN, t->began_nanoseconds, error);
}

static ac_status on_bytes(void *context, uint64_t n_bytes, ac_error *error)
{
    return tell(context, "count bytes", n_bytes, 0, error);
}

static ac_status on_merge(void *context, uint32_t n_tokens, ac_error *error)
{
    const training *t = context;

    if (n_tokens % MERGES_PER_REPORT != 0 && n_tokens != t->n_vocab)
        return AC_OK;
    return tell(t, "learn merges", n_tokens - t->n_start,
                t->n_vocab - t->n_start, error);
}

/* Printable ASCII without spaces: such a name is spelled in the file as it is,
 * and is never the spelling of other bytes. */
static ac_status check_special(const training *t, const char *name,
                               ac_error *error)
{
    size_t n = name == NULL ? 0 : strlen(name), i;

    if (n < 2 || n > LONGEST_SPECIAL)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a special token had %zu bytes, not 2 to %d",
                                 n, LONGEST_SPECIAL);
    for (i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] >= 0x7F)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "a special token was not printable "
                                     "ASCII without spaces");
    for (i = 0; i < t->specials.n; i++)
        if (strcmp(t->names[i], name) == 0)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "the special token %s was there twice",
                                     name);
    return AC_OK;
}

static ac_status take_options(training *t, ac_error *error)
{
    const ac_tokenizer_options *options = t->options;
    uint32_t i;

    t->pattern = options->max_digits == 3 ? aci_tokenizer_pattern_llama3
                                          : aci_tokenizer_pattern_qwen2;
    t->names[0] = "<|endoftext|>";
    t->specials.names = t->names;
    t->specials.n = 1;
    if (options->n_special_tokens >= MOST_SPECIALS)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there were %u special tokens, %d at most "
                                 "can be", options->n_special_tokens,
                                 MOST_SPECIALS - 1);
    for (i = 0; i < options->n_special_tokens; i++) {
        const char *name = options->special_tokens[i];
        ac_status status = check_special(t, name, error);

        if (status != AC_OK)
            return status;
        t->names[t->specials.n++] = name;
    }
    t->n_start = t->specials.n + 256;
    t->n_vocab = options->n_vocab == 0 ? 4096 : options->n_vocab;
    if (t->n_vocab < t->n_start)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a vocabulary of %u cannot hold 256 bytes "
                                 "and %u special tokens", t->n_vocab,
                                 t->specials.n);
    return AC_OK;
}

static ac_status read_files(aci_text_counter *counter, const training *t,
                            ac_error *error)
{
    ac_status status = AC_OK;
    uint32_t i;

    for (i = 0; i < t->options->n_data && status == AC_OK; i++)
        status = aci_workshop_text_counter_file(counter, t->options->data[i],
                                                error);
    return status;
}

static void fill_report(ac_tokenizer_report *out, const training *t,
                        const aci_words *words, const aci_learned *learned,
                        uint64_t n_bytes)
{
    size_t i;

    out->n_vocab = (uint32_t)learned->tokens.n;
    out->n_merges = (uint32_t)learned->n_merges;
    out->n_bytes = n_bytes;
    out->n_words = 0;
    for (i = 0; i < words->n; i++)
        out->n_words += words->items[i].count;
    out->n_distinct_words = words->n;
    out->n_tokens = learned->n_corpus_tokens;
    out->seconds = (double)(aci_platform_monotonic_nanoseconds() -
                            t->began_nanoseconds) * 1e-9;
}

ac_status aci_workshop_train_tokenizer(aci_memory *memory, aci_pool *pool,
                                       ac_tokenizer_report *report,
                                       const char *path,
                                       const ac_tokenizer_options *options,
                                       ac_error *error)
{
    training t = { .memory = memory, .options = options };
    aci_text_counter *counter = NULL;
    aci_learned learned = { .memory = NULL };
    aci_words *words = NULL;
    uint64_t n_bytes = 0;
    ac_status status = take_options(&t, error);

    t.began_nanoseconds = aci_platform_monotonic_nanoseconds();
    if (status == AC_OK)
        status = aci_workshop_text_counter_create(
            &counter, memory, pool,
            aci_tokenizer_scanner_for(t.pattern, strlen(t.pattern)),
            &t.specials, on_bytes, &t, error);
    if (status == AC_OK)
        status = read_files(counter, &t, error);
    if (status == AC_OK)
        status = aci_workshop_text_counter_words(&words, &n_bytes, counter,
                                                 error);
    if (status == AC_OK && words->n == 0)
        status = aci_platform_fail(error, AC_E_ARGUMENT,
                                   "the data held no text");
    if (status == AC_OK)
        status = aci_workshop_learn_merges(
            &learned, memory, words, &t.specials, t.n_vocab,
            options->min_count == 0 ? 2 : options->min_count, on_merge, &t,
            error);
    if (status == AC_OK)
        status = aci_workshop_tokenizer_write(&learned, path, t.pattern,
                                              error);
    if (status == AC_OK)
        fill_report(report, &t, words, &learned, n_bytes);
    aci_workshop_learned_free(&learned);
    aci_workshop_text_counter_free(counter);
    return status;
}
