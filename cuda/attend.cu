/* attend.cu - causal grouped-query attention over the cache of backend.h.
 *
 *     out[row][head] = sum over t of softmax(scale q . k[t]) v[t],
 *     t in [position + 1 - window, position]
 *
 * by the online softmax (Milakov, Gimelshein 2018), in powers of two: q is
 * multiplied by scale * log2(e) once.
 *
 * A row's bits do not depend on the rows beside it, because its arithmetic is
 * laid down by its position alone. A part is (largest score, sum, mixed
 * values). The cache is cut into chunks of 256 positions, counted from 0, and a
 * chunk into 32 positions for each of 8 warps:
 *     warp's part    scores in float32 over eight slices of the columns, then a
 *                    tree; the mix over every so-manieth position, then a tree
 *     chunk's part   the warps' in their order, against their largest score
 *     row            the chunks' parts in their order, `join`
 * Positions that a line does not see leave its numbers untouched rather than
 * count zero times, warps and chunks too; what they hold may be anything.
 *
 * A line is one query head of one row. A block takes a tile of up to 8 lines
 * that share a key-value head (heads of the group, then rows), so that a key is
 * loaded once for them. Two ways through the same functions:
 *     few lines    a block per (tile, head, chunk); parts go to `scratch` and a
 *                  second kernel joins them: a long cache fills the device
 *     many lines   a block per (tile, head) walks its chunks
 *
 * Keys lie transposed: lane (j, i) = (lane / 4, lane % 4) loads the positions
 * 4i .. 4i+3 of columns j, j + 8, ...: 4, 8 or 16 bytes a lane and a warp's load
 * one run of memory. Values: as many lanes as a position has fours of columns,
 * 32 at the most, the rest of the warp on the next positions. Products are
 * float32; tensor cores would serve prefill better. Not measured on a device. */
#include "cuda/attend_tile.h"

enum {
    MAX_DIM = 512,
    SPLIT_LINES = 1024, /* more fill the device without splitting */
    JOIN_THREADS = 128
};
static const size_t MOST_SCRATCH = static_cast<size_t>(512) << 20;

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
template <int bits, int lines>
static __device__ __forceinline__ void score_block(float (&score)[lines], const work<lines> &w,
                                                   int32_t first, int lane)
{
    typedef four<bits> of;
    const int32_t n = w.width / 8;
    const size_t at = (w.heads_line + static_cast<size_t>(first)) * static_cast<size_t>(w.width) +
                      static_cast<size_t>(lane) * 4;
    const float *q = w.q + lane / 4 * lines;
    const bool read = first <= w.any.last && first + 15 >= w.any.first;
    float sum[lines][4] = {};

    for (int32_t i = 0; read && i < n; i += of::ahead) {
        typename of::raw raw[of::ahead];

#pragma unroll
        for (int u = 0; u < of::ahead; u++)
            if (i + u < n)
                raw[u] = load_four<bits>(w.kv->k, at + static_cast<size_t>(i + u) * 128);
#pragma unroll
        for (int u = 0; u < of::ahead; u++) {
            float k[4], x[lines];

            if (i + u >= n)
                break;
            widen(k, raw[u]);
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
template <int bits, int lines>
static __device__ __forceinline__ void score_positions(const work<lines> &w, int32_t first,
                                                       int warp, int lane)
{
    const int upper = lane >> 2 & 1;
    const int place = 16 * upper + 4 * (lane & 3) + 2 * (lane >> 4) + (lane >> 3 & 1);
    const int32_t t = first + place;
    float low[lines], high[lines], key_scale = 1.0f, value_scale = 1.0f;

    score_block<bits, lines>(low, w, first, lane);
    score_block<bits, lines>(high, w, first + 16, lane);
    if (bits == 8 && holds(w.any, t)) {
        const size_t at = w.heads_line + static_cast<size_t>(t);

        key_scale = aci_half_to_float(w.kv->k_scales[at]);
        value_scale = aci_half_to_float(w.kv->v_scales[at]);
    }
#pragma unroll
    for (int l = 0; l < lines; l++) {
        const bool seen = holds(w.state->seen[l], t);
        float score = (upper ? high[l] : low[l]) +
                      __shfl_xor_sync(ACI_ALL_LANES, upper ? low[l] : high[l], 4);

        score = seen ? score * key_scale : NOTHING;
        const float top = aci_warp_max(score);
        const float weight = seen ? exp2f(score - top) : 0.0f;
        const float sum = aci_warp_sum(weight);

        w.state->weights[warp][place][l] = seen ? weight * value_scale : ABSENT;
        if (lane == 0)
            w.state->parts[warp][l] = { top, sum };
    }
}

/* ---- joining parts --------------------------------------------------------- */

/* `whole` and the part beside it become one; *kept and *added are what their
 * mixed values are multiplied by. */
static __device__ __forceinline__ void join(float2 &whole, float &kept, float &added,
                                            const float2 &part)
{
    const float top = fmaxf(whole.x, part.x);

    kept = exp2f(whole.x - top);
    added = exp2f(part.x - top);
    whole = { top, fmaf(whole.y, kept, added * part.y) };
}

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
template <int bits, int lines>
static __device__ __forceinline__ void mix_positions(const work<lines> &w, int32_t first,
                                                     int32_t column, int warp, int lane)
{
    typedef four<bits> of;
    const int32_t step = ACI_WARP / w.lanes, start = lane / w.lanes, mine = lane % w.lanes * 4;
    const bool inside = column + mine < w.width;
    const size_t stride = static_cast<size_t>(w.width);
    const size_t at = w.heads_line * stride + static_cast<size_t>(column + mine);
    float sum[lines][4] = {};

    for (int32_t k = start; k < ACI_WARP; k += of::ahead * step) {
        typename of::raw raw[of::ahead];

#pragma unroll
        for (int u = 0; u < of::ahead; u++)
            if (k + u * step < ACI_WARP && inside && holds(w.any, first + k + u * step))
                raw[u] = load_four<bits>(w.kv->v,
                                         at + static_cast<size_t>(first + k + u * step) * stride);
#pragma unroll
        for (int u = 0; u < of::ahead; u++) {
            const int32_t place = k + u * step;
            float v[4];

            if (place < ACI_WARP && inside && holds(w.any, first + place)) {
                widen(v, raw[u]);
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
            call.mixed[(number_of(call, w, line) * static_cast<size_t>(call.n_chunks) +
                        static_cast<size_t>(chunk)) * static_cast<size_t>(call.head_dim) +
                       static_cast<size_t>(column)] = value;
        } else if (!(w.state->kept[line] < 0.0f)) {
            float *at = w.result + line * w.width + column;

            *at = fmaf(*at, w.state->kept[line], w.state->added[line] * value);
        }
    }
}

/* ---- kernels --------------------------------------------------------------- */

template <int bits, int lines>
static __device__ __forceinline__ void attend_chunk(const attend_call &call,
                                                    const work<lines> &w, int32_t chunk)
{
    const int warp = static_cast<int>(threadIdx.x) / ACI_WARP;
    const int lane = static_cast<int>(threadIdx.x) % ACI_WARP;
    const int32_t first = chunk * CHUNK + warp * ACI_WARP;
    const bool busy = first <= w.any.last && first + ACI_WARP > w.any.first;

    if (busy)
        score_positions<bits, lines>(w, first, warp, lane);
    else if (lane < lines)
        w.state->parts[warp][lane] = { NOTHING, 0.0f };
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < w.n_lines)
        join_chunk(call, w, static_cast<int>(threadIdx.x), chunk);
    for (int32_t column = 0; column < w.width; column += 4 * w.lanes) {
        if (busy)
            mix_positions<bits, lines>(w, first, column, warp, lane);
        __syncthreads();
        join_mixed(call, w, column, chunk);
        __syncthreads();
    }
}

template <int bits, int lines>
static __global__ void __launch_bounds__(THREADS, 2)
attend_lines(__grid_constant__ const attend_call call)
{
    ACI_SHARED(shared);
    work<lines> w = find_work<lines>(call, shared);

    load_lines(call, w);
    if (call.mixed != nullptr) {
        const int32_t chunk = static_cast<int32_t>(blockIdx.z);

        if (chunk >= w.any.first / CHUNK && chunk <= w.any.last / CHUNK)
            attend_chunk<bits, lines>(call, w, chunk);
        return;
    }
    for (int32_t chunk = w.any.first / CHUNK; chunk <= w.any.last / CHUNK; chunk++)
        attend_chunk<bits, lines>(call, w, chunk);
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < w.n_lines * w.width; i += THREADS) {
        const int32_t line = i / w.width, d = i % w.width;

        if (d < call.head_dim)
            call.out[number_of(call, w, line) * static_cast<size_t>(call.head_dim) +
                     static_cast<size_t>(d)] = w.result[i] / w.state->whole[line].y;
    }
}

/* The chunks' parts of one line, 128 columns a block. Of 128 chunks at a time
 * each thread works out one's factors: the largest score before it is that of
 * those before it. Then all go through them in order. */
static __global__ void __launch_bounds__(JOIN_THREADS)
join_chunks(__grid_constant__ const attend_call call)
{
    ACI_SHARED(shared);
    float2 *parts = reinterpret_cast<float2 *>(shared);
    float *kept = reinterpret_cast<float *>(parts + JOIN_THREADS), *added = kept + JOIN_THREADS;
    const size_t line = blockIdx.x;
    const int32_t me = static_cast<int32_t>(threadIdx.x);
    const int32_t column = static_cast<int32_t>(blockIdx.y) * JOIN_THREADS + me;
    const size_t dim = static_cast<size_t>(call.head_dim);
    const int32_t row = static_cast<int32_t>(blockIdx.x) / call.n_head;
    const range seen = seen_from(call.rows.positions[row], call.window);
    const size_t base = line * static_cast<size_t>(call.n_chunks);
    const bool inside = column < call.head_dim;
    float top = NOTHING, sum = 0.0f, value = 0.0f;

    for (int32_t first = seen.first / CHUNK; first <= seen.last / CHUNK; first += JOIN_THREADS) {
        const int32_t left = seen.last / CHUNK + 1 - first;
        const int32_t n = left < JOIN_THREADS ? left : JOIN_THREADS;
        const float *mixed = call.mixed + (base + static_cast<size_t>(first)) * dim +
                             static_cast<size_t>(column);

        if (me < n)
            parts[me] = call.parts[base + static_cast<size_t>(first + me)];
        __syncthreads();
        float2 before = { top, 0.0f };
        for (int32_t i = 0; i < n; i++) {
            if (i < me)
                before.x = fmaxf(before.x, parts[i].x);
            top = fmaxf(top, parts[i].x);
        }
        if (me < n)
            join(before, kept[me], added[me], parts[me]);
        __syncthreads();
#pragma unroll 8
        for (int32_t i = 0; i < n; i++) {
            const float next = inside ? mixed[static_cast<size_t>(i) * dim] : 0.0f;

            if (parts[i].y != 0.0f) {
                sum = fmaf(sum, kept[i], added[i] * parts[i].y);
                value = fmaf(value, kept[i], added[i] * next);
            }
        }
        __syncthreads();
    }
    if (inside)
        call.out[line * dim + static_cast<size_t>(column)] = value / sum;
}

/* ---- on the host ----------------------------------------------------------- */

static int32_t chunks_of(int32_t longest)
{
    return static_cast<int32_t>((static_cast<int64_t>(longest) + CHUNK - 1) / CHUNK);
}

size_t aci_cuda_attend_bytes(int32_t n_rows, int32_t n_head, int32_t head_dim, int32_t longest)
{
    const size_t lines = static_cast<size_t>(n_rows) * static_cast<size_t>(n_head);
    const size_t bytes = lines * static_cast<size_t>(chunks_of(longest)) *
                         (static_cast<size_t>(head_dim) * sizeof(float) + sizeof(float2));

    return longest <= CHUNK || lines > SPLIT_LINES || bytes > MOST_SCRATCH ? 0 : bytes;
}

/* Tiles of all spans; 0: more than a block's number can tell. */
static unsigned number_tiles(attend_call &call, int32_t lines)
{
    const int32_t group = call.n_head / call.n_head_kv;
    int32_t n = 0;

    for (int32_t s = 0; s < call.rows.n_spans; s++) {
        const int32_t rows = call.rows.first_row[s + 1] - call.rows.first_row[s];

        call.first_tile[s] = static_cast<uint16_t>(n);
        n += (rows * group + lines - 1) / lines;
        if (n > UINT16_MAX)
            return 0;
    }
    call.first_tile[call.rows.n_spans] = static_cast<uint16_t>(n);
    return static_cast<unsigned>(n);
}

template <int bits, int lines>
static cudaError_t start(attend_call &call, cudaStream_t stream)
{
    const int32_t width = aci_kv_width(call.head_dim);
    const int32_t floats = lines * (width + WARPS * 4 * lanes_of(width) +
                                    (call.mixed == nullptr ? width : 0));
    const unsigned tiles = number_tiles(call, lines);
    const unsigned chunks = call.mixed != nullptr ? static_cast<unsigned>(call.n_chunks) : 1;

    if (tiles == 0 || chunks > UINT16_MAX)
        return cudaErrorInvalidValue;
    return aci_launch(attend_lines<bits, lines>,
                      dim3(tiles, static_cast<unsigned>(call.n_head_kv), chunks), dim3(THREADS),
                      sizeof(block_state<lines>) + static_cast<size_t>(floats) * sizeof(float),
                      stream, call);
}

/* Tiles no larger than the largest span fills. */
template <int bits> static cudaError_t start_tiles(attend_call &call, cudaStream_t stream)
{
    int32_t most = 0;

    for (int32_t s = 0; s < call.rows.n_spans; s++) {
        const int32_t rows = call.rows.first_row[s + 1] - call.rows.first_row[s];

        most = rows > most ? rows : most;
    }
    most *= call.n_head / call.n_head_kv;
    return most > 4 ? start<bits, 8>(call, stream)
           : most > 1 ? start<bits, 4>(call, stream)
                      : start<bits, 1>(call, stream);
}

static bool is_sound(const aci_cuda_rows &rows, const aci_attention &a, int32_t longest)
{
    if (rows.n_rows < 1 || rows.n_rows > ACI_MAX_ROWS || rows.n_spans < 1 ||
        rows.n_spans > ACI_MAX_SPANS || a.head_dim < 1 || a.head_dim > MAX_DIM ||
        a.n_head_kv < 1 || a.n_head < a.n_head_kv || a.n_head % a.n_head_kv != 0 ||
        a.n_head_kv > UINT16_MAX || longest < 1)
        return false;
    for (int32_t s = 0; s < rows.n_spans; s++)
        if (rows.kv[s].bits != rows.kv[0].bits || rows.kv[s].n_head_kv < a.n_head_kv ||
            rows.kv[s].head_dim != a.head_dim)
            return false;
    return true;
}

cudaError_t aci_cuda_attend(float *out, const float *q, const aci_cuda_rows *rows,
                            const aci_attention *attention, int32_t longest, void *scratch,
                            size_t scratch_bytes, cudaStream_t stream)
{
    const aci_attention &a = *attention;
    const size_t need = aci_cuda_attend_bytes(rows->n_rows, a.n_head, a.head_dim, longest);
    const size_t lines = static_cast<size_t>(rows->n_rows) * static_cast<size_t>(a.n_head);
    attend_call call = {};
    cudaError_t status;

    if (!is_sound(*rows, a, longest) || need > scratch_bytes)
        return cudaErrorInvalidValue;
    call.out = out;
    call.q = q;
    call.rows = *rows;
    call.n_head = a.n_head;
    call.n_head_kv = a.n_head_kv;
    call.head_dim = a.head_dim;
    call.window = a.window;
    call.n_chunks = chunks_of(longest);
    call.scale = a.scale;
    if (need > 0) {
        call.parts = static_cast<float2 *>(scratch);
        call.mixed = reinterpret_cast<float *>(call.parts +
                                               lines * static_cast<size_t>(call.n_chunks));
    }
    switch (rows->kv[0].bits) {
    case 32: status = start_tiles<32>(call, stream); break;
    case 16: status = start_tiles<16>(call, stream); break;
    case 8: status = start_tiles<8>(call, stream); break;
    default: return cudaErrorInvalidValue;
    }
    if (status != cudaSuccess || need == 0)
        return status;
    return aci_launch(join_chunks, dim3(static_cast<unsigned>(lines),
                                        static_cast<unsigned>((a.head_dim + JOIN_THREADS - 1) /
                                                              JOIN_THREADS)),
                      dim3(JOIN_THREADS), JOIN_THREADS * (sizeof(float2) + 2 * sizeof(float)),
                      stream, call);
}
