/* cuda_passes.c - a forward pass as a whole: recorded the second time that it
 * is met, then replayed as one graph (cuda_graphs.h). */
#include "cuda/cuda_backend.h"

enum { LEAST_REACH = 1024 };

/* Up to where a recorded pass can see: the longest text now, rounded up to a
 * power of two so that a conversation needs few graphs. */
static int32_t reach_of(const aci_step *step)
{
    int32_t longest = aci_cuda_longest(step->spans, step->n_spans);
    int32_t capacity = step->spans[0].kv->capacity, reach = LEAST_REACH;

    while (reach < longest && reach < capacity)
        reach *= 2;
    return reach < capacity ? reach : capacity;
}

/* What a pass reads of this token's, put where recorded kernels look. */
static ac_status place_step(aci_cuda_backend *cuda, const aci_step *step,
                            ac_error *error)
{
    aci_rope rope = *step->rope;
    aci_cuda_rows rows;
    ac_status status =
        aci_cuda_place_rows(&rows, cuda, step->spans, step->n_spans, error);

    if (status == AC_OK)
        status = aci_cuda_place_frequencies(&rope, cuda, error);
    if (status == AC_OK)
        status =
            aci_cuda_host_to(&cuda->base, cuda->tokens, step->tokens,
                             (size_t)rows.n_rows * sizeof *step->tokens, error);
    return status;
}

/* Memory cannot be had while a pass is recorded. */
static ac_status begin_recording(aci_cuda_backend *cuda,
                                 const aci_cuda_graph_key *key,
                                 size_t attend_bytes, ac_error *error)
{
    ac_status status = aci_cuda_grow_scratch(cuda, attend_bytes, error);

    if (status == AC_OK)
        status = aci_cuda_check(
            cuda,
            cudaStreamBeginCapture(cuda->recorder,
                                   cudaStreamCaptureModeThreadLocal),
            "beginning to record", error);
    if (status == AC_OK) {
        cuda->key = *key;
        cuda->queue = cuda->recorder;
    }
    return status;
}

ac_status aci_cuda_begin_step(aci_backend *backend, const aci_step *step,
                              int32_t *done, ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    const aci_span *last = &step->spans[step->n_spans - 1];
    const aci_kv *kv = step->spans[0].kv;
    aci_cuda_graph_key key = { step->owner,    step->logits,
                               step->variant,  last->first_row + last->n_rows,
                               step->n_logits, reach_of(step) };
    int32_t worthwhile;
    cudaGraphExec_t graph;
    ac_status status = aci_cuda_enter(cuda, error);

    *done = 0;
    if (status != AC_OK || key.n_rows > ACI_CUDA_FEW_ROWS || step->n_spans > 1)
        return status;
    graph = aci_cuda_graphs_find(&cuda->graphs, &key, &worthwhile);
    if (graph == NULL && !worthwhile)
        return AC_OK;
    status = place_step(cuda, step, error);
    if (status == AC_OK && graph == NULL)
        return begin_recording(cuda, &key,
                               aci_cuda_attend_bytes(key.n_rows, step->n_head,
                                                     kv->head_dim, key.reach),
                               error);
    if (status == AC_OK)
        status = aci_cuda_check(cuda, cudaGraphLaunch(graph, cuda->stream),
                                "a recorded pass", error);
    *done = status == AC_OK;
    return status;
}

/* A recorded pass is made a graph, which is kept, and run. */
ac_status aci_cuda_end_step(aci_backend *backend, int32_t succeeded,
                            ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    cudaGraph_t recorded = NULL;
    cudaGraphExec_t graph = NULL;
    cudaError_t result;

    if (!aci_cuda_is_recording(cuda))
        return AC_OK;
    cuda->queue = cuda->stream;
    result = cudaStreamEndCapture(cuda->recorder, &recorded);
    if (result == cudaSuccess && succeeded)
        result = cudaGraphInstantiate(&graph, recorded, 0);
    if (recorded != NULL)
        cudaGraphDestroy(recorded);
    if (result == cudaSuccess && succeeded) {
        aci_cuda_graphs_keep(&cuda->graphs, &cuda->key, graph);
        result = cudaGraphLaunch(graph, cuda->stream);
    }
    return aci_cuda_check(cuda, result, "recording a pass", error);
}
