/* corpus.c - see corpus.h: documents in, checksums out. corpus_order.c draws
 * batches. */
#include "workshop/train/corpus.h"

#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"

/* The largest id that fits sixteen bits, and one more. */
enum { NARROW_IDS = 65536 };

void aci_workshop_corpus_init(aci_corpus *corpus, aci_memory *memory,
                              int32_t n_context, int32_t n_vocab)
{
    memset(corpus, 0, sizeof *corpus);
    corpus->memory = memory;
    corpus->n_context = n_context;
    corpus->wide = n_vocab > NARROW_IDS;
}

void aci_workshop_corpus_free(aci_corpus *corpus)
{
    if (corpus->memory == NULL)
        return;
    aci_platform_free(corpus->memory, corpus->tokens);
    aci_platform_free(corpus->memory, corpus->pieces);
    memset(corpus, 0, sizeof *corpus);
}

ac_status aci_workshop_corpus_source_begin(aci_corpus *corpus, double weight,
                                           ac_error *error)
{
    aci_corpus_source *source = &corpus->sources[corpus->n_sources];

    if (corpus->n_sources == ACI_CORPUS_MAX_SOURCES)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "more than %d data files were given",
                                 (int)ACI_CORPUS_MAX_SOURCES);
    memset(source, 0, sizeof *source);
    source->first_piece = corpus->n_pieces;
    source->weight = weight;
    corpus->n_sources++;
    return AC_OK;
}

static size_t token_bytes(const aci_corpus *corpus)
{
    return corpus->wide ? sizeof(int32_t) : sizeof(uint16_t);
}

/* Room for `n` more of something; *capacity is in elements. */
static ac_status grow(void **block, size_t *capacity, aci_memory *memory,
                      size_t used, size_t n, size_t size, ac_error *error)
{
    size_t wanted = *capacity + *capacity / 2 + 1024;
    void *larger;

    if (n <= *capacity - used)
        return AC_OK;
    if (wanted < used + n)
        wanted = used + n;
    larger = wanted > SIZE_MAX / size
                 ? NULL
                 : aci_platform_realloc(memory, *block, wanted * size);
    if (larger == NULL)
        return aci_platform_fail_memory(error, "training data");
    *block = larger;
    *capacity = wanted;
    return AC_OK;
}

static ac_status keep_tokens(aci_corpus *corpus, const int32_t *tokens,
                             size_t n, ac_error *error)
{
    ac_status status = grow(&corpus->tokens, &corpus->tokens_capacity,
                            corpus->memory, corpus->n_tokens, n,
                            token_bytes(corpus), error);

    if (status != AC_OK)
        return status;
    for (size_t i = 0; i < n; i++) {
        if (corpus->wide)
            ((int32_t *)corpus->tokens)[corpus->n_tokens + i] = tokens[i];
        else
            ((uint16_t *)corpus->tokens)[corpus->n_tokens + i] =
                (uint16_t)tokens[i];
    }
    corpus->n_tokens += n;
    return AC_OK;
}

static ac_status keep_piece(aci_corpus *corpus, uint64_t first,
                            size_t n_rows, size_t first_target,
                            ac_error *error)
{
    aci_corpus_source *source = &corpus->sources[corpus->n_sources - 1];
    aci_corpus_piece *piece;
    void *pieces = corpus->pieces;
    ac_status status = grow(&pieces, &corpus->pieces_capacity, corpus->memory,
                            corpus->n_pieces, 1, sizeof *corpus->pieces,
                            error);

    corpus->pieces = pieces;
    if (status != AC_OK)
        return status;
    piece = &corpus->pieces[corpus->n_pieces++];
    piece->first = first;
    piece->n_rows = (int32_t)n_rows;
    piece->first_target = (int32_t)first_target;
    source->n_pieces++;
    source->n_rows += n_rows;
    source->n_targets += n_rows - first_target;
    return AC_OK;
}

ac_status aci_workshop_corpus_add(aci_corpus *corpus, const int32_t *tokens,
                                  size_t n_tokens, size_t n_given,
                                  ac_error *error)
{
    size_t context = (size_t)corpus->n_context, n_rows, at;
    uint64_t first = corpus->n_tokens;
    ac_status status;

    if (n_given > 0 && n_tokens > context + 1) {
        size_t excess = n_tokens - context - 1;

        excess = excess < n_given - 1 ? excess : n_given - 1;
        tokens += excess;
        n_tokens -= excess;
        n_given -= excess;
        corpus->n_shortened += excess > 0;
    }
    if (n_tokens < 2 || n_given >= n_tokens)
        return AC_OK; /* nothing to predict */
    status = keep_tokens(corpus, tokens, n_tokens, error);
    n_rows = n_tokens - 1;
    for (at = 0; status == AC_OK && at < n_rows; at += context) {
        size_t n = n_rows - at < context ? n_rows - at : context;
        /* Row r predicts token r + 1, which is given when r + 1 < n_given. */
        size_t target = n_given > at + 1 ? n_given - at - 1 : 0;

        if (target < n)
            status = keep_piece(corpus, first + at, n, target, error);
    }
    corpus->sources[corpus->n_sources - 1].n_documents++;
    return status;
}

int32_t aci_workshop_corpus_token(const aci_corpus *corpus, uint64_t i)
{
    return corpus->wide ? ((const int32_t *)corpus->tokens)[i]
                        : (int32_t)((const uint16_t *)corpus->tokens)[i];
}

double aci_workshop_corpus_rows(const aci_corpus *corpus)
{
    double rows = 0.0;

    for (size_t i = 0; i < corpus->n_sources; i++)
        rows += corpus->sources[i].weight * (double)corpus->sources[i].n_rows;
    return rows;
}

uint64_t aci_workshop_corpus_checksum(const aci_corpus *corpus)
{
    aci_checksum state;

    aci_platform_checksum_begin(&state, (uint64_t)corpus->n_context);
    if (corpus->n_pieces == 0)
        return aci_platform_checksum_end(&state);
    aci_platform_checksum_add(&state, corpus->tokens,
                              corpus->n_tokens * token_bytes(corpus));
    aci_platform_checksum_add(&state, corpus->pieces,
                              corpus->n_pieces * sizeof *corpus->pieces);
    aci_platform_checksum_add(&state, corpus->sources,
                              corpus->n_sources * sizeof *corpus->sources);
    return aci_platform_checksum_end(&state);
}
