/* rows.cu - what happens to rows one by one: embedding, RMSNorm, gating.
 *
 * Formulas in kernels/backend.h. All of it is bound by memory and small beside
 * the products: a block a row, a thread every 256th of it, sums in one fixed
 * order. */
#include "cuda/kernels.h"
#include "cuda/launch.h"

enum { THREADS = 256, WARPS = THREADS / ACI_WARP };

/* ---- embedding ----------------------------------------------------------- */

struct embed_call {
    float *out;
    const int32_t *tokens;
    aci_matrix table;
    int32_t weight_bits;
    float factor;
};

static __device__ __forceinline__ int nibble_of(const uint8_t *plane, size_t at, int shift)
{
    return (plane[at] >> shift & 15) - 8;
}

static __global__ void __launch_bounds__(THREADS) embed_rows(__grid_constant__ const
                                                             embed_call call)
{
    const aci_matrix &m = call.table;
    const int32_t row = call.tokens[blockIdx.x];
    float *out = call.out + static_cast<size_t>(blockIdx.x) * static_cast<size_t>(m.n_in);

    for (int32_t c = threadIdx.x; c < m.n_in; c += THREADS) {
        if (m.dense != nullptr) {
            out[c] = m.dense[static_cast<size_t>(row) * static_cast<size_t>(m.n_in) +
                             static_cast<size_t>(c)];
            continue;
        }
        int shift;
        const size_t at = aci_matrix_nibble_at(&m, row, c, &shift);
        const uint16_t scale = m.scales[aci_matrix_scale_at(&m, row, c / m.group)];
        int w = nibble_of(m.plane_a, at, shift);

        if (call.weight_bits > 4)
            w = m.ratio * w + nibble_of(m.plane_b, at, shift);
        if (call.weight_bits == 16)
            w = 256 * w + m.plane_c[aci_matrix_byte_at(&m, row, c)] - 128;
        out[c] = static_cast<float>(w) * (call.factor * aci_half_to_float(scale));
    }
}

cudaError_t aci_cuda_embed(float *out, const aci_linear *table, const int32_t *tokens,
                           int32_t n_rows, cudaStream_t stream)
{
    const embed_call call = { out, tokens, *table->weight, table->weight_bits,
                              aci_scale_factor(table) };

    if (n_rows < 1)
        return cudaErrorInvalidValue;
    return aci_launch(embed_rows, dim3(static_cast<unsigned>(n_rows)), dim3(THREADS), 0, stream,
                      call);
}

/* ---- norm ---------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS)
norm_rows(float *out, const float *x, size_t x_stride, const float *weight, int32_t n, float eps)
{
    ACI_SHARED(shared);
    const float *row = x + static_cast<size_t>(blockIdx.x) * x_stride;
    const float root = aci_inverse_rms<WARPS>(row, n, eps, reinterpret_cast<float *>(shared));

    out += static_cast<size_t>(blockIdx.x) * static_cast<size_t>(n);
    for (int32_t k = threadIdx.x; k < n; k += THREADS)
        out[k] = row[k] * root * weight[k];
}

cudaError_t aci_cuda_norm(float *out, const float *x, size_t x_stride, const float *weight,
                          int32_t n_rows, int32_t width, float eps, cudaStream_t stream)
{
    if (n_rows < 1 || width < 1)
        return cudaErrorInvalidValue;
    return aci_launch(norm_rows, dim3(static_cast<unsigned>(n_rows)), dim3(THREADS),
                      WARPS * sizeof(float), stream, out, x, x_stride, weight, width, eps);
}

/* ---- gate ---------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS)
activate_rows(float *out, const float *x, const float *up, size_t stride, int32_t width)
{
    const size_t row = blockIdx.x;

    for (int32_t k = threadIdx.x; k < width; k += THREADS)
        out[row * static_cast<size_t>(width) + static_cast<size_t>(k)] =
            aci_silu(x[row * stride + static_cast<size_t>(k)]) *
            up[row * stride + static_cast<size_t>(k)];
}

cudaError_t aci_cuda_activate(float *out, const float *x, const float *up, size_t stride,
                              int32_t n_rows, int32_t width, cudaStream_t stream)
{
    if (n_rows < 1 || width < 1 || stride < static_cast<size_t>(width))
        return cudaErrorInvalidValue;
    return aci_launch(activate_rows, dim3(static_cast<unsigned>(n_rows)), dim3(THREADS), 0, stream,
                      out, x, up, stride, width);
}
