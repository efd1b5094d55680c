/* corpus_order.c - which pieces come when; see corpus.h.
 *
 * A pass over n pieces in permuted order needs no list: a four-round Feistel
 * network permutes the smallest even power of two at or above n, and numbers
 * that land outside [0, n) are permuted again until they land inside (cycle
 * walking; Black, Rogaway 2002). */
#include "workshop/train/corpus.h"

#include <string.h>

#include "platform/error.h"

static uint64_t mix(uint64_t x) /* SplitMix64's finaliser */
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t aci_workshop_corpus_permute(uint64_t i, uint64_t n, uint64_t key)
{
    int half = 1;

    while (half < 31 && (uint64_t)1 << (2 * half) < n)
        half++;
    do {
        uint64_t mask = ((uint64_t)1 << half) - 1;
        uint64_t left = i >> half, right = i & mask;

        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (mix(right + mix(key + round)) & mask);

            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

/* The source furthest behind its share of the rows drawn. */
static size_t next_source(const aci_corpus_cursor *cursor,
                          const aci_corpus *corpus)
{
    double least = 0.0;
    size_t chosen = corpus->n_sources;

    for (size_t i = 0; i < corpus->n_sources; i++) {
        const aci_corpus_source *source = &corpus->sources[i];
        double share = source->weight * (double)source->n_rows, behind;

        if (!(share > 0.0))
            continue;
        behind = (double)cursor->n_rows[i] / share;
        if (chosen == corpus->n_sources || behind < least) {
            chosen = i;
            least = behind;
        }
    }
    return chosen;
}

static const aci_corpus_piece *next_piece(size_t *source,
                                          const aci_corpus_cursor *cursor,
                                          const aci_corpus *corpus,
                                          uint64_t seed)
{
    const aci_corpus_source *from;
    uint64_t pass, within, key;

    *source = next_source(cursor, corpus);
    from = &corpus->sources[*source];
    pass = cursor->n_drawn[*source] / from->n_pieces;
    within = cursor->n_drawn[*source] % from->n_pieces;
    key = mix(seed + mix((uint64_t)*source + mix(pass + 0x9E3779B97F4A7C15u)));
    return &corpus->pieces[from->first_piece + aci_workshop_corpus_permute(
                               within, from->n_pieces, key)];
}

static void begin(aci_corpus_batch *out)
{
    out->n_targets = 0;
    out->batch.tokens = out->tokens;
    out->batch.targets = out->targets;
    out->batch.starts = out->starts;
    out->batch.n_tokens = out->batch.n_documents = 0;
    out->starts[0] = 0;
}

/* False when it does not fit. */
static bool append(aci_corpus_batch *out, const aci_corpus *corpus,
                   const aci_corpus_piece *piece)
{
    aci_batch *batch = &out->batch;

    if (piece->n_rows > out->capacity - batch->n_tokens)
        return false;
    for (int32_t r = 0; r < piece->n_rows; r++) {
        uint64_t at = piece->first + (uint64_t)r;
        int32_t row = batch->n_tokens + r;

        out->tokens[row] = aci_workshop_corpus_token(corpus, at);
        out->targets[row] = r < piece->first_target
                                ? -1
                                : aci_workshop_corpus_token(corpus, at + 1);
    }
    out->n_targets += piece->n_rows - piece->first_target;
    batch->n_tokens += piece->n_rows;
    out->starts[++batch->n_documents] = batch->n_tokens;
    return true;
}

void aci_workshop_corpus_draw(aci_corpus_batch *out, aci_corpus_cursor *cursor,
                              const aci_corpus *corpus, uint64_t seed)
{
    begin(out);
    for (;;) {
        size_t source;
        const aci_corpus_piece *piece = next_piece(&source, cursor, corpus,
                                                   seed);

        if (!append(out, corpus, piece))
            return; /* it begins the next batch */
        cursor->n_drawn[source]++;
        cursor->n_rows[source] += (uint64_t)piece->n_rows;
    }
}

bool aci_workshop_corpus_walk(aci_corpus_batch *out, size_t *next,
                              const aci_corpus *corpus)
{
    begin(out);
    while (*next < corpus->n_pieces) {
        uint64_t i = aci_workshop_corpus_permute(*next, corpus->n_pieces, 0);

        if (!append(out, corpus, &corpus->pieces[i]))
            break;
        ++*next;
    }
    return out->batch.n_documents > 0;
}

ac_status aci_workshop_corpus_batch_create(aci_corpus_batch *out,
                                           aci_memory *memory,
                                           int32_t batch_tokens,
                                           ac_error *error)
{
    size_t n = (size_t)batch_tokens;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    out->capacity = batch_tokens;
    out->tokens = aci_platform_alloc_array(memory, n, sizeof *out->tokens);
    out->targets = aci_platform_alloc_array(memory, n, sizeof *out->targets);
    out->starts = aci_platform_alloc_array(memory, n + 1,
                                           sizeof *out->starts);
    if (out->tokens != NULL && out->targets != NULL && out->starts != NULL)
        return AC_OK;
    aci_workshop_corpus_batch_free(out);
    return aci_platform_fail_memory(error, "a batch");
}

void aci_workshop_corpus_batch_free(aci_corpus_batch *batch)
{
    if (batch->memory == NULL)
        return;
    aci_platform_free(batch->memory, batch->tokens);
    aci_platform_free(batch->memory, batch->targets);
    aci_platform_free(batch->memory, batch->starts);
    memset(batch, 0, sizeof *batch);
}
