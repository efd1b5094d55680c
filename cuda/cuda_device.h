/* cuda_device.h - finding a GPU that this library can use. */
#ifndef ACI_CUDA_CUDA_DEVICE_H
#define ACI_CUDA_CUDA_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"

/* "cuda:0 NVIDIA H200, sm_90, driver 13.0" into `description`; or AC_E_DEVICE
 * with the reason: no driver, one too old, no such device, one that the
 * kernels were not compiled for. The device
 * is then the calling thread's. Nothing is printed. */
ac_status aci_cuda_find_device(char *description, size_t description_bytes,
                               int32_t device, ac_error *error);

#endif
