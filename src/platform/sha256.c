/* sha256.c - see sha256.h. The plain algorithm of FIPS 180-4, section 6.2;
 * about 250 MB/s, and nothing here waits for it. */
#include "platform/sha256.h"

#include <string.h>

enum { BLOCK = 64 };

/* The first 32 bits of the fractions of the cube roots of the primes up to
 * 311. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void schedule(uint32_t *w, const uint8_t *block)
{
    int i;

    for (i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 |
               (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + w[i - 7] +
               (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
}

static void take_block(uint32_t *state, const uint8_t *block)
{
    uint32_t w[64], s[8]; /* s: a to h of the standard */
    int i;

    schedule(w, block);
    memcpy(s, state, sizeof s);
    for (i = 0; i < 64; i++) {
        uint32_t a = s[0], e = s[4];
        uint32_t first = s[7] + constants[i] + w[i] +
                         (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                         ((e & s[5]) ^ (~e & s[6]));
        uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                          ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (i = 0; i < 8; i++)
        state[i] += s[i];
}

void aci_platform_sha256_begin(aci_sha256 *hash)
{
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };

    memset(hash, 0, sizeof *hash);
    memcpy(hash->state, start, sizeof start);
}

void aci_platform_sha256_add(aci_sha256 *hash, const void *data,
                             size_t n_bytes)
{
    const uint8_t *bytes = data;
    size_t held = (size_t)(hash->total_bytes % BLOCK);

    hash->total_bytes += n_bytes;
    while (n_bytes > 0) {
        size_t n = BLOCK - held < n_bytes ? BLOCK - held : n_bytes;

        if (n == BLOCK) {
            take_block(hash->state, bytes);
        } else {
            memcpy(hash->pending + held, bytes, n);
            if (held + n == BLOCK)
                take_block(hash->state, hash->pending);
        }
        held = (held + n) % BLOCK;
        bytes += n;
        n_bytes -= n;
    }
}

void aci_platform_sha256_end(uint8_t *out, aci_sha256 *hash)
{
    static const uint8_t padding[BLOCK] = { 0x80 };
    uint64_t bits = hash->total_bytes * 8;
    size_t held = (size_t)(hash->total_bytes % BLOCK);
    uint8_t length[8];
    int i;

    for (i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    aci_platform_sha256_add(hash, padding,
                            held < 56 ? 56 - held : 120 - held);
    aci_platform_sha256_add(hash, length, sizeof length);
    for (i = 0; i < ACI_SHA256_BYTES; i++)
        out[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void aci_platform_sha256_text(char *out, aci_sha256 *hash)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[ACI_SHA256_BYTES];
    int i;

    aci_platform_sha256_end(bytes, hash);
    for (i = 0; i < ACI_SHA256_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * ACI_SHA256_BYTES] = '\0';
}

void aci_platform_sha256_of(char *out, const void *data, size_t n_bytes)
{
    aci_sha256 hash;

    aci_platform_sha256_begin(&hash);
    aci_platform_sha256_add(&hash, data, n_bytes);
    aci_platform_sha256_text(out, &hash);
}
