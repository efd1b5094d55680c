/* network_run_layer.c - one layer run on inputs that the caller brings: how a
 * model is walked layer by layer, with one layer's weights in memory. */
#include "platform/error.h"
#include "workshop/train/network_internal.h"

/* The layer of a checkpoint seen as layer 0, its embedding a single row. */
ac_status aci_workshop_layer_network(aci_network **out, aci_memory *memory,
                                     aci_pool *pool, const aci_shape *shape,
                                     int32_t max_tokens, ac_error *error)
{
    aci_network_options options = { .forward_only = true,
                                    .max_tokens = max_tokens,
                                    .max_targets = 1 };
    aci_shape one = *shape;

    one.n_layer = 1;
    one.n_vocab = 1;
    one.tied_embeddings = 1;
    return aci_workshop_network_create(out, memory, pool, &one, &options,
                                       error);
}

static ac_status fetch(aci_network *network, float *to, const aci_real *from,
                       int64_t width, ac_error *error)
{
    if (to == NULL)
        return AC_OK;
    return network->training->operations->download(
        network->training, to, from,
        (size_t)network->n_tokens * (size_t)width * sizeof *to, error);
}

ac_status aci_workshop_network_run_layer(const aci_layer_rows *rows,
                                         aci_network *network,
                                         const aci_batch *batch,
                                         ac_error *error)
{
    aci_training *training = network->training;
    aci_network_layer *layer = &network->layers[0];
    int64_t embd = network->shape.n_embd;
    ac_status status = aci_workshop_network_take(network, batch, error);

    if (status == AC_OK)
        status = training->operations->upload(
            training, layer->x, rows->x,
            (size_t)network->n_tokens * (size_t)embd * sizeof *rows->x,
            error);
    if (status != AC_OK)
        return status;
    aci_workshop_layer_forward(network, 0, layer->x, NULL);
    aci_workshop_end_forward(network, network->end, layer->middle);
    status = fetch(network, rows->qkv_in, layer->normal_1, embd, error);
    if (status == AC_OK)
        status = fetch(network, rows->o_in, layer->attended, network->q_width,
                       error);
    if (status == AC_OK)
        status = fetch(network, rows->middle, layer->middle, embd, error);
    if (status == AC_OK)
        status = fetch(network, rows->gate_up_in, layer->normal_2, embd,
                       error);
    if (status == AC_OK)
        status = fetch(network, rows->down_in, network->hidden,
                       network->shape.n_ff, error);
    if (status == AC_OK)
        status = fetch(network, rows->out, network->end, embd, error);
    if (status == AC_OK)
        status = fetch(network, rows->head_in, network->end_normal, embd,
                       error);
    return status;
}
