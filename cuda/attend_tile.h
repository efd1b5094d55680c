/* attend_tile.h - what a block of attend.cu works on: the call as it goes to
 * the device, which lines a block has and what they see, and how four numbers
 * of a cache are loaded. The words (line, tile, part) are those of attend.cu. */
#ifndef ACI_CUDA_ATTEND_TILE_H
#define ACI_CUDA_ATTEND_TILE_H

#include "cuda/kernels.h"
#include "cuda/launch.h"

enum {
    WARPS = 8,
    THREADS = WARPS * ACI_WARP,
    CHUNK = WARPS * ACI_WARP /* positions */
};
#define NOTHING (-INFINITY)
#define ABSENT (-1.0f) /* in place of a weight or factor, which are never negative */

struct attend_call {
    float *out;
    const float *q;
    float *mixed;      /* [n_rows * n_head, n_chunks, head_dim]; NULL: walk */
    float2 *parts;     /* [n_rows * n_head, n_chunks]: largest score, sum */
    aci_cuda_rows rows;
    int32_t n_head, n_head_kv, head_dim, window, n_chunks;
    float scale;
    uint16_t first_tile[ACI_MAX_SPANS + 1];
};
static_assert(sizeof(attend_call) <= 4096, "a kernel's parameters");

/* Positions first .. last. */
struct range { int32_t first, last; };

static __device__ __forceinline__ bool holds(const range &r, int32_t t)
{
    return t >= r.first && t <= r.last;
}

static __device__ __forceinline__ range seen_from(int32_t position, int32_t window)
{
    return { window > 0 && position >= window ? position + 1 - window : 0, position };
}

/* ---- four neighbours of a cache, as they lie and as floats ----------------- */

template <int bits> struct four;
template <> struct four<32> { typedef float4 raw; enum { ahead = 4 }; };
template <> struct four<16> { typedef uint2 raw; enum { ahead = 8 }; };
template <> struct four<8> { typedef uint32_t raw; enum { ahead = 8 }; };

template <int bits>
static __device__ __forceinline__ typename four<bits>::raw load_four(const void *cache, size_t at)
{
    return *reinterpret_cast<const typename four<bits>::raw *>(
        static_cast<const unsigned char *>(cache) + at * (bits / 8));
}

static __device__ __forceinline__ void widen(float (&x)[4], const float4 &v)
{
    x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
}

static __device__ __forceinline__ void widen(float (&x)[4], const uint2 &v)
{
    x[0] = aci_half_to_float(static_cast<uint16_t>(v.x & 0xFFFFu));
    x[1] = aci_half_to_float(static_cast<uint16_t>(v.x >> 16));
    x[2] = aci_half_to_float(static_cast<uint16_t>(v.y & 0xFFFFu));
    x[3] = aci_half_to_float(static_cast<uint16_t>(v.y >> 16));
}

/* A byte in the last place of 2^23 is a float; conversions of integers have a
 * quarter of the rate of this. */
static __device__ __forceinline__ void widen(float (&x)[4], uint32_t v)
{
    v ^= 0x80808080u;
#pragma unroll
    for (int i = 0; i < 4; i++)
        x[i] = __int_as_float(static_cast<int>((v >> (8 * i) & 255u) | 0x4B000000u)) - 8388736.0f;
}

/* ---- the block ------------------------------------------------------------- */

/* What a block shares beside its arrays. */
template <int lines> struct alignas(16) block_state {
    float weights[WARPS][ACI_WARP][lines]; /* of positions; ABSENT: not seen */
    float2 parts[WARPS][lines];            /* largest score, sum; sum 0: nothing seen */
    float factors[WARPS][lines];           /* of the warps in the chunk */
    float2 whole[lines];                   /* largest score, sum so far */
    float kept[lines], added[lines];       /* factors of what was, of the chunk */
    range seen[lines];
};

/* Where a block stands. */
template <int lines> struct work {
    block_state<lines> *state;
    float *q;               /* [width][lines] */
    float *mixed;           /* [WARPS][lines][columns] */
    float *result;          /* [lines][width], when walking */
    const aci_kv *kv;
    int32_t first_row, first_line, n_lines, kv_head, group, width;
    int32_t lanes;          /* of a position of v; columns = 4 * lanes */
    range any, all;         /* positions that some line sees, that all see */
    size_t heads_line;      /* of the key-value head's first position */
};

static __device__ __forceinline__ int span_of_tile(const attend_call &call, int tile)
{
    int low = 0, high = call.rows.n_spans;

    while (high - low > 1) {
        const int middle = (low + high) / 2;

        if (call.first_tile[middle] <= tile)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static __host__ __device__ __forceinline__ int32_t lanes_of(int32_t width)
{
    int32_t lanes = 4;

    while (lanes < ACI_WARP && 4 * lanes < width)
        lanes *= 2;
    return lanes;
}

template <int lines>
static __device__ __forceinline__ work<lines> find_work(const attend_call &call,
                                                        unsigned char *shared)
{
    work<lines> w;
    /* the last rows see most: they begin first */
    const int tile = static_cast<int>(gridDim.x - 1 - blockIdx.x);
    const int span = span_of_tile(call, tile);

    w.kv = &call.rows.kv[span];
    w.group = call.n_head / call.n_head_kv;
    w.kv_head = static_cast<int32_t>(blockIdx.y);
    w.first_row = call.rows.first_row[span];
    w.first_line = (tile - call.first_tile[span]) * lines;
    w.n_lines = (call.rows.first_row[span + 1] - w.first_row) * w.group - w.first_line;
    w.n_lines = w.n_lines < lines ? w.n_lines : lines;
    w.width = aci_kv_width(call.head_dim);
    w.lanes = lanes_of(w.width);
    w.heads_line = static_cast<size_t>(w.kv_head) * static_cast<size_t>(w.kv->capacity);
    w.state = reinterpret_cast<block_state<lines> *>(shared);
    w.q = reinterpret_cast<float *>(shared + sizeof(block_state<lines>));
    w.mixed = w.q + w.width * lines;
    w.result = w.mixed + WARPS * lines * 4 * w.lanes;
    return w;
}

/* Number of a line's (row, head) in q and out. */
template <int lines>
static __device__ __forceinline__ size_t number_of(const attend_call &call,
                                                   const work<lines> &w, int line)
{
    const int32_t n = w.first_line + line;

    return static_cast<size_t>(w.first_row + n / w.group) * static_cast<size_t>(call.n_head) +
           static_cast<size_t>(w.kv_head * w.group + n % w.group);
}

/* Queries and ranges of the tile's lines; lines beyond the last see nothing. */
template <int lines>
static __device__ __forceinline__ void load_lines(const attend_call &call, work<lines> &w)
{
    const int me = static_cast<int>(threadIdx.x);
    const float factor = call.scale * 1.44269504f;

    for (int32_t i = me; i < w.width * lines; i += THREADS) {
        const int32_t line = i / w.width, d = i % w.width;
        const bool there = line < w.n_lines && d < call.head_dim;

        w.q[d * lines + line] =
            there ? call.q[number_of(call, w, line) * static_cast<size_t>(call.head_dim) +
                           static_cast<size_t>(d)] * factor
                  : 0.0f;
        if (call.mixed == nullptr)
            w.result[i] = 0.0f;
    }
    if (me < lines) {
        const int32_t row = w.first_row + (w.first_line + me) / w.group;

        w.state->seen[me] = me < w.n_lines ? seen_from(call.rows.positions[row], call.window)
                                           : range{ 1, 0 };
        w.state->whole[me] = { NOTHING, 0.0f };
    }
    __syncthreads();
    w.any = w.all = w.state->seen[0];
    for (int i = 1; i < w.n_lines; i++) {
        const range r = w.state->seen[i];

        w.any.first = r.first < w.any.first ? r.first : w.any.first;
        w.any.last = r.last > w.any.last ? r.last : w.any.last;
        w.all.first = r.first > w.all.first ? r.first : w.all.first;
        w.all.last = r.last < w.all.last ? r.last : w.all.last;
    }
}

/* One number of every line, side by side in shared memory. */
template <int lines>
static __device__ __forceinline__ void load_each(float (&x)[lines], const float *at)
{
    if constexpr (lines % 4 == 0) {
#pragma unroll
        for (int i = 0; i < lines; i += 4) {
            const float4 v = *reinterpret_cast<const float4 *>(at + i);

            x[i] = v.x, x[i + 1] = v.y, x[i + 2] = v.z, x[i + 3] = v.w;
        }
    } else {
#pragma unroll
        for (int i = 0; i < lines; i++)
            x[i] = at[i];
    }
}

#endif
