/* training_steps.h - whole training steps against the rate of products. */
#ifndef AC_BENCH_TRAINING_STEPS_H
#define AC_BENCH_TRAINING_STEPS_H

#include "platform/memory.h"

/* Prints tokens per second, and the share of the rate of products alone at the
 * model's own shapes, ours and OpenBLAS's. */
void bench_training_steps(aci_memory *memory);

#endif
