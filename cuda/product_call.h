/* product_call.h - what the three kernels of products share: the call as it goes
 * to the device, and how bytes of planes become operands of the tensor cores.
 *
 * A lane (g, j) = (lane / 4, lane % 4) reads 16 bytes of a nibble tile at
 * 64 g + 16 j: of the rows g and g + 8 the columns 16j .. 16j+15, eight bytes
 * each, the first eight columns in the low nibbles and the others in the high
 * ones. So its registers are already the A operand of two products of 16 x 32,
 * if "k" of the first means the low columns of all four j; the B operand is
 * then bytes 16j .. 16j+15 of a token as they lie.
 *
 * Nibbles stay as they are stored, unsigned: what that adds to a sum is a
 * number times the sum of the activations, which came with them. Both nibbles
 * of int8 make one byte, D a + b, that way: at most 14 * 15 + 15. */
#ifndef ACI_CUDA_PRODUCT_CALL_H
#define ACI_CUDA_PRODUCT_CALL_H

#include "cuda/kernels.h"
#include "cuda/launch.h"

/* One product on the device. */
struct product_target {
    const uint8_t *plane_a, *plane_b, *plane_c;
    const uint16_t *scales;
    const float *bias;
    float *out;
    size_t out_stride;
    float factor;            /* of the scales: 1, 1/D, 1/(256 D) */
    uint32_t ratio;          /* D */
    int32_t weight_bits;
    int32_t n_out, n_strip;
    int32_t tiles_stored;    /* of a strip */
    int32_t first_strip;     /* in the numbering of the whole launch */
    int32_t accumulate;
};

struct product_call {
    product_target targets[ACI_MAX_PRODUCTS];
    aci_cuda_activations x;
    int32_t n_targets, n_strips;
    int32_t patience;        /* multiply_wide.cu alone; see kernels.h */
};

/* The target that a strip of the launch belongs to. */
static __device__ __forceinline__ int target_of(const product_call &call, int32_t strip)
{
    int t = 0;

    while (t + 1 < call.n_targets && call.targets[t + 1].first_strip <= strip)
        t++;
    return t;
}

/* What a lane holds of one tile. */
template <int weight_bits> struct tile_bytes {
    uint4 a, b, c_low, c_high;
};

template <int weight_bits>
static __device__ __forceinline__ void load_tile(tile_bytes<weight_bits> &out,
                                                 const product_target &target, size_t tile,
                                                 int lane)
{
    const size_t at = tile * ACI_NIBBLE_TILE_BYTES + static_cast<size_t>(lane) * 16;

    out.a = aci_load_weights(target.plane_a + at);
    if (weight_bits > 4)
        out.b = aci_load_weights(target.plane_b + at);
    if (weight_bits == 16) {
        const size_t byte_at = tile * ACI_BYTE_TILE_BYTES + static_cast<size_t>(lane / 4) * 128 +
                               static_cast<size_t>(lane % 4) * 16;

        out.c_low = aci_load_weights(target.plane_c + byte_at);
        out.c_high = aci_load_weights(target.plane_c + byte_at + 64);
    }
}

/* Four weights as bytes without sign: w + offset. */
template <int weight_bits>
static __device__ __forceinline__ uint32_t nibbles(uint32_t a, uint32_t b, int shift,
                                                   uint32_t ratio)
{
    const uint32_t mask = 0x0F0F0F0Fu;
    const uint32_t high = a >> shift & mask;

    return weight_bits == 4 ? high : high * ratio + (b >> shift & mask);
}

static __device__ __forceinline__ int32_t offset_of(int weight_bits, uint32_t ratio)
{
    return weight_bits == 4 ? 8 : 8 * static_cast<int32_t>(ratio) + 8;
}

/* One tile of planes A (and B) unpacked: the A operands of its two products. */
struct tile_operand {
    uint32_t low[4], high[4]; /* a0 .. a3 */
};

template <int weight_bits>
static __device__ __forceinline__ void unpack_tile(tile_operand &out,
                                                   const tile_bytes<weight_bits> &t,
                                                   uint32_t ratio)
{
    /* x, y: row g, columns 0-3 and 4-7 of eight; z, w: row g + 8 */
    out.low[0] = nibbles<weight_bits>(t.a.x, t.b.x, 0, ratio);
    out.low[1] = nibbles<weight_bits>(t.a.z, t.b.z, 0, ratio);
    out.low[2] = nibbles<weight_bits>(t.a.y, t.b.y, 0, ratio);
    out.low[3] = nibbles<weight_bits>(t.a.w, t.b.w, 0, ratio);
    out.high[0] = nibbles<weight_bits>(t.a.x, t.b.x, 4, ratio);
    out.high[1] = nibbles<weight_bits>(t.a.z, t.b.z, 4, ratio);
    out.high[2] = nibbles<weight_bits>(t.a.y, t.b.y, 4, ratio);
    out.high[3] = nibbles<weight_bits>(t.a.w, t.b.w, 4, ratio);
}

/* Sixteen bytes of a token: four to each register of the two B operands. For
 * groups of 32 a half of the lanes counts at a time. */
static __device__ __forceinline__ uint4 only_half(uint4 v, int lane, int half)
{
    const uint32_t keep = (lane % 4) / 2 == half ? ~0u : 0u;

    return { v.x & keep, v.y & keep, v.z & keep, v.w & keep };
}

static __device__ __forceinline__ void multiply_tile(int32_t (&c)[4], const tile_operand &w,
                                                     const uint4 &x)
{
    aci_mma_u8_s8(c, w.low[0], w.low[1], w.low[2], w.low[3], x.x, x.y);
    aci_mma_u8_s8(c, w.high[0], w.high[1], w.high[2], w.high[3], x.z, x.w);
}

/* Plane C: bytes as they are, offset by 128. */
template <int weight_bits>
static __device__ __forceinline__ void multiply_bytes(int32_t (&c)[4],
                                                      const tile_bytes<weight_bits> &t,
                                                      const uint4 &x)
{
    aci_mma_u8_s8(c, t.c_low.x, t.c_low.z, t.c_low.y, t.c_low.w, x.x, x.y);
    aci_mma_u8_s8(c, t.c_high.x, t.c_high.z, t.c_high.y, t.c_high.w, x.z, x.w);
}

/* The contract's value of a group from its sums, as floats. */
template <int weight_bits, int activation_bits>
static __device__ __forceinline__ float value_of(float high, float low)
{
    if (activation_bits == 8)
        return high;
    if (weight_bits == 16)
        return fmaf(high, 65536.0f, low * 256.0f);
    return fmaf(high, 256.0f, low);
}

static __device__ __forceinline__ void store_result(const product_target &target, int32_t token,
                                                    int32_t row, float value)
{
    float *at = target.out + static_cast<size_t>(token) * target.out_stride +
                static_cast<size_t>(row);

    if (row >= target.n_out)
        return;
    if (target.bias != nullptr)
        value += target.bias[row];
    *at = target.accumulate ? *at + value : value;
}

/* ---- on the host --------------------------------------------------------- */

/* Whether a kernel of planes can multiply these activations. */
static inline bool has_planes(const aci_product &p, int32_t group, int32_t activation_bits)
{
    const aci_matrix &m = *p.linear.weight;
    const int32_t bits = p.linear.weight_bits;

    return m.plane_a != nullptr && m.group == group &&
           p.linear.activation_bits == activation_bits && (bits <= 4 || m.plane_b != nullptr) &&
           (bits != 16 || (m.plane_c != nullptr && activation_bits == 16));
}

/* Puts a product behind those that the call has. */
static inline void add_target(product_call &call, const aci_product &p)
{
    const aci_matrix &m = *p.linear.weight;

    call.targets[call.n_targets++] = {
        m.plane_a, m.plane_b, m.plane_c, m.scales, p.linear.bias, p.out, p.out_stride,
        aci_scale_factor(&p.linear), static_cast<uint32_t>(m.ratio), p.linear.weight_bits,
        m.n_out, m.n_strip, m.n_in_stored / ACI_TILE_COLUMNS, call.n_strips, p.accumulate };
    call.n_strips += m.n_strip;
}

/* Takes products [0, n) that have the same weight bits from the front of the
 * list into one call; 0 when the first is not one of planes. */
static inline int32_t gather_products(product_call &call, const aci_product *products, int32_t n,
                                      const aci_cuda_activations *x)
{
    const int32_t bits = products[0].linear.weight_bits;

    call.x = *x;
    call.n_targets = call.n_strips = 0;
    while (call.n_targets < n && call.n_targets < ACI_MAX_PRODUCTS) {
        const aci_product &p = products[call.n_targets];

        if (p.linear.weight_bits != bits)
            break;
        if (!has_planes(p, x->group, x->bits) || p.linear.weight->n_in_padded != x->n_in_padded)
            return 0;
        add_target(call, p);
    }
    return call.n_targets;
}

template <template <int, int, int> class kernel, int weight_bits, int activation_bits>
static cudaError_t start_group(const product_call &call, cudaStream_t stream)
{
    switch (call.x.group) {
    case 32: return kernel<weight_bits, activation_bits, 32>::start(call, stream);
    case 64: return kernel<weight_bits, activation_bits, 64>::start(call, stream);
    case 128: return kernel<weight_bits, activation_bits, 128>::start(call, stream);
    default: return cudaErrorInvalidValue;
    }
}

/* Every product by the kernel of its precision and group, as many at a time as
 * share one: kernel<weight_bits, activation_bits, group>::start(call, stream). */
template <template <int, int, int> class kernel>
static cudaError_t start_products(const aci_product *products, int32_t n_products,
                                  const aci_cuda_activations *x, cudaStream_t stream,
                                  int32_t patience = 0)
{
    cudaError_t status = cudaSuccess;

    while (n_products > 0 && status == cudaSuccess) {
        product_call call;
        const int32_t taken = gather_products(call, products, n_products, x);

        if (taken == 0)
            return cudaErrorInvalidValue;
        call.patience = patience;
        switch (1000 * products[0].linear.weight_bits + x->bits) {
        case 4008: status = start_group<kernel, 4, 8>(call, stream); break;
        case 4016: status = start_group<kernel, 4, 16>(call, stream); break;
        case 8008: status = start_group<kernel, 8, 8>(call, stream); break;
        case 8016: status = start_group<kernel, 8, 16>(call, stream); break;
        case 16016: status = start_group<kernel, 16, 16>(call, stream); break;
        default: status = cudaErrorInvalidValue;
        }
        products += taken;
        n_products -= taken;
    }
    return status;
}

#endif
