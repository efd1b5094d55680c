/* cuda_graphs.c - see cuda_graphs.h. */
#include "cuda/cuda_graphs.h"

#include <string.h>

static int same(const aci_cuda_graph_key *a, const aci_cuda_graph_key *b)
{
    return a->owner == b->owner && a->logits == b->logits &&
           a->variant == b->variant && a->n_rows == b->n_rows &&
           a->n_logits == b->n_logits && a->reach == b->reach;
}

static void drop(aci_cuda_graphs *graphs, int i)
{
    if (graphs->all[i].graph != NULL)
        cudaGraphExecDestroy(graphs->all[i].graph);
    memset(&graphs->all[i], 0, sizeof graphs->all[i]);
}

/* The entry of `key`, or -1; *oldest is the one to give up for it. */
static int find(const aci_cuda_graphs *graphs, const aci_cuda_graph_key *key,
                int *oldest)
{
    int i;

    *oldest = 0;
    for (i = 0; i < ACI_CUDA_MAX_GRAPHS; i++) {
        if (graphs->all[i].last_use != 0 && same(&graphs->all[i].key, key))
            return i;
        if (graphs->all[i].last_use < graphs->all[*oldest].last_use)
            *oldest = i;
    }
    return -1;
}

cudaGraphExec_t aci_cuda_graphs_find(aci_cuda_graphs *graphs,
                                     const aci_cuda_graph_key *key,
                                     int32_t *worthwhile)
{
    cudaGraphExec_t graph;
    int oldest, i;

    aci_platform_lock(graphs->lock);
    i = find(graphs, key, &oldest);
    *worthwhile = i >= 0;
    if (i < 0) {
        drop(graphs, oldest);
        graphs->all[oldest].key = *key;
        i = oldest;
    }
    graphs->all[i].last_use = ++graphs->clock;
    graph = graphs->all[i].graph;
    aci_platform_unlock(graphs->lock);
    return graph;
}

void aci_cuda_graphs_keep(aci_cuda_graphs *graphs,
                          const aci_cuda_graph_key *key,
                          cudaGraphExec_t graph)
{
    int oldest, i;

    aci_platform_lock(graphs->lock);
    i = find(graphs, key, &oldest);
    if (i < 0)
        i = oldest;
    drop(graphs, i);
    graphs->all[i].key = *key;
    graphs->all[i].graph = graph;
    graphs->all[i].last_use = ++graphs->clock;
    aci_platform_unlock(graphs->lock);
}

void aci_cuda_graphs_forget(aci_cuda_graphs *graphs, const void *owner)
{
    int i;

    aci_platform_lock(graphs->lock);
    for (i = 0; i < ACI_CUDA_MAX_GRAPHS; i++)
        if (owner == NULL || graphs->all[i].key.owner == owner)
            drop(graphs, i);
    aci_platform_unlock(graphs->lock);
}
