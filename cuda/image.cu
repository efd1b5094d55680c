/* image.cu - which of the machine codes that were compiled in the driver took
 * for the device at hand. Asked, not guessed from the device's generation: a
 * newer device runs what the driver makes of the PTX. One small kernel answers
 * for all, which are compiled for the same list. */
#include "cuda/kernels.h"
#include "cuda/launch.h"

static __global__ void image_kernel() {}

cudaError_t aci_cuda_image(int32_t *from_ptx)
{
    struct cudaFuncAttributes attributes;
    cudaError_t error = cudaFuncGetAttributes(
        &attributes, reinterpret_cast<const void *>(image_kernel));

    *from_ptx = error == cudaSuccess && attributes.binaryVersion > attributes.ptxVersion;
    return error;
}
