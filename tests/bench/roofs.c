/* roofs.c - see roofs.h. */
#include "roofs.h"

#include <string.h>

#include "kernels/cpu/cpu_level.h"
#include "platform/clock.h"

enum { BLOCK = 1 << 20, ROUNDS = 400000 };

typedef uint64_t words __attribute__((vector_size(64)));

typedef struct reading {
    const uint8_t *bytes;
    int wide;         /* this processor has AVX-512 */
    uint64_t sum[64]; /* per thread, so that nothing is left out */
} reading;

static void read_blocks(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    reading *r = argument;
    const uint8_t *at = r->bytes + first * BLOCK;
    const uint8_t *end = r->bytes + last * BLOCK;
    words a = { 0 }, b = { 0 }, v, w;

    if (r->wide) {
        r->sum[thread % 64] ^= roof_read_loop(at, end);
        return;
    }
    for (; at < end; at += 128) {
        __builtin_prefetch(at + 4096);
        __builtin_prefetch(at + 4160);
        memcpy(&v, at, sizeof v);
        memcpy(&w, at + 64, sizeof w);
        a ^= v;
        b ^= w;
    }
    a ^= b;
    r->sum[thread % 64] ^= a[0] ^ a[3];
}

double roof_read(aci_pool *pool, const uint8_t *bytes, size_t n_bytes)
{
    reading r = { bytes, aci_kernels_cpu_level("avx512") != NULL, { 0 } };
    uint64_t began = aci_platform_monotonic_nanoseconds();

    aci_platform_pool_run(pool, read_blocks, &r, (int64_t)(n_bytes / BLOCK),
                          4);
    return (double)(n_bytes / BLOCK * BLOCK) /
           (double)(aci_platform_monotonic_nanoseconds() - began);
}

static void multiply(void *argument, int64_t first, int64_t last,
                     int32_t thread)
{
    (void)argument;
    (void)thread;
    for (; first < last; first++)
        roof_multiply_loop(ROUNDS);
}

double roof_multiply(aci_pool *pool)
{
    int64_t n = 4 * aci_platform_pool_threads(pool);
    uint64_t began = aci_platform_monotonic_nanoseconds();

    if (aci_kernels_cpu_level("avx512") == NULL)
        return 0.0;
    aci_platform_pool_run(pool, multiply, NULL, n, 1);
    return (double)n * ROUNDS * ROOF_OPERATIONS_PER_ROUND /
           (double)(aci_platform_monotonic_nanoseconds() - began);
}
