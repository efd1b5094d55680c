/* test_price_book.c - prices found, refused, and turned into money. */
#include "accountant/price_book.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "small_model.h"

static aci_memory memory;
static aci_price price;
static ac_error error;

static ac_status find(const char *path, const char *name)
{
    ac_error none = AC_ERROR_INIT;
    ac_status status;

    error = none;
    aci_platform_memory_init(&memory);
    status = aci_accountant_price_find(&price, &memory, path, name, &error);
    ck_assert_uint_eq(memory.used_bytes, 0);
    return status;
}

static ac_status find_in(const char *text, const char *name)
{
    const char *path = small_path("book.json");
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    return find(path, name);
}

#define BOOK(entries) "{\"format\": \"agentcompress-price-book\", "          \
    "\"format_version\": 1, \"prices\": [" entries "]}"
#define ENTRY(name, price) "{\"name\": \"" name "\", \"provider\": \"me\", " \
    "\"usd_per_hour\": " price ", \"as_of\": \"2026-11-09\", "               \
    "\"source\": \"my bill\"}"

static const char *const known[] = { "local-cpu", "a100", "h100", "h200",
                                     "l40s", "cpu-aws-c5.2xlarge" };

START_TEST(built_in_prices_are_dated)
{
    ck_assert_int_eq(find(NULL, known[_i]), AC_OK);
    ck_assert_str_eq(price.name, known[_i]);
    ck_assert(price.nanodollars_per_hour > 0);
    ck_assert_uint_eq(strlen(price.as_of), 10);
    ck_assert_uint_gt(strlen(price.source), 0);
    ck_assert(price.book_checksum != 0);
}
END_TEST

START_TEST(an_unset_price_is_no_price)
{
    ck_assert_int_eq(find(NULL, "unpriced"), AC_OK);
    ck_assert(price.nanodollars_per_hour == -1);
    ck_assert(aci_accountant_price_of(&price, 1000000000) == -1);
    ck_assert(aci_accountant_price_of(&price, 0) == -1);
}
END_TEST

START_TEST(an_unknown_name_lists_the_known)
{
    ck_assert_int_eq(find(NULL, "abacus"), AC_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.message, "abacus"));
    ck_assert_ptr_nonnull(strstr(error.message, "local-cpu"));
    ck_assert_ptr_nonnull(strstr(error.message, "h100"));
    ck_assert_int_eq(find("/nowhere/book.json", "h100"), AC_E_NOT_FOUND);
}
END_TEST

START_TEST(a_book_of_ones_own)
{
    ck_assert_int_eq(find_in(BOOK(ENTRY("mine", "3.6") ","
                                  ENTRY("other", "null")), "mine"), AC_OK);
    ck_assert(price.nanodollars_per_hour == 3600000000);
    ck_assert_str_eq(price.provider, "me");
    ck_assert_str_eq(price.source, "my bill");
    ck_assert_int_eq(find(small_path("book.json"), "other"), AC_OK);
    ck_assert(price.nanodollars_per_hour == -1);
    small_remove();
}
END_TEST

START_TEST(seconds_become_dollars)
{
    aci_price p;

    memset(&p, 0, sizeof p);
    p.nanodollars_per_hour = 3600000000;
    ck_assert(aci_accountant_price_of(&p, 0) == 0);
    ck_assert(aci_accountant_price_of(&p, 1000000000) == 1000000);
    ck_assert(aci_accountant_price_of(&p, 499) == 0); /* nearest */
    ck_assert(aci_accountant_price_of(&p, 500) == 1);
    p.nanodollars_per_hour = INT64_MAX;
    ck_assert(aci_accountant_price_of(&p, UINT64_MAX) == INT64_MAX);
}
END_TEST

static const struct {
    const char *text;
    ac_status status;
} refused[] = {
    { "", AC_E_FORMAT },
    { "[]", AC_E_FORMAT },
    { "{\"prices\": []}", AC_E_FORMAT },
    { "{\"format\": \"agentcompress-price-book\", \"format_version\": 2, "
      "\"prices\": []}", AC_E_UNSUPPORTED },
    { "{\"format\": \"agentcompress-price-book\", \"format_version\": 1}",
      AC_E_FORMAT },
    { BOOK(""), AC_E_NOT_FOUND },
    { BOOK("7"), AC_E_FORMAT },
    { BOOK(ENTRY("mine", "0")), AC_E_FORMAT },
    { BOOK(ENTRY("mine", "-1")), AC_E_FORMAT },
    { BOOK(ENTRY("mine", "1e7")), AC_E_FORMAT },
    { BOOK(ENTRY("mine", "1e-12")), AC_E_FORMAT },
    { BOOK(ENTRY("mine", "1e999")), AC_E_FORMAT },
    { BOOK(ENTRY("mine", "\"1\"")), AC_E_FORMAT },
    { BOOK(ENTRY("mine", "true")), AC_E_FORMAT },
    { BOOK(ENTRY("", "1")), AC_E_FORMAT },
    { BOOK(ENTRY("mine", "1") "," ENTRY("mine", "2")), AC_E_FORMAT },
    { BOOK("{\"name\": \"mine\", \"usd_per_hour\": 1}"), AC_E_FORMAT },
    { BOOK("{\"name\": \"mine\", \"provider\": \"me\", \"usd_per_hour\": 1, "
           "\"as_of\": \"last week\", \"source\": \"x\"}"), AC_E_FORMAT },
    { BOOK("{\"name\": \"mine\", \"provider\": \"me\", \"usd_per_hour\": 1, "
           "\"as_of\": \"2026-13-01\", \"source\": \"x\"}"), AC_E_FORMAT },
    { BOOK("{\"name\": \"mine\", \"name\": \"mine\", \"provider\": \"me\", "
           "\"usd_per_hour\": 1, \"as_of\": \"2026-11-01\", "
           "\"source\": \"x\"}"), AC_E_FORMAT },
};

START_TEST(bad_books_are_refused)
{
    ck_assert_int_eq(find_in(refused[_i].text, "mine"), refused[_i].status);
    ck_assert_ptr_nonnull(strstr(error.message, "book.json"));
    small_remove();
}
END_TEST

START_TEST(a_book_cut_anywhere_is_refused)
{
    const char *whole = BOOK(ENTRY("mine", "1"));
    char part[512];
    size_t n = strlen(whole), i;

    for (i = 0; i < n; i++) {
        memcpy(part, whole, i);
        part[i] = '\0';
        ck_assert_int_eq(find_in(part, "mine"), AC_E_FORMAT);
    }
    small_remove();
}
END_TEST

/* ---- ac_prices_read ------------------------------------------------------ */

typedef struct seen {
    char names[512];
    int n, stop_at;
} seen;

static int32_t note(const ac_price *one, void *user)
{
    seen *s = user;

    ck_assert_uint_eq(one->struct_size, sizeof *one);
    ck_assert_uint_eq(strlen(one->as_of), 10);
    ck_assert_uint_gt(strlen(one->provider), 0);
    ck_assert_uint_gt(strlen(one->source), 0);
    snprintf(s->names + strlen(s->names), 64, "%s ", one->name);
    return ++s->n == s->stop_at;
}

START_TEST(every_price_is_read_in_order)
{
    seen s = { .n = 0 }, two = { .stop_at = 2 };
    ac_error none = AC_ERROR_INIT;

    ck_assert_int_eq(ac_prices_read(NULL, note, &s, &none), AC_OK);
    ck_assert_str_eq(s.names, "local-cpu cpu-aws-c5.2xlarge "
                              "cpu-aws-m7g.large a100 a100-aws h100 h100-aws "
                              "h200 l40s l40s-aws unpriced ");
    ck_assert_int_eq(ac_prices_read(NULL, note, &two, &none), AC_OK);
    ck_assert_int_eq(two.n, 2);
    ck_assert_int_eq(ac_prices_read(NULL, NULL, NULL, &none), AC_E_ARGUMENT);
    ck_assert_int_eq(ac_prices_read("nowhere.json", note, &s, &none),
                     AC_E_NOT_FOUND);
}
END_TEST

/* Nothing is told of a book whose last entry is bad. */
START_TEST(a_bad_book_gives_no_price)
{
    static const char *const bad[] = {
        BOOK(ENTRY("a", "1") "," ENTRY("b", "-1")),
        BOOK(ENTRY("a", "1") "," ENTRY("a", "2")),
        "{\"format\": \"agentcompress-price-book\", \"format_version\": 1}",
        "[]", ""
    };
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        seen s = { .n = 0 };
        ac_error none = AC_ERROR_INIT;

        ck_assert_int_ne(find_in(bad[i], "a"), AC_E_IO); /* writes it */
        ck_assert_int_eq(ac_prices_read(small_path("book.json"), note, &s,
                                        &none), AC_E_FORMAT);
        ck_assert_int_eq(s.n, 0);
    }
    small_remove();
}
END_TEST

Suite *test_price_book_suite(void);
Suite *test_price_book_suite(void)
{
    Suite *suite = suite_create("test_price_book");
    TCase *tests = tcase_create("test_price_book");

    tcase_add_loop_test(tests, built_in_prices_are_dated, 0,
                        sizeof known / sizeof *known);
    tcase_add_test(tests, an_unset_price_is_no_price);
    tcase_add_test(tests, an_unknown_name_lists_the_known);
    tcase_add_test(tests, a_book_of_ones_own);
    tcase_add_test(tests, seconds_become_dollars);
    tcase_add_loop_test(tests, bad_books_are_refused, 0,
                        sizeof refused / sizeof *refused);
    tcase_add_test(tests, a_book_cut_anywhere_is_refused);
    tcase_add_test(tests, every_price_is_read_in_order);
    tcase_add_test(tests, a_bad_book_gives_no_price);
    suite_add_tcase(suite, tests);
    return suite;
}
