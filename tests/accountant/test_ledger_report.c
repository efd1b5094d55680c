/* test_ledger_report.c - the page: whole, by itself, its text escaped, its
 * figures right. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accountant/html_page.h"
#include "accountant/ledger.h"
#include "small_model.h"

static aci_memory memory;
static aci_model model;
static int without_card; /* 1: int4 has no measured ratios */
static char page[1 << 18];

static void settle_some(const char *path, int n, const char *label)
{
    aci_accountant_options options = { .power_root = "/nowhere" };
    aci_accountant *accountant;
    int i;

    options.ledger_path = path;
    model = small_model();
    strcpy(model.variants[SMALL_INT8].name, "<i>int8</i>");
    if (without_card)
        model.variants[SMALL_INT4].decode_ratio = NAN;
    ck_assert_int_eq(aci_accountant_open(&accountant, &memory, &model,
                                         &options, NULL), AC_OK);
    for (i = 0; i < n; i++) {
        uint32_t variant = (uint32_t)i % 3;
        ac_decision decision = small_decision(&model, variant);
        ac_usage usage = small_usage(variant);
        aci_meter meter;

        ck_assert_int_eq(aci_accountant_reserve(&meter, accountant, &decision,
                                                NULL, 5, label, NULL), AC_OK);
        if (i != 7)
            ck_assert_int_eq(aci_accountant_settle(&usage, accountant, &meter,
                                                   16, 0, 0, &decision, NULL),
                             AC_OK);
    }
    aci_accountant_close(accountant);
}

static void report(int n, const char *label)
{
    char path[256], html[256];
    aci_ledger *ledger;
    FILE *file;
    size_t bytes;

    aci_platform_memory_init(&memory);
    strcpy(path, small_path("l.sqlite"));
    strcpy(html, small_path("r.html"));
    settle_some(path, n, label);
    ck_assert_int_eq(aci_accountant_ledger_open(&ledger, &memory, path, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_accountant_ledger_report(ledger, html, NULL), AC_OK);
    aci_accountant_ledger_close(ledger);
    ck_assert_uint_eq(memory.used_bytes, 0);
    file = fopen(html, "r");
    ck_assert_ptr_nonnull(file);
    bytes = fread(page, 1, sizeof page - 1, file);
    page[bytes] = '\0';
    fclose(file);
    small_remove();
}

static int has(const char *text)
{
    return strstr(page, text) != NULL;
}

static int count(const char *text)
{
    const char *at = page;
    int n = 0;

    while ((at = strstr(at, text)) != NULL) {
        at += strlen(text);
        n++;
    }
    return n;
}

START_TEST(hostile_text_stays_text)
{
    report(9, "<script>alert('\"&')</script>\x01\xFF\xC3");
    ck_assert(!has("<script>") && !has("alert('"));
    ck_assert(has("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;"
                  " \xEF\xBF\xBD\xEF\xBF\xBD"));
    ck_assert(!has("<i>int8") && has("&lt;i&gt;int8"));
    ck_assert(has("model small &lt;model&gt;"));
}
END_TEST

START_TEST(the_page_is_whole_and_alone)
{
    static const char *const pairs[] = { "section", "table", "svg", "tr",
                                         "dl", "main", "body", "html" };
    char open[16], close[16];
    size_t i;

    report(9, "x");
    for (i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        snprintf(open, sizeof open, "<%s", pairs[i]);
        snprintf(close, sizeof close, "</%s>", pairs[i]);
        ck_assert_msg(count(open) == count(close) && count(open) > 0, "%s",
                      pairs[i]);
    }
    ck_assert(!has("http:") && !has("https:") && !has("src=") &&
              !has("url("));
    ck_assert(has("default-src 'none'") && has("prefers-color-scheme:dark"));
}
END_TEST

START_TEST(the_headline_is_of_settled_requests)
{
    report(9, "x");
    /* Three of full at 6 s, two of int8, three of int4 at 12.5 s on full. */
    ck_assert(has("3 requests ran on full itself"));
    ck_assert(has("for 3 it is worked out from ratios measured"));
    ck_assert(has("for 2 from bytes and operations only"));
    ck_assert(has("From 8 requests only"));
    ck_assert(has("Not settled: 1,"));
    ck_assert(has("less device time"));
    ck_assert(has("48.00 s"));        /* 8 x 6 s, and 0.8 ms of routing */
    ck_assert(has("$0.085000 per hour"));
    ck_assert(has("<td>not settled</td>"));
}
END_TEST

START_TEST(what_was_not_measured_is_said_to_be_so)
{
    report(9, "x");
    ck_assert(!has("is not measured: it is the most"));
    without_card = 1;
    report(9, "x");
    ck_assert(has("is not measured: it is the most"));
}
END_TEST

START_TEST(an_empty_ledger_has_a_page)
{
    report(0, NULL);
    ck_assert(has("nothing settled"));
}
END_TEST

START_TEST(a_report_that_cannot_be_written)
{
    char path[256];
    aci_ledger *ledger;
    ac_error error = AC_ERROR_INIT;
    uint64_t n;
    ac_status status;

    aci_platform_memory_init(&memory);
    strcpy(path, small_path("l.sqlite"));
    settle_some(path, 3, "x");
    ck_assert_int_eq(aci_accountant_ledger_open(&ledger, &memory, path, NULL),
                     AC_OK);
    ck_assert_int_ne(aci_accountant_ledger_report(ledger, "/dev/null/r.html",
                                                  &error), AC_OK);
    ck_assert_int_ne(error.status, 0);
    for (n = 1, status = AC_E_NO_MEMORY; status != AC_OK; n++) {
        uint64_t before = memory.used_bytes;

        memory.fail_at = memory.n_allocations + n;
        status = aci_accountant_ledger_report(ledger, small_path("r.html"),
                                              NULL);
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
        ck_assert_uint_eq(memory.used_bytes, before);
    }
    ck_assert_uint_gt(n, 3);
    aci_accountant_ledger_close(ledger);
    small_remove();
}
END_TEST

/* ---- figures ------------------------------------------------------------- */

#define FIGURE(figure, expected) ck_assert_str_eq((figure).text, expected)

START_TEST(figures_have_units)
{
    FIGURE(aci_accountant_figure_count(0), "0");
    FIGURE(aci_accountant_figure_count(999), "999");
    FIGURE(aci_accountant_figure_count(1234567), "1,234,567");
    FIGURE(aci_accountant_figure_count(UINT64_MAX),
           "18,446,744,073,709,551,615");
    FIGURE(aci_accountant_figure_time(0), "0.0 \xC2\xB5s");
    FIGURE(aci_accountant_figure_time(12345), "12.3 \xC2\xB5s");
    FIGURE(aci_accountant_figure_time(12350000), "12.4 ms");
    FIGURE(aci_accountant_figure_time(1005000000), "1.01 s");
    FIGURE(aci_accountant_figure_time(600000000000u), "10.0 min");
    FIGURE(aci_accountant_figure_time(36000000000000u), "10.0 h");
    FIGURE(aci_accountant_figure_time(INT64_MAX), "2,562,047.8 h");
    FIGURE(aci_accountant_figure_dollars(-1), "no price");
    FIGURE(aci_accountant_figure_dollars(0), "$0.000000000");
    FIGURE(aci_accountant_figure_dollars(1234), "$0.000001234");
    FIGURE(aci_accountant_figure_dollars(1234567), "$0.001235");
    FIGURE(aci_accountant_figure_dollars(1234567890123), "$1,234.57");
    FIGURE(aci_accountant_figure_joules(-1), "not measured");
    FIGURE(aci_accountant_figure_joules(1500000), "1.50 J");
    FIGURE(aci_accountant_figure_saving(317, 1000), "68.3%");
    FIGURE(aci_accountant_figure_saving(1100, 1000), "-10.0%");
    FIGURE(aci_accountant_figure_saving(1, 0), "-");
    FIGURE(aci_accountant_figure_saving(UINT64_MAX, 1), "-999999.9%");
}
END_TEST

Suite *test_ledger_report_suite(void);
Suite *test_ledger_report_suite(void)
{
    Suite *suite = suite_create("test_ledger_report");
    TCase *tests = tcase_create("test_ledger_report");

    tcase_add_test(tests, hostile_text_stays_text);
    tcase_add_test(tests, the_page_is_whole_and_alone);
    tcase_add_test(tests, the_headline_is_of_settled_requests);
    tcase_add_test(tests, what_was_not_measured_is_said_to_be_so);
    tcase_add_test(tests, an_empty_ledger_has_a_page);
    tcase_add_test(tests, a_report_that_cannot_be_written);
    tcase_add_test(tests, figures_have_units);
    suite_add_tcase(suite, tests);
    return suite;
}
