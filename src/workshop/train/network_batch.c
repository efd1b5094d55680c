/* network_batch.c - a batch is checked and moved to the device; the angles of
 * rotary positions. */
#include <math.h>

#include "platform/error.h"
#include "workshop/train/network_internal.h"

ac_status aci_workshop_network_angles(aci_network *network, ac_error *error)
{
    aci_training *training = network->training;
    int32_t half = network->shape.head_dim / 2, i, j;
    size_t bytes = (size_t)half * sizeof(aci_real);
    float *frequency = aci_platform_alloc_array(network->memory, (size_t)half,
                                                sizeof *frequency);
    aci_real *row = aci_platform_alloc(network->memory, 2 * bytes);
    float magnitude;
    ac_status status = AC_OK;

    if (frequency == NULL || row == NULL) {
        status = aci_platform_fail_memory(error, "rotary positions");
        goto out;
    }
    aci_model_rope_frequencies(frequency, &magnitude, &network->shape,
                               network->n_positions);
    for (i = 0; i < network->n_positions && status == AC_OK; i++) {
        for (j = 0; j < half; j++) {
            float angle = (float)i * frequency[j];

            row[j] = (aci_real)(cosf(angle) * magnitude);
            row[half + j] = (aci_real)(sinf(angle) * magnitude);
        }
        status = training->operations->upload(
            training, network->cosine + (int64_t)i * half, row, bytes, error);
        if (status == AC_OK)
            status = training->operations->upload(
                training, network->sine + (int64_t)i * half, row + half,
                bytes, error);
    }
out:
    aci_platform_free(network->memory, row);
    aci_platform_free(network->memory, frequency);
    return status;
}

static ac_status check_numbers(const aci_network *network,
                               const aci_batch *batch, ac_error *error)
{
    int32_t n_vocab = network->shape.n_vocab, i;

    for (i = 0; i < batch->n_tokens; i++) {
        if (batch->tokens[i] < 0 || batch->tokens[i] >= n_vocab)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "token %d was not in the vocabulary",
                                     (int)batch->tokens[i]);
        if (batch->targets != NULL &&
            (batch->targets[i] < -1 || batch->targets[i] >= n_vocab))
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "target %d was not in the vocabulary",
                                     (int)batch->targets[i]);
    }
    return AC_OK;
}

static ac_status check_documents(aci_network *network, const aci_batch *batch,
                                 ac_error *error)
{
    int32_t i;

    network->longest = 0;
    for (i = 0; i < batch->n_documents; i++) {
        int32_t n = batch->starts[i + 1] - batch->starts[i];

        if (batch->starts[i] < 0 || n < 0 ||
            batch->starts[i + 1] > batch->n_tokens)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "document %d had no sound bounds",
                                     (int)i);
        if (n > network->n_positions)
            return aci_platform_fail(
                error, AC_E_CONTEXT_FULL,
                "a document of %d tokens was longer than the context, %d",
                (int)n, (int)network->n_positions);
        network->longest = n > network->longest ? n : network->longest;
    }
    if (batch->n_documents < 1 || batch->starts[0] != 0 ||
        batch->starts[batch->n_documents] != batch->n_tokens)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "documents did not fill the batch");
    return AC_OK;
}

static ac_status upload(aci_network *network, int32_t *to,
                        const int32_t *from, int64_t n, ac_error *error)
{
    aci_training *training = network->training;

    return training->operations->upload(training, to, from,
                                        (size_t)n * sizeof *to, error);
}

static ac_status upload_positions(aci_network *network,
                                  const aci_batch *batch, ac_error *error)
{
    int32_t document, i;

    for (document = 0; document < batch->n_documents; document++)
        for (i = batch->starts[document]; i < batch->starts[document + 1];
             i++)
            network->host_integers[i] = i - batch->starts[document];
    return upload(network, network->positions, network->host_integers,
                  batch->n_tokens, error);
}

/* Rows that have a target, and the targets of those rows. */
static ac_status upload_targets(aci_network *network, const aci_batch *batch,
                                ac_error *error)
{
    int32_t *rows = network->host_integers;
    int32_t *targets = rows + network->options.max_tokens;
    int64_t n = 0;
    int32_t i;
    ac_status status;

    for (i = 0; i < batch->n_tokens; i++) {
        if (batch->targets == NULL || batch->targets[i] < 0)
            continue;
        rows[n] = i;
        targets[n++] = batch->targets[i];
    }
    network->n_targets = n;
    status = upload(network, network->target_rows, rows, n, error);
    if (status == AC_OK)
        status = upload(network, network->targets, targets, n, error);
    return status;
}

ac_status aci_workshop_network_take(aci_network *network,
                                    const aci_batch *batch, ac_error *error)
{
    ac_status status;

    if (batch->n_tokens < 1 || batch->n_tokens > network->options.max_tokens)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a batch had %d tokens, not 1 to %d",
                                 (int)batch->n_tokens,
                                 (int)network->options.max_tokens);
    if (batch->n_documents > batch->n_tokens)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a batch had %d documents in %d tokens",
                                 (int)batch->n_documents,
                                 (int)batch->n_tokens);
    status = check_documents(network, batch, error);
    if (status == AC_OK)
        status = check_numbers(network, batch, error);
    if (status != AC_OK)
        return status;
    network->n_tokens = batch->n_tokens;
    network->n_documents = batch->n_documents;
    status = upload(network, network->tokens, batch->tokens, batch->n_tokens,
                    error);
    if (status == AC_OK)
        status = upload(network, network->starts, batch->starts,
                        batch->n_documents + 1, error);
    if (status == AC_OK)
        status = upload_positions(network, batch, error);
    if (status == AC_OK)
        status = upload_targets(network, batch, error);
    return status;
}
