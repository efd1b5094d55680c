/* warpgroup.h - what Hopper (sm_90a) has beyond a warp: copies in bulk that a
 * barrier in shared memory counts, and products of four warps together.
 *
 * Compiled for sm_90a alone, where ACI_HAS_WARPGROUPS is 1, and behind
 * tests/cuda/emulated_warpgroup.h. The PTX ISA's sections "mbarrier",
 * "cp.async.bulk" and "Asynchronous Warpgroup Level Matrix Instructions". */
#ifndef ACI_CUDA_WARPGROUP_H
#define ACI_CUDA_WARPGROUP_H

#include "cuda/device_code.h"

#if defined(ACI_CUDA_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define ACI_HAS_WARPGROUPS 1
#else
#define ACI_HAS_WARPGROUPS 0
#endif

#if ACI_HAS_WARPGROUPS

enum { ACI_WARPGROUP = 4 * ACI_WARP };

/* Where something lies in the block's shared memory, as instructions name it. */
static __device__ __forceinline__ uint32_t aci_shared_address(const void *at)
{
#ifdef ACI_CUDA_EMULATED
    return emulation::shared_address(at);
#else
    return static_cast<uint32_t>(__cvta_generic_to_shared(at));
#endif
}

/* ---- barriers ------------------------------------------------------------ */

/* Phases 0, 1, 2, ...: one ends when `arrivals` threads have arrived in it and
 * all bytes that they said to expect have. */
typedef uint64_t aci_barrier;

static __device__ __forceinline__ void aci_barrier_begin(aci_barrier *barrier, uint32_t arrivals)
{
#ifdef ACI_CUDA_EMULATED
    emulation::barrier_begin(barrier, arrivals);
#else
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;"
                 ::"r"(aci_shared_address(barrier)), "r"(arrivals) : "memory");
#endif
}

/* By the thread that began them, once: copies in bulk see them from here on;
 * other threads after the next __syncthreads. */
static __device__ __forceinline__ void aci_barriers_begun()
{
#ifdef ACI_CUDA_EMULATED
    emulation::barriers_begun();
#else
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

static __device__ __forceinline__ void aci_barrier_arrive(aci_barrier *barrier)
{
#ifdef ACI_CUDA_EMULATED
    emulation::barrier_arrive(barrier, 0);
#else
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];"
                 ::"r"(aci_shared_address(barrier)) : "memory");
#endif
}

/* Arrives, and has the phase wait for that many bytes as well. */
static __device__ __forceinline__ void aci_barrier_expect(aci_barrier *barrier, uint32_t bytes)
{
#ifdef ACI_CUDA_EMULATED
    emulation::barrier_arrive(barrier, bytes);
#else
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
                 ::"r"(aci_shared_address(barrier)), "r"(bytes) : "memory");
#endif
}

/* Until a phase of this parity has ended: the one under way, or the one before
 * it, which before phase 0 counts as ended. With a `patience` other than 0 it
 * goes on after so many looks of about 10 microseconds, come what may. */
static __device__ __forceinline__ void aci_barrier_wait(aci_barrier *barrier, uint32_t parity,
                                                        int32_t patience)
{
#ifdef ACI_CUDA_EMULATED
    (void)patience;
    emulation::barrier_wait(barrier, parity);
#else
    const uint32_t at = aci_shared_address(barrier);
    uint32_t ended;

    do {
        asm volatile("{\n .reg .pred p;\n"
                     " mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2, %3;\n"
                     " selp.u32 %0, 1, 0, p;\n}"
                     : "=r"(ended)
                     : "r"(at), "r"(parity), "r"(10000)
                     : "memory");
    } while (!ended && (patience == 0 || --patience > 0));
#endif
}

/* Bytes from global to shared memory, under way until the barrier has counted
 * them; addresses and size are multiples of 16. */
static __device__ __forceinline__ void aci_copy_bulk(void *to, const void *from, uint32_t bytes,
                                                     aci_barrier *barrier)
{
#ifdef ACI_CUDA_EMULATED
    emulation::copy_bulk(to, from, bytes, barrier);
#else
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1], %2, [%3];"
                 ::"r"(aci_shared_address(to)), "l"(from), "r"(bytes),
                   "r"(aci_shared_address(barrier)) : "memory");
#endif
}

/* ---- products of a warpgroup --------------------------------------------- */

/* B [n, 32] in shared memory, k along the bytes: cores of 8 columns by 16
 * bytes, each 128 bytes in a row; `next_k` bytes to the core of the other 16
 * k, `next_columns` to that of the next 8 columns. No swizzle. */
static __device__ __forceinline__ uint64_t aci_operand_b(const void *at, uint32_t next_k,
                                                         uint32_t next_columns)
{
    return static_cast<uint64_t>((aci_shared_address(at) & 0x3FFFF) >> 4) |
           static_cast<uint64_t>(next_k >> 4) << 16 |
           static_cast<uint64_t>(next_columns >> 4) << 32;
}

static __device__ __forceinline__ uint64_t aci_operand_b_plus(uint64_t operand, uint32_t bytes)
{
    return operand + (bytes >> 4);
}

/* Registers that a product reads or adds to are written by here. Also keeps
 * the compiler from moving what it does with them across this line. */
template <class T, int n> static __device__ __forceinline__ void aci_settle(T (&registers)[n])
{
#ifdef ACI_CUDA_EMULATED
    emulation::settle(registers, sizeof registers);
#else
#pragma unroll
    for (int i = 0; i < n; i++)
        asm volatile("" : "+r"(registers[i])::"memory");
#endif
}

/* After settling, before the first product that uses them. */
static __device__ __forceinline__ void aci_products_begin()
{
#ifdef ACI_CUDA_EMULATED
    emulation::products_begin();
#else
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

static __device__ __forceinline__ void aci_products_commit()
{
#ifdef ACI_CUDA_EMULATED
    emulation::products_commit();
#else
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

/* Until all that were committed are done; settle the sums after it. */
static __device__ __forceinline__ void aci_products_wait()
{
#ifdef ACI_CUDA_EMULATED
    emulation::products_wait();
#else
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#endif
}

/* C [64, n] += A [64, 32] B [n, 32]': unsigned bytes times signed ones, under
 * way until waited for. Warp w of the group has rows 16 w .. 16 w + 15, of A as
 * aci_mma_u8_s8 has them; c[4 i ..] are its C for columns 8 i .. 8 i + 7. */
#define ACI_4_OF(c, i) "+r"(c[i]), "+r"(c[i + 1]), "+r"(c[i + 2]), "+r"(c[i + 3])
#define ACI_16_OF(c, i) ACI_4_OF(c, i), ACI_4_OF(c, i + 4), ACI_4_OF(c, i + 8), ACI_4_OF(c, i + 12)

static __device__ __forceinline__ void aci_multiply_u8_s8(int32_t (&c)[32], uint32_t (&a)[4],
                                                          uint64_t b)
{
#ifdef ACI_CUDA_EMULATED
    emulation::multiply_u8_s8(c, a, b, 64);
#else
    asm volatile("{\n .reg .pred p;\n setp.eq.u32 p, 0, 0;\n"
                 " wgmma.mma_async.sync.aligned.m64n64k32.s32.u8.s8 "
                 "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
                 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, "
                 "{%32,%33,%34,%35}, %36, p;\n}"
                 : ACI_16_OF(c, 0), ACI_16_OF(c, 16)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
#endif
}

static __device__ __forceinline__ void aci_multiply_u8_s8(int32_t (&c)[64], uint32_t (&a)[4],
                                                          uint64_t b)
{
#ifdef ACI_CUDA_EMULATED
    emulation::multiply_u8_s8(c, a, b, 128);
#else
    asm volatile("{\n .reg .pred p;\n setp.eq.u32 p, 0, 0;\n"
                 " wgmma.mma_async.sync.aligned.m64n128k32.s32.u8.s8 "
                 "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
                 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
                 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
                 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
                 "{%64,%65,%66,%67}, %68, p;\n}"
                 : ACI_16_OF(c, 0), ACI_16_OF(c, 16), ACI_16_OF(c, 32), ACI_16_OF(c, 48)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
#endif
}

#undef ACI_4_OF
#undef ACI_16_OF

#endif
#endif
