/* cuda_memory.h - the device memory of one backend: every block of it known,
 * counted, and kept under a bound. */
#ifndef ACI_CUDA_CUDA_MEMORY_H
#define ACI_CUDA_CUDA_MEMORY_H

#include "cuda/runtime.h"
#include "platform/memory.h"
#include "platform/threads.h"

typedef struct aci_cuda_block {
    void *at;
    size_t bytes;
} aci_cuda_block;

/* Sessions come and go on any thread, hence the lock. */
typedef struct aci_cuda_memory {
    aci_memory *host;         /* where the list of blocks lies */
    aci_mutex *lock;
    int32_t device;
    size_t most_bytes;        /* 0: what the device has */
    size_t used_bytes;
    aci_cuda_block *blocks;
    size_t n_blocks, n_room;
} aci_cuda_memory;

ac_status aci_cuda_memory_open(aci_cuda_memory *memory, aci_memory *host,
                               int32_t device, size_t most_bytes,
                               ac_error *error);

/* Gives back all that is left of it, once no more work is queued. */
void aci_cuda_memory_empty(aci_cuda_memory *memory);

/* Forgets the device's memory without a word to it: after `empty`, or in a
 * process that it does not belong to. */
void aci_cuda_memory_close(aci_cuda_memory *memory);

/* *out = `bytes` of device memory. cudaErrorMemoryAllocation where that would
 * go over the bound, the device has no more, or the host has none to note it;
 * nothing has changed then. */
cudaError_t aci_cuda_memory_take(void **out, aci_cuda_memory *memory,
                                 size_t bytes);

/* Gives one block back; waits for work that uses it. NULL does nothing. */
void aci_cuda_memory_give(aci_cuda_memory *memory, void *block);

size_t aci_cuda_memory_used(aci_cuda_memory *memory);

/* Says AC_E_NO_MEMORY with the numbers. */
ac_status aci_cuda_memory_refuse(aci_cuda_memory *memory, size_t bytes,
                                 const char *what, ac_error *error);

/* AC_E_NO_MEMORY, with the numbers, when weights of so many bytes would not be
 * had now. Memory in pieces may still be refused later. */
ac_status aci_cuda_memory_check(aci_cuda_memory *memory, uint64_t bytes,
                                ac_error *error);

#endif
