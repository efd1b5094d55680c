/* no_cuda.c - what stands in for the CUDA backend where the library is built
 * without it: one answer, with the reason. */
#include "kernels/backend.h"
#include "platform/error.h"

ac_status aci_cuda_open(aci_backend **out, aci_memory *memory, int32_t device,
                        int32_t max_width, size_t most_bytes,
                        ac_error *error)
{
    (void)memory;
    (void)max_width;
    (void)most_bytes;
    *out = NULL;
    return aci_platform_fail(error, AC_E_DEVICE,
                             "cuda:%d cannot be used: the library was built "
                             "without CUDA", device);
}
