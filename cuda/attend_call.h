/* attend_call.h - what the kernels of attention share: the call as it goes to
 * the device, which lines a block has and what they see, and how parts become
 * one.
 *
 *     attend.cu         checks a call, chooses; joins chunks
 *     attend_float.cu   float32 caches, by FMA
 *     attend_tensor.cu  float16 and int8 caches, on the tensor cores
 *
 * A line is one query head of one row. A tile is the lines of a span that share
 * a key-value head (heads of the group, then rows), so that what is loaded of a
 * cache serves them all. The positions of a cache are cut into chunks, counted
 * from 0. A part is what some positions come to for a line: the largest score,
 * the sum of the weights 2^(score - largest), and values mixed by them. */
#ifndef ACI_CUDA_ATTEND_CALL_H
#define ACI_CUDA_ATTEND_CALL_H

#include "cuda/kernels.h"
#include "cuda/launch.h"

#define NOTHING (-INFINITY) /* the score of a position that is not seen */

struct attend_call {
    float *out;
    const float *q;
    float *mixed;      /* [n_rows * n_head, n_chunks, width]; NULL: blocks walk
                        * the chunks, else each takes one */
    float2 *parts;     /* [n_rows * n_head, n_chunks]: largest score, sum; sum 0:
                        * nothing was seen, and `mixed` may be anything */
    aci_cuda_rows rows;
    int32_t n_head, n_head_kv, head_dim, window, n_chunks;
    int32_t chunk;     /* positions of a chunk */
    float scale;
    uint16_t first_tile[ACI_MAX_SPANS + 1];
};
static_assert(sizeof(attend_call) <= 4096, "a kernel's parameters");

/* The families' chunks and launchers: q, out, rows, parts and shapes are sound.
 * `bits` of all caches are 32; or 16 or 8. */
enum { ACI_FLOAT_CHUNK = 256, ACI_TENSOR_CHUNK = 128 };
extern "C" cudaError_t aci_cuda_attend_float(attend_call &call, cudaStream_t stream);
extern "C" cudaError_t aci_cuda_attend_tensor(attend_call &call, cudaStream_t stream);

/* Positions first .. last. */
struct range { int32_t first, last; };

static __device__ __forceinline__ bool holds(const range &r, int32_t t)
{
    return t >= r.first && t <= r.last;
}

static __device__ __forceinline__ bool meets(const range &r, int32_t first, int32_t n)
{
    return first <= r.last && first + n > r.first;
}

static __device__ __forceinline__ range seen_from(int32_t position, int32_t window)
{
    return { window > 0 && position >= window ? position + 1 - window : 0, position };
}

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

/* ---- the lines of a block -------------------------------------------------- */

struct tile_place {
    const aci_kv *kv;
    int32_t first_row, first_line, n_lines, kv_head, group, width;
    size_t heads_line; /* of the key-value head's first position */
    range any, all;    /* positions that some line sees, that all see */
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

static __device__ __forceinline__ range seen_by(const attend_call &call, const tile_place &t,
                                                int32_t line)
{
    return seen_from(call.rows.positions[t.first_row + (t.first_line + line) / t.group],
                     call.window);
}

/* This block's tile, of at most `lines`, of one head. The last rows see most:
 * they begin first. Positions of a span rise from row to row, so that first and last line
 * tell what all of them see. */
static __device__ __forceinline__ tile_place find_tile(const attend_call &call, int32_t lines,
                                                       int32_t kv_head)
{
    const int tile = static_cast<int>(gridDim.x - 1 - blockIdx.x);
    const int span = span_of_tile(call, tile);
    tile_place t;

    t.kv = &call.rows.kv[span];
    t.group = call.n_head / call.n_head_kv;
    t.kv_head = kv_head;
    t.first_row = call.rows.first_row[span];
    t.first_line = (tile - call.first_tile[span]) * lines;
    t.n_lines = (call.rows.first_row[span + 1] - t.first_row) * t.group - t.first_line;
    t.n_lines = t.n_lines < lines ? t.n_lines : lines;
    t.width = aci_kv_width(call.head_dim);
    t.heads_line = static_cast<size_t>(t.kv_head) * static_cast<size_t>(t.kv->capacity);
    const range low = seen_by(call, t, 0), high = seen_by(call, t, t.n_lines - 1);
    t.any = { low.first, high.last };
    t.all = { high.first, low.last };
    return t;
}

/* Number of a line's (row, head) in q and out. */
static __device__ __forceinline__ size_t number_of(const attend_call &call, const tile_place &t,
                                                   int32_t line)
{
    const int32_t n = t.first_line + line;

    return static_cast<size_t>(t.first_row + n / t.group) * static_cast<size_t>(call.n_head) +
           static_cast<size_t>(t.kv_head * t.group + n % t.group);
}

/* Where a chunk's mixed values of a line go. */
static __device__ __forceinline__ float *mixed_of(const attend_call &call, size_t number,
                                                  int32_t chunk)
{
    return call.mixed + (number * static_cast<size_t>(call.n_chunks) +
                         static_cast<size_t>(chunk)) *
                            static_cast<size_t>(aci_kv_width(call.head_dim));
}

/* ---- on the host ----------------------------------------------------------- */

/* Lines of the largest span that share a key-value head. */
static inline int32_t most_lines(const attend_call &call)
{
    int32_t most = 0;

    for (int32_t s = 0; s < call.rows.n_spans; s++) {
        const int32_t rows = call.rows.first_row[s + 1] - call.rows.first_row[s];

        most = rows > most ? rows : most;
    }
    return most * (call.n_head / call.n_head_kv);
}

/* The grid of blocks that take `lines` of one of `n_heads` each; x is 0 where
 * there are more than a block's number can tell. */
static inline dim3 number_tiles(attend_call &call, int32_t lines, int32_t n_heads)
{
    const int32_t group = call.n_head / call.n_head_kv;
    const unsigned chunks = call.mixed != nullptr ? static_cast<unsigned>(call.n_chunks) : 1;
    int32_t n = 0;

    for (int32_t s = 0; s < call.rows.n_spans; s++) {
        const int32_t rows = call.rows.first_row[s + 1] - call.rows.first_row[s];

        call.first_tile[s] = static_cast<uint16_t>(n);
        n += (rows * group + lines - 1) / lines;
        if (n > UINT16_MAX)
            return dim3(0, 1, 1);
    }
    call.first_tile[call.rows.n_spans] = static_cast<uint16_t>(n);
    return dim3(chunks > UINT16_MAX || n_heads > UINT16_MAX ? 0 : static_cast<unsigned>(n),
                static_cast<unsigned>(n_heads), chunks);
}

#endif
