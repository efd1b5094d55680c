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

/* The scale of a group for this thread's row and token. */
static __device__ __forceinline__ float group_scale(const product_target &target,
                                                    const aci_cuda_activations &x, int32_t strip,
                                                    int32_t group, int32_t g)
{
    const int row = threadIdx.x / 8, token = threadIdx.x % 8;
    const size_t groups_stored =
        static_cast<size_t>(target.tiles_stored * ACI_TILE_COLUMNS / group);
    const size_t at = static_cast<size_t>(g) * static_cast<size_t>(x.row_stride) +
                      static_cast<size_t>(token);

    return aci_half_to_float(target.scales[(static_cast<size_t>(strip) * groups_stored +
                                            static_cast<size_t>(g)) * 16 + row]) *
           target.factor * x.scales[at];
}

/* The value of a group, whose sums are at `slot`, for the same. */
template <int weight_bits, int activation_bits, int group>
static __device__ __forceinline__ float group_value(const int32_t *sums,
                                                    const aci_cuda_activations &x,
                                                    uint32_t ratio, int32_t g, int slot)
{
    const size_t at = static_cast<size_t>(g) * static_cast<size_t>(x.row_stride) +
                      static_cast<size_t>(threadIdx.x % 8);
    const int32_t offset = offset_of(weight_bits, ratio);
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
    return value_of<weight_bits, activation_bits>(static_cast<float>(high),
                                                  static_cast<float>(low));
}

/* The first round of tiles begin .. end - 1 of a strip, asked for. */
template <int weight_bits, int group>
static __device__ __forceinline__ void
load_round(tile_bytes<weight_bits> (&bytes)[rounds<group>::tiles_of_warp],
           const product_target &target, int32_t strip, int32_t begin, int32_t end)
{
    const int lane = threadIdx.x % ACI_WARP, warp = threadIdx.x / ACI_WARP;
    const size_t stream = static_cast<size_t>(strip) * static_cast<size_t>(target.tiles_stored);

#pragma unroll
    for (int i = 0; i < rounds<group>::tiles_of_warp; i++)
        if (begin + warp + i * WARPS < end)
            load_tile(bytes[i], target,
                      stream + static_cast<size_t>(begin + warp + i * WARPS), lane);
}

/* Whether this thread has an output: 16 rows by the tokens there are. */
static __device__ __forceinline__ bool has_output(const aci_cuda_activations &x)
{
    return static_cast<int>(threadIdx.x) < OUTPUTS &&
           static_cast<int32_t>(threadIdx.x % 8) < x.n_rows;
}

/* Tiles begin .. end - 1 of a strip, whole groups, times the rows of x; the
 * first round is in `bytes`. Threads that have an output are told each group in
 * order: take(g, value). sums: shared memory, sums_bytes of it, free again at
 * the end. By the whole block. */
template <int weight_bits, int activation_bits, int group, class taker>
static __device__ __forceinline__ void
multiply_tiles(tile_bytes<weight_bits> (&bytes)[rounds<group>::tiles_of_warp], int32_t *sums,
               const product_target &target, const aci_cuda_activations &x, int32_t strip,
               int32_t begin, int32_t end, taker take)
{
    typedef rounds<group> of;
    const int lane = threadIdx.x % ACI_WARP, warp = threadIdx.x / ACI_WARP;
    const size_t stream = static_cast<size_t>(strip) * static_cast<size_t>(target.tiles_stored);
    const bool adds = has_output(x);

    for (int32_t first = begin; first < end; first += of::tiles) {
        const int32_t left = end - first < of::tiles ? end - first : of::tiles;
        const int32_t g = first * ACI_TILE_COLUMNS / group;

#pragma unroll
        for (int i = 0; i < of::tiles_of_warp; i++) {
            const int32_t within = warp + i * WARPS, next = first + of::tiles + within;

            if (within < left)
                sum_tile<weight_bits, activation_bits, group>(
                    sums, x, bytes[i], target.ratio, first + within,
                    within * of::slots_of_tile, lane);
            if (next < end)
                load_tile(bytes[i], target, stream + static_cast<size_t>(next), lane);
        }
        __syncthreads();
        for (int32_t n = 0; adds && n < left * ACI_TILE_COLUMNS / group; n++)
            take(g + n, group_value<weight_bits, activation_bits, group>(
                            sums, x, target.ratio, g + n, (group == 128 ? 2 : 1) * n));
        __syncthreads();
    }
}

static __device__ __forceinline__ void store_output(const product_target &target, int32_t strip,
                                                    float result)
{
    store_result(target, static_cast<int32_t>(threadIdx.x % 8),
                 16 * strip + static_cast<int32_t>(threadIdx.x / 8), result);
}

/* A whole strip, to where it goes. */
template <int weight_bits, int activation_bits, int group>
static __device__ __forceinline__ void
multiply_strip(tile_bytes<weight_bits> (&bytes)[rounds<group>::tiles_of_warp], int32_t *sums,
               const product_target &target, const aci_cuda_activations &x, int32_t strip)
{
    float result = 0.0f;

    multiply_tiles<weight_bits, activation_bits, group>(
        bytes, sums, target, x, strip, 0, x.n_in_padded / ACI_TILE_COLUMNS,
        [&](int32_t g, float value) {
            result = fmaf(value, group_scale(target, x, strip, group, g), result);
        });
    if (has_output(x))
        store_output(target, strip, result);
}

/* Shared memory for the sums of a strip. */
ACI_HOST_DEVICE static constexpr size_t sums_bytes(int activation_bits)
{
    return (activation_bits == 16 ? 2 : 1) * SLOTS * OUTPUTS * sizeof(int32_t);
}

#endif
