/* test_structural_variants.c - variants that keep less of the store, or own
 * some of their tensors: against models that are that much smaller, and
 * against products done by hand. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../model/owning_zoo.h"
#include "engine/engine_internal.h"
#include "model/tensor_list.h"
#include "platform/half.h"

enum { N_TOKENS = 20, N_VOCAB = 300 };

static const char *const levels[] = { "reference", "avx2", "avx512" };
static aci_zoo_card plain, other;

/* ---- running a variant --------------------------------------------------- */

typedef struct opened {
    aci_model *model;
    aci_pool *pool;
    aci_backend *backend;
    aci_engine *engine;
} opened;

/* 0 where the processor lacks the level. */
static int open_zoo(opened *out, const char *path, const char *level,
                    uint32_t threads)
{
    ac_error error = AC_ERROR_INIT;

    memset(out, 0, sizeof *out);
    ck_assert_msg(aci_model_open(&out->model, &structural_memory, path, 1,
                                 &error) == AC_OK, "%s", error.message);
    ck_assert_int_eq(aci_platform_pool_create(&out->pool, &structural_memory,
                                              threads, NULL), AC_OK);
    if (aci_kernels_cpu_open(&out->backend, &structural_memory, out->pool,
                             level, 256, NULL) == AC_OK) {
        ck_assert_int_eq(aci_engine_open(&out->engine, &structural_memory,
                                         out->model, out->backend, NULL),
                         AC_OK);
        return 1;
    }
    printf("SKIP test_structural_variants: no %s here\n", level);
    return 0;
}

static void close_zoo(opened *zoo)
{
    aci_engine_close(zoo->engine);
    if (zoo->backend != NULL)
        zoo->backend->operations->close(zoo->backend);
    aci_platform_pool_free(zoo->pool);
    aci_model_close(zoo->model);
}

static void take_logits(size_t position, const aci_logits *logits, void *user)
{
    float *all = user;

    memcpy(all + position * N_VOCAB, logits->values,
           N_VOCAB * sizeof(float));
}

/* Logits of every position: the first eight tokens at once, the others one by
 * one, as prefill and decoding do. */
static void run(float *out, const opened *zoo, const char *variant)
{
    int32_t number = aci_model_variant_find(zoo->model, variant);
    int32_t tokens[N_TOKENS];
    aci_session *session;

    ck_assert_msg(number >= 0, "%s", variant);
    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = (37 * i + 11) % N_VOCAB;
    ck_assert_int_eq(aci_engine_session_open(&session, zoo->engine, 64, 16,
                                             NULL), AC_OK);
    ck_assert_int_eq(aci_engine_score(session, tokens, 12, number,
                                      take_logits, out, NULL), AC_OK);
    for (size_t i = 12; i < N_TOKENS; i++)
        ck_assert_int_eq(aci_engine_score_more(session, tokens + i, 1, number,
                                               take_logits, out, NULL),
                         AC_OK);
    aci_engine_session_close(session);
}

static void expect_same(const float *a, const float *b, const char *what)
{
    for (size_t i = 0; i < N_TOKENS * N_VOCAB; i++) {
        ck_assert_msg(isfinite(a[i]), "%s", what);
        ck_assert_msg(memcmp(&a[i], &b[i], sizeof *a) == 0,
                      "%s: logit %zu was %.9g, not %.9g", what, i,
                      (double)b[i], (double)a[i]);
    }
}

/* Each pair of variants, at every level and thread count. */
static void expect_equal_zoos(const char *a, const char *const *of_a,
                              const char *b, const char *const *of_b, int n)
{
    static float first[N_TOKENS * N_VOCAB], next[N_TOKENS * N_VOCAB];

    for (int i = 0; i < n; i++) {
        int is_first = 1;

        for (int l = 0; l < 3; l++)
            for (uint32_t threads = 1; threads <= 3; threads++) {
                opened one, two;

                if (open_zoo(&one, a, levels[l], threads) &&
                    open_zoo(&two, b, levels[l], threads)) {
                    run(next, &one, of_a[i]);
                    if (is_first)
                        memcpy(first, next, sizeof first);
                    is_first = 0;
                    expect_same(first, next, of_a[i]);
                    run(next, &two, of_b[i]);
                    expect_same(first, next, of_b[i]);
                    close_zoo(&two);
                }
                close_zoo(&one);
            }
    }
}

/* ---- less of the store --------------------------------------------------- */

static const char *const pruned_names[] = { "p16", "p8", "p4" };
static const char *const plain_names[] = { "full", "int8", "int4" };

static void add_pruned(const aci_kept *kept)
{
    structural_add(&plain, "p16", 16, kept, 4);
    structural_add(&plain, "p8", 8, kept, 4);
    structural_add(&plain, "p4", 4, kept, 4);
}

/* Three groups of four, 192 neurons of 256, three layers of four: as a model
 * that never had the others. */
START_TEST(a_pruned_variant_is_the_smaller_model)
{
    static const aci_kept kept[4] = { { 3, 192 }, { 0, 0 }, { 3, 192 },
                                      { 3, 192 } };
    static const int32_t layers[3] = { 0, 2, 3 };
    structural_change change = { layers, NULL };
    aci_shape shape = structural_shape();
    const char *large = structural_path("large");
    const char *small = structural_path("small");

    structural_zoo(&plain, large, &shape, NULL);
    add_pruned(kept);
    structural_save(&plain, large);
    shape.n_layer = 3;
    shape.n_head = 6;
    shape.n_head_kv = 3;
    shape.n_ff = 192;
    structural_zoo(&other, small, &shape, &change);
    expect_equal_zoos(large, pruned_names, small, plain_names, 3);
}
END_TEST

/* Every layer its own widths, blocks skipped one at a time: as the model whose
 * other columns of o and down are zero. */
START_TEST(what_is_left_out_adds_nothing)
{
    static const aci_kept kept[4] = { { 4, 64 }, { 0, 256 }, { 1, 0 },
                                      { 2, 128 } };
    structural_change change = { NULL, kept };
    aci_shape shape = structural_shape();
    const char *large = structural_path("large");
    const char *zeroed = structural_path("zeroed");

    structural_zoo(&plain, large, &shape, NULL);
    add_pruned(kept);
    structural_save(&plain, large);
    structural_zoo(&other, zeroed, &shape, &change);
    expect_equal_zoos(large, pruned_names, zeroed, plain_names, 3);
}
END_TEST

/* The first three layers' worth of cost, to the last byte. */
START_TEST(a_pruned_variant_costs_what_the_smaller_model_does)
{
    static const aci_kept kept[4] = { { 3, 192 }, { 0, 0 }, { 3, 192 },
                                      { 3, 192 } };
    aci_shape shape = structural_shape();
    static aci_model large, small;

    large.shape = small.shape = shape;
    large.group = small.group = 64;
    small.shape.n_layer = 3;
    small.shape.n_head = 6;
    small.shape.n_head_kv = 3;
    small.shape.n_ff = 192;
    for (int bits = 4; bits <= 16; bits *= 2) {
        aci_token_cost a, b;

        memset(&plain, 0, sizeof plain);
        structural_add(&plain, "p", bits, kept, 4);
        large.variants[0] = small.variants[0] = plain.variants[0];
        small.variants[0].kept = NULL;
        aci_model_token_cost(&a, &large, 0, 16, 100, 1);
        aci_model_token_cost(&b, &small, 0, 16, 100, 1);
        ck_assert_mem_eq(&a, &b, sizeof a);
    }
}
END_TEST

/* ---- tensors of their own ------------------------------------------------ */

/* w x of a packed matrix, by the backend. */
static void by_hand(float *out, const opened *zoo, const aci_packed *packed,
                    const float *x, const float *bias, int32_t activation_bits,
                    const float *norm, int32_t n_rows)
{
    aci_matrix m = aci_workshop_packed_matrix(packed);
    aci_product p = { { &m, bias, packed->bits, activation_bits }, out,
                      (size_t)m.n_out, 0 };
    const aci_input input = { x, (size_t)m.n_in, norm, 1e-5f, NULL };

    ck_assert_int_eq(zoo->backend->operations->project(
                         zoo->backend, &p, 1, &input, n_rows, NULL), AC_OK);
}

static double dequantised(const aci_packed *packed, int32_t row, int32_t k)
{
    aci_matrix m = aci_workshop_packed_matrix(packed);
    int shift;
    size_t at = aci_matrix_nibble_at(&m, row, k, &shift);
    double s = (double)aci_platform_f32_from_f16(
        m.scales[aci_matrix_scale_at(&m, row, k / 64)]);
    int q = (m.plane_a[at] >> shift & 15) - 8;

    if (packed->bits == 4)
        return q * s;
    return (m.ratio * q + (m.plane_b[at] >> shift & 15) - 8) * s / m.ratio;
}

/* u (v x) + bias in float64. */
static void expect_near_float64(const float *out, const aci_packed *u,
                                const aci_packed *v, const float *x,
                                const float *bias, double bound)
{
    double low[64] = { 0 }, sum_size = 0, sum_error = 0;

    for (int32_t r = 0; r < v->n_out; r++)
        for (int32_t k = 0; k < v->n_in; k++)
            low[r] += dequantised(v, r, k) * (double)x[k];
    for (int32_t r = 0; r < u->n_out; r++) {
        double exact = bias != NULL ? (double)bias[r] : 0.0;

        for (int32_t k = 0; k < u->n_in; k++)
            exact += dequantised(u, r, k) * low[k];
        sum_size += exact * exact;
        sum_error += (exact - (double)out[r]) * (exact - (double)out[r]);
    }
    ck_assert_double_lt(sqrt(sum_error / sum_size), bound);
}

static void check_products(const opened *zoo, const char *variant)
{
    static float x[5 * 256], out[3][5 * 256], low[5 * 256], hand[5 * 256];
    int32_t number = aci_model_variant_find(zoo->model, variant);
    const aci_variant_layer *layers = zoo->engine->plans[number].layers;
    const aci_output qkv[3] = {
        { &layers[1].q, layers[1].q_bias, out[0], 0 },
        { &layers[1].k, layers[1].k_bias, out[1], 0 },
        { &layers[1].v, layers[1].v_bias, out[2], 0 } };
    const aci_output o = { &layers[0].o, layers[0].o_bias, out[0], 0 };
    const aci_packed *const outer[3] = { &owning.qu, &owning.ku, &owning.vu };
    aci_input input = { .x = x, .x_stride = 128 };
    int32_t bits = layers[1].q.activation_bits;
    double bound = bits == 16 ? 1e-4 : 0.02;

    for (int i = 0; i < 5 * 256; i++)
        x[i] = structural_weight(7, 7, 7, i);
    ck_assert_int_eq(aci_engine_multiply(zoo->engine, qkv, 3, &input, 5, NULL),
                     AC_OK);
    by_hand(low, zoo, &owning.qkv, x, NULL, bits, NULL, 5);
    for (int i = 0; i < 3; i++) {
        by_hand(hand, zoo, outer[i], low, qkv[i].bias, bits, NULL, 5);
        ck_assert_mem_eq(hand, out[i],
                         5 * (size_t)outer[i]->n_out * sizeof(float));
        expect_near_float64(out[i], outer[i], &owning.qkv, x, qkv[i].bias,
                            bound);
    }
    input.x_stride = 256;
    ck_assert_int_eq(aci_engine_multiply(zoo->engine, &o, 1, &input, 5, NULL),
                     AC_OK);
    by_hand(low, zoo, &owning.ov, x, NULL, bits, NULL, 5);
    by_hand(hand, zoo, &owning.ou, low, o.bias, bits, NULL, 5);
    ck_assert_mem_eq(hand, out[0], 5 * 128 * sizeof(float));
    expect_near_float64(out[0], &owning.ou, &owning.ov, x, o.bias, bound);
}

START_TEST(low_rank_is_two_products)
{
    const char *path = structural_path("owning");
    opened zoo;

    owning_pack();
    owning_zoo(&plain, path);
    for (int l = 0; l < 3; l++) {
        if (open_zoo(&zoo, path, levels[l], 2)) {
            check_products(&zoo, "l16");
            check_products(&zoo, "l8");
            check_products(&zoo, "l4");
        }
        close_zoo(&zoo);
    }
    owning_free();
}
END_TEST

/* The whole forward pass: the same at every level and thread count, and every
 * owned tensor makes a difference that is finite. */
START_TEST(owning_variants_run)
{
    static const char *const names[] = { "l16", "l8", "l4" };
    static float a[N_TOKENS * N_VOCAB], b[N_TOKENS * N_VOCAB];
    const char *path = structural_path("owning");
    opened zoo;

    owning_pack();
    owning_zoo(&plain, path);
    expect_equal_zoos(path, names, path, names, 3);
    ck_assert(open_zoo(&zoo, path, "reference", 1));
    run(a, &zoo, "l8");
    run(b, &zoo, "int8");
    ck_assert(memcmp(a, b, sizeof a) != 0);
    ck_assert_ptr_ne(zoo.engine->plans[4].layers[3].attn_norm,
                     zoo.engine->plans[0].layers[3].attn_norm);
    ck_assert_ptr_eq(zoo.engine->plans[4].layers[1].attn_norm,
                     zoo.engine->plans[0].layers[1].attn_norm);
    close_zoo(&zoo);
    owning_free();
}
END_TEST

/* One session, several variants in turn: as each alone. */
START_TEST(a_session_may_change_to_a_pruned_variant)
{
    static const aci_kept kept[4] = { { 2, 64 }, { 0, 0 }, { 4, 256 },
                                      { 1, 128 } };
    static const int32_t tokens[6] = { 5, 9, 2, 77, 40, 41 };
    static const char *const turns[] = { "full", "p8", "int4", "p4", "p8" };
    aci_shape shape = structural_shape();
    const char *path = structural_path("large");
    aci_session *one;
    aci_counts counts;
    opened zoo;

    structural_zoo(&plain, path, &shape, NULL);
    add_pruned(kept);
    structural_save(&plain, path);
    ck_assert(open_zoo(&zoo, path, "reference", 1));
    ck_assert_int_eq(aci_engine_session_open(&one, zoo.engine, 32, 16, NULL),
                     AC_OK);
    for (int i = 0; i < 5; i++) {
        int32_t v = aci_model_variant_find(zoo.model, turns[i]);
        aci_session *fresh;

        ck_assert_int_eq(aci_engine_session_open(&fresh, zoo.engine, 32, 16,
                                                 NULL), AC_OK);
        ck_assert_int_eq(aci_engine_prefill(&counts, one, tokens, 6, v, NULL),
                         AC_OK);
        ck_assert_int_eq(aci_engine_prefill(&counts, fresh, tokens, 6, v,
                                            NULL), AC_OK);
        ck_assert_int_eq(aci_engine_fetch_row(one, 0, NULL), AC_OK);
        ck_assert_int_eq(aci_engine_fetch_row(fresh, 0, NULL), AC_OK);
        ck_assert_mem_eq(one->logits, fresh->logits,
                         N_VOCAB * sizeof(float));
        aci_engine_session_close(fresh);
    }
    aci_engine_session_close(one);
    close_zoo(&zoo);
}
END_TEST

Suite *test_structural_variants_suite(void);
Suite *test_structural_variants_suite(void)
{
    Suite *suite = suite_create("test_structural_variants");
    TCase *tests = tcase_create("variants");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, structural_enter, structural_leave);
    tcase_add_test(tests, a_pruned_variant_is_the_smaller_model);
    tcase_add_test(tests, what_is_left_out_adds_nothing);
    tcase_add_test(tests, a_pruned_variant_costs_what_the_smaller_model_does);
    tcase_add_test(tests, low_rank_is_two_products);
    tcase_add_test(tests, owning_variants_run);
    tcase_add_test(tests, a_session_may_change_to_a_pruned_variant);
    suite_add_tcase(suite, tests);
    return suite;
}
