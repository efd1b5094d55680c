/* quantise.cu - rows of float32 to the integers that products read.
 *
 *     y = x / sqrt(mean x^2 + eps) * w            where a norm is asked for
 *     y = silu(x) * up                            where a gate is
 *     per group of y:  m = max |y|,  a = round_even(y * (limit / m)),
 *                      scale = m / limit,  sums of a
 *
 * limit is 127 for 8 bits and 32512 for 16, which are split into a high and a
 * low byte. A block takes a row: first all its warps add up the squares, each
 * thread every 256th column, then each warp takes every eighth group. Without
 * a norm the result is the contract's to the last bit; the norm's sum has its
 * own order, the same for a row whatever is beside it. */
#include "cuda/kernels.h"
#include "cuda/launch.h"

enum { THREADS = 256, WARPS = THREADS / ACI_WARP };

struct quantise_call {
    aci_cuda_activations out;
    aci_input input;
    int32_t n_in;
};

/* Column k of a row, through what was asked for. */
static __device__ __forceinline__ float input_at(const aci_input &input, int32_t row, int32_t k,
                                                 float root)
{
    const size_t at = static_cast<size_t>(row) * input.x_stride + static_cast<size_t>(k);
    const float x = input.x[at];

    if (input.norm_weight != nullptr)
        return x * root * input.norm_weight[k];
    return input.up != nullptr ? aci_silu(x) * input.up[at] : x;
}

/* Where a code goes, of activations in either order (kernels.h). */
static __device__ __forceinline__ size_t code_at(const aci_cuda_activations &out, int32_t row,
                                                 int32_t column)
{
    if (!out.is_wide)
        return static_cast<size_t>(row) * static_cast<size_t>(out.n_in_padded) +
               static_cast<size_t>(column);
    const int32_t tile = column / 64, sixteen = column / 16 % 4, piece = column / 4 % 4;

    return (static_cast<size_t>(tile) * static_cast<size_t>(out.row_stride) +
            static_cast<size_t>(row / 8 * 8)) * 64 +
           static_cast<size_t>(piece * 128 + row % 8 * 16 + sixteen * 4 + column % 4);
}

/* One group by one warp, lane l its columns l, l + 32, ... */
static __device__ void quantise_group(const quantise_call &call, int32_t row, int32_t group,
                                      float root)
{
    const int lane = threadIdx.x % ACI_WARP;
    const aci_cuda_activations &out = call.out;
    const float limit = out.bits == 8 ? 127.0f : 32512.0f;
    const int32_t first = group * out.group, n = out.group / ACI_WARP;
    float y[4], top = 0.0f; /* unrolled, or it would lie on the stack */
    int high_sum = 0, low_sum = 0;

#pragma unroll
    for (int32_t i = 0; i < 4; i++) {
        const int32_t k = first + i * ACI_WARP + lane;

        y[i] = i < n && k < call.n_in ? input_at(call.input, row, k, root) : 0.0f;
        top = fmaxf(top, fabsf(y[i]));
    }
    top = aci_warp_max(top);
    float factor = top > 0.0f ? limit / top : 0.0f;
    if (!(factor < 3e38f)) /* a group of denormals counts as zero */
        factor = top = 0.0f;
#pragma unroll
    for (int32_t i = 0; i < 4; i++) {
        if (i >= n)
            break;
        const size_t at = code_at(out, row, first + i * ACI_WARP + lane);
        const int a = static_cast<int>(aci_round_even(y[i] * factor));
        const int low = out.bits == 8 ? 0 : ((a + 128) & 255) - 128;
        const int high = out.bits == 8 ? a : (a - low) >> 8;

        out.high[at] = static_cast<int8_t>(high);
        if (out.bits == 16)
            out.low[at] = static_cast<int8_t>(low);
        high_sum += high;
        low_sum += low;
    }
    high_sum = aci_warp_sum_int(high_sum);
    low_sum = aci_warp_sum_int(low_sum);
    if (lane == 0) {
        const size_t at = static_cast<size_t>(group) * static_cast<size_t>(out.row_stride) +
                          static_cast<size_t>(row);

        out.scales[at] = top / limit;
        out.sum_high[at] = high_sum;
        if (out.bits == 16)
            out.sum_low[at] = low_sum;
    }
}

static __global__ void __launch_bounds__(THREADS) quantise_rows(quantise_call call)
{
    ACI_SHARED(shared);
    const int32_t row = static_cast<int32_t>(blockIdx.x);
    const float *x = call.input.x + static_cast<size_t>(row) * call.input.x_stride;
    const int32_t n_groups = call.out.n_in_padded / call.out.group;
    const float root = call.input.norm_weight != nullptr
                           ? aci_inverse_rms<WARPS>(x, call.n_in, call.input.norm_eps,
                                                    reinterpret_cast<float *>(shared))
                           : 1.0f;

    for (int32_t g = threadIdx.x / ACI_WARP; g < n_groups; g += WARPS)
        quantise_group(call, row, g, root);
}

cudaError_t aci_cuda_quantise(const aci_cuda_activations *out, const aci_input *input,
                              int32_t n_in, cudaStream_t stream)
{
    const quantise_call call = { *out, *input, n_in };

    if ((out->group != 32 && out->group != 64 && out->group != 128) || out->n_rows < 1 ||
        out->n_in_padded % out->group != 0 || n_in > out->n_in_padded ||
        (out->bits != 8 && out->bits != 16) || (out->is_wide && out->row_stride % 8 != 0))
        return cudaErrorInvalidValue;
    return aci_launch(quantise_rows, dim3(static_cast<unsigned>(out->n_rows)), dim3(THREADS),
                      WARPS * sizeof(float), stream, call);
}
