/* few_strip.h - one strip of 16 rows times up to 8 tokens, by a block of 8 warps:
 * what multiply_few.cu and multiply_pairs.cu are made of.
 *
 * The strip is read in rounds of 32 tiles (16 with groups of 32); of a round
 * each warp takes every eighth tile, so that 16 KB are under way per block, and
 * writes the integer sums of its tiles to shared memory. Then one thread per
 * (row, token) adds the groups up in their order: splitting the columns over
 * warps costs no bit of the contract, unlike sums of floats per warp. The next
 * round's tiles are asked for before that.
 *
 * Tokens are the 8 columns of the tensor cores' B operand, so 1 to 8 tokens
 * cost the same. */
#ifndef ACI_CUDA_FEW_STRIP_H
#define ACI_CUDA_FEW_STRIP_H

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

static __device__ __forceinline__ uint4 token_bytes(const int8_t *rows, size_t at, bool inside)
{
    return inside ? *reinterpret_cast<const uint4 *>(rows + at) : uint4{ 0, 0, 0, 0 };
}

template <int weight_bits, int activation_bits, int group>
static __device__ __forceinline__ void sum_tile(int32_t *sums, const aci_cuda_activations &x,
                                                const tile_bytes<weight_bits> &bytes,
                                                uint32_t ratio, int32_t tile, int slot, int lane)
{
    const bool inside = lane / 4 < x.n_rows;
    const size_t at = static_cast<size_t>(lane / 4) * static_cast<size_t>(x.n_in_padded) +
                      static_cast<size_t>(tile) * ACI_TILE_COLUMNS +
                      static_cast<size_t>(lane % 4) * 16;
    const uint4 high = token_bytes(x.high, at, inside);
    const uint4 low = activation_bits == 16 ? token_bytes(x.low, at, inside) : high;
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
                                                  const aci_cuda_activations &x,
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
        const size_t at = static_cast<size_t>(g) * static_cast<size_t>(x.row_stride) +
                          static_cast<size_t>(token);
        const float scale = aci_half_to_float(scales[static_cast<size_t>(g) * 16]) *
                            target.factor * x.scales[at];
        const int32_t *mine = sums + slot * OUTPUTS + threadIdx.x;
        int32_t high = mine[0] - offset * x.sum_high[at], low = 0;

        if (group == 128)
            high += mine[OUTPUTS];
        if (activation_bits == 16) {
            mine += SLOTS * OUTPUTS;
            low = mine[0] - offset * x.sum_low[at];
            if (group == 128)
                low += mine[OUTPUTS];
            if (weight_bits == 16)
                low -= 128 * x.sum_high[at];
        }
        result = fmaf(value_of<weight_bits, activation_bits>(static_cast<float>(high),
                                                             static_cast<float>(low)),
                      scale, result);
    }
    return result;
}

/* The tiles of a strip's first round, asked for. */
template <int weight_bits, int group>
static __device__ __forceinline__ void
load_round(tile_bytes<weight_bits> (&bytes)[rounds<group>::tiles_of_warp],
           const product_target &target, int32_t strip, int32_t n_tiles)
{
    const int lane = threadIdx.x % ACI_WARP, warp = threadIdx.x / ACI_WARP;
    const size_t stream = static_cast<size_t>(strip) * static_cast<size_t>(target.tiles_stored);

#pragma unroll
    for (int i = 0; i < rounds<group>::tiles_of_warp; i++)
        if (warp + i * WARPS < n_tiles)
            load_tile(bytes[i], target, stream + static_cast<size_t>(warp + i * WARPS), lane);
}

/* The strip times the rows of x, whose first round is in `bytes`; sums: shared
 * memory, sums_bytes of it, free again at the end. By the whole block. */
template <int weight_bits, int activation_bits, int group>
static __device__ __forceinline__ void
multiply_strip(tile_bytes<weight_bits> (&bytes)[rounds<group>::tiles_of_warp], int32_t *sums,
               const product_target &target, const aci_cuda_activations &x, int32_t strip)
{
    typedef rounds<group> of;
    const int lane = threadIdx.x % ACI_WARP, warp = threadIdx.x / ACI_WARP;
    const size_t stream = static_cast<size_t>(strip) * static_cast<size_t>(target.tiles_stored);
    const int32_t n_tiles = x.n_in_padded / ACI_TILE_COLUMNS;
    const bool adds = static_cast<int>(threadIdx.x) < OUTPUTS &&
                      static_cast<int32_t>(threadIdx.x % 8) < x.n_rows;
    float result = 0.0f;

    for (int32_t first = 0; first < n_tiles; first += of::tiles) {
        const int32_t left = n_tiles - first < of::tiles ? n_tiles - first : of::tiles;
        const int32_t group_first = first * ACI_TILE_COLUMNS / group;

#pragma unroll
        for (int i = 0; i < of::tiles_of_warp; i++) {
            const int32_t within = warp + i * WARPS, next = first + of::tiles + within;

            if (within < left)
                sum_tile<weight_bits, activation_bits, group>(
                    sums, x, bytes[i], target.ratio, first + within,
                    within * of::slots_of_tile, lane);
            if (next < n_tiles)
                load_tile(bytes[i], target, stream + static_cast<size_t>(next), lane);
        }
        __syncthreads();
        if (adds)
            result = add_round<weight_bits, activation_bits, group>(
                result, sums, x, target, strip, group_first,
                group_first + left * ACI_TILE_COLUMNS / group);
        __syncthreads();
    }
    if (adds)
        store_result(target, static_cast<int32_t>(threadIdx.x % 8),
                     16 * strip + static_cast<int32_t>(threadIdx.x / 8), result);
}

/* Shared memory for the sums of a strip. */
ACI_HOST_DEVICE static constexpr size_t sums_bytes(int activation_bits)
{
    return (activation_bits == 16 ? 2 : 1) * SLOTS * OUTPUTS * sizeof(int32_t);
}

#endif
