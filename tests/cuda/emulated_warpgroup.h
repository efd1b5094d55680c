/* emulated_warpgroup.h - what cuda/warpgroup.h asks of the emulated device:
 * barriers in shared memory, copies in bulk, products of a warpgroup. Included
 * by emulation.h.
 *
 * What is asynchronous on a device is as late here as it may be, or at odds:
 *   - a copy in bulk lands when somebody waits for its barrier, or, as the dice
 *     of emulation_order() fall, at once;
 *   - a product reads its operands when it is waited for, warp by warp; until
 *     then its sums hold a value that is no result. So a stage that is filled
 *     again too early, a fragment that is changed too early and a missing wait
 *     all show.
 * And it is an error, with the thread's place, when: a product's registers were
 * not settled, or changed between that and the product; the lanes of a warp, or
 * the warps of a warpgroup, differ in descriptor or shape; a descriptor sets
 * what must be 0, or reaches beyond shared memory; a product is to read what a
 * copy writes, or the other way round; a barrier gets more arrivals than it was
 * made for, or was not made visible to copies; anything is left under way. */
#ifndef TESTS_CUDA_EMULATED_WARPGROUP_H
#define TESTS_CUDA_EMULATED_WARPGROUP_H

#include <stddef.h>
#include <stdint.h>

namespace emulation {

/* As on a device, not an offset: dynamic shared memory begins at 1024. */
uint32_t shared_address(const void *at);

void barrier_begin(void *barrier, uint32_t arrivals);
void barriers_begun();
/* Also expects so many bytes in this phase. */
void barrier_arrive(void *barrier, uint32_t bytes);
void barrier_wait(void *barrier, uint32_t parity);
void copy_bulk(void *to, const void *from, uint32_t bytes, void *barrier);

void settle(const void *registers, size_t bytes);
void products_begin();
void multiply_u8_s8(int32_t *c, const uint32_t *a, uint64_t b, int n);
void products_commit();
void products_wait();

} // namespace emulation

#endif
