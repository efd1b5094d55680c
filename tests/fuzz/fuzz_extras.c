/* fuzz_extras.c - extras.acw of a small model with one variant that keeps
 * less. Its checksums are put right first, as in fuzz_weight_store.c. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "model/extras.h"
#include "platform/checksum.h"

static void seal(uint8_t *file, size_t n)
{
    aci_extras_header header;

    if (n < sizeof header)
        return;
    memcpy(&header, file, sizeof header);
    header.file_bytes = n;
    if (header.directory_offset <= n &&
        header.directory_bytes <= n - header.directory_offset)
        header.directory_checksum = aci_platform_checksum(
            file + header.directory_offset, (size_t)header.directory_bytes,
            0);
    header.store_checksum = 1;
    header.header_checksum = aci_platform_checksum(
        &header, offsetof(aci_extras_header, header_checksum), 0);
    memcpy(file, &header, sizeof header);
}

/* The last byte of every part must be there. */
static int touch(const aci_extras *extras)
{
    size_t n;
    const aci_owned *all = aci_model_extras_all(&n, extras);
    int sum = 0;

    for (size_t i = 0; i < n; i++) {
        const aci_matrix *m = &all[i].matrix;

        if (all[i].kind == ACI_OWNED_VECTOR)
            sum += all[i].vector[all[i].n - 1] > 0.0f;
        else
            sum += m->plane_a[aci_matrix_nibble_bytes(m) - 1] +
                   m->scales[aci_matrix_scale_bytes(m) / 2 - 1];
        if (all[i].rank > 0)
            sum += all[i].inner.plane_a[
                aci_matrix_nibble_bytes(&all[i].inner) - 1];
    }
    return sum;
}

int fuzz_extras(const uint8_t *data, size_t n);
int fuzz_extras(const uint8_t *data, size_t n)
{
    static const aci_shape shape = {
        .architecture = ACI_LLAMA, .n_layer = 2, .n_embd = 64, .n_head = 2,
        .n_head_kv = 2, .head_dim = 32, .n_ff = 128, .n_vocab = 50,
        .n_context = 64, .tied_embeddings = 1 };
    static aci_kept kept[2] = { { 1, 64 }, { 2, 0 } };
    static const aci_variant variants[2] = {
        { .name = "full" }, { .name = "slim", .kept = kept, .n_kept = 2 } };
    aci_extras *extras = NULL;
    uint8_t *file = malloc(n + 1);
    volatile int sum = 0;
    const char *path;
    aci_memory memory;

    memcpy(file, data, n);
    seal(file, n);
    path = fuzz_file("extras.acw", file, n);
    free(file);
    fuzz_memory_begin(&memory);
    if (aci_model_extras_open(&extras, &memory, path, &shape, variants, 2, 64,
                              1, 0, NULL) == AC_OK)
        sum += touch(extras);
    aci_model_extras_close(extras);
    fuzz_memory_end(&memory);
    return 0;
}
