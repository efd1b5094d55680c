/* network_parameters.c - the parameters of a network: their list, their place
 * in memory, and where they are used.
 *
 * Values, gradients and moments are one block each, parameters in the order of
 * model/tensor_list.h, LoRA and factors behind. q, k, v lie end to end, so do
 * gate and up: each such group is one matrix to the products. */
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/network_internal.h"

enum { ALIGNMENT = 16 }; /* numbers; a cache line of float32 */

static const char *const matrix_names[] = { "q",    "k",  "v",   "o",
                                            "gate", "up", "down" };

/* ---- the list of parameters ---------------------------------------------- */

/* LoRA goes on dense matrices that were asked for. */
static bool has_lora(const aci_network *network, const aci_tensor *tensor,
                     int matrix)
{
    uint32_t set = network->options.matrices;

    return network->options.trainable == ACI_TRAIN_LORA && tensor->is_matrix &&
           matrix >= 0 && (set == 0 || (set >> matrix & 1) != 0) &&
           network->layers[tensor->layer].plan.rank[matrix] == 0;
}

/* Given as factors, so that no dense matrix is there. */
static bool is_factored(const aci_network *network, const aci_tensor *tensor,
                        int matrix)
{
    return tensor->is_matrix && matrix >= 0 &&
           network->layers[tensor->layer].plan.rank[matrix] > 0;
}

static bool is_chosen(const aci_network *network, const aci_tensor *tensor,
                      int matrix)
{
    int32_t n = network->shape.n_layer;
    uint32_t set = network->options.chosen[tensor->layer < 0 ? n
                                                             : tensor->layer];

    if (!tensor->is_matrix)
        return (set & (matrix >= 0 ? ACI_CHOOSE_BIASES : ACI_CHOOSE_NORMS)) !=
               0;
    if (tensor->layer < 0)
        return (set & (strcmp(tensor->name, "head") == 0
                           ? ACI_CHOOSE_HEAD
                           : ACI_CHOOSE_EMBED)) != 0;
    return (set >> matrix & 1) != 0 ||
           (is_factored(network, tensor, matrix) &&
            (set & ACI_CHOOSE_FACTORS) != 0);
}

static bool is_trainable(const aci_network *network, const aci_tensor *tensor,
                         int matrix)
{
    if (network->options.forward_only)
        return false;
    switch (network->options.trainable) {
    case ACI_TRAIN_ALL:
        return true;
    case ACI_TRAIN_SMALL:
        return !tensor->is_matrix;
    case ACI_TRAIN_FACTORS:
        return is_factored(network, tensor, matrix);
    case ACI_TRAIN_BLOCK:
        return tensor->layer == network->options.block;
    case ACI_TRAIN_CHOSEN:
        return is_chosen(network, tensor, matrix);
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

static bool is_glued(const aci_tensor *tensor, int matrix)
{
    return tensor->is_matrix &&
           (matrix == ACI_MATRIX_K || matrix == ACI_MATRIX_V ||
            matrix == ACI_MATRIX_UP);
}

static void append_pair(aci_network *network, const aci_tensor *tensor,
                        const char *in, const char *out, int32_t rank,
                        bool trainable)
{
    char name[48];

    if (in != NULL) {
        snprintf(name, sizeof name, "%.30s.%s", tensor->name, in);
        append(network, name, rank, tensor->n_in, trainable, true, false);
    }
    snprintf(name, sizeof name, "%.30s.%s", tensor->name, out);
    append(network, name, tensor->n_out, rank, trainable, true, false);
}

static void append_low(aci_network *network, const aci_tensor *tensor,
                       int matrix)
{
    bool shares;

    if (has_lora(network, tensor, matrix))
        append_pair(network, tensor, "lora_a", "lora_b",
                    network->options.rank, !network->options.forward_only);
    if (!is_factored(network, tensor, matrix))
        return;
    shares = network->layers[tensor->layer].plan.shares[matrix];
    append_pair(network, tensor, shares ? NULL : "right", "left",
                network->layers[tensor->layer].plan.rank[matrix],
                is_trainable(network, tensor, matrix));
}

ac_status aci_workshop_network_list(aci_network *network, ac_error *error)
{
    aci_tensor tensor;
    size_t most = 2 * ACI_N_MATRICES * (size_t)network->shape.n_layer, i;
    int matrix;
    bool there;

    for (i = 0; aci_workshop_network_tensor(&tensor, &matrix, &there, network,
                                            i); i++)
        most++;
    network->parameters = aci_platform_alloc_zeroed(
        network->memory, most, sizeof *network->parameters);
    network->places = aci_platform_alloc_zeroed(network->memory, most,
                                                sizeof *network->places);
    if (network->parameters == NULL || network->places == NULL)
        return aci_platform_fail_memory(error, "the list of parameters");
    for (i = 0; aci_workshop_network_tensor(&tensor, &matrix, &there, network,
                                            i); i++)
        if (there && !is_factored(network, &tensor, matrix))
            append(network, tensor.name, tensor.n_out, tensor.n_in,
                   is_trainable(network, &tensor, matrix), tensor.is_matrix,
                   is_glued(&tensor, matrix));
    for (i = 0; aci_workshop_network_tensor(&tensor, &matrix, &there, network,
                                            i); i++)
        if (there)
            append_low(network, &tensor, matrix);
    return AC_OK;
}

ac_status aci_workshop_network_place(aci_network *network, ac_error *error)
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
                     int32_t l, int matrix, int32_t n_out)
{
    aci_projection_part *part = &projection->parts[projection->n_parts];
    const aci_layer_plan *plan = &network->layers[l].plan;
    const char *name = matrix_names[matrix];
    const aci_network_options *options = &network->options;

    part->dense = layer_weights(network, l, name, "");
    part->bias = layer_weights(network, l, name, "_bias");
    part->a = layer_weights(network, l, name, ".lora_a");
    part->b = layer_weights(network, l, name, ".lora_b");
    if (part->a.value != NULL) {
        part->rank = options->rank;
        part->scale = (aci_real)(options->alpha / (float)options->rank);
    }
    if (plan->rank[matrix] > 0) {
        part->b = layer_weights(network, l, name, ".left");
        part->shares = plan->shares[matrix];
        part->a = part->shares ? projection->parts[0].a
                               : layer_weights(network, l, name, ".right");
        part->rank = plan->rank[matrix];
        part->scale = 1;
    }
    part->n_out = n_out;
    part->column = projection->n_out;
    projection->n_out += n_out;
    projection->n_parts++;
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
    int32_t embd = network->shape.n_embd, ff = layer->plan.n_ff;

    layer->attn_norm = layer_weights(network, l, "attn_norm", "");
    layer->ffn_norm = layer_weights(network, l, "ffn_norm", "");
    layer->q_norm = layer_weights(network, l, "q_norm", "");
    layer->k_norm = layer_weights(network, l, "k_norm", "");
    add_part(&layer->qkv, network, l, ACI_MATRIX_Q, layer->q_width);
    add_part(&layer->qkv, network, l, ACI_MATRIX_K, layer->kv_width);
    add_part(&layer->qkv, network, l, ACI_MATRIX_V, layer->kv_width);
    add_part(&layer->o, network, l, ACI_MATRIX_O, embd);
    add_part(&layer->gate_up, network, l, ACI_MATRIX_GATE, ff);
    add_part(&layer->gate_up, network, l, ACI_MATRIX_UP, ff);
    add_part(&layer->down, network, l, ACI_MATRIX_DOWN, embd);
    close_projection(&layer->qkv, embd);
    close_projection(&layer->o, layer->q_width);
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

void aci_workshop_network_connect(aci_network *network)
{
    int32_t l;

    network->embed = weights(network, "embed");
    network->final_norm = weights(network, "final_norm");
    network->head = network->shape.tied_embeddings ? network->embed
                                                   : weights(network, "head");
    for (l = 0; l < network->shape.n_layer; l++)
        connect_layer(network, l);
    network->lowest = find_lowest(network);
}
