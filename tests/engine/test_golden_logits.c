/* test_golden_logits.c - whole models, read from checkpoints and run in
 * float32 on every level the processor has, against transformers in float64
 * (tests/golden/make_models.py); and two real models against what is known of
 * them. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "kernels/cpu/cpu_level.h"
#include "model/gguf.h"
#include "platform/files.h"

#define MODELS "tests/golden/models/"
#define TOLERANCE 1e-4

enum { WIDEST = 1024 }; /* no matrix of these models is wider */

typedef struct runner {
    aci_memory memory;
    aci_model *model;
    aci_pool *pool;
    aci_backend *backend;
    aci_engine *engine;
    aci_session *session;
} runner;

static void expect_ok(ac_status status, const ac_error *error)
{
    ck_assert_msg(status == AC_OK, "%s: %s", ac_status_name(status),
                  error->message);
}

static void open_runner(runner *r, const char *path, uint32_t n_context,
                        const char *level)
{
    ac_error error = AC_ERROR_INIT;

    memset(r, 0, sizeof *r);
    aci_platform_memory_init(&r->memory);
    expect_ok(aci_model_open(&r->model, &r->memory, path, 0, &error), &error);
    expect_ok(aci_platform_pool_create(&r->pool, &r->memory, 1, &error),
              &error);
    expect_ok(aci_kernels_cpu_open(&r->backend, &r->memory, r->pool,
                                   level, WIDEST, &error), &error);
    expect_ok(aci_engine_open(&r->engine, &r->memory, r->model, r->backend,
                              &error), &error);
    expect_ok(aci_engine_session_open(&r->session, r->engine, n_context, 32,
                                      &error), &error);
}

static void close_runner(runner *r)
{
    aci_engine_session_close(r->session);
    aci_engine_close(r->engine);
    r->backend->operations->close(r->backend);
    aci_platform_pool_free(r->pool);
    aci_model_close(r->model);
    ck_assert_uint_eq(r->memory.used_bytes, 0);
}

/* ---- tiny models of every architecture --------------------------------- */

typedef struct golden {
    int32_t n_tokens, n_vocab;
    const int32_t *tokens;
    const float *logits;
    double worst;
} golden;

static void compare(size_t position, const aci_logits *logits, void *user)
{
    golden *g = user;

    for (int32_t i = 0; i < g->n_vocab; i++) {
        double difference = fabs(
            (double)logits->values[i] -
            (double)g->logits[position * (size_t)g->n_vocab + (size_t)i]);

        if (!(difference <= g->worst))
            g->worst = difference;
    }
}

static const struct {
    const char *checkpoint, *golden;
} tiny[] = {
    { "llama", "llama/golden.bin" },
    { "llama-tied-bias", "llama-tied-bias/golden.bin" },
    { "llama-sharded", "llama-sharded/golden.bin" },
    { "rope-linear", "rope-linear/golden.bin" },
    { "rope-dynamic", "rope-dynamic/golden.bin" },
    { "rope-llama3", "rope-llama3/golden.bin" },
    { "rope-yarn", "rope-yarn/golden.bin" },
    { "mistral", "mistral/golden.bin" },
    { "qwen2", "qwen2/golden.bin" },
    { "qwen3", "qwen3/golden.bin" },
    { "llama.gguf", "llama.golden" },
    { "qwen2.gguf", "qwen2.golden" },
    { "qwen3.gguf", "qwen3.golden" },
};

static const char *const levels[] = { "reference", "avx2", "avx512" };

enum {
    N_TINY = sizeof tiny / sizeof tiny[0],
    N_LEVELS = sizeof levels / sizeof levels[0]
};

START_TEST(logits_are_those_of_transformers)
{
    ac_error error = AC_ERROR_INIT;
    char path[128];
    char *bytes;
    size_t n;
    int nth = _i % N_TINY;
    const char *level = levels[_i / N_TINY];
    golden g = { 0 };
    runner r;

    if (aci_kernels_cpu_level(level) == NULL) {
        printf("SKIP test_golden_logits: %s, no %s here\n",
               tiny[nth].checkpoint, level);
        return;
    }
    snprintf(path, sizeof path, MODELS "%s", tiny[nth].checkpoint);
    open_runner(&r, path, 40, level);
    snprintf(path, sizeof path, MODELS "%s", tiny[nth].golden);
    expect_ok(aci_platform_read_file(&bytes, &n, &r.memory, path, 1 << 20,
                                     &error), &error);
    memcpy(&g, bytes, 8);
    ck_assert_uint_eq(n, 8 + (size_t)g.n_tokens * 4 *
                             (1 + (size_t)g.n_vocab));
    ck_assert_int_eq(g.n_vocab, r.model->shape.n_vocab);
    g.tokens = (const int32_t *)(const void *)(bytes + 8);
    g.logits = (const float *)(const void *)(g.tokens + g.n_tokens);
    expect_ok(aci_engine_score(r.session, g.tokens, (size_t)g.n_tokens, 0,
                               compare, &g, &error), &error);
    ck_assert_msg(g.worst <= TOLERANCE, "%s, %s: worst difference %g",
                  tiny[nth].checkpoint, level, g.worst);
    aci_platform_free(&r.memory, bytes);
    close_runner(&r);
}
END_TEST

/* ---- real models ------------------------------------------------------- */

/* The file of the test data, or NULL with a loud skip. */
static const char *data_path(const char *name)
{
    static char path[512];
    const char *root = getenv("AC_TEST_DATA");

    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", name);
    if (aci_platform_is_file(path) || aci_platform_is_directory(path))
        return path;
    printf("SKIP test_golden_logits: no %s\n", path);
    return NULL;
}

static int32_t greatest(const float *values, int32_t n)
{
    int32_t best = 0;

    for (int32_t i = 1; i < n; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

/* The last position's logits after a prefill, through on_logits of a score of
 * the whole text: slow and certain. */
typedef struct last_logits {
    float values[4096];
    int32_t n_vocab;
} last_logits;

static void keep(size_t position, const aci_logits *logits, void *user)
{
    last_logits *last = user;

    (void)position;
    ck_assert_int_le(logits->n_vocab, 4096);
    last->n_vocab = logits->n_vocab;
    memcpy(last->values, logits->values,
           (size_t)logits->n_vocab * sizeof(float));
}

static size_t read_ids(int32_t *out, size_t capacity, const json_t *list)
{
    size_t n = json_array_size(list);

    ck_assert_uint_le(n, capacity);
    for (size_t i = 0; i < n; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

static void check_story(runner *r, const json_t *story)
{
    static last_logits last;
    ac_error error = AC_ERROR_INIT;
    int32_t prompt[64], wanted[64], ids[64];
    size_t n = read_ids(prompt, 64, json_object_get(story, "prompt_ids"));
    size_t total = read_ids(wanted, 64, json_object_get(story, "greedy_ids"));
    const json_t *logits = json_object_get(story, "prompt_end_logits");
    double worst = 0.0;

    ck_assert_uint_eq(total, 64);
    memcpy(ids, prompt, n * sizeof ids[0]);
    expect_ok(aci_engine_score(r->session, ids, n, 0, keep, &last, &error),
              &error);
    ck_assert_int_eq(last.n_vocab, (int)json_array_size(logits));
    for (size_t i = 0; i < json_array_size(logits); i++) {
        double difference = fabs((double)last.values[i] -
                                 json_number_value(json_array_get(logits, i)));

        if (!(difference <= worst))
            worst = difference;
    }
    ck_assert_msg(worst <= TOLERANCE, "worst difference %g", worst);
    while (n < total) {
        ids[n++] = greatest(last.values, last.n_vocab);
        expect_ok(aci_engine_score(r->session, ids, n, 0, keep, &last, &error),
                  &error);
    }
    ck_assert_mem_eq(ids, wanted, sizeof ids);
}

START_TEST(tinystories_656k_tells_its_stories)
{
    const char *path = data_path(
        "models/tinystories-656k/golden_logits_greedy64.json");
    json_t *root, *stories;
    runner r;

    if (path == NULL)
        return;
    root = json_load_file(path, 0, NULL);
    stories = json_object_get(root, "cases");
    ck_assert_uint_eq(json_array_size(stories), 3);
    open_runner(&r, data_path("models/tinystories-656k"), 64,
                "reference");
    for (size_t i = 0; i < json_array_size(stories); i++)
        check_story(&r, json_array_get(stories, i));
    close_runner(&r);
    json_decref(root);
}
END_TEST

/* Appends the text of a SentencePiece token: U+2581 is a space, <0xHH> a
 * byte. */
static size_t append_piece(char *text, size_t n, const aci_gguf *gguf,
                           int32_t token)
{
    const char *piece = NULL;
    size_t bytes = 0;
    unsigned value;

    ck_assert(aci_model_gguf_array_string(&piece, &bytes, gguf,
                                          "tokenizer.ggml.tokens",
                                          (size_t)token));
    if (bytes == 6 && memcmp(piece, "<0x", 3) == 0) {
        char digits[3] = { piece[3], piece[4], 0 };

        value = (unsigned)strtoul(digits, NULL, 16);
        text[n++] = (char)value;
        return n;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (i + 2 < bytes && memcmp(piece + i, "\xe2\x96\x81", 3) == 0) {
            text[n++] = ' ';
            i += 2;
        } else {
            text[n++] = piece[i];
        }
    }
    return n;
}

START_TEST(stories260k_tells_its_story)
{
    static last_logits last;
    const char *path = data_path("models/stories260k/greedy200.txt");
    ac_error error = AC_ERROR_INIT;
    aci_gguf *gguf;
    int32_t ids[256] = { 1 }; /* <s> */
    char text[2048] = { 0 }, *wanted;
    size_t n = 0, n_ids = 1, n_wanted;
    aci_memory memory;
    runner r;

    if (path == NULL)
        return;
    aci_platform_memory_init(&memory);
    expect_ok(aci_platform_read_file(&wanted, &n_wanted, &memory, path,
                                     sizeof text - 64, &error), &error);
    path = data_path("models/stories260k/stories260k-f32.gguf");
    expect_ok(aci_model_gguf_open(&gguf, &memory, path, &error), &error);
    open_runner(&r, path, 256, "reference");
    while (n < n_wanted && n_ids < 201) {
        expect_ok(aci_engine_score(r.session, ids, n_ids, 0, keep, &last,
                                   &error), &error);
        ids[n_ids] = greatest(last.values, last.n_vocab);
        if (ids[n_ids] <= 2)
            break;
        n = append_piece(text, n, gguf, ids[n_ids++]);
    }
    /* The first piece begins with the space that SentencePiece adds. */
    ck_assert_uint_ge(n, n_wanted);
    ck_assert_str_eq(text + (text[0] == ' ' && wanted[0] != ' '), wanted);
    aci_platform_free(&memory, wanted);
    aci_model_gguf_close(gguf);
    close_runner(&r);
}
END_TEST

Suite *test_golden_logits_suite(void);

Suite *test_golden_logits_suite(void)
{
    Suite *suite = suite_create("test_golden_logits");
    TCase *small = tcase_create("tiny models");
    TCase *real = tcase_create("real models");

    tcase_add_loop_test(small, logits_are_those_of_transformers, 0,
                        N_LEVELS * N_TINY);
    tcase_set_timeout(real, 60);
    tcase_add_test(real, tinystories_656k_tells_its_stories);
    tcase_add_test(real, stories260k_tells_its_story);
    suite_add_tcase(suite, small);
    suite_add_tcase(suite, real);
    return suite;
}
