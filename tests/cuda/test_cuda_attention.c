/* test_cuda_attention.c - attention of cuda/attend*.cu against float64, against
 * the CPU's reference, and against itself: rows computed alone, threads in
 * other orders. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "attention_sample.h"
#include "emulated_runtime.h"

Suite *test_cuda_attention_suite(void);

enum { SPANS = 4, MAX_FLOATS = 1 << 17 };

/* One call. Spans end with one of no rows. */
typedef struct problem {
    int32_t n_head, n_head_kv, head_dim, window, bits;
    span_sample spans[SPANS];
} problem;

static const problem problems[] = {
    /* the first position alone; the smallest and odd head sizes */
    { 1, 1, 1, 0, 32, { { 0, 1 } } },
    { 2, 1, 2, 0, 16, { { 0, 3 } } },
    { 3, 3, 5, 0, 8, { { 30, 2 } } },
    /* 1, 7, 17, 63, 64, 65 tokens */
    { 4, 4, 16, 0, 16, { { 0, 7 } } },
    { 6, 2, 24, 0, 16, { { 0, 17 } } },
    { 3, 1, 32, 0, 8, { { 0, 63 } } },
    { 4, 1, 16, 0, 16, { { 0, 64 } } },
    { 2, 2, 20, 0, 32, { { 0, 65 } } },
    /* more lines than 16, than 64, in groups of 1, 3, 8, in odd places */
    { 5, 5, 16, 0, 16, { { 3, 17 }, { 40, 65 } } },
    { 9, 3, 40, 0, 8, { { 0, 23 }, { 190, 7 } } },
    { 8, 1, 128, 0, 16, { { 59, 13 } } },
    { 8, 1, 112, 0, 8, { { 125, 11 }, { 0, 1 } } },
    /* borders of stretches of 64 and chunks of 128 */
    { 3, 1, 32, 0, 16, { { 62, 1 }, { 63, 1 }, { 64, 1 }, { 65, 1 } } },
    { 3, 1, 32, 0, 8, { { 126, 1 }, { 127, 1 }, { 128, 1 }, { 129, 1 } } },
    { 6, 1, 16, 0, 8, { { 61, 6 }, { 125, 6 } } },
    /* borders of blocks of 16, of warps' 32, of chunks of 256 */
    { 4, 1, 64, 0, 16, { { 14, 1 }, { 15, 1 }, { 16, 1 } } },
    { 8, 1, 16, 0, 8, { { 30, 4 }, { 62, 4 } } },
    { 5, 5, 16, 0, 16, { { 254, 1 }, { 255, 1 }, { 256, 1 } } },
    { 8, 2, 32, 0, 16, { { 253, 6 } } },
    { 9, 3, 16, 0, 8, { { 510, 4 } } },
    { 3, 3, 16, 0, 32, { { 511, 1 }, { 0, 1 }, { 512, 2 } } },
    /* groups and head sizes of real models */
    { 8, 1, 128, 0, 16, { { 300, 1 } } },
    { 4, 1, 80, 0, 8, { { 270, 2 } } },
    { 3, 1, 40, 0, 16, { { 40, 5 } } },
    { 2, 1, 256, 0, 16, { { 33, 2 } } },
    { 1, 1, 512, 0, 8, { { 257, 1 } } },
    { 2, 1, 512, 0, 16, { { 130, 2 } } },
    { 3, 1, 129, 0, 16, { { 70, 9 } } },
    { 2, 2, 250, 70, 8, { { 200, 3 } } },
    { 7, 1, 96, 0, 32, { { 20, 3 } } },
    { 16, 1, 64, 0, 16, { { 100, 2 } } },
    /* windows: of one, that begin inside a chunk, across chunks, over all */
    { 4, 2, 16, 1, 16, { { 17, 5 } } },
    { 4, 2, 32, 7, 16, { { 250, 20 } } },
    { 3, 1, 16, 64, 8, { { 280, 9 }, { 3, 2 } } },
    { 2, 2, 16, 256, 32, { { 600, 3 } } },
    { 6, 2, 16, 63, 16, { { 120, 20 }, { 0, 70 } } },
    { 3, 1, 48, 65, 8, { { 128, 30 } } },
    { 2, 1, 16, 300, 16, { { 0, 3 }, { 299, 3 }, { 513, 1 } } },
    /* more lines than are split over chunks: blocks walk them */
    { 71, 1, 8, 0, 16, { { 246, 15 } } },
    { 64, 8, 8, 100, 8, { { 250, 9 }, { 490, 9 } } },
    /* more chunks than are joined at a time */
    { 1, 1, 4, 0, 8, { { 33300, 1 } } },
    { 1, 1, 4, 33000, 8, { { 33400, 1 } } },
};
enum { PROBLEMS = sizeof problems / sizeof *problems };

static aci_random dice;
static float q[MAX_FLOATS], reference[MAX_FLOATS], out[MAX_FLOATS],
    again[MAX_FLOATS];

static void setup(void)
{
    cuda_fixture_open(512);
    aci_platform_random_seed(&dice, 23);
}

static aci_attention attention_of(const problem *p)
{
    return (aci_attention){ .n_head = p->n_head, .n_head_kv = p->n_head_kv,
                            .head_dim = p->head_dim, .window = p->window,
                            .scale = 1.0f / sqrtf((float)p->head_dim) };
}

/* The caches of a problem; what no row sees stays NaN. */
static int32_t make_caches(cache_sample *caches, const problem *p)
{
    int32_t s, n = 0;

    for (s = 0; s < SPANS && p->spans[s].n_rows > 0; s++) {
        int32_t first = p->spans[s].first, last = first + p->spans[s].n_rows;
        int32_t from = p->window > 0 && first + 1 > p->window
                           ? first + 1 - p->window : 0;

        cache_sample_make(&caches[s], p->bits, p->n_head_kv, p->head_dim,
                          last);
        cache_sample_fill(&caches[s], &dice, from, last);
        cache_sample_upload(&caches[s]);
        n += p->spans[s].n_rows;
    }
    return n;
}

/* Attention on the device. */
static void attend(float *result, const float *queries, const aci_span *spans,
                   int32_t n_spans, const aci_attention *a)
{
    size_t n = (size_t)(spans[n_spans - 1].first_row +
                        spans[n_spans - 1].n_rows) *
               (size_t)(a->n_head * a->head_dim);
    float *in = cuda_fixture_upload(queries, n);
    float *to = cuda_fixture_upload(queries, n);
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(fixture.cuda->operations->attend(
                      fixture.cuda, to, in, spans, n_spans, a, &error) ==
                      AC_OK, "%s", error.message);
    cuda_fixture_download(result, to, n);
    cuda_fixture_release(in);
    cuda_fixture_release(to);
}

static void attend_problem(float *result, const cache_sample *caches,
                           const problem *p)
{
    aci_attention a = attention_of(p);
    aci_span spans[SPANS];

    attend(result, q, spans,
           cache_samples_spans(spans, caches, p->spans, SPANS, 1), &a);
}

static void fill_queries(const problem *p, int32_t n_rows)
{
    size_t n = (size_t)(n_rows * p->n_head * p->head_dim), i;

    ck_assert_uint_le(n, MAX_FLOATS);
    for (i = 0; i < n; i++)
        q[i] = (float)aci_platform_random_normal(&dice);
}

/* Scores are sums of head_dim products in float32, a few units each; weights
 * and mixes add their own roundings: together some 1e-6 of the values, which
 * are of size 1 to 5. On tensor cores the factors are of 22 bits, 2^-23 of
 * each: no more than a product's own rounding. */
static void expect_near(const float *found, const double *exact, size_t n,
                        double tolerance, int number)
{
    size_t i;

    for (i = 0; i < n; i++)
        ck_assert_msg(fabs((double)found[i] - exact[i]) <= tolerance,
                      "problem %d, %zu: %.9g, exact is %.9g", number, i,
                      (double)found[i], exact[i]);
}

START_TEST(attention_is_near_float64_and_the_cpu)
{
    const problem *p = &problems[_i];
    size_t width = (size_t)(p->n_head * p->head_dim), i;
    aci_attention a = attention_of(p);
    cache_sample caches[SPANS];
    aci_span spans[SPANS];
    int32_t n = make_caches(caches, p), n_spans, s, row;
    static double exact[MAX_FLOATS];

    fill_queries(p, n);
    attend_problem(out, caches, p);
    n_spans = cache_samples_spans(spans, caches, p->spans, SPANS, 0);
    ck_assert_int_eq(fixture.cpu->operations->attend(
                         fixture.cpu, reference, q, spans, n_spans, &a, NULL),
                     AC_OK);
    for (s = 0; s < n_spans; s++)
        for (row = 0; row < spans[s].n_rows; row++) {
            size_t at = (size_t)(spans[s].first_row + row) * width;

            attention_exact(exact, q + at, spans[s].kv, &a,
                            spans[s].first_position + row);
            expect_near(out + at, exact, width, 4e-6, _i);
        }
    for (i = 0; i < width * (size_t)n; i++)
        exact[i] = (double)reference[i];
    expect_near(out, exact, width * (size_t)n, 8e-6, _i);
    cache_samples_free(caches, p->spans, SPANS);
}
END_TEST

/* Tensor cores cut their sums where float32 would round: no worse than is
 * promised for the rest. That ldmatrix has to wait is seen nowhere else. */
START_TEST(sums_that_are_cut_stay_near_float64)
{
    const problem *p = &problems[_i];
    size_t width = (size_t)(p->n_head * p->head_dim);
    size_t conflicts = emulation_bank_conflicts();
    aci_attention a = attention_of(p);
    cache_sample caches[SPANS];
    aci_span spans[SPANS];
    int32_t s, row;
    static double exact[MAX_FLOATS];

    fill_queries(p, make_caches(caches, p));
    emulation_cut_sums(1);
    attend_problem(out, caches, p);
    emulation_cut_sums(0);
    ck_assert_uint_eq(emulation_bank_conflicts(), conflicts);
    cache_samples_spans(spans, caches, p->spans, SPANS, 0);
    for (s = 0; s < SPANS && p->spans[s].n_rows > 0; s++)
        for (row = 0; row < spans[s].n_rows; row += 5) {
            size_t at = (size_t)(spans[s].first_row + row) * width;

            attention_exact(exact, q + at, spans[s].kv, &a,
                            spans[s].first_position + row);
            expect_near(out + at, exact, width, 4e-6, _i);
        }
    cache_samples_free(caches, p->spans, SPANS);
}
END_TEST

/* First, last and some rows between are computed alone, in a span of one. */
START_TEST(a_row_has_the_same_bits_alone)
{
    const problem *p = &problems[_i];
    size_t width = (size_t)(p->n_head * p->head_dim);
    aci_attention a = attention_of(p);
    cache_sample caches[SPANS];
    aci_span spans[SPANS];
    int32_t n = make_caches(caches, p), s, row;

    fill_queries(p, n);
    attend_problem(out, caches, p);
    cache_samples_spans(spans, caches, p->spans, SPANS, 1);
    for (s = 0; s < SPANS && p->spans[s].n_rows > 0; s++)
        for (row = 0; row < spans[s].n_rows; row++) {
            aci_span one = { 0, 1, spans[s].first_position + row,
                             spans[s].kv };
            size_t at = (size_t)(spans[s].first_row + row) * width;

            if (spans[s].n_rows > 8 && row % 13 != 0 &&
                row + 1 != spans[s].n_rows)
                continue;
            attend(again, q + at, &one, 1, &a);
            ck_assert_msg(memcmp(again, out + at, width * sizeof *out) == 0,
                          "problem %d, span %d, row %d", _i, (int)s,
                          (int)row);
        }
    cache_samples_free(caches, p->spans, SPANS);
}
END_TEST

START_TEST(the_order_of_threads_changes_no_bit)
{
    const problem *p = &problems[_i];
    cache_sample caches[SPANS];
    int32_t n = make_caches(caches, p);
    size_t bytes = (size_t)(n * p->n_head * p->head_dim) * sizeof *out;
    unsigned seed;

    if (bytes > 20000) { /* the small ones have every path */
        cache_samples_free(caches, p->spans, SPANS);
        return;
    }
    fill_queries(p, n);
    attend_problem(out, caches, p);
    for (seed = 1; seed < 4; seed++) {
        cuda_fixture_order(seed);
        attend_problem(again, caches, p);
        ck_assert_msg(memcmp(again, out, bytes) == 0, "order %u", seed);
    }
    cuda_fixture_order(0);
    cache_samples_free(caches, p->spans, SPANS);
}
END_TEST

/* ---- extremes ------------------------------------------------------------ */

enum { DIM = 16, LONG = 530 };

/* One head over LONG positions, whose scores are `score` of their number: the
 * first column of q is 4, scale 1/4, and the other columns 0. */
static void attend_scores(float *result, cache_sample *cache, int32_t bits,
                          float (*score)(int32_t position))
{
    const aci_attention a = { .n_head = 1, .n_head_kv = 1, .head_dim = DIM,
                              .scale = 0.25f };
    aci_span span = { 0, 1, LONG - 1, &cache->device };
    float k[DIM] = { 0 }, v[DIM], queries[DIM] = { 4.0f };
    int32_t t, d;

    cache_sample_make(cache, bits, 1, DIM, LONG);
    for (t = 0; t < LONG; t++) {
        k[0] = score(t);
        for (d = 0; d < DIM; d++)
            v[d] = (float)aci_platform_random_normal(&dice);
        cache_sample_set(cache, 0, t, k, v);
    }
    cache_sample_upload(cache);
    attend(result, queries, &span, 1, &a);
}

static float all_equal(int32_t t) { return (void)t, 3.5f; }
static float one_huge(int32_t t) { return t == 300 ? 20000.0f : -20000.0f; }
static float all_high(int32_t t) { return 8000.0f + 8.0f * (float)(t % 7); }
static float all_low(int32_t t) { return -8000.0f - 8.0f * (float)(t % 5); }
static float rising(int32_t t) { return -2000.0f + 4.0f * (float)t; }
static float falling(int32_t t) { return 2000.0f - 4.0f * (float)t; }

START_TEST(extreme_scores_do_no_harm)
{
    static float (*const scores[])(int32_t) = { all_equal, one_huge, all_high,
                                                all_low, rising, falling };
    static const int32_t bits[] = { 32, 16, 8 };
    const aci_attention a = { .n_head = 1, .n_head_kv = 1, .head_dim = DIM,
                              .scale = 0.25f };
    const float queries[DIM] = { 4.0f };
    double exact[DIM];
    int i, b, d;

    for (i = 0; i < 6; i++)
        for (b = 0; b < 3; b++) {
            cache_sample cache;

            attend_scores(out, &cache, bits[b], scores[i]);
            attention_exact(exact, queries, &cache.host, &a, LONG - 1);
            /* scores of 2e4 in float32 are good to 1e-3 */
            expect_near(out, exact, DIM, i == 0 ? 1e-6 : 4e-3, i);
            for (d = 0; d < DIM && scores[i] == one_huge; d++)
                ck_assert_float_eq_tol(out[d], (float)cache_sample_value(
                                                   &cache.host, 0, 300, d),
                                       1e-6f);
            cache_sample_free(&cache);
        }
}
END_TEST

/* Makes a position's values, or scales, infinite or no number. */
static void spoil(cache_sample *cache, int32_t position)
{
    const aci_kv *kv = &cache->host;
    size_t line = (size_t)position, width = (size_t)aci_kv_width(16), i;

    if (kv->bits == 8) {
        kv->k_scales[line] = 0x7E00;
        kv->v_scales[line] = 0x7C00;
    }
    for (i = 0; i < width && kv->bits == 16; i++)
        ((uint16_t *)kv->v)[line * width + i] = i % 2 ? 0x7C00 : 0xFE00;
    for (i = 0; i < width && kv->bits == 32; i++)
        ((float *)kv->v)[line * width + i] = i % 2 ? INFINITY : NAN;
}

/* What a later row wrote is nothing to an earlier one, even in one tile, nor
 * what an earlier one wrote to one whose window has gone on. */
START_TEST(rows_that_see_infinities_keep_them)
{
    static const int32_t bits[] = { 32, 16, 8 };
    const problem p = { 6, 1, 16, _i < 3 ? 0 : 3, bits[_i % 3],
                        { { 60, 8 } } };
    const int32_t bad = 63, width = 6 * 16;
    aci_attention a = attention_of(&p);
    cache_sample cache;
    aci_span whole;
    int32_t row, i;

    make_caches(&cache, &p);
    fill_queries(&p, 8);
    whole = (aci_span){ 0, 8, 60, &cache.device };
    attend(again, q, &whole, 1, &a);
    spoil(&cache, bad);
    cache_sample_upload(&cache);
    attend(out, q, &whole, 1, &a);
    for (row = 0; row < 8; row++) {
        int sees = 60 + row >= bad && (p.window == 0 ||
                                       60 + row - p.window < bad);

        for (i = row * width; i < (row + 1) * width; i++)
            if (sees)
                ck_assert_msg(!isfinite(out[i]), "row %d", row);
            else
                ck_assert_msg(memcmp(&out[i], &again[i], sizeof *out) == 0,
                              "row %d, %d: %g", row, i, (double)out[i]);
    }
    cache_sample_free(&cache);
}
END_TEST

/* ---- hostile sizes ------------------------------------------------------- */

/* Sizes of queries and keys, whose scores stay within a few units, and of
 * values, whose scales lie far apart. */
typedef struct sizes {
    float q, k;
    float v[2]; /* at even and odd positions */
} sizes;

static void expect_sizes(const sizes *size, int32_t bits, int32_t n_rows)
{
    enum { HEADS = 3, POSITIONS = 150 };
    const aci_attention a = { .n_head = HEADS, .n_head_kv = 1,
                              .head_dim = DIM, .scale = 0.25f };
    cache_sample cache;
    aci_span span = { 0, n_rows, POSITIONS - n_rows, &cache.device };
    float k[DIM], v[DIM];
    double exact[HEADS * DIM], most = 0.0;
    int32_t t, d, row;

    cache_sample_make(&cache, bits, 1, DIM, POSITIONS);
    for (t = 0; t < POSITIONS; t++) {
        for (d = 0; d < DIM; d++) {
            k[d] = (float)aci_platform_random_normal(&dice) * size->k;
            v[d] = (float)aci_platform_random_normal(&dice) * size->v[t % 2];
        }
        cache_sample_set(&cache, 0, t, k, v);
    }
    for (d = 0; d < n_rows * HEADS * DIM; d++)
        q[d] = (float)aci_platform_random_normal(&dice) * size->q;
    cache_sample_upload(&cache);
    attend(out, q, &span, 1, &a);
    for (row = 0; row < n_rows; row++) {
        const size_t at = (size_t)row * HEADS * DIM;

        attention_exact(exact, q + at, &cache.host, &a,
                        span.first_position + row);
        for (d = 0; d < HEADS * DIM; d++)
            most = fmax(most, fabs(exact[d]));
        expect_near(out + at, exact, HEADS * DIM, 4e-6 * most, bits);
    }
    cache_sample_free(&cache);
}

START_TEST(numbers_of_any_size_are_near_float64)
{
    static const sizes all[] = {
        { 1e30f, 0.0f, { 1.0f, 1.0f } },
        { 3e4f, 3e-5f, { 1.0f, 1e-4f } },
        { 1e9f, 1e-9f, { 1.0f, 1.0f } }, /* keys vanish in float16 */
        { 1e-4f, 1e4f, { 1e4f, 3e-3f } },
        { 1e-30f, 1e4f, { 1e-4f, 1e-4f } },
        { 1e-44f, 1.0f, { 1.0f, 1e4f } },
        { 0.0f, 1.0f, { 100.0f, 1e-7f } },
    };
    size_t i;

    for (i = 0; i < sizeof all / sizeof *all; i++) {
        expect_sizes(&all[i], 16, 1);
        expect_sizes(&all[i], 8, 7);
    }
}
END_TEST

/* One line whose numbers are of every size beside lines of usual ones. */
START_TEST(a_hostile_query_harms_its_own_line_alone)
{
    static const float hostile[] = { INFINITY, NAN, -INFINITY, 3e37f };
    const problem p = { 3, 1, 16, 0, _i % 2 ? 16 : 8, { { 100, 9 } } };
    enum { WIDTH = 48, LINE = 13 };
    cache_sample cache;
    size_t i;

    fill_queries(&p, make_caches(&cache, &p));
    attend_problem(again, &cache, &p);
    q[LINE * 16 + 5] = hostile[_i / 2];
    attend_problem(out, &cache, &p);
    for (i = 0; i < 9 * WIDTH; i++)
        if (i / 16 != LINE)
            ck_assert_msg(memcmp(&out[i], &again[i], sizeof *out) == 0,
                          "%zu: %g", i, (double)out[i]);
        else
            ck_assert_int_eq(isfinite(out[i]), _i / 2 == 3);
    cache_sample_free(&cache);
}
END_TEST

/* As many sequences as there may be, each a cache and a length of its own. */
START_TEST(sixty_four_sequences_share_a_call)
{
    const aci_attention a = { .n_head = 2, .n_head_kv = 1, .head_dim = 8,
                              .scale = 0.4f };
    static cache_sample caches[ACI_MAX_SPANS];
    aci_span spans[ACI_MAX_SPANS];
    double exact[16];
    int32_t s;

    for (s = 0; s < ACI_MAX_SPANS; s++) {
        int32_t position = s * 5;

        cache_sample_make(&caches[s], 16, 1, 8, position + 1);
        cache_sample_fill(&caches[s], &dice, 0, position + 1);
        cache_sample_upload(&caches[s]);
        spans[s] = (aci_span){ s, 1, position, &caches[s].device };
    }
    for (s = 0; s < ACI_MAX_SPANS * 16; s++)
        q[s] = (float)aci_platform_random_normal(&dice);
    attend(out, q, spans, ACI_MAX_SPANS, &a);
    for (s = 0; s < ACI_MAX_SPANS; s++) {
        attention_exact(exact, q + 16 * s, &caches[s].host, &a, s * 5);
        expect_near(out + 16 * s, exact, 16, 4e-6, s);
        cache_sample_free(&caches[s]);
    }
}
END_TEST

/* A sequence without rows takes no part, wherever it stands. */
START_TEST(a_span_may_have_no_rows)
{
    const problem p = { 3, 1, 16, 0, 16, { { 9, 3 }, { 20, 2 } } };
    aci_attention a = attention_of(&p);
    cache_sample caches[SPANS];
    aci_span spans[SPANS], with[5];

    fill_queries(&p, make_caches(caches, &p));
    attend_problem(out, caches, &p);
    cache_samples_spans(spans, caches, p.spans, SPANS, 1);
    with[0] = (aci_span){ 0, 0, 0, &caches[1].device };
    with[1] = spans[0];
    with[2] = (aci_span){ 3, 0, 7, &caches[0].device };
    with[3] = spans[1];
    with[4] = (aci_span){ 5, 0, 1, &caches[0].device };
    attend(again, q, with, 5, &a);
    ck_assert_mem_eq(again, out, 5 * 48 * sizeof *out);
    cache_samples_free(caches, p.spans, SPANS);
}
END_TEST

/* All the rows there may be in a call, as in a prefill. */
START_TEST(five_hundred_and_twelve_rows_equal_some_of_them)
{
    static const int32_t bits[] = { 32, 16, 8 };
    const problem p = { 3, 1, 8, 0, bits[_i], { { 0, ACI_MAX_ROWS } } };
    static const int32_t some[] = { 0, 1, 255, 256, 300, 511 };
    enum { WIDTH = 24 };
    aci_attention a = attention_of(&p);
    cache_sample cache;
    double exact[WIDTH];
    size_t i;

    fill_queries(&p, make_caches(&cache, &p));
    attend_problem(out, &cache, &p);
    for (i = 0; i < sizeof some / sizeof *some; i++) {
        aci_span one = { 0, 1, some[i], &cache.device };

        attend(again, q + WIDTH * some[i], &one, 1, &a);
        ck_assert_mem_eq(again, out + WIDTH * some[i], WIDTH * sizeof *out);
        attention_exact(exact, q + WIDTH * some[i], &cache.host, &a,
                        some[i]);
        expect_near(again, exact, WIDTH, 4e-6, some[i]);
    }
    cache_sample_free(&cache);
}
END_TEST

/* ---- what is refused ----------------------------------------------------- */

START_TEST(shapes_it_was_not_made_for_are_refused)
{
    static const aci_attention all[] = {
        { .n_head = 3, .n_head_kv = 2, .head_dim = 16 },
        { .n_head = 2, .n_head_kv = 2, .head_dim = 513 },
        { .n_head = 4, .n_head_kv = 4, .head_dim = 16 }, /* not the cache's */
        { .n_head = 2, .n_head_kv = 2, .head_dim = 32 },
    };
    cache_sample cache;
    aci_span span;
    float *device;
    size_t i;

    cache_sample_make(&cache, 16, 2, 16, 16);
    span = (aci_span){ 0, 1, 0, &cache.device };
    device = cuda_fixture_upload(q, 4096);
    for (i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_int_eq(fixture.cuda->operations->attend(
                             fixture.cuda, device, device, &span, 1, &all[i],
                             NULL), AC_E_DEVICE);
    cuda_fixture_release(device);
    cache_sample_free(&cache);
}
END_TEST

Suite *test_cuda_attention_suite(void)
{
    Suite *suite = suite_create("test_cuda_attention");
    TCase *tc = tcase_create("attention");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, cuda_fixture_close);
    tcase_add_loop_test(tc, attention_is_near_float64_and_the_cpu, 0,
                        PROBLEMS);
    tcase_add_loop_test(tc, sums_that_are_cut_stay_near_float64, 0, PROBLEMS);
    tcase_add_loop_test(tc, a_row_has_the_same_bits_alone, 0, PROBLEMS);
    tcase_add_loop_test(tc, the_order_of_threads_changes_no_bit, 0, PROBLEMS);
    tcase_add_test(tc, extreme_scores_do_no_harm);
    tcase_add_loop_test(tc, rows_that_see_infinities_keep_them, 0, 6);
    tcase_add_test(tc, numbers_of_any_size_are_near_float64);
    tcase_add_loop_test(tc, a_hostile_query_harms_its_own_line_alone, 0, 8);
    tcase_add_test(tc, sixty_four_sequences_share_a_call);
    tcase_add_test(tc, a_span_may_have_no_rows);
    tcase_add_loop_test(tc, five_hundred_and_twelve_rows_equal_some_of_them,
                        0, 3);
    tcase_add_test(tc, shapes_it_was_not_made_for_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
