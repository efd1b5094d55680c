/* emulation.h - CUDA C++ on the host: enough of the language and of the device
 * that the sources of cuda/ run unchanged, as C++, in the tests.
 *
 * One block runs at a time, or all of a launch whose blocks wait for each
 * other. Each of their threads is a fiber; a fiber runs until it meets a barrier
 * or an operation of its warp, then another one is taken, in an order that
 * emulation_order() shuffles. So what a missing barrier would let happen on a
 * device does happen here, differently from order to order. Also found: warps
 * whose lanes do not meet in one operation, threads that leave before a barrier
 * others wait at, blocks that never come to one, asynchronous copies used before
 * they were waited for (they are carried out only then) or into what is still
 * read (in odd orders they are carried out at once), shared memory read before
 * it was written (it holds 0xFF) or beyond its end (under ASan).
 *
 * What Hopper's warpgroups add is in emulated_warpgroup.h.
 *
 * Not modelled: time, memory order between blocks, the L1 cache, the order of
 * ordinary writes and asynchronous reads of shared memory (proxies).
 *
 * This file is included by the compiler's command line in front of every file
 * of cuda/; ACI_CUDA_EMULATED is defined. */
#ifndef TESTS_CUDA_EMULATION_H
#define TESTS_CUDA_EMULATION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <functional>

#include "emulated_runtime.h"
#include "emulated_warpgroup.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1)
        : x(x_), y(y_), z(z_) {}
};

struct alignas(8) uint2 { uint32_t x, y; };
struct alignas(16) uint4 { uint32_t x, y, z, w; };
struct alignas(8) int2 { int32_t x, y; };
struct alignas(16) int4 { int32_t x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };

namespace emulation {

/* Where the running fiber is. */
struct place { dim3 thread, block, block_dim, grid_dim; };
extern place *here;

unsigned char *shared_memory();
void block_barrier();

/* All 32 lanes of the fiber's warp meet with the same `operation`; the last
 * one carries it out on what each brought, by lane. */
typedef void (*warp_operation)(void *const lanes[32]);
void meet(warp_operation operation, void *mine);

/* Asynchronous copies of the running fiber. */
void copy_later(void *to, const void *from, size_t bytes);
void commit_copies();
void wait_copies(int groups_left);

/* Until the top bit of *at, which another block changes, is not that of
 * `seen` any more. */
void wait_for_flip(const uint32_t *at, uint32_t seen);

[[noreturn]] void fail(const char *what);

cudaError_t launch(cudaStream_t stream, dim3 grid, dim3 block,
                   size_t shared_bytes, std::function<void()> body);

/* The same with all blocks at once; refused where the device, of four
 * processors, does not hold so many. */
cudaError_t launch_together(cudaStream_t stream, dim3 grid, dim3 block,
                            size_t shared_bytes, std::function<void()> body);
cudaError_t resident_blocks(int *out, int threads, size_t shared_bytes);

template <class T> struct exchange { T value; int from; T got; };

template <class T> void exchange_lanes(void *const lanes[32])
{
    for (int i = 0; i < 32; i++) {
        exchange<T> *mine = static_cast<exchange<T> *>(lanes[i]);
        mine->got = static_cast<exchange<T> *>(lanes[mine->from])->value;
    }
}

template <class T> T from_lane(T value, int lane)
{
    exchange<T> mine = { value, lane, value };

    meet(exchange_lanes<T>, &mine);
    return mine.got;
}

inline int lane() { return static_cast<int>(here->thread.x & 31); }

void nothing(void *const lanes[32]);
void m16n8k32_u8_s8(void *const lanes[32]);
void m16n8k16_f16(void *const lanes[32]);

void load_matrices_x4(void *const lanes[32]);
void load_matrices_x4_trans(void *const lanes[32]);
void load_matrices_x2_trans(void *const lanes[32]);
void any_of_lanes(void *const lanes[32]);

/* What one lane brings to mma.m16n8k32 and m16n8k16, and to ldmatrix. */
struct fragment { void *c; uint32_t a[4], b[2]; };
struct matrix_rows { const void *row; uint32_t *to; };

} // namespace emulation

#define threadIdx (emulation::here->thread)
#define blockIdx (emulation::here->block)
#define blockDim (emulation::here->block_dim)
#define gridDim (emulation::here->grid_dim)

inline void __syncthreads() { emulation::block_barrier(); }
inline void __syncwarp(unsigned = ~0u)
{
    emulation::meet(emulation::nothing, NULL);
}

template <class T> T __shfl_sync(unsigned, T value, int lane)
{
    return emulation::from_lane(value, lane & 31);
}

template <class T> T __shfl_xor_sync(unsigned, T value, int mask)
{
    return emulation::from_lane(value, emulation::lane() ^ mask);
}

inline int __any_sync(unsigned, int predicate)
{
    emulation::meet(emulation::any_of_lanes, &predicate);
    return predicate;
}

/* prmt.b32: byte i of the result is byte `selector >> 4i & 7` of the eight of
 * x and y, x's first; the mode of sign bits is not there. */
inline uint32_t __byte_perm(uint32_t x, uint32_t y, uint32_t selector)
{
    const uint64_t both = x | static_cast<uint64_t>(y) << 32;
    uint32_t result = 0;

    for (int i = 0; i < 4; i++)
        result |= static_cast<uint32_t>(
                      both >> (8 * (selector >> (4 * i) & 7u)) & 255u)
                  << (8 * i);
    return result;
}

inline void sincospif(float x, float *sine, float *cosine)
{
    const double angle = static_cast<double>(x) * 3.14159265358979323846;

    *sine = static_cast<float>(sin(angle));
    *cosine = static_cast<float>(cos(angle));
}

inline float __int_as_float(int bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

inline int __float_as_int(float value)
{
    int bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#endif
