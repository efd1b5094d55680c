/* launch.h - starting a kernel: the one way, so that every launch is checked
 * and the tests can start the same kernels on the host. */
#ifndef ACI_CUDA_LAUNCH_H
#define ACI_CUDA_LAUNCH_H

#include "cuda/device_code.h"

template <class T> struct aci_exactly { typedef T type; };

/* Queues `kernel` on `stream`; what is wrong with the launch itself is told
 * here, a fault while it runs at the next wait. Above 48 KB of shared memory
 * the kernel asks for it, every time: it costs nothing beside a launch. */
template <class... P>
static cudaError_t aci_launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                              cudaStream_t stream, typename aci_exactly<P>::type... arguments)
{
#ifdef ACI_CUDA_EMULATED
    return emulation::launch(stream, grid, block, shared_bytes, [=] { kernel(arguments...); });
#else
    void *all[] = { const_cast<void *>(static_cast<const void *>(&arguments))... };
    if (shared_bytes > 48 * 1024) {
        cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                                 cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                 static_cast<int>(shared_bytes));
        if (error != cudaSuccess)
            return error;
    }
    return cudaLaunchKernel(reinterpret_cast<const void *>(kernel), grid, block, all, shared_bytes,
                            stream);
#endif
}

#endif
