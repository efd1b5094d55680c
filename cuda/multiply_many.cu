/* multiply_many.cu - products of many tokens: prefill, where the tensor cores
 * are the cost.
 *
 * A block of 8 warps takes 8 strips, 128 rows, and a tile of tokens, 16 to 64;
 * warp w owns strip w and all of the tile's tokens. Along the columns it goes
 * tile by tile of 64: activations come through shared memory, four stages of
 * cp.async ahead, since all warps read them; weights go from global memory
 * straight to the registers of the one warp that reads them, a tile ahead.
 *
 * After each group its integer sums become floats and are added to the
 * results, in the order of the groups: nothing is split along the columns, so
 * the order is the contract's. An accumulator starts at the bits of 1.5 * 2^23
 * less what the unsigned nibbles add: then it *is* the float 1.5 * 2^23 + sum,
 * exactly, as |sum| < 2^22 (at most 4 030 592: 128 columns of int16 codes),
 * and no conversion is needed.
 *
 * Not measured on a device yet. wgmma would be the next step on sm_90: it
 * reads the same registers, and activations through shared memory. */
#include "cuda/product_call.h"

enum { WARPS = 8, THREADS = WARPS * ACI_WARP, STAGES = 4, TILE = ACI_TILE_COLUMNS };
#define MAGIC_BITS 0x4B400000u
#define MAGIC 12582912.0f

/* One stage of shared memory, for `tokens` tokens and one tile of columns:
 * bytes (high, then low), then scales and sums of the tile's groups. */
template <int activation_bits, int group, int tokens> struct stage {
    enum {
        planes = activation_bits == 16 ? 2 : 1,
        groups = group == 32 ? 2 : 1,
        rows = 1 + planes, /* of scales and sums, per group */
        byte_count = planes * tokens * TILE + groups * rows * tokens * 4
    };
};

/* Asks for tile `t` of the activations; all threads take their share of the
 * 16-byte pieces. */
template <int activation_bits, int group, int tokens>
static __device__ __forceinline__ void fetch_stage(unsigned char *to,
                                                   const aci_cuda_activations &x, int32_t first,
                                                   int32_t t)
{
    typedef stage<activation_bits, group, tokens> of;
    const size_t column = static_cast<size_t>(t) * TILE;

    for (int i = threadIdx.x; i < of::planes * tokens * 4; i += THREADS) {
        const int plane = i / (tokens * 4), token = i / 4 % tokens, piece = i % 4;
        const int8_t *from = plane == 0 ? x.high : x.low;
        const size_t at = static_cast<size_t>(first + token) *
                          static_cast<size_t>(x.n_in_padded) + column +
                          static_cast<size_t>(piece) * 16;
        const bool inside = first + token < x.n_rows;

        aci_copy_async(to + i * 16, from + (inside ? at : 0), inside);
    }
    to += of::planes * tokens * TILE;
    for (int i = threadIdx.x; i < of::groups * of::rows * tokens / 4; i += THREADS) {
        const int line = i / (tokens / 4), piece = i % (tokens / 4);
        const int32_t g = t * TILE / group + line / of::rows;
        const size_t at = static_cast<size_t>(g) * static_cast<size_t>(x.row_stride) +
                          static_cast<size_t>(first + 4 * piece);
        const void *from = line % of::rows == 0   ? static_cast<const void *>(x.scales + at)
                           : line % of::rows == 1 ? static_cast<const void *>(x.sum_high + at)
                                                  : static_cast<const void *>(x.sum_low + at);

        aci_copy_async(to + i * 16, from, true);
    }
}

/* A warp's state: results, and sums of the group at hand. */
template <int activation_bits, int tokens> struct lane_sums {
    enum { n = tokens / 8, m = activation_bits == 16 ? tokens / 8 : 1 };
    float result[n][4];
    int32_t high[n][4], low[m][4];
};

/* Where an accumulator starts; without sign, since the sums of tokens that are
 * not there may be anything. */
static __device__ __forceinline__ int32_t begin_at(int32_t offset, int32_t sum,
                                                   int32_t byte_offset, int32_t byte_sum)
{
    return static_cast<int32_t>(MAGIC_BITS -
                                static_cast<uint32_t>(offset) * static_cast<uint32_t>(sum) -
                                static_cast<uint32_t>(byte_offset) *
                                    static_cast<uint32_t>(byte_sum));
}

template <int weight_bits, int activation_bits, int tokens>
static __device__ __forceinline__ void begin_group(lane_sums<activation_bits, tokens> &s,
                                                   const unsigned char *lines, int32_t offset,
                                                   int j)
{
    const int32_t *sum_high = reinterpret_cast<const int32_t *>(lines) + tokens;
    const int32_t *sum_low = sum_high + tokens;

#pragma unroll
    for (int n = 0; n < tokens / 8; n++) {
        const int2 h = *reinterpret_cast<const int2 *>(sum_high + 8 * n + 2 * j);

        s.high[n][0] = s.high[n][2] = begin_at(offset, h.x, 0, 0);
        s.high[n][1] = s.high[n][3] = begin_at(offset, h.y, 0, 0);
        if (activation_bits == 16) {
            const int2 l = *reinterpret_cast<const int2 *>(sum_low + 8 * n + 2 * j);
            const int32_t byte_offset = weight_bits == 16 ? 128 : 0;

            s.low[n][0] = s.low[n][2] = begin_at(offset, l.x, byte_offset, h.x);
            s.low[n][1] = s.low[n][3] = begin_at(offset, l.y, byte_offset, h.y);
        }
    }
}

/* `half` is -1, or the half of the columns that counts (groups of 32). */
template <int weight_bits, int activation_bits, int tokens>
static __device__ __forceinline__ void add_tile(lane_sums<activation_bits, tokens> &s,
                                                const unsigned char *stage_bytes,
                                                const tile_operand &w,
                                                const tile_bytes<weight_bits> &bytes, int lane,
                                                int half)
{
#pragma unroll
    for (int n = 0; n < tokens / 8; n++) {
        const unsigned char *at = stage_bytes + n * 8 * TILE + lane * 16;
        uint4 high = *reinterpret_cast<const uint4 *>(at);

        if (half >= 0)
            high = only_half(high, lane, half);
        multiply_tile(s.high[n], w, high);
        if (activation_bits == 16) {
            uint4 low = *reinterpret_cast<const uint4 *>(at + tokens * TILE);

            if (half >= 0)
                low = only_half(low, lane, half);
            multiply_tile(s.low[n], w, low);
            if (weight_bits == 16)
                multiply_bytes(s.low[n], bytes, high);
        }
    }
}

template <int weight_bits, int activation_bits, int tokens>
static __device__ __forceinline__ void end_group(lane_sums<activation_bits, tokens> &s,
                                                 const unsigned char *lines, float upper,
                                                 float lower, int j)
{
    const float *scales = reinterpret_cast<const float *>(lines);

#pragma unroll
    for (int n = 0; n < tokens / 8; n++) {
        const float2 x = *reinterpret_cast<const float2 *>(scales + 8 * n + 2 * j);

#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float high = __int_as_float(s.high[n][i]) - MAGIC;
            const float low = activation_bits == 16 ? __int_as_float(s.low[n][i]) - MAGIC : 0.0f;
            const float scale = (i < 2 ? upper : lower) * (i % 2 == 0 ? x.x : x.y);

            s.result[n][i] = fmaf(value_of<weight_bits, activation_bits>(high, low), scale,
                                  s.result[n][i]);
        }
    }
}

/* Blocks that should fit a multiprocessor: two where the sums leave registers
 * for it, else one, without which a few registers went to the stack. */
static constexpr int blocks_wanted(int activation_bits, int group)
{
    return activation_bits == 16 || group == 128 ? 1 : 2;
}

template <int weight_bits, int activation_bits, int group, int tokens>
static __global__ void __launch_bounds__(THREADS, blocks_wanted(activation_bits, group))
multiply_many(__grid_constant__ const product_call call)
{
    typedef stage<activation_bits, group, tokens> of;
    ACI_SHARED(shared);
    const int lane = threadIdx.x % ACI_WARP, warp = threadIdx.x / ACI_WARP, j = lane % 4;
    const int32_t number = static_cast<int32_t>(blockIdx.x) * WARPS + warp;
    const bool works = number < call.n_strips;
    const product_target &target = call.targets[target_of(call, works ? number : 0)];
    const int32_t strip = works ? number - target.first_strip : 0;
    const int32_t first_token = static_cast<int32_t>(blockIdx.y) * tokens;
    const int32_t n_tiles = call.x.n_in_padded / TILE;
    const size_t stream = static_cast<size_t>(strip) * static_cast<size_t>(target.tiles_stored);
    const uint16_t *scales = target.scales + static_cast<size_t>(strip) *
                             static_cast<size_t>(target.tiles_stored * TILE / group) * 16 +
                             lane / 4;
    const int32_t offset = offset_of(weight_bits, target.ratio);
    lane_sums<activation_bits, tokens> s = {};
    tile_bytes<weight_bits> bytes;

    load_tile(bytes, target, stream, lane);
    for (int t = 0; t < STAGES - 1; t++) {
        if (t < n_tiles)
            fetch_stage<activation_bits, group, tokens>(shared + t * of::byte_count, call.x,
                                                        first_token, t);
        aci_copies_commit();
    }
    for (int32_t t = 0; t < n_tiles; t++) {
        const unsigned char *now = shared + t % STAGES * of::byte_count;
        const unsigned char *lines = now + of::planes * tokens * TILE;
        const tile_bytes<weight_bits> held = bytes;
        tile_operand w;

        aci_copies_wait<STAGES - 2>();
        __syncthreads();
        if (t + STAGES - 1 < n_tiles)
            fetch_stage<activation_bits, group, tokens>(
                shared + (t + STAGES - 1) % STAGES * of::byte_count, call.x, first_token,
                t + STAGES - 1);
        aci_copies_commit();
        if (t + 1 < n_tiles)
            load_tile(bytes, target, stream + static_cast<size_t>(t + 1), lane);
        unpack_tile(w, held, target.ratio);
        for (int h = 0; h < of::groups; h++) {
            const unsigned char *line = lines + h * of::rows * tokens * 4;
            const size_t g = static_cast<size_t>(t * TILE / group + h);

            if (group < 128 || t % 2 == 0)
                begin_group<weight_bits, activation_bits, tokens>(s, line, offset, j);
            add_tile<weight_bits, activation_bits, tokens>(s, now, w, held, lane,
                                                           group == 32 ? h : -1);
            if (group < 128 || t % 2 == 1)
                end_group<weight_bits, activation_bits, tokens>(
                    s, line, aci_half_to_float(scales[16 * g]) * target.factor,
                    aci_half_to_float(scales[16 * g + 8]) * target.factor, j);
        }
    }
    aci_copies_wait<0>();
#pragma unroll
    for (int n = 0; n < tokens / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int32_t token = first_token + 8 * n + 2 * j + i % 2;

            if (works && token < call.x.n_rows)
                store_result(target, token, 16 * strip + lane / 4 + 8 * (i / 2), s.result[n][i]);
        }
}

template <int weight_bits, int activation_bits, int group, int tokens>
static cudaError_t start_tokens(const product_call &call, cudaStream_t stream)
{
    const unsigned strips = static_cast<unsigned>((call.n_strips + WARPS - 1) / WARPS);
    const unsigned rows = static_cast<unsigned>((call.x.n_rows + tokens - 1) / tokens);

    return aci_launch(multiply_many<weight_bits, activation_bits, group, tokens>,
                      dim3(strips, rows), dim3(THREADS),
                      STAGES * stage<activation_bits, group, tokens>::byte_count, stream, call);
}

/* Few tokens per block keep the registers for more warps; many reuse weights.
 * 16-bit activations hold two sums per token: 32 fill the registers. */
template <int weight_bits, int activation_bits, int group> struct many {
    static cudaError_t start(const product_call &call, cudaStream_t stream)
    {
        enum { most = activation_bits == 16 ? 32 : 64 };

        if (call.x.n_rows <= 16)
            return start_tokens<weight_bits, activation_bits, group, 16>(call, stream);
        return start_tokens<weight_bits, activation_bits, group, most>(call, stream);
    }
};

cudaError_t aci_cuda_multiply_many(const aci_product *products, int32_t n_products,
                                   const aci_cuda_activations *x, cudaStream_t stream)
{
    if (x->n_rows < 1 || x->row_stride % 64 != 0 || x->n_rows > x->row_stride)
        return cudaErrorInvalidValue;
    return start_products<many>(products, n_products, x, stream);
}
