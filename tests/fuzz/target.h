/* target.h - what the fuzz targets share.
 *
 * A target fuzz_X(data, n) hands bytes to one reader and uses whatever comes
 * out; it returns 0. It is run by libFuzzer (entry.c) and, over the corpora,
 * by `make check` (test_replay.c). Crashes, hangs and leaks are the failures:
 * whether the reader says yes or no is not. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "platform/memory.h"

/* Most readers take paths: writes the bytes to a file of that name in a
 * directory of this process (in memory where there is /dev/shm) and returns
 * its path, valid until the next call. */
const char *fuzz_file(const char *name, const void *data, size_t n);
/* That directory; its files are removed by fuzz_empty_folder. */
const char *fuzz_folder(void);
void fuzz_empty_folder(void);

/* Library memory with a limit, so that absurd sizes meet it early. */
void fuzz_memory_begin(aci_memory *memory);
/* Aborts when anything is still held. */
void fuzz_memory_end(const aci_memory *memory);

#endif
