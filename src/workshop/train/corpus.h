/* corpus.h - what a model learns from: documents as tokens, in memory, and the
 * order in which they come.
 *
 *     tokens   ... d0 d1 d2 d3 d4 ... d9 | next document ...
 *     piece    rows d0 .. d3, targets d1 .. d4        (context of 4)
 *     piece    rows d4 .. d7, targets d5 .. d8
 *
 * A document is cut into pieces of at most the context; every token but the
 * first is the target of exactly one row. Batches are pieces laid end to end.
 * Which pieces form batch s follows from the seed and s alone: each source is
 * passed over in an order permuted anew for every pass, and sources take turns
 * so that their rows stay in proportion to size times weight. */
#ifndef ACI_WORKSHOP_CORPUS_H
#define ACI_WORKSHOP_CORPUS_H

#include <stdbool.h>

#include "platform/memory.h"
#include "tokenizer/tokenizer.h"
#include "workshop/train/network.h"

enum { ACI_CORPUS_MAX_SOURCES = 32 };

typedef struct aci_corpus_piece {
    uint64_t first;        /* token of the first row */
    int32_t n_rows;
    int32_t first_target;  /* rows before it have none */
} aci_corpus_piece;

typedef struct aci_corpus_source {
    size_t first_piece, n_pieces;
    uint64_t n_rows, n_targets, n_documents;
    double weight;         /* times its size; 1: every piece once a pass */
} aci_corpus_source;

typedef struct aci_corpus {
    aci_memory *memory;
    int32_t n_context;
    int32_t wide;          /* ids need 32 bits */
    void *tokens;          /* uint16_t or int32_t [n_tokens] */
    size_t n_tokens, tokens_capacity;
    aci_corpus_piece *pieces; /* [n_pieces] */
    size_t n_pieces, pieces_capacity;
    aci_corpus_source sources[ACI_CORPUS_MAX_SOURCES];
    size_t n_sources;
    uint64_t n_shortened;  /* documents that lost tokens to the context */
} aci_corpus;

/* How far a run is in its data: saved, so that a resumed run need not count
 * again; always what drawing from the start would give. */
typedef struct aci_corpus_cursor {
    uint64_t n_drawn[ACI_CORPUS_MAX_SOURCES];  /* pieces */
    uint64_t n_rows[ACI_CORPUS_MAX_SOURCES];
} aci_corpus_cursor;

/* Buffers of one batch; `batch` points into them. */
typedef struct aci_corpus_batch {
    aci_memory *memory;
    int32_t *tokens, *targets, *starts;
    int32_t capacity;
    int64_t n_targets;
    aci_batch batch;
} aci_corpus_batch;

/* An empty corpus for ids below n_vocab. */
void aci_workshop_corpus_init(aci_corpus *corpus, aci_memory *memory,
                              int32_t n_context, int32_t n_vocab);
void aci_workshop_corpus_free(aci_corpus *corpus);

/* The documents added from here on belong to a new source. */
ac_status aci_workshop_corpus_source_begin(aci_corpus *corpus, double weight,
                                           ac_error *error);

/* One document; no loss on what the first `n_given` tokens are, so that of a
 * prompt and its completion only the latter is learned. When a prompt is too
 * long for the context with its completion, its beginning is dropped. */
ac_status aci_workshop_corpus_add(aci_corpus *corpus, const int32_t *tokens,
                                  size_t n_tokens, size_t n_given,
                                  ac_error *error);

int32_t aci_workshop_corpus_token(const aci_corpus *corpus, uint64_t i);

/* Rows of one pass, sources counted by their weight. */
double aci_workshop_corpus_rows(const aci_corpus *corpus);

/* Over everything that decides what is learned. */
uint64_t aci_workshop_corpus_checksum(const aci_corpus *corpus);

/* `batch_tokens` at least the context. */
ac_status aci_workshop_corpus_batch_create(aci_corpus_batch *out,
                                           aci_memory *memory,
                                           int32_t batch_tokens,
                                           ac_error *error);
void aci_workshop_corpus_batch_free(aci_corpus_batch *batch);

/* Fills the batch with the pieces that come next. The corpus is not empty. */
void aci_workshop_corpus_draw(aci_corpus_batch *out, aci_corpus_cursor *cursor,
                              const aci_corpus *corpus, uint64_t seed);

/* Pieces from number *next, in one order for ever, for held-out data; false
 * when there are no more. */
bool aci_workshop_corpus_walk(aci_corpus_batch *out, size_t *next,
                              const aci_corpus *corpus);

/* The i-th of [0, n) in the permuted order of that key. */
uint64_t aci_workshop_corpus_permute(uint64_t i, uint64_t n, uint64_t key);

/* ---- corpus_read.c ------------------------------------------------------- */

enum aci_documents {
    ACI_DOCUMENTS_BLANK = 0,   /* text: two blank lines end one */
    ACI_DOCUMENTS_FILE = 1,    /* text: the file is one */
    ACI_DOCUMENTS_LINE = 2     /* text: every line is one */
};

typedef struct aci_corpus_reading {
    const aci_tokenizer *tokenizer;
    aci_corpus *train;
    aci_corpus *held_out;      /* gets `held_out_share` of the documents */
    double held_out_share;     /* by the hash of their text */
    int32_t documents;         /* aci_documents */
} aci_corpus_reading;

/* Adds a file as one source: JSON lines ({"text"} or {"prompt", "completion"})
 * when its name ends in .jsonl or .json, else text; .xz of both. */
ac_status aci_workshop_corpus_read(const aci_corpus_reading *reading,
                                   const char *path, double weight,
                                   ac_error *error);

#endif
