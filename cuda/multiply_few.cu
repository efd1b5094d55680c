/* multiply_few.cu - products of up to 8 tokens: decoding, where reading the
 * weights is the cost.
 *
 *     out[token][row] = sum over groups, in order, of
 *                       value(integer sums) * (scale of row * scale of token)
 *
 * A block of 8 warps takes one strip of 16 rows. The strip is read in rounds of
 * 32 tiles (16 with groups of 32); of a round each warp takes every eighth
 * tile, so that 16 KB are under way per block, and writes the integer sums of
 * its tiles to shared memory. Then one thread per (row, token) adds the groups
 * up in their order: splitting the columns over warps costs no bit of the
 * contract, unlike sums of floats per warp. The next round's tiles are asked
 * for before that.
 *
 * Tokens are the 8 columns of the tensor cores' B operand, so 1 to 8 tokens
 * cost the same. Not measured on a device yet. */
#include "cuda/product_call.h"

enum { WARPS = 8, THREADS = WARPS * ACI_WARP, SLOTS = 32, OUTPUTS = 16 * 8 };

template <int group> struct rounds {
    enum {
        slots_of_tile = group == 32 ? 2 : 1,
        tiles = SLOTS / slots_of_tile,
        tiles_of_warp = tiles / WARPS,
        groups = group == 128 ? SLOTS / 2 : SLOTS
    };
};

/* One warp's sums of one tile, for its lanes' rows and tokens. */
static __device__ __forceinline__ void put_sums(int32_t *sums, int slot, const int32_t (&c)[4],
                                                int lane)
{
    int32_t *at = sums + slot * OUTPUTS + (lane / 4) * 8 + 2 * (lane % 4);

    *reinterpret_cast<int2 *>(at) = { c[0], c[1] };
    *reinterpret_cast<int2 *>(at + 64) = { c[2], c[3] };
}

static __device__ __forceinline__ uint4 token_bytes(const int8_t *x, size_t at, bool inside)
{
    return inside ? *reinterpret_cast<const uint4 *>(x + at) : uint4{ 0, 0, 0, 0 };
}

template <int weight_bits, int activation_bits, int group>
static __device__ __forceinline__ void sum_tile(int32_t *sums, const product_call &call,
                                                const tile_bytes<weight_bits> &bytes,
                                                uint32_t ratio, int32_t tile, int slot, int lane)
{
    const bool inside = lane / 4 < call.x.n_rows;
    const size_t at = static_cast<size_t>(lane / 4) * static_cast<size_t>(call.x.n_in_padded) +
                      static_cast<size_t>(tile) * ACI_TILE_COLUMNS +
                      static_cast<size_t>(lane % 4) * 16;
    const uint4 high = token_bytes(call.x.high, at, inside);
    const uint4 low = activation_bits == 16 ? token_bytes(call.x.low, at, inside) : high;
    tile_operand w;

    unpack_tile(w, bytes, ratio);
    for (int half = 0; half < rounds<group>::slots_of_tile; half++) {
        const uint4 h = group == 32 ? only_half(high, lane, half) : high;
        const uint4 l = group == 32 ? only_half(low, lane, half) : low;
        int32_t c[4] = { 0, 0, 0, 0 };

        multiply_tile(c, w, h);
        put_sums(sums, slot + half, c, lane);
        if (activation_bits == 16) {
            int32_t d[4] = { 0, 0, 0, 0 };

            multiply_tile(d, w, l);
            if (weight_bits == 16)
                multiply_bytes(d, bytes, h);
            put_sums(sums + SLOTS * OUTPUTS, slot + half, d, lane);
        }
    }
}

/* One thread's output: the groups of a round, in order. */
template <int weight_bits, int activation_bits, int group>
static __device__ __forceinline__ float add_round(float result, const int32_t *sums,
                                                  const product_call &call,
                                                  const product_target &target, int32_t strip,
                                                  int32_t first, int32_t last)
{
    const int row = threadIdx.x / 8, token = threadIdx.x % 8;
    const int32_t groups_stored = target.tiles_stored * ACI_TILE_COLUMNS / group;
    const uint16_t *scales = target.scales + static_cast<size_t>(strip) *
                             static_cast<size_t>(groups_stored) * 16 + row;
    const int32_t offset = offset_of(weight_bits, target.ratio);

    for (int32_t g = first; g < last; g++) {
        const int slot = (group == 128 ? 2 : 1) * (g - first);
        const size_t at = static_cast<size_t>(g) * static_cast<size_t>(call.x.row_stride) +
                          static_cast<size_t>(token);
        const float scale = aci_half_to_float(scales[static_cast<size_t>(g) * 16]) *
                            target.factor * call.x.scales[at];
        const int32_t *mine = sums + slot * OUTPUTS + threadIdx.x;
        int32_t high = mine[0] - offset * call.x.sum_high[at], low = 0;

        if (group == 128)
            high += mine[OUTPUTS];
        if (activation_bits == 16) {
            mine += SLOTS * OUTPUTS;
            low = mine[0] - offset * call.x.sum_low[at];
            if (group == 128)
                low += mine[OUTPUTS];
            if (weight_bits == 16)
                low -= 128 * call.x.sum_high[at];
        }
        result = fmaf(value_of<weight_bits, activation_bits>(static_cast<float>(high),
                                                             static_cast<float>(low)),
                      scale, result);
    }
    return result;
}

template <int weight_bits, int activation_bits, int group>
static __global__ void __launch_bounds__(THREADS) multiply_few(__grid_constant__ const
                                                               product_call call)
{
    typedef rounds<group> of;
    ACI_SHARED(shared);
    int32_t *sums = reinterpret_cast<int32_t *>(shared);
    const int lane = threadIdx.x % ACI_WARP, warp = threadIdx.x / ACI_WARP;
    const product_target &target =
        call.targets[target_of(call, static_cast<int32_t>(blockIdx.x))];
    const int32_t strip = static_cast<int32_t>(blockIdx.x) - target.first_strip;
    const size_t stream = static_cast<size_t>(strip) * static_cast<size_t>(target.tiles_stored);
    const int32_t n_tiles = call.x.n_in_padded / ACI_TILE_COLUMNS;
    const bool adds = static_cast<int>(threadIdx.x) < OUTPUTS &&
                      static_cast<int32_t>(threadIdx.x % 8) < call.x.n_rows;
    tile_bytes<weight_bits> bytes[of::tiles_of_warp];
    float result = 0.0f;

#pragma unroll
    for (int i = 0; i < of::tiles_of_warp; i++)
        if (warp + i * WARPS < n_tiles)
            load_tile(bytes[i], target, stream + static_cast<size_t>(warp + i * WARPS), lane);
    for (int32_t first = 0; first < n_tiles; first += of::tiles) {
        const int32_t left = n_tiles - first < of::tiles ? n_tiles - first : of::tiles;
        const int32_t group_first = first * ACI_TILE_COLUMNS / group;

#pragma unroll
        for (int i = 0; i < of::tiles_of_warp; i++) {
            const int32_t within = warp + i * WARPS, next = first + of::tiles + within;

            if (within < left)
                sum_tile<weight_bits, activation_bits, group>(
                    sums, call, bytes[i], target.ratio, first + within,
                    within * of::slots_of_tile, lane);
            if (next < n_tiles)
                load_tile(bytes[i], target, stream + static_cast<size_t>(next), lane);
        }
        __syncthreads();
        if (adds)
            result = add_round<weight_bits, activation_bits, group>(
                result, sums, call, target, strip, group_first,
                group_first + left * ACI_TILE_COLUMNS / group);
        __syncthreads();
    }
    if (adds)
        store_result(target, static_cast<int32_t>(threadIdx.x % 8),
                     16 * strip + static_cast<int32_t>(threadIdx.x / 8), result);
}

template <int weight_bits, int activation_bits, int group> struct few {
    static cudaError_t start(const product_call &call, cudaStream_t stream)
    {
        const size_t bytes = (activation_bits == 16 ? 2 : 1) * SLOTS * OUTPUTS * sizeof(int32_t);

        return aci_launch(multiply_few<weight_bits, activation_bits, group>,
                          dim3(static_cast<unsigned>(call.n_strips)), dim3(THREADS), bytes,
                          stream, call);
    }
};

cudaError_t aci_cuda_multiply_few(const aci_product *products, int32_t n_products,
                                  const aci_cuda_activations *x, cudaStream_t stream)
{
    if (x->n_rows < 1 || x->n_rows > ACI_CUDA_FEW_ROWS)
        return cudaErrorInvalidValue;
    return start_products<few>(products, n_products, x, stream);
}
