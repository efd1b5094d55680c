/* checksum.h - XXH64 (Y. Collet), one shot and streaming. */
#ifndef ACI_PLATFORM_CHECKSUM_H
#define ACI_PLATFORM_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct aci_checksum {
    uint64_t lane[4];
    uint64_t total_bytes;
    uint64_t seed;
    uint8_t pending[32];
    uint32_t n_pending;
    uint32_t reserved;
} aci_checksum;

uint64_t aci_platform_checksum(const void *data, size_t n_bytes,
                               uint64_t seed);
void aci_platform_checksum_begin(aci_checksum *state, uint64_t seed);
void aci_platform_checksum_add(aci_checksum *state, const void *data,
                               size_t n_bytes);
uint64_t aci_platform_checksum_end(const aci_checksum *state);

#endif
