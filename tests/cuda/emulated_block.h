/* emulated_block.h - between the parts of the emulation: who runs, who waits,
 * and what is under way in the block at hand. */
#ifndef TESTS_CUDA_EMULATED_BLOCK_H
#define TESTS_CUDA_EMULATED_BLOCK_H

#include <stddef.h>
#include <stdint.h>

namespace emulation {

/* ---- emulation.cc -------------------------------------------------------- */

/* Number of the running fiber in its block. */
size_t thread_number();
/* Lets the others run until `holds` does, or just once where it does now. */
void pause_until(bool (*holds)(const void *what, uint32_t number),
                 const void *what, uint32_t number);
/* 0 with an order of 0; else 0 .. n - 1. */
unsigned throw_dice(unsigned n);

/* ---- emulated_warpgroup.cc ----------------------------------------------- */

void begin_warpgroups(size_t n_threads, size_t shared_bytes);
/* Copies that are under way land; false: there was none. */
bool land_copies();
/* NULL, or what the running thread, or the block, left under way. */
const char *end_warpgroup_thread();
const char *end_warpgroups();

} // namespace emulation

#endif
