/* train_fixture.c - see train_fixture.h. */
#include "workshop/train_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/files.h"

aci_memory train_memory;
ac_error train_error;
ac_training_options train_options;

static char folder[64], start[512];
static const char *const data[] = { "data.jsonl" };

static const char config[] =
    "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\",\n"
    " \"hidden_act\": \"silu\", \"hidden_size\": 32,\n"
    " \"intermediate_size\": 48, \"max_position_embeddings\": 64,\n"
    " \"num_attention_heads\": 2, \"num_key_value_heads\": 1,\n"
    " \"num_hidden_layers\": 2, \"rms_norm_eps\": 1e-05,\n"
    " \"rope_theta\": 10000.0, \"tie_word_embeddings\": true,\n"
    " \"vocab_size\": 600}\n";

void train_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

char *train_read(size_t *n, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t capacity = 1 << 22;
    char *bytes = malloc(capacity);

    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_ptr_nonnull(bytes);
    *n = fread(bytes, 1, capacity - 1, file);
    bytes[*n] = '\0';
    fclose(file);
    return bytes;
}

static void copy_tokenizer(const char *name)
{
    char from[640], to[96];
    size_t n;
    char *bytes;

    snprintf(from, sizeof from, "%s/tests/golden/tokenizer/bytes/%s", start,
             name);
    snprintf(to, sizeof to, "model/%s", name);
    bytes = train_read(&n, from);
    train_write(to, bytes);
    free(bytes);
}

/* Sums of small numbers in words. */
static void write_data(void)
{
    static const char *const words[] = { "zero", "one", "two", "three",
                                         "four", "five", "six", "seven",
                                         "eight" };
    char text[16000];
    size_t n = 0;

    for (int i = 0; i < 150; i++) {
        int a = i * 7 % 5, b = i * 3 % 4;

        n += (size_t)snprintf(text + n, sizeof text - n,
                              "{\"prompt\": \"%s and %s (%d) is\", "
                              "\"completion\": \" %s\"}\n", words[a],
                              words[b], i, words[a + b]);
    }
    train_write("data.jsonl", text);
    train_write("held.txt", "one and two is three\n\n\ntwo and two is four\n");
}

void train_set_up(void)
{
    const ac_training_options defaults = AC_TRAINING_OPTIONS_INIT;

    aci_platform_memory_init(&train_memory);
    train_error = (ac_error)AC_ERROR_INIT;
    train_options = defaults;
    train_options.data = data;
    train_options.n_data = 1;
    train_options.n_steps = 10;
    train_options.batch_tokens = 128;
    train_options.seed = 3;
    ck_assert_ptr_nonnull(getcwd(start, sizeof start));
    strcpy(folder, "/tmp/ac-train-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(aci_platform_make_directory("model", NULL), AC_OK);
    train_write("model/config.json", config);
    copy_tokenizer("tokenizer.json");
    copy_tokenizer("tokenizer_config.json");
    write_data();
}

void train_tear_down(void)
{
    char command[96];

    ck_assert_uint_eq(train_memory.used_bytes, 0);
    ck_assert_int_eq(chdir(start), 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

ac_status train_run(const char *model, const char *out, uint32_t n_threads,
                    ac_training_report *report)
{
    ac_training_report found = AC_TRAINING_REPORT_INIT;
    aci_pool *pool = NULL;
    ac_status status = aci_platform_pool_create(&pool, &train_memory,
                                                n_threads, &train_error);

    train_error.message[0] = '\0';
    if (status == AC_OK)
        status = aci_workshop_train(&train_memory, pool, &found, model, out,
                                    &train_options, &train_error);
    aci_platform_pool_free(pool);
    if (report != NULL)
        *report = found;
    return status;
}

static int32_t stop_at(const ac_training_progress *progress, void *user)
{
    return progress->step >= *(const uint64_t *)user;
}

ac_status train_until(const char *model, const char *out, uint32_t n_threads,
                      uint64_t step)
{
    ac_status status;

    train_options.on_progress = stop_at;
    train_options.progress_user = &step;
    status = train_run(model, out, n_threads, NULL);
    train_options.on_progress = NULL;
    train_options.progress_user = NULL;
    return status;
}

/* Where the parameters begin in a train.state, and how long they are. */
static const char *parameters(size_t *n, const char *state, size_t n_state)
{
    uint64_t sizes[3];
    size_t at;

    memcpy(sizes, state + 16, sizeof sizes);
    at = 40 + sizes[0] + sizes[1];
    *n = sizes[2] * sizeof(float);
    ck_assert_uint_eq(at + *n + 8, n_state);
    return state + at;
}

void train_expect_same(const char *one, const char *other)
{
    char path[128];
    size_t n_a, n_b, n_values_a, n_values_b;
    char *a, *b;

    snprintf(path, sizeof path, "%s/train.state", one);
    a = train_read(&n_a, path);
    snprintf(path, sizeof path, "%s/train.state", other);
    b = train_read(&n_b, path);
    {
        const char *values_a = parameters(&n_values_a, a, n_a);
        const char *values_b = parameters(&n_values_b, b, n_b);

        ck_assert_uint_eq(n_values_a, n_values_b);
        ck_assert_msg(memcmp(values_a, values_b, n_values_a) == 0,
                      "%s and %s differ", one, other);
    }
    free(b);
    free(a);
}
