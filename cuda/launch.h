/* launch.h - starting a kernel: the one way, so that every launch is checked
 * and the tests can start the same kernels on the host. */
#ifndef ACI_CUDA_LAUNCH_H
#define ACI_CUDA_LAUNCH_H

#include "cuda/device_code.h"

template <class T> struct aci_exactly { typedef T type; };

#ifndef ACI_CUDA_EMULATED
/* Above 48 KB of shared memory a kernel has to ask for it: every time, which
 * costs nothing beside a launch. */
static inline cudaError_t aci_allow_shared(const void *kernel, size_t bytes)
{
    return bytes <= 48 * 1024
               ? cudaSuccess
               : cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      static_cast<int>(bytes));
}
#endif

/* Queues `kernel` on `stream`; what is wrong with the launch itself is told
 * here, a fault while it runs at the next wait. */
template <class... P>
static cudaError_t aci_launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                              cudaStream_t stream, typename aci_exactly<P>::type... arguments)
{
#ifdef ACI_CUDA_EMULATED
    return emulation::launch(stream, grid, block, shared_bytes, [=] { kernel(arguments...); });
#else
    void *all[] = { const_cast<void *>(static_cast<const void *>(&arguments))... };
    const void *code = reinterpret_cast<const void *>(kernel);
    const cudaError_t error = aci_allow_shared(code, shared_bytes);

    return error != cudaSuccess
               ? error
               : cudaLaunchKernel(code, grid, block, all, shared_bytes, stream);
#endif
}

/* How many blocks of so many threads one processor holds at once. */
template <class... P>
static cudaError_t aci_resident_blocks(int *out, void (*kernel)(P...), int threads,
                                       size_t shared_bytes)
{
#ifdef ACI_CUDA_EMULATED
    (void)kernel;
    return emulation::resident_blocks(out, threads, shared_bytes);
#else
    const void *code = reinterpret_cast<const void *>(kernel);
    const cudaError_t error = aci_allow_shared(code, shared_bytes);

    return error != cudaSuccess ? error
                                : cudaOccupancyMaxActiveBlocksPerMultiprocessor(
                                      out, code, threads, shared_bytes);
#endif
}

/* As aci_launch, for kernels whose blocks wait for each other
 * (grid_barrier.h): refused where they are not all resident at once. Passes
 * that are recorded may contain it (cudaLaunchAttributeCooperative is one of
 * graph nodes, too). */
template <class... P>
static cudaError_t aci_launch_together(void (*kernel)(P...), dim3 grid, dim3 block,
                                       size_t shared_bytes, cudaStream_t stream,
                                       typename aci_exactly<P>::type... arguments)
{
#ifdef ACI_CUDA_EMULATED
    return emulation::launch_together(stream, grid, block, shared_bytes,
                                      [=] { kernel(arguments...); });
#else
    void *all[] = { const_cast<void *>(static_cast<const void *>(&arguments))... };
    const void *code = reinterpret_cast<const void *>(kernel);
    const cudaError_t error = aci_allow_shared(code, shared_bytes);

    return error != cudaSuccess
               ? error
               : cudaLaunchCooperativeKernel(code, grid, block, all, shared_bytes, stream);
#endif
}

#endif
