/* test_ggml_types.c - dequantisation against the gguf package: random blocks
 * of every format (tests/golden/make_models.py), value for value. */
#include "model/ggml_types.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/files.h"

static const struct {
    const char *name;
    uint32_t number;
} formats[] = {
    { "Q8_0", 8 }, { "Q4_0", 2 }, { "Q4_1", 3 }, { "Q5_0", 6 },
    { "Q5_1", 7 }, { "Q4_K", 12 }, { "Q5_K", 13 }, { "Q6_K", 14 },
};

enum { N_FORMATS = sizeof formats / sizeof formats[0] };

START_TEST(blocks_become_the_values_of_the_gguf_package)
{
    const aci_ggml_type *type = aci_model_ggml_type(formats[_i].number);
    char path[96], *bytes;
    int32_t head[3]; /* blocks, bytes of one, values of one */
    float *out, wanted;
    size_t n, n_values, n_bytes;
    aci_memory memory;

    aci_platform_memory_init(&memory);
    snprintf(path, sizeof path, "tests/golden/blocks/%s.bin",
             formats[_i].name);
    ck_assert_int_eq(aci_platform_read_file(&bytes, &n, &memory, path,
                                            1 << 20, NULL), AC_OK);
    memcpy(head, bytes, sizeof head);
    ck_assert_str_eq(type->name, formats[_i].name);
    ck_assert_int_eq((int)type->block_bytes, head[1]);
    ck_assert_int_eq((int)type->block_elements, head[2]);
    ck_assert(aci_model_ggml_readable(type->number));
    n_bytes = (size_t)head[0] * (size_t)head[1];
    n_values = (size_t)head[0] * (size_t)head[2];
    ck_assert_uint_eq(n, sizeof head + n_bytes + 4 * n_values);
    out = malloc(n_values * sizeof *out);
    aci_model_dequantise(out, (const uint8_t *)bytes + sizeof head,
                         type->number, (size_t)head[0]);
    for (size_t i = 0; i < n_values; i++) {
        memcpy(&wanted, bytes + sizeof head + n_bytes + 4 * i, 4);
        ck_assert_msg(fabsf(out[i] - wanted) <= 1e-6f * fabsf(wanted) + 1e-7f,
                      "%s %zu: %.9g, not %.9g", type->name, i,
                      (double)out[i], (double)wanted);
    }
    free(out);
    aci_platform_free(&memory, bytes);
}
END_TEST

START_TEST(unknown_and_unreadable_formats_are_told_apart)
{
    ck_assert_ptr_null(aci_model_ggml_type(4));
    ck_assert_ptr_null(aci_model_ggml_type(UINT32_MAX));
    ck_assert_ptr_nonnull(aci_model_ggml_type(10)); /* Q2_K: size alone */
    ck_assert(!aci_model_ggml_readable(10));
    ck_assert(!aci_model_ggml_readable(4));
}
END_TEST

START_TEST(plain_numbers_come_through_unchanged)
{
    const uint8_t f32[] = { 0, 0, 0xC0, 0x3F }, f16[] = { 0, 0xBE };
    const uint8_t bf16[] = { 0xC0, 0x3F };
    float value;

    aci_model_dequantise(&value, f32, 0, 1);
    ck_assert_float_eq(value, 1.5f);
    aci_model_dequantise(&value, f16, 1, 1);
    ck_assert_float_eq(value, -1.5f);
    aci_model_dequantise(&value, bf16, 30, 1);
    ck_assert_float_eq(value, 1.5f);
}
END_TEST

Suite *test_ggml_types_suite(void);

Suite *test_ggml_types_suite(void)
{
    Suite *suite = suite_create("test_ggml_types");
    TCase *all = tcase_create("all");

    tcase_add_loop_test(all, blocks_become_the_values_of_the_gguf_package, 0,
                        N_FORMATS);
    tcase_add_test(all, unknown_and_unreadable_formats_are_told_apart);
    tcase_add_test(all, plain_numbers_come_through_unchanged);
    suite_add_tcase(suite, all);
    return suite;
}
