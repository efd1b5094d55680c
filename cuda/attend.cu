/* attend.cu - causal grouped-query attention over the cache of backend.h.
 *
 *     out[row][head] = sum over t of softmax(scale q . k[t]) v[t],
 *     t in [position + 1 - window, position]
 *
 * by the online softmax (Milakov, Gimelshein 2018), in powers of two: scores
 * are multiplied by log2(e). The words line, tile, chunk and part are those of
 * attend_call.h.
 *
 * A row's bits do not depend on the rows beside it, because its arithmetic is
 * laid down by its position alone: what a chunk comes to by the family, and the
 * chunks' parts are added in their order, by `join`. Positions that a line does
 * not see leave its numbers untouched rather than count zero times, chunks too;
 * what they hold may be anything. Two ways through the same functions:
 *     few lines    a block per (tile, head, chunk); parts go to `scratch` and a
 *                  second kernel joins them: a long cache fills the device
 *     many lines   a block per (tile, head) walks its chunks
 *
 * join_chunks: a block has 32 columns of a line. Parts come through shared
 * memory, 64 at a time and the next 64 under way, so that the chain of sums
 * does not wait for memory part by part. Not measured on a device. */
#include "cuda/attend_call.h"

enum {
    MAX_DIM = 512,
    SPLIT_LINES = 1024, /* more fill the device without splitting */
    JOIN_THREADS = 128,
    JOIN_COLUMNS = 32,
    JOIN_PARTS = 64
};
static const size_t MOST_SCRATCH = static_cast<size_t>(512) << 20;

/* ---- joining chunks -------------------------------------------------------- */

struct join_state {
    float mixed[2][JOIN_PARTS][JOIN_COLUMNS];
    float2 parts[JOIN_PARTS];
    float kept[JOIN_PARTS], added[JOIN_PARTS];
};

/* Asks for the mixed values of `n` chunks from `first` on. */
static __device__ __forceinline__ void fetch_parts(float (*to)[JOIN_COLUMNS],
                                                   const attend_call &call, int32_t first,
                                                   int32_t n)
{
    const size_t width = static_cast<size_t>(aci_kv_width(call.head_dim));
    const size_t column = static_cast<size_t>(blockIdx.y) * JOIN_COLUMNS;
    const float *from = mixed_of(call, blockIdx.x, first) + column;

    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < n * (JOIN_COLUMNS / 4);
         i += JOIN_THREADS) {
        const int32_t part = i / (JOIN_COLUMNS / 4), piece = 4 * (i % (JOIN_COLUMNS / 4));
        const bool inside = column + static_cast<size_t>(piece) < width;

        aci_copy_async(&to[part][piece],
                       from + (inside ? static_cast<size_t>(part) * width +
                                            static_cast<size_t>(piece)
                                      : 0),
                       inside);
    }
    aci_copies_commit();
}

/* Each thread works out one part's factors: the largest score before it is
 * that of those before it. `top` is then the largest of all. */
static __device__ __forceinline__ void find_factors(join_state &s, float &top, int32_t n)
{
    const int32_t me = static_cast<int32_t>(threadIdx.x);
    float2 before = { top, 0.0f };

    for (int32_t i = 0; i < n; i++) {
        if (i < me)
            before.x = fmaxf(before.x, s.parts[i].x);
        top = fmaxf(top, s.parts[i].x);
    }
    if (me < n)
        join(before, s.kept[me], s.added[me], s.parts[me]);
}

static __global__ void __launch_bounds__(JOIN_THREADS)
join_chunks(__grid_constant__ const attend_call call)
{
    ACI_SHARED(shared);
    join_state &s = *reinterpret_cast<join_state *>(shared);
    const size_t line = blockIdx.x;
    const int32_t me = static_cast<int32_t>(threadIdx.x);
    const int32_t column = static_cast<int32_t>(blockIdx.y) * JOIN_COLUMNS + me;
    const range seen = seen_from(call.rows.positions[static_cast<int32_t>(line) / call.n_head],
                                 call.window);
    const int32_t from = seen.first / call.chunk, end = seen.last / call.chunk + 1;
    const float2 *parts = call.parts + line * static_cast<size_t>(call.n_chunks);
    float top = NOTHING, sum = 0.0f, value = 0.0f;
    int now = 0;

    fetch_parts(s.mixed[0], call, from, end - from < JOIN_PARTS ? end - from : JOIN_PARTS);
    for (int32_t first = from; first < end; first += JOIN_PARTS, now ^= 1) {
        const int32_t left = end - first, after = left - JOIN_PARTS;
        const int32_t n = left < JOIN_PARTS ? left : JOIN_PARTS;

        if (after > 0)
            fetch_parts(s.mixed[now ^ 1], call, first + JOIN_PARTS,
                        after < JOIN_PARTS ? after : JOIN_PARTS);
        else
            aci_copies_commit();
        if (me < n)
            s.parts[me] = parts[first + me];
        __syncthreads();
        find_factors(s, top, n);
        aci_copies_wait<1>();
        __syncthreads();
#pragma unroll 8
        for (int32_t i = 0; i < n && me < JOIN_COLUMNS; i++)
            if (s.parts[i].y != 0.0f) {
                sum = fmaf(sum, s.kept[i], s.added[i] * s.parts[i].y);
                value = fmaf(value, s.kept[i], s.added[i] * s.mixed[now][i][me]);
            }
        __syncthreads();
    }
    if (me < JOIN_COLUMNS && column < call.head_dim)
        call.out[line * static_cast<size_t>(call.head_dim) + static_cast<size_t>(column)] =
            value / sum;
}

static cudaError_t start_joining(const attend_call &call, cudaStream_t stream)
{
    const unsigned lines = static_cast<unsigned>(call.rows.n_rows * call.n_head);
    const unsigned columns =
        static_cast<unsigned>((call.head_dim + JOIN_COLUMNS - 1) / JOIN_COLUMNS);

    return aci_launch(join_chunks, dim3(lines, columns), dim3(JOIN_THREADS), sizeof(join_state),
                      stream, call);
}

/* ---- on the host ----------------------------------------------------------- */

static int32_t chunks_of(int32_t longest, int32_t chunk)
{
    return static_cast<int32_t>((static_cast<int64_t>(longest) + chunk - 1) / chunk);
}

/* For the shorter chunks, which have more parts; 0: chunks are walked. */
size_t aci_cuda_attend_bytes(int32_t n_rows, int32_t n_head, int32_t head_dim, int32_t longest)
{
    const size_t lines = static_cast<size_t>(n_rows) * static_cast<size_t>(n_head);
    const size_t bytes = lines * static_cast<size_t>(chunks_of(longest, ACI_TENSOR_CHUNK)) *
                         (static_cast<size_t>(aci_kv_width(head_dim)) * sizeof(float) +
                          sizeof(float2));

    return longest <= ACI_TENSOR_CHUNK || lines > SPLIT_LINES || bytes > MOST_SCRATCH ? 0 : bytes;
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
    return rows.kv[0].bits == 32 || rows.kv[0].bits == 16 || rows.kv[0].bits == 8;
}

cudaError_t aci_cuda_attend(float *out, const float *q, const aci_cuda_rows *rows,
                            const aci_attention *attention, int32_t longest, void *scratch,
                            size_t scratch_bytes, cudaStream_t stream)
{
    const aci_attention &a = *attention;
    const size_t need = aci_cuda_attend_bytes(rows->n_rows, a.n_head, a.head_dim, longest);
    const size_t lines = static_cast<size_t>(rows->n_rows) * static_cast<size_t>(a.n_head);
    attend_call call = {};

    if (!is_sound(*rows, a, longest) || need > scratch_bytes)
        return cudaErrorInvalidValue;
    const bool by_float = rows->kv[0].bits == 32;
    call.out = out;
    call.q = q;
    call.rows = *rows;
    call.n_head = a.n_head;
    call.n_head_kv = a.n_head_kv;
    call.head_dim = a.head_dim;
    call.window = a.window;
    call.chunk = by_float ? ACI_FLOAT_CHUNK : ACI_TENSOR_CHUNK;
    call.n_chunks = chunks_of(longest, call.chunk);
    call.scale = a.scale;
    if (need > 0) { /* the copies of join_chunks need `mixed` at multiples of 16 */
        call.mixed = static_cast<float *>(scratch);
        call.parts = reinterpret_cast<float2 *>(
            call.mixed + lines * static_cast<size_t>(call.n_chunks) *
                             static_cast<size_t>(aci_kv_width(a.head_dim)));
    }
    const cudaError_t status = by_float ? aci_cuda_attend_float(call, stream)
                                        : aci_cuda_attend_tensor(call, stream);
    return status != cudaSuccess || need == 0 ? status : start_joining(call, stream);
}
