/* ggml_types.c - block sizes and dequantisation, one function per format.
 * Layouts are drawn above each; d, m and dmin are float16. */
#include "model/ggml_types.h"

#include <string.h>

#include "platform/half.h"

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8,
       Q4_K = 12, Q5_K = 13, Q6_K = 14, BF16 = 30 };

static const aci_ggml_type types[] = {
    { "F32", F32, 1, 4 },        { "F16", F16, 1, 2 },
    { "Q4_0", Q4_0, 32, 18 },    { "Q4_1", Q4_1, 32, 20 },
    { "Q5_0", Q5_0, 32, 22 },    { "Q5_1", Q5_1, 32, 24 },
    { "Q8_0", Q8_0, 32, 34 },    { "Q8_1", 9, 32, 36 },
    { "Q2_K", 10, 256, 84 },     { "Q3_K", 11, 256, 110 },
    { "Q4_K", Q4_K, 256, 144 },  { "Q5_K", Q5_K, 256, 176 },
    { "Q6_K", Q6_K, 256, 210 },  { "Q8_K", 15, 256, 292 },
    { "IQ2_XXS", 16, 256, 66 },  { "IQ2_XS", 17, 256, 74 },
    { "IQ3_XXS", 18, 256, 98 },  { "IQ1_S", 19, 256, 50 },
    { "IQ4_NL", 20, 32, 18 },    { "IQ3_S", 21, 256, 110 },
    { "IQ2_S", 22, 256, 82 },    { "IQ4_XS", 23, 256, 136 },
    { "I8", 24, 1, 1 },          { "I16", 25, 1, 2 },
    { "I32", 26, 1, 4 },         { "I64", 27, 1, 8 },
    { "F64", 28, 1, 8 },         { "IQ1_M", 29, 256, 56 },
    { "BF16", BF16, 1, 2 },      { "TQ1_0", 34, 256, 54 },
    { "TQ2_0", 35, 256, 66 },    { "MXFP4", 39, 32, 17 },
};

const aci_ggml_type *aci_model_ggml_type(uint32_t number)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].number == number)
            return &types[i];
    return NULL;
}

static uint16_t u16_at(const uint8_t *data)
{
    return (uint16_t)(data[0] | data[1] << 8);
}

static float half_at(const uint8_t *data)
{
    return aci_platform_f32_from_f16(u16_at(data));
}

static uint32_t u32_at(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 |
           (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static void read_f32(float *out, const uint8_t *data)
{
    *out = aci_platform_f32_from_bits(u32_at(data));
}

static void read_f16(float *out, const uint8_t *data)
{
    *out = half_at(data);
}

static void read_bf16(float *out, const uint8_t *data)
{
    *out = aci_platform_f32_from_bf16(u16_at(data));
}

/* d, int8[32] */
static void read_q8_0(float *out, const uint8_t *data)
{
    float d = half_at(data);

    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(int8_t)data[2 + i];
}

/* d, nibbles[16]: low nibbles are elements 0-15, high ones 16-31 */
static void read_q4_0(float *out, const uint8_t *data)
{
    float d = half_at(data);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)((data[2 + i] & 15) - 8) * d;
        out[i + 16] = (float)((data[2 + i] >> 4) - 8) * d;
    }
}

/* d, m, nibbles[16] */
static void read_q4_1(float *out, const uint8_t *data)
{
    float d = half_at(data), m = half_at(data + 2);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)(data[4 + i] & 15) * d + m;
        out[i + 16] = (float)(data[4 + i] >> 4) * d + m;
    }
}

/* The fifth bits: bit i of `high` belongs to element i. */
static int five_bits(const uint8_t *nibbles, uint32_t high, int i)
{
    int nibble = i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;

    return nibble | (int)(high >> i & 1u) << 4;
}

/* d, high bits[4], nibbles[16] */
static void read_q5_0(float *out, const uint8_t *data)
{
    float d = half_at(data);
    uint32_t high = u32_at(data + 2);

    for (int i = 0; i < 32; i++)
        out[i] = (float)(five_bits(data + 6, high, i) - 16) * d;
}

/* d, m, high bits[4], nibbles[16] */
static void read_q5_1(float *out, const uint8_t *data)
{
    float d = half_at(data), m = half_at(data + 2);
    uint32_t high = u32_at(data + 4);

    for (int i = 0; i < 32; i++)
        out[i] = (float)five_bits(data + 8, high, i) * d + m;
}

/* Scale and min of sub-block i, six bits each, from twelve bytes: the first
 * four of either lie in the low six bits of bytes 0-3 and 4-7; of the last
 * four the low nibbles in bytes 8-11 and the two bits above on top of the
 * first four. */
static void k_scale(int *scale, int *minimum, const uint8_t *packed, int i)
{
    if (i < 4) {
        *scale = packed[i] & 63;
        *minimum = packed[i + 4] & 63;
    } else {
        *scale = (packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4;
        *minimum = (packed[i + 4] >> 4) | (packed[i] >> 6) << 4;
    }
}

/* One sub-block of 32: w = (d * scale) * q - dmin * minimum. `high`, when not
 * NULL, holds the fifth bits: bit `i` of byte l for element l. */
static void read_k_part(float *out, const uint8_t *data,
                        const uint8_t *nibbles, const uint8_t *high, int i)
{
    int scale, minimum;
    float d, m;

    k_scale(&scale, &minimum, data + 4, i);
    d = half_at(data) * (float)scale;
    m = half_at(data + 2) * (float)minimum;
    nibbles += 32 * (i / 2);
    for (int l = 0; l < 32; l++) {
        int q = i % 2 == 0 ? nibbles[l] & 15 : nibbles[l] >> 4;

        if (high != NULL)
            q += (high[l] >> i & 1) << 4;
        out[l] = d * (float)q - m;
    }
}

/* d, dmin, scales[12], nibbles[128] */
static void read_q4_k(float *out, const uint8_t *data)
{
    for (int i = 0; i < 8; i++)
        read_k_part(out + 32 * i, data, data + 16, NULL, i);
}

/* d, dmin, scales[12], high bits[32], nibbles[128] */
static void read_q5_k(float *out, const uint8_t *data)
{
    for (int i = 0; i < 8; i++)
        read_k_part(out + 32 * i, data, data + 48, data + 16, i);
}

/* low nibbles[128], high pairs[64], int8 scales[16], d. Per half of 128: rows
 * of 32; row r takes nibble byte 32*(r & 1) + l, its high half when r > 1, and
 * bits 2r of pair byte l. */
static void read_q6_k(float *out, const uint8_t *data)
{
    float d = half_at(data + 208);

    for (int i = 0; i < 256; i++) {
        int half = i / 128, r = i % 128 / 32, l = i % 32;
        int low = data[64 * half + 32 * (r & 1) + l] >> (r > 1 ? 4 : 0) & 15;
        int high = data[128 + 32 * half + l] >> (2 * r) & 3;
        int scale = (int8_t)data[192 + i / 16];

        out[i] = d * (float)scale * (float)((low | high << 4) - 32);
    }
}

typedef void (*block_reader)(float *out, const uint8_t *data);

static block_reader reader_of(uint32_t type)
{
    switch (type) {
    case F32:
        return read_f32;
    case F16:
        return read_f16;
    case BF16:
        return read_bf16;
    case Q8_0:
        return read_q8_0;
    case Q4_0:
        return read_q4_0;
    case Q4_1:
        return read_q4_1;
    case Q5_0:
        return read_q5_0;
    case Q5_1:
        return read_q5_1;
    case Q4_K:
        return read_q4_k;
    case Q5_K:
        return read_q5_k;
    case Q6_K:
        return read_q6_k;
    default:
        return NULL;
    }
}

int aci_model_ggml_readable(uint32_t number)
{
    return reader_of(number) != NULL;
}

void aci_model_dequantise(float *out, const uint8_t *data, uint32_t type,
                          size_t n_blocks)
{
    const aci_ggml_type *format = aci_model_ggml_type(type);
    block_reader read = reader_of(type);

    for (size_t i = 0; i < n_blocks; i++)
        read(out + i * format->block_elements, data + i * format->block_bytes);
}
