/* cuda_device.c - see cuda_device.h. */
#include "cuda/cuda_device.h"

#include <stdio.h>

#include "cuda/kernels.h"
#include "platform/error.h"

/* Kernels use cp.async and 8-bit tensor cores of this generation on. */
enum { LEAST_MAJOR = 8 };

static ac_status refuse(int32_t device, cudaError_t why, ac_error *error)
{
    int driver = 0, runtime = 0;

    cudaGetLastError();
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (driver == 0)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d cannot be used: there is no NVIDIA "
                                 "driver", (int)device);
    if (driver / 1000 < runtime / 1000)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d cannot be used: the driver is for "
                                 "CUDA %d.%d, the library was built with "
                                 "%d.%d", (int)device, driver / 1000,
                                 driver % 1000 / 10, runtime / 1000,
                                 runtime % 1000 / 10);
    return aci_platform_fail(error, AC_E_DEVICE,
                             "cuda:%d cannot be used: %s", (int)device,
                             cudaGetErrorString(why));
}

ac_status aci_cuda_find_device(char *description, size_t description_bytes,
                               int32_t device, ac_error *error)
{
    struct cudaDeviceProp properties;
    int n = 0, driver = 0;
    int32_t from_ptx = 0;
    cudaError_t result = cudaGetDeviceCount(&n);

    if (result != cudaSuccess)
        return refuse(device, result, error);
    if (n <= 0)
        return refuse(device, cudaErrorNoDevice, error);
    if (device >= n)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d was asked for, there %s %d",
                                 (int)device, n == 1 ? "is" : "are", n);
    result = cudaGetDeviceProperties(&properties, device);
    if (result != cudaSuccess)
        return refuse(device, result, error);
    if (properties.major < LEAST_MAJOR)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d cannot be used: %.80s is sm_%d%d, "
                                 "the kernels need sm_80", (int)device,
                                 properties.name, properties.major,
                                 properties.minor);
    result = cudaSetDevice(device);
    if (result == cudaSuccess)
        result = aci_cuda_image(&from_ptx);
    if (result == cudaErrorNoKernelImageForDevice)
        return aci_platform_fail(error, AC_E_DEVICE,
                                 "cuda:%d cannot be used: the library has no "
                                 "code for %.80s, sm_%d%d", (int)device,
                                 properties.name, properties.major,
                                 properties.minor);
    if (result != cudaSuccess)
        return refuse(device, result, error);
    cudaDriverGetVersion(&driver);
    snprintf(description, description_bytes,
             "cuda:%d %.80s, sm_%d%d%s, driver %d.%d", (int)device,
             properties.name, properties.major, properties.minor,
             from_ptx ? " from PTX" : "", driver / 1000,
             driver % 1000 / 10);
    return AC_OK;
}
