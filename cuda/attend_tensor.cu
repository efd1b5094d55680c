/* attend_tensor.cu - attention over float16 and int8 caches, on the tensor
 * cores; see attend.cu.
 *
 * Formula of a chunk, 128 positions: two stretches of 64, joined in their
 * order by `join`. A stretch, for a line, in products of 16 lines x 16 x 8:
 *     scores    (q high . k) + (q low . k), each one accumulator over the
 *               columns in their order; times the key's scale (8 bits); times
 *               the line's factor
 *     sum       of 2^(score - largest): (2j + 2j+1 of the first half) + (of the
 *               second), then a tree over j, for 16 positions; those in order
 *     mix       (weights high . v) + (weights low . v), each one accumulator
 *               over the positions in their order, begun anew
 * A line's row of a product does not depend on the other rows, so a line may
 * stand anywhere in a tile; and which warp has which positions or columns is
 * nothing to any accumulator. One prompt row or a hundred, the bits are these.
 *
 * Exactness. q and weights are float16 high + low: 22 bits, if in a range that
 * float16 has. A line's q is multiplied by the power of two that brings its
 * largest number to [2^14, 2^15), its weights by 2^15, with 8 bits by the one
 * that brings the largest scale of a value that it sees there, since that
 * scale goes into the weight. What is left out lies below 2^-23 of the number
 * and 2^-39 of the largest. So a q of any size serves: scores are infinite only
 * where their float32 is; a row whose q is infinite or no number comes to NaN.
 * Caches are exact: bytes become float16 in an integer's place. One half alone
 * would leave out 2^-12, and 4e-4 of a score where 4e-6 is promised. That the
 * tensor cores cut sums to 24 bits costs no more than float32's own rounding:
 * low halves have accumulators of their own, so that they are not cut off, and
 * a sum is cut once in 8 products.
 *
 * A block has `tiles` times 16 lines; `beside` warps share 16 lines, positions
 * for scores and columns for mixes. Keys and values of a stretch come through
 * shared memory (attend_desk.h), keys of the next one while values are mixed,
 * values while scores are found. Weights go through shared memory too, from the
 * warps that have positions to those that have columns.
 *
 *     16 lines, 4 warps beside: decoding. 64 lines, 2 beside: prompts, where a
 *     load serves four times as many lines. A block mixes 128 columns: heads
 *     wider than that take a block for each 128, which all find the scores,
 *     16 lines at a time, so that keys and queries fit beside each other.
 *
 * Not measured on a device. wgmma would be next on sm_90. */
#include "cuda/attend_scores.h"

template <int pairs> struct lane_mix {
    float chunk[pairs][2][4], row[pairs][2][4]; /* by C operands of 16 columns */
};

/* ---- mixing ---------------------------------------------------------------- */

/* Whether operands of 16 bits hold what is not finite. */
static __device__ __forceinline__ bool has_no_number(const uint32_t (&x)[2][2])
{
    bool any = false;

#pragma unroll
    for (int i = 0; i < 4; i++)
        any |= (x[i / 2][i % 2] & 0x7C00u) == 0x7C00u ||
               (x[i / 2][i % 2] & 0x7C000000u) == 0x7C000000u;
    return any;
}

/* Zeros in place of the values of 16 positions, from `first` on, that are not
 * seen. */
static __device__ __forceinline__ void hide_values(uint32_t (&x)[2][2], const range &seen,
                                                   int32_t first, int j)
{
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int32_t t = first + 8 * i + 2 * j;
        const uint32_t mask = (holds(seen, t) ? 0xFFFFu : 0u) |
                              (holds(seen, t + 1) ? 0xFFFF0000u : 0u);

        x[0][i] &= mask;
        x[1][i] &= mask;
    }
}

/* What one of the warp's 16 lines sees. */
static __device__ __forceinline__ range seen_by_line(const lane_lines &l, int line)
{
    const int32_t first = line < 8 ? l.seen[0].first : l.seen[1].first;
    const int32_t last = line < 8 ? l.seen[0].last : l.seen[1].last;

    return { __shfl_sync(ACI_ALL_LANES, first, line % 8 * 4),
             __shfl_sync(ACI_ALL_LANES, last, line % 8 * 4) };
}

/* Mixes of the stretch: 16 columns at a time, every so-manieth of them this
 * warp's. `only`: of which positions, NULL for all; answers whether there was
 * what is no number, where `looks`. */
template <int bits, int lines, int beside, int pairs>
static __device__ __forceinline__ bool multiply_values(float (&high)[pairs][2][4],
                                                       float (&low)[pairs][2][4], const desk &d,
                                                       const lane_place &p, int32_t n_columns,
                                                       bool looks, bool hides, const range &only,
                                                       int32_t first)
{
    const unsigned char *w = d.weights + (16 * p.strip + p.lane % 16) * WEIGHTS_ROW +
                             p.lane / 16 * 16;
    const unsigned char *v = d.values + value_lane<bits>(d, p.lane) + 16 * p.side * (bits / 8);
    bool found = false;

#pragma unroll
    for (int i = 0; i < 8 * pairs; i++)
        high[i / 8][i / 4 % 2][i % 4] = low[i / 8][i / 4 % 2][i % 4] = 0.0f;
#pragma unroll 1
    for (int s = 0; s < STRETCH; s += 16) {
        uint32_t w_high[4], w_low[4], values[2][2];

        load_lines(w_high, w_low, w + 2 * s, lines * WEIGHTS_ROW);
#pragma unroll
        for (int m = 0; m < pairs; m++) {
            if (16 * (p.side + m * beside) >= n_columns)
                break;
            load_operand<bits>(values, v + s * d.plan.value_row + 16 * m * beside * (bits / 8));
            if (bits == 16 && looks)
                found |= has_no_number(values);
            if (bits == 16 && hides)
                hide_values(values, only, first + s, p.j);
#pragma unroll
            for (int h = 0; h < 2; h++) {
                aci_mma_f16(high[m][h], w_high, values[h]);
                aci_mma_f16(low[m][h], w_low, values[h]);
            }
        }
    }
    return found;
}

/* Values of the stretch, mixed and joined to the chunk's. What one line sees
 * and another does not is zero times its value to the latter, and no number
 * where that is none: then it is done again, line by line, each with zeros for
 * what it does not see. */
template <int bits, int lines, int beside, int pairs>
static __device__ __forceinline__ void mix(lane_mix<pairs> &mixed, const desk &d,
                                           const tile_place &t, const lane_place &p,
                                           const lane_lines &l, int32_t first,
                                           int32_t n_columns)
{
    const int32_t last = first + STRETCH - 1;
    const bool shared = (t.all.first > first && t.any.first < t.all.first) ||
                        (t.all.last < last && t.any.last > t.all.last);
    const bool looks = bits == 16 && shared;

#pragma unroll 1
    for (int line = -1, end = 0; line < end; line++) {
        float high[pairs][2][4], low[pairs][2][4];
        const range only = bits == 16 && line >= 0 ? seen_by_line(l, line) : range{ 0, 0 };
        const bool found = multiply_values<bits, lines, beside, pairs>(
            high, low, d, p, n_columns, looks, line >= 0, only, first);

        if (looks && line < 0 && __any_sync(ACI_ALL_LANES, found)) {
            end = 16;
            continue;
        }
#pragma unroll
        for (int i = 0; i < 8 * pairs; i++) {
            const int m = i / 8, h = i / 4 % 2, e = i % 4;
            float &x = mixed.chunk[m][h][e];

            if (l.joins[e / 2] && (line < 0 || line == p.g + 8 * (e / 2)))
                x = fmaf(x, l.kept[e / 2], l.added[e / 2] * (high[m][h][e] + low[m][h][e]));
        }
    }
}

/* ---- ends ------------------------------------------------------------------ */

/* Calls at(line, column, row of two, value) for the lane's numbers. */
template <int bits, int beside, int pairs, class F>
static __device__ __forceinline__ void for_each_column(const float (&x)[pairs][2][4],
                                                       const tile_place &t, const lane_place &p,
                                                       const range &columns, F at)
{
#pragma unroll
    for (int m = 0; m < pairs; m++)
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const int h = i / 4, r = i % 4 / 2;
            const int32_t column = columns.first + 16 * (p.side + m * beside) +
                                   place_of<bits>(h, 2 * p.j + i % 2);
            const int32_t line = 16 * p.strip + p.g + 8 * r;

            if (column <= columns.last && line < t.n_lines)
                at(line, column, r, x[m][h][i % 4]);
        }
}

/* The chunk's part joins the row's. */
template <int pairs>
static __device__ __forceinline__ void join_chunk(lane_lines &l, lane_mix<pairs> &mixed)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        l.joins[r] = l.chunk[r].y != 0.0f;
        if (l.joins[r])
            join(l.row[r], l.kept[r], l.added[r], l.chunk[r]);
        l.chunk[r] = { NOTHING, 0.0f };
    }
#pragma unroll
    for (int i = 0; i < 8 * pairs; i++) {
        const int m = i / 8, h = i / 4 % 2, e = i % 4;
        float &x = mixed.row[m][h][e];

        if (l.joins[e / 2])
            x = fmaf(x, l.kept[e / 2], l.added[e / 2] * mixed.chunk[m][h][e]);
        mixed.chunk[m][h][e] = 0.0f;
    }
}

/* The one chunk's part goes to scratch. */
template <int bits, int beside, int pairs>
static __device__ __forceinline__ void store_part(const attend_call &call, const tile_place &t,
                                                  const lane_place &p, const lane_lines &l,
                                                  const lane_mix<pairs> &mixed,
                                                  const range &columns)
{
    const int32_t chunk = static_cast<int32_t>(blockIdx.z);

    for_each_column<bits, beside, pairs>(
        mixed.chunk, t, p, columns, [&](int32_t line, int32_t column, int r, float x) {
            const size_t number = number_of(call, t, line);

            mixed_of(call, number, chunk)[column] = x;
            if (column == 0)
                call.parts[number * static_cast<size_t>(call.n_chunks) +
                           static_cast<size_t>(chunk)] = l.chunk[r];
        });
}

template <int bits, int beside, int pairs>
static __device__ __forceinline__ void store_rows(const attend_call &call, const tile_place &t,
                                                  const lane_place &p, const lane_lines &l,
                                                  const lane_mix<pairs> &mixed,
                                                  const range &columns)
{
    for_each_column<bits, beside, pairs>(
        mixed.row, t, p, columns, [&](int32_t line, int32_t column, int r, float x) {
            if (column < call.head_dim)
                call.out[number_of(call, t, line) * static_cast<size_t>(call.head_dim) +
                         static_cast<size_t>(column)] = x / l.row[r].y;
        });
}

static __device__ __forceinline__ lane_lines begin_lines(const attend_call &call,
                                                         const tile_place &t,
                                                         const lane_place &p)
{
    lane_lines l;

#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int32_t line = 16 * p.strip + p.g + 8 * r;

        l.seen[r] = line < t.n_lines ? seen_by(call, t, line) : range{ 1, 0 };
        l.chunk[r] = l.row[r] = { NOTHING, 0.0f };
    }
    return l;
}

/* Stretches from .. to of the block's lines: all that any of them sees, or what
 * there is of that in its chunk; none: from > to. */
static __device__ __forceinline__ range find_stretches(const attend_call &call,
                                                       const tile_place &t)
{
    range r = { t.any.first / STRETCH, t.any.last / STRETCH };

    if (call.mixed != nullptr) {
        const int32_t first = static_cast<int32_t>(blockIdx.z) * STRETCHES_OF_CHUNK;
        const int32_t last = first + STRETCHES_OF_CHUNK - 1;

        r.first = r.first > first ? r.first : first;
        r.last = r.last < last ? r.last : last;
    }
    return r;
}

/* ---- the kernel ------------------------------------------------------------ */

static __host__ __device__ __forceinline__ int32_t slices_of(int32_t width)
{
    return (width + COLUMNS - 1) / COLUMNS;
}

/* Heads lie one after the other, and of each its slices of columns. */
static __device__ __forceinline__ range find_columns(int32_t width)
{
    const int32_t first = static_cast<int32_t>(blockIdx.y) % slices_of(width) * COLUMNS;
    const int32_t last = first + COLUMNS - 1;

    return { first, last < width ? last : width - 1 };
}

/* Decoding waits for memory: three blocks of it on a multiprocessor. */
template <int bits, int tiles, int beside>
static __global__ void __launch_bounds__(tiles * beside * ACI_WARP, tiles == 1 ? 3 : 1)
attend_strips(__grid_constant__ const attend_call call)
{
    enum {
        lines = 16 * tiles,
        threads = tiles * beside * ACI_WARP,
        blocks = 4 / beside,
        pairs = COLUMNS / 16 / beside
    };
    ACI_SHARED(shared);
    const int warp = static_cast<int>(threadIdx.x) / ACI_WARP;
    const int lane = static_cast<int>(threadIdx.x) % ACI_WARP;
    const lane_place p = { warp / beside, warp % beside, lane, lane / 4, lane % 4 };
    const int32_t width = aci_kv_width(call.head_dim);
    const tile_place t = find_tile(call, lines,
                                   static_cast<int32_t>(blockIdx.y) / slices_of(width));
    const range columns = find_columns(width);
    const desk d = lay_desk(shared, bits, lines, beside, width);
    const range stretches = find_stretches(call, t);
    const bool works = 16 * p.strip < t.n_lines;
    lane_mix<pairs> mixed = {};

    if (stretches.first > stretches.last)
        return;
    fetch_keys<bits, threads>(d, t, stretches.first * STRETCH);
    if (!d.plan.one_buffer)
        fetch_values<bits, threads>(d, t, stretches.first * STRETCH, columns);
    lane_lines l = begin_lines(call, t, p);
    load_queries<lines, threads>(call, d, t);
    for (int32_t i = stretches.first; i <= stretches.last; i++) {
        const int32_t first = i * STRETCH;
        const bool more = i < stretches.last;
        float score[blocks][2][4], scales[blocks][2][2];

        if (d.plan.one_buffer)
            aci_copies_wait<0>();
        else
            aci_copies_wait<1>(); /* the values may still be under way */
        __syncthreads();
        if (works)
            find_scores<bits, lines, blocks>(score, scales, d, p, l, first, width);
        __syncthreads();
        if (d.plan.one_buffer)
            fetch_values<bits, threads>(d, t, first, columns);
        else if (more)
            fetch_keys<bits, threads>(d, t, first + STRETCH);
        if (works)
            weigh<bits, lines, beside, blocks>(score, scales, d, p, l);
        if (d.plan.one_buffer || !more)
            aci_copies_wait<0>();
        else
            aci_copies_wait<1>(); /* the next keys may */
        __syncthreads();
        if (works) {
            join_stretch<lines>(d, p, l);
            mix<bits, lines, beside, pairs>(mixed, d, t, p, l, first,
                                            columns.last + 1 - columns.first);
            if (call.mixed == nullptr && (!more || (i + 1) % STRETCHES_OF_CHUNK == 0))
                join_chunk<pairs>(l, mixed);
        }
        __syncthreads();
        if (d.plan.one_buffer && more)
            fetch_keys<bits, threads>(d, t, first + STRETCH);
        else if (more)
            fetch_values<bits, threads>(d, t, first + STRETCH, columns);
    }
    if (works && call.mixed != nullptr)
        store_part<bits, beside, pairs>(call, t, p, l, mixed, columns);
    else if (works)
        store_rows<bits, beside, pairs>(call, t, p, l, mixed, columns);
}

/* ---- on the host ----------------------------------------------------------- */

template <int bits, int tiles, int beside>
static cudaError_t start(attend_call &call, cudaStream_t stream)
{
    const int32_t width = aci_kv_width(call.head_dim);
    const desk_plan plan = plan_desk(bits, 16 * tiles, beside, width);
    const dim3 grid = number_tiles(call, 16 * tiles, call.n_head_kv * slices_of(width));

    if (grid.x == 0 || plan.bytes > MOST_SHARED)
        return cudaErrorInvalidValue;
    return aci_launch(attend_strips<bits, tiles, beside>, grid,
                      dim3(tiles * beside * ACI_WARP), static_cast<size_t>(plan.bytes), stream,
                      call);
}

/* The forms that there are. */
template <int bits> static cudaError_t start_form(attend_call &call, cudaStream_t stream)
{
    return call.head_dim <= COLUMNS && most_lines(call) > 16 ? start<bits, 4, 2>(call, stream)
                                                             : start<bits, 1, 4>(call, stream);
}

cudaError_t aci_cuda_attend_tensor(attend_call &call, cudaStream_t stream)
{
    return call.rows.kv[0].bits == 16 ? start_form<16>(call, stream)
                                      : start_form<8>(call, stream);
}
