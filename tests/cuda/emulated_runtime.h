/* emulated_runtime.h - the part of the CUDA runtime that cuda/ calls, over the
 * emulated device. For C and C++.
 *
 * Work queued on a stream is carried out when somebody waits for it, not
 * before: who reads results without waiting, or changes pinned memory that a
 * queued copy still reads, sees it. Device memory can be touched by kernels
 * and copies only; the host that does gets a segmentation fault. */
#ifndef TESTS_CUDA_EMULATED_RUNTIME_H
#define TESTS_CUDA_EMULATED_RUNTIME_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cudaError {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInitializationError = 3,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorNoKernelImageForDevice = 209,
    cudaErrorLaunchFailure = 719,
    cudaErrorCooperativeLaunchTooLarge = 720
} cudaError_t;

enum cudaMemcpyKind {
    cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice, cudaMemcpyDefault
};

enum cudaStreamCaptureMode {
    cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal,
    cudaStreamCaptureModeRelaxed
};

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16, cudaDevAttrCooperativeLaunch = 95
};

#define cudaStreamNonBlocking 1u
#define cudaHostAllocDefault 0u

typedef struct emulated_stream *cudaStream_t;
typedef struct emulated_graph *cudaGraph_t;
typedef struct emulated_graph_exec *cudaGraphExec_t;

/* What the code asks of a device; the real struct has many more fields. */
struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    size_t sharedMemPerBlockOptin;
    int multiProcessorCount;
    int major, minor;
};

cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *out, int device);
cudaError_t cudaDeviceGetAttribute(int *out, enum cudaDeviceAttr attribute,
                                   int device);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError(void);
cudaError_t cudaPeekAtLastError(void);

cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes);
cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes,
                            enum cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes,
                            cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream,
                                   enum cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph,
                                 unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
/* What the code asks of a kernel; the real struct has more fields. */
struct cudaFuncAttributes {
    int binaryVersion, ptxVersion, maxThreadsPerBlock;
};
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *out,
                                  const void *kernel);
cudaError_t cudaFuncSetAttribute(const void *kernel,
                                 enum cudaFuncAttribute attribute, int value);

/* ---- for the tests ------------------------------------------------------- */

/* 0 in the runner for a real device, where all of these do nothing. */
int emulation_is_on(void);

/* How many devices there are; 0 at the start: as on a machine without one. */
void emulation_plug(int n_devices);

/* Whether the driver finds code for the device: as it is at the start, none at
 * all, or PTX of an older generation that it compiles. */
enum {
    EMULATION_HAS_CODE, EMULATION_HAS_NO_CODE, EMULATION_HAS_PTX,
    EMULATION_HAS_SM_90A /* as at the start, and warpgroups besides */
};
void emulation_code(int what);

/* On: products of warpgroups take the two offsets of a descriptor for each
 * other, as if ours had been made for another reading of the manual. */
void emulation_swap_offsets(int on);

/* Whether backends that are opened from now on find that blocks of a launch
 * can wait for each other; 1 at the start. */
void emulation_together(int can);

/* Asking for the devices fails with this, as where a driver does not start;
 * cudaSuccess: it does not. */
void emulation_fail_start(cudaError_t error);

/* The order in which threads run; 0: by their number. */
void emulation_order(unsigned seed);

/* On: tensor cores do not round sums of float16 products but cut them, as
 * devices do (emulated_instructions.cc). */
void emulation_cut_sums(int on);

/* Times that two rows of a matrix lay in the same banks for ldmatrix, since
 * the start; 0 on a real device. */
size_t emulation_bank_conflicts(void);

/* Device memory in all; allocations beyond it fail. 0: the usual 1 GiB. */
void emulation_limit(size_t bytes);

/* The n-th launch from now on fails with cudaErrorLaunchFailure, as a fault on
 * a device would: seen at the next wait, and by every call from then on. */
void emulation_fail_launch(int n);

/* Launches carried out, graphs launched, bytes allocated, since the start. */
size_t emulation_launches(void);
size_t emulation_graph_launches(void);
size_t emulation_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
