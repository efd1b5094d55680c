/* roofs.h - what the machine can do at best: reading memory, and multiplying
 * bytes. Measured beside the thing that is held against it. */
#ifndef TESTS_BENCH_ROOFS_H
#define TESTS_BENCH_ROOFS_H

#include <stddef.h>
#include <stdint.h>

#include "platform/threads.h"

/* Gigabytes per second of one linear pass over `bytes` by the pool's threads;
 * `n_bytes` far larger than any cache. */
double roof_read(aci_pool *pool, const uint8_t *bytes, size_t n_bytes);

/* Thousand million operations (a multiplication or an addition each) per
 * second of vpdpbusd on 64-byte registers, all threads; 0 without AVX-512. */
double roof_multiply(aci_pool *pool);

/* For roofs.c: the loops of one thread; `at` to `end` in steps of 256. */
void roof_multiply_loop(int64_t n_rounds);
uint64_t roof_read_loop(const uint8_t *at, const uint8_t *end);
enum { ROOF_OPERATIONS_PER_ROUND = 16 * 128 };

#endif
