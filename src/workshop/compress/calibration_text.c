/* calibration_text.c - documents, cut as the trainer cuts them, into the
 * batches of a calibration. */
#include "workshop/compress/calibration_text.h"

#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"

ac_status aci_workshop_calibration_read(aci_corpus *out, aci_memory *memory,
                                        const aci_calibration_request *request,
                                        ac_error *error)
{
    const aci_shape *shape = aci_model_checkpoint_shape(request->checkpoint);
    int32_t n_context = shape->n_context < ACI_CALIBRATION_BATCH
                            ? shape->n_context
                            : ACI_CALIBRATION_BATCH;
    aci_corpus_reading reading = { .tokenizer = request->tokenizer,
                                   .train = out };
    ac_status status = AC_OK;

    aci_workshop_corpus_init(out, memory, n_context, shape->n_vocab);
    for (uint32_t i = 0; status == AC_OK && i < request->n_files; i++)
        status = aci_workshop_corpus_read(&reading, request->files[i], 1.0,
                                          error);
    if (status == AC_OK && out->n_pieces == 0)
        status = aci_platform_fail(error, AC_E_ARGUMENT,
                                   "the calibration text was empty");
    return status;
}

/* A model may know fewer tokens than its tokenizer. */
static ac_status check_tokens(const aci_calibration_text *text,
                              int32_t n_vocab, ac_error *error)
{
    for (size_t i = 0; i < text->n_tokens; i++)
        if (text->tokens[i] < 0 || text->tokens[i] >= n_vocab)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "the calibration text had token %d, the "
                                     "model knows %d",
                                     (int)text->tokens[i], (int)n_vocab);
    return AC_OK;
}

/* How many whole pieces fit, in the order of aci_workshop_corpus_walk. */
static size_t count_pieces(const aci_corpus *corpus, uint64_t n_tokens,
                           uint64_t *n_rows)
{
    size_t n = 0;

    *n_rows = 0;
    while (n < corpus->n_pieces) {
        uint64_t i = aci_workshop_corpus_permute(n, corpus->n_pieces, 0);
        uint64_t rows = (uint64_t)corpus->pieces[i].n_rows;

        if (*n_rows + rows > n_tokens)
            break;
        *n_rows += rows;
        n++;
    }
    return n;
}

static void fill(aci_calibration_text *text, const aci_corpus *corpus,
                 size_t n_pieces)
{
    size_t in_batch = 0;

    text->n_batches = 1;
    text->first_token[0] = text->first_start[0] = 0;
    text->starts[text->n_starts++] = 0;
    for (size_t p = 0; p < n_pieces; p++) {
        const aci_corpus_piece *piece =
            &corpus->pieces[aci_workshop_corpus_permute(p, corpus->n_pieces,
                                                        0)];
        size_t n = (size_t)piece->n_rows;

        if (in_batch + n > ACI_CALIBRATION_BATCH) {
            text->first_token[text->n_batches] = text->n_tokens;
            text->first_start[text->n_batches++] = text->n_starts;
            text->starts[text->n_starts++] = 0;
            in_batch = 0;
        }
        for (size_t i = 0; i < n; i++)
            text->tokens[text->n_tokens++] =
                aci_workshop_corpus_token(corpus, piece->first + i);
        in_batch += n;
        text->starts[text->n_starts++] = (int32_t)in_batch;
    }
    text->first_token[text->n_batches] = text->n_tokens;
    text->first_start[text->n_batches] = text->n_starts;
}

static uint64_t checksum_of(const aci_calibration_text *text)
{
    aci_checksum sum;

    aci_platform_checksum_begin(&sum, 0);
    aci_platform_checksum_add(&sum, text->tokens,
                              text->n_tokens * sizeof *text->tokens);
    aci_platform_checksum_add(&sum, text->starts,
                              text->n_starts * sizeof *text->starts);
    return aci_platform_checksum_end(&sum);
}

ac_status aci_workshop_calibration_choose(aci_calibration_text *out,
                                          aci_memory *memory,
                                          const aci_corpus *corpus,
                                          uint64_t n_tokens, int32_t n_vocab,
                                          ac_error *error)
{
    uint64_t n_rows;
    size_t n = count_pieces(corpus, n_tokens, &n_rows);

    memset(out, 0, sizeof *out);
    out->memory = memory;
    if (n == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%llu calibration tokens held no piece of "
                                 "the text",
                                 (unsigned long long)n_tokens);
    out->tokens = aci_platform_alloc_array(memory, (size_t)n_rows,
                                           sizeof *out->tokens);
    out->starts = aci_platform_alloc_array(memory, 2 * n + 1,
                                           sizeof *out->starts);
    out->first_token = aci_platform_alloc_array(memory, n + 1,
                                                sizeof *out->first_token);
    out->first_start = aci_platform_alloc_array(memory, n + 1,
                                                sizeof *out->first_start);
    if (out->tokens == NULL || out->starts == NULL ||
        out->first_token == NULL || out->first_start == NULL) {
        aci_workshop_calibration_text_free(out);
        return aci_platform_fail_memory(error, "the calibration text");
    }
    fill(out, corpus, n);
    out->checksum = checksum_of(out);
    return check_tokens(out, n_vocab, error);
}

void aci_workshop_calibration_text_free(aci_calibration_text *text)
{
    if (text->memory == NULL)
        return;
    aci_platform_free(text->memory, text->tokens);
    aci_platform_free(text->memory, text->starts);
    aci_platform_free(text->memory, text->first_token);
    aci_platform_free(text->memory, text->first_start);
    memset(text, 0, sizeof *text);
}

void aci_workshop_calibration_batch(aci_batch *out,
                                    const aci_calibration_text *text, size_t i,
                                    const int32_t *zeros)
{
    size_t n_starts = text->first_start[i + 1] - text->first_start[i];

    out->tokens = zeros;
    out->targets = NULL;
    out->starts = text->starts + text->first_start[i];
    out->n_tokens = (int32_t)(text->first_token[i + 1] -
                              text->first_token[i]);
    out->n_documents = (int32_t)n_starts - 1;
}
