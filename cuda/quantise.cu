/* quantise.cu - rows of float32 to the integers that products read.
 *
 *     y = x / sqrt(mean x^2 + eps) * w            where a norm is asked for
 *     y = silu(x) * up                            where a gate is
 *     per group of y:  quantise_group.h
 *
 * A block takes a row: first all its warps add up the squares, each
 * thread every 256th column, then each warp takes every eighth group. Without
 * a norm the result is the contract's to the last bit; the norm's sum has its
 * own order, the same for a row whatever is beside it. */
#include "cuda/launch.h"
#include "cuda/quantise_group.h"

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
        quantise_group(call.out, row, g, call.n_in,
                       [&](int32_t k) { return input_at(call.input, row, k, root); });
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
