/* network.c - the parameters of a network and its memory.
 *
 * Values, gradients and moments are one block each, parameters in the order of
 * model/tensor_list.h, LoRA and factors behind. q, k, v lie end to end, so do
 * gate and up: each such group is one matrix to the products. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/tensor_list.h"
#include "platform/error.h"
#include "workshop/train/network_internal.h"

enum {
    ALIGNMENT = 16,           /* numbers; a cache line of float32 */
    SLICE_NUMBERS = 1 << 22   /* logits of the head at once, if not told */
};

static const char *const matrix_names[] = { "q",    "k",  "v",   "o",
                                            "gate", "up", "down" };
enum { N_MATRICES = 7 };

/* ---- the list of parameters ---------------------------------------------- */

/* Number of the matrix a layer's tensor is, in matrix_names; -1: none. */
static int matrix_of(const aci_tensor *tensor)
{
    const char *dot = strchr(tensor->name, '.');
    int i;

    if (tensor->layer < 0 || dot == NULL)
        return -1;
    for (i = 0; i < N_MATRICES; i++)
        if (strcmp(dot + 1, matrix_names[i]) == 0)
            return i;
    return -1;
}

static bool is_chosen(const aci_network *network, const aci_tensor *tensor)
{
    int i = matrix_of(tensor);
    int32_t mode = network->options.trainable;

    return (mode == ACI_TRAIN_LORA || mode == ACI_TRAIN_FACTORS) && i >= 0 &&
           (network->options.matrices == 0 ||
            (network->options.matrices >> i & 1) != 0);
}

/* Given as factors, so that no dense matrix is there. */
static bool is_factored(const aci_network *network, const aci_tensor *tensor)
{
    return network->options.trainable == ACI_TRAIN_FACTORS &&
           is_chosen(network, tensor);
}

static bool is_trainable(const aci_network *network, const aci_tensor *tensor)
{
    if (network->options.forward_only)
        return false;
    switch (network->options.trainable) {
    case ACI_TRAIN_ALL:
        return true;
    case ACI_TRAIN_SMALL:
        return !tensor->is_matrix;
    case ACI_TRAIN_BLOCK:
        return tensor->layer == network->options.block;
    default:
        return false;
    }
}

/* A parameter's place; offsets are kept in the pointers until the blocks are
 * there. `glued`: right behind the one before. */
static void append(aci_network *network, const char *name, int64_t n_rows,
                   int64_t n_columns, bool trainable, bool decays, bool glued)
{
    aci_parameter *p = &network->parameters[network->n_parameters];
    size_t size = (size_t)n_rows * (size_t)n_columns, mask = ALIGNMENT - 1;

    if (!glued) {
        network->n_values = (network->n_values + mask) & ~mask;
        network->n_gradients = (network->n_gradients + mask) & ~mask;
    }
    snprintf(p->name, sizeof p->name, "%s", name);
    p->n_rows = n_rows;
    p->n_columns = n_columns;
    p->decays = decays;
    network->places[network->n_parameters].value = network->n_values;
    network->places[network->n_parameters].gradient =
        trainable ? network->n_gradients : SIZE_MAX;
    network->n_values += size;
    network->n_gradients += trainable ? size : 0;
    network->n_parameters++;
}

static bool is_glued(const aci_tensor *tensor)
{
    int i = matrix_of(tensor);

    return i == 1 || i == 2 || i == 5;
}

static void append_low(aci_network *network, const aci_tensor *tensor)
{
    bool lora = network->options.trainable == ACI_TRAIN_LORA;
    bool trainable = !network->options.forward_only;
    char name[48];

    snprintf(name, sizeof name, "%.30s.%s", tensor->name,
             lora ? "lora_a" : "right");
    append(network, name, network->options.rank, tensor->n_in, trainable,
           true, false);
    snprintf(name, sizeof name, "%.30s.%s", tensor->name,
             lora ? "lora_b" : "left");
    append(network, name, tensor->n_out, network->options.rank, trainable,
           true, false);
}

static ac_status list_parameters(aci_network *network, ac_error *error)
{
    const aci_shape *shape = &network->shape;
    size_t n = aci_model_tensor_count(shape), i;
    size_t most = n + 2 * N_MATRICES * (size_t)shape->n_layer;
    aci_tensor tensor;

    network->parameters = aci_platform_alloc_zeroed(
        network->memory, most, sizeof *network->parameters);
    network->places = aci_platform_alloc_zeroed(network->memory, most,
                                                sizeof *network->places);
    if (network->parameters == NULL || network->places == NULL)
        return aci_platform_fail_memory(error, "the list of parameters");
    for (i = 0; i < n; i++) {
        aci_model_tensor_at(&tensor, shape, i);
        if (!is_factored(network, &tensor))
            append(network, tensor.name, tensor.n_out, tensor.n_in,
                   is_trainable(network, &tensor), tensor.is_matrix,
                   is_glued(&tensor));
    }
    for (i = 0; i < n; i++) {
        aci_model_tensor_at(&tensor, shape, i);
        if (is_chosen(network, &tensor))
            append_low(network, &tensor);
    }
    return AC_OK;
}

static ac_status place_parameters(aci_network *network, ac_error *error)
{
    aci_training *training = network->training;
    const aci_training_operations *ops = training->operations;
    size_t bytes = network->n_values * sizeof(aci_real);
    size_t gradient_bytes = network->n_gradients * sizeof(aci_real), i;

    network->values = ops->allocate(training, bytes);
    network->gradients = ops->allocate(training, gradient_bytes);
    network->moments = ops->allocate(training, 2 * gradient_bytes);
    if (network->values == NULL || network->gradients == NULL ||
        network->moments == NULL)
        return aci_platform_fail_memory(error, "the parameters");
    ops->zero(training, network->values, bytes);
    ops->zero(training, network->gradients, gradient_bytes);
    ops->zero(training, network->moments, 2 * gradient_bytes);
    for (i = 0; i < network->n_parameters; i++) {
        aci_parameter *p = &network->parameters[i];
        size_t at = network->places[i].gradient;

        p->value = network->values + network->places[i].value;
        if (at == SIZE_MAX)
            continue;
        p->gradient = network->gradients + at;
        p->moment_1 = network->moments + at;
        p->moment_2 = network->moments + network->n_gradients + at;
    }
    return AC_OK;
}

/* ---- parameters where they are used -------------------------------------- */

aci_parameter *aci_workshop_network_find(const aci_network *network,
                                         const char *name)
{
    size_t i;

    for (i = 0; i < network->n_parameters; i++)
        if (strcmp(network->parameters[i].name, name) == 0)
            return &network->parameters[i];
    return NULL;
}

static aci_weights weights(const aci_network *network, const char *name)
{
    const aci_parameter *p = aci_workshop_network_find(network, name);
    aci_weights none = { NULL, NULL };

    return p != NULL ? (aci_weights){ p->value, p->gradient } : none;
}

/* Of layer l; suffix: "", "_bias", ".lora_a" ... */
static aci_weights layer_weights(const aci_network *network, int32_t l,
                                 const char *name, const char *suffix)
{
    char full[48];

    snprintf(full, sizeof full, "%d.%s%s", (int)l, name, suffix);
    return weights(network, full);
}

static void add_part(aci_projection *projection, const aci_network *network,
                     int32_t l, const char *name, int32_t n_out)
{
    aci_projection_part *part = &projection->parts[projection->n_parts++];
    bool lora = network->options.trainable == ACI_TRAIN_LORA;

    part->dense = layer_weights(network, l, name, "");
    part->a = layer_weights(network, l, name, lora ? ".lora_a" : ".right");
    part->b = layer_weights(network, l, name, lora ? ".lora_b" : ".left");
    part->bias = layer_weights(network, l, name, "_bias");
    part->n_out = n_out;
    part->column = projection->n_out;
    projection->n_out += n_out;
}

static void close_projection(aci_projection *projection, int32_t n_in)
{
    int32_t i;

    projection->n_in = n_in;
    projection->fused = projection->fused_gradient = true;
    for (i = 0; i < projection->n_parts; i++) {
        if (projection->parts[i].dense.value == NULL)
            projection->fused = false;
        if (projection->parts[i].dense.gradient == NULL)
            projection->fused_gradient = false;
    }
}

static void connect_layer(aci_network *network, int32_t l)
{
    aci_network_layer *layer = &network->layers[l];
    int32_t embd = network->shape.n_embd, ff = network->shape.n_ff;

    layer->attn_norm = layer_weights(network, l, "attn_norm", "");
    layer->ffn_norm = layer_weights(network, l, "ffn_norm", "");
    layer->q_norm = layer_weights(network, l, "q_norm", "");
    layer->k_norm = layer_weights(network, l, "k_norm", "");
    add_part(&layer->qkv, network, l, "q", network->q_width);
    add_part(&layer->qkv, network, l, "k", network->kv_width);
    add_part(&layer->qkv, network, l, "v", network->kv_width);
    add_part(&layer->o, network, l, "o", embd);
    add_part(&layer->gate_up, network, l, "gate", ff);
    add_part(&layer->gate_up, network, l, "up", ff);
    add_part(&layer->down, network, l, "down", embd);
    close_projection(&layer->qkv, embd);
    close_projection(&layer->o, network->q_width);
    close_projection(&layer->gate_up, embd);
    close_projection(&layer->down, ff);
}

/* The lowest layer with something to learn; 0 when the embedding does. */
static int32_t find_lowest(const aci_network *network)
{
    int32_t lowest = network->shape.n_layer;
    size_t i;

    for (i = 0; i < network->n_parameters; i++) {
        const aci_parameter *p = &network->parameters[i];
        int32_t l = 0;
        const char *c = p->name;

        if (p->gradient == NULL || strcmp(p->name, "final_norm") == 0 ||
            strcmp(p->name, "head") == 0)
            continue;
        for (; *c >= '0' && *c <= '9'; c++)
            l = 10 * l + (*c - '0');
        lowest = l < lowest ? l : lowest;
    }
    return lowest;
}

static ac_status connect(aci_network *network, ac_error *error)
{
    int32_t n = network->shape.n_layer, l;

    network->layers = aci_platform_alloc_zeroed(network->memory, (size_t)n,
                                                sizeof *network->layers);
    if (network->layers == NULL)
        return aci_platform_fail_memory(error, "the layers");
    network->embed = weights(network, "embed");
    network->final_norm = weights(network, "final_norm");
    network->head = network->shape.tied_embeddings ? network->embed
                                                   : weights(network, "head");
    for (l = 0; l < n; l++)
        connect_layer(network, l);
    network->lowest = find_lowest(network);
    return AC_OK;
}

/* ---- activations --------------------------------------------------------- */

/* Hands out places in a block; a NULL block counts what is needed. */
typedef struct cursor {
    char *block;
    size_t at;
} cursor;

static void *reserve(cursor *c, int64_t n, size_t width, size_t size)
{
    size_t mask = ALIGNMENT * sizeof(aci_real) - 1;
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
    int64_t heads = shape->n_head + shape->n_head_kv;

    layer->normal_1 = rows_of(c, n, shape->n_embd);
    layer->scale_1 = rows_of(c, n, 1);
    layer->qkv_out = rows_of(c, n, network->qkv_width);
    if (shape->qk_norm) {
        layer->raw = rows_of(c, n, heads * shape->head_dim);
        layer->head_scale = rows_of(c, n, heads);
    }
    layer->log_sum = rows_of(c, n, shape->n_head);
    layer->attended = rows_of(c, n, network->q_width);
    layer->middle = rows_of(c, n, shape->n_embd);
    layer->normal_2 = rows_of(c, n, shape->n_embd);
    layer->scale_2 = rows_of(c, n, 1);
    layer->gate_up_out = rows_of(c, n, 2 * (int64_t)shape->n_ff);
}

/* Without a backward pass, or with recomputation, layers share one set. */
static void reserve_layers(aci_network *network, cursor *c)
{
    bool shared = network->options.recompute || network->options.forward_only;
    cursor first = { NULL, 0 };
    int32_t l;

    for (l = 0; l < network->shape.n_layer; l++) {
        aci_network_layer *layer = &network->layers[l];
        cursor again = first;

        layer->x = rows_of(c, network->options.max_tokens,
                           network->shape.n_embd);
        if (l == 0)
            first = *c;
        reserve_layer(network, layer, shared && l > 0 ? &again : c);
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
    network->hidden = rows_of(c, n, shape->n_ff);
    network->d_x = rows_of(c, n, embd);
    network->d_normal = rows_of(c, n, embd);
    network->d_qkv = rows_of(c, back, network->qkv_width);
    network->d_attended = rows_of(c, back, network->q_width);
    network->low = rows_of(c, n, network->options.rank);
    network->d_low = rows_of(c, back, network->options.rank);
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
                               ac_error *error)
{
    int low = options->trainable == ACI_TRAIN_LORA ||
              options->trainable == ACI_TRAIN_FACTORS;

    if (options->trainable < ACI_TRAIN_ALL ||
        options->trainable > ACI_TRAIN_BLOCK)
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
    if (options->trainable == ACI_TRAIN_BLOCK &&
        (options->block < 0 || options->block >= shape->n_layer))
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

    network->q_width = shape->n_head * shape->head_dim;
    network->kv_width = shape->n_head_kv * shape->head_dim;
    network->qkv_width = network->q_width + 2 * network->kv_width;
    network->attention_scale =
        (aci_real)(1.0 / sqrt((double)shape->head_dim));
    network->n_positions = options->max_tokens < shape->n_context
                               ? options->max_tokens
                               : shape->n_context;
    if (slice < 1)
        slice = SLICE_NUMBERS / shape->n_vocab + 1;
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
    aci_training_sizes sizes = { .max_document = network->n_positions,
                                 .head_dim = shape->head_dim };

    most = most > network->q_width ? most : network->q_width;
    sizes.max_width = most > 2 * shape->head_dim ? most : 2 * shape->head_dim;
    return aci_kernels_training_cpu_open(&network->training, network->memory,
                                         pool, network->options.level, &sizes,
                                         error);
}

ac_status aci_workshop_network_create(aci_network **out, aci_memory *memory,
                                      aci_pool *pool, const aci_shape *shape,
                                      const aci_network_options *options,
                                      ac_error *error)
{
    aci_network *network;
    ac_status status = aci_model_shape_check(shape, error);

    *out = NULL;
    if (status == AC_OK)
        status = check_options(shape, options, error);
    if (status != AC_OK)
        return status;
    network = aci_platform_alloc_zeroed(memory, 1, sizeof *network);
    if (network == NULL)
        return aci_platform_fail_memory(error, "a network");
    network->memory = memory;
    network->shape = *shape;
    network->options = *options;
    set_sizes(network);
    status = open_training(network, pool, error);
    if (status == AC_OK)
        status = list_parameters(network, error);
    if (status == AC_OK)
        status = place_parameters(network, error);
    if (status == AC_OK)
        status = connect(network, error);
    if (status == AC_OK)
        status = make_activations(network, error);
    if (status == AC_OK)
        *out = network;
    else
        aci_workshop_network_free(network);
    return status;
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
