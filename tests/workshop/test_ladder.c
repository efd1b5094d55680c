/* test_ladder.c - a model through the whole ladder: full is the same function
 * though its layers are in another order, less costs less, the bytes depend on
 * nothing but the model and the text, and nothing is left after a failure. */
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "../model/store_fixture.h"
#include "model/extras.h"
#include "platform/files.h"
#include "workshop/compress/ladder_recipe.h"

#define MODEL ZOO_MODEL

enum { N_TOKENS = 24 };

static const char *const family[] = {
    "full", "int8a16", "int8", "int4", "int4-lowrank", "int8-pruned",
    "int4-pruned", "int4-small"
};
enum { N_FAMILY = sizeof family / sizeof *family };

static ac_compress_options ladder_options(void)
{
    ac_compress_options options = zoo_calibrated();

    options.variants = "ladder";
    options.recovery_tokens = AC_RECOVERY_NONE;
    return options;
}

static void make(const char *zoo, const ac_compress_options *options)
{
    ck_assert_msg(ac_compress(MODEL, zoo, options, &zoo_error) == AC_OK, "%s",
                  zoo_error.message);
}

static void write_plan(char path[128], const char *text)
{
    FILE *file;

    snprintf(path, 128, "%s/plan.json", zoo_folder);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* ---- what it computes ---------------------------------------------------- */

static ac_engine *open_path(const char *path)
{
    ac_engine *engine = NULL;

    ck_assert_msg(ac_open(&engine, path, NULL, &zoo_error) == AC_OK, "%s",
                  zoo_error.message);
    return engine;
}

static uint32_t vocabulary(const ac_engine *engine)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;

    ck_assert_int_eq(ac_describe(&info, engine, NULL), AC_OK);
    return info.n_vocab;
}

/* Logits [N_TOKENS, n_vocab] of a sentence. */
static float *score(ac_engine *engine, const char *variant)
{
    static const char text[] =
        "Early in the morning the old woman went down to the river, and when "
        "she came back the house was empty.";
    ac_session_options options = AC_SESSION_OPTIONS_INIT;
    size_t n_vocab = vocabulary(engine), n = 0;
    float *logits = malloc(N_TOKENS * n_vocab * sizeof *logits);
    float logprobs[N_TOKENS];
    int32_t tokens[64];
    ac_session *session;

    options.kv_bits = 32;
    ck_assert_int_eq(ac_session_open(&session, engine, &options, NULL),
                     AC_OK);
    ck_assert_int_eq(ac_tokenize(tokens, 64, &n, engine, text, strlen(text),
                                 0, NULL), AC_OK);
    ck_assert_uint_ge(n, N_TOKENS);
    ck_assert_msg(ac_score(logprobs, logits, session, tokens, N_TOKENS,
                           variant, &zoo_error) == AC_OK, "%s",
                  zoo_error.message);
    ac_session_close(session);
    return logits;
}

static double log_sum(const float *logits, size_t n)
{
    double most = -INFINITY, sum = 0.0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - most);
    return most + log(sum);
}

/* Mean KL(a || b) over the positions. */
static double divergence(const float *a, const float *b, size_t n_vocab)
{
    double kl = 0.0;

    for (size_t t = 0; t < N_TOKENS; t++, a += n_vocab, b += n_vocab) {
        double of_a = log_sum(a, n_vocab), of_b = log_sum(b, n_vocab);

        for (size_t i = 0; i < n_vocab; i++) {
            double p = (double)a[i] - of_a, q = (double)b[i] - of_b;

            ck_assert(isfinite(p) && isfinite(q));
            kl += exp(p) * (p - q) / N_TOKENS;
        }
    }
    return kl;
}

START_TEST(full_is_the_checkpoint_and_all_variants_run)
{
    /* Many times what they lose (0.001 to 0.4 here), far from a model that
     * reads the wrong columns (above 3). */
    static const double most[] = { 1e-5, 0.002, 0.004, 0.03, 0.3, 0.5, 0.5,
                                   2.0 };
    ac_compress_options options = ladder_options();
    ac_engine *checkpoint, *zoo;
    float *reference;
    size_t n_vocab;

    make(zoo_path, &options);
    ck_assert_int_eq(zoo_n_files(zoo_path), 4);
    checkpoint = open_path(MODEL);
    zoo = open_path(zoo_path);
    n_vocab = vocabulary(zoo);
    reference = score(checkpoint, NULL);
    for (int i = 0; i < N_FAMILY; i++) {
        float *logits = score(zoo, family[i]);
        double kl = divergence(reference, logits, n_vocab);

        ck_assert_msg(kl >= -1e-9 && kl < most[i], "%s: KL %g", family[i],
                      kl);
        free(logits);
    }
    free(reference);
    ac_close(zoo);
    ac_close(checkpoint);
}
END_TEST

static ac_variant_info info_of(const ac_engine *zoo, const char *name)
{
    for (uint32_t i = 0;; i++) {
        ac_variant_info info = AC_VARIANT_INFO_INIT;

        ck_assert_msg(ac_variant_describe(&info, zoo, i, NULL) == AC_OK, "%s",
                      name);
        if (strcmp(info.name, name) == 0)
            return info;
    }
}

START_TEST(costs_fall_and_the_zoo_stays_small)
{
    static const char *const falling[] = { "full", "int8", "int8-pruned",
                                           "int4", "int4-pruned",
                                           "int4-small" };
    ac_compress_options options = ladder_options();
    char extras[128];
    ac_variant_info before = AC_VARIANT_INFO_INIT, full;
    ac_engine *zoo;
    int64_t bytes;

    make(zoo_path, &options);
    zoo = open_path(zoo_path);
    full = info_of(zoo, "full");
    for (size_t i = 0; i < sizeof falling / sizeof *falling; i++) {
        ac_variant_info now = info_of(zoo, falling[i]);

        ck_assert_msg(i == 0 || now.bytes_per_token < before.bytes_per_token,
                      "%s", falling[i]);
        before = now;
    }
    /* bits of weights times bits of activations times operations */
    ck_assert_double_gt((double)full.macs_per_token * 16 * 16 /
                            ((double)before.macs_per_token * 4 * 8), 10.0);
    ac_close(zoo);
    snprintf(extras, sizeof extras, "%s/extras.acw", zoo_path);
    bytes = aci_platform_file_size(zoo_weights) +
            aci_platform_file_size(extras);
    /* Parameters of the model at 16 bits. */
    ck_assert_int_lt(bytes, (int64_t)(1.15 * 2 * 3221952));
}
END_TEST

/* ---- what its bytes depend on -------------------------------------------- */

START_TEST(threads_and_a_kept_calibration_do_not_matter)
{
    ac_compress_options options = ladder_options();
    char other[128], cache[128];

    options.n_threads = 1;
    make(zoo_path, &options);
    snprintf(other, sizeof other, "%s/other", zoo_folder);
    snprintf(cache, sizeof cache, "%s/kept.acc", zoo_folder);
    options.calibration_cache = cache;
    options.n_threads = 2;
    make(other, &options);
    zoo_assert_same(zoo_path, other, "weights.acw");
    zoo_assert_same(zoo_path, other, "extras.acw");
}
END_TEST

static const char trained_plan[] =
    "{\"variants\": [{\"name\": \"narrow\", \"weight_bits\": 4,"
    " \"width\": 0.6, \"rank\": 0.7}]}";

/* Where the memory suffices end to end, else a layer at a time. */
START_TEST(recovery_lowers_the_divergence_at_any_thread_count)
{
    ac_compress_options options = ladder_options();
    char plan[128], other[128], *card;
    const char *before, *after;
    size_t n;

    write_plan(plan, trained_plan);
    options.variants = NULL;
    options.plan_path = plan;
    options.recovery_tokens = 4096;
    options.memory_limit_bytes = _i == 0 ? 0 : 110 << 20;
    options.n_threads = 1;
    make(zoo_path, &options);
    snprintf(other, sizeof other, "%s/other", zoo_folder);
    options.n_threads = 2;
    make(other, &options);
    zoo_assert_same(zoo_path, other, "extras.acw");
    ck_assert_int_eq(aci_platform_read_file(&card, &n, &zoo_memory, zoo_card,
                                            1 << 20, NULL), AC_OK);
    before = strstr(card, "\"kl_before\": ");
    after = strstr(card, "\"kl_after\": ");
    ck_assert(before != NULL && after != NULL);
    ck_assert_double_lt(atof(after + 12), atof(before + 13));
    aci_platform_free(&zoo_memory, card);
}
END_TEST

/* ---- what goes wrong ----------------------------------------------------- */

START_TEST(ladders_need_calibration)
{
    ac_compress_options options = ladder_options();

    options.n_calibration = 0;
    ck_assert_int_eq(ac_compress(MODEL, zoo_path, &options, &zoo_error),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_compress("synthetic:tiny", zoo_path, &options,
                                 &zoo_error), AC_E_ARGUMENT);
    ck_assert_int_eq(zoo_n_files(zoo_folder), 0);
}
END_TEST

START_TEST(bad_plans_are_named)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "{", "line 1" },
        { "[]", "variants" },
        { "{\"variants\": []}", "variants" },
        { "{\"variants\": [7]}", "name" },
        { "{\"variants\": [{\"name\": \"full\"}]}", "name" },
        { "{\"variants\": [{\"name\": \"a b\"}]}", "name" },
        { "{\"variants\": [{\"name\": \"a\", \"widht\": 0.5}]}", "widht" },
        { "{\"variants\": [{\"name\": \"a\", \"width\": 0}]}", "shares" },
        { "{\"variants\": [{\"name\": \"a\", \"width\": 1e999}]}", "line" },
        { "{\"variants\": [{\"name\": \"a\", \"rank\": -1}]}", "shares" },
        { "{\"variants\": [{\"name\": \"a\", \"weight_bits\": 5}]}", "bits" },
        { "{\"variants\": [{\"name\": \"a\", \"width\": 0.5,"
          " \"heads\": 0.5}]}", "both" },
        { "{\"variants\": [{\"name\": \"a\", \"weight_bits\": 16,"
          " \"rank\": 0.5}]}", "no rank, no compensate" },
        { "{\"variants\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}", "twice" },
    };
    ac_compress_options options = ladder_options();
    char plan[128];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ac_status status;

        write_plan(plan, cases[i].text);
        options.plan_path = plan;
        status = ac_compress(MODEL, zoo_path, &options, &zoo_error);
        ck_assert_msg(status == AC_E_FORMAT || status == AC_E_ARGUMENT, "%s",
                      cases[i].text);
        ck_assert_msg(strstr(zoo_error.message, cases[i].says) != NULL,
                      "%s: %s", cases[i].text, zoo_error.message);
        ck_assert_int_eq(zoo_n_files(zoo_folder), 1); /* the plan */
    }
}
END_TEST

static int32_t stop_at(const ac_progress *progress, void *user)
{
    return strcmp(progress->stage, user) == 0 && progress->done > 0;
}

/* What stopped runs finished is taken up, and the zoo is that of a run which
 * nobody stopped. */
START_TEST(a_stopped_run_goes_on_where_it_was)
{
    static const char *const stages[] = { "calibrate", "order", "ranks",
                                          "quantize", "int4-lowrank",
                                          "int4-pruned", "int4-small" };
    ac_compress_options options = ladder_options();
    char whole[160], left[160];
    ac_engine *engine;

    snprintf(whole, sizeof whole, "%s/whole", zoo_folder);
    snprintf(left, sizeof left, "%s.unfinished", zoo_path);
    options.recovery_tokens = 4096;
    make(whole, &options);
    options.on_progress = stop_at;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        options.progress_user = (void *)(uintptr_t)stages[i];
        ck_assert_int_eq(ac_compress(MODEL, zoo_path, &options, &zoo_error),
                         AC_E_CANCELLED);
        ck_assert_int_eq(zoo_n_files(zoo_folder), 2);
        ck_assert(ac_open(&engine, left, NULL, NULL) != AC_OK);
        ck_assert(ac_open(&engine, zoo_path, NULL, NULL) != AC_OK);
    }
    options.on_progress = NULL;
    make(zoo_path, &options);
    ck_assert_int_eq(zoo_n_files(zoo_folder), 2);
    ck_assert_int_eq(zoo_n_files(zoo_path), zoo_n_files(whole));
    zoo_assert_same(whole, zoo_path, "weights.acw");
    zoo_assert_same(whole, zoo_path, "extras.acw");
}
END_TEST

/* Other options, and files that were damaged meanwhile, are other work. */
START_TEST(other_work_is_not_taken_up)
{
    static const char *const damaged[] = { "calibration.acc", "order.stage",
                                           "weights.stage",
                                           "int4-lowrank.stage" };
    ac_compress_options options = ladder_options();
    char whole[160], path[256];

    snprintf(whole, sizeof whole, "%s/whole", zoo_folder);
    make(whole, &options);
    options.on_progress = stop_at;
    options.progress_user = (void *)(uintptr_t)"int4-small";
    options.calibration_tokens = 2048; /* the whole has 4096 */
    ck_assert_int_eq(ac_compress(MODEL, zoo_path, &options, &zoo_error),
                     AC_E_CANCELLED);
    options.calibration_tokens = 4096;
    ck_assert_int_eq(ac_compress(MODEL, zoo_path, &options, &zoo_error),
                     AC_E_CANCELLED);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        FILE *file;

        snprintf(path, sizeof path, "%s.unfinished/stages/%s", zoo_path,
                 damaged[i]);
        file = fopen(path, "r+");
        ck_assert_msg(file != NULL, "%s", path);
        ck_assert_int_eq(fseek(file, -5, SEEK_END), 0);
        fputc(0x5A, file);
        fclose(file);
    }
    options.on_progress = NULL;
    make(zoo_path, &options);
    zoo_assert_same(whole, zoo_path, "weights.acw");
    zoo_assert_same(whole, zoo_path, "extras.acw");
}
END_TEST

START_TEST(a_full_disk_leaves_nothing)
{
    struct rlimit limit = { 1 << 20, 1 << 20 };
    ac_compress_options options = ladder_options();

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(ac_compress(MODEL, zoo_path, &options, &zoo_error),
                     AC_E_DISK_FULL);
    ck_assert_int_eq(zoo_n_files(zoo_folder), 0);
}
END_TEST

/* Refused somewhere on the way, each time in another place, or enough. */
START_TEST(little_memory_leaves_nothing)
{
    ac_compress_options options = ladder_options();

    for (uint64_t limit = 22; limit < 64; limit += 14) {
        ac_status status;

        options.memory_limit_bytes = limit << 20;
        status = ac_compress(MODEL, zoo_path, &options, &zoo_error);
        if (status == AC_OK)
            break;
        ck_assert_msg(status == AC_E_NO_MEMORY, "%s", zoo_error.message);
        ck_assert_int_eq(zoo_n_files(zoo_folder), 0);
    }
}
END_TEST

Suite *test_ladder_suite(void);
Suite *test_ladder_suite(void)
{
    Suite *suite = suite_create("test_ladder");
    TCase *tcase = tcase_create("ladder");

    tcase_add_checked_fixture(tcase, zoo_enter, zoo_leave);
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, full_is_the_checkpoint_and_all_variants_run);
    tcase_add_test(tcase, costs_fall_and_the_zoo_stays_small);
    tcase_add_test(tcase, threads_and_a_kept_calibration_do_not_matter);
    tcase_add_loop_test(
        tcase, recovery_lowers_the_divergence_at_any_thread_count, 0, 2);
    tcase_add_test(tcase, ladders_need_calibration);
    tcase_add_test(tcase, bad_plans_are_named);
    tcase_add_test(tcase, a_stopped_run_goes_on_where_it_was);
    tcase_add_test(tcase, other_work_is_not_taken_up);
    tcase_add_test(tcase, a_full_disk_leaves_nothing);
    tcase_add_test(tcase, little_memory_leaves_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
