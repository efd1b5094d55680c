/* test_predictor_file.c - predictor.acp written, read, and damaged. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/checksum.h"
#include "platform/files.h"
#include "platform/random.h"
#include "router/predictor.h"

static aci_memory memory;
static char path[64];
static uint8_t *file;
static size_t n_file;

/* A small predictor with two templates, on disk and in `file`. */
static void set_up(void)
{
    aci_network_shape shape = { 12, 300, 20, 2 };
    aci_templates templates = { 2, { 5, 7 }, { "Do it", "Say so:" } };
    aci_predictor *p;
    aci_features known;
    aci_random random;
    char *bytes;
    size_t i;

    aci_platform_memory_init(&memory);
    snprintf(path, sizeof path, "/tmp/acp-test-%ld", (long)getpid());
    p = aci_router_predictor_new(&memory, &shape, 10);
    aci_platform_random_seed(&random, 5);
    for (i = 0; i < p->places.total; i++)
        p->numbers[i] = (float)(aci_platform_random_unit(&random) - 0.5);
    strcpy(p->names[0], "int4");
    strcpy(p->names[1], "full");
    p->max_unfamiliarity = 0.4f;
    p->record.seed = 77;
    p->record.auroc = NAN;
    aci_router_read_features(&known, NULL, "Do it now", 9, 12);
    aci_router_familiar_add(p, &known);
    ck_assert_int_eq(aci_router_predictor_set_templates(p, &templates, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_router_predictor_write(p, path, NULL), AC_OK);
    aci_router_predictor_close(p);
    ck_assert_int_eq(aci_platform_read_file(&bytes, &n_file, &memory, path,
                                            1 << 20, NULL), AC_OK);
    file = (uint8_t *)bytes;
}

static void tear_down(void)
{
    aci_platform_free(&memory, file);
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove(path);
}

static void write_bytes(const uint8_t *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    ck_assert(f != NULL);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* With the checksum and length made right again. */
static void write_sealed(size_t n)
{
    uint64_t checksum = aci_platform_checksum(file + 32, n - 32, 0);
    uint64_t length = n;

    memcpy(file + 24, &checksum, 8); /* tests run on little-endian machines */
    memcpy(file + 16, &length, 8);
    write_bytes(file, n);
}

static ac_status open_it(ac_error *error)
{
    aci_predictor *p = (aci_predictor *)1;
    ac_status status = aci_router_predictor_open(&p, &memory, path, error);

    ck_assert((status == AC_OK) == (p != NULL));
    aci_router_predictor_close(p);
    return status;
}

START_TEST(what_is_written_is_read)
{
    aci_predictor *p;
    float success[2], unfamiliarity;
    uint64_t hash;

    ck_assert_int_eq(aci_router_predictor_open(&p, &memory, path, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_router_predictor_heads(p), 2);
    ck_assert_str_eq(aci_router_predictor_head_name(p, 0), "int4");
    ck_assert_str_eq(aci_router_predictor_head_name(p, 1), "full");
    ck_assert(p->shape.n_tokens == 12 && p->record.seed == 77);
    ck_assert(aci_router_predictor_threshold(p) == 0.4f);
    ck_assert_uint_eq(p->templates.n, 2);
    ck_assert(memcmp(p->templates.text[1], "Say so:", 7) == 0);
    aci_router_predict(success, &unfamiliarity, &hash, p, "Do it now", 9);
    ck_assert(success[0] > 0.0f && success[0] < 1.0f);
    ck_assert(aci_router_predictor_write(p, path, NULL) == AC_OK);
    aci_router_predictor_close(p);
    p = NULL;
    {
        char *again;
        size_t n;

        ck_assert_int_eq(aci_platform_read_file(&again, &n, &memory, path,
                                                1 << 20, NULL), AC_OK);
        ck_assert_uint_eq(n, n_file);
        ck_assert(memcmp(again, file, n) == 0);
        aci_platform_free(&memory, again);
    }
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    size_t n;

    for (n = 0; n < n_file; n += n < 400 ? 1 : 97) {
        write_bytes(file, n);
        ck_assert_int_ne(open_it(NULL), AC_OK);
        if (n > 128) { /* and where every sum is right but data is missing */
            uint8_t kept[32];

            memcpy(kept, file, 32);
            write_sealed(n);
            ck_assert_int_ne(open_it(NULL), AC_OK);
            memcpy(file, kept, 32);
        }
    }
}
END_TEST

START_TEST(every_flipped_byte_is_refused)
{
    size_t i;

    for (i = 0; i < n_file; i += i < 300 ? 1 : 61) {
        file[i] ^= 0x10;
        write_bytes(file, n_file);
        ck_assert_int_ne(open_it(NULL), AC_OK);
        file[i] ^= 0x10;
    }
}
END_TEST

/* Headers that lie, under a right checksum: never a crash; the dimensions
 * checked are refused with their own code. */
static const struct {
    uint32_t at, value;
    ac_status status;
} lies[] = {
    { 8, 2, AC_E_UNSUPPORTED },  { 12, 64, AC_E_FORMAT },
    { 32, 9, AC_E_FORMAT },      { 32, 16, AC_E_FORMAT },
    { 36, 0, AC_E_FORMAT },      { 36, 0xFFFFFFFFu, AC_E_FORMAT },
    { 40, 0, AC_E_FORMAT },      { 40, 1u << 17, AC_E_FORMAT },
    { 44, 0, AC_E_FORMAT },      { 44, 17, AC_E_FORMAT },
    { 44, 16, AC_E_FORMAT },     { 48, 13, AC_E_UNSUPPORTED },
    { 52, 64, AC_E_UNSUPPORTED }, { 56, 65, AC_E_UNSUPPORTED },
    { 60, 3, AC_E_UNSUPPORTED }, { 64, 3, AC_E_UNSUPPORTED },
    { 68, 17, AC_E_FORMAT },     { 68, 3, AC_E_FORMAT },
    { 72, 9, AC_E_FORMAT },      { 72, 0x80000000u, AC_E_FORMAT },
    { 72, 24, AC_E_FORMAT },     { 76, 7, AC_E_FORMAT },
    { 80, 0, AC_E_FORMAT },      { 80, 0x7FC00000u, AC_E_FORMAT },
    { 108, 1, AC_E_FORMAT },     { 124, 1, AC_E_FORMAT },
    { 128, 0, AC_E_FORMAT },     { 160, 0x34746E69, AC_E_FORMAT }, /* "int4" */
    { 192, 0, AC_E_FORMAT },     { 192, 5000, AC_E_FORMAT },
};

START_TEST(lying_headers_are_refused)
{
    ac_error error = AC_ERROR_INIT;

    memcpy(file + lies[_i].at, &lies[_i].value, 4);
    write_sealed(n_file);
    ck_assert_int_eq(open_it(&error), lies[_i].status);
    ck_assert(strlen(error.message) > 0);
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_refused)
{
    float bad = _i == 0 ? NAN : INFINITY;

    memcpy(file + n_file - 4, &bad, 4);
    write_sealed(n_file);
    ck_assert_int_eq(open_it(NULL), AC_E_NUMERIC);
}
END_TEST

START_TEST(a_missing_file_is_not_found)
{
    remove(path);
    ck_assert_int_eq(open_it(NULL), AC_E_NOT_FOUND);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    uint64_t fail_at = 1;
    ac_status status;

    do {
        memory.n_allocations = 0;
        memory.fail_at = fail_at++;
        status = open_it(NULL);
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
    } while (status != AC_OK && fail_at < 100);
    memory.fail_at = 0;
    ck_assert_int_eq(status, AC_OK);
    ck_assert_uint_gt(fail_at, 4);
}
END_TEST

START_TEST(the_description_is_json_with_the_facts)
{
    char *text;

    ck_assert_int_eq(aci_router_predictor_describe(&text, &memory, path, NULL),
                     AC_OK);
    ck_assert(strstr(text, "\"kind\": \"predictor\"") != NULL);
    ck_assert(strstr(text, "\"int4\"") != NULL);
    ck_assert(strstr(text, "\"seed\": 77") != NULL);
    ck_assert(strstr(text, "\"auroc\": null") != NULL);
    aci_platform_free(&memory, text);
    remove(path);
    ck_assert_int_eq(aci_router_predictor_describe(&text, &memory, path, NULL),
                     AC_E_NOT_FOUND);
    ck_assert(text == NULL);
}
END_TEST

Suite *test_predictor_file_suite(void);

Suite *test_predictor_file_suite(void)
{
    Suite *suite = suite_create("test_predictor_file");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_is_written_is_read);
    tcase_add_test(tests, every_truncation_is_refused);
    tcase_add_test(tests, every_flipped_byte_is_refused);
    tcase_add_loop_test(tests, lying_headers_are_refused, 0,
                        (int)(sizeof lies / sizeof lies[0]));
    tcase_add_loop_test(tests, numbers_that_are_not_finite_are_refused, 0, 2);
    tcase_add_test(tests, a_missing_file_is_not_found);
    tcase_add_test(tests, every_allocation_may_fail);
    tcase_add_test(tests, the_description_is_json_with_the_facts);
    suite_add_tcase(suite, tests);
    return suite;
}
