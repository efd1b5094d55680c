/* dense.cu - float32 products, for the few matrices that a zoo keeps whole.
 *
 *     out[token][row] = sum over k of x[token][k] * w[row][k]    (+ bias)
 *
 * A warp takes a row of w and 8 tokens at a time; lane l adds up the columns
 * l, l + 32, ... and the lanes are summed as a tree: one order for each output,
 * however many tokens there are. Weights are read once per 8 tokens, in lines
 * of 128 bytes. */
#include "cuda/kernels.h"
#include "cuda/launch.h"

enum { WARPS = 8, THREADS = WARPS * ACI_WARP, TOKENS = 8 };

struct dense_call {
    float *out;
    const float *x, *w, *bias;
    size_t out_stride, x_stride;
    int32_t n_rows, n_in, n_out, accumulate;
};

static __global__ void __launch_bounds__(THREADS) multiply_dense(__grid_constant__ const
                                                                 dense_call call)
{
    const int lane = threadIdx.x % ACI_WARP;
    const int32_t row = static_cast<int32_t>(blockIdx.x) * WARPS + threadIdx.x / ACI_WARP;
    const int32_t first = static_cast<int32_t>(blockIdx.y) * TOKENS;
    const int32_t n = call.n_rows - first < TOKENS ? call.n_rows - first : TOKENS;
    const float *x = call.x + static_cast<size_t>(first) * call.x_stride;
    float sum[TOKENS] = {};

    if (row >= call.n_out) /* a whole warp */
        return;
    const float *w = call.w + static_cast<size_t>(row) * static_cast<size_t>(call.n_in);
    for (int32_t k = lane; k < call.n_in; k += ACI_WARP)
#pragma unroll
        for (int t = 0; t < TOKENS; t++)
            if (t < n)
                sum[t] = fmaf(x[static_cast<size_t>(t) * call.x_stride + static_cast<size_t>(k)],
                              w[k], sum[t]);
#pragma unroll
    for (int t = 0; t < TOKENS; t++) {
        float value = aci_warp_sum(sum[t]);

        if (lane != 0 || t >= n)
            continue;
        if (call.bias != nullptr)
            value += call.bias[row];
        float *at = call.out + static_cast<size_t>(first + t) * call.out_stride +
                    static_cast<size_t>(row);
        *at = call.accumulate ? *at + value : value;
    }
}

cudaError_t aci_cuda_multiply_dense(const aci_product *product, const float *x, size_t x_stride,
                                    int32_t n_rows, cudaStream_t stream)
{
    const aci_matrix &m = *product->linear.weight;
    const dense_call call = { product->out, x, m.dense, product->linear.bias,
                              product->out_stride, x_stride, n_rows, m.n_in, m.n_out,
                              product->accumulate };

    if (m.dense == nullptr || n_rows < 1)
        return cudaErrorInvalidValue;
    return aci_launch(multiply_dense,
                      dim3(static_cast<unsigned>((m.n_out + WARPS - 1) / WARPS),
                           static_cast<unsigned>((n_rows + TOKENS - 1) / TOKENS)),
                      dim3(THREADS), 0, stream, call);
}
