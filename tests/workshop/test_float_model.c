/* test_float_model.c - models in memory: read as the network reads them, cut
 * to prefixes, refused when something is amiss. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workshop/train/network.h"

enum { N_TOKENS = 12 };
static aci_memory memory;
static aci_pool *pool;
static aci_checkpoint *checkpoint;
static aci_float_model model;
static ac_error error;

static void set_up(void)
{
    error = (ac_error)AC_ERROR_INIT;
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_model_checkpoint_open(&checkpoint, &memory,
                                               "tests/golden/training/qwen3",
                                               &error),
                     AC_OK);
    ck_assert_msg(aci_workshop_floats_read(&model, &memory, checkpoint,
                                           &error) == AC_OK,
                  "%s", error.message);
}

static void tear_down(void)
{
    aci_workshop_floats_close(&model);
    aci_model_checkpoint_close(checkpoint);
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static void run(float *logits, aci_network *network)
{
    int32_t tokens[N_TOKENS], starts[] = { 0, 5, N_TOKENS };
    aci_batch batch = { tokens, tokens, starts, N_TOKENS, 2 };

    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = 3 * i % 11;
    ck_assert_msg(aci_workshop_network_logits(network, logits, &batch,
                                              &error) == AC_OK,
                  "%s", error.message);
}

START_TEST(a_checkpoint_read_is_the_network_it_loads)
{
    aci_network_options options = { .max_tokens = N_TOKENS };
    size_t n = N_TOKENS * (size_t)model.shape.n_vocab;
    float *one = calloc(n, sizeof *one), *other = calloc(n, sizeof *one);
    aci_network *network;

    ck_assert_int_eq(aci_workshop_network_create_from(
                         &network, &memory, pool, &model, &options, &error),
                     AC_OK);
    run(one, network);
    aci_workshop_network_free(network);
    ck_assert_int_eq(aci_workshop_network_create(&network, &memory, pool,
                                                 &model.shape, &options,
                                                 &error),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_network_load(network, checkpoint, &error),
                     AC_OK);
    run(other, network);
    aci_workshop_network_free(network);
    ck_assert(memcmp(one, other, n * sizeof *one) == 0);
    ck_assert(one[0] != 0.0f);
    free(other);
    free(one);
}
END_TEST

START_TEST(the_first_heads_and_neurons_are_kept)
{
    aci_kept kept[] = { { 1, 5 }, { 0, 3 } };
    const aci_float_layer *from = model.layers, *to;
    int32_t dim = model.shape.head_dim, embd = model.shape.n_embd;
    int32_t heads = model.shape.n_head / model.shape.n_head_kv;
    aci_float_model cut;

    ck_assert_int_eq(model.shape.n_layer, 2);
    ck_assert_int_eq(aci_workshop_floats_cut(&cut, &model, kept, &error),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_floats_check(&cut, &error), AC_OK);
    to = cut.layers;
    ck_assert(memcmp(to->matrices[ACI_MATRIX_Q].dense,
                     from->matrices[ACI_MATRIX_Q].dense,
                     (size_t)(heads * dim * embd) * sizeof(float)) == 0);
    for (int row = 0; row < embd; row++) {
        ck_assert(memcmp(to->matrices[ACI_MATRIX_O].dense + row * heads * dim,
                         from->matrices[ACI_MATRIX_O].dense +
                             row * model.shape.n_head * dim,
                         (size_t)(heads * dim) * sizeof(float)) == 0);
        ck_assert(memcmp(to->matrices[ACI_MATRIX_DOWN].dense + row * 5,
                         from->matrices[ACI_MATRIX_DOWN].dense +
                             row * model.shape.n_ff,
                         5 * sizeof(float)) == 0);
    }
    ck_assert_ptr_null(to[1].matrices[ACI_MATRIX_Q].dense);
    ck_assert_ptr_null(to[1].attn_norm);
    ck_assert_ptr_null(to[1].q_norm);
    ck_assert_ptr_nonnull(to[1].ffn_norm);
    ck_assert_int_eq(to[1].n_ff, 3);
    kept[1].n_ff = model.shape.n_ff + 1;
    aci_workshop_floats_close(&cut);
    ck_assert_int_eq(aci_workshop_floats_cut(&cut, &model, kept, &error),
                     AC_E_ARGUMENT);
    aci_workshop_floats_close(&cut);
}
END_TEST

/* Each must be refused, and named. */
START_TEST(what_is_amiss_is_refused)
{
    aci_float_layer *layer = &model.layers[1];
    aci_float_layer kept = *layer;
    float *bias = aci_workshop_floats_array(&model, 4096);
    const char *place = NULL;

    switch (_i) {
    case 0:
        layer->matrices[ACI_MATRIX_UP].dense = NULL;
        place = "up in layer 1";
        break;
    case 1: /* nobody's V */
        layer->matrices[ACI_MATRIX_O] = (aci_float_matrix){ NULL, bias, NULL,
                                                            4 };
        place = "o in layer 1";
        break;
    case 2: /* a shared V of another rank */
        layer->matrices[ACI_MATRIX_Q] = (aci_float_matrix){ NULL, bias, bias,
                                                            4 };
        layer->matrices[ACI_MATRIX_K] = (aci_float_matrix){ NULL, bias, NULL,
                                                            3 };
        place = "k in layer 1";
        break;
    case 3: /* a skipped block has no bias */
        layer->n_ff = 0;
        for (int i = ACI_MATRIX_GATE; i < ACI_N_MATRICES; i++)
            layer->matrices[i].dense = NULL;
        layer->biases[ACI_MATRIX_DOWN] = bias;
        place = "down in layer 1";
        break;
    case 4:
        layer->n_head_kv = model.shape.n_head_kv + 1;
        place = "count of heads in layer 1";
        break;
    case 5:
        layer->n_ff = -1;
        place = "count of neurons in layer 1";
        break;
    case 6:
        layer->k_norm = NULL;
        place = "norm of q and k in layer 1";
        break;
    case 7:
        layer->ffn_norm = NULL;
        place = "ffn_norm in layer 1";
        break;
    default:
        model.final_norm = NULL;
        place = "last norm";
        break;
    }
    ck_assert_int_eq(aci_workshop_floats_check(&model, &error),
                     AC_E_ARGUMENT);
    ck_assert_msg(strstr(error.message, place) != NULL, "%s", error.message);
    *layer = kept;
}
END_TEST

START_TEST(values_that_are_not_finite_are_named)
{
    aci_network_options options = { .max_tokens = N_TOKENS };
    aci_network *network;

    model.layers[1].matrices[ACI_MATRIX_K].dense[7] = NAN;
    ck_assert_int_eq(aci_workshop_network_create_from(
                         &network, &memory, pool, &model, &options, &error),
                     AC_E_NUMERIC);
    ck_assert_ptr_null(network);
    ck_assert_str_eq(error.message, "1.k was not finite");
}
END_TEST

START_TEST(trained_values_come_back)
{
    uint32_t chosen[3] = { 0, 1 << ACI_MATRIX_DOWN, 0 };
    aci_network_options options = { .trainable = ACI_TRAIN_CHOSEN,
                                    .chosen = chosen,
                                    .max_tokens = N_TOKENS };
    float *down = model.layers[1].matrices[ACI_MATRIX_DOWN].dense;
    float *up = model.layers[1].matrices[ACI_MATRIX_UP].dense;
    float down_0 = down[0], up_0 = up[0];
    aci_network *network;

    ck_assert_int_eq(aci_workshop_network_create_from(
                         &network, &memory, pool, &model, &options, &error),
                     AC_OK);
    for (size_t i = 0; i < aci_workshop_network_count(network); i++)
        aci_workshop_network_at(network, i)->value[0] += 1.0f;
    ck_assert_int_eq(aci_workshop_network_give(&model, network, &error),
                     AC_OK);
    ck_assert(down[0] == down_0 + 1.0f);
    ck_assert(up[0] == up_0);
    aci_workshop_network_free(network);
}
END_TEST

START_TEST(failed_allocations_leak_nothing)
{
    uint64_t used = memory.used_bytes, i;
    ac_status status = AC_E_NO_MEMORY;
    aci_float_model cut;

    for (i = 1; status == AC_E_NO_MEMORY; i++) {
        memory.n_allocations = 0;
        memory.fail_at = i;
        status = aci_workshop_floats_cut(&cut, &model, NULL, &error);
        aci_workshop_floats_close(&cut);
        ck_assert_uint_eq(memory.used_bytes, used);
    }
    memory.fail_at = 0;
    ck_assert_int_eq(status, AC_OK);
    ck_assert_uint_gt(i, 20);
}
END_TEST

Suite *test_float_model_suite(void);
Suite *test_float_model_suite(void)
{
    Suite *suite = suite_create("test_float_model");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_checkpoint_read_is_the_network_it_loads);
    tcase_add_test(tests, the_first_heads_and_neurons_are_kept);
    tcase_add_loop_test(tests, what_is_amiss_is_refused, 0, 9);
    tcase_add_test(tests, values_that_are_not_finite_are_named);
    tcase_add_test(tests, trained_values_come_back);
    tcase_add_test(tests, failed_allocations_leak_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
