/* half.h - IEEE binary16 and bfloat16 to and from float, round to nearest
 * even, the same on every machine. */
#ifndef ACI_PLATFORM_HALF_H
#define ACI_PLATFORM_HALF_H

#include <stdint.h>
#include <string.h>

static inline float aci_platform_f32_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t aci_platform_bits_from_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float aci_platform_f32_from_bf16(uint16_t bits)
{
    return aci_platform_f32_from_bits((uint32_t)bits << 16);
}

static inline float aci_platform_f32_from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 31u;
    uint32_t mantissa = half & 1023u;

    if (exponent == 31) /* infinity, NaN */
        return aci_platform_f32_from_bits(sign | 0x7F800000u |
                                          (mantissa << 13));
    if (exponent == 0) { /* zero, subnormal: mantissa * 2^-24 */
        float value = (float)mantissa * 0x1p-24f;
        return aci_platform_f32_from_bits(
            sign | aci_platform_bits_from_f32(value));
    }
    return aci_platform_f32_from_bits(sign | ((exponent + 112) << 23) |
                                      (mantissa << 13));
}

static inline uint16_t aci_platform_f16_from_f32(float value)
{
    uint32_t bits = aci_platform_bits_from_f32(value);
    uint32_t sign = (bits >> 16) & 0x8000u;
    uint32_t magnitude = bits & 0x7FFFFFFFu;

    if (magnitude > 0x7F800000u) /* NaN stays NaN */
        return (uint16_t)(sign | 0x7E00u);
    if (magnitude >= 0x477FF000u) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7C00u);
    if (magnitude < 0x38800000u) { /* subnormal: adding 0.5 rounds for us */
        float shifted = aci_platform_f32_from_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (aci_platform_bits_from_f32(shifted) -
                                  0x3F000000u));
    }
    magnitude += 0xFFFu + ((magnitude >> 13) & 1u);
    return (uint16_t)(sign | ((magnitude - 0x38000000u) >> 13));
}

#endif
