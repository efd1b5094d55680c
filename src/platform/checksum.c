/* checksum.c - XXH64, from its published description.
 *
 * Four lanes take 8 bytes each of every 32; at the end they are folded into
 * one number, the remaining 0-31 bytes are mixed in, and the bits are spread.
 * Written for little-endian machines, as the rest of a zoo is. It finds
 * damage, not malice: it is no cryptographic hash. */
#include "platform/checksum.h"

#include <string.h>

#define PRIME_1 0x9E3779B185EBCA87u
#define PRIME_2 0xC2B2AE3D27D4EB4Fu
#define PRIME_3 0x165667B19E3779F9u
#define PRIME_4 0x85EBCA77C2B2AE63u
#define PRIME_5 0x27D4EB2F165667C5u

#define STRIPE_BYTES 32u

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static uint64_t read_64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t round_lane(uint64_t lane, uint64_t input)
{
    return rotate(lane + input * PRIME_2, 31) * PRIME_1;
}

static void take_stripe(uint64_t lane[4], const uint8_t *at)
{
    for (int i = 0; i < 4; i++)
        lane[i] = round_lane(lane[i], read_64(at + 8 * i));
}

void aci_platform_checksum_begin(aci_checksum *state, uint64_t seed)
{
    memset(state, 0, sizeof *state);
    state->seed = seed;
    state->lane[0] = seed + PRIME_1 + PRIME_2;
    state->lane[1] = seed + PRIME_2;
    state->lane[2] = seed;
    state->lane[3] = seed - PRIME_1;
}

void aci_platform_checksum_add(aci_checksum *state, const void *data,
                               size_t n_bytes)
{
    const uint8_t *at = data;

    if (n_bytes == 0)
        return;
    state->total_bytes += n_bytes;
    if (state->n_pending > 0) {
        size_t room = STRIPE_BYTES - state->n_pending;
        size_t n = n_bytes < room ? n_bytes : room;

        memcpy(state->pending + state->n_pending, at, n);
        state->n_pending += (uint32_t)n;
        at += n;
        n_bytes -= n;
        if (state->n_pending < STRIPE_BYTES)
            return;
        take_stripe(state->lane, state->pending);
        state->n_pending = 0;
    }
    for (; n_bytes >= STRIPE_BYTES; n_bytes -= STRIPE_BYTES) {
        take_stripe(state->lane, at);
        at += STRIPE_BYTES;
    }
    memcpy(state->pending, at, n_bytes);
    state->n_pending = (uint32_t)n_bytes;
}

static uint64_t fold_lanes(const uint64_t lane[4])
{
    uint64_t hash = rotate(lane[0], 1) + rotate(lane[1], 7) +
                    rotate(lane[2], 12) + rotate(lane[3], 18);

    for (int i = 0; i < 4; i++)
        hash = (hash ^ round_lane(0, lane[i])) * PRIME_1 + PRIME_4;
    return hash;
}

/* The last 0-31 bytes: by eight, by four, one by one. */
static uint64_t mix_rest(uint64_t hash, const uint8_t *at, size_t n)
{
    for (; n >= 8; n -= 8, at += 8)
        hash = rotate(hash ^ round_lane(0, read_64(at)), 27) * PRIME_1 +
               PRIME_4;
    if (n >= 4) {
        uint32_t word;

        memcpy(&word, at, sizeof word);
        hash = rotate(hash ^ (word * PRIME_1), 23) * PRIME_2 + PRIME_3;
        at += 4;
        n -= 4;
    }
    for (; n > 0; n--, at++)
        hash = rotate(hash ^ (*at * PRIME_5), 11) * PRIME_1;
    return hash;
}

uint64_t aci_platform_checksum_end(const aci_checksum *state)
{
    uint64_t hash = state->total_bytes >= STRIPE_BYTES
                        ? fold_lanes(state->lane) : state->seed + PRIME_5;

    hash = mix_rest(hash + state->total_bytes, state->pending,
                    state->n_pending);
    hash = (hash ^ (hash >> 33)) * PRIME_2;
    hash = (hash ^ (hash >> 29)) * PRIME_3;
    return hash ^ (hash >> 32);
}

uint64_t aci_platform_checksum(const void *data, size_t n_bytes, uint64_t seed)
{
    aci_checksum state;

    aci_platform_checksum_begin(&state, seed);
    aci_platform_checksum_add(&state, data, n_bytes);
    return aci_platform_checksum_end(&state);
}
