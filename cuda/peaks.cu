/* peaks.cu - the best entries of rows of logits, and their sums (kernels/peaks.h),
 * so that choosing a token brings half a kilobyte to the host.
 *
 * A block takes a segment of 2,048 logits: it finds the largest, adds up the
 * exponentials, and sorts. An entry is a key of 64 bits, the logit in an order
 * that integers have above the token's complement, so that keys are unequal and
 * the larger one is the better choice. Runs of 64 are sorted by Batcher's
 * bitonic network; of two sorted runs the larger of a[i] and b[63 - i] are the
 * 64 best of both, and six stages put them in order again: so a segment halves
 * until one run is left. A second kernel, a block a row, does the same to the
 * runs of all segments and adds their sums up in order. */
#include "cuda/kernels.h"
#include "cuda/launch.h"

enum {
    THREADS = 256,
    WARPS = THREADS / ACI_WARP,
    SEGMENT = 2048,
    RUN = ACI_PEAKS,
    RUNS = SEGMENT / RUN
};

/* What a segment came to. */
struct segment {
    double sum, mass; /* of exponentials of (logit - top) */
    float top;
    int32_t unused;
    uint64_t keys[RUN];
};

struct peaks_call {
    aci_peaks *out;
    segment *segments; /* [n_rows, n_segments] */
    const float *logits;
    int32_t n_vocab, n_segments;
    float scale;
};

/* What a block shares. */
struct block_keys {
    uint64_t keys[SEGMENT];
    double terms[2][THREADS];
    float tops[WARPS];
};

/* ---- keys ---------------------------------------------------------------- */

/* 0 is less than any; minus zero equals zero. */
static __device__ __forceinline__ uint64_t key_of(float logit, int32_t token)
{
    const uint32_t bits = static_cast<uint32_t>(__float_as_int(logit == 0.0f ? 0.0f : logit));
    const uint32_t ordered = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;

    return static_cast<uint64_t>(ordered) << 32 | ~static_cast<uint32_t>(token);
}

static __device__ __forceinline__ aci_choice choice_of(uint64_t key)
{
    const uint32_t ordered = static_cast<uint32_t>(key >> 32);
    const uint32_t bits = ordered >> 31 != 0 ? ordered & 0x7FFFFFFFu : ~ordered;

    return { __int_as_float(static_cast<int>(bits)),
             static_cast<int32_t>(~static_cast<uint32_t>(key)) };
}

/* One stage of the network over the first n keys: pairs `stride` apart, the
 * larger one first, or, where `size` says so, last. */
static __device__ __forceinline__ void order_pairs(uint64_t *keys, int n, int size, int stride)
{
    for (int p = threadIdx.x; p < n / 2; p += THREADS) {
        const int i = 2 * p - p % stride;
        const bool falling = size == RUN || (i & size) == 0;
        const uint64_t a = keys[i], b = keys[i + stride];

        if ((a < b) == falling) {
            keys[i] = b;
            keys[i + stride] = a;
        }
    }
    __syncthreads();
}

static __device__ __forceinline__ void sort_runs(uint64_t *keys)
{
    for (int size = 2; size <= RUN; size *= 2)
        for (int stride = size / 2; stride > 0; stride /= 2)
            order_pairs(keys, SEGMENT, size, stride);
}

/* SEGMENT keys in sorted runs become one run, the best of all. */
static __device__ __forceinline__ void join_runs(uint64_t *keys)
{
    for (int n = SEGMENT / 2; n >= RUN; n /= 2) {
        uint64_t better[SEGMENT / 2 / THREADS];

#pragma unroll
        for (int k = 0; k < SEGMENT / 2 / THREADS; k++) {
            const int i = k * THREADS + static_cast<int>(threadIdx.x);
            const int first = i / RUN * 2 * RUN;
            const uint64_t a = i < n ? keys[first + i % RUN] : 0;
            const uint64_t b = i < n ? keys[first + 2 * RUN - 1 - i % RUN] : 0;

            better[k] = a > b ? a : b;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < SEGMENT / 2 / THREADS; k++)
            if (k * THREADS + static_cast<int>(threadIdx.x) < n)
                keys[k * THREADS + threadIdx.x] = better[k];
        __syncthreads();
        for (int stride = RUN / 2; stride > 0; stride /= 2)
            order_pairs(keys, n, RUN, stride);
    }
}

/* ---- sums ---------------------------------------------------------------- */

/* The largest of all threads' values in every thread; NaN is passed over. */
static __device__ __forceinline__ float block_top(block_keys &b, float mine)
{
    mine = aci_warp_max(mine);
    if (threadIdx.x % ACI_WARP == 0)
        b.tops[threadIdx.x / ACI_WARP] = mine;
    __syncthreads();
    for (int w = 0; w < WARPS; w++)
        mine = fmaxf(mine, b.tops[w]);
    return mine;
}

/* Both sums over the threads, in thread 0, in one order. */
static __device__ __forceinline__ void add_up(block_keys &b, double &sum, double &mass)
{
    b.terms[0][threadIdx.x] = sum;
    b.terms[1][threadIdx.x] = mass;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (static_cast<int>(threadIdx.x) < half) {
            b.terms[0][threadIdx.x] += b.terms[0][threadIdx.x + half];
            b.terms[1][threadIdx.x] += b.terms[1][threadIdx.x + half];
        }
    }
    sum = b.terms[0][0];
    mass = b.terms[1][0];
}

/* ---- kernels ------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS) peaks_of_segments(__grid_constant__ const
                                                                    peaks_call call)
{
    ACI_SHARED(shared);
    block_keys &b = *reinterpret_cast<block_keys *>(shared);
    const size_t row = blockIdx.y;
    const int32_t first = static_cast<int32_t>(blockIdx.x) * SEGMENT;
    const float *logits = call.logits + row * static_cast<size_t>(call.n_vocab);
    segment &out = call.segments[row * static_cast<size_t>(call.n_segments) + blockIdx.x];
    float x[SEGMENT / THREADS], top = -INFINITY;
    double sum = 0.0, mass = 0.0;

#pragma unroll
    for (int i = 0; i < SEGMENT / THREADS; i++) {
        const int32_t at = i * THREADS + static_cast<int32_t>(threadIdx.x);
        const bool inside = first + at < call.n_vocab;

        x[i] = inside ? logits[first + at] : -INFINITY;
        top = fmaxf(top, x[i]);
        b.keys[at] = inside ? key_of(x[i], first + at) : 0;
    }
    top = block_top(b, top);
#pragma unroll
    for (int i = 0; i < SEGMENT / THREADS; i++) {
        if (x[i] == -INFINITY)
            continue;
        sum += static_cast<double>(expf(x[i] - top));
        if (call.scale > 0.0f)
            mass += exp((static_cast<double>(x[i]) - static_cast<double>(top)) *
                        static_cast<double>(call.scale));
    }
    add_up(b, sum, mass);
    sort_runs(b.keys);
    join_runs(b.keys);
    if (threadIdx.x < RUN)
        out.keys[threadIdx.x] = b.keys[threadIdx.x];
    if (threadIdx.x == 0) {
        out.sum = sum;
        out.mass = mass;
        out.top = top;
    }
}

/* The best of all the row's segments, RUNS - 1 of them and the best so far at
 * a time. */
static __device__ __forceinline__ void join_segments(uint64_t *keys, const segment *segments,
                                                     int32_t n_segments)
{
    for (int i = threadIdx.x; i < RUN; i += THREADS)
        keys[i] = 0;
    for (int32_t first = 0; first < n_segments; first += RUNS - 1) {
        for (int i = RUN + static_cast<int>(threadIdx.x); i < SEGMENT; i += THREADS) {
            const int32_t s = first + i / RUN - 1;

            keys[i] = s < n_segments ? segments[s].keys[i % RUN] : 0;
        }
        __syncthreads();
        join_runs(keys);
    }
}

static __global__ void __launch_bounds__(THREADS) peaks_of_rows(__grid_constant__ const
                                                                peaks_call call)
{
    ACI_SHARED(shared);
    block_keys &b = *reinterpret_cast<block_keys *>(shared);
    const segment *segments = call.segments + static_cast<size_t>(blockIdx.x) *
                                                  static_cast<size_t>(call.n_segments);
    aci_peaks &out = call.out[blockIdx.x];
    float top = -INFINITY;
    double sum = 0.0, mass = 0.0;

    for (int32_t s = threadIdx.x; s < call.n_segments; s += THREADS)
        top = fmaxf(top, segments[s].top);
    top = block_top(b, top);
    for (int32_t s = threadIdx.x; s < call.n_segments; s += THREADS) {
        const double below = static_cast<double>(segments[s].top) - static_cast<double>(top);
        const bool empty = segments[s].top == -INFINITY; /* or NaN, in its sum */

        sum += segments[s].sum * (empty ? 1.0 : exp(below));
        mass += segments[s].mass * (empty ? 1.0 : exp(below * static_cast<double>(call.scale)));
    }
    add_up(b, sum, mass);
    join_segments(b.keys, segments, call.n_segments);
    if (threadIdx.x < RUN)
        out.best[threadIdx.x] = choice_of(b.keys[threadIdx.x]);
    if (threadIdx.x == 0) {
        out.log_sum = static_cast<double>(top) + log(sum);
        out.mass = mass;
        out.n = call.n_vocab < RUN ? call.n_vocab : RUN;
        out.unused = 0;
    }
}

static size_t segments_of(int32_t n_vocab)
{
    return (static_cast<size_t>(n_vocab) + SEGMENT - 1) / SEGMENT;
}

size_t aci_cuda_peaks_bytes(int32_t n_rows, int32_t n_vocab)
{
    return static_cast<size_t>(n_rows) *
           (sizeof(aci_peaks) + segments_of(n_vocab) * sizeof(segment));
}

cudaError_t aci_cuda_peaks(void *scratch, size_t scratch_bytes, const float *logits,
                           int32_t n_rows, int32_t n_vocab, float scale, cudaStream_t stream)
{
    const size_t n_segments = segments_of(n_vocab);
    aci_peaks *out = static_cast<aci_peaks *>(scratch);
    const peaks_call call = { out, reinterpret_cast<segment *>(out + n_rows), logits, n_vocab,
                              static_cast<int32_t>(n_segments), scale };
    cudaError_t status;

    if (n_rows < 1 || n_rows > ACI_MAX_ROWS || n_vocab < 1 ||
        scratch_bytes < aci_cuda_peaks_bytes(n_rows, n_vocab))
        return cudaErrorInvalidValue;
    status = aci_launch(peaks_of_segments,
                        dim3(static_cast<unsigned>(n_segments), static_cast<unsigned>(n_rows)),
                        dim3(THREADS), sizeof(block_keys), stream, call);
    return status != cudaSuccess
               ? status
               : aci_launch(peaks_of_rows, dim3(static_cast<unsigned>(n_rows)), dim3(THREADS),
                            sizeof(block_keys), stream, call);
}
