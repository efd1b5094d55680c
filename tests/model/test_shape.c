/* test_shape.c - what shapes are refused, rope frequencies, counting. */
#include "model/shape.h"

#include <check.h>
#include <math.h>

#include "model/model.h"
#include "model/variant_names.h"

static aci_shape small(void)
{
    aci_shape s = { .architecture = ACI_LLAMA, .n_layer = 2, .n_embd = 64,
                    .n_head = 4, .n_head_kv = 2, .head_dim = 16, .n_ff = 80,
                    .n_vocab = 100, .n_context = 512, .norm_eps = 1e-5f,
                    .rope_theta = 10000.0f };

    return s;
}

/* One field at a time goes wrong. */
#define REFUSED(code, change)                                          \
    do {                                                               \
        aci_shape s = small();                                         \
        ac_error error = AC_ERROR_INIT;                                \
        change;                                                        \
        ck_assert_int_eq(aci_model_shape_check(&s, &error), code);     \
        ck_assert_int_ne(error.message[0], 0);                         \
    } while (0)

START_TEST(hostile_shapes_are_refused)
{
    aci_shape good = small();

    ck_assert_int_eq(aci_model_shape_check(&good, NULL), AC_OK);
    REFUSED(AC_E_UNSUPPORTED, s.architecture = 0);
    REFUSED(AC_E_UNSUPPORTED, s.architecture = 5);
    REFUSED(AC_E_FORMAT, s.n_layer = 0);
    REFUSED(AC_E_FORMAT, s.n_layer = INT32_MAX);
    REFUSED(AC_E_FORMAT, s.n_embd = -1);
    REFUSED(AC_E_FORMAT, s.n_head_kv = 0);
    REFUSED(AC_E_FORMAT, s.n_head_kv = 3);
    REFUSED(AC_E_UNSUPPORTED, s.head_dim = 15);
    REFUSED(AC_E_FORMAT, s.head_dim = 1024);
    REFUSED(AC_E_UNSUPPORTED, s.n_head = 1024; s.head_dim = 512);
    REFUSED(AC_E_FORMAT, s.n_vocab = INT32_MAX);
    REFUSED(AC_E_FORMAT, s.window = -1);
    REFUSED(AC_E_FORMAT, s.tied_embeddings = 2);
    REFUSED(AC_E_FORMAT, s.norm_eps = 0.0f);
    REFUSED(AC_E_FORMAT, s.norm_eps = -1e-5f);
    REFUSED(AC_E_FORMAT, s.norm_eps = NAN);
    REFUSED(AC_E_FORMAT, s.rope_theta = 1.0f);
    REFUSED(AC_E_FORMAT, s.rope_theta = INFINITY);
    REFUSED(AC_E_UNSUPPORTED, s.rope_scaling = 9);
    REFUSED(AC_E_FORMAT, s.rope_scaling = ACI_ROPE_LINEAR);
    REFUSED(AC_E_FORMAT, s.rope_scaling = ACI_ROPE_YARN;
            s.rope_factor = NAN);
    REFUSED(AC_E_FORMAT, s.rope_scaling = ACI_ROPE_LLAMA3;
            s.rope_factor = 8.0f; s.rope_original_context = 8192;
            s.rope_low_factor = 4.0f; s.rope_high_factor = 1.0f);
}
END_TEST

START_TEST(frequencies_without_scaling)
{
    aci_shape s = small();
    float f[8], magnitude;

    aci_model_rope_frequencies(f, &magnitude, &s, 512);
    ck_assert_float_eq(magnitude, 1.0f);
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq_tol((double)f[i], pow(10000.0, -i / 8.0), 1e-7);
}
END_TEST

START_TEST(dynamic_scaling_begins_beyond_the_trained_context)
{
    aci_shape s = small();
    float plain[8], f[8], magnitude;

    aci_model_rope_frequencies(plain, &magnitude, &s, 512);
    s.rope_scaling = ACI_ROPE_DYNAMIC;
    s.rope_factor = 2.0f;
    s.rope_original_context = 512;
    aci_model_rope_frequencies(f, &magnitude, &s, 512);
    ck_assert_mem_eq(f, plain, sizeof f);
    aci_model_rope_frequencies(f, &magnitude, &s, 1024);
    /* theta grows by (2 * 1024 / 512 - 1) ^ (16 / 14) */
    ck_assert_double_eq_tol((double)f[7],
                            pow(10000.0 * pow(3.0, 16.0 / 14.0), -7.0 / 8.0),
                            1e-9);
}
END_TEST

START_TEST(yarn_lengthens_queries_and_keys)
{
    aci_shape s = small();
    float f[8], magnitude;

    s.rope_scaling = ACI_ROPE_YARN;
    s.rope_factor = 4.0f;
    s.rope_original_context = 128;
    s.rope_beta_fast = 32.0f;
    s.rope_beta_slow = 1.0f;
    aci_model_rope_frequencies(f, &magnitude, &s, 512);
    ck_assert_double_eq_tol((double)magnitude, 0.1 * log(4.0) + 1.0, 1e-6);
    ck_assert_double_eq_tol((double)f[0], 1.0, 1e-6);       /* kept */
    ck_assert_double_eq_tol((double)f[7], pow(10000.0, -7.0 / 8.0) / 4.0,
                            1e-9);                          /* stretched */
    s.rope_attention_factor = 1.25f;
    aci_model_rope_frequencies(f, &magnitude, &s, 512);
    ck_assert_float_eq(magnitude, 1.25f);
}
END_TEST

/* per layer: q 64x64, k v 32x64, o 64x64, gate up down 80x64, two norms */
enum { LAYER = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 80 * 64 };

START_TEST(parameters_are_counted_once)
{
    aci_shape s = small();
    uint64_t untied = 2 * (LAYER + 128) + 64 + 2 * 6400;

    ck_assert_uint_eq(aci_model_parameter_count(&s), untied);
    s.tied_embeddings = 1;
    ck_assert_uint_eq(aci_model_parameter_count(&s), untied - 6400);
    s.attention_bias = 1;
    ck_assert_uint_eq(aci_model_parameter_count(&s),
                      untied - 6400 + 2 * (64 + 32 + 32));
}
END_TEST

START_TEST(a_token_costs_what_is_multiplied_and_read)
{
    static aci_model m;
    aci_token_cost cost, other;
    uint64_t attention = 2 * 10 * 64 * 2; /* 10 positions seen, 2 layers */

    m.shape = small();
    aci_model_variant_dense(&m.variants[0]);
    aci_model_token_cost(&cost, &m, 0, 32, 9, 1);
    ck_assert_uint_eq(cost.macs, 2 * LAYER + 6400 + attention);
    ck_assert_uint_eq(cost.bit_operations, cost.macs * 32 * 32);
    ck_assert_uint_eq(cost.bytes, 4 * (2 * (LAYER + 128) + 6400 + 64 + 64) +
                                  2 * 2 * 10 * 32 * 4);
    aci_model_token_cost(&other, &m, 0, 32, 9, 0);
    ck_assert_uint_eq(cost.macs - other.macs, 6400);
    m.shape.window = 4;
    aci_model_token_cost(&other, &m, 0, 32, 9, 1);
    ck_assert_uint_eq(cost.macs - other.macs, 2 * 6 * 64 * 2);
}
END_TEST

START_TEST(fewer_bits_move_fewer_bytes)
{
    static aci_model m;
    aci_token_cost full, int8, int4;

    m.shape = small();
    m.group = 64;
    ck_assert(aci_model_variant_named(&m.variants[0], "full"));
    ck_assert(aci_model_variant_named(&m.variants[1], "int8"));
    ck_assert(aci_model_variant_named(&m.variants[2], "int4"));
    aci_model_token_cost(&full, &m, 0, 16, 0, 1);
    aci_model_token_cost(&int8, &m, 1, 16, 0, 1);
    aci_model_token_cost(&int4, &m, 2, 16, 0, 1);
    ck_assert_uint_eq(full.macs, int4.macs);
    ck_assert_uint_gt(full.bytes, int8.bytes);
    ck_assert_uint_gt(int8.bytes, int4.bytes);
    ck_assert_uint_gt(full.bit_operations, int8.bit_operations);
    ck_assert_uint_gt(int8.bit_operations, int4.bit_operations);
}
END_TEST

Suite *test_shape_suite(void);

Suite *test_shape_suite(void)
{
    Suite *suite = suite_create("test_shape");
    TCase *all = tcase_create("all");

    tcase_add_test(all, hostile_shapes_are_refused);
    tcase_add_test(all, frequencies_without_scaling);
    tcase_add_test(all, dynamic_scaling_begins_beyond_the_trained_context);
    tcase_add_test(all, yarn_lengthens_queries_and_keys);
    tcase_add_test(all, parameters_are_counted_once);
    tcase_add_test(all, a_token_costs_what_is_multiplied_and_read);
    tcase_add_test(all, fewer_bits_move_fewer_bytes);
    suite_add_tcase(suite, all);
    return suite;
}
