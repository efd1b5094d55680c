/* roofs_cuda.cu - see roofs_cuda.h. */
#include "roofs_cuda.h"

#include "cuda/half_code.h"

enum { THREADS = 512, UNROLL = 8 };

/* A block takes 64 KB at a time, a thread eight loads of 16 bytes under way. */
static __global__ void __launch_bounds__(THREADS) read_kernel(const uint4 *at, size_t n,
                                                              uint32_t *sink)
{
    const size_t step = static_cast<size_t>(gridDim.x) * THREADS * UNROLL;
    uint32_t sum = 0;

    for (size_t i = static_cast<size_t>(blockIdx.x) * THREADS * UNROLL + threadIdx.x;
         i + (UNROLL - 1) * THREADS < n; i += step) {
        uint4 v[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
            v[u] = aci_load_weights(at + i + u * THREADS);
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
            sum ^= v[u].x ^ v[u].y ^ v[u].z ^ v[u].w;
    }
    if (sum == 0x12345678u) /* never, but the compiler cannot know */
        *sink = sum;
}

static __global__ void __launch_bounds__(256) int8_kernel(int n_rounds, int32_t *sink)
{
    int32_t c[8][4] = {};
    const uint32_t a = threadIdx.x * 0x01030507u, b = threadIdx.x * 0x11131517u;

    for (int i = 0; i < n_rounds; i++)
#pragma unroll
        for (int u = 0; u < 8; u++)
            aci_mma_u8_s8(c[u], a, a ^ 1, a ^ 2, a ^ 3, b + u, b);
    int32_t sum = 0;
    for (int u = 0; u < 8; u++)
        sum ^= c[u][0] ^ c[u][1] ^ c[u][2] ^ c[u][3];
    if (sum == 0x12345678)
        *sink = sum;
}

static __global__ void __launch_bounds__(256) half_kernel(int n_rounds, float *sink)
{
    float c[8][4] = {};
    /* float16 from 1 to 2, other ones in every lane */
    const uint32_t x = (threadIdx.x * 0x01030507u & 0x03FF03FFu) | 0x3C003C00u;
    const uint32_t a[4] = { x, x ^ 1, x ^ 2, x ^ 3 };

    for (int i = 0; i < n_rounds; i++)
#pragma unroll
        for (uint32_t u = 0; u < 8; u++) {
            const uint32_t b[2] = { x ^ u, x };

            aci_mma_f16(c[u], a, b);
        }
    float sum = 0.0f;
    for (int u = 0; u < 8; u++)
        sum += c[u][0] + c[u][1] + c[u][2] + c[u][3];
    if (sum == 0.12345f)
        *sink = sum;
}

int roof_cuda_read(const void *bytes, size_t n_bytes, int n_blocks, void *stream)
{
    uint32_t *sink = static_cast<uint32_t *>(const_cast<void *>(bytes));

    read_kernel<<<n_blocks, THREADS, 0, static_cast<cudaStream_t>(stream)>>>(
        static_cast<const uint4 *>(bytes), n_bytes / 16, sink);
    return cudaGetLastError();
}

int roof_cuda_int8(int n_rounds, int n_blocks, double *operations, void *sink, void *stream)
{
    int8_kernel<<<n_blocks, 256, 0, static_cast<cudaStream_t>(stream)>>>(
        n_rounds, static_cast<int32_t *>(sink));
    *operations = 2.0 * 16 * 8 * 32 * 8 * 8 * n_rounds * static_cast<double>(n_blocks);
    return cudaGetLastError();
}

int roof_cuda_half(int n_rounds, int n_blocks, double *operations, void *sink, void *stream)
{
    half_kernel<<<n_blocks, 256, 0, static_cast<cudaStream_t>(stream)>>>(
        n_rounds, static_cast<float *>(sink));
    *operations = 2.0 * 16 * 8 * 16 * 8 * 8 * n_rounds * static_cast<double>(n_blocks);
    return cudaGetLastError();
}
