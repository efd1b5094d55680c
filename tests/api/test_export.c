/* test_export.c - variants as files for other engines: every architecture
 * comes back with the same logits and tokens; what cannot be served is
 * refused; what goes wrong leaves nothing behind. */
#include <check.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zoo_fixture.h"

#define MODELS "tests/golden/models/"

Suite *test_export_suite(void);

static const char *zoo;

static void setup(void)
{
    zoo = make_zoo();
}

static void teardown(void)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf '%s'", beside_zoo(""));
    ck_assert_int_eq(system(command), 0);
}

/* ---- a model of every architecture --------------------------------------- */

/* 94 letters, a space, five merges, two special tokens: fits 128 rows. */
static void write_tokenizer(const char *folder)
{
    char path[512];
    FILE *file;
    int i;

    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "{\"added_tokens\": [{\"id\": 0, \"content\": \"<|end|>\", "
            "\"special\": true}, {\"id\": 101, \"content\": \"<|x|>\", "
            "\"special\": true}], \"pre_tokenizer\": {\"type\": "
            "\"ByteLevel\", \"add_prefix_space\": false}, \"model\": "
            "{\"type\": \"BPE\", \"vocab\": {\"<|end|>\": 0");
    for (i = 33; i < 127; i++)
        fprintf(file, ", \"%s%c\": %d", i == '"' || i == '\\' ? "\\" : "", i,
                i - 32);
    fprintf(file, ", \"\xC4\xA0\": 95, \"th\": 96, \"the\": 97, "
            "\"\xC4\xA0t\": 98, \"in\": 99, \"\xC4\xA0the\": 100}, "
            "\"merges\": [\"t h\", \"th e\", \"\xC4\xA0 t\", \"i n\", "
            "\"\xC4\xA0 the\"]}}");
    fclose(file);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "{\"eos_token\": \"<|end|>\"}");
    fclose(file);
}

/* "<beside>/<name>.zoo" of a golden model that has got a tokenizer. */
static void make_model(char *out, size_t n, const char *name)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    char folder[256], command[1024], *here = getcwd(NULL, 0);

    ck_assert_ptr_nonnull(here);
    snprintf(folder, sizeof folder, "%s", beside_zoo(name));
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    snprintf(command, sizeof command, "cp %s/" MODELS "%s/* %s", here, name,
             folder);
    ck_assert_int_eq(system(command), 0);
    if (strncmp(name, "rope", 4) == 0) { /* those share the weights of one */
        snprintf(command, sizeof command, "cp -n %s/" MODELS
                 "llama/*.safetensors %s", here, folder);
        ck_assert_int_eq(system(command), 0);
    }
    write_tokenizer(folder);
    snprintf(out, n, "%s.zoo", folder);
    options.variants = "full,int8,int4,int8a16,int4a16,int4h4";
    options.group = 32;
    ck_assert_msg(ac_compress(folder, out, &options, &error) == AC_OK,
                  "%s: %s", name, error.message);
    free(here);
}

enum { N_TOKENS = 8 };
static const int32_t tokens[N_TOKENS] = { 3, 97, 120, 1, 64, 99, 100, 5 };

static float *score(const char *path, const char *variant, uint32_t *n_vocab)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_session_options session_options = AC_SESSION_OPTIONS_INIT;
    ac_engine *engine = open_zoo(path, NULL);
    ac_session *session = NULL;
    float logprobs[N_TOKENS], *logits;
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(ac_describe(&info, engine, NULL), AC_OK);
    *n_vocab = info.n_vocab;
    logits = malloc(N_TOKENS * info.n_vocab * sizeof *logits);
    ck_assert_ptr_nonnull(logits);
    session_options.kv_bits = 32;
    session_options.n_context = N_TOKENS;
    ck_assert_int_eq(ac_session_open(&session, engine, &session_options,
                                     NULL), AC_OK);
    ck_assert_msg(ac_score(logprobs, logits, session, tokens, N_TOKENS,
                           variant, &error) == AC_OK, "%s", error.message);
    ac_session_close(session);
    ac_close(engine);
    return logits;
}

/* Root mean square of the difference over that of the first. */
static double relative(const float *a, const float *b, size_t n)
{
    double difference = 0.0, whole = 0.0;

    for (size_t i = 0; i < n; i++) {
        difference += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
        whole += (double)a[i] * (double)a[i];
    }
    return sqrt(difference / whole);
}

/* Logits of `variant` and of its export; 16-bit activations leave the weights
 * alone to differ. */
static double export_and_compare(const char *from, const char *out,
                                 const char *variant, const char *type,
                                 ac_export_report *report)
{
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    uint32_t n = 0, n_back = 0;
    float *ours, *back;
    double found;

    options.variant = variant;
    options.type = type;
    options.overwrite = 1;
    ck_assert_msg(ac_export(report, from, out, &options, &error) == AC_OK,
                  "%s as %s: %s", from, variant, error.message);
    ours = score(from, variant, &n);
    back = score(out, "full", &n_back);
    ck_assert_uint_eq(n, n_back);
    found = relative(ours, back, (size_t)n * N_TOKENS);
    free(ours);
    free(back);
    return found;
}

static void assert_same_tokens(const char *from, const char *out)
{
    static const char text[] = "the thin tin, in the <|x|> end <|end|>";
    ac_engine *a = open_zoo(from, NULL), *b = open_zoo(out, NULL);
    int32_t ours[64], back[64];
    size_t n = 0, n_back = 0;

    for (uint32_t special = 0; special < 2; special++) {
        ck_assert_int_eq(ac_tokenize(ours, 64, &n, a, text, sizeof text - 1,
                                     special, NULL), AC_OK);
        ck_assert_int_eq(ac_tokenize(back, 64, &n_back, b, text,
                                     sizeof text - 1, special, NULL), AC_OK);
        ck_assert_uint_eq(n, n_back);
        ck_assert_mem_eq(ours, back, n * sizeof *ours);
    }
    ac_close(a);
    ac_close(b);
}

static const char *const names[] = {
    "llama", "llama-tied-bias", "llama-sharded", "mistral", "qwen2", "qwen3",
    "rope-linear", "rope-llama3", "rope-yarn", "rope-dynamic",
};
enum { N_NAMES = sizeof names / sizeof *names };

START_TEST(gguf_of_every_architecture_comes_back)
{
    static const struct {
        const char *variant, *type;
        double most, weights; /* rounding of the type */
    } rows[] = {
        { "full", NULL, 3e-3, 5e-4 },   { "full", "bf16", 3e-2, 4e-3 },
        { "full", "f32", 5e-4, 1e-7 },  { "int8a16", NULL, 3e-3, 5e-4 },
        { "int4a16", NULL, 3e-3, 5e-4 }, { "int4h4", NULL, 1e-1, 5e-4 },
        { "int4a16", "q8_0", 3e-3, 5e-4 }, { "int8", "f32", 1e-1, 1e-7 },
    };
    ac_export_report report = AC_EXPORT_REPORT_INIT;
    char from[300], out[256];

    make_model(from, sizeof from, names[_i]);
    snprintf(out, sizeof out, "%s", beside_zoo("out.gguf"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double found = export_and_compare(from, out, rows[i].variant,
                                          rows[i].type, &report);

        ck_assert_msg(found <= rows[i].most, "%s %s %s: off by %g", names[_i],
                      rows[i].variant, rows[i].type ? rows[i].type : "",
                      found);
        ck_assert_msg(report.weight_error <= rows[i].weights,
                      "%s %s %s: weights off by %g", names[_i],
                      rows[i].variant, rows[i].type ? rows[i].type : "",
                      report.weight_error);
        ck_assert_uint_eq(report.logits_compared, 1);
        ck_assert_uint_eq(report.n_texts, 4);
        ck_assert_uint_eq(report.n_texts_differ, 0);
        ck_assert_uint_gt(report.n_bytes, 10000);
    }
    assert_same_tokens(from, out);
}
END_TEST

START_TEST(directory_of_every_architecture_comes_back)
{
    static const struct {
        const char *variant, *type;
        double most, weights;
    } rows[] = {
        { "full", NULL, 3e-2, 4e-3 },    { "full", "f16", 3e-3, 5e-4 },
        { "int8a16", NULL, 3e-3, 5e-4 }, { "int4a16", NULL, 3e-3, 5e-4 },
        { "int8", NULL, 1e-1, 1e-2 },    { "int8a16", "w8a8", 5e-2, 1e-2 },
        { "int4a16", "w8a16", 3e-3, 5e-4 }, { "int4a16", "bf16", 3e-2, 4e-3 },
        { "int4h4", NULL, 1e-1, 5e-4 },
    };
    ac_export_report report = AC_EXPORT_REPORT_INIT;
    char from[300], out[256];

    make_model(from, sizeof from, names[_i]);
    snprintf(out, sizeof out, "%s", beside_zoo("out"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double found = export_and_compare(from, out, rows[i].variant,
                                          rows[i].type, &report);

        ck_assert_msg(found <= rows[i].most, "%s %s %s: off by %g", names[_i],
                      rows[i].variant, rows[i].type ? rows[i].type : "",
                      found);
        ck_assert_msg(report.weight_error <= rows[i].weights,
                      "%s %s %s: weights off by %g", names[_i],
                      rows[i].variant, rows[i].type ? rows[i].type : "",
                      report.weight_error);
        ck_assert_uint_eq(report.logits_compared, 1);
        ck_assert_uint_eq(report.n_texts_differ, 0);
    }
    assert_same_tokens(from, out);
}
END_TEST

/* ---- refusals ------------------------------------------------------------ */

static void assert_refused(const char *from, const char *out,
                           const ac_export_options *options, ac_status wanted,
                           const char *word)
{
    ac_export_report report = AC_EXPORT_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_status status = ac_export(&report, from, out, options, &error);

    ck_assert_msg(status == wanted, "%s: %s", ac_status_name(status),
                  error.message);
    ck_assert_msg(strstr(error.message, word) != NULL, "\"%s\" lacks %s",
                  error.message, word);
}

/* Names in the folder of the zoo, itself among them. */
static int n_beside(void)
{
    DIR *listing = opendir(beside_zoo(""));
    int n = -2;

    ck_assert_ptr_nonnull(listing);
    while (readdir(listing) != NULL)
        n++;
    closedir(listing);
    return n;
}

START_TEST(what_the_format_has_not_is_refused)
{
    static const struct {
        const char *variant, *type, *format, *word;
        ac_status status;
    } rows[] = {
        { "none", NULL, NULL, "none", AC_E_NOT_FOUND },
        { "full", "q9_9", NULL, "q9_9", AC_E_ARGUMENT },
        { "full", NULL, "onnx", "onnx", AC_E_ARGUMENT },
        { "full", "q8_0", NULL, "16 bits", AC_E_UNSUPPORTED },
        { "int8", "q4_0", NULL, "8 bits", AC_E_UNSUPPORTED },
        { "int4", "q4_0", "compressed-tensors", "q4_0", AC_E_ARGUMENT },
        { "int8", "w4a16", "compressed-tensors", "8 bits",
          AC_E_UNSUPPORTED },
        { "full", "w8a8", "compressed-tensors", "16 bits",
          AC_E_UNSUPPORTED },
    };
    char out[256];

    snprintf(out, sizeof out, "%s", beside_zoo("out.gguf"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ac_export_options options = AC_EXPORT_OPTIONS_INIT;

        options.variant = rows[i].variant;
        options.type = rows[i].type;
        options.format = rows[i].format;
        assert_refused(zoo, out, &options, rows[i].status, rows[i].word);
        ck_assert_int_eq(n_beside(), 1);
    }
    ck_assert_int_eq(ac_export(NULL, NULL, out, NULL, NULL), AC_E_ARGUMENT);
    ck_assert_int_eq(ac_export(NULL, zoo, NULL, NULL, NULL), AC_E_ARGUMENT);
    assert_refused(beside_zoo("nowhere.zoo"), out, NULL, AC_E_NOT_FOUND, "");
}
END_TEST

/* Rows of 172 values in blocks of 32. */
START_TEST(rows_that_fill_no_block_are_refused)
{
    const char *root = getenv("AC_TEST_DATA");
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;
    char from[512], out[256];

    snprintf(from, sizeof from, "%s/models/stories260k/stories260k-f32.gguf",
             root ? root : "../shared/data");
    if (access(from, R_OK) != 0) {
        printf("SKIP export: %s is not there (set AC_TEST_DATA)\n", from);
        return;
    }
    snprintf(out, sizeof out, "%s", beside_zoo("stories.zoo"));
    ck_assert_int_eq(ac_compress(from, out, NULL, NULL), AC_OK);
    options.variant = "int4";
    assert_refused(out, beside_zoo("s.gguf"), &options, AC_E_UNSUPPORTED,
                   "ffn_down.weight has rows of 172");
    assert_refused(out, beside_zoo("s"), &options, AC_E_UNSUPPORTED,
                   "groups of 64");
    options.type = "f16";
    ck_assert_int_eq(ac_export(NULL, out, beside_zoo("s.gguf"), &options,
                               NULL), AC_OK);
}
END_TEST

START_TEST(what_is_there_is_left_alone)
{
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    char out[256];
    FILE *file;

    snprintf(out, sizeof out, "%s", beside_zoo("mine.gguf"));
    file = fopen(out, "w");
    ck_assert_ptr_nonnull(file);
    fputs("a letter", file);
    fclose(file);
    assert_refused(zoo, out, NULL, AC_E_ARGUMENT, "exists");
    options.overwrite = 1;
    assert_refused(zoo, out, &options, AC_E_ARGUMENT, "no GGUF");
    options.format = "gguf";
    assert_refused(zoo, zoo, &options, AC_E_ARGUMENT, "directory");
    options.format = "compressed-tensors";
    assert_refused(zoo, zoo, &options, AC_E_ARGUMENT, "no export");
    options.format = NULL;
    ck_assert_int_eq(unlink(out), 0);
    options.overwrite = 0;
    ck_assert_msg(ac_export(NULL, zoo, out, &options, &error) == AC_OK, "%s",
                  error.message);
    assert_refused(zoo, out, &options, AC_E_ARGUMENT, "exists");
    options.overwrite = 1;
    ck_assert_int_eq(ac_export(NULL, zoo, out, &options, NULL), AC_OK);
}
END_TEST

/* ---- what goes wrong ----------------------------------------------------- */

static int32_t stop_at(const ac_progress *progress, void *user)
{
    return strcmp(progress->stage, user) == 0;
}

START_TEST(cancelled_at_every_stage_leaves_nothing)
{
    static const char *const stages[] = { "export", "compare", "run" };
    static const char *const outs[] = { "out.gguf", "out" };
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;

    options.on_progress = stop_at;
    for (size_t i = 0; i < 6; i++) {
        options.progress_user = (void *)(uintptr_t)stages[i % 3];
        assert_refused(zoo, beside_zoo(outs[i / 3]), &options,
                       AC_E_CANCELLED, "stopped");
        ck_assert_int_eq(n_beside(), 1);
    }
}
END_TEST

START_TEST(full_disk_leaves_nothing)
{
    static const char *const outs[] = { "out.gguf", "out" };
    const struct rlimit limit = { 20000, 20000 };

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 2; i++) {
        assert_refused(zoo, beside_zoo(outs[i]), NULL, AC_E_DISK_FULL, "");
        ck_assert_int_eq(n_beside(), 1);
    }
}
END_TEST

static void count_notes(int32_t level, const char *text, void *user)
{
    ck_assert_int_eq(level, AC_LOG_WARNING);
    *(int *)user += strstr(text, "logits were not compared") != NULL;
}

START_TEST(little_memory_leaves_out_the_logits)
{
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;
    ac_export_report report = AC_EXPORT_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;
    int n_notes = 0;

    options.memory_limit_bytes = 1 << 20;
    options.n_threads = 1;
    options.on_log = count_notes;
    options.log_user = &n_notes;
    ck_assert_msg(ac_export(&report, zoo, beside_zoo("out.gguf"), &options,
                            &error) == AC_OK, "%s", error.message);
    ck_assert_uint_eq(report.logits_compared, 0);
    ck_assert_int_eq(n_notes, 1);
    options.memory_limit_bytes = 10000;
    assert_refused(zoo, beside_zoo("other.gguf"), &options, AC_E_NO_MEMORY,
                   "memory");
    ck_assert_int_eq(n_beside(), 2);
}
END_TEST

Suite *test_export_suite(void)
{
    Suite *suite = suite_create("test_export");
    TCase *tests = tcase_create("export");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, gguf_of_every_architecture_comes_back, 0,
                        N_NAMES);
    tcase_add_loop_test(tests, directory_of_every_architecture_comes_back, 0,
                        N_NAMES);
    tcase_add_test(tests, what_the_format_has_not_is_refused);
    tcase_add_test(tests, rows_that_fill_no_block_are_refused);
    tcase_add_test(tests, what_is_there_is_left_alone);
    tcase_add_test(tests, cancelled_at_every_stage_leaves_nothing);
    tcase_add_test(tests, full_disk_leaves_nothing);
    tcase_add_test(tests, little_memory_leaves_out_the_logits);
    suite_add_tcase(suite, tests);
    return suite;
}
