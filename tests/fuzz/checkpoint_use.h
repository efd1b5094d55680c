/* checkpoint_use.h - once a checkpoint opened, its tensors are looked at. */
#ifndef TESTS_FUZZ_CHECKPOINT_USE_H
#define TESTS_FUZZ_CHECKPOINT_USE_H

#include "platform/memory.h"

/* Opens and reads a row at both ends of every tensor it may have. */
void fuzz_use_checkpoint(aci_memory *memory, const char *path);

#endif
