/* waiting_blocks.cc - see waiting_blocks.h. */
#define ACI_CUDA_EMULATED
#include "emulation.h"

#include "cuda/grid_barrier.h"
#include "waiting_blocks.h"

static void sum_of_all(uint32_t *out, uint32_t *slots, uint32_t *arrived,
                       waiting_fault fault)
{
    uint32_t sum = 0;

    if (threadIdx.x == 40)
        slots[blockIdx.x] = blockIdx.x + 1;
    if (fault == WAITING_ABSENT && blockIdx.x + 1 == gridDim.x)
        return;
    const uint32_t seen = aci_grid_arrive(arrived);
    if (fault != WAITING_NOT)
        aci_grid_wait(arrived, seen);
    for (unsigned i = 0; i < gridDim.x; i++)
        sum += slots[i];
    if (threadIdx.x == 7)
        out[blockIdx.x] = sum;
}

cudaError_t waiting_blocks(uint32_t *out, uint32_t *slots, uint32_t *arrived,
                           unsigned n_blocks, waiting_fault fault,
                           cudaStream_t stream)
{
    return (fault == WAITING_ALONE ? emulation::launch
                                   : emulation::launch_together)(
        stream, dim3(n_blocks), dim3(64), 0,
        [=] { sum_of_all(out, slots, arrived, fault); });
}
