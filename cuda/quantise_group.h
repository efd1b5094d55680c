/* quantise_group.h - a group of float32 to the integers that products read, as
 * the contract of backend.h has it:
 *
 *     m = max |y|,  a = round_even(y * (limit / m)),  scale = m / limit
 *
 * limit is 127 for 8 bits and 32512 for 16, which are split into a high and a
 * low byte; and the sums of both. */
#ifndef ACI_CUDA_QUANTISE_GROUP_H
#define ACI_CUDA_QUANTISE_GROUP_H

#include "cuda/device_code.h"
#include "cuda/kernels.h"

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

/* One group of a row by one warp, lane l its columns l, l + 32, ...; column k
 * is value(k), from n_in on zero. */
template <class column>
static __device__ __forceinline__ void quantise_group(const aci_cuda_activations &out, int32_t row,
                                                      int32_t group, int32_t n_in, column value)
{
    const int lane = threadIdx.x % ACI_WARP;
    const float limit = out.bits == 8 ? 127.0f : 32512.0f;
    const int32_t first = group * out.group, n = out.group / ACI_WARP;
    float y[4], top = 0.0f; /* unrolled, or it would lie on the stack */
    int high_sum = 0, low_sum = 0;

#pragma unroll
    for (int32_t i = 0; i < 4; i++) {
        const int32_t k = first + i * ACI_WARP + lane;

        y[i] = i < n && k < n_in ? value(k) : 0.0f;
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

#endif
