/* half_code.h - products of float16 on the tensor cores, and how their operands
 * come from shared memory; beside device_code.h, in the same way.
 *
 * Lane (g, j) = (lane / 4, lane % 4) throughout. Two float16 are one uint32_t,
 * the first in the lower half. */
#ifndef ACI_CUDA_HALF_CODE_H
#define ACI_CUDA_HALF_CODE_H

#include "cuda/device_code.h"

/* C [16, 8] += A [16, 16] B [16, 8] in float32. The lane brings
 *     a[0] A[g][2j, 2j+1]    a[1] A[g+8][same]
 *     a[2] A[g][8+2j, ..]    a[3] A[g+8][same]
 *     b[0] B[2j, 2j+1][g]    b[1] B[8+2j, ..][g]
 * and has c[0], c[1] = C[g][2j, 2j+1] and c[2], c[3] = C[g+8][same]. */
static __device__ __forceinline__ void aci_mma_f16(float (&c)[4], const uint32_t (&a)[4],
                                                   const uint32_t (&b)[2])
{
#ifdef ACI_CUDA_EMULATED
    emulation::fragment mine = { c, { a[0], a[1], a[2], a[3] }, { b[0], b[1] } };
    emulation::meet(emulation::m16n8k16_f16, &mine);
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/* Matrices of 8 rows of 16 bytes (8 float16) in shared memory: lane l brings
 * the address of row l % 8 of matrix l / 8, aligned to 16. Of each matrix m the
 * lane gets x[m] = row g, elements 2j and 2j+1 ... */
static __device__ __forceinline__ void aci_load_matrices(uint32_t (&x)[4], const void *row)
{
#ifdef ACI_CUDA_EMULATED
    emulation::matrix_rows mine = { row, x };
    emulation::meet(emulation::load_matrices_x4, &mine);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
                 : "memory");
#endif
}

/* ... or, transposed, elements g of rows 2j and 2j+1. */
static __device__ __forceinline__ void aci_load_transposed(uint32_t (&x)[4], const void *row)
{
#ifdef ACI_CUDA_EMULATED
    emulation::matrix_rows mine = { row, x };
    emulation::meet(emulation::load_matrices_x4_trans, &mine);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
                 : "memory");
#endif
}

/* Two matrices: the addresses of lanes 16 and up count for nothing. */
static __device__ __forceinline__ void aci_load_transposed(uint32_t (&x)[2], const void *row)
{
#ifdef ACI_CUDA_EMULATED
    emulation::matrix_rows mine = { row, x };
    emulation::meet(emulation::load_matrices_x2_trans, &mine);
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1},[%2];"
                 : "=r"(x[0]), "=r"(x[1])
                 : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
                 : "memory");
#endif
}

static __device__ __forceinline__ float aci_lower_half(uint32_t x)
{
    return aci_half_to_float(static_cast<uint16_t>(x & 0xFFFFu));
}

static __device__ __forceinline__ float aci_upper_half(uint32_t x)
{
    return aci_half_to_float(static_cast<uint16_t>(x >> 16));
}

/* Both to the nearest float16. */
static __device__ __forceinline__ uint32_t aci_pack_halves(float lower, float upper)
{
#ifdef ACI_CUDA_EMULATED
    return aci_half_from_float(lower) | static_cast<uint32_t>(aci_half_from_float(upper)) << 16;
#else
    uint32_t x;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(upper), "f"(lower));
    return x;
#endif
}

/* Two numbers as float16 and what that left out: 22 bits of each, or what lies
 * above 2^-25. */
static __device__ __forceinline__ void aci_split_halves(uint32_t &high, uint32_t &low, float x0,
                                                        float x1)
{
    high = aci_pack_halves(x0, x1);
    low = aci_pack_halves(x0 - aci_lower_half(high), x1 - aci_upper_half(high));
}

static __device__ __forceinline__ uint32_t aci_subtract_halves(uint32_t a, uint32_t b)
{
#ifdef ACI_CUDA_EMULATED
    return aci_pack_halves(aci_lower_half(a) - aci_lower_half(b),
                           aci_upper_half(a) - aci_upper_half(b));
#else
    uint32_t x;
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(x) : "r"(a), "r"(b));
    return x;
#endif
}

/* Signed bytes 0 and 2, and 1 and 3, as float16, exactly: a byte in the last
 * place of 1024 is a float16; conversions of integers have a quarter of the
 * rate of this. */
static __device__ __forceinline__ void aci_widen_bytes(uint32_t &even, uint32_t &odd,
                                                       uint32_t bytes)
{
    const uint32_t x = bytes ^ 0x80808080u;

    even = aci_subtract_halves(__byte_perm(x, 0x64646464u, 0x4240), 0x64806480u);
    odd = aci_subtract_halves(__byte_perm(x, 0x64646464u, 0x4341), 0x64806480u);
}

/* 2^n, -126 <= n <= 127, and n so that 2^n x is in [2^14, 2^15), where a
 * float16 has all its bits and so has what it leaves out; n <= 126 for x that
 * is too small (zero too), the least one for what is not finite. */
static __device__ __forceinline__ float aci_power_of_two(int n)
{
    return __int_as_float((n + 127) << 23);
}

static __device__ __forceinline__ int aci_exponent_to_14(float x)
{
    const int biased = __float_as_int(x) >> 23 & 255;

    return 141 - (biased < 15 ? 15 : biased > 254 ? 254 : biased);
}

#endif
