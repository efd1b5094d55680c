/* network.c - a network is made: options checked, activations placed. */
#include <math.h>

#include "platform/error.h"
#include "workshop/train/network_internal.h"

enum {
    ALIGNMENT = 64,           /* bytes; a cache line */
    SLICE_NUMBERS = 1 << 22,  /* logits of the head at once, if not told */
    SLICE_UNIT = 64           /* rows */
};

/* ---- activations --------------------------------------------------------- */

/* Hands out places in a block; a NULL block counts what is needed. */
typedef struct cursor {
    char *block;
    size_t at;
} cursor;

static void *reserve(cursor *c, int64_t n, size_t width, size_t size)
{
    size_t mask = ALIGNMENT - 1;
    void *place = c->block != NULL ? c->block + c->at : NULL;

    c->at = (c->at + (size_t)n * width * size + mask) & ~mask;
    return place;
}

static aci_real *rows_of(cursor *c, int64_t n, int64_t width)
{
    return reserve(c, n, (size_t)width, sizeof(aci_real));
}

/* What a layer keeps besides its input. */
static void reserve_layer(const aci_network *network,
                          aci_network_layer *layer, cursor *c)
{
    const aci_shape *shape = &network->shape;
    int64_t n = network->options.max_tokens;
    int64_t heads = layer->plan.n_head + layer->plan.n_head_kv;

    layer->middle = layer->x;
    if (heads > 0) {
        layer->normal_1 = rows_of(c, n, shape->n_embd);
        layer->scale_1 = rows_of(c, n, 1);
        layer->qkv_out = rows_of(c, n, layer->qkv_width);
        layer->log_sum = rows_of(c, n, layer->plan.n_head);
        layer->attended = rows_of(c, n, layer->q_width);
    }
    if (heads > 0 && shape->qk_norm) {
        layer->raw = rows_of(c, n, heads * shape->head_dim);
        layer->head_scale = rows_of(c, n, heads);
    }
    if (heads > 0 && layer->plan.n_ff > 0)
        layer->middle = rows_of(c, n, shape->n_embd);
    if (layer->plan.n_ff > 0) {
        layer->normal_2 = rows_of(c, n, shape->n_embd);
        layer->scale_2 = rows_of(c, n, 1);
        layer->gate_up_out = rows_of(c, n, 2 * (int64_t)layer->plan.n_ff);
    }
}

/* Without a backward pass, or with recomputation, layers share one set. */
static void reserve_layers(aci_network *network, cursor *c)
{
    bool shared = network->options.recompute || network->options.forward_only;
    cursor first;
    int32_t l;

    for (l = 0; l < network->shape.n_layer; l++)
        network->layers[l].x = rows_of(c, network->options.max_tokens,
                                       network->shape.n_embd);
    first = *c;
    for (l = 0; l < network->shape.n_layer; l++) {
        cursor own = shared ? first : *c;

        reserve_layer(network, &network->layers[l], &own);
        c->at = own.at > c->at ? own.at : c->at;
    }
}

static void reserve_all(aci_network *network, cursor *c)
{
    const aci_shape *shape = &network->shape;
    int64_t n = network->options.max_tokens, embd = shape->n_embd;
    int64_t back = network->options.forward_only ? 0 : n;
    int64_t half = shape->head_dim / 2, slice = network->slice;

    reserve_layers(network, c);
    network->end = rows_of(c, n, embd);
    network->end_normal = rows_of(c, n, embd);
    network->end_scale = rows_of(c, n, 1);
    network->branch = rows_of(c, n, embd);
    network->hidden = rows_of(c, n, network->ff_width);
    network->d_x = rows_of(c, n, embd);
    network->d_normal = rows_of(c, n, embd);
    network->d_qkv = rows_of(c, back, network->qkv_width);
    network->d_attended = rows_of(c, back, network->q_width);
    network->low = rows_of(c, n, network->max_rank);
    network->d_low = rows_of(c, back, network->max_rank);
    network->logits = rows_of(c, slice, shape->n_vocab);
    network->rows = rows_of(c, slice, embd);
    network->d_rows = rows_of(c, slice, embd);
    network->losses = rows_of(c, n, 1);
    network->cosine = rows_of(c, network->n_positions, half);
    network->sine = rows_of(c, network->n_positions, half);
    network->tokens = reserve(c, n, 1, sizeof(int32_t));
    network->targets = reserve(c, n, 1, sizeof(int32_t));
    network->target_rows = reserve(c, n, 1, sizeof(int32_t));
    network->positions = reserve(c, n, 1, sizeof(int32_t));
    network->starts = reserve(c, n + 1, 1, sizeof(int32_t));
}

static ac_status make_activations(aci_network *network, ac_error *error)
{
    aci_training *training = network->training;
    size_t n = (size_t)network->options.max_tokens;
    cursor c = { NULL, 0 };

    reserve_all(network, &c);
    network->activations = training->operations->allocate(training, c.at);
    network->host_integers = aci_platform_alloc_array(
        network->memory, 2 * n, sizeof *network->host_integers);
    network->host_losses = aci_platform_alloc_array(
        network->memory, n, sizeof *network->host_losses);
    if (network->activations == NULL || network->host_integers == NULL ||
        network->host_losses == NULL)
        return aci_platform_fail(error, AC_E_NO_MEMORY,
                                 "out of memory for batches of %d tokens "
                                 "(%zu bytes)",
                                 (int)network->options.max_tokens, c.at);
    c.block = (char *)network->activations;
    c.at = 0;
    reserve_all(network, &c);
    return aci_workshop_network_angles(network, error);
}

/* ---- create and free ----------------------------------------------------- */

static ac_status check_options(const aci_shape *shape,
                               const aci_network_options *options,
                               int is_given, ac_error *error)
{
    int low = options->trainable == ACI_TRAIN_LORA ||
              (options->trainable == ACI_TRAIN_FACTORS && !is_given);

    if (options->trainable < ACI_TRAIN_ALL ||
        options->trainable > ACI_TRAIN_CHOSEN ||
        (options->trainable == ACI_TRAIN_CHOSEN && options->chosen == NULL))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "what to train was %d, which is not known",
                                 (int)options->trainable);
    if (low && (options->rank < 1 || options->rank > 65536))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a rank of %d was not above 0",
                                 (int)options->rank);
    if (options->trainable == ACI_TRAIN_LORA &&
        !isfinite((double)options->alpha))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "LoRA's alpha was not a number");
    if (options->block < 0 || options->block >= shape->n_layer)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "block %d was not one of %d layers",
                                 (int)options->block, (int)shape->n_layer);
    if (options->max_tokens < 1)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "batches of %d tokens were asked for",
                                 (int)options->max_tokens);
    return AC_OK;
}

static void set_sizes(aci_network *network)
{
    const aci_shape *shape = &network->shape;
    aci_network_options *options = &network->options;
    int32_t slice = options->max_targets;

    network->attention_scale =
        (aci_real)(1.0 / sqrt((double)shape->head_dim));
    network->n_positions = options->max_tokens < shape->n_context
                               ? options->max_tokens
                               : shape->n_context;
    if (slice < 1)
        slice = (SLICE_NUMBERS / shape->n_vocab / SLICE_UNIT + 1) * SLICE_UNIT;
    network->slice = slice < options->max_tokens ? slice
                                                 : options->max_tokens;
    if (options->trainable != ACI_TRAIN_LORA &&
        options->trainable != ACI_TRAIN_FACTORS)
        options->rank = 0;
}

static ac_status open_training(aci_network *network, aci_pool *pool,
                               ac_error *error)
{
    const aci_shape *shape = &network->shape;
    int32_t most = shape->n_embd > shape->n_ff ? shape->n_embd : shape->n_ff;
    int32_t heads = shape->n_head * shape->head_dim;
    aci_training_sizes sizes = { .max_document = network->n_positions,
                                 .head_dim = shape->head_dim };

    most = most > heads ? most : heads;
    sizes.max_width = most > 2 * shape->head_dim ? most : 2 * shape->head_dim;
    return aci_kernels_training_cpu_open(&network->training, network->memory,
                                         pool, network->options.level,
                                         network->options.precision, &sizes,
                                         error);
}

/* `model` NULL: all that the shape says, values 0. */
static ac_status build(aci_network *network, aci_pool *pool,
                       const aci_float_model *model, ac_error *error)
{
    ac_status status = open_training(network, pool, error);

    if (status == AC_OK)
        status = aci_workshop_network_plan(network, model, error);
    if (status == AC_OK)
        status = aci_workshop_network_list(network, error);
    network->options.chosen = NULL;
    if (status == AC_OK)
        status = aci_workshop_network_place(network, error);
    if (status != AC_OK)
        return status;
    aci_workshop_network_connect(network);
    status = make_activations(network, error);
    if (status == AC_OK && model != NULL)
        status = aci_workshop_network_fill(network, model, error);
    return status;
}

static ac_status create(aci_network **out, aci_memory *memory, aci_pool *pool,
                        const aci_shape *shape, const aci_float_model *model,
                        const aci_network_options *options, ac_error *error)
{
    aci_network *network;
    ac_status status = check_options(shape, options, model != NULL, error);

    if (status != AC_OK)
        return status;
    network = aci_platform_alloc_zeroed(memory, 1, sizeof *network);
    if (network == NULL)
        return aci_platform_fail_memory(error, "a network");
    network->memory = memory;
    network->shape = *shape;
    network->options = *options;
    set_sizes(network);
    status = build(network, pool, model, error);
    if (status == AC_OK)
        *out = network;
    else
        aci_workshop_network_free(network);
    return status;
}

ac_status aci_workshop_network_create(aci_network **out, aci_memory *memory,
                                      aci_pool *pool, const aci_shape *shape,
                                      const aci_network_options *options,
                                      ac_error *error)
{
    ac_status status = aci_model_shape_check(shape, error);

    *out = NULL;
    return status == AC_OK
               ? create(out, memory, pool, shape, NULL, options, error)
               : status;
}

ac_status aci_workshop_network_create_from(aci_network **out,
                                           aci_memory *memory, aci_pool *pool,
                                           const aci_float_model *model,
                                           const aci_network_options *options,
                                           ac_error *error)
{
    ac_status status = aci_workshop_floats_check(model, error);

    *out = NULL;
    return status == AC_OK ? create(out, memory, pool, &model->shape, model,
                                    options, error)
                           : status;
}

static void release(aci_training *training, void *block)
{
    if (block != NULL)
        training->operations->release(training, block);
}

void aci_workshop_network_free(aci_network *network)
{
    aci_training *training;

    if (network == NULL)
        return;
    training = network->training;
    if (training != NULL) {
        release(training, network->teacher);
        release(training, network->activations);
        release(training, network->moments);
        release(training, network->gradients);
        release(training, network->values);
        training->operations->close(training);
    }
    aci_platform_free(network->memory, network->host_losses);
    aci_platform_free(network->memory, network->host_integers);
    aci_platform_free(network->memory, network->layers);
    aci_platform_free(network->memory, network->places);
    aci_platform_free(network->memory, network->parameters);
    aci_platform_free(network->memory, network);
}

/* ---- asking -------------------------------------------------------------- */

size_t aci_workshop_network_count(const aci_network *network)
{
    return network->n_parameters;
}

const aci_parameter *aci_workshop_network_at(const aci_network *network,
                                             size_t i)
{
    return &network->parameters[i];
}

const aci_shape *aci_workshop_network_shape(const aci_network *network)
{
    return &network->shape;
}
