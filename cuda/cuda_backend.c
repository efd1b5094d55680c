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
#include "cuda/cuda_backend.h"
#include "cuda/cuda_device.h"

#include <string.h>
#include <unistd.h>

/* ---- errors -------------------------------------------------------------- */

static ac_status fail(aci_cuda_backend *cuda, cudaError_t why, const char *what,
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
                             (int)cuda->device, what, cudaGetErrorString(why));
}

ac_status aci_cuda_check(aci_cuda_backend *cuda, cudaError_t result,
                         const char *what, ac_error *error)
{
    return result == cudaSuccess ? AC_OK : fail(cuda, result, what, error);
}

/* At the head of every operation: a device that failed stays failed, and the
 * calling thread may be new to it. */
ac_status aci_cuda_enter(aci_cuda_backend *cuda, ac_error *error)
{
    if (getpid() != cuda->process)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d was opened before a fork: the new "
                                 "process has to open its own engine, with "
                                 "exec before it",
                                 (int)cuda->device);
    if (cuda->failed != cudaSuccess)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d failed before: %s", (int)cuda->device,
                                 cudaGetErrorString(cuda->failed));
    return aci_cuda_check(cuda, cudaSetDevice(cuda->device),
                          "choosing the device", error);
}

/* ---- memory -------------------------------------------------------------- */

void *aci_cuda_allocate(aci_backend *backend, size_t bytes)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    void *memory = NULL;
    cudaError_t result;

    if (aci_cuda_enter(cuda, NULL) != AC_OK)
        return NULL;
    result = aci_cuda_memory_take(&memory, &cuda->memory, bytes);
    if (result != cudaSuccess && result != cudaErrorMemoryAllocation)
        cuda->failed = result;
    return memory;
}

ac_status aci_cuda_refuse(aci_backend *backend, size_t bytes, const char *what,
                          ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    return status == AC_OK
               ? aci_cuda_memory_refuse(&cuda->memory, bytes, what, error)
               : status;
}

static size_t used_bytes(aci_backend *backend)
{
    return aci_cuda_memory_used(&((aci_cuda_backend *)backend)->memory);
}

static ac_status check_room(aci_backend *backend, uint64_t bytes,
                            ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    return status == AC_OK
               ? aci_cuda_memory_check(&cuda->memory, bytes, error)
               : status;
}

void aci_cuda_release(aci_backend *backend, void *memory)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;

    if (getpid() != cuda->process)
        return;
    cudaSetDevice(cuda->device);
    aci_cuda_memory_give(&cuda->memory, memory);
    if (memory != NULL)
        aci_cuda_graphs_forget(&cuda->graphs, memory);
}

ac_status aci_cuda_host_to(aci_backend *backend, void *device, const void *host,
                           size_t bytes, ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    if (status != AC_OK || bytes == 0)
        return status;
    return aci_cuda_check(cuda,
                          cudaMemcpyAsync(device, host, bytes,
                                          cudaMemcpyHostToDevice, cuda->stream),
                          "copying to the device", error);
}

static ac_status synchronize(aci_backend *backend, ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    if (status != AC_OK)
        return status;
    return aci_cuda_check(cuda, cudaStreamSynchronize(cuda->stream),
                          "waiting for the device", error);
}

ac_status aci_cuda_to_host(aci_backend *backend, void *host, const void *device,
                         size_t bytes, ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    if (status == AC_OK && bytes > 0)
        status = aci_cuda_check(cuda,
                                cudaMemcpyAsync(host, device, bytes,
                                                cudaMemcpyDeviceToHost,
                                                cuda->stream),
                                "copying from the device", error);
    return status == AC_OK ? synchronize(backend, error) : status;
}

/* A recorded pass knows the scratch by its address. */
ac_status aci_cuda_grow_scratch(aci_cuda_backend *cuda, size_t bytes,
                                ac_error *error)
{
    void *more;

    if (bytes <= cuda->scratch_bytes)
        return AC_OK;
    more = aci_cuda_allocate(&cuda->base, bytes);
    if (more == NULL)
        return aci_cuda_refuse(&cuda->base, bytes, "scratch", error);
    aci_cuda_graphs_forget(&cuda->graphs, NULL);
    aci_cuda_release(&cuda->base, cuda->scratch); /* waits for its users */
    cuda->scratch = more;
    cuda->scratch_bytes = bytes;
    return AC_OK;
}

/* ---- open and close ------------------------------------------------------ */

static void give_device_back(aci_cuda_backend *cuda)
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
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;

    if (getpid() == cuda->process)
        give_device_back(cuda);
    aci_cuda_memory_close(&cuda->memory);
    aci_platform_mutex_free(cuda->graphs.lock);
    aci_platform_free(backend->memory, cuda->seen_frequencies);
    aci_platform_free(backend->memory, cuda->uploads);
    aci_platform_free(backend->memory, cuda);
}

static const aci_backend_operations operations = {
    aci_cuda_begin_step, aci_cuda_end_step,
    aci_cuda_run_embed, aci_cuda_run_norm, aci_cuda_run_project,
    aci_cuda_run_rotate_append, aci_cuda_run_attend,
    aci_cuda_allocate, aci_cuda_release, aci_cuda_host_to, aci_cuda_to_host,
    aci_cuda_adopt, synchronize, close_backend, aci_cuda_refuse, used_bytes,
    aci_cuda_run_peaks, check_room, aci_cuda_run_project_pairs
};

/* What an operation needs besides its arguments, for the widest call. */
static ac_status make_scratch(aci_cuda_backend *cuda, ac_error *error)
{
    aci_cuda_activations *a = &cuda->activations;
    size_t width = (size_t)cuda->max_width, n = width * ACI_MAX_ROWS;
    size_t groups = width / 32 * ACI_MAX_ROWS;
    struct { void **at; size_t bytes; } all[] = {
        { (void **)&a->high, n }, { (void **)&a->low, n },
        { (void **)&a->scales, groups * sizeof(float) },
        { (void **)&a->sum_high, groups * sizeof(int32_t) },
        { (void **)&a->sum_low, groups * sizeof(int32_t) },
        { (void **)&cuda->changed, n * sizeof(float) },
        { (void **)&cuda->tokens, ACI_MAX_ROWS * sizeof(int32_t) },
        { (void **)&cuda->positions, ACI_MAX_ROWS * sizeof(int32_t) },
        { (void **)&cuda->frequencies, width * sizeof(float) } };
    ac_status status;
    size_t i;

    a->row_stride = ACI_MAX_ROWS;
    status = aci_cuda_pairs_open(cuda, error);
    if (status != AC_OK)
        return status;
    for (i = 0; i < sizeof all / sizeof *all; i++) {
        *all[i].at = aci_cuda_allocate(&cuda->base, all[i].bytes);
        if (*all[i].at == NULL)
            return aci_cuda_refuse(&cuda->base, all[i].bytes, "activations",
                                   error);
    }
    cuda->seen_frequencies =
        aci_platform_alloc_array(cuda->base.memory, width, sizeof(float));
    return cuda->seen_frequencies != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "the CUDA backend");
}

ac_status aci_cuda_open(aci_backend **out, aci_memory *memory, int32_t device,
                        int32_t max_width, size_t most_bytes, ac_error *error)
{
    aci_cuda_backend *cuda;
    char description[sizeof((aci_backend *)0)->description];
    ac_status status =
        aci_cuda_find_device(description, sizeof description, device, error);

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
    status =
        aci_cuda_memory_open(&cuda->memory, memory, device, most_bytes, error);
    if (status == AC_OK)
        status = aci_platform_mutex_create(&cuda->graphs.lock, memory, error);
    if (status == AC_OK)
        status = aci_cuda_enter(cuda, error);
    if (status == AC_OK)
        status = aci_cuda_check(
            cuda,
            cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking),
            "making a stream", error);
    if (status == AC_OK)
        status = aci_cuda_check(
            cuda,
            cudaStreamCreateWithFlags(&cuda->recorder, cudaStreamNonBlocking),
            "making a stream", error);
    cuda->queue = cuda->stream;
    if (status == AC_OK)
        status = make_scratch(cuda, error);
    if (status == AC_OK)
        status = aci_cuda_try_wide(cuda, error);
    if (status == AC_OK)
        *out = &cuda->base;
    else
        close_backend(&cuda->base);
    return status;
}
