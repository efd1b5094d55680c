/* emulated_memory.h - device memory: a range of addresses that the host may
 * not touch but while kernels or copies run. Blocks end where they end: under
 * ASan each is surrounded by memory that must not be touched. */
#ifndef TESTS_CUDA_EMULATED_MEMORY_H
#define TESTS_CUDA_EMULATED_MEMORY_H

#include <stddef.h>

namespace emulated_memory {

void set_limit(size_t bytes); /* 0: the usual */
size_t limit();
size_t used();

/* NULL where it would go over the limit. */
void *allocate(size_t bytes);
/* False: no such block. */
bool release(void *block);
/* Whether [at, at + bytes) lies in one block. */
bool contains(const void *at, size_t bytes);

void let_in();
void shut_out();

} // namespace emulated_memory

#endif
