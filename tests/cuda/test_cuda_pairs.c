/* test_cuda_pairs.c - products in two halves on the CUDA backend, one launch
 * or many, against the CPU's reference, bit for bit; whole models of low rank,
 * eager and recorded. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_fixture.h"
#include "emulated_runtime.h"
#include "engine/engine_internal.h"
#include "kernels/product_sample.h"
#include "model/owning_zoo.h"

Suite *test_cuda_pairs_suite(void);

enum { MOST_ROWS = 20, MOST_OUT = 4480, N_VOCAB = 300, N_TOKENS = 14 };

/* Outputs and, of outers, which product they read; n_out 0 ends a list. */
typedef struct half { int n_out, bits, inner, with_bias, accumulate; } half;
typedef struct pair_problem {
    int n_in, group;
    half products[5], outers[5];
} pair_problem;

static const pair_problem problems[] = {
    /* one of rank 100 */
    { 200, 64, { { 100, 4, 0, 0, 0 } }, { { 130, 8, 0, 1, 1 } } },
    /* q, k, v of one V */
    { 320, 128, { { 65, 8, 0, 0, 0 } },
      { { 160, 8, 0, 1, 0 }, { 48, 4, 0, 0, 0 }, { 47, 8, 0, 1, 1 } } },
    /* whole and thin, each with a V of its own */
    { 193, 32, { { 33, 4, 0, 0, 0 }, { 170, 8, 0, 1, 0 }, { 1, 8, 0, 0, 0 } },
      { { 50, 4, 0, 0, 0 }, { 16, 8, 2, 1, 0 } } },
    /* U before V's order; more strips than blocks on both sides */
    { 128, 64, { { 300, 4, 0, 0, 1 }, { 64, 4, 0, 0, 0 }, { 129, 8, 0, 0, 0 } },
      { { 400, 4, 2, 0, 1 }, { 31, 4, 1, 1, 0 }, { 96, 4, 2, 0, 0 } } },
    /* more than a round of tiles; fewer strips of U than blocks that wait */
    { 2240, 64, { { 200, 4, 0, 0, 0 } }, { { 16, 4, 0, 0, 0 } } },
    /* so few strips that their columns are shared out, too */
    { 2240, 64, { { 33, 4, 0, 1, 1 } }, { { 100, 8, 0, 1, 0 } } },
    { 4480, 128, { { 16, 8, 0, 0, 0 } }, { { 70, 4, 0, 0, 0 } } },
    { 1088, 32, { { 20, 8, 0, 0, 1 }, { 7, 4, 0, 1, 0 } },
      { { 33, 4, 1, 0, 1 }, { 160, 8, 0, 0, 0 } } },
    /* inner rows alone are the result */
    { 64, 32, { { 17, 8, 0, 1, 1 }, { 40, 4, 0, 0, 0 } },
      { { 5, 8, 1, 0, 0 } } },
    /* whole ones of every precision: int16 needs activations of 16 bits */
    { 256, 64, { { 40, 16, 0, 1, 1 }, { 96, 4, 0, 0, 0 }, { 33, 8, 0, 0, 0 } },
      { { 64, 4, 1, 0, 0 } } },
    /* and halves, which take another way */
    { 128, 64, { { 64, 16, 0, 0, 0 } }, { { 90, 16, 0, 1, 0 } } }
};
enum { N_PROBLEMS = sizeof problems / sizeof *problems, N_THIN = 9 };

static aci_random dice;

static void setup(void)
{
    cuda_fixture_open(MOST_OUT);
    aci_platform_random_seed(&dice, 9);
}

static void teardown(void)
{
    emulation_together(1);
    cuda_fixture_close();
}

static int count(const half *list)
{
    int n = 0;

    while (list[n].n_out > 0)
        n++;
    return n;
}

/* Products of both halves: the CPU's to begin with. */
typedef struct pair_sample {
    product_sample weights[8];
    float *bias, *start, *x;       /* shared by all */
    float *host[8], *device[8];    /* what is put out */
    aci_matrix placed[8];
    aci_product products[4];
    aci_outer outers[4];
    int n_products, n_outers;
} pair_sample;

static float *random_floats(size_t n)
{
    float *out = malloc(n * sizeof *out);

    ck_assert_ptr_nonnull(out);
    product_sample_fill(&dice, out, n, 1.0f);
    return out;
}

static aci_product make_half(pair_sample *s, int i, const half *h, int n_in,
                             int group, int activation_bits)
{
    aci_product p = { { &s->weights[i].matrix, h->with_bias ? s->bias : NULL,
                        h->bits, activation_bits },
                      NULL, (size_t)h->n_out + 3, h->accumulate };

    product_sample_make(&s->weights[i], &fixture.memory, &dice, h->n_out, n_in,
                        group, 12, 0);
    s->host[i] = malloc(MOST_ROWS * p.out_stride * sizeof(float));
    ck_assert_ptr_nonnull(s->host[i]);
    memcpy(s->host[i], s->start, MOST_ROWS * p.out_stride * sizeof(float));
    p.out = s->host[i];
    return p;
}

static void make_sample(pair_sample *s, const pair_problem *p,
                        int activation_bits)
{
    int i;

    memset(s, 0, sizeof *s);
    s->n_products = count(p->products);
    s->n_outers = count(p->outers);
    s->bias = random_floats(MOST_OUT);
    s->start = random_floats(MOST_ROWS * (MOST_OUT + 3));
    s->x = random_floats((size_t)(MOST_ROWS * p->n_in));
    for (i = 0; i < s->n_products; i++)
        s->products[i] = make_half(s, i, &p->products[i], p->n_in, p->group,
                                   activation_bits);
    for (i = 0; i < s->n_outers; i++) {
        s->outers[i].inner = p->outers[i].inner;
        s->outers[i].product =
            make_half(s, 4 + i, &p->outers[i],
                      p->products[p->outers[i].inner].n_out, p->group,
                      activation_bits);
    }
}

static void free_sample(pair_sample *s)
{
    int i;

    for (i = 0; i < 8; i++)
        if (s->host[i] != NULL) {
            product_sample_free(&fixture.memory, &s->weights[i]);
            free(s->host[i]);
        }
    free(s->bias);
    free(s->start);
    free(s->x);
}

/* The same product with everything on the device. */
static aci_product place(pair_sample *s, int i, aci_product p,
                         const float *bias)
{
    s->placed[i] = s->weights[i].matrix;
    cuda_fixture_adopt(&s->placed[i]);
    s->device[i] = cuda_fixture_upload(s->start, MOST_ROWS * p.out_stride);
    p.linear.weight = &s->placed[i];
    p.linear.bias = p.linear.bias != NULL ? bias : NULL;
    p.out = s->device[i];
    return p;
}

static void run_on_device(pair_sample *s, int n_in, int n_rows)
{
    float *x = cuda_fixture_upload(s->x, (size_t)(MOST_ROWS * n_in));
    float *bias = cuda_fixture_upload(s->bias, MOST_OUT);
    const aci_input input = { .x = x, .x_stride = (size_t)n_in };
    aci_product products[4];
    aci_outer outers[4];
    ac_error error = AC_ERROR_INIT;
    int i;

    for (i = 0; i < s->n_products; i++)
        products[i] = place(s, i, s->products[i], bias);
    for (i = 0; i < s->n_outers; i++) {
        outers[i].inner = s->outers[i].inner;
        outers[i].product = place(s, 4 + i, s->outers[i].product, bias);
    }
    ck_assert_msg(fixture.cuda->operations->project_pairs(
                      fixture.cuda, products, s->n_products, outers,
                      s->n_outers, &input, n_rows, &error) == AC_OK, "%s",
                  error.message);
    ck_assert_int_eq(fixture.cuda->operations->synchronize(fixture.cuda,
                                                           NULL), AC_OK);
    cuda_fixture_release(x);
    cuda_fixture_release(bias);
}

/* Everything there is, also what lies between and behind the rows. */
static void expect_cpu_result(pair_sample *s, const char *what)
{
    static float found[MOST_ROWS * (MOST_OUT + 3)];
    int i;

    for (i = 0; i < 8; i++)
        if (s->host[i] != NULL) {
            size_t n = MOST_ROWS *
                       ((size_t)s->weights[i].matrix.n_out + 3);

            cuda_fixture_download(found, s->device[i], n);
            cuda_fixture_release(s->device[i]);
            product_sample_expect_same(s->host[i], found, n, what);
        }
}

static void forget_outputs(pair_sample *s)
{
    int i;

    for (i = 0; i < 8; i++)
        if (s->device[i] != NULL)
            cuda_fixture_release(s->device[i]);
}

/* Twice, for the first has to leave the barrier as it was; how many launches
 * the second took. */
static size_t check_problem(const pair_problem *p, int n_rows,
                            int activation_bits, unsigned order)
{
    const aci_input input = { .x_stride = (size_t)p->n_in };
    aci_input host = input;
    pair_sample s;
    size_t launches;
    char what[80];

    snprintf(what, sizeof what, "%d inputs, %d of %d, %d rows, a%d", p->n_in,
             p->outers[0].n_out, p->products[0].n_out, n_rows,
             activation_bits);
    cuda_fixture_reopen(MOST_OUT);
    cuda_fixture_order(order);
    make_sample(&s, p, activation_bits);
    host.x = s.x;
    ck_assert_int_eq(fixture.cpu->operations->project_pairs(
                         fixture.cpu, s.products, s.n_products, s.outers,
                         s.n_outers, &host, n_rows, NULL), AC_OK);
    run_on_device(&s, p->n_in, n_rows);
    forget_outputs(&s);
    launches = emulation_launches();
    run_on_device(&s, p->n_in, n_rows);
    launches = emulation_launches() - launches;
    expect_cpu_result(&s, what);
    free_sample(&s);
    return launches;
}

static int largest_bits(const pair_problem *p)
{
    int most = 0, i;

    for (i = 0; i < 4; i++) {
        most = p->products[i].bits > most ? p->products[i].bits : most;
        most = p->outers[i].bits > most ? p->outers[i].bits : most;
    }
    return most;
}

START_TEST(equal_the_reference_bit_for_bit)
{
    int i, rows, bits;

    for (i = 0; i < N_PROBLEMS; i++)
        for (bits = largest_bits(&problems[i]) == 16 ? 16 : 8; bits <= 16;
             bits += 8)
            for (rows = 1; rows <= 8; rows += rows == 1 ? 2 : 5) {
                size_t launches = check_problem(&problems[i], rows, bits,
                                                (unsigned)(i + rows));

                if (emulation_is_on() && i < N_THIN) /* quantise and multiply */
                    ck_assert_uint_eq(launches, 2);
            }
}
END_TEST

START_TEST(every_number_of_rows_does)
{
    int rows;

    for (rows = 1; rows <= 10; rows++)
        check_problem(&problems[2], rows, 8, (unsigned)rows);
}
END_TEST

START_TEST(many_rows_and_old_devices_take_launches_of_products)
{
    int i;

    for (i = 0; i < N_PROBLEMS; i++)
        check_problem(&problems[i], MOST_ROWS, 16, 3);
    emulation_together(0);
    for (i = 0; i < N_THIN; i++) {
        size_t launches = check_problem(&problems[i], 3, 8, 1);

        if (emulation_is_on())
            ck_assert_uint_gt(launches, 2);
    }
}
END_TEST

START_TEST(orders_of_blocks_change_nothing)
{
    static const int of[] = { 3, 8, 5, 6, 7 };
    unsigned order;

    for (order = 0; order < 15; order++)
        check_problem(&problems[of[order % 5]], 2, 8, order);
}
END_TEST

/* Eight quantised rows of such a rank are more than a block's shared memory. */
START_TEST(ranks_that_do_not_fit_take_another_way)
{
    static const pair_problem large = {
        64, 32, { { MOST_OUT, 4, 0, 0, 0 } }, { { 40, 4, 0, 1, 0 } }
    };
    size_t one = check_problem(&large, 1, 16, 2);
    size_t eight = check_problem(&large, 8, 16, 2);

    if (emulation_is_on()) {
        ck_assert_uint_eq(one, 2);
        ck_assert_uint_eq(eight, 4);
    }
}
END_TEST

/* ---- whole models -------------------------------------------------------- */

static void take_logits(size_t position, const aci_logits *logits, void *user)
{
    memcpy((float *)user + position * N_VOCAB, logits->values,
           N_VOCAB * sizeof(float));
}

/* Logits of every position: `first` at once, then one by one. */
static void run_model(float *out, aci_engine *engine, int32_t variant,
                      size_t first)
{
    int32_t tokens[N_TOKENS];
    aci_session *session;
    ac_error error = AC_ERROR_INIT;
    size_t i;

    for (i = 0; i < N_TOKENS; i++)
        tokens[i] = (int32_t)(37 * i + 11) % N_VOCAB;
    ck_assert_int_eq(aci_engine_session_open(&session, engine, 64, 16, NULL),
                     AC_OK);
    ck_assert_msg(aci_engine_score(session, tokens, first, variant,
                                   take_logits, out, &error) == AC_OK, "%s",
                  error.message);
    for (i = first; i < N_TOKENS; i++)
        ck_assert_int_eq(aci_engine_score_more(session, tokens + i, 1, variant,
                                               take_logits, out, NULL),
                         AC_OK);
    aci_engine_session_close(session);
}

static void run_on(float *out, const aci_model *model, const char *variant,
                   size_t first)
{
    aci_engine *engine;
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(aci_engine_open(&engine, &fixture.memory, model,
                                  fixture.cuda, &error) == AC_OK, "%s",
                  error.message);
    run_model(out, engine, aci_model_variant_find(model, variant), first);
    aci_engine_close(engine);
}

/* Token by token, which is recorded and replayed from the third on, is what
 * all at once is, and what launches of products give. */
static void check_variant(const aci_model *model, const char *variant)
{
    static float at_once[N_TOKENS * N_VOCAB], recorded[N_TOKENS * N_VOCAB];
    size_t replayed = emulation_graph_launches();

    cuda_fixture_reopen(256);
    run_on(recorded, model, variant, 1);
    if (emulation_is_on())
        ck_assert_uint_ge(emulation_graph_launches() - replayed, N_TOKENS - 4);
    run_on(at_once, model, variant, N_TOKENS);
    ck_assert_mem_eq(at_once, recorded, sizeof at_once);
    emulation_together(0);
    cuda_fixture_reopen(256);
    run_on(at_once, model, variant, 1);
    emulation_together(1);
    ck_assert_mem_eq(at_once, recorded, sizeof at_once);
}

START_TEST(models_of_low_rank_run_eager_and_recorded)
{
    static const char *const names[] = { "l16", "l8", "l4" };
    static aci_zoo_card card;
    const char *path;
    aci_model *model;
    ac_error error = AC_ERROR_INIT;
    int i;

    structural_enter();
    path = structural_path("owning");
    owning_pack();
    owning_zoo(&card, path);
    ck_assert_msg(aci_model_open(&model, &fixture.memory, path, 1, &error) ==
                      AC_OK, "%s", error.message);
    for (i = 0; i < 3; i++)
        check_variant(model, names[i]);
    aci_model_close(model);
    owning_free();
    structural_leave();
}
END_TEST

Suite *test_cuda_pairs_suite(void)
{
    Suite *suite = suite_create("test_cuda_pairs");
    TCase *tc = tcase_create("pairs");

    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, equal_the_reference_bit_for_bit);
    tcase_add_test(tc, every_number_of_rows_does);
    tcase_add_test(tc, many_rows_and_old_devices_take_launches_of_products);
    tcase_add_test(tc, orders_of_blocks_change_nothing);
    tcase_add_test(tc, ranks_that_do_not_fit_take_another_way);
    tcase_add_test(tc, models_of_low_rank_run_eager_and_recorded);
    suite_add_tcase(suite, tc);
    return suite;
}
