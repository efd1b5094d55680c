/* cuda_memory.c - see cuda_memory.h. */
#include "cuda/cuda_memory.h"

#include <stdio.h>

#include "platform/error.h"

ac_status aci_cuda_memory_open(aci_cuda_memory *memory, aci_memory *host,
                               int32_t device, size_t most_bytes,
                               ac_error *error)
{
    *memory = (aci_cuda_memory){ .host = host, .device = device,
                                 .most_bytes = most_bytes };
    return aci_platform_mutex_create(&memory->lock, host, error);
}

void aci_cuda_memory_empty(aci_cuda_memory *memory)
{
    while (memory->n_blocks > 0)
        cudaFree(memory->blocks[--memory->n_blocks].at);
    memory->used_bytes = 0;
}

void aci_cuda_memory_close(aci_cuda_memory *memory)
{
    aci_platform_free(memory->host, memory->blocks);
    aci_platform_mutex_free(memory->lock);
    *memory = (aci_cuda_memory){ 0 };
}

static int has_room(aci_cuda_memory *memory)
{
    size_t room = memory->n_room ? 2 * memory->n_room : 64;
    aci_cuda_block *more;

    if (memory->n_blocks < memory->n_room)
        return 1;
    more = aci_platform_realloc(memory->host, memory->blocks,
                                room * sizeof *more);
    if (more == NULL)
        return 0;
    memory->blocks = more;
    memory->n_room = room;
    return 1;
}

cudaError_t aci_cuda_memory_take(void **out, aci_cuda_memory *memory,
                                 size_t bytes)
{
    size_t most = memory->most_bytes ? memory->most_bytes : SIZE_MAX;
    cudaError_t result = cudaErrorMemoryAllocation;

    *out = NULL;
    if (bytes == 0)
        bytes = 1;
    aci_platform_lock(memory->lock);
    if (memory->used_bytes <= most && bytes <= most - memory->used_bytes &&
        has_room(memory)) {
        result = cudaMalloc(out, bytes);
        if (result == cudaErrorMemoryAllocation)
            cudaGetLastError(); /* it is not to be found by the next call */
    }
    if (result == cudaSuccess) {
        memory->blocks[memory->n_blocks++] = (aci_cuda_block){ *out, bytes };
        memory->used_bytes += bytes;
    }
    aci_platform_unlock(memory->lock);
    return result;
}

void aci_cuda_memory_give(aci_cuda_memory *memory, void *block)
{
    size_t i;

    if (block == NULL)
        return;
    aci_platform_lock(memory->lock);
    for (i = 0; i < memory->n_blocks; i++)
        if (memory->blocks[i].at == block) {
            memory->used_bytes -= memory->blocks[i].bytes;
            memory->blocks[i] = memory->blocks[--memory->n_blocks];
            break;
        }
    cudaFree(block);
    aci_platform_unlock(memory->lock);
}

size_t aci_cuda_memory_used(aci_cuda_memory *memory)
{
    size_t used;

    aci_platform_lock(memory->lock);
    used = memory->used_bytes;
    aci_platform_unlock(memory->lock);
    return used;
}

ac_status aci_cuda_memory_refuse(aci_cuda_memory *memory, size_t bytes,
                                 const char *what, ac_error *error)
{
    size_t used = aci_cuda_memory_used(memory);
    size_t left = 0, total = 0;

    if (memory->most_bytes != 0 && (used > memory->most_bytes ||
                                    bytes > memory->most_bytes - used))
        return aci_platform_fail(error, AC_E_NO_MEMORY,
                                 "cuda:%d had no memory for %s: %zu bytes "
                                 "were asked for, %zu of %zu allowed are in "
                                 "use", (int)memory->device, what, bytes,
                                 used, memory->most_bytes);
    if (cudaMemGetInfo(&left, &total) != cudaSuccess)
        cudaGetLastError();
    return aci_platform_fail(error, AC_E_NO_MEMORY,
                             "cuda:%d had no memory for %s: %zu bytes were "
                             "asked for, %zu of %zu are free",
                             (int)memory->device, what, bytes, left, total);
}

ac_status aci_cuda_memory_check(aci_cuda_memory *memory, uint64_t bytes,
                                ac_error *error)
{
    size_t used = aci_cuda_memory_used(memory);
    size_t left = 0, total = 0;
    char what[64];

    if (cudaMemGetInfo(&left, &total) != cudaSuccess) {
        cudaGetLastError();
        return AC_OK; /* whoever allocates will be told */
    }
    if (memory->most_bytes != 0 && memory->most_bytes - used < left)
        left = memory->most_bytes - used;
    if (bytes <= left)
        return AC_OK;
    snprintf(what, sizeof what, "%.2f GiB of weights",
             (double)bytes / (1024.0 * 1024.0 * 1024.0));
    return aci_cuda_memory_refuse(memory, (size_t)bytes, what, error);
}
