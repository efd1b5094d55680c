/* rotate.cu - before attention: q/k norm, rotary positions (Su et al. 2021),
 * keys and values into the cache.
 *
 * A block takes a row. Its threads first work out the cosines and sines of the
 * row's position, in shared memory; then each warp takes every eighth head of
 * q, of k, of v. A head lies in the registers of its warp only as far as
 * shared memory: [head_dim] floats per warp, so any head_dim is served.
 *
 * The angle, position * inverse_frequency in float32 as on the CPU, is brought
 * within one turn in float64: sincospif then needs no table of pi and no
 * stack, and stays within 2e-7 of the CPU's. */
#include "cuda/kernels.h"
#include "cuda/launch.h"

enum { WARPS = 8, THREADS = WARPS * ACI_WARP };

struct rotate_call {
    float *q, *k;
    const float *v;
    aci_cuda_rows rows;
    aci_attention attention;
};

static __device__ __forceinline__ int span_of(const aci_cuda_rows &rows, int32_t row)
{
    int s = 0;

    while (s + 1 < rows.n_spans && rows.first_row[s + 1] <= row)
        s++;
    return s;
}

static __device__ void make_angles(float *cosine, float *sine, const aci_rope &rope,
                                   int32_t position)
{
    for (int32_t j = threadIdx.x; j < rope.n_rotary / 2; j += THREADS) {
        const float angle = static_cast<float>(position) * rope.inverse_frequency[j];
        const double turns = static_cast<double>(angle) * 0.15915494309189535;
        float s, c;

        sincospif(static_cast<float>(2.0 * (turns - floor(turns))), &s, &c);
        cosine[j] = c * rope.magnitude;
        sine[j] = s * rope.magnitude;
    }
}

/* One head by one warp: x is normed and turned into `head`, shared memory. */
static __device__ void turn_head(float *head, const float *x, const float *norm_weight,
                                 const aci_attention &a, const float *cosine, const float *sine)
{
    const int lane = threadIdx.x % ACI_WARP;
    float root = 1.0f, sum = 0.0f;

    if (norm_weight != nullptr) {
        for (int32_t d = lane; d < a.head_dim; d += ACI_WARP)
            sum = fmaf(x[d], x[d], sum);
        root = 1.0f / sqrtf(aci_warp_sum(sum) / static_cast<float>(a.head_dim) + a.norm_eps);
    }
    for (int32_t d = lane; d < a.head_dim; d += ACI_WARP)
        head[d] = norm_weight != nullptr ? x[d] * root * norm_weight[d] : x[d];
    __syncwarp();
    const int32_t half = a.rope.n_rotary / 2;
    const int32_t step = a.rope.interleaved ? 1 : half, stride = a.rope.interleaved ? 2 : 1;
    for (int32_t i = lane; i < half; i += ACI_WARP) {
        const float first = head[i * stride], second = head[i * stride + step];

        head[i * stride] = first * cosine[i] - second * sine[i];
        head[i * stride + step] = second * cosine[i] + first * sine[i];
    }
    __syncwarp();
}

/* Where one vector of `width` values goes, stride apart. */
struct cache_line {
    void *values;
    uint16_t *scale;
    size_t at, stride;
};

static __device__ __forceinline__ void put(const cache_line &to, int32_t bits, int32_t d,
                                           float value)
{
    const size_t at = to.at + static_cast<size_t>(d) * to.stride;

    if (bits == 32)
        static_cast<float *>(to.values)[at] = value;
    else if (bits == 16)
        static_cast<uint16_t *>(to.values)[at] = aci_half_from_float(value);
    else
        static_cast<int8_t *>(to.values)[at] = static_cast<int8_t>(
            fminf(fmaxf(aci_round_even(value), -127.0f), 127.0f));
}

static __device__ void append(const cache_line &to, int32_t bits, int32_t head_dim, int32_t width,
                              const float *x)
{
    const int lane = threadIdx.x % ACI_WARP;
    float inverse = 1.0f;

    if (bits == 8) {
        float top = 0.0f;

        for (int32_t d = lane; d < head_dim; d += ACI_WARP)
            top = fmaxf(top, fabsf(x[d]));
        const uint16_t half = aci_half_from_float(aci_warp_max(top) / 127.0f);
        const float scale = aci_half_to_float(half);
        inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
        if (lane == 0)
            *to.scale = half;
    }
    for (int32_t d = lane; d < width; d += ACI_WARP)
        put(to, bits, d, d < head_dim ? x[d] * inverse : 0.0f);
}

static __global__ void __launch_bounds__(THREADS) rotate_rows(__grid_constant__ const
                                                              rotate_call call)
{
    ACI_SHARED(shared);
    const aci_attention &a = call.attention;
    const int warp = threadIdx.x / ACI_WARP, lane = threadIdx.x % ACI_WARP;
    const int32_t row = static_cast<int32_t>(blockIdx.x), half = a.rope.n_rotary / 2;
    const int32_t position = call.rows.positions[row];
    float *cosine = reinterpret_cast<float *>(shared), *sine = cosine + half;
    float *head = sine + half + static_cast<size_t>(warp) * static_cast<size_t>(a.head_dim);
    const aci_kv &kv = call.rows.kv[span_of(call.rows, row)];
    const int32_t width = aci_kv_width(kv.head_dim);
    const size_t dim = static_cast<size_t>(a.head_dim);

    make_angles(cosine, sine, a.rope, position);
    __syncthreads();
    for (int32_t h = warp; h < a.n_head; h += WARPS) {
        float *q = call.q + (static_cast<size_t>(row) * static_cast<size_t>(a.n_head) +
                             static_cast<size_t>(h)) * dim;

        turn_head(head, q, a.q_norm, a, cosine, sine);
        for (int32_t d = lane; d < a.head_dim; d += ACI_WARP)
            q[d] = head[d];
        __syncwarp();
    }
    for (int32_t h = warp; h < a.n_head_kv; h += WARPS) {
        const size_t at = (static_cast<size_t>(row) * static_cast<size_t>(a.n_head_kv) +
                           static_cast<size_t>(h)) * dim;
        const size_t line = static_cast<size_t>(h) * static_cast<size_t>(kv.capacity) +
                            static_cast<size_t>(position);
        const size_t within = static_cast<size_t>(position % 16);
        const cache_line keys = { kv.k, kv.k_scales + (kv.bits == 8 ? line : 0),
                                  (line - within) * static_cast<size_t>(width) + within, 16 };
        const cache_line values = { kv.v, kv.v_scales + (kv.bits == 8 ? line : 0),
                                    line * static_cast<size_t>(width), 1 };

        turn_head(head, call.k + at, a.k_norm, a, cosine, sine);
        append(keys, kv.bits, a.head_dim, width, head);
        append(values, kv.bits, a.head_dim, width, call.v + at);
        __syncwarp();
    }
}

cudaError_t aci_cuda_rotate_append(float *q, float *k, const float *v, const aci_cuda_rows *rows,
                                   const aci_attention *attention, cudaStream_t stream)
{
    const rotate_call call = { q, k, v, *rows, *attention };
    const size_t floats = static_cast<size_t>(attention->rope.n_rotary) +
                          static_cast<size_t>(WARPS * attention->head_dim);

    if (rows->n_rows < 1 || attention->rope.n_rotary > attention->head_dim)
        return cudaErrorInvalidValue;
    return aci_launch(rotate_rows, dim3(static_cast<unsigned>(rows->n_rows)), dim3(THREADS),
                      floats * sizeof(float), stream, call);
}
