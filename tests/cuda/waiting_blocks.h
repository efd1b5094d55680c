/* waiting_blocks.h - kernels whose blocks wait for each other, right and wrong,
 * for the test of the emulation itself. */
#ifndef TESTS_CUDA_WAITING_BLOCKS_H
#define TESTS_CUDA_WAITING_BLOCKS_H

#include <stdint.h>

#include "emulated_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

enum waiting_fault {
    WAITING_RIGHT,
    WAITING_NOT,           /* reads without having waited */
    WAITING_ABSENT,        /* the last block leaves before it arrives */
    WAITING_ALONE          /* launched as if blocks did not wait */
};

/* out[b], b < n_blocks: the sum of what all blocks put into slots, block i
 * i + 1. All device memory; `arrived` a zeroed word. */
cudaError_t waiting_blocks(uint32_t *out, uint32_t *slots, uint32_t *arrived,
                           unsigned n_blocks, enum waiting_fault fault,
                           cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
