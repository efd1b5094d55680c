/* network_plan.c - what each layer of a network consists of: everything the
 * shape says, or what a model in memory has left. */
#include <string.h>

#include "platform/error.h"
#include "workshop/train/network_internal.h"

/* ---- plans --------------------------------------------------------------- */

static void plan_whole(const aci_network *network, aci_layer_plan *plan)
{
    const aci_shape *shape = &network->shape;
    const aci_network_options *options = &network->options;
    uint32_t set = options->matrices != 0 ? options->matrices : ~0u;
    int i;

    plan->n_head = shape->n_head;
    plan->n_head_kv = shape->n_head_kv;
    plan->n_ff = shape->n_ff;
    for (i = 0; i < ACI_N_MATRICES; i++) {
        if (options->trainable == ACI_TRAIN_FACTORS && (set >> i & 1) != 0)
            plan->rank[i] = options->rank;
        plan->has_bias[i] = i < ACI_MATRIX_O    ? shape->attention_bias != 0
                            : i == ACI_MATRIX_O ? shape->output_bias != 0
                                                : shape->mlp_bias != 0;
    }
}

static void plan_given(aci_layer_plan *plan, const aci_float_model *model,
                       int32_t l)
{
    const aci_float_layer *layer = &model->layers[l];
    int i;

    plan->n_head_kv = layer->n_head_kv;
    plan->n_head = layer->n_head_kv *
                   (model->shape.n_head / model->shape.n_head_kv);
    plan->n_ff = layer->n_ff;
    for (i = 0; i < ACI_N_MATRICES; i++) {
        const aci_float_matrix *m = &layer->matrices[i];

        plan->rank[i] = m->left != NULL ? m->rank : 0;
        plan->shares[i] = m->left != NULL && m->right == NULL;
        plan->has_bias[i] = layer->biases[i] != NULL;
    }
}

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static void set_widths(aci_network *network, aci_network_layer *layer)
{
    int32_t dim = network->shape.head_dim;
    int i;

    layer->q_width = layer->plan.n_head * dim;
    layer->kv_width = layer->plan.n_head_kv * dim;
    layer->qkv_width = layer->q_width + 2 * layer->kv_width;
    network->q_width = larger(network->q_width, layer->q_width);
    network->qkv_width = larger(network->qkv_width, layer->qkv_width);
    network->ff_width = larger(network->ff_width, layer->plan.n_ff);
    for (i = 0; i < ACI_N_MATRICES; i++)
        network->max_rank = larger(network->max_rank, layer->plan.rank[i]);
}

ac_status aci_workshop_network_plan(aci_network *network,
                                    const aci_float_model *model,
                                    ac_error *error)
{
    int32_t n = network->shape.n_layer, l;

    network->layers = aci_platform_alloc_zeroed(network->memory, (size_t)n,
                                                sizeof *network->layers);
    if (network->layers == NULL)
        return aci_platform_fail_memory(error, "the layers");
    network->max_rank = network->options.rank;
    for (l = 0; l < n; l++) {
        if (model == NULL)
            plan_whole(network, &network->layers[l].plan);
        else
            plan_given(&network->layers[l].plan, model, l);
        set_widths(network, &network->layers[l]);
    }
    return AC_OK;
}

/* ---- tensors ------------------------------------------------------------- */

static const char *const matrix_names[] = { "q",    "k",  "v",   "o",
                                            "gate", "up", "down" };

/* The matrix that the tensor is, or whose bias it is; -1: a norm. */
static int matrix_of(const aci_tensor *tensor)
{
    const char *name = strchr(tensor->name, '.');
    int i;

    if (tensor->layer < 0 || name == NULL)
        return -1;
    for (i = 0; i < ACI_N_MATRICES; i++) {
        size_t n = strlen(matrix_names[i]);

        if (strncmp(name + 1, matrix_names[i], n) == 0 &&
            strcmp(name + 1 + n, tensor->is_matrix ? "" : "_bias") == 0)
            return i;
    }
    return -1;
}

static void cut(aci_tensor *tensor, int matrix, const aci_network *network)
{
    const aci_network_layer *layer = &network->layers[tensor->layer];
    int32_t embd = network->shape.n_embd, ff = layer->plan.n_ff;
    int32_t keys = layer->kv_width;
    const int32_t n_out[] = { layer->q_width, keys, keys, embd, ff, ff, embd };
    const int32_t n_in[] = { embd, embd, embd, layer->q_width, embd, embd,
                             ff };

    if (tensor->is_matrix) {
        tensor->n_out = n_out[matrix];
        tensor->n_in = n_in[matrix];
    } else {
        tensor->n_in = n_out[matrix];
    }
}

static bool is_there(const aci_tensor *tensor, int matrix,
                     const aci_network *network)
{
    const aci_layer_plan *plan = &network->layers[tensor->layer].plan;
    bool is_ff = matrix >= 0 ? matrix >= ACI_MATRIX_GATE
                             : strstr(tensor->name, ".ffn_") != NULL;

    if (is_ff ? plan->n_ff == 0 : plan->n_head_kv == 0)
        return false;
    return matrix < 0 || tensor->is_matrix || plan->has_bias[matrix];
}

bool aci_workshop_network_tensor(aci_tensor *tensor, int *matrix, bool *there,
                                 const aci_network *network, size_t i)
{
    aci_shape all = network->shape;

    all.attention_bias = all.output_bias = all.mlp_bias = 1;
    if (i >= aci_model_tensor_count(&all))
        return false;
    aci_model_tensor_at(tensor, &all, i);
    *matrix = matrix_of(tensor);
    *there = true;
    if (tensor->layer < 0)
        return true;
    *there = is_there(tensor, *matrix, network);
    if (*matrix >= 0)
        cut(tensor, *matrix, network);
    return true;
}
