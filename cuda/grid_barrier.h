/* grid_barrier.h - all blocks of a launch wait for each other, once: for
 * kernels started by aci_launch_together, whose blocks are all there at once.
 *
 * In two halves, so that a block can ask for what it needs next in between:
 *
 *     const uint32_t seen = aci_grid_arrive(arrived);
 *     ... loads of what no block of this launch writes ...
 *     aci_grid_wait(arrived, seen);
 *
 * What any block wrote before it arrived, plain loads of every block see after
 * the wait (never ld.nc ones). `arrived` is one zeroed word of device memory
 * that launches which cannot overlap may share: block 0 adds 2^31 - (n - 1) and
 * each of the others 1, so its top bit flips when the last of n arrives and
 * the bits below are zero again for the next launch, whatever its size (the
 * barrier of cooperative groups, which would need device linking). A block
 * may leave without waiting. */
#ifndef ACI_CUDA_GRID_BARRIER_H
#define ACI_CUDA_GRID_BARRIER_H

#include "cuda/device_code.h"

/* *at += value, and everything this thread has seen is seen by whoever sees
 * the sum; the value before. */
static __device__ __forceinline__ uint32_t aci_add_release(uint32_t *at, uint32_t value)
{
#ifdef ACI_CUDA_EMULATED
    const uint32_t before = *at;
    *at += value;
    return before;
#else
    uint32_t before;
    asm volatile("atom.add.release.gpu.global.u32 %0, [%1], %2;"
                 : "=r"(before) : "l"(at), "r"(value) : "memory");
    return before;
#endif
}

/* The same, and what those who added before have seen is seen by this one. */
static __device__ __forceinline__ uint32_t aci_add_both(uint32_t *at, uint32_t value)
{
#ifdef ACI_CUDA_EMULATED
    return aci_add_release(at, value);
#else
    uint32_t before;
    asm volatile("atom.add.acq_rel.gpu.global.u32 %0, [%1], %2;"
                 : "=r"(before) : "l"(at), "r"(value) : "memory");
    return before;
#endif
}

/* Whether this block is the last of `n` to come here, and then sees what the
 * others wrote before; by all its threads. `turn` is a zeroed word, zero again
 * afterwards; `said` a word of shared memory. */
static __device__ __forceinline__ bool aci_is_last(uint32_t *turn, int32_t n, int32_t *said)
{
    __syncthreads();
    if (threadIdx.x == 0) {
        const bool last = aci_add_both(turn, 1) + 1 == static_cast<uint32_t>(n);

        if (last)
            *turn = 0;
        *said = last;
    }
    __syncthreads();
    const bool last = *said != 0;
    __syncthreads(); /* the word may be used again */
    return last;
}

/* Until the top bit of *at is another one than that of `seen`. */
static __device__ __forceinline__ void aci_await_flip(const uint32_t *at, uint32_t seen)
{
#ifdef ACI_CUDA_EMULATED
    emulation::wait_for_flip(at, seen);
#else
    uint32_t now;
    do
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(at) : "memory");
    while (((now ^ seen) & 0x80000000u) == 0);
#endif
}

/* By all threads of the block; the answer is for aci_grid_wait alone. */
static __device__ __forceinline__ uint32_t aci_grid_arrive(uint32_t *arrived)
{
    __syncthreads();
    if (threadIdx.x != 0)
        return 0;
    return aci_add_release(arrived, blockIdx.x == 0 ? 0x80000000u - (gridDim.x - 1) : 1u);
}

static __device__ __forceinline__ void aci_grid_wait(const uint32_t *arrived, uint32_t seen)
{
    if (threadIdx.x == 0)
        aci_await_flip(arrived, seen);
    __syncthreads();
}

#endif
