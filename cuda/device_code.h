/* device_code.h - what every kernel file starts from: the language, and the
 * few instructions that C++ has no words for.
 *
 * Compiled by nvcc for a device, or as plain C++ behind tests/cuda/emulation.h
 * (ACI_CUDA_EMULATED), which carries out the same operations on the host. This
 * is the only file that knows both.
 *
 * Everything here is one warp's or one thread's view; a warp is 32 lanes. */
#ifndef ACI_CUDA_DEVICE_CODE_H
#define ACI_CUDA_DEVICE_CODE_H

#include <stdint.h>

#ifndef ACI_CUDA_EMULATED
#include <cuda_runtime.h>
#else
#include "platform/half.h"
#endif

enum { ACI_WARP = 32 };
#define ACI_ALL_LANES 0xFFFFFFFFu

/* The block's shared memory, sized at launch. */
#ifdef ACI_CUDA_EMULATED
#define ACI_SHARED(name) unsigned char *const name = emulation::shared_memory()
#else
#define ACI_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
#endif

/* ---- numbers ------------------------------------------------------------- */

/* float16 is carried as its bits: the layout headers are plain C. */
static __device__ __forceinline__ float aci_half_to_float(uint16_t bits)
{
#ifdef ACI_CUDA_EMULATED
    return aci_platform_f32_from_f16(bits);
#else
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
#endif
}

static __device__ __forceinline__ uint16_t aci_half_from_float(float value)
{
#ifdef ACI_CUDA_EMULATED
    return aci_platform_f16_from_f32(value);
#else
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#endif
}

/* To the nearest whole number, halves to the even one; |x| < 2^22. */
static __device__ __forceinline__ float aci_round_even(float x)
{
    return (x + 12582912.0f) - 12582912.0f;
}

/* x / (1 + exp(-x)); expf rather than __expf: its error reaches the logits. */
static __device__ __forceinline__ float aci_silu(float x)
{
    return x / (1.0f + expf(-x));
}

/* ---- across a warp ------------------------------------------------------- */

/* The sum, or the largest, of all lanes' values, in every lane; the same tree
 * whatever the values, so the same bits. */
static __device__ __forceinline__ float aci_warp_sum(float x)
{
    for (int step = ACI_WARP / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(ACI_ALL_LANES, x, step);
    return x;
}

static __device__ __forceinline__ float aci_warp_max(float x)
{
    for (int step = ACI_WARP / 2; step > 0; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(ACI_ALL_LANES, x, step));
    return x;
}

static __device__ __forceinline__ int aci_warp_sum_int(int x)
{
    for (int step = ACI_WARP / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(ACI_ALL_LANES, x, step);
    return x;
}

/* 1 / sqrt(mean of x^2 + eps) in every thread of a block of `warps` warps;
 * `partial` is shared memory for a float per warp. Each thread adds up every
 * so-manieth square, a warp its lanes, then all the warps in their order. */
template <int warps>
static __device__ __forceinline__ float aci_inverse_rms(const float *x, int32_t n, float eps,
                                                        float *partial)
{
    float sum = 0.0f;

    for (int32_t k = threadIdx.x; k < n; k += warps * ACI_WARP)
        sum = fmaf(x[k], x[k], sum);
    sum = aci_warp_sum(sum);
    if (threadIdx.x % ACI_WARP == 0)
        partial[threadIdx.x / ACI_WARP] = sum;
    __syncthreads();
    sum = 0.0f;
    for (int w = 0; w < warps; w++)
        sum += partial[w];
    return 1.0f / sqrtf(sum / static_cast<float>(n) + eps);
}

/* ---- loads --------------------------------------------------------------- */

/* Sixteen bytes of weights: read once per product, so they go past L1 and are
 * the first to leave L2. `at` is aligned to 16 and never written by kernels. */
static __device__ __forceinline__ uint4 aci_load_weights(const void *at)
{
#ifdef ACI_CUDA_EMULATED
    return *static_cast<const uint4 *>(at);
#else
    uint4 v;
    uint64_t policy;
    asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
    asm volatile("ld.global.nc.L1::no_allocate.L2::cache_hint.v4.u32 "
                 "{%0,%1,%2,%3},[%4],%5;"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(at), "l"(policy));
    return v;
#endif
}

/* Sixteen bytes from global to shared memory, under way until waited for;
 * with `inside` false zeros instead. */
static __device__ __forceinline__ void aci_copy_async(void *to, const void *from, bool inside)
{
#ifdef ACI_CUDA_EMULATED
    emulation::copy_later(to, inside ? from : nullptr, 16);
#else
    const uint32_t shared = static_cast<uint32_t>(__cvta_generic_to_shared(to));
    const int bytes = inside ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 ::"r"(shared), "l"(from), "r"(bytes) : "memory");
#endif
}

static __device__ __forceinline__ void aci_copies_commit()
{
#ifdef ACI_CUDA_EMULATED
    emulation::commit_copies();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/* Until all but the `left` newest groups of this thread have arrived; others
 * see them after the next __syncthreads. */
template <int left> static __device__ __forceinline__ void aci_copies_wait()
{
#ifdef ACI_CUDA_EMULATED
    emulation::wait_copies(left);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
#endif
}

/* ---- tensor cores -------------------------------------------------------- */

/* C [16, 8] += A [16, 32] B [32, 8]: unsigned bytes times signed ones, sums of
 * 32 bits. Lane (g, j) = (lane / 4, lane % 4) brings
 *     a0 A[g][4j..4j+3]  a1 A[g+8][same]  a2 A[g][16+4j..]  a3 A[g+8][same]
 *     b0 B[4j..4j+3][g]  b1 B[16+4j..][g]
 * and has c[0], c[1] = C[g][2j, 2j+1] and c[2], c[3] = C[g+8][same]. Since both
 * sides may number k as they like, any 4 columns can stand for any others. */
static __device__ __forceinline__ void aci_mma_u8_s8(int32_t (&c)[4], uint32_t a0, uint32_t a1,
                                                     uint32_t a2, uint32_t a3, uint32_t b0,
                                                     uint32_t b1)
{
#ifdef ACI_CUDA_EMULATED
    emulation::fragment mine = { c, { a0, a1, a2, a3 }, { b0, b1 } };
    emulation::meet(emulation::m16n8k32_u8_s8, &mine);
#else
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 "
                 "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#endif
}

#endif
