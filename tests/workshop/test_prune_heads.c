/* test_prune_heads.c - KV groups: order by trying, and a layer of the shipped
 * model on text that it was not calibrated on. */
#include "workshop/compress/prune_heads.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "real_layer.h"

Suite *test_prune_heads_suite(void);

static aci_memory memory;
static aci_algebra *algebra;
static real_layer layer;

static void set_up(void)
{
    real_layer_open(&layer, 4);
    aci_platform_memory_init(&memory);
    ck_assert(aci_workshop_algebra_create(&algebra, &memory, NULL, NULL,
                                          NULL) == AC_OK);
}

static void tear_down(void)
{
    aci_workshop_algebra_free(algebra);
    real_layer_close(&layer);
}

static aci_attention_block block_of(void)
{
    aci_attention_block block = { .o = layer.w_o, .n_embd = layer.n_embd,
                                  .n_head = layer.n_head,
                                  .n_head_kv = layer.n_head_kv,
                                  .head_dim = layer.head_dim };

    return block;
}

/* Error on held-out text of o with `kept` groups; cut NULL: its own weights. */
static double held_error(const int32_t *order, const float *cut,
                         const double *bias, int64_t kept)
{
    int64_t n = layer.n_attended, i, j;
    int64_t width = n / layer.n_head_kv;
    float *full = calloc((size_t)(layer.n_embd * n), sizeof *full);
    double error;

    for (i = 0; i < layer.n_embd; i++)
        for (j = 0; j < kept * width; j++) {
            int64_t from = order[j / width] * width + j % width;

            full[i * n + from] = cut ? cut[i * kept * width + j]
                                     : layer.w_o[i * n + from];
        }
    error = real_error(layer.w_o, full, bias, layer.o.held, layer.o.n_rows,
                       layer.n_embd, n);
    free(full);
    return error;
}

static double compensated(const aci_pruning *p, int64_t kept)
{
    float *cut = calloc((size_t)(p->n_out * kept * p->width), sizeof *cut);
    double *bias = calloc((size_t)p->n_out, sizeof *bias), error;

    ck_assert(aci_workshop_prune_compensate(cut, bias, algebra, p, kept,
                                            NULL) == AC_OK);
    error = held_error(p->order, cut, bias, kept);
    free(cut);
    free(bias);
    return error;
}

/* The group whose columns of W_o are smallest goes first. */
static void order_by_magnitude(int32_t *order)
{
    double norm[64] = { 0.0 };
    int64_t n = layer.n_attended, width = n / layer.n_head_kv, i, j, swap;

    for (i = 0; i < layer.n_embd; i++)
        for (j = 0; j < n; j++)
            norm[j / width] += pow(layer.w_o[i * n + j], 2.0);
    for (i = 0; i < layer.n_head_kv; i++)
        order[i] = (int32_t)i;
    for (i = 0; i < layer.n_head_kv; i++)
        for (j = i + 1; j < layer.n_head_kv; j++)
            if (norm[order[j]] > norm[order[i]]) {
                swap = order[i];
                order[i] = order[j];
                order[j] = (int32_t)swap;
            }
}

START_TEST(on_a_real_layer_it_beats_magnitude)
{
    aci_attention_block block = block_of();
    int32_t magnitude[64];
    aci_pruning p;
    int64_t kept;

    ck_assert(aci_workshop_prune_heads(&p, algebra, &block, layer.o.h,
                                       layer.o.mean, ACI_PRUNE_SECOND_ORDER,
                                       NULL) == AC_OK);
    ck_assert_int_eq(p.n_units, layer.n_head_kv);
    order_by_magnitude(magnitude);
    for (kept = 1; kept < layer.n_head_kv; kept++) {
        double ours = compensated(&p, kept);
        double plain = held_error(magnitude, NULL, NULL, kept), same, bias_only;
        double *bias = calloc((size_t)layer.n_embd, sizeof *bias);

        same = held_error(p.order, NULL, NULL, kept);
        aci_workshop_prune_bias(bias, &p, kept);
        bias_only = held_error(p.order, NULL, bias, kept);
        printf("  %d of %d groups: error %.4f of magnitude's; the same groups "
               "with a bias %.4f, uncompensated %.4f\n", (int)kept,
               (int)layer.n_head_kv, ours / plain, bias_only / plain,
               same / plain);
        ck_assert_double_lt(ours, 0.7 * plain);
        ck_assert_double_lt(ours, bias_only);
        ck_assert_double_lt(bias_only, same);
        free(bias);
    }
    aci_workshop_pruning_free(&p);
}
END_TEST

/* Of all pairs of groups, ours leaves the least behind: three groups leave
 * few to try. */
START_TEST(the_first_group_to_go_is_the_right_one)
{
    aci_attention_block block = block_of();
    int64_t n = layer.n_attended, groups = layer.n_head_kv, g, i;
    int64_t width = n / groups;
    double least = INFINITY;
    int64_t best = -1;
    aci_pruning p;

    for (g = 0; g < groups; g++) { /* with g last in order, loss of the rest */
        float *o = calloc((size_t)(layer.n_embd * n), sizeof *o);
        double *h = calloc((size_t)(n * n), sizeof *h);
        float *mean = calloc((size_t)n, sizeof *mean);
        int32_t order[64];
        int64_t j, r, c;

        for (i = 0, j = 0; i < groups; i++)
            if (i != g)
                order[j++] = (int32_t)i;
        order[groups - 1] = (int32_t)g;
        aci_workshop_order_columns(o, layer.w_o, order, layer.n_embd, groups,
                                   width);
        aci_workshop_order_columns(mean, layer.o.mean, order, 1, groups,
                                   width);
        for (r = 0; r < n; r++)
            for (c = 0; c < n; c++)
                h[r * n + c] = layer.o.h[(order[r / width] * width + r % width)
                                             * n + order[c / width] * width +
                                         c % width];
        {
            aci_prune_input in = { o, layer.n_embd, n, width, h, mean, 0.0,
                                   ACI_PRUNE_SECOND_ORDER, 0 };
            ck_assert(aci_workshop_prune(&p, algebra, &in, NULL) == AC_OK);
            /* the loss of exactly these, whatever order was found */
            if (p.order[groups - 1] == groups - 1 &&
                p.loss[groups - 1] < least) {
                least = p.loss[groups - 1];
                best = g;
            }
            aci_workshop_pruning_free(&p);
        }
        free(o);
        free(h);
        free(mean);
    }
    ck_assert(aci_workshop_prune_heads(&p, algebra, &block, layer.o.h,
                                       layer.o.mean, ACI_PRUNE_SECOND_ORDER,
                                       NULL) == AC_OK);
    ck_assert_int_eq(p.order[groups - 1], best);
    aci_workshop_pruning_free(&p);
}
END_TEST

START_TEST(groups_move_with_their_heads)
{
    enum { EMBD = 2, HEADS = 4, KV = 2, DIM = 2 };
    float q[HEADS * DIM * EMBD], k[KV * DIM * EMBD], v[KV * DIM * EMBD];
    float o[EMBD * HEADS * DIM], to_q[HEADS * DIM * EMBD];
    float to_k[KV * DIM * EMBD], to_v[KV * DIM * EMBD];
    float to_o[EMBD * HEADS * DIM];
    const int32_t order[KV] = { 1, 0 };
    aci_attention_block block = { q, k, v, o, EMBD, HEADS, KV, DIM };
    aci_pruning p;
    int i;

    for (i = 0; i < HEADS * DIM * EMBD; i++)
        q[i] = o[i] = (float)i;
    for (i = 0; i < KV * DIM * EMBD; i++)
        k[i] = v[i] = 100.0f + (float)i;
    aci_workshop_order_heads(to_q, to_k, to_v, to_o, &block, order);
    for (i = 0; i < 8; i++) {
        ck_assert(to_q[i] == q[8 + i] && to_q[8 + i] == q[i]);
        ck_assert(to_k[i] == k[(i + 4) % 8] && to_v[i] == v[(i + 4) % 8]);
        ck_assert(to_o[i] == o[(i + 4) % 8]);
        ck_assert(to_o[8 + i] == o[8 + (i + 4) % 8]);
    }
    block.n_head_kv = 3;
    ck_assert(aci_workshop_prune_heads(&p, algebra, &block, NULL, NULL, 0,
                                       NULL) == AC_E_ARGUMENT);
}
END_TEST

Suite *test_prune_heads_suite(void)
{
    Suite *suite = suite_create("test_prune_heads");
    TCase *tc = tcase_create("prune_heads");

    tcase_add_unchecked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, on_a_real_layer_it_beats_magnitude);
    tcase_add_test(tc, the_first_group_to_go_is_the_right_one);
    tcase_add_test(tc, groups_move_with_their_heads);
    suite_add_tcase(suite, tc);
    return suite;
}
