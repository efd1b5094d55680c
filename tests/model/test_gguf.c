/* test_gguf.c - the GGUF container: small files written here byte by byte,
 * truncated at every byte, mutated, and told to hold absurd things. */
#include "model/gguf.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/checkpoint.h"
#include "platform/files.h"
#include "platform/random.h"

#define TINY "tests/golden/models/qwen2.gguf"

static char path[64];
static aci_memory memory;

static void enter(void)
{
    int file;

    aci_platform_memory_init(&memory);
    strcpy(path, "/tmp/ac-test-gguf-XXXXXX");
    file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

static void leave(void)
{
    unlink(path);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* ---- writing ----------------------------------------------------------- */

typedef struct image {
    uint8_t bytes[8192];
    size_t n;
} image;

static void put(image *out, const void *bytes, size_t n)
{
    ck_assert_uint_le(out->n + n, sizeof out->bytes);
    memcpy(out->bytes + out->n, bytes, n);
    out->n += n;
}

static void put_u32(image *out, uint32_t value)
{
    put(out, &value, sizeof value);
}

static void put_u64(image *out, uint64_t value)
{
    put(out, &value, sizeof value);
}

static void put_string(image *out, const char *text)
{
    put_u64(out, strlen(text));
    put(out, text, strlen(text));
}

static void begin(image *out, uint64_t n_tensors, uint64_t n_pairs)
{
    out->n = 0;
    put(out, "GGUF", 4);
    put_u32(out, 3);
    put_u64(out, n_tensors);
    put_u64(out, n_pairs);
}

static void put_tensor(image *out, const char *name, uint64_t columns,
                       uint64_t rows, uint32_t type, uint64_t at)
{
    put_string(out, name);
    put_u32(out, 2);
    put_u64(out, columns);
    put_u64(out, rows);
    put_u32(out, type);
    put_u64(out, at);
}

static void pad(image *out)
{
    while (out->n % 32 != 0)
        put(out, "", 1);
}

static void save(const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static ac_status open_image(aci_gguf **out, const image *source)
{
    ac_error error = AC_ERROR_INIT;
    ac_status status;

    save(source->bytes, source->n);
    status = aci_model_gguf_open(out, &memory, path, &error);
    ck_assert_int_eq((*out == NULL), (status != AC_OK));
    if (status != AC_OK)
        ck_assert_int_ne(error.message[0], 0);
    return status;
}

static void expect(const image *source, ac_status wanted)
{
    aci_gguf *gguf;

    ck_assert_int_eq(open_image(&gguf, source), wanted);
    aci_model_gguf_close(gguf);
}

/* One of everything: 7 pairs, 2 tensors of 4 x 2 floats. */
static void whole(image *out)
{
    begin(out, 2, 7);
    put_string(out, "a.text"), put_u32(out, 8), put_string(out, "word");
    put_string(out, "a.i8"), put_u32(out, 1), put(out, "\xfe", 1);
    put_string(out, "a.u32"), put_u32(out, 4), put_u32(out, 4000000000u);
    put_string(out, "a.f32"), put_u32(out, 6), put(out, "\0\0\0\x3f", 4);
    put_string(out, "a.flag"), put_u32(out, 7), put(out, "\1", 1);
    put_string(out, "a.words"), put_u32(out, 9), put_u32(out, 8);
    put_u64(out, 2), put_string(out, "one"), put_string(out, "");
    put_string(out, "a.numbers"), put_u32(out, 9), put_u32(out, 5);
    put_u64(out, 2), put_u32(out, 7), put_u32(out, UINT32_MAX);
    put_tensor(out, "first", 4, 2, 0, 0);
    put_tensor(out, "second", 4, 2, 0, 32);
    pad(out);
    for (uint32_t i = 0; i < 16; i++)
        put_u32(out, i);
}

/* ---- what is read ------------------------------------------------------ */

START_TEST(everything_is_found_by_key)
{
    image file;
    aci_gguf *gguf;
    int64_t integer;
    double real;
    const char *text;
    size_t n;

    whole(&file);
    ck_assert_int_eq(open_image(&gguf, &file), AC_OK);
    ck_assert(aci_model_gguf_string(&text, &n, gguf, "a.text"));
    ck_assert_uint_eq(n, 4);
    ck_assert_mem_eq(text, "word", 4);
    ck_assert(aci_model_gguf_integer(&integer, gguf, "a.i8"));
    ck_assert_int_eq(integer, -2);
    ck_assert(aci_model_gguf_integer(&integer, gguf, "a.u32"));
    ck_assert_int_eq(integer, 4000000000);
    ck_assert(aci_model_gguf_real(&real, gguf, "a.f32"));
    ck_assert_double_eq(real, 0.5);
    ck_assert(aci_model_gguf_integer(&integer, gguf, "a.flag"));
    ck_assert_int_eq(integer, 1);
    ck_assert(aci_model_gguf_array_length(&n, gguf, "a.words"));
    ck_assert_uint_eq(n, 2);
    ck_assert(aci_model_gguf_array_string(&text, &n, gguf, "a.words", 0));
    ck_assert_mem_eq(text, "one", 3);
    ck_assert(aci_model_gguf_array_string(&text, &n, gguf, "a.words", 1));
    ck_assert_uint_eq(n, 0);
    ck_assert(aci_model_gguf_array_integer(&integer, gguf, "a.numbers", 1));
    ck_assert_int_eq(integer, -1);
    ck_assert_ptr_nonnull(aci_model_gguf_find(gguf, "second"));
    ck_assert_uint_eq(aci_model_gguf_find(gguf, "second")->data[0], 8);
    aci_model_gguf_close(gguf);
}
END_TEST

START_TEST(what_is_not_there_or_of_another_kind_is_not_given)
{
    image file;
    aci_gguf *gguf;
    int64_t integer;
    double real;
    const char *text;
    size_t n;

    whole(&file);
    ck_assert_int_eq(open_image(&gguf, &file), AC_OK);
    ck_assert(!aci_model_gguf_integer(&integer, gguf, "a"));
    ck_assert(!aci_model_gguf_integer(&integer, gguf, "a.text"));
    ck_assert(!aci_model_gguf_integer(&integer, gguf, "a.f32"));
    ck_assert(!aci_model_gguf_real(&real, gguf, "a.words"));
    ck_assert(!aci_model_gguf_string(&text, &n, gguf, "a.words"));
    ck_assert(!aci_model_gguf_array_length(&n, gguf, "a.text"));
    ck_assert(!aci_model_gguf_array_string(&text, &n, gguf, "a.words", 2));
    ck_assert(!aci_model_gguf_array_string(&text, &n, gguf, "a.numbers", 0));
    ck_assert(!aci_model_gguf_array_integer(&integer, gguf, "a.words", 0));
    ck_assert(!aci_model_gguf_array_real(&real, gguf, "a.numbers", 2));
    ck_assert_ptr_null(aci_model_gguf_find(gguf, "third"));
    aci_model_gguf_close(gguf);
}
END_TEST

/* ---- hostility --------------------------------------------------------- */

START_TEST(truncated_anywhere_is_an_error)
{
    image file;
    size_t n;

    whole(&file);
    n = file.n;
    for (file.n = 0; file.n < n; file.n++)
        expect(&file, AC_E_FORMAT);
}
END_TEST

START_TEST(absurd_counts_allocate_nothing)
{
    image file;

    begin(&file, UINT64_MAX, 0);
    expect(&file, AC_E_FORMAT);
    begin(&file, 0, UINT64_MAX);
    expect(&file, AC_E_FORMAT);
    begin(&file, 1000, 0);
    expect(&file, AC_E_FORMAT);
    begin(&file, 0, 1);
    put_u64(&file, UINT64_MAX - 7); /* a key that long */
    put_u64(&file, 0), put_u64(&file, 0);
    expect(&file, AC_E_FORMAT);
    begin(&file, 0, 1);
    put_string(&file, "k"), put_u32(&file, 9), put_u32(&file, 8);
    put_u64(&file, UINT64_MAX / 4), put_u64(&file, 0);
    expect(&file, AC_E_FORMAT);
    begin(&file, 0, 1);
    put_string(&file, "k"), put_u32(&file, 9), put_u32(&file, 9);
    put_u64(&file, 1), put_u64(&file, 0), put_u64(&file, 0);
    expect(&file, AC_E_UNSUPPORTED); /* arrays of arrays */
    begin(&file, 0, 1);
    put_string(&file, "k"), put_u32(&file, 99), put_u64(&file, 0);
    expect(&file, AC_E_FORMAT);
}
END_TEST

START_TEST(other_versions_are_named)
{
    image file;

    begin(&file, 0, 0);
    file.bytes[4] = 1;
    expect(&file, AC_E_UNSUPPORTED);
    file.bytes[4] = 2;
    expect(&file, AC_OK);
    memcpy(file.bytes + 4, "\0\0\0\3", 4);
    expect(&file, AC_E_UNSUPPORTED); /* big-endian */
}
END_TEST

START_TEST(duplicates_are_refused)
{
    image file;

    begin(&file, 0, 2);
    put_string(&file, "k"), put_u32(&file, 0), put(&file, "", 1);
    put_string(&file, "k"), put_u32(&file, 0), put(&file, "", 1);
    expect(&file, AC_E_FORMAT);
    begin(&file, 2, 0);
    put_tensor(&file, "t", 4, 2, 0, 0);
    put_tensor(&file, "t", 4, 2, 0, 32);
    pad(&file);
    for (int i = 0; i < 16; i++)
        put_u32(&file, 0);
    expect(&file, AC_E_FORMAT);
}
END_TEST

/* One tensor and 64 bytes of data behind it. */
static void expect_tensor(uint64_t columns, uint64_t rows, uint32_t type,
                          uint64_t at, ac_status wanted)
{
    image file;

    begin(&file, 1, 0);
    put_tensor(&file, "t", columns, rows, type, at);
    pad(&file);
    for (int i = 0; i < 16; i++)
        put_u32(&file, 0);
    expect(&file, wanted);
}

START_TEST(tensors_outside_the_file_are_refused)
{
    expect_tensor(4, 4, 0, 0, AC_OK);
    expect_tensor(4, 2, 0, 32, AC_OK);
    expect_tensor(4, 5, 0, 0, AC_E_FORMAT);
    expect_tensor(4, 4, 0, 32, AC_E_FORMAT);
    expect_tensor(4, 1, 0, 8, AC_E_FORMAT); /* not aligned */
    expect_tensor(4, 4, 0, UINT64_MAX - 31, AC_E_FORMAT);
    expect_tensor((uint64_t)1 << 62, 4, 0, 0, AC_E_FORMAT); /* wraps to 0 */
    expect_tensor(UINT64_MAX, UINT64_MAX, 0, 0, AC_E_FORMAT);
    expect_tensor(4, 4, 77, 0, AC_E_UNSUPPORTED);
    expect_tensor(33, 1, 8, 0, AC_E_FORMAT); /* half a block */
    expect_tensor(32, 1, 8, 0, AC_OK);
}
END_TEST

START_TEST(overlapping_tensors_are_refused)
{
    image file;

    begin(&file, 2, 0);
    put_tensor(&file, "a", 4, 3, 0, 0);
    put_tensor(&file, "b", 4, 2, 0, 32);
    pad(&file);
    for (int i = 0; i < 16; i++)
        put_u32(&file, 0);
    expect(&file, AC_E_FORMAT);
}
END_TEST

START_TEST(alignment_must_be_a_power_of_two)
{
    static const uint32_t wrong[] = { 0, 3, 48, 1u << 31 };
    image file;

    for (size_t i = 0; i < 4; i++) {
        begin(&file, 0, 1);
        put_string(&file, "general.alignment"), put_u32(&file, 4);
        put_u32(&file, wrong[i]);
        expect(&file, AC_E_FORMAT);
    }
}
END_TEST

/* ---- a model's metadata, changed ----------------------------------------- */

/* The tiny model with the four bytes of a number of its metadata replaced. */
static void expect_number(const char *key, const void *value,
                          ac_status wanted, const char *words)
{
    ac_error error = AC_ERROR_INIT;
    aci_checkpoint *checkpoint;
    char *bytes, *at;
    size_t n;
    ac_status status;

    ck_assert_int_eq(aci_platform_read_file(&bytes, &n, &memory, TINY,
                                            4 << 20, NULL), AC_OK);
    at = memmem(bytes, n, key, strlen(key));
    ck_assert_ptr_nonnull(at);
    memcpy(at + strlen(key) + 4, value, 4); /* behind the type */
    save(bytes, n);
    status = aci_model_checkpoint_open(&checkpoint, &memory, path, &error);
    ck_assert_msg(status == wanted && strstr(error.message, words) != NULL,
                  "%s: %s: %s", key, ac_status_name(status), error.message);
    aci_model_checkpoint_close(checkpoint);
    aci_platform_free(&memory, bytes);
}

START_TEST(impossible_metadata_is_refused_in_words)
{
    const uint32_t none = 0, three = 3, huge = 2000000000, most = UINT32_MAX;
    const float nan = (float)NAN, negative = -1e-5f, one = 1.0f;

    expect_number("qwen2.block_count", &none, AC_E_FORMAT, "block_count");
    expect_number("qwen2.block_count", &huge, AC_E_FORMAT, "layers");
    expect_number("qwen2.block_count", &most, AC_E_UNSUPPORTED,
                  "block_count");
    expect_number("qwen2.block_count", &three, AC_E_FORMAT,
                  "blk.2.attn_norm.weight was missing");
    expect_number("qwen2.embedding_length", &three, AC_E_FORMAT, "");
    expect_number("qwen2.attention.head_count", &none, AC_E_FORMAT,
                  "head_count");
    expect_number("qwen2.attention.head_count_kv", &three, AC_E_FORMAT,
                  "heads");
    expect_number("layer_norm_rms_epsilon", &nan, AC_E_FORMAT, "epsilon");
    expect_number("layer_norm_rms_epsilon", &negative, AC_E_FORMAT,
                  "epsilon");
    expect_number("qwen2.rope.freq_base", &nan, AC_E_FORMAT, "theta");
    expect_number("qwen2.rope.freq_base", &one, AC_E_FORMAT, "theta");
}
END_TEST

START_TEST(vocabularies_must_agree_with_the_embeddings)
{
    ac_error error = AC_ERROR_INIT;
    aci_checkpoint *checkpoint;
    image pair = { .n = 0 };
    char *bytes, *out;
    uint64_t n_pairs;
    size_t n;

    put_string(&pair, "tokenizer.ggml.tokens"), put_u32(&pair, 9);
    put_u32(&pair, 8), put_u64(&pair, 1), put_string(&pair, "only tokens");
    ck_assert_uint_eq(pair.n, 64); /* so that the data stays aligned */
    ck_assert_int_eq(aci_platform_read_file(&bytes, &n, &memory, TINY,
                                            4 << 20, NULL), AC_OK);
    out = malloc(n + pair.n);
    memcpy(out, bytes, 24);
    memcpy(&n_pairs, bytes + 16, 8);
    n_pairs++;
    memcpy(out + 16, &n_pairs, 8);
    memcpy(out + 24, pair.bytes, pair.n);
    memcpy(out + 24 + pair.n, bytes + 24, n - 24);
    save(out, n + pair.n);
    ck_assert_int_eq(aci_model_checkpoint_open(&checkpoint, &memory, path,
                                               &error), AC_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message,
                                 "tokens had 1 entries, the embeddings 128"));
    free(out);
    aci_platform_free(&memory, bytes);
}
END_TEST

/* ---- a real header, mutated -------------------------------------------- */

/* Opens whatever the bytes are as a checkpoint and, when it opens, reads. */
static void survive(const char *bytes, size_t n)
{
    ac_error error = AC_ERROR_INIT;
    aci_checkpoint *checkpoint;
    static float row[1 << 20];
    int64_t rows, columns;

    save(bytes, n);
    if (aci_model_checkpoint_open(&checkpoint, &memory, path, &error) !=
        AC_OK) {
        ck_assert_int_ne(error.message[0], 0);
        return;
    }
    ck_assert_int_eq(aci_model_shape_check(
                         aci_model_checkpoint_shape(checkpoint), NULL), AC_OK);
    ck_assert(aci_model_checkpoint_find(checkpoint, "0.q", &rows, &columns));
    ck_assert_int_lt(columns, 1 << 20);
    (void)aci_model_checkpoint_read(row, checkpoint, "0.q", rows - 1, 1,
                                    &error);
    aci_model_checkpoint_close(checkpoint);
}

static void mutate_header(const char *of, size_t header, int times)
{
    aci_random random;
    char *bytes, kept[8];
    size_t n;

    aci_platform_random_seed(&random, 260);
    ck_assert_int_eq(aci_platform_read_file(&bytes, &n, &memory, of, 4 << 20,
                                            NULL), AC_OK);
    ck_assert_uint_lt(header + 8, n);
    for (int i = 0; i < times; i++) {
        size_t at = aci_platform_random_below(&random, header);
        uint64_t value = aci_platform_random_next(&random);
        size_t width = (size_t)1 << aci_platform_random_below(&random, 4);

        if (i % 4 == 0) /* often the extremes */
            value = i % 8 == 0 ? UINT64_MAX : 0;
        memcpy(kept, bytes + at, 8);
        memcpy(bytes + at, &value, width);
        survive(bytes, n);
        memcpy(bytes + at, kept, 8);
    }
    survive(bytes, n);
    for (size_t cut = 0; cut < n; cut += n / 97 + 1)
        survive(bytes, cut);
    aci_platform_free(&memory, bytes);
}

START_TEST(mutated_headers_never_crash)
{
    mutate_header(TINY, 2500, 600);
}
END_TEST

START_TEST(the_mutated_header_of_stories260k_never_crashes)
{
    char of[512];
    const char *root = getenv("AC_TEST_DATA");

    snprintf(of, sizeof of, "%s/models/stories260k/stories260k-f32.gguf",
             root ? root : "../shared/data");
    if (!aci_platform_is_file(of)) {
        printf("SKIP test_gguf: no %s\n", of);
        return;
    }
    mutate_header(of, 14000, 600);
}
END_TEST

Suite *test_gguf_suite(void);

Suite *test_gguf_suite(void)
{
    Suite *suite = suite_create("test_gguf");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, enter, leave);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, everything_is_found_by_key);
    tcase_add_test(all, what_is_not_there_or_of_another_kind_is_not_given);
    tcase_add_test(all, truncated_anywhere_is_an_error);
    tcase_add_test(all, absurd_counts_allocate_nothing);
    tcase_add_test(all, other_versions_are_named);
    tcase_add_test(all, duplicates_are_refused);
    tcase_add_test(all, tensors_outside_the_file_are_refused);
    tcase_add_test(all, overlapping_tensors_are_refused);
    tcase_add_test(all, alignment_must_be_a_power_of_two);
    tcase_add_test(all, impossible_metadata_is_refused_in_words);
    tcase_add_test(all, vocabularies_must_agree_with_the_embeddings);
    tcase_add_test(all, mutated_headers_never_crash);
    tcase_add_test(all, the_mutated_header_of_stories260k_never_crashes);
    suite_add_tcase(suite, all);
    return suite;
}
