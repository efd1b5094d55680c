/* test_cuda_engine.c - whole models on the CUDA backend: every variant of the
 * shipped zoo, prompt at once and token by token, recorded passes, the public
 * interface. On the emulated device, or in `make gpu-check` on a real one. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_fixture.h"
#include "emulated_runtime.h"
#include "engine/engine_internal.h"

Suite *test_cuda_engine_suite(void);

enum { N_TOKENS = 18, N_PROMPT = 12 };
static const char zoo_path[] = "examples/models/base.zoo";

static aci_model *model;
static int32_t n_vocab;

static void setup(void)
{
    ac_error error = AC_ERROR_INIT;

    cuda_fixture_open(1024);
    ck_assert_msg(aci_model_open(&model, &fixture.memory, zoo_path, 1,
                                 &error) == AC_OK, "%s", error.message);
    n_vocab = model->shape.n_vocab;
}

static void teardown(void)
{
    aci_model_close(model);
    cuda_fixture_close();
}

static void take_logits(size_t position, const aci_logits *logits, void *user)
{
    memcpy((float *)user + position * (size_t)n_vocab, logits->values,
           (size_t)n_vocab * sizeof(float));
}

/* Logits of N_TOKENS positions: `first` at once, then one by one. */
static float *run(aci_engine *engine, int32_t variant, size_t first,
                  uint32_t kv_bits)
{
    float *out = malloc((size_t)N_TOKENS * (size_t)n_vocab * sizeof *out);
    ac_error error = AC_ERROR_INIT;
    int32_t tokens[N_TOKENS];
    aci_session *session;
    size_t i;

    ck_assert_ptr_nonnull(out);
    for (i = 0; i < N_TOKENS; i++)
        tokens[i] = (int32_t)(377 * i + 11) % n_vocab;
    ck_assert_int_eq(aci_engine_session_open(&session, engine, 64, kv_bits,
                                             NULL), AC_OK);
    ck_assert_msg(aci_engine_score(session, tokens, first, variant,
                                   take_logits, out, &error) == AC_OK, "%s",
                  error.message);
    for (i = first; i < N_TOKENS; i++)
        ck_assert_msg(aci_engine_score_more(session, tokens + i, 1, variant,
                                            take_logits, out,
                                            &error) == AC_OK, "%s",
                      error.message);
    aci_engine_session_close(session);
    return out;
}

static aci_engine *open_on(aci_backend *backend)
{
    ac_error error = AC_ERROR_INIT;
    aci_engine *engine;

    ck_assert_msg(aci_engine_open(&engine, &fixture.memory, model, backend,
                                  &error) == AC_OK, "%s", error.message);
    return engine;
}

/* Root mean square of the difference over that of the logits. */
static double distance(const float *a, const float *b)
{
    double off = 0.0, size = 0.0;
    size_t i;

    for (i = 0; i < (size_t)N_TOKENS * (size_t)n_vocab; i++) {
        double d = (double)a[i] - (double)b[i];

        ck_assert(isfinite(b[i]));
        off += d * d;
        size += (double)a[i] * (double)a[i];
    }
    return sqrt(off / size);
}

/* Products are the CPU's to the last bit; sums of norms and attention are not,
 * and one activation in thousands is then rounded the other way. */
START_TEST(every_variant_says_what_it_says_on_the_cpu)
{
    aci_engine *cpu = open_on(fixture.cpu), *cuda = open_on(fixture.cuda);
    int32_t v, step = getenv("AC_TEST_QUICK") != NULL ? 3 : 1;

    for (v = 0; v < model->n_variants; v += step) {
        double most = model->variants[v].activation_bits == 16 ? 2e-4 : 5e-3;
        float *a = run(cpu, v, N_PROMPT, 16), *b = run(cuda, v, N_PROMPT, 16);
        double off = distance(a, b);

        ck_assert_msg(off < most, "%s is %.2e off", model->variants[v].name,
                      off);
        free(a);
        free(b);
    }
    aci_engine_close(cpu);
    aci_engine_close(cuda);
}
END_TEST

/* One by one is recorded and replayed, at once is neither. */
START_TEST(token_by_token_has_the_bits_of_all_at_once)
{
    static const uint32_t kv_bits[] = { 8, 16, 32 };
    aci_engine *cuda = open_on(fixture.cuda);
    size_t bytes = (size_t)N_TOKENS * (size_t)n_vocab * sizeof(float);
    size_t replayed = emulation_graph_launches();
    int i;

    for (i = 0; i < 3; i++) {
        float *a = run(cuda, i, N_TOKENS, kv_bits[i]);
        float *b = run(cuda, i, 1, kv_bits[i]);

        ck_assert_msg(memcmp(a, b, bytes) == 0, "%s, cache of %u bits",
                      model->variants[i].name, kv_bits[i]);
        free(a);
        free(b);
    }
    if (emulation_is_on())
        ck_assert_uint_ge(emulation_graph_launches() - replayed, 3 * 14);
    aci_engine_close(cuda);
}
END_TEST

/* Two conversations in turns: neither sees the other's recorded passes. */
START_TEST(sessions_in_turns_are_what_they_are_alone)
{
    aci_engine *cuda = open_on(fixture.cuda);
    float *alone = run(cuda, 1, 1, 16);
    float *out[2];
    aci_session *sessions[2];
    int32_t token;
    size_t i;
    int s;

    for (s = 0; s < 2; s++) {
        out[s] = malloc((size_t)N_TOKENS * (size_t)n_vocab * sizeof(float));
        ck_assert_ptr_nonnull(out[s]);
        ck_assert_int_eq(aci_engine_session_open(&sessions[s], cuda, 64, 16,
                                                 NULL), AC_OK);
    }
    for (i = 0; i < N_TOKENS; i++)
        for (s = 0; s < 2; s++) {
            token = (int32_t)(377 * i + 11) % n_vocab;
            ck_assert_int_eq((i == 0 ? aci_engine_score
                                     : aci_engine_score_more)(
                                 sessions[s], &token, 1, 1, take_logits,
                                 out[s], NULL), AC_OK);
        }
    for (s = 0; s < 2; s++) {
        ck_assert_int_eq(memcmp(alone, out[s],
                                (size_t)N_TOKENS * (size_t)n_vocab *
                                    sizeof(float)), 0);
        aci_engine_session_close(sessions[s]);
        free(out[s]);
    }
    free(alone);
    aci_engine_close(cuda);
}
END_TEST

/* One token of a conversation, its logits to `out`. */
static void step(aci_session *session, int32_t token, int32_t position,
                 float *out)
{
    ck_assert_int_eq(aci_engine_forward(session, 1, &token, 1, position,
                                        session->device_logits, 1, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_engine_fetch_row(session, 0, NULL), AC_OK);
    memcpy(out, session->logits, (size_t)n_vocab * sizeof *out);
}

/* Eight rows at once want more scratch for attention than one: the graph of one
 * row, which knows the old scratch by its address, must not run again. */
START_TEST(recorded_passes_do_not_outlive_their_scratch)
{
    enum { CONTEXT = 512, ROWS = 8, GROWS_AT = 9 }; /* two chunks to join */
    aci_engine *cuda = open_on(fixture.cuda);
    float *alone = run(cuda, 1, 1, 16);
    float *out = malloc((size_t)N_TOKENS * (size_t)n_vocab * sizeof *out);
    int32_t tokens[N_TOKENS], i;
    aci_session *a, *b;

    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(aci_engine_session_open(&a, cuda, CONTEXT, 16, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_engine_session_open(&b, cuda, CONTEXT, 16, NULL),
                     AC_OK);
    for (i = 0; i < N_TOKENS; i++)
        tokens[i] = (377 * i + 11) % n_vocab;
    for (i = 0; i < N_TOKENS; i++) {
        size_t replayed = emulation_graph_launches();

        step(a, tokens[i], i, out + (size_t)i * (size_t)n_vocab);
        if (emulation_is_on() && i > 1)
            ck_assert_uint_eq(emulation_graph_launches() - replayed,
                              i != GROWS_AT);
        if (i == GROWS_AT - 1) /* met once, then recorded */
            for (int twice = 0; twice < 2; twice++)
                ck_assert_int_eq(aci_engine_forward(b, 1, tokens, ROWS, 0,
                                                    b->device_logits, ROWS,
                                                    NULL), AC_OK);
    }
    ck_assert_int_eq(memcmp(alone, out, (size_t)N_TOKENS * (size_t)n_vocab *
                                            sizeof *out), 0);
    aci_engine_session_close(a);
    aci_engine_session_close(b);
    free(alone);
    free(out);
    aci_engine_close(cuda);
}
END_TEST

enum { N_LONG = 80 };

/* Logits of N_LONG positions, `step` of them at once. */
static float *score_long(aci_engine *engine, int32_t variant, size_t step)
{
    float *out = malloc((size_t)N_LONG * (size_t)n_vocab * sizeof *out);
    int32_t tokens[N_LONG];
    aci_session *session;
    size_t i;

    ck_assert_ptr_nonnull(out);
    for (i = 0; i < N_LONG; i++)
        tokens[i] = (int32_t)(377 * i + 11) % n_vocab;
    ck_assert_int_eq(aci_engine_session_open(&session, engine, 96, 16, NULL),
                     AC_OK);
    for (i = 0; i < N_LONG; i += step)
        ck_assert_int_eq((i == 0 ? aci_engine_score : aci_engine_score_more)(
                             session, tokens + i, step, variant, take_logits,
                             out, NULL), AC_OK);
    aci_engine_session_close(session);
    return out;
}

/* 80 rows go to multiply_wide.cu where the device has it, 40 never: no bit may
 * tell. (On the emulated one, a wide product that goes wrong must tell.) */
START_TEST(a_long_prompt_has_the_bits_of_its_halves)
{
    static const int32_t variants[] = { 0, 2 };
    aci_engine *cuda;
    size_t bytes = (size_t)N_LONG * (size_t)n_vocab * sizeof(float);
    int i;

    emulation_code(EMULATION_HAS_SM_90A);
    cuda_fixture_reopen(1024);
    cuda = open_on(fixture.cuda);
    for (i = 0; i < 2; i++) {
        float *whole = score_long(cuda, variants[i], N_LONG);
        float *halves = score_long(cuda, variants[i], N_LONG / 2);

        ck_assert_int_eq(memcmp(whole, halves, bytes), 0);
        free(whole);
        emulation_swap_offsets(1);
        whole = score_long(cuda, variants[i], N_LONG);
        emulation_swap_offsets(0);
        if (emulation_is_on())
            ck_assert_int_ne(memcmp(whole, halves, bytes), 0);
        free(whole);
        free(halves);
    }
    aci_engine_close(cuda);
}
END_TEST

/* ---- the public interface ------------------------------------------------ */

static void say(char *out, size_t bytes, const char *device,
                const char *variant)
{
    ac_open_options opening = AC_OPEN_OPTIONS_INIT;
    ac_session_options session_options = AC_SESSION_OPTIONS_INIT;
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_error error = AC_ERROR_INIT;
    const char prompt[] = "Format this reference in APA style.";
    ac_engine *engine;
    ac_session *session;

    opening.device = device;
    session_options.n_context = 64;
    ck_assert_msg(ac_open(&engine, zoo_path, &opening, &error) == AC_OK, "%s",
                  error.message);
    ck_assert_int_eq(ac_describe(&info, engine, NULL), AC_OK);
    ck_assert_msg(strncmp(info.device, device, strlen(device)) == 0, "%s",
                  info.device);
    ck_assert_int_eq(ac_session_open(&session, engine, &session_options,
                                     NULL), AC_OK);
    options.variant = variant;
    options.max_tokens = 6;
    ck_assert_msg(ac_generate(&result, session, prompt, strlen(prompt),
                              &options, &error) == AC_OK, "%s",
                  error.message);
    snprintf(out, bytes, "%s", result.text);
    ac_session_close(session);
    ac_close(engine);
}

START_TEST(generates_through_the_public_interface)
{
    char cpu[256], cuda[256];

    say(cpu, sizeof cpu, "cpu", "int8");
    say(cuda, sizeof cuda, "cuda:0", "int8");
    ck_assert_uint_gt(strlen(cpu), 0);
    ck_assert_str_eq(cpu, cuda);
}
END_TEST

Suite *test_cuda_engine_suite(void)
{
    Suite *suite = suite_create("test_cuda_engine");
    TCase *tc = tcase_create("engine");

    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_variant_says_what_it_says_on_the_cpu);
    tcase_add_test(tc, token_by_token_has_the_bits_of_all_at_once);
    tcase_add_test(tc, sessions_in_turns_are_what_they_are_alone);
    tcase_add_test(tc, recorded_passes_do_not_outlive_their_scratch);
    tcase_add_test(tc, a_long_prompt_has_the_bits_of_its_halves);
    tcase_add_test(tc, generates_through_the_public_interface);
    suite_add_tcase(suite, tc);
    return suite;
}
