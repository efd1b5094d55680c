/* multiply_wide.cu - products of many tokens on Hopper (sm_90a): prefill, with
 * tensor-core products of a warpgroup (wgmma), which reach rates there that
 * those of one warp do not.
 *
 *     out[token][row] = sum over groups, in order, of
 *                       value(integer sums) * (scale of row * scale of token)
 *
 * A block takes 8 strips, 128 rows, and 128 tokens (64 with 16-bit activations,
 * which need two sums each). Two warpgroups multiply, each its 64 rows with all
 * tokens; a ninth warp brings. The unit of everything is a group of columns,
 * 64 or 128:
 *
 *   activations  bytes in the wide order (kernels.h), scales and sums: copies
 *                in bulk by one thread of the ninth warp into a ring of stages,
 *                with a barrier `full` and one `empty` a stage
 *   weights      each lane copies the 16-byte pieces that it will itself read
 *                (cp.async): a ring per warp, deep enough for the way to memory;
 *                so no thread waits for another's weights. They are unpacked
 *                while the tensor cores work on the group before
 *   sums         from the bits of 1.5 * 2^23 on, as in multiply_many.cu, and
 *                made floats after every group, in the order of groups: bit for
 *                bit the contract of backend.h
 *
 * The two warpgroups are not held together: while one makes floats of its sums
 * the other one's products run. Making them costs about as many cycles as the
 * products of 128 columns do, so groups of 128 should reach more of the peak
 * than groups of 64 (arithmetic, not a measurement). Blocks that share weights
 * are neighbours in the grid, so that weights come from memory once.
 *
 * Registers: a quarter of a multiprocessor holds three of the nine warps, so 168
 * a thread, 128 of them for sums. None are moved between warps (setmaxnreg):
 * what the ninth warp does not need would not have made a larger tile possible.
 *
 * Never run on a device yet, hence the self-test (cuda_wide.c), in which waits
 * have a limit: a product that went wrong is not used, and does not hang. */
#include "cuda/product_call.h"
#include "cuda/warpgroup.h"

enum {
    WARPS = 8, /* that multiply; one more brings */
    THREADS = (WARPS + 1) * ACI_WARP,
    TILE = ACI_TILE_COLUMNS,
    PIECE = 16 * ACI_WARP, /* what a warp's lanes copy at once */
    BARRIER_BYTES = 128
};
#define MAGIC_BITS 0x4B400000u
#define MAGIC 12582912.0f

/* Other devices get an empty kernel that cannot even be started so. */
#if ACI_HAS_WARPGROUPS
#define WIDE_BOUNDS __launch_bounds__(THREADS, 1)
#else
#define WIDE_BOUNDS __launch_bounds__(ACI_WARP)
#endif

/* How shared memory is laid out: barriers, stages, rings of weights. */
template <int weight_bits, int activation_bits, int group> struct shape {
    enum {
        planes = activation_bits == 16 ? 2 : 1,
        tokens = activation_bits == 16 ? 64 : 128,
        tiles = group / TILE,
        depth = 512 / group, /* groups ahead, of activations and of weights */
        plane_bytes = tokens * group,
        lines = 1 + planes, /* of scales and sums */
        stage_bytes = planes * plane_bytes + lines * tokens * 4,
        pieces = tiles * (weight_bits == 16 ? 4 : weight_bits / 4),
        slot_bytes = pieces * PIECE + 32, /* and the scales of a strip */
        byte_count = BARRIER_BYTES + depth * (stage_bytes + WARPS * slot_bytes),
        /* whether the registers reach for the next group's weights as well */
        early = !(weight_bits == 8 && planes == 1 && tiles == 2)
    };
};

#if ACI_HAS_WARPGROUPS

/* ---- the warp that brings ------------------------------------------------ */

template <class of>
static __device__ __forceinline__ void bring_group(unsigned char *stage, aci_barrier *full,
                                                   const aci_cuda_activations &x, int32_t first,
                                                   int32_t g)
{
    const size_t line = static_cast<size_t>(g) * static_cast<size_t>(x.row_stride) +
                        static_cast<size_t>(first);
    unsigned char *lines = stage + of::planes * of::plane_bytes;

    aci_barrier_expect(full, of::stage_bytes);
    for (int t = 0; t < of::tiles; t++) {
        const size_t at = TILE * (static_cast<size_t>(g * of::tiles + t) *
                                      static_cast<size_t>(x.row_stride) +
                                  static_cast<size_t>(first));
        unsigned char *to = stage + t * of::tokens * TILE;

        aci_copy_bulk(to, x.high + at, of::tokens * TILE, full);
        if (of::planes == 2)
            aci_copy_bulk(to + of::plane_bytes, x.low + at, of::tokens * TILE, full);
    }
    aci_copy_bulk(lines, x.scales + line, of::tokens * 4, full);
    aci_copy_bulk(lines + of::tokens * 4, x.sum_high + line, of::tokens * 4, full);
    if (of::planes == 2)
        aci_copy_bulk(lines + of::tokens * 8, x.sum_low + line, of::tokens * 4, full);
}

template <class of>
static __device__ __forceinline__ void bring(unsigned char *stages, aci_barrier *full,
                                             aci_barrier *empty, const product_call &call,
                                             int32_t first, int32_t n_groups)
{
    for (int32_t g = 0; g < n_groups; g++) {
        const int s = g % of::depth;
        const uint32_t round = static_cast<uint32_t>(g / of::depth);

        aci_barrier_wait(empty + s, (round & 1) ^ 1, call.patience);
        bring_group<of>(stages + s * of::stage_bytes, full + s, call.x, first, g);
    }
}

/* ---- weights ------------------------------------------------------------- */

/* What a warp multiplies with in one group, unpacked. */
template <int weight_bits, class of> struct group_operand {
    tile_operand nibbles[of::tiles];
    tile_operand bytes[weight_bits == 16 ? of::tiles : 1]; /* plane C */
    float upper, lower; /* scales of the lane's two rows */
};

/* A warp's strip. */
struct strip_source {
    const product_target *target;
    size_t tile;            /* its first one */
    const uint16_t *scales; /* of its first group */
};

template <int weight_bits, class of>
static __device__ __forceinline__ void fetch_weights(unsigned char *slot,
                                                     const strip_source &strip, int32_t g,
                                                     int lane)
{
    for (int t = 0; t < of::tiles; t++) {
        const size_t tile = strip.tile + static_cast<size_t>(g * of::tiles + t);
        const size_t at = tile * ACI_NIBBLE_TILE_BYTES + static_cast<size_t>(lane) * 16;
        unsigned char *to = slot + t * of::pieces / of::tiles * PIECE + lane * 16;

        aci_copy_async(to, strip.target->plane_a + at, true);
        if (weight_bits > 4)
            aci_copy_async(to + PIECE, strip.target->plane_b + at, true);
        if (weight_bits == 16) {
            const uint8_t *c = strip.target->plane_c + tile * ACI_BYTE_TILE_BYTES +
                               static_cast<size_t>(lane / 4 * 128 + lane % 4 * 16);

            aci_copy_async(to + 2 * PIECE, c, true);
            aci_copy_async(to + 3 * PIECE, c + 64, true);
        }
    }
    if (lane < 2)
        aci_copy_async(slot + of::pieces * PIECE + lane * 16,
                       strip.scales + static_cast<size_t>(g) * 16 + lane * 8, true);
}

template <int weight_bits, class of>
static __device__ __forceinline__ void unpack_weights(group_operand<weight_bits, of> &out,
                                                      const unsigned char *slot,
                                                      const product_target &target, int lane)
{
    const uint16_t *scales = reinterpret_cast<const uint16_t *>(slot + of::pieces * PIECE) +
                             lane / 4;

#pragma unroll
    for (int t = 0; t < of::tiles; t++) {
        const uint4 *from = reinterpret_cast<const uint4 *>(
            slot + t * of::pieces / of::tiles * PIECE + lane * 16);
        tile_bytes<weight_bits> held;

        held.a = from[0];
        if (weight_bits > 4)
            held.b = from[PIECE / 16];
        unpack_tile(out.nibbles[t], held, target.ratio);
        if (weight_bits == 16) {
            held.c_low = from[2 * PIECE / 16];
            held.c_high = from[3 * PIECE / 16];
            out.bytes[t] = { { held.c_low.x, held.c_low.z, held.c_low.y, held.c_low.w },
                             { held.c_high.x, held.c_high.z, held.c_high.y, held.c_high.w } };
        }
    }
    out.upper = aci_half_to_float(scales[0]) * target.factor;
    out.lower = aci_half_to_float(scales[8]) * target.factor;
}

/* Group g from the warp's ring, once it is there; the slot of the group before
 * it has been read by all lanes then and takes a new one. */
template <int weight_bits, class of>
static __device__ __forceinline__ void next_weights(group_operand<weight_bits, of> &out,
                                                    unsigned char *ring,
                                                    const strip_source &strip, int32_t g,
                                                    int32_t n_groups, int lane)
{
    const int32_t ahead = g + of::depth - 1;

    aci_copies_wait<of::depth - 2>();
    __syncwarp();
    if (ahead < n_groups)
        fetch_weights<weight_bits, of>(ring + ahead % of::depth * of::slot_bytes, strip, ahead,
                                       lane);
    aci_copies_commit();
    unpack_weights<weight_bits, of>(out, ring + g % of::depth * of::slot_bytes, *strip.target,
                                    lane);
}

/* ---- sums ---------------------------------------------------------------- */

/* Of a lane: [tokens / 8][4], as aci_multiply_u8_s8 has them. */
template <class of> struct lane_sums {
    enum { n = of::tokens / 2 };
    float result[n];
    int32_t high[n], low[of::planes == 2 ? n : 1];
};

/* Where an accumulator starts; without sign, since the sums of tokens that are
 * not there may be anything. Offsets come negated: one instruction each then. */
static __device__ __forceinline__ int32_t begin_at(uint32_t minus_offset, int32_t sum,
                                                   uint32_t minus_byte_offset, int32_t byte_sum)
{
    return static_cast<int32_t>(MAGIC_BITS + minus_offset * static_cast<uint32_t>(sum) +
                                minus_byte_offset * static_cast<uint32_t>(byte_sum));
}

template <int weight_bits, class of>
static __device__ __forceinline__ void begin_group(lane_sums<of> &s, const unsigned char *lines,
                                                   uint32_t minus_offset, int j)
{
    const uint32_t minus_byte_offset = weight_bits == 16 ? 0u - 128u : 0u;
    const int32_t *sum_high = reinterpret_cast<const int32_t *>(lines) + of::tokens;
    const int32_t *sum_low = sum_high + of::tokens;

#pragma unroll
    for (int n = 0; n < of::tokens / 8; n++) {
        const int2 h = *reinterpret_cast<const int2 *>(sum_high + 8 * n + 2 * j);

        s.high[4 * n] = s.high[4 * n + 2] = begin_at(minus_offset, h.x, 0, 0);
        s.high[4 * n + 1] = s.high[4 * n + 3] = begin_at(minus_offset, h.y, 0, 0);
        if constexpr (of::planes == 2) {
            const int2 l = *reinterpret_cast<const int2 *>(sum_low + 8 * n + 2 * j);

            s.low[4 * n] = s.low[4 * n + 2] =
                begin_at(minus_offset, l.x, minus_byte_offset, h.x);
            s.low[4 * n + 1] = s.low[4 * n + 3] =
                begin_at(minus_offset, l.y, minus_byte_offset, h.y);
        }
    }
}

/* Asks for all products of a group. A core is 8 tokens by 16 bytes: of eight
 * tokens a tile has four in a row, two for the low nibbles' columns and two for
 * the high ones'. */
template <int weight_bits, class of>
static __device__ __forceinline__ void start_group_products(lane_sums<of> &s,
                                                            group_operand<weight_bits, of> &w,
                                                            const unsigned char *stage)
{
    const uint64_t x = aci_operand_b(stage, 128, 512);

    aci_settle(s.high);
    if constexpr (of::planes == 2)
        aci_settle(s.low);
#pragma unroll
    for (int t = 0; t < of::tiles; t++) {
        aci_settle(w.nibbles[t].low);
        aci_settle(w.nibbles[t].high);
        if constexpr (weight_bits == 16) {
            aci_settle(w.bytes[t].low);
            aci_settle(w.bytes[t].high);
        }
    }
    aci_products_begin();
#pragma unroll
    for (int t = 0; t < of::tiles; t++) {
        const uint64_t high = aci_operand_b_plus(x, t * of::tokens * TILE);
        const uint64_t low = aci_operand_b_plus(high, of::plane_bytes);

        aci_multiply_u8_s8(s.high, w.nibbles[t].low, high);
        aci_multiply_u8_s8(s.high, w.nibbles[t].high, aci_operand_b_plus(high, 256));
        if constexpr (of::planes == 2) {
            aci_multiply_u8_s8(s.low, w.nibbles[t].low, low);
            aci_multiply_u8_s8(s.low, w.nibbles[t].high, aci_operand_b_plus(low, 256));
        }
        if constexpr (weight_bits == 16) {
            aci_multiply_u8_s8(s.low, w.bytes[t].low, high);
            aci_multiply_u8_s8(s.low, w.bytes[t].high, aci_operand_b_plus(high, 256));
        }
    }
    aci_products_commit();
}

template <int weight_bits, class of>
static __device__ __forceinline__ void end_group(lane_sums<of> &s, const unsigned char *lines,
                                                 float upper, float lower, int j)
{
    const float *scales = reinterpret_cast<const float *>(lines);

    aci_products_wait();
    aci_settle(s.high);
    if constexpr (of::planes == 2)
        aci_settle(s.low);
#pragma unroll
    for (int n = 0; n < of::tokens / 8; n++) {
        const float2 x = *reinterpret_cast<const float2 *>(scales + 8 * n + 2 * j);

#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int at = 4 * n + i;
            const float high = __int_as_float(s.high[at]) - MAGIC;
            const float low = of::planes == 2 ? __int_as_float(s.low[of::planes == 2 ? at : 0]) -
                                                    MAGIC
                                              : 0.0f;
            const float scale = (i < 2 ? upper : lower) * (i % 2 == 0 ? x.x : x.y);

            s.result[at] = fmaf(value_of<weight_bits, 8 * of::planes>(high, low), scale,
                                s.result[at]);
        }
    }
}

/* ---- a warp that multiplies ---------------------------------------------- */

template <int weight_bits, class of>
static __device__ __forceinline__ void multiply_strip(unsigned char *stages, unsigned char *ring,
                                                      aci_barrier *full, aci_barrier *empty,
                                                      const product_call &call,
                                                      const product_target &target,
                                                      int32_t strip, bool works, int32_t first,
                                                      int32_t n_groups)
{
    const int lane = threadIdx.x % ACI_WARP, j = lane % 4;
    const uint32_t minus_offset =
        0u - static_cast<uint32_t>(offset_of(weight_bits, target.ratio));
    const size_t tile = static_cast<size_t>(strip) * static_cast<size_t>(target.tiles_stored);
    const strip_source source = { &target, tile, target.scales + tile / of::tiles * 16 };
    lane_sums<of> s = {};
    group_operand<weight_bits, of> w, next;

    for (int g = 0; g < of::depth - 1; g++) {
        if (g < n_groups)
            fetch_weights<weight_bits, of>(ring + g * of::slot_bytes, source, g, lane);
        aci_copies_commit();
    }
    next_weights(w, ring, source, 0, n_groups, lane);
    for (int32_t g = 0; g < n_groups; g++) {
        const unsigned char *stage = stages + g % of::depth * of::stage_bytes;
        const unsigned char *lines = stage + of::planes * of::plane_bytes;

        aci_barrier_wait(full + g % of::depth, static_cast<uint32_t>(g / of::depth) & 1,
                         call.patience);
        begin_group<weight_bits>(s, lines, minus_offset, j);
        start_group_products<weight_bits>(s, w, stage);
        if (of::early && g + 1 < n_groups)
            next_weights(next, ring, source, g + 1, n_groups, lane);
        end_group<weight_bits>(s, lines, w.upper, w.lower, j);
        __syncwarp();
        if (lane == 0)
            aci_barrier_arrive(empty + g % of::depth);
        if (of::early)
            w = next;
        else if (g + 1 < n_groups)
            next_weights(w, ring, source, g + 1, n_groups, lane);
    }
    aci_copies_wait<0>();
#pragma unroll
    for (int i = 0; i < lane_sums<of>::n; i++) {
        const int32_t token = first + 8 * (i / 4) + 2 * j + i % 2;

        if (works && token < call.x.n_rows)
            store_result(target, token, 16 * strip + lane / 4 + 8 * (i / 2 % 2), s.result[i]);
    }
}

#endif

template <int weight_bits, int activation_bits, int group>
static __global__ void WIDE_BOUNDS multiply_wide(__grid_constant__ const product_call call)
{
#if ACI_HAS_WARPGROUPS
    typedef shape<weight_bits, activation_bits, group> of;
    ACI_SHARED(shared);
    aci_barrier *full = reinterpret_cast<aci_barrier *>(shared), *empty = full + of::depth;
    unsigned char *stages = shared + BARRIER_BYTES;
    const int warp = threadIdx.x / ACI_WARP;
    const int32_t first = static_cast<int32_t>(blockIdx.x) * of::tokens;
    const int32_t n_groups = call.x.n_in_padded / group;

    if (threadIdx.x == 0) {
        for (int s = 0; s < of::depth; s++) {
            aci_barrier_begin(full + s, 1);
            aci_barrier_begin(empty + s, WARPS);
        }
        aci_barriers_begun();
    }
    __syncthreads();
    if (warp == WARPS) {
        if (threadIdx.x % ACI_WARP == 0)
            bring<of>(stages, full, empty, call, first, n_groups);
    } else {
        const int32_t number = static_cast<int32_t>(blockIdx.y) * WARPS + warp;
        const bool works = number < call.n_strips; /* else it keeps the others company */
        const product_target &target = call.targets[target_of(call, works ? number : 0)];

        multiply_strip<weight_bits, of>(
            stages, stages + of::depth * (of::stage_bytes + warp * of::slot_bytes), full, empty,
            call, target, works ? number - target.first_strip : 0, works, first, n_groups);
    }
#endif
}

/* ---- on the host --------------------------------------------------------- */

template <int weight_bits, int activation_bits, int group> struct wide {
    static cudaError_t start(const product_call &call, cudaStream_t stream)
    {
        typedef shape<weight_bits, activation_bits, group> of;
        const unsigned strips = static_cast<unsigned>((call.n_strips + WARPS - 1) / WARPS);
        const unsigned rows = static_cast<unsigned>((call.x.n_rows + of::tokens - 1) /
                                                    of::tokens);

        static_assert(2 * of::depth * sizeof(uint64_t) <= BARRIER_BYTES, "barriers");
        static_assert(of::byte_count <= 227 * 1024, "what a block of sm_90 may have");
        return aci_launch(multiply_wide<weight_bits, activation_bits, group>, dim3(rows, strips),
                          dim3(THREADS), of::byte_count, stream, call);
    }
};

template <int weight_bits, int activation_bits> struct wide<weight_bits, activation_bits, 32> {
    static cudaError_t start(const product_call &, cudaStream_t) { return cudaErrorInvalidValue; }
};

int32_t aci_cuda_wide_takes(const aci_cuda_activations *x)
{
    return x->n_rows >= ACI_CUDA_WIDE_ROWS && x->group >= TILE && x->row_stride % 128 == 0;
}

int32_t aci_cuda_wide_image(void)
{
    struct cudaFuncAttributes attributes;
    cudaError_t error = cudaFuncGetAttributes(
        &attributes, reinterpret_cast<const void *>(multiply_wide<4, 8, 64>));

    if (error != cudaSuccess)
        cudaGetLastError(); /* the answer is no, and nothing has failed */
    return error == cudaSuccess && attributes.maxThreadsPerBlock >= THREADS;
}

cudaError_t aci_cuda_multiply_wide(const aci_product *products, int32_t n_products,
                                   const aci_cuda_activations *x, int32_t patience,
                                   cudaStream_t stream)
{
    if (x->n_rows < 1 || !x->is_wide || x->row_stride % 128 != 0 || x->n_rows > x->row_stride)
        return cudaErrorInvalidValue;
    return start_products<wide>(products, n_products, x, stream, patience);
}
