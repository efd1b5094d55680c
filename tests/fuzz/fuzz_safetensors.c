/* fuzz_safetensors.c - a Hugging Face directory: config.json, four bytes FF,
 * then model.safetensors. */
#include <string.h>

#include "fuzz/checkpoint_use.h"
#include "fuzz/target.h"

/* Where the separator begins, or n. */
static size_t find_separator(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i + 4 <= n; i++)
        if (memcmp(data + i, "\xFF\xFF\xFF\xFF", 4) == 0)
            return i;
    return n;
}

int fuzz_safetensors(const uint8_t *data, size_t n);
int fuzz_safetensors(const uint8_t *data, size_t n)
{
    size_t at = find_separator(data, n);
    size_t rest = at + 4 <= n ? at + 4 : n;
    aci_memory memory;

    fuzz_empty_folder();
    fuzz_file("config.json", data, at);
    fuzz_file("model.safetensors", data + rest, n - rest);
    fuzz_memory_begin(&memory);
    fuzz_use_checkpoint(&memory, fuzz_folder());
    fuzz_memory_end(&memory);
    return 0;
}
