/* test_image_open.c - tokenizer.act: what was saved opens the same, and what
 * was damaged, cut or made up does not open, or does no harm. */
#include <check.h>

#include "platform/checksum.h"
#include "platform/random.h"
#include "tokenizer/act.h"
#include "tokenizer_files.h"

static aci_memory memory;

/* The golden tokenizer `name` as the bytes of its file. */
static char *saved(const char *name, char *path, size_t n_path, size_t *n)
{
    aci_tokenizer *tokenizer = open_named(&memory, name);
    char *bytes = NULL;

    make_folder(path, n_path - 20);
    strcat(path, "/tokenizer.act");
    ck_assert_int_eq(aci_tokenizer_save(tokenizer, path, NULL), AC_OK);
    aci_tokenizer_close(tokenizer);
    ck_assert_int_eq(aci_platform_read_file(&bytes, n, &memory, path, 1 << 30,
                                            NULL), AC_OK);
    return bytes;
}

static void remove_file(char *path)
{
    *strrchr(path, '/') = '\0';
    remove_folder(path);
}

static ac_status open_bytes(const char *path, const char *bytes, size_t n)
{
    static const char text[] = "Who was born\n\nin 1912? <|eot_id|> \xC3";
    aci_tokenizer *tokenizer = NULL;
    ac_error error = AC_ERROR_INIT;
    FILE *file = fopen(path, "wb");
    ac_status status;

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
    status = aci_tokenizer_open(&tokenizer, &memory, path, &error);
    if (status == AC_OK) { /* whatever it says, it must do no harm */
        aci_tokens tokens = { NULL, 0, 0 };
        char out[64];

        if (aci_tokenizer_encode(&tokens, tokenizer, text, sizeof text, 1, 1,
                                 NULL) == AC_OK)
            aci_tokenizer_decode(out, sizeof out, tokenizer, tokens.ids,
                                 tokens.n, 1);
        aci_tokenizer_tokens_free(&memory, &tokens);
    } else {
        ck_assert_ptr_null(tokenizer);
        ck_assert_uint_gt(strlen(error.message), 0);
    }
    aci_tokenizer_close(tokenizer);
    return status;
}

START_TEST(saved_and_opened_is_the_same_tokenizer)
{
    static const char *const names[] = { "bytes", "pieces", "first" };
    json_t *rows = load_golden("lines.json");
    const char *name = names[_i];
    aci_tokens tokens = { NULL, 0, 0 };
    aci_tokenizer *tokenizer = NULL;
    char path[300], *bytes;
    size_t n, i;

    aci_platform_memory_init(&memory);
    bytes = saved(name, path, sizeof path, &n);
    ck_assert_int_eq(aci_tokenizer_open(&tokenizer, &memory, path, NULL),
                     AC_OK);
    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const json_t *text = json_object_get(row, "text");

        tokens.n = 0;
        ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer,
                                              json_string_value(text),
                                              json_string_length(text), 0, 0,
                                              NULL), AC_OK);
        expect_ids(&tokens, json_object_get(row, name), name,
                   json_string_value(text));
    }
    ck_assert_int_eq(aci_tokenizer_save(tokenizer, path, NULL), AC_OK);
    aci_tokenizer_close(tokenizer);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_platform_free(&memory, bytes);
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove_file(path);
    json_decref(rows);
}
END_TEST

START_TEST(a_cut_file_does_not_open)
{
    char path[300], *bytes;
    size_t n, cut;

    aci_platform_memory_init(&memory);
    bytes = saved("bytes", path, sizeof path, &n);
    for (cut = 0; cut < n; cut += cut < 400 ? 1 : 997)
        ck_assert_int_lt(open_bytes(path, bytes, cut), 0);
    ck_assert_int_eq(open_bytes(path, bytes, n), AC_OK);
    aci_platform_free(&memory, bytes);
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove_file(path);
}
END_TEST

START_TEST(a_flipped_bit_does_not_open)
{
    char path[300], *bytes;
    size_t n, i;

    aci_platform_memory_init(&memory);
    bytes = saved("pieces", path, sizeof path, &n);
    for (i = 0; i < n; i += i < 400 ? 1 : 509) {
        bytes[i] ^= 0x10;
        ck_assert_int_lt(open_bytes(path, bytes, n), 0);
        bytes[i] ^= 0x10;
    }
    aci_platform_free(&memory, bytes);
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove_file(path);
}
END_TEST

static void seal(char *bytes, size_t n)
{
    aci_act_header *header = (aci_act_header *)bytes;

    header->body_checksum = aci_platform_checksum(bytes + sizeof *header,
                                                  n - sizeof *header, 0);
    header->header_checksum = aci_platform_checksum(
        bytes, offsetof(aci_act_header, header_checksum), 0);
}

/* Made with right checksums: every field set to absurd values, and random
 * words anywhere. Refused or harmless (run under the sanitizers). */
START_TEST(a_forged_file_does_no_harm)
{
    static const uint32_t absurd[] = { 0, 1, 0x7FFFFFFF, 0x80000000,
                                       0xFFFFFFFF, 0x10000, 3 };
    char path[300], *bytes;
    aci_random random;
    size_t n, i, k, n_refused = 0;

    aci_platform_memory_init(&memory);
    aci_platform_random_seed(&random, 5);
    bytes = saved(_i == 0 ? "bytes" : "pieces", path, sizeof path, &n);
    for (i = 8; i < 264; i += 4)
        for (k = 0; k < sizeof absurd / sizeof *absurd; k++) {
            uint32_t held;

            memcpy(&held, bytes + i, 4);
            memcpy(bytes + i, &absurd[k], 4);
            seal(bytes, n);
            n_refused += open_bytes(path, bytes, n) != AC_OK;
            memcpy(bytes + i, &held, 4);
        }
    ck_assert_uint_gt(n_refused, 200);
    for (i = 0; i < 3000; i++) {
        size_t at = sizeof(aci_act_header) +
                    (size_t)aci_platform_random_below(
                        &random, n - sizeof(aci_act_header) - 4);
        uint32_t held, value = (uint32_t)aci_platform_random_next(&random);

        if (i % 2)
            value &= 0x3FF;
        memcpy(&held, bytes + at, 4);
        memcpy(bytes + at, &value, 4);
        seal(bytes, n);
        open_bytes(path, bytes, n);
        memcpy(bytes + at, &held, 4);
    }
    aci_platform_free(&memory, bytes);
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove_file(path);
}
END_TEST

Suite *test_image_open_suite(void);
Suite *test_image_open_suite(void)
{
    Suite *suite = suite_create("test_image_open");
    TCase *tests = tcase_create("tokenizer.act");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, saved_and_opened_is_the_same_tokenizer, 0, 3);
    tcase_add_test(tests, a_cut_file_does_not_open);
    tcase_add_test(tests, a_flipped_bit_does_not_open);
    tcase_add_loop_test(tests, a_forged_file_does_no_harm, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
