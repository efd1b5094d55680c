/* fuzz_weight_store.c - weights.acw. Its two checksums are put right first:
 * otherwise nothing behind them would ever be reached. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "model/tensor_list.h"
#include "model/weight_store.h"
#include "platform/checksum.h"

static void seal(uint8_t *file, size_t n)
{
    aci_store_header header;

    if (n < sizeof header)
        return;
    memcpy(&header, file, sizeof header);
    header.file_bytes = n;
    if (header.directory_offset <= n &&
        header.directory_bytes <= n - header.directory_offset)
        header.directory_checksum = aci_platform_checksum(
            file + header.directory_offset, (size_t)header.directory_bytes,
            0);
    header.header_checksum = aci_platform_checksum(
        &header, offsetof(aci_store_header, header_checksum), 0);
    memcpy(file, &header, sizeof header);
}

static float touch(const aci_weight_store *store)
{
    size_t n = aci_model_store_header(store)->n_tensors;
    const aci_store_entry *entries = aci_model_store_entries(store);
    float sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (entries[i].kind == ACI_TENSOR_VECTOR) {
            sum += aci_model_store_vector(store, i)[entries[i].n_in - 1];
        } else {
            aci_matrix matrix;

            aci_model_store_matrix(&matrix, store, i);
        }
    }
    return sum;
}

int fuzz_weight_store(const uint8_t *data, size_t n);
int fuzz_weight_store(const uint8_t *data, size_t n)
{
    aci_weight_store *store = NULL;
    uint8_t *file = malloc(n + 1);
    const char *path;
    aci_memory memory;
    volatile float sum = 0;

    memcpy(file, data, n);
    seal(file, n);
    path = fuzz_file("weights.acw", file, n);
    free(file);
    fuzz_memory_begin(&memory);
    for (int verify = 0; verify < 2; verify++) {
        if (aci_model_store_open(&store, &memory, path, verify, NULL) ==
            AC_OK)
            sum += touch(store);
        aci_model_store_close(store);
        store = NULL;
    }
    fuzz_memory_end(&memory);
    return 0;
}
