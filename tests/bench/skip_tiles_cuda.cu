/* skip_tiles_cuda.cu - see skip_tiles_cuda.h. A block takes a strip, as in
 * multiply_few.cu, and walks its list: weights and scales as they follow one
 * another, activations where the list says. A group that is not there would add
 * fmaf(0, s, sum) = sum, so leaving it out changes no bit. */
#include "skip_tiles_cuda.h"

#include "cuda/few_strip.h"

enum { GROUP = 128, BLOCK_BYTES = 2 * ACI_NIBBLE_TILE_BYTES, ROUND = rounds<GROUP>::tiles };

struct skip_call {
    skip_cuda_matrix m;
    aci_cuda_activations x;
    float *out;
};

/* One thread's output: blocks first .. first + n - 1 of the strip, in order. */
static __device__ __forceinline__ float add_blocks(float result, const int32_t *sums,
                                                   const aci_cuda_activations &x,
                                                   const uint16_t *scales, const uint16_t *live,
                                                   int32_t n)
{
    const int row = threadIdx.x / 8, token = threadIdx.x % 8;

    for (int32_t i = 0; i < n; i++) {
        const size_t at = static_cast<size_t>(live[i]) * static_cast<size_t>(x.row_stride) +
                          static_cast<size_t>(token);
        const float scale = aci_half_to_float(scales[i * 16 + row]) * x.scales[at];
        const int32_t *mine = sums + 2 * i * OUTPUTS + threadIdx.x;
        const int32_t sum = mine[0] + mine[OUTPUTS] - offset_of(4, 1) * x.sum_high[at];

        result = fmaf(static_cast<float>(sum), scale, result);
    }
    return result;
}

static __global__ void __launch_bounds__(THREADS)
    skip_tiles(__grid_constant__ const skip_call call)
{
    ACI_SHARED(shared);
    int32_t *sums = reinterpret_cast<int32_t *>(shared);
    const int lane = threadIdx.x % ACI_WARP, warp = threadIdx.x / ACI_WARP;
    const int32_t strip = static_cast<int32_t>(blockIdx.x);
    const uint32_t begin = call.m.first[strip];
    const int32_t n_tiles = 2 * static_cast<int32_t>(call.m.first[strip + 1] - begin);
    const uint16_t *live = call.m.live + begin;
    const uint16_t *scales = call.m.scales + static_cast<size_t>(begin) * 16;
    const bool adds = static_cast<int>(threadIdx.x) < OUTPUTS &&
                      static_cast<int32_t>(threadIdx.x % 8) < call.x.n_rows;
    product_target target = {};
    tile_bytes<4> bytes[rounds<GROUP>::tiles_of_warp];
    float result = 0.0f;

    target.plane_a = call.m.nibbles + static_cast<size_t>(begin) * BLOCK_BYTES;
    target.out = call.out;
    target.out_stride = static_cast<size_t>(call.m.n_out);
    target.n_out = call.m.n_out;
    load_round<4, GROUP>(bytes, target, 0, 0, n_tiles);
    for (int32_t first = 0; first < n_tiles; first += ROUND) {
        const int32_t left = n_tiles - first < ROUND ? n_tiles - first : static_cast<int>(ROUND);

#pragma unroll
        for (int i = 0; i < rounds<GROUP>::tiles_of_warp; i++) {
            const int32_t within = warp + i * WARPS, tile = first + within;

            if (within < left)
                sum_tile<4, 8, GROUP>(sums, call.x, bytes[i], 1, 2 * live[tile / 2] + tile % 2,
                                      within, lane);
            if (tile + ROUND < n_tiles)
                load_tile(bytes[i], target, static_cast<size_t>(tile + ROUND), lane);
        }
        __syncthreads();
        if (adds)
            result = add_blocks(result, sums, call.x, scales + first / 2 * 16, live + first / 2,
                                left / 2);
        __syncthreads();
    }
    if (adds)
        store_result(target, static_cast<int32_t>(threadIdx.x % 8),
                     16 * strip + static_cast<int32_t>(threadIdx.x / 8), result);
}

size_t skip_tiles_cuda_bytes(int32_t n_in, int32_t n_rows)
{
    return static_cast<size_t>(n_rows) * static_cast<size_t>(n_in) +
           static_cast<size_t>(n_in / GROUP) * 64 * (sizeof(float) + sizeof(int32_t));
}

int skip_tiles_cuda(float *out, const skip_cuda_matrix *m, const float *x, int32_t n_rows,
                    void *scratch, void *stream)
{
    const size_t numbers = static_cast<size_t>(m->n_in / GROUP) * 64;
    cudaStream_t queue = static_cast<cudaStream_t>(stream);
    aci_input input = {};
    skip_call call = {};
    cudaError_t error;

    if (n_rows < 1 || n_rows > ACI_CUDA_FEW_ROWS || m->n_out < 1 || m->n_in < GROUP ||
        m->n_in % GROUP != 0 || m->n_in / GROUP > 65536)
        return cudaErrorInvalidValue;
    call.m = *m;
    call.out = out;
    call.x.scales = static_cast<float *>(scratch);
    call.x.sum_high = reinterpret_cast<int32_t *>(call.x.scales + numbers);
    call.x.high = reinterpret_cast<int8_t *>(call.x.sum_high + numbers);
    call.x.n_rows = n_rows;
    call.x.row_stride = 64;
    call.x.n_in_padded = m->n_in;
    call.x.group = GROUP;
    call.x.bits = 8;
    input.x = x;
    input.x_stride = static_cast<size_t>(m->n_in);
    error = aci_cuda_quantise(&call.x, &input, m->n_in, queue);
    return error != cudaSuccess
               ? error
               : aci_launch(skip_tiles, dim3(static_cast<unsigned>((m->n_out + 15) / 16)),
                            dim3(THREADS), sums_bytes(8), queue, call);
}
