/* attend_float.cu - attention over float32 caches, by FMA; see attend.cu.
 *
 * Formula of a chunk, 256 positions, 32 for each of 8 warps:
 *     warp's part    scores in float32 over eight slices of the columns, then a
 *                    tree; the mix over every so-manieth position, then a tree
 *     chunk's part   the warps' in their order, against their largest score
 *
 * A block takes a tile of up to 8 lines. Keys lie transposed: lane (j, i) =
 * (lane / 4, lane % 4) loads the positions 4i .. 4i+3 of columns j, j + 8, ...:
 * 16 bytes a lane and a warp's load one run of memory. Values: as many lanes as
 * a position has fours of columns, 32 at the most, the rest of the warp on the
 * next positions. Not measured on a device. */
#include "cuda/attend_tile.h"

/* ---- scores ---------------------------------------------------------------- */

/* A lane's products with 4 positions of a block of 16 are added up with those
 * of the lanes 16 and 8 away: it keeps one position, 4i + 2 (bit 4 of the lane)
 * + (bit 3). */
static __device__ __forceinline__ float gather_position(const float (&x)[4], int lane)
{
    const bool second = lane & 16, odd = lane & 8;
    const float a = (second ? x[2] : x[0]) +
                    __shfl_xor_sync(ACI_ALL_LANES, second ? x[0] : x[2], 16);
    const float b = (second ? x[3] : x[1]) +
                    __shfl_xor_sync(ACI_ALL_LANES, second ? x[1] : x[3], 16);

    return (odd ? b : a) + __shfl_xor_sync(ACI_ALL_LANES, odd ? a : b, 8);
}

/* Scores of 16 positions from `first` on: of one of them per lane, half of the
 * columns. Nothing is read of a block that no line sees. */
template <int lines>
static __device__ __forceinline__ void score_block(float (&score)[lines], const work<lines> &w,
                                                   int32_t first, int lane)
{
    const int32_t n = w.width / 8;
    const size_t at = (w.heads_line + static_cast<size_t>(first)) * static_cast<size_t>(w.width) +
                      static_cast<size_t>(lane) * 4;
    const float *q = w.q + lane / 4 * lines;
    const bool read = first <= w.any.last && first + 15 >= w.any.first;
    float sum[lines][4] = {};

    for (int32_t i = 0; read && i < n; i += AHEAD) {
        float4 raw[AHEAD];

#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            if (i + u < n)
                raw[u] = load_four(w.kv->k, at + static_cast<size_t>(i + u) * 128);
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            float k[4], x[lines];

            if (i + u >= n)
                break;
            spread(k, raw[u]);
            load_each<lines>(x, q + (i + u) * 8 * lines);
#pragma unroll
            for (int l = 0; l < lines; l++)
#pragma unroll
                for (int p = 0; p < 4; p++)
                    sum[l][p] = fmaf(x[l], k[p], sum[l][p]);
        }
    }
#pragma unroll
    for (int l = 0; l < lines; l++)
        score[l] = gather_position(sum[l], lane);
}

/* A warp's 32 positions from `first` on: one of them per lane; weights and the
 * part's largest score and sum go to shared memory. */
template <int lines>
static __device__ __forceinline__ void score_positions(const work<lines> &w, int32_t first,
                                                       int warp, int lane)
{
    const int upper = lane >> 2 & 1;
    const int place = 16 * upper + 4 * (lane & 3) + 2 * (lane >> 4) + (lane >> 3 & 1);
    const int32_t t = first + place;
    float low[lines], high[lines];

    score_block<lines>(low, w, first, lane);
    score_block<lines>(high, w, first + 16, lane);
#pragma unroll
    for (int l = 0; l < lines; l++) {
        const bool seen = holds(w.state->seen[l], t);
        float score = (upper ? high[l] : low[l]) +
                      __shfl_xor_sync(ACI_ALL_LANES, upper ? low[l] : high[l], 4);

        score = seen ? score : NOTHING;
        const float top = aci_warp_max(score);
        const float weight = seen ? exp2f(score - top) : 0.0f;
        const float sum = aci_warp_sum(weight);

        w.state->weights[warp][place][l] = seen ? weight : ABSENT;
        if (lane == 0)
            w.state->parts[warp][l] = { top, sum };
    }
}

/* ---- joining parts --------------------------------------------------------- */

/* One thread, one line: the factors of the warps' parts, and the chunk's part. */
template <int lines>
static __device__ __forceinline__ float2 chunk_part(const work<lines> &w, int line)
{
    float2 part = { NOTHING, 0.0f };

    for (int i = 0; i < WARPS; i++)
        part.x = fmaxf(part.x, w.state->parts[i][line].x);
    for (int i = 0; i < WARPS; i++) {
        const float2 one = w.state->parts[i][line];
        const float factor = one.y == 0.0f ? ABSENT : exp2f(one.x - part.x);

        if (one.y != 0.0f)
            part.y = fmaf(factor, one.y, part.y);
        w.state->factors[i][line] = factor;
    }
    return part;
}

template <int lines>
static __device__ __forceinline__ void join_chunk(const attend_call &call, const work<lines> &w,
                                                  int line, int32_t chunk)
{
    const float2 part = chunk_part(w, line);

    if (call.mixed != nullptr) {
        call.parts[number_of(call, w, line) * static_cast<size_t>(call.n_chunks) +
                   static_cast<size_t>(chunk)] = part;
        return;
    }
    w.state->kept[line] = ABSENT;
    if (part.y != 0.0f)
        join(w.state->whole[line], w.state->kept[line], w.state->added[line], part);
}

/* ---- mixing ---------------------------------------------------------------- */

/* Adds one position's values to the lines that see it. */
template <int lines>
static __device__ __forceinline__ void add_value(float (&sum)[lines][4], const float (&v)[4],
                                                 const float *weights, bool all_see)
{
    float x[lines];

    load_each<lines>(x, weights);
#pragma unroll
    for (int l = 0; l < lines; l++)
        if (all_see || !(x[l] < 0.0f)) {
#pragma unroll
            for (int c = 0; c < 4; c++)
                sum[l][c] = fmaf(x[l], v[c], sum[l][c]);
        }
}

/* The mix of a warp's 32 positions, columns `column` .. + 4 * lanes, to shared
 * memory. */
template <int lines>
static __device__ __forceinline__ void mix_positions(const work<lines> &w, int32_t first,
                                                     int32_t column, int warp, int lane)
{
    const int32_t step = ACI_WARP / w.lanes, start = lane / w.lanes, mine = lane % w.lanes * 4;
    const bool inside = column + mine < w.width;
    const size_t stride = static_cast<size_t>(w.width);
    const size_t at = w.heads_line * stride + static_cast<size_t>(column + mine);
    float sum[lines][4] = {};

    for (int32_t k = start; k < ACI_WARP; k += AHEAD * step) {
        float4 raw[AHEAD];

#pragma unroll
        for (int u = 0; u < AHEAD; u++)
            if (k + u * step < ACI_WARP && inside && holds(w.any, first + k + u * step))
                raw[u] = load_four(w.kv->v,
                                         at + static_cast<size_t>(first + k + u * step) * stride);
#pragma unroll
        for (int u = 0; u < AHEAD; u++) {
            const int32_t place = k + u * step;
            float v[4];

            if (place < ACI_WARP && inside && holds(w.any, first + place)) {
                spread(v, raw[u]);
                add_value<lines>(sum, v, w.state->weights[warp][place],
                                 holds(w.all, first + place));
            }
        }
    }
    for (int distance = w.lanes; distance < ACI_WARP; distance *= 2)
#pragma unroll
        for (int l = 0; l < lines; l++)
#pragma unroll
            for (int c = 0; c < 4; c++)
                sum[l][c] += __shfl_xor_sync(ACI_ALL_LANES, sum[l][c], distance);
    if (start == 0)
#pragma unroll
        for (int l = 0; l < lines; l++)
            *reinterpret_cast<float4 *>(w.mixed + (warp * lines + l) * 4 * w.lanes + mine) = {
                sum[l][0], sum[l][1], sum[l][2], sum[l][3] };
}

/* The warps' mixes in their order; then to scratch, or to what was before. The
 * same thread has the same columns every time. */
template <int lines>
static __device__ __forceinline__ void join_mixed(const attend_call &call, const work<lines> &w,
                                                  int32_t first_column, int32_t chunk)
{
    const int32_t columns = 4 * w.lanes;

    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < lines * columns; i += THREADS) {
        const int32_t line = i / columns, column = first_column + i % columns;
        float value = 0.0f;

        if (line >= w.n_lines || column >= call.head_dim)
            continue;
#pragma unroll
        for (int v = 0; v < WARPS; v++) {
            const float factor = w.state->factors[v][line];

            if (!(factor < 0.0f))
                value = fmaf(factor, w.mixed[v * lines * columns + i], value);
        }
        if (call.mixed != nullptr) {
            mixed_of(call, number_of(call, w, line), chunk)[column] = value;
        } else if (!(w.state->kept[line] < 0.0f)) {
            float *at = w.result + line * w.width + column;

            *at = fmaf(*at, w.state->kept[line], w.state->added[line] * value);
        }
    }
}

/* ---- kernels --------------------------------------------------------------- */

template <int lines>
static __device__ __forceinline__ void attend_chunk(const attend_call &call,
                                                    const work<lines> &w, int32_t chunk)
{
    const int warp = static_cast<int>(threadIdx.x) / ACI_WARP;
    const int lane = static_cast<int>(threadIdx.x) % ACI_WARP;
    const int32_t first = chunk * CHUNK + warp * ACI_WARP;
    const bool busy = first <= w.any.last && first + ACI_WARP > w.any.first;

    if (busy)
        score_positions<lines>(w, first, warp, lane);
    else if (lane < lines)
        w.state->parts[warp][lane] = { NOTHING, 0.0f };
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < w.n_lines)
        join_chunk(call, w, static_cast<int>(threadIdx.x), chunk);
    for (int32_t column = 0; column < w.width; column += 4 * w.lanes) {
        if (busy)
            mix_positions<lines>(w, first, column, warp, lane);
        __syncthreads();
        join_mixed(call, w, column, chunk);
        __syncthreads();
    }
}

template <int lines>
static __global__ void __launch_bounds__(THREADS, 2)
attend_lines(__grid_constant__ const attend_call call)
{
    ACI_SHARED(shared);
    work<lines> w = find_work<lines>(call, shared);

    load_lines(call, w);
    if (call.mixed != nullptr) {
        const int32_t chunk = static_cast<int32_t>(blockIdx.z);

        if (chunk >= w.any.first / CHUNK && chunk <= w.any.last / CHUNK)
            attend_chunk<lines>(call, w, chunk);
        return;
    }
    for (int32_t chunk = w.any.first / CHUNK; chunk <= w.any.last / CHUNK; chunk++)
        attend_chunk<lines>(call, w, chunk);
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < w.n_lines * w.width; i += THREADS) {
        const int32_t line = i / w.width, d = i % w.width;

        if (d < call.head_dim)
            call.out[number_of(call, w, line) * static_cast<size_t>(call.head_dim) +
                     static_cast<size_t>(d)] = w.result[i] / w.state->whole[line].y;
    }
}

/* ---- on the host ----------------------------------------------------------- */

template <int lines> static cudaError_t start(attend_call &call, cudaStream_t stream)
{
    const int32_t width = aci_kv_width(call.head_dim);
    const int32_t floats = lines * (width + WARPS * 4 * lanes_of(width) +
                                    (call.mixed == nullptr ? width : 0));
    const dim3 grid = number_tiles(call, lines, call.n_head_kv);

    if (grid.x == 0)
        return cudaErrorInvalidValue;
    return aci_launch(attend_lines<lines>, grid, dim3(THREADS),
                      sizeof(block_state<lines>) + static_cast<size_t>(floats) * sizeof(float),
                      stream, call);
}

/* Tiles no larger than the largest span fills. */
cudaError_t aci_cuda_attend_float(attend_call &call, cudaStream_t stream)
{
    const int32_t most = most_lines(call);

    return most > 4 ? start<8>(call, stream)
           : most > 1 ? start<4>(call, stream)
                      : start<1>(call, stream);
}
