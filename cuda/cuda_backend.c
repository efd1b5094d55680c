/* cuda_backend.c - the operations of backend.h on an NVIDIA GPU: memory, the
 * order of the kernels, and errors. The kernels are in the .cu files beside.
 *
 * Everything is queued on one stream and runs in order; only to_host and
 * synchronize wait. Matrices are uploaded once, as they lie, and shared by all
 * variants that read them.
 *
 * A fault on the device shows at the next wait, and a CUDA context does not
 * recover from it: from then on every call of this backend answers
 * AC_E_DEVICE. Memory that is not to be had is AC_E_NO_MEMORY and changes
 * nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cuda/cuda_device.h"
#include "cuda/cuda_memory.h"
#include "cuda/cuda_graphs.h"
#include "cuda/kernels.h"
#include "platform/error.h"

/* A block of the host's that was uploaded; views share it. */
typedef struct upload {
    const void *host;
    void *device;
    size_t bytes;
} upload;

typedef struct cuda_backend {
    aci_backend base;
    int32_t device;
    pid_t process;           /* that opened it: no other may use it */
    int32_t max_width;       /* padded */
    cudaStream_t stream;     /* where work runs */
    cudaStream_t recorder;   /* never runs: where passes are recorded */
    cudaStream_t queue;      /* the one of the two that operations go to */
    aci_cuda_graphs graphs;
    aci_cuda_graph_key key;  /* of the pass being recorded */
    _Atomic cudaError_t failed; /* why the device is of no use any more */
    aci_cuda_memory memory;  /* all that is allocated on the device */
    upload *uploads;
    size_t n_uploads, n_uploads_room;
    aci_cuda_activations activations;
    float *normed;           /* [ACI_MAX_ROWS, max_width] */
    int32_t *tokens;         /* [ACI_MAX_ROWS], and on the host: */
    int32_t *positions;      /* [ACI_MAX_ROWS] */
    int32_t seen_positions[ACI_MAX_ROWS];
    int32_t n_seen;          /* how many of them the device has */
    float *frequencies;      /* [n_frequencies] device */
    float *seen_frequencies; /* the same on the host */
    int32_t n_frequencies, n_frequencies_room;
    void *scratch;           /* of attention; grows */
    size_t scratch_bytes;
} cuda_backend;

/* ---- errors -------------------------------------------------------------- */

static ac_status fail(cuda_backend *cuda, cudaError_t why, const char *what,
                      ac_error *error)
{
    if (why == cudaErrorMemoryAllocation) {
        cudaGetLastError(); /* it is not to be found by the next call */
        return aci_platform_fail(error, AC_E_NO_MEMORY,
                                 "cuda:%d had no memory for %s",
                                 (int)cuda->device, what);
    }
    if (why != cudaErrorInvalidValue)
        cuda->failed = why;
    return aci_platform_fail(error, AC_E_DEVICE, "cuda:%d failed in %s: %s",
                             (int)cuda->device, what,
                             cudaGetErrorString(why));
}

static ac_status check(cuda_backend *cuda, cudaError_t result,
                       const char *what, ac_error *error)
{
    return result == cudaSuccess ? AC_OK : fail(cuda, result, what, error);
}

/* At the head of every operation: a device that failed stays failed, and the
 * calling thread may be new to it. */
static ac_status enter(cuda_backend *cuda, ac_error *error)
{
    if (getpid() != cuda->process)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d was opened before a fork: the new "
                                 "process has to open its own engine, with "
                                 "exec before it", (int)cuda->device);
    if (cuda->failed != cudaSuccess)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d failed before: %s",
                                 (int)cuda->device,
                                 cudaGetErrorString(cuda->failed));
    return check(cuda, cudaSetDevice(cuda->device), "choosing the device",
                 error);
}

static int is_recording(const cuda_backend *cuda)
{
    return cuda->queue != cuda->stream;
}

/* ---- memory -------------------------------------------------------------- */

static void *allocate(aci_backend *backend, size_t bytes)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    void *memory = NULL;
    cudaError_t result;

    if (enter(cuda, NULL) != AC_OK)
        return NULL;
    result = aci_cuda_memory_take(&memory, &cuda->memory, bytes);
    if (result != cudaSuccess && result != cudaErrorMemoryAllocation)
        cuda->failed = result;
    return memory;
}

static ac_status refuse(aci_backend *backend, size_t bytes, const char *what,
                        ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    ac_status status = enter(cuda, error);

    return status == AC_OK ? aci_cuda_memory_refuse(&cuda->memory, bytes,
                                                    what, error)
                           : status;
}

static size_t used_bytes(aci_backend *backend)
{
    return aci_cuda_memory_used(&((cuda_backend *)backend)->memory);
}

static void release(aci_backend *backend, void *memory)
{
    cuda_backend *cuda = (cuda_backend *)backend;

    if (getpid() != cuda->process)
        return;
    cudaSetDevice(cuda->device);
    aci_cuda_memory_give(&cuda->memory, memory);
    if (memory != NULL)
        aci_cuda_graphs_forget(&cuda->graphs, memory);
}

static ac_status host_to(aci_backend *backend, void *device, const void *host,
                         size_t bytes, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    ac_status status = enter(cuda, error);

    if (status != AC_OK || bytes == 0)
        return status;
    return check(cuda, cudaMemcpyAsync(device, host, bytes,
                                       cudaMemcpyHostToDevice, cuda->stream),
                 "copying to the device", error);
}

static ac_status synchronize(aci_backend *backend, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    ac_status status = enter(cuda, error);

    if (status != AC_OK)
        return status;
    return check(cuda, cudaStreamSynchronize(cuda->stream),
                 "waiting for the device", error);
}

static ac_status to_host(aci_backend *backend, void *host, const void *device,
                         size_t bytes, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    ac_status status = enter(cuda, error);

    if (status == AC_OK && bytes > 0)
        status = check(cuda, cudaMemcpyAsync(host, device, bytes,
                                             cudaMemcpyDeviceToHost,
                                             cuda->stream),
                       "copying from the device", error);
    return status == AC_OK ? synchronize(backend, error) : status;
}

/* ---- uploading matrices -------------------------------------------------- */

static ac_status keep_upload(cuda_backend *cuda, upload made, ac_error *error)
{
    if (cuda->n_uploads == cuda->n_uploads_room) {
        size_t room = cuda->n_uploads_room ? 2 * cuda->n_uploads_room : 64;
        upload *more = aci_platform_realloc(cuda->base.memory, cuda->uploads,
                                            room * sizeof *more);

        if (more == NULL)
            return aci_platform_fail_memory(error, "the list of uploads");
        cuda->uploads = more;
        cuda->n_uploads_room = room;
    }
    cuda->uploads[cuda->n_uploads++] = made;
    return AC_OK;
}

/* *out = where `host` is on the device, uploading it the first time. */
static ac_status place(const void **out, cuda_backend *cuda, const void *host,
                       size_t bytes, ac_error *error)
{
    upload made = { host, NULL, bytes };
    size_t i;
    ac_status status;

    *out = NULL;
    if (host == NULL)
        return AC_OK;
    for (i = 0; i < cuda->n_uploads; i++)
        if (cuda->uploads[i].host == host && cuda->uploads[i].bytes >= bytes) {
            *out = cuda->uploads[i].device;
            return AC_OK;
        }
    made.device = allocate(&cuda->base, bytes);
    if (made.device == NULL)
        return refuse(&cuda->base, bytes, "weights", error);
    status = keep_upload(cuda, made, error);
    if (status != AC_OK) {
        release(&cuda->base, made.device);
        return status;
    }
    *out = made.device;
    return host_to(&cuda->base, made.device, host, bytes, error);
}

static ac_status adopt(aci_backend *backend, aci_matrix *matrix,
                       ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    aci_matrix placed = *matrix;
    const void *parts[5] = { 0 };
    ac_status status = enter(cuda, error);

    if (status == AC_OK && matrix->dense != NULL)
        status = place(&parts[4], cuda, matrix->dense,
                       (size_t)matrix->n_out * (size_t)matrix->n_in *
                           sizeof(float), error);
    else if (status == AC_OK) {
        size_t nibbles = aci_matrix_nibble_bytes(matrix);

        status = place(&parts[0], cuda, matrix->plane_a, nibbles, error);
        if (status == AC_OK)
            status = place(&parts[1], cuda, matrix->plane_b, nibbles, error);
        if (status == AC_OK)
            status = place(&parts[2], cuda, matrix->plane_c, 2 * nibbles,
                           error);
        if (status == AC_OK)
            status = place(&parts[3], cuda, matrix->scales,
                           aci_matrix_scale_bytes(matrix), error);
    }
    if (status != AC_OK)
        return status;
    placed.plane_a = parts[0];
    placed.plane_b = parts[1];
    placed.plane_c = parts[2];
    placed.scales = parts[3];
    placed.dense = parts[4];
    *matrix = placed;
    return AC_OK;
}

/* ---- rows ---------------------------------------------------------------- */

static ac_status embed(aci_backend *backend, float *out,
                       const aci_linear *table, const int32_t *tokens,
                       int32_t n_rows, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    ac_status status = enter(cuda, error);

    if (status == AC_OK && !is_recording(cuda)) /* else begin_step did */
        status = host_to(backend, cuda->tokens, tokens,
                         (size_t)n_rows * sizeof *tokens, error);
    if (status != AC_OK)
        return status;
    return check(cuda, aci_cuda_embed(out, table, cuda->tokens, n_rows,
                                      cuda->queue), "embed", error);
}

static ac_status norm(aci_backend *backend, float *out, const float *x,
                      const float *weight, int32_t n_rows, int32_t width,
                      float eps, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    ac_status status = enter(cuda, error);

    if (status != AC_OK)
        return status;
    return check(cuda, aci_cuda_norm(out, x, (size_t)width, weight, n_rows,
                                     width, eps, cuda->queue), "norm",
                 error);
}

static ac_status activate(aci_backend *backend, float *out, const float *up,
                          size_t n, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    ac_status status = enter(cuda, error);

    if (status != AC_OK)
        return status;
    return check(cuda, aci_cuda_activate(out, up, n, cuda->queue),
                 "activate", error);
}

/* ---- products ------------------------------------------------------------ */

static ac_status run_quantised(cuda_backend *cuda, const aci_product *products,
                               int32_t n_products, const float *x,
                               size_t x_stride, const float *norm_weight,
                               float norm_eps, int32_t n_rows,
                               ac_error *error)
{
    const aci_linear *first = &products[0].linear;
    aci_cuda_activations a = cuda->activations;
    cudaError_t result;

    a.n_rows = n_rows;
    a.n_in_padded = first->weight->n_in_padded;
    a.group = first->weight->group;
    a.bits = first->activation_bits;
    result = aci_cuda_quantise(&a, x, x_stride, first->weight->n_in,
                               norm_weight, norm_eps, cuda->queue);
    if (result == cudaSuccess && n_rows <= ACI_CUDA_FEW_ROWS)
        result = aci_cuda_multiply_few(products, n_products, &a, cuda->queue);
    else if (result == cudaSuccess)
        result = aci_cuda_multiply_many(products, n_products, &a,
                                        cuda->queue);
    return check(cuda, result, "a product", error);
}

static ac_status run_dense(cuda_backend *cuda, const aci_product *products,
                           int32_t n_products, const float *x,
                           size_t x_stride, const float *norm_weight,
                           float norm_eps, int32_t n_rows, ac_error *error)
{
    cudaError_t result = cudaSuccess;
    int32_t i, width = products[0].linear.weight->n_in;

    if (norm_weight != NULL) {
        result = aci_cuda_norm(cuda->normed, x, x_stride, norm_weight, n_rows,
                               width, norm_eps, cuda->queue);
        x = cuda->normed;
        x_stride = (size_t)width;
    }
    for (i = 0; i < n_products && result == cudaSuccess; i++)
        result = aci_cuda_multiply_dense(&products[i], x, x_stride, n_rows,
                                         cuda->queue);
    return check(cuda, result, "a float32 product", error);
}

static ac_status project(aci_backend *backend, const aci_product *products,
                         int32_t n_products, const float *x, size_t x_stride,
                         const float *norm_weight, float norm_eps,
                         int32_t n_rows, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    ac_status status = enter(cuda, error);

    if (status != AC_OK)
        return status;
    return (products[0].linear.weight_bits == 32 ? run_dense : run_quantised)(
        cuda, products, n_products, x, x_stride, norm_weight, norm_eps,
        n_rows, error);
}

static ac_status gate(aci_backend *backend, float *out, float *scratch,
                      const aci_linear *gate_linear, const aci_linear *up,
                      const float *x, const float *norm_weight, float norm_eps,
                      int32_t n_rows, ac_error *error)
{
    size_t n_ff = (size_t)gate_linear->weight->n_out;
    aci_product both[2] = { { *gate_linear, out, n_ff, 0 },
                            { *up, scratch, n_ff, 0 } };
    ac_status status = project(backend, both, 2, x,
                               (size_t)gate_linear->weight->n_in, norm_weight,
                               norm_eps, n_rows, error);

    if (status == AC_OK)
        status = activate(backend, out, scratch, n_ff * (size_t)n_rows,
                          error);
    return status;
}

/* ---- attention ----------------------------------------------------------- */

/* Rows as kernels see them; positions go to the device when they are other
 * than those it has: once a forward pass, not once a layer. */
static ac_status place_rows(aci_cuda_rows *out, cuda_backend *cuda,
                            const aci_span *spans, int32_t n_spans,
                            ac_error *error)
{
    int32_t positions[ACI_MAX_ROWS], s, i, n = 0;

    for (s = 0; s < n_spans; s++) {
        out->first_row[s] = n;
        out->kv[s] = *spans[s].kv;
        for (i = 0; i < spans[s].n_rows; i++)
            positions[n++] = spans[s].first_position + i;
    }
    out->first_row[n_spans] = n;
    out->n_spans = n_spans;
    out->n_rows = n;
    out->positions = cuda->positions;
    if (n <= cuda->n_seen && memcmp(positions, cuda->seen_positions,
                                    (size_t)n * sizeof *positions) == 0)
        return AC_OK;
    memcpy(cuda->seen_positions, positions, (size_t)n * sizeof *positions);
    cuda->n_seen = n;
    return host_to(&cuda->base, cuda->positions, positions,
                   (size_t)n * sizeof *positions, error);
}

/* The session's table of frequencies, likewise. */
static ac_status place_frequencies(aci_rope *rope, cuda_backend *cuda,
                                   ac_error *error)
{
    int32_t n = rope->n_rotary / 2;
    size_t bytes = (size_t)n * sizeof(float);

    if (n > cuda->max_width)
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "%d rotary pairs are too many", (int)n);
    if (n != cuda->n_frequencies ||
        memcmp(cuda->seen_frequencies, rope->inverse_frequency, bytes) != 0) {
        ac_status status = host_to(&cuda->base, cuda->frequencies,
                                   rope->inverse_frequency, bytes, error);

        if (status != AC_OK)
            return status;
        memcpy(cuda->seen_frequencies, rope->inverse_frequency, bytes);
        cuda->n_frequencies = n;
    }
    rope->inverse_frequency = cuda->frequencies;
    return AC_OK;
}

static ac_status rotate_append(aci_backend *backend, float *q, float *k,
                               const float *v, const aci_span *spans,
                               int32_t n_spans,
                               const aci_attention *attention,
                               ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    aci_attention placed = *attention;
    aci_cuda_rows rows;
    ac_status status = enter(cuda, error);

    if (status == AC_OK)
        status = place_rows(&rows, cuda, spans, n_spans, error);
    if (status == AC_OK)
        status = place_frequencies(&placed.rope, cuda, error);
    if (status != AC_OK)
        return status;
    return check(cuda, aci_cuda_rotate_append(q, k, v, &rows, &placed,
                                              cuda->queue),
                 "rotary positions", error);
}

static ac_status grow_scratch(cuda_backend *cuda, size_t bytes,
                              ac_error *error)
{
    void *more;

    if (bytes <= cuda->scratch_bytes)
        return AC_OK;
    more = allocate(&cuda->base, bytes);
    if (more == NULL)
        return refuse(&cuda->base, bytes, "attention", error);
    release(&cuda->base, cuda->scratch); /* waits for who still uses it */
    cuda->scratch = more;
    cuda->scratch_bytes = bytes;
    return AC_OK;
}

static int32_t longest_of(const aci_span *spans, int32_t n_spans)
{
    int32_t longest = 0, s;

    for (s = 0; s < n_spans; s++)
        if (spans[s].first_position + spans[s].n_rows > longest)
            longest = spans[s].first_position + spans[s].n_rows;
    return longest;
}

static ac_status attend(aci_backend *backend, float *out, const float *q,
                        const aci_span *spans, int32_t n_spans,
                        const aci_attention *attention, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    aci_cuda_rows rows;
    int32_t longest;
    ac_status status = enter(cuda, error);

    if (status == AC_OK)
        status = place_rows(&rows, cuda, spans, n_spans, error);
    longest = is_recording(cuda) ? cuda->key.reach
                                 : longest_of(spans, n_spans);
    if (status == AC_OK)
        status = grow_scratch(cuda, aci_cuda_attend_bytes(
                                        rows.n_rows, attention->n_head,
                                        attention->head_dim, longest), error);
    if (status != AC_OK)
        return status;
    return check(cuda, aci_cuda_attend(out, q, &rows, attention, longest,
                                       cuda->scratch, cuda->scratch_bytes,
                                       cuda->queue), "attention", error);
}

/* ---- passes -------------------------------------------------------------- */

enum { LEAST_REACH = 1024 };

/* Up to where a recorded pass can see: the longest text now, rounded up to a
 * power of two so that a conversation needs few graphs. */
static int32_t reach_of(const aci_step *step)
{
    int32_t longest = longest_of(step->spans, step->n_spans);
    int32_t capacity = step->spans[0].kv->capacity, reach = LEAST_REACH;

    while (reach < longest && reach < capacity)
        reach *= 2;
    return reach < capacity ? reach : capacity;
}

/* What a pass reads of this token's, put where recorded kernels look. */
static ac_status place_step(cuda_backend *cuda, const aci_step *step,
                            ac_error *error)
{
    aci_rope rope = *step->rope;
    aci_cuda_rows rows;
    ac_status status = place_rows(&rows, cuda, step->spans, step->n_spans,
                                  error);

    if (status == AC_OK)
        status = place_frequencies(&rope, cuda, error);
    if (status == AC_OK)
        status = host_to(&cuda->base, cuda->tokens, step->tokens,
                         (size_t)rows.n_rows * sizeof *step->tokens, error);
    return status;
}

/* Memory cannot be had while a pass is recorded. */
static ac_status begin_recording(cuda_backend *cuda,
                                 const aci_cuda_graph_key *key,
                                 size_t attend_bytes, ac_error *error)
{
    ac_status status = grow_scratch(cuda, attend_bytes, error);

    if (status == AC_OK)
        status = check(cuda, cudaStreamBeginCapture(
                                 cuda->recorder,
                                 cudaStreamCaptureModeThreadLocal),
                       "beginning to record", error);
    if (status == AC_OK) {
        cuda->key = *key;
        cuda->queue = cuda->recorder;
    }
    return status;
}

static ac_status begin_step(aci_backend *backend, const aci_step *step,
                            int32_t *done, ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    const aci_span *last = &step->spans[step->n_spans - 1];
    const aci_kv *kv = step->spans[0].kv;
    aci_cuda_graph_key key = { step->owner, step->logits, step->variant,
                               last->first_row + last->n_rows,
                               step->n_logits, reach_of(step) };
    int32_t worthwhile;
    cudaGraphExec_t graph;
    ac_status status = enter(cuda, error);

    *done = 0;
    if (status != AC_OK || key.n_rows > ACI_CUDA_FEW_ROWS ||
        step->n_spans > 1)
        return status;
    graph = aci_cuda_graphs_find(&cuda->graphs, &key, &worthwhile);
    if (graph == NULL && !worthwhile)
        return AC_OK;
    status = place_step(cuda, step, error);
    if (status == AC_OK && graph == NULL)
        return begin_recording(cuda, &key, aci_cuda_attend_bytes(
                                               key.n_rows, step->n_head,
                                               kv->head_dim, key.reach),
                               error);
    if (status == AC_OK)
        status = check(cuda, cudaGraphLaunch(graph, cuda->stream),
                       "a recorded pass", error);
    *done = status == AC_OK;
    return status;
}

/* A recorded pass is made a graph, which is kept, and run. */
static ac_status end_step(aci_backend *backend, int32_t succeeded,
                          ac_error *error)
{
    cuda_backend *cuda = (cuda_backend *)backend;
    cudaGraph_t recorded = NULL;
    cudaGraphExec_t graph = NULL;
    cudaError_t result;

    if (!is_recording(cuda))
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
    return check(cuda, result, "recording a pass", error);
}

/* ---- open and close ------------------------------------------------------ */

static void give_device_back(cuda_backend *cuda)
{
    cudaSetDevice(cuda->device);
    if (cuda->graphs.lock != NULL)
        aci_cuda_graphs_forget(&cuda->graphs, NULL);
    if (cuda->stream != NULL && cuda->failed == cudaSuccess)
        cudaStreamSynchronize(cuda->stream);
    aci_cuda_memory_empty(&cuda->memory);
    if (cuda->recorder != NULL)
        cudaStreamDestroy(cuda->recorder);
    if (cuda->stream != NULL)
        cudaStreamDestroy(cuda->stream);
    cudaGetLastError(); /* what was wrong with it is not the next one's */
}

static void close_backend(aci_backend *backend)
{
    cuda_backend *cuda = (cuda_backend *)backend;

    if (getpid() == cuda->process)
        give_device_back(cuda);
    aci_cuda_memory_close(&cuda->memory);
    aci_platform_mutex_free(cuda->graphs.lock);
    aci_platform_free(backend->memory, cuda->seen_frequencies);
    aci_platform_free(backend->memory, cuda->uploads);
    aci_platform_free(backend->memory, cuda);
}

static const aci_backend_operations operations = {
    begin_step, end_step,
    embed,   norm,          project,  gate,     activate,
    rotate_append, attend,  allocate, release,  host_to,
    to_host, adopt,         synchronize, close_backend, refuse, used_bytes
};

/* What an operation needs besides its arguments, for the widest call. */
static ac_status make_scratch(cuda_backend *cuda, ac_error *error)
{
    aci_cuda_activations *a = &cuda->activations;
    size_t width = (size_t)cuda->max_width, n = width * ACI_MAX_ROWS;
    size_t groups = width / 32 * ACI_MAX_ROWS;
    struct { void **at; size_t bytes; } all[] = {
        { (void **)&a->high, n }, { (void **)&a->low, n },
        { (void **)&a->scales, groups * sizeof(float) },
        { (void **)&a->sum_high, groups * sizeof(int32_t) },
        { (void **)&a->sum_low, groups * sizeof(int32_t) },
        { (void **)&cuda->normed, n * sizeof(float) },
        { (void **)&cuda->tokens, ACI_MAX_ROWS * sizeof(int32_t) },
        { (void **)&cuda->positions, ACI_MAX_ROWS * sizeof(int32_t) },
        { (void **)&cuda->frequencies, width * sizeof(float) } };
    size_t i;

    a->row_stride = ACI_MAX_ROWS;
    for (i = 0; i < sizeof all / sizeof *all; i++) {
        *all[i].at = allocate(&cuda->base, all[i].bytes);
        if (*all[i].at == NULL)
            return refuse(&cuda->base, all[i].bytes, "activations", error);
    }
    cuda->seen_frequencies = aci_platform_alloc_array(
        cuda->base.memory, width, sizeof(float));
    return cuda->seen_frequencies != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "the CUDA backend");
}

ac_status aci_cuda_open(aci_backend **out, aci_memory *memory, int32_t device,
                        int32_t max_width, size_t most_bytes,
                        ac_error *error)
{
    cuda_backend *cuda;
    char description[sizeof ((aci_backend *)0)->description];
    ac_status status = aci_cuda_find_device(description, sizeof description,
                                            device, error);

    *out = NULL;
    if (status != AC_OK)
        return status;
    cuda = aci_platform_alloc_zeroed(memory, 1, sizeof *cuda);
    if (cuda == NULL)
        return aci_platform_fail_memory(error, "the CUDA backend");
    cuda->base.operations = &operations;
    cuda->base.memory = memory;
    cuda->device = device;
    cuda->process = getpid();
    cuda->max_width = (max_width + ACI_COLUMN_PADDING - 1) /
                      ACI_COLUMN_PADDING * ACI_COLUMN_PADDING;
    memcpy(cuda->base.description, description, sizeof description);
    status = aci_cuda_memory_open(&cuda->memory, memory, device, most_bytes,
                                  error);
    if (status == AC_OK)
        status = aci_platform_mutex_create(&cuda->graphs.lock, memory, error);
    if (status == AC_OK)
        status = enter(cuda, error);
    if (status == AC_OK)
        status = check(cuda, cudaStreamCreateWithFlags(&cuda->stream,
                                                       cudaStreamNonBlocking),
                       "making a stream", error);
    if (status == AC_OK)
        status = check(cuda, cudaStreamCreateWithFlags(&cuda->recorder,
                                                       cudaStreamNonBlocking),
                       "making a stream", error);
    cuda->queue = cuda->stream;
    if (status == AC_OK)
        status = make_scratch(cuda, error);
    if (status == AC_OK)
        *out = &cuda->base;
    else
        close_backend(&cuda->base);
    return status;
}
