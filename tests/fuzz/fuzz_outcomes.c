/* fuzz_outcomes.c - JSON lines a predictor learns from, plain or .xz (told by
 * the first byte of the xz magic). */
#include <string.h>

#include "fuzz/target.h"
#include "workshop/train/predictor_outcomes.h"

int fuzz_outcomes(const uint8_t *data, size_t n);
int fuzz_outcomes(const uint8_t *data, size_t n)
{
    int packed = n > 0 && data[0] == 0xFD;
    const char *path = fuzz_file(packed ? "o.jsonl.xz" : "o.jsonl", data, n);
    aci_outcomes outcomes;
    aci_memory memory;

    memset(&outcomes, 0, sizeof outcomes);
    fuzz_memory_begin(&memory);
    aci_workshop_outcomes_read(&outcomes, &memory, path, NULL);
    aci_workshop_outcomes_free(&outcomes);
    fuzz_memory_end(&memory);
    return 0;
}
