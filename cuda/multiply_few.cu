/* multiply_few.cu - products of up to 8 tokens: decoding, where reading the
 * weights is the cost.
 *
 *     out[token][row] = sum over groups, in order, of
 *                       value(integer sums) * (scale of row * scale of token)
 *
 * A block of 8 warps takes one strip of 16 rows (few_strip.h). Not measured on
 * a device yet. */
#include "cuda/few_strip.h"

template <int weight_bits, int activation_bits, int group>
static __global__ void __launch_bounds__(THREADS) multiply_few(__grid_constant__ const
                                                               product_call call)
{
    ACI_SHARED(shared);
    const product_target &target =
        call.targets[target_of(call, static_cast<int32_t>(blockIdx.x))];
    const int32_t strip = static_cast<int32_t>(blockIdx.x) - target.first_strip;
    tile_bytes<weight_bits> bytes[rounds<group>::tiles_of_warp];

    load_round<weight_bits, group>(bytes, target, strip, 0,
                                   call.x.n_in_padded / ACI_TILE_COLUMNS);
    multiply_strip<weight_bits, activation_bits, group>(
        bytes, reinterpret_cast<int32_t *>(shared), target, call.x, strip);
}

template <int weight_bits, int activation_bits, int group> struct few {
    static cudaError_t start(const product_call &call, cudaStream_t stream)
    {
        return aci_launch(multiply_few<weight_bits, activation_bits, group>,
                          dim3(static_cast<unsigned>(call.n_strips)), dim3(THREADS),
                          sums_bytes(activation_bits), stream, call);
    }
};

cudaError_t aci_cuda_multiply_few(const aci_product *products, int32_t n_products,
                                  const aci_cuda_activations *x, cudaStream_t stream)
{
    if (x->n_rows < 1 || x->n_rows > ACI_CUDA_FEW_ROWS)
        return cudaErrorInvalidValue;
    return start_products<few>(products, n_products, x, stream);
}
