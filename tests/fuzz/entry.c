/* entry.c - hands libFuzzer's inputs to one target (-DTARGET=fuzz_X). */
#include "fuzz/target.h"

int TARGET(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return TARGET(data, n);
}
