/* network_step.c - the whole pass: embedding, layers, head and loss, and back.
 *
 * The head works on slices of the rows that have a target: their logits turn
 * into their gradients in place before the next slice is computed, so memory
 * is bounded however many rows and tokens there are. */
#include <math.h>

#include "platform/error.h"
#include "workshop/train/network_internal.h"

/* ---- forward ------------------------------------------------------------- */

static void run_layers(aci_network *network)
{
    aci_training *training = network->training;
    const aci_real *x = network->layers[0].x, *branch = NULL;
    int32_t l;

    training->operations->gather(training, network->layers[0].x,
                                 network->embed.value, network->tokens,
                                 network->n_tokens, network->shape.n_embd);
    for (l = 0; l < network->shape.n_layer; l++) {
        aci_workshop_layer_forward(network, l, x, branch);
        x = network->layers[l].middle;
        branch = network->branch;
    }
    aci_workshop_end_forward(network, network->end, x);
}

/* ---- head ---------------------------------------------------------------- */

static void slice_logits(aci_network *network, int64_t at, int64_t n)
{
    aci_training *training = network->training;
    int32_t width = network->shape.n_embd, n_vocab = network->shape.n_vocab;
    aci_multiply product = { .c = network->logits, .a = network->rows,
                             .b = network->head.value, .m = n, .n = n_vocab,
                             .k = width, .c_stride = n_vocab,
                             .a_stride = width, .b_stride = width,
                             .b_transposed = 1 };

    training->operations->gather(training, network->rows, network->end_normal,
                                 network->target_rows + at, n, width);
    training->operations->multiply(training, &product);
}

/* From the slice's gradient by logits on. */
static void slice_backward(aci_network *network, int64_t at, int64_t n)
{
    aci_training *training = network->training;
    int32_t width = network->shape.n_embd, n_vocab = network->shape.n_vocab;
    aci_multiply back = { .c = network->d_rows, .a = network->logits,
                          .b = network->head.value, .m = n, .n = width,
                          .k = n_vocab, .c_stride = width,
                          .a_stride = n_vocab, .b_stride = width };
    aci_multiply learn = { .c = network->head.gradient, .a = network->logits,
                           .b = network->rows, .m = n_vocab, .n = width,
                           .k = n, .c_stride = width, .a_stride = n_vocab,
                           .b_stride = width, .a_transposed = 1,
                           .accumulate = 1 };

    training->operations->multiply(training, &back);
    if (network->head.gradient != NULL)
        training->operations->multiply(training, &learn);
    training->operations->scatter_add(training, network->d_normal,
                                      network->d_rows,
                                      network->target_rows + at, n, width);
}

static ac_status slice_loss(aci_network *network,
                            const aci_objective *objective, int64_t at,
                            int64_t n, float weight, ac_error *error)
{
    aci_training *training = network->training;
    int32_t n_vocab = network->shape.n_vocab;
    size_t bytes = (size_t)n * (size_t)n_vocab * sizeof(aci_real);
    aci_training_loss loss = { .x = network->logits,
                               .losses = network->losses + at,
                               .targets = network->targets + at,
                               .reference = network->teacher,
                               .n_rows = n, .width = n_vocab,
                               .with_gradient = weight != 0.0f,
                               .weight = (aci_real)weight,
                               .temperature =
                                   (aci_real)objective->temperature };
    ac_status status = AC_OK;

    if (objective->loss == ACI_LOSS_CROSS_ENTROPY) {
        training->operations->cross_entropy(training, &loss);
        return AC_OK;
    }
    if (objective->teacher != NULL) {
        slice_logits(objective->teacher, at, n);
        loss.reference = objective->teacher->logits;
    } else {
        status = training->operations->upload(
            training, network->teacher,
            objective->teacher_logits + at * n_vocab, bytes, error);
    }
    if (status == AC_OK)
        training->operations->divergence(training, &loss);
    return status;
}

/* Losses of all rows; with a weight, d_normal becomes their derivative by
 * end_normal. */
static ac_status run_head(aci_network *network,
                          const aci_objective *objective, float weight,
                          ac_error *error)
{
    aci_training *training = network->training;
    int64_t at, n;
    ac_status status = AC_OK;

    if (weight != 0.0f)
        training->operations->zero(training, network->d_normal,
                                   (size_t)network->n_tokens *
                                       (size_t)network->shape.n_embd *
                                       sizeof(aci_real));
    for (at = 0; at < network->n_targets && status == AC_OK; at += n) {
        n = network->n_targets - at;
        n = n < network->slice ? n : network->slice;
        slice_logits(network, at, n);
        status = slice_loss(network, objective, at, n, weight, error);
        if (status == AC_OK && weight != 0.0f)
            slice_backward(network, at, n);
    }
    return status;
}

/* ---- loss ---------------------------------------------------------------- */

static int is_finite(aci_network *network, const aci_real *x)
{
    aci_training *training = network->training;

    return isfinite(training->operations->sum_squares(
        training, x, (int64_t)network->n_tokens * network->shape.n_embd));
}

/* Where values stopped being finite: the kept inputs of layers tell. */
static ac_status blame(aci_network *network, ac_error *error)
{
    int32_t n = network->shape.n_layer, l;

    if (!is_finite(network, network->layers[0].x))
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "the embedding gave numbers that were not "
                                 "finite");
    for (l = 0; l < n; l++) {
        const aci_real *out = l + 1 < n ? network->layers[l + 1].x
                                        : network->end;

        if (!is_finite(network, out))
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "layer %d gave numbers that were not "
                                     "finite", (int)l);
    }
    return aci_platform_fail(error, AC_E_NUMERIC,
                             "the head gave numbers that were not finite");
}

static ac_status sum_losses(aci_network *network, double *loss, int64_t n,
                            ac_error *error)
{
    aci_training *training = network->training;
    ac_status status = training->operations->download(
        training, network->host_losses, network->losses,
        (size_t)n * sizeof(aci_real), error);
    int64_t i;

    *loss = 0.0;
    for (i = 0; i < n; i++)
        *loss += (double)network->host_losses[i];
    return status;
}

/* ---- the step ------------------------------------------------------------ */

static void run_back(aci_network *network)
{
    aci_training *training = network->training;
    int32_t l;

    training->operations->zero(training, network->d_x,
                               (size_t)network->n_tokens *
                                   (size_t)network->shape.n_embd *
                                   sizeof(aci_real));
    aci_workshop_end_backward(network);
    for (l = network->shape.n_layer - 1; l >= network->lowest; l--)
        aci_workshop_layer_backward(network, l);
    if (network->embed.gradient != NULL)
        training->operations->scatter_add(
            training, network->embed.gradient, network->d_x, network->tokens,
            network->n_tokens, network->shape.n_embd);
}

/* One layer alone, on inputs that the caller brings; d_x holds its output and
 * then the loss's derivative. */
static ac_status run_block(aci_network *network, const aci_batch *batch,
                           const aci_objective *objective, float weight,
                           ac_error *error)
{
    aci_training *training = network->training;
    int32_t l = network->options.block, width = network->shape.n_embd;
    size_t bytes = (size_t)network->n_tokens * (size_t)width *
                   sizeof(aci_real);
    aci_training_loss loss = { .x = network->d_x, .losses = network->losses,
                               .reference = network->d_normal,
                               .n_rows = network->n_tokens, .width = width,
                               .with_gradient = weight != 0.0f,
                               .weight = (aci_real)weight };
    ac_status status = training->operations->upload(
        training, network->layers[l].x, objective->block_input, bytes, error);

    if (status == AC_OK)
        status = training->operations->upload(training, network->d_normal,
                                              objective->block_target, bytes,
                                              error);
    if (status == AC_OK && batch->targets != NULL) {
        loss.targets = network->targets;
        status = training->operations->upload(
            training, network->targets, batch->targets,
            (size_t)network->n_tokens * sizeof(int32_t), error);
    }
    if (status != AC_OK)
        return status;
    aci_workshop_layer_forward(network, l, network->layers[l].x, NULL);
    aci_workshop_end_forward(network, network->d_x,
                             network->layers[l].middle);
    training->operations->squared_error(training, &loss);
    if (weight != 0.0f)
        aci_workshop_layer_backward(network, l);
    return AC_OK;
}

static ac_status step_block(aci_network *network, double *loss,
                            int64_t *n_targets, const aci_batch *batch,
                            const aci_objective *objective, float weight,
                            ac_error *error)
{
    ac_status status;

    if (objective->block_input == NULL || objective->block_target == NULL ||
        (weight != 0.0f && network->options.trainable != ACI_TRAIN_BLOCK &&
         network->options.trainable != ACI_TRAIN_CHOSEN))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a block's loss needs a block, its inputs "
                                 "and its outputs");
    status = run_block(network, batch, objective, weight, error);
    if (status == AC_OK)
        status = sum_losses(network, loss, network->n_tokens, error);
    *n_targets = batch->targets != NULL ? network->n_targets
                                        : network->n_tokens;
    if (status == AC_OK && !isfinite(*loss))
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "layer %d gave numbers that were not finite",
                                 (int)network->options.block);
    return status;
}

static ac_status make_teacher(aci_network *network,
                              const aci_objective *objective, ac_error *error)
{
    aci_training *training = network->training;

    if (objective->teacher != NULL)
        return AC_OK;
    if (network->teacher == NULL)
        network->teacher = training->operations->allocate(
            training, (size_t)network->slice * (size_t)network->shape.n_vocab *
                          sizeof(aci_real));
    return network->teacher != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "a teacher's logits");
}

static ac_status check_objective(aci_network *network,
                                 const aci_objective *objective, float weight,
                                 ac_error *error)
{
    if (network->options.forward_only && weight != 0.0f)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the network was made without gradients");
    if (objective->loss < ACI_LOSS_CROSS_ENTROPY ||
        objective->loss > ACI_LOSS_BLOCK_MSE)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "loss %d is not known",
                                 (int)objective->loss);
    if (objective->loss != ACI_LOSS_KL)
        return AC_OK;
    if ((objective->teacher_logits == NULL && objective->teacher == NULL) ||
        (objective->teacher != NULL &&
         (objective->teacher == network ||
          objective->teacher->shape.n_vocab != network->shape.n_vocab ||
          objective->teacher->slice < network->slice)) ||
        !(objective->temperature > 0.0f) ||
        !isfinite((double)objective->temperature))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a divergence needs a teacher's logits, as "
                                 "many as its own, and a temperature above "
                                 "0");
    return make_teacher(network, objective, error);
}

ac_status aci_workshop_network_step(aci_network *network, double *loss,
                                    int64_t *n_targets,
                                    const aci_batch *batch,
                                    const aci_objective *objective,
                                    float weight, ac_error *error)
{
    ac_status status = check_objective(network, objective, weight, error);

    *loss = 0.0;
    *n_targets = 0;
    if (status == AC_OK)
        status = aci_workshop_network_take(network, batch, error);
    if (status != AC_OK)
        return status;
    if (objective->loss == ACI_LOSS_BLOCK_MSE)
        return step_block(network, loss, n_targets, batch, objective, weight,
                          error);
    if (objective->loss == ACI_LOSS_KL && objective->teacher != NULL) {
        status = aci_workshop_network_take(objective->teacher, batch, error);
        if (status != AC_OK)
            return status;
        run_layers(objective->teacher);
    }
    run_layers(network);
    status = run_head(network, objective, weight, error);
    if (status == AC_OK)
        status = sum_losses(network, loss, network->n_targets, error);
    *n_targets = network->n_targets;
    if (status == AC_OK && !isfinite(*loss))
        status = blame(network, error);
    if (status == AC_OK && weight != 0.0f && network->n_targets > 0)
        run_back(network);
    return status;
}

ac_status aci_workshop_network_block(aci_network *network, aci_real *out,
                                     const aci_real *in,
                                     const aci_batch *batch, ac_error *error)
{
    aci_training *training = network->training;
    aci_network_layer *layer = &network->layers[network->options.block];
    size_t bytes;
    ac_status status = aci_workshop_network_take(network, batch, error);

    if (status != AC_OK)
        return status;
    bytes = (size_t)network->n_tokens * (size_t)network->shape.n_embd *
            sizeof(aci_real);
    status = training->operations->upload(training, layer->x, in, bytes,
                                          error);
    if (status != AC_OK)
        return status;
    aci_workshop_layer_forward(network, network->options.block, layer->x,
                               NULL);
    aci_workshop_end_forward(network, network->end, layer->middle);
    if (!is_finite(network, network->end))
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "layer %d gave numbers that were not finite",
                                 (int)network->options.block);
    return training->operations->download(training, out, network->end, bytes,
                                          error);
}

ac_status aci_workshop_network_logits(aci_network *network, aci_real *logits,
                                      const aci_batch *batch,
                                      ac_error *error)
{
    aci_training *training = network->training;
    int64_t n_vocab = network->shape.n_vocab, at, n;
    ac_status status = aci_workshop_network_take(network, batch, error);

    if (status != AC_OK)
        return status;
    run_layers(network);
    for (at = 0; at < network->n_targets && status == AC_OK; at += n) {
        n = network->n_targets - at;
        n = n < network->slice ? n : network->slice;
        slice_logits(network, at, n);
        status = training->operations->download(
            training, logits + at * n_vocab, network->logits,
            (size_t)(n * n_vocab) * sizeof *logits, error);
    }
    return status;
}
