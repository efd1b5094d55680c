/* runtime.h - the CUDA runtime as C sees it. */
#ifndef ACI_CUDA_RUNTIME_H
#define ACI_CUDA_RUNTIME_H

/* The tests put their own in front of every file; see tests/cuda. */
#ifndef ACI_CUDA_EMULATED
#include <cuda_runtime_api.h>
#endif

#endif
