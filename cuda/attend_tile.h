/* attend_tile.h - what a block of attend_float.cu works on: which lines it has,
 * their state, and how four numbers of a cache are loaded. */
#ifndef ACI_CUDA_ATTEND_TILE_H
#define ACI_CUDA_ATTEND_TILE_H

#include "cuda/attend_call.h"

enum {
    WARPS = 8,
    THREADS = WARPS * ACI_WARP,
    CHUNK = WARPS * ACI_WARP, /* positions */
    AHEAD = 4                 /* loads under way */
};
static_assert(static_cast<int>(CHUNK) == static_cast<int>(ACI_FLOAT_CHUNK), "as promised");
#define ABSENT (-1.0f) /* in place of a weight or factor, which are never negative */

/* ---- four neighbours of a cache -------------------------------------------- */

static __device__ __forceinline__ float4 load_four(const void *cache, size_t at)
{
    return *reinterpret_cast<const float4 *>(static_cast<const float *>(cache) + at);
}

static __device__ __forceinline__ void spread(float (&x)[4], const float4 &v)
{
    x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
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
template <int lines> struct work : tile_place {
    block_state<lines> *state;
    float *q;               /* [width][lines] */
    float *mixed;           /* [WARPS][lines][columns] */
    float *result;          /* [lines][width], when walking */
    int32_t lanes;          /* of a position of v; columns = 4 * lanes */
};

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

    static_cast<tile_place &>(w) = find_tile(call, lines, static_cast<int32_t>(blockIdx.y));
    w.lanes = lanes_of(w.width);
    w.state = reinterpret_cast<block_state<lines> *>(shared);
    w.q = reinterpret_cast<float *>(shared + sizeof(block_state<lines>));
    w.mixed = w.q + w.width * lines;
    w.result = w.mixed + WARPS * lines * 4 * w.lanes;
    return w;
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
        w.state->seen[me] = me < w.n_lines ? seen_by(call, w, me) : range{ 1, 0 };
        w.state->whole[me] = { NOTHING, 0.0f };
    }
    __syncthreads();
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
