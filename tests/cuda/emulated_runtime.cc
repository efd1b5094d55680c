/* emulated_runtime.cc - see emulated_runtime.h. */
#include "emulated_runtime.h"

#include <stdint.h>
#include <string.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "emulated_memory.h"
#include "emulation.h"

typedef std::function<cudaError_t()> work;

struct emulated_graph { std::vector<work> nodes; };
struct emulated_graph_exec { std::vector<work> nodes; };
struct emulated_stream {
    std::vector<work> queue;
    emulated_graph *capture;
};

namespace emulation {

bool run_grid(dim3 grid, dim3 size, size_t bytes, bool together,
              std::function<void()> *kernel);

static std::recursive_mutex door; /* of every call of the runtime */
enum { PROCESSORS = 4, RESIDENT_THREADS = 512, RESIDENT_BYTES = 227 * 1024 };
static int n_devices, has_together = 1;
static cudaError_t sticky, last;
static int fail_in, code;
static cudaError_t fail_start;
static size_t n_launches, n_graphs;
static std::map<const void *, int> shared_allowed;

static std::vector<cudaStream_t> &streams()
{
    static std::vector<cudaStream_t> all;
    return all;
}

static std::map<unsigned char *, size_t> &pinned()
{
    static std::map<unsigned char *, size_t> all;
    return all;
}

static cudaError_t say(cudaError_t error)
{
    if (sticky != cudaSuccess)
        error = sticky;
    if (error != cudaSuccess)
        last = error;
    return error;
}

static cudaError_t queue(cudaStream_t stream, work item)
{
    if (stream == nullptr)
        return say(cudaErrorInvalidValue);
    if (sticky != cudaSuccess)
        return say(sticky);
    if (stream->capture != nullptr)
        stream->capture->nodes.push_back(std::move(item));
    else
        stream->queue.push_back(std::move(item));
    return cudaSuccess;
}

static cudaError_t launch_grid(cudaStream_t stream, dim3 grid, dim3 block,
                               size_t shared_bytes, bool together,
                               std::function<void()> body)
{
    std::lock_guard<std::recursive_mutex> guard(door);

    return queue(stream, [=]() mutable {
        n_launches++;
        if (fail_in > 0 && --fail_in == 0)
            return cudaErrorLaunchFailure;
        return run_grid(grid, block, shared_bytes, together, &body)
                   ? cudaSuccess : cudaErrorLaunchFailure;
    });
}

cudaError_t launch(cudaStream_t stream, dim3 grid, dim3 block,
                   size_t shared_bytes, std::function<void()> body)
{
    return launch_grid(stream, grid, block, shared_bytes, false,
                       std::move(body));
}

/* Few, so that blocks have more than one round of work in the tests. */
cudaError_t resident_blocks(int *out, int threads, size_t shared_bytes)
{
    int by_bytes = RESIDENT_BYTES / static_cast<int>(shared_bytes + 1024);

    if (threads < 1 || shared_bytes > RESIDENT_BYTES)
        return say(cudaErrorInvalidValue);
    *out = RESIDENT_THREADS / threads;
    *out = by_bytes < *out ? by_bytes : *out;
    return cudaSuccess;
}

cudaError_t launch_together(cudaStream_t stream, dim3 grid, dim3 block,
                            size_t shared_bytes, std::function<void()> body)
{
    int most = 0;

    if (resident_blocks(&most, static_cast<int>(block.x * block.y * block.z),
                        shared_bytes) != cudaSuccess ||
        grid.x * grid.y * grid.z > static_cast<unsigned>(PROCESSORS * most))
        return say(cudaErrorCooperativeLaunchTooLarge);
    return launch_grid(stream, grid, block, shared_bytes, true,
                       std::move(body));
}

static bool is_pinned(const void *at)
{
    unsigned char *p = static_cast<unsigned char *>(const_cast<void *>(at));
    auto next = pinned().upper_bound(p);

    if (next == pinned().begin())
        return false;
    --next;
    return static_cast<size_t>(p - next->first) < next->second;
}

static bool sound_copy(const void *to, const void *from, size_t bytes,
                       cudaMemcpyKind kind)
{
    bool to_device = kind == cudaMemcpyHostToDevice ||
                     kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost ||
                       kind == cudaMemcpyDeviceToDevice;

    return emulated_memory::contains(to, bytes) == to_device &&
           emulated_memory::contains(from, bytes) == from_device;
}

} // namespace emulation

using namespace emulation;
#define ENTER std::lock_guard<std::recursive_mutex> guard(door)

/* ---- devices ------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *n)
{
    ENTER;
    if (fail_start != cudaSuccess) {
        last = fail_start;
        return fail_start;
    }
    if (n_devices == 0)
        return say(cudaErrorInsufficientDriver); /* leaves *n, as the real */
    *n = n_devices;
    return say(cudaSuccess);
}

cudaError_t cudaSetDevice(int device)
{
    ENTER;
    return say(device >= 0 && device < n_devices ? cudaSuccess
                                                 : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDevice(int *device)
{
    ENTER;
    *device = 0;
    return say(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device)
{
    ENTER;
    if (device < 0 || device >= n_devices)
        return say(cudaErrorInvalidDevice);
    memset(out, 0, sizeof *out);
    strcpy(out->name, "emulated device");
    out->totalGlobalMem = emulated_memory::limit();
    out->sharedMemPerBlockOptin = 227 * 1024;
    out->multiProcessorCount = PROCESSORS;
    out->major = 9;
    return say(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int *out, cudaDeviceAttr attribute,
                                   int device)
{
    ENTER;
    if (device < 0 || device >= n_devices)
        return say(cudaErrorInvalidDevice);
    *out = attribute == cudaDevAttrMultiProcessorCount ? PROCESSORS
                                                       : has_together;
    return say(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = n_devices > 0 ? 13000 : 0;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver:
        return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInitializationError: return "initialization error";
    case cudaErrorNoKernelImageForDevice:
        return "no kernel image is available for execution on the device";
    case cudaErrorCooperativeLaunchTooLarge:
        return "too many blocks in cooperative launch";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    }
    return "unrecognized error code";
}

cudaError_t cudaGetLastError(void)
{
    ENTER;
    cudaError_t error = last;
    last = sticky;
    return error;
}

cudaError_t cudaPeekAtLastError(void)
{
    ENTER;
    return last;
}

/* ---- memory -------------------------------------------------------------- */

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    ENTER;
    *out = nullptr;
    if (sticky != cudaSuccess || bytes == 0)
        return say(cudaSuccess);
    *out = emulated_memory::allocate(bytes);
    return say(*out ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void *memory)
{
    ENTER;
    for (cudaStream_t stream : streams()) /* waits, as the real one does */
        if (stream->capture == nullptr && !stream->queue.empty())
            cudaStreamSynchronize(stream);
    if (memory != nullptr && !emulated_memory::release(memory))
        return say(cudaErrorInvalidValue);
    return say(cudaSuccess);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    ENTER;
    *total_bytes = emulated_memory::limit();
    *free_bytes = *total_bytes - emulated_memory::used();
    return say(cudaSuccess);
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned)
{
    ENTER;
    unsigned char *block = new (std::nothrow) unsigned char[bytes];
    *out = block;
    if (block == nullptr)
        return say(cudaErrorMemoryAllocation);
    pinned()[block] = bytes;
    return say(cudaSuccess);
}

cudaError_t cudaFreeHost(void *memory)
{
    ENTER;
    if (memory != nullptr) {
        unsigned char *block = static_cast<unsigned char *>(memory);
        if (pinned().erase(block) == 0)
            return say(cudaErrorInvalidValue);
        delete[] block;
    }
    return say(cudaSuccess);
}

/* From pinned memory when its turn comes; other host memory is read at once,
 * as the real runtime stages it. Into pageable memory the real one waits. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes,
                            cudaMemcpyKind kind, cudaStream_t stream)
{
    ENTER;
    if (!sound_copy(to, from, bytes, kind))
        return say(cudaErrorInvalidValue);
    if (kind == cudaMemcpyHostToDevice && !is_pinned(from)) {
        if (stream != nullptr && stream->capture != nullptr)
            return say(cudaErrorInvalidValue);
        const unsigned char *p = static_cast<const unsigned char *>(from);
        auto staged = std::make_shared<std::vector<unsigned char>>(p,
                                                                   p + bytes);
        return queue(stream, [=] {
            memcpy(to, staged->data(), bytes);
            return cudaSuccess;
        });
    }
    return queue(stream, [=] {
        memcpy(to, from, bytes);
        return cudaSuccess;
    });
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes,
                            cudaStream_t stream)
{
    ENTER;
    if (!emulated_memory::contains(to, bytes))
        return say(cudaErrorInvalidValue);
    return queue(stream, [=] {
        memset(to, value, bytes);
        return cudaSuccess;
    });
}

/* ---- streams and graphs -------------------------------------------------- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned)
{
    ENTER;
    *out = new emulated_stream();
    streams().push_back(*out);
    return say(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    ENTER;
    for (size_t i = 0; i < streams().size(); i++)
        if (streams()[i] == stream)
            streams().erase(streams().begin() + static_cast<long>(i));
    delete stream;
    return say(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    ENTER;
    if (stream->capture != nullptr)
        return say(cudaErrorInvalidValue);
    std::vector<work> now = std::move(stream->queue);
    stream->queue.clear();
    emulated_memory::let_in();
    for (work &item : now)
        if (sticky == cudaSuccess)
            sticky = item();
    emulated_memory::shut_out();
    return say(sticky);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    ENTER;
    if (stream->capture != nullptr)
        return say(cudaErrorInvalidValue);
    stream->capture = new emulated_graph();
    return say(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out)
{
    ENTER;
    *out = stream->capture;
    stream->capture = nullptr;
    return say(*out ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph,
                                 unsigned long long)
{
    ENTER;
    *out = new emulated_graph_exec{ graph->nodes };
    return say(cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream)
{
    ENTER;
    n_graphs++;
    for (const work &node : graph->nodes)
        if (queue(stream, node) != cudaSuccess)
            return last;
    return say(cudaSuccess);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph)
{
    ENTER;
    delete graph;
    return say(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    ENTER;
    delete graph;
    return say(cudaSuccess);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, const void *)
{
    ENTER;
    if (code == EMULATION_HAS_NO_CODE)
        return say(cudaErrorNoKernelImageForDevice);
    out->binaryVersion = 90;
    out->ptxVersion = code == EMULATION_HAS_PTX ? 80 : 90;
    /* kernels with warpgroups are bounded to a warp where they are empty */
    out->maxThreadsPerBlock = code == EMULATION_HAS_SM_90A ? 1024 : 32;
    return say(cudaSuccess);
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute,
                                 int value)
{
    ENTER;
    shared_allowed[kernel] = value;
    return say(value <= 227 * 1024 ? cudaSuccess : cudaErrorInvalidValue);
}

/* ---- for the tests ------------------------------------------------------- */

void emulation_plug(int n)
{
    ENTER;
    n_devices = n;
    sticky = last = cudaSuccess;
    fail_in = code = 0;
    fail_start = cudaSuccess;
}

int emulation_is_on(void) { return 1; }
void emulation_limit(size_t bytes) { emulated_memory::set_limit(bytes); }
void emulation_code(int what) { code = what; }
void emulation_together(int can) { has_together = can; }
void emulation_fail_start(cudaError_t error) { fail_start = error; }
void emulation_fail_launch(int n) { fail_in = n; }
size_t emulation_launches(void) { return n_launches; }
size_t emulation_graph_launches(void) { return n_graphs; }
size_t emulation_bytes(void) { return emulated_memory::used(); }
