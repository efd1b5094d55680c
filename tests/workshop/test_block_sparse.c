/* test_block_sparse.c - blocks of 16 x 128: what is kept, what it costs on a
 * layer of the shipped model, beside whole neurons. */
#include "workshop/compress/block_sparse.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "real_layer.h"

Suite *test_block_sparse_suite(void);

static aci_memory memory;
static aci_algebra *algebra;
static real_layer layer;
static aci_prune_input down;

static void set_up(void)
{
    real_layer_open(&layer, 4);
    aci_platform_memory_init(&memory);
    ck_assert(aci_workshop_algebra_create(&algebra, &memory, NULL, NULL,
                                          NULL) == AC_OK);
    down = (aci_prune_input){ .weights = layer.w_down, .n_out = layer.n_embd,
                              .n_in = layer.n_ff, .width = 1,
                              .h = layer.down.h, .mean = layer.down.mean };
}

static void tear_down(void)
{
    aci_workshop_algebra_free(algebra);
    real_layer_close(&layer);
}

static double error_of(const aci_block_sparse *sparse, const float *rows)
{
    return real_error(layer.w_down, sparse->weights, sparse->bias, rows,
                      layer.down.n_rows, layer.n_embd, layer.n_ff);
}

START_TEST(half_the_blocks_are_kept_and_the_loss_is_true)
{
    aci_block_sparse sparse;
    int64_t s, b, i, j, kept = 0, total;

    down.damping = 1e-9; /* the loss is then the error itself */
    ck_assert(aci_workshop_block_sparse(&sparse, algebra, &down, 0.5, NULL) ==
              AC_OK);
    total = sparse.n_strips * sparse.n_blocks;
    for (s = 0; s < sparse.n_strips; s++)
        for (b = 0; b < sparse.n_blocks; b++) {
            int is_kept = sparse.kept[s * sparse.n_blocks + b], any = 0;

            kept += is_kept;
            for (i = s * 16; i < s * 16 + 16; i++)
                for (j = b * 128; j < b * 128 + 128; j++)
                    any |= sparse.weights[i * layer.n_ff + j] != 0.0f;
            ck_assert_int_eq(any, is_kept);
        }
    ck_assert_int_eq(kept, total / 2);
    ck_assert_double_eq_tol(error_of(&sparse, layer.down.seen) / sparse.loss,
                            1.0, 1e-3);
    aci_workshop_block_sparse_free(&sparse);
}
END_TEST

/* The blocks of largest norm, uncompensated. */
static double magnitude_error(double share)
{
    aci_block_sparse plain = { 0 };
    int64_t strips = layer.n_embd / 16, blocks = layer.n_ff / 128, i, j, left;
    double *norm = calloc((size_t)(strips * blocks), sizeof *norm), error;

    plain.weights = calloc((size_t)(layer.n_embd * layer.n_ff), sizeof(float));
    for (i = 0; i < layer.n_embd; i++)
        for (j = 0; j < layer.n_ff; j++)
            norm[i / 16 * blocks + j / 128] +=
                pow(layer.w_down[i * layer.n_ff + j], 2.0);
    for (left = llround(share * (double)(strips * blocks)); left > 0; left--) {
        int64_t best = 0;

        for (i = 1; i < strips * blocks; i++)
            if (norm[i] > norm[best])
                best = i;
        norm[best] = -1.0;
        for (i = best / blocks * 16; i < best / blocks * 16 + 16; i++)
            memcpy(plain.weights + i * layer.n_ff + best % blocks * 128,
                   layer.w_down + i * layer.n_ff + best % blocks * 128,
                   128 * sizeof(float));
    }
    error = error_of(&plain, layer.down.held);
    free(plain.weights);
    free(norm);
    return error;
}

/* Half of the neurons, compensated, on the same text. */
static double neurons_error(const aci_pruning *p)
{
    int64_t half = layer.n_ff / 2, i, j;
    aci_block_sparse cut = { 0 };
    float *dense = calloc((size_t)(layer.n_embd * half), sizeof *dense);
    double error;

    cut.weights = calloc((size_t)(layer.n_embd * layer.n_ff), sizeof(float));
    cut.bias = calloc((size_t)layer.n_embd, sizeof(double));
    ck_assert(aci_workshop_prune_compensate(dense, cut.bias, algebra, p, half,
                                            NULL) == AC_OK);
    for (i = 0; i < layer.n_embd; i++)
        for (j = 0; j < half; j++)
            cut.weights[i * layer.n_ff + p->order[j]] = dense[i * half + j];
    error = error_of(&cut, layer.down.held);
    free(cut.weights);
    free(cut.bias);
    free(dense);
    return error;
}

START_TEST(on_a_real_layer_it_beats_magnitude)
{
    aci_block_sparse sparse;
    aci_pruning neurons;
    double ours, plain, whole;

    down.damping = 0.0;
    ck_assert(aci_workshop_block_sparse(&sparse, algebra, &down, 0.5, NULL) ==
              AC_OK);
    ck_assert(aci_workshop_prune(&neurons, algebra, &down, NULL) == AC_OK);
    ours = error_of(&sparse, layer.down.held);
    plain = magnitude_error(0.5);
    whole = neurons.loss[0];
    printf("  half the blocks of down: error %.4f of the output's variance, "
           "magnitude %.4f; half the neurons %.4f\n", ours / whole,
           plain / whole, neurons_error(&neurons) / whole);
    ck_assert_double_lt(ours, 0.7 * plain);
    aci_workshop_block_sparse_free(&sparse);
    aci_workshop_pruning_free(&neurons);
}
END_TEST

START_TEST(all_or_none_and_bad_input)
{
    aci_block_sparse sparse;
    uint64_t fail;
    ac_status status = AC_E_NO_MEMORY;

    ck_assert(aci_workshop_block_sparse(&sparse, algebra, &down, 1.0, NULL) ==
              AC_OK);
    ck_assert_double_lt(error_of(&sparse, layer.down.held), 1e-3);
    aci_workshop_block_sparse_free(&sparse);
    down.n_in -= 1;
    ck_assert(aci_workshop_block_sparse(&sparse, algebra, &down, 0.5, NULL) ==
              AC_E_ARGUMENT);
    down.n_in += 1;
    ck_assert(aci_workshop_block_sparse(&sparse, algebra, &down, NAN, NULL) ==
              AC_E_ARGUMENT);
    down.n_out = 16; /* one strip: short */
    for (fail = 1; fail < 12; fail += 1) {
        uint64_t before = memory.used_bytes;

        memory.fail_at = memory.n_allocations + fail;
        status = aci_workshop_block_sparse(&sparse, algebra, &down, 0.5, NULL);
        ck_assert_int_eq(status, AC_E_NO_MEMORY);
        ck_assert_uint_eq(memory.used_bytes, before);
    }
    memory.fail_at = 0;
}
END_TEST

Suite *test_block_sparse_suite(void)
{
    Suite *suite = suite_create("test_block_sparse");
    TCase *tc = tcase_create("block_sparse");

    tcase_add_unchecked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, half_the_blocks_are_kept_and_the_loss_is_true);
    tcase_add_test(tc, on_a_real_layer_it_beats_magnitude);
    tcase_add_test(tc, all_or_none_and_bad_input);
    suite_add_tcase(suite, tc);
    return suite;
}
