/* test_half.c - all 65536 halves; rounding against the definition. */
#include "platform/half.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>

#include "platform/random.h"

static bool is_nan_half(uint32_t half)
{
    return (half & 0x7FFFu) > 0x7C00u;
}

/* The value of a half by definition, in double. */
static double value_of(uint32_t half)
{
    int exponent = (int)(half >> 10 & 31u);
    double mantissa = half & 1023u;
    double size = exponent == 0 ? ldexp(mantissa, -24)
                : exponent == 31 ? (double)INFINITY
                : ldexp(1024 + mantissa, exponent - 25);

    return half & 0x8000u ? -size : size;
}

START_TEST(every_half_has_its_value_and_returns)
{
    for (uint32_t half = 0; half < 65536; half++) {
        float value = aci_platform_f32_from_f16((uint16_t)half);

        if (is_nan_half(half)) {
            ck_assert(isnan(value));
            ck_assert(is_nan_half(aci_platform_f16_from_f32(value)));
            continue;
        }
        ck_assert_msg((double)value == value_of(half), "half %04x", half);
        ck_assert_uint_eq(aci_platform_f16_from_f32(value), half);
    }
}
END_TEST

/* Nearest half to x, ties to the even one, by looking at both neighbours. */
static uint16_t nearest_half(float x)
{
    uint32_t sign = signbit(x) ? 0x8000u : 0;
    double size = fabs((double)x), below, above;
    uint32_t low = 0, high = 0x7C00u; /* value(low) <= size < value(high) */

    if (size >= 65520) /* half-way between 65504 and 65536 */
        return (uint16_t)(sign | 0x7C00u);
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;

        if (value_of(middle) <= size)
            low = middle;
        else
            high = middle;
    }
    below = size - value_of(low);
    above = (high == 0x7C00u ? 65536 : value_of(high)) - size;
    if (above < below || (above == below && (high & 1u) == 0))
        low = high;
    return (uint16_t)(sign | low);
}

START_TEST(rounding_is_to_nearest_even)
{
    aci_random random;

    aci_platform_random_seed(&random, 11);
    for (int i = 0; i < 400000; i++) {
        /* exponents from 2^-27 to 2^17 so that most land in range */
        uint32_t exponent = 100 +
            (uint32_t)aci_platform_random_below(&random, 45);
        uint32_t bits = (uint32_t)aci_platform_random_next(&random);
        float x;

        bits = (bits & 0x807FFFFFu) | (exponent << 23);
        if (i % 3 == 0) /* ties and near ties */
            bits = (bits & 0xFFFFE000u) | 0x1000u;
        if (i % 3 == 1)
            bits = (bits & 0xFFFFE000u) | (0xFFFu + (bits & 2u));
        x = aci_platform_f32_from_bits(bits);
        ck_assert_msg(aci_platform_f16_from_f32(x) == nearest_half(x),
                      "%a", (double)x);
    }
}
END_TEST

START_TEST(edges)
{
    ck_assert_uint_eq(aci_platform_f16_from_f32(0.0f), 0);
    ck_assert_uint_eq(aci_platform_f16_from_f32(-0.0f), 0x8000);
    ck_assert_uint_eq(aci_platform_f16_from_f32(65504.0f), 0x7BFF);
    ck_assert_uint_eq(aci_platform_f16_from_f32(65519.996f), 0x7BFF);
    ck_assert_uint_eq(aci_platform_f16_from_f32(65520.0f), 0x7C00);
    ck_assert_uint_eq(aci_platform_f16_from_f32(INFINITY), 0x7C00);
    ck_assert_uint_eq(aci_platform_f16_from_f32(-INFINITY), 0xFC00);
    ck_assert_uint_eq(aci_platform_f16_from_f32(0x1p-24f), 1);
    ck_assert_uint_eq(aci_platform_f16_from_f32(0x1p-25f), 0);
    ck_assert_uint_eq(aci_platform_f16_from_f32(0x1.8p-25f), 1);
    ck_assert_uint_eq(aci_platform_f16_from_f32(0x1p-149f), 0);
    ck_assert(aci_platform_f32_from_bf16(0x3F80) == 1.0f);
    ck_assert(aci_platform_f32_from_bf16(0xC040) == -3.0f);
}
END_TEST

Suite *test_half_suite(void);
Suite *test_half_suite(void)
{
    Suite *suite = suite_create("test_half");
    TCase *tests = tcase_create("half");

    tcase_add_test(tests, every_half_has_its_value_and_returns);
    tcase_add_test(tests, rounding_is_to_nearest_even);
    tcase_add_test(tests, edges);
    suite_add_tcase(suite, tests);
    return suite;
}
