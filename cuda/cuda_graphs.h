/* cuda_graphs.h - forward passes recorded once and replayed.
 *
 * A decode step is a hundred launches of a few microseconds each; as one graph
 * it costs one. What changes from token to token (tokens, positions) the
 * kernels read from device memory, so a graph stays good for as long as the
 * same memory is worked on: a session, a variant, a number of rows. A pass is
 * recorded the second time that it is met: the first may be the only one. */
#ifndef ACI_CUDA_CUDA_GRAPHS_H
#define ACI_CUDA_CUDA_GRAPHS_H

#include "cuda/runtime.h"
#include "kernels/backend.h"

enum { ACI_CUDA_MAX_GRAPHS = 64 };

/* What a recorded pass is bound to. `reach`: positions that its attention can
 * see, a power of two or the whole cache; a longer text needs another graph. */
typedef struct aci_cuda_graph_key {
    const void *owner, *logits;
    int32_t variant, n_rows, n_logits, reach;
} aci_cuda_graph_key;

typedef struct aci_cuda_graphs {
    struct {
        aci_cuda_graph_key key;
        cudaGraphExec_t graph; /* NULL: met once, not recorded */
        uint64_t last_use;     /* 0: free */
    } all[ACI_CUDA_MAX_GRAPHS];
    uint64_t clock;
    aci_mutex *lock; /* the owner's: a session may close, which forgets, while
                      * another one's pass looks for its graph */
} aci_cuda_graphs;

/* The graph of `key`, or NULL; then *worthwhile says whether it was met
 * before. Meeting it is remembered, in the place of the one that was not used
 * for longest. */
cudaGraphExec_t aci_cuda_graphs_find(aci_cuda_graphs *graphs,
                                     const aci_cuda_graph_key *key,
                                     int32_t *worthwhile);

/* Takes the graph over; `key` is the one that was looked for last. */
void aci_cuda_graphs_keep(aci_cuda_graphs *graphs,
                          const aci_cuda_graph_key *key,
                          cudaGraphExec_t graph);

/* Drops what works on `owner`; NULL: all. */
void aci_cuda_graphs_forget(aci_cuda_graphs *graphs, const void *owner);

#endif
