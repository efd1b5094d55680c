/* network_operations.c - how much arithmetic a batch is: what must be done,
 * not what recomputation adds. */
#include "workshop/train/network_internal.h"

/* Multiply-accumulates per token of a matrix in one layer: forward, gradient
 * by input, gradient by weights. */
static double part_work(const aci_projection *p,
                        const aci_projection_part *part)
{
    double n_in = p->n_in, n_out = part->n_out, rank = part->rank;
    double dense = part->dense.value != NULL ? n_in * n_out : 0.0;
    double thin = part->shares ? 0.0 : rank * n_in, wide = rank * n_out;

    return dense * (part->dense.gradient != NULL ? 3.0 : 2.0) +
           thin * (part->a.gradient != NULL ? 3.0 : 2.0) +
           wide * (part->b.gradient != NULL ? 3.0 : 2.0);
}

static double projection_work(const aci_projection *p)
{
    double work = 0.0;
    int32_t i;

    for (i = 0; i < p->n_parts; i++)
        work += part_work(p, &p->parts[i]);
    return work;
}

/* Pairs of a query and a key that it sees. */
static double pairs(const aci_network *network, const aci_batch *batch)
{
    double sum = 0.0, window = network->shape.window;
    int32_t i;

    for (i = 0; i < batch->n_documents; i++) {
        double n = batch->starts[i + 1] - batch->starts[i];
        double hidden = window > 0.0 && n > window ? n - window : 0.0;

        sum += n * (n + 1.0) / 2.0 - hidden * (hidden + 1.0) / 2.0;
    }
    return sum;
}

double aci_workshop_network_operations(const aci_network *network,
                                       const aci_batch *batch)
{
    const aci_shape *shape = &network->shape;
    double head = (double)shape->n_embd * shape->n_vocab;
    double tokens = batch->n_tokens, work = 0.0, targets = 0.0;
    int32_t l, i;

    for (i = 0; i < batch->n_tokens; i++)
        targets += batch->targets != NULL && batch->targets[i] >= 0;
    for (l = 0; l < shape->n_layer; l++) {
        const aci_network_layer *layer = &network->layers[l];

        work += tokens * (projection_work(&layer->qkv) +
                          projection_work(&layer->o) +
                          projection_work(&layer->gate_up) +
                          projection_work(&layer->down));
        /* two products forward, five backward */
        work += 7.0 * layer->q_width * pairs(network, batch);
    }
    work += targets * head * (network->head.gradient != NULL ? 3.0 : 2.0);
    return 2.0 * work;
}
