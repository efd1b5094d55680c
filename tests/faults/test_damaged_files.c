/* test_damaged_files.c - every file of a zoo cut short and bit-flipped at many
 * places, then opened and used: an error with a message, or a working engine;
 * never a crash, a hang or a leak. With verify_checksums no damaged weight
 * goes unnoticed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "faults/faults_zoo.h"

typedef struct content {
    unsigned char *bytes;
    size_t n;
} content;

static content load(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    content whole;

    ck_assert_msg(file != NULL && fstat(fileno(file), &status) == 0, "%s",
                  path);
    whole.n = (size_t)status.st_size;
    whole.bytes = malloc(whole.n + 1);
    ck_assert_uint_eq(fread(whole.bytes, 1, whole.n, file), whole.n);
    fclose(file);
    return whole;
}

static void store(const char *path, const content *whole, size_t n)
{
    FILE *file = fopen(path, "wb");

    ck_assert_uint_eq(fwrite(whole->bytes, 1, n, file), n);
    fclose(file);
}

/* Uses the zoo; a failure must be a known code with a message. */
static ac_status use(uint32_t verify)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_status status;

    options.n_threads = 1;
    options.verify_checksums = verify;
    options.memory_limit_bytes = 256u << 20;
    status = faults_use_zoo(faults_path("tiny.zoo"), &options, &error);
    if (status != AC_OK) {
        ck_assert_str_ne(ac_status_name(status), "AC_E_?");
        ck_assert_int_ne(status, AC_E_INTERNAL);
        ck_assert_int_eq(error.status, status);
        ck_assert_uint_gt(strlen(error.message), 0);
    }
    return status;
}

static const char *const files[] = { "zoo.json", "weights.acw",
                                     "tokenizer.act", "predictor.acp" };
enum { N_FILES = sizeof files / sizeof *files };

static const char *file_path(int i)
{
    char name[64];

    snprintf(name, sizeof name, "tiny.zoo/%s", files[i]);
    return faults_path(name);
}

START_TEST(cut_short)
{
    content whole = load(file_path(_i));
    size_t n_cuts = 0;

    /* a few at the beginning, the last bytes, and evenly between */
    for (size_t n = 0; n < whole.n; n += n < 40 ? 7 : 1 + whole.n / 60) {
        store(file_path(_i), &whole, n);
        ck_assert_msg(use(0) != AC_OK, "%s cut to %zu of %zu bytes opened",
                      files[_i], n, whole.n);
        n_cuts++;
    }
    store(file_path(_i), &whole, whole.n - 1);
    /* a text file may lose the newline at its end */
    if (use(0) == AC_OK)
        ck_assert_int_eq(whole.bytes[whole.n - 1], '\n');
    ck_assert_uint_gt(n_cuts, 10);
    store(file_path(_i), &whole, whole.n);
    ck_assert_int_eq(use(1), AC_OK);
    free(whole.bytes);
}
END_TEST

START_TEST(flipped)
{
    content whole = load(file_path(_i));
    int n_noticed = 0, n_flips = 0;

    for (size_t at = 0; at < whole.n; at += at < 512 ? 5 : 1 + whole.n / 150) {
        unsigned char bit = (unsigned char)(1u << at % 8);

        whole.bytes[at] ^= bit;
        store(file_path(_i), &whole, whole.n);
        whole.bytes[at] ^= bit;
        n_noticed += use(at & 1) != AC_OK;
        n_flips++;
    }
    ck_assert_msg(n_noticed > n_flips / 20, "%s: %d of %d noticed", files[_i],
                  n_noticed, n_flips);
    store(file_path(_i), &whole, whole.n);
    ck_assert_int_eq(use(1), AC_OK);
    free(whole.bytes);
}
END_TEST

/* Numbers that become enormous: four bytes FF at every eighth place of the
 * first 4096, where the counts and offsets are. */
START_TEST(absurd_counts)
{
    content whole = load(file_path(_i));
    size_t end = whole.n < 1024 ? whole.n : 1024;

    for (size_t at = 0; at + 4 <= end; at += 8) {
        unsigned char before[4];

        memcpy(before, whole.bytes + at, 4);
        memset(whole.bytes + at, 0xFF, 4);
        store(file_path(_i), &whole, whole.n);
        memcpy(whole.bytes + at, before, 4);
        use(0);
    }
    store(file_path(_i), &whole, whole.n);
    ck_assert_int_eq(use(1), AC_OK);
    free(whole.bytes);
}
END_TEST

START_TEST(missing)
{
    char aside[192];

    snprintf(aside, sizeof aside, "%s.aside", file_path(_i));
    ck_assert_int_eq(rename(file_path(_i), aside), 0);
    if (strcmp(files[_i], "predictor.acp") == 0)
        ck_assert_int_eq(use(0), AC_OK); /* goes to full */
    else
        ck_assert_int_ne(use(0), AC_OK);
    ck_assert_int_eq(rename(aside, file_path(_i)), 0);
}
END_TEST

/* Weights: what the checksums cover, they notice. */
START_TEST(damaged_weights_are_noticed_when_verified)
{
    content whole = load(faults_path("tiny.zoo/weights.acw"));
    int n_missed = 0, n_flips = 0;

    for (size_t at = 1; at < whole.n; at += 1 + whole.n / 97) {
        if (whole.bytes[at] == 0)
            continue; /* may be padding, which nobody reads */
        whole.bytes[at] ^= 1;
        store(faults_path("tiny.zoo/weights.acw"), &whole, whole.n);
        whole.bytes[at] ^= 1;
        n_missed += use(1) == AC_OK;
        n_flips++;
    }
    ck_assert_int_gt(n_flips, 30);
    ck_assert_int_eq(n_missed, 0);
    store(faults_path("tiny.zoo/weights.acw"), &whole, whole.n);
    free(whole.bytes);
}
END_TEST

START_TEST(damaged_ledger)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    content whole;
    char path[160];

    strcpy(path, faults_path("ledger.sqlite"));
    options.n_threads = 1;
    options.ledger_path = path;
    ck_assert_msg(faults_use_zoo(faults_path("tiny.zoo"), &options, &error) ==
                  AC_OK, "%s", error.message);
    whole = load(path);
    for (size_t at = 0; at < whole.n; at += at < 128 ? 9 : 1 + whole.n / 80) {
        whole.bytes[at] ^= 0x41;
        store(path, &whole, at % 3 ? whole.n : at);
        whole.bytes[at] ^= 0x41;
        remove(faults_path("ledger.sqlite-wal"));
        remove(faults_path("ledger.sqlite-shm"));
        if (faults_use_zoo(faults_path("tiny.zoo"), &options, &error) != AC_OK)
            ck_assert_uint_gt(strlen(error.message), 0);
    }
    free(whole.bytes);
}
END_TEST

Suite *test_damaged_files_suite(void);
Suite *test_damaged_files_suite(void)
{
    Suite *suite = suite_create("test_damaged_files");
    TCase *tests = tcase_create("damaged_files");

    tcase_add_unchecked_fixture(tests, faults_zoo_make, faults_zoo_remove);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, cut_short, 0, N_FILES);
    tcase_add_loop_test(tests, flipped, 0, N_FILES);
    tcase_add_loop_test(tests, absurd_counts, 0, N_FILES);
    tcase_add_loop_test(tests, missing, 0, N_FILES);
    tcase_add_test(tests, damaged_weights_are_noticed_when_verified);
    tcase_add_test(tests, damaged_ledger);
    suite_add_tcase(suite, tests);
    return suite;
}
