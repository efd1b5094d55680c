/* sha256.h - SHA-256 (FIPS 180-4), one shot and streaming: what `sha256sum`
 * prints, to name a file beyond doubt. For speed there is checksum.h. */
#ifndef ACI_PLATFORM_SHA256_H
#define ACI_PLATFORM_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { ACI_SHA256_BYTES = 32, ACI_SHA256_TEXT = 65 };

typedef struct aci_sha256 {
    uint32_t state[8];
    uint64_t total_bytes;
    uint8_t pending[64];
} aci_sha256;

void aci_platform_sha256_begin(aci_sha256 *hash);
void aci_platform_sha256_add(aci_sha256 *hash, const void *data,
                             size_t n_bytes);
void aci_platform_sha256_end(uint8_t *out /* [32] */, aci_sha256 *hash);

/* 64 lower-case hexadecimal digits and a NUL. */
void aci_platform_sha256_text(char *out /* [65] */, aci_sha256 *hash);
/* The same of bytes at hand. */
void aci_platform_sha256_of(char *out /* [65] */, const void *data,
                            size_t n_bytes);

#endif
