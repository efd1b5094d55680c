/* test_ledger_read.c - entries, totals, feedback, and rows of strangers. */
#include "accountant/ledger.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "small_model.h"

static aci_memory memory;
static aci_model model;
static aci_ledger *ledger;
static char path[256];

/* Reserves on `variant`; settles unless `hang`. */
static void add(aci_accountant *accountant, uint32_t variant, int hang)
{
    ac_decision decision = small_decision(&model, variant);
    ac_usage usage = small_usage(variant);
    aci_meter meter;

    if (variant == SMALL_FULL)
        decision.reason = AC_REASON_LOW_CONFIDENCE;
    ck_assert_int_eq(aci_accountant_reserve(&meter, accountant, &decision,
                                            NULL, 5, "a label", NULL), AC_OK);
    if (!hang)
        ck_assert_int_eq(aci_accountant_settle(&usage, accountant, &meter, 16,
                                               0, AC_STOP_END, &decision,
                                               NULL), AC_OK);
}

/* full, int4, int4, one never settled, one without a price. */
static void make(void)
{
    aci_accountant_options options = { .power_root = "/nowhere" };
    aci_accountant *accountant;

    strcpy(path, small_path("l.sqlite"));
    options.ledger_path = path;
    model = small_model();
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_accountant_open(&accountant, &memory, &model,
                                         &options, NULL), AC_OK);
    add(accountant, SMALL_FULL, 0);
    add(accountant, SMALL_INT4, 0);
    add(accountant, SMALL_INT4, 0);
    add(accountant, SMALL_INT4, 1);
    aci_accountant_close(accountant);
    options.price_name = "unpriced";
    ck_assert_int_eq(aci_accountant_open(&accountant, &memory, &model,
                                         &options, NULL), AC_OK);
    add(accountant, SMALL_INT4, 0);
    aci_accountant_close(accountant);
    ck_assert_int_eq(aci_accountant_ledger_open(&ledger, &memory, path, NULL),
                     AC_OK);
}

static void finish(void)
{
    aci_accountant_ledger_close(ledger);
    ck_assert_uint_eq(memory.used_bytes, 0);
    small_remove();
}

static void run_sql(const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s",
                  sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* ---- entries ------------------------------------------------------------- */

typedef struct seen {
    int n, stop_at;
    uint64_t ids[64];
    ac_ledger_entry last;
    ac_decision decision;
    ac_usage usage;
    char variant[32], label[64];
} seen;

static int32_t on_entry(const ac_ledger_entry *entry, void *user)
{
    seen *s = user;

    s->ids[s->n++ % 64] = entry->request_id;
    s->last = *entry;
    s->decision = *entry->decision;
    s->usage = *entry->usage;
    snprintf(s->variant, sizeof s->variant, "%s", entry->variant_name);
    snprintf(s->label, sizeof s->label, "%s",
             entry->label ? entry->label : "(none)");
    return s->n == s->stop_at;
}

START_TEST(entries_come_in_order)
{
    seen s = { 0 };
    ac_decision decision;

    make();
    ck_assert_int_eq(aci_accountant_ledger_read(ledger, 0, on_entry, &s, NULL),
                     AC_OK);
    ck_assert_int_eq(s.n, 5);
    ck_assert(s.ids[0] == 1 && s.ids[4] == 5);
    s.n = 0;
    s.stop_at = 1;
    ck_assert_int_eq(aci_accountant_ledger_read(ledger, 2, on_entry, &s, NULL),
                     AC_OK);
    ck_assert(s.n == 1 && s.ids[0] == 2);
    ck_assert(s.last.settled == 1 && s.last.success == -1);
    ck_assert(s.last.reserved_nanodollars == 5);
    ck_assert(s.last.wall_nanoseconds > 1700000000000000000);
    ck_assert_uint_eq(s.last.stop_reason, AC_STOP_END);
    ck_assert_str_eq(s.variant, "int4");
    ck_assert_str_eq(s.label, "a label");
    decision = small_decision(&model, SMALL_INT4);
    ck_assert_mem_eq(&s.decision, &decision, sizeof decision);
    ck_assert(s.usage.full_nanoseconds == 12500000000u);
    ck_assert_uint_eq(s.usage.variant, SMALL_INT4);
    ck_assert_uint_eq(s.usage.generated_tokens, 21);
    finish();
}
END_TEST

START_TEST(the_unsettled_are_shown_as_such)
{
    seen s = { .stop_at = 1 };

    make();
    aci_accountant_ledger_read(ledger, 4, on_entry, &s, NULL);
    ck_assert(s.last.request_id == 4 && s.last.settled == 0);
    ck_assert_str_eq(s.variant, "int4");
    ck_assert(s.usage.nanodollars == -1 && s.usage.prompt_tokens == 0);
    finish();
}
END_TEST

START_TEST(reading_beyond_the_end_gives_nothing)
{
    seen s = { 0 };

    make();
    ck_assert_int_eq(aci_accountant_ledger_read(ledger, UINT64_MAX, on_entry,
                                                &s, NULL), AC_OK);
    ck_assert_int_eq(aci_accountant_ledger_read(ledger, INT64_MAX, on_entry,
                                                &s, NULL), AC_OK);
    ck_assert_int_eq(s.n, 0);
    run_sql("UPDATE requests SET id = 9223372036854775807 WHERE id = 5");
    ck_assert_int_eq(aci_accountant_ledger_read(ledger, 4, on_entry, &s,
                                                NULL), AC_OK);
    ck_assert_int_eq(s.n, 2);
    finish();
}
END_TEST

static int32_t praise(const ac_ledger_entry *entry, void *user)
{
    (void)user;
    ck_assert_int_eq(aci_accountant_ledger_feedback(ledger, entry->request_id,
                                                    1, NULL), AC_OK);
    return 0;
}

START_TEST(feedback_may_come_from_the_callback)
{
    seen s = { .stop_at = 1 };
    ac_error error = AC_ERROR_INIT;

    make();
    ck_assert_int_eq(aci_accountant_ledger_read(ledger, 1, praise, NULL,
                                                NULL), AC_OK);
    ck_assert_int_eq(aci_accountant_ledger_feedback(ledger, 2, 0, NULL),
                     AC_OK);
    aci_accountant_ledger_read(ledger, 2, on_entry, &s, NULL);
    ck_assert_int_eq(s.last.success, 0);
    ck_assert_int_eq(aci_accountant_ledger_feedback(ledger, 6, 1, &error),
                     AC_E_NOT_FOUND);
    ck_assert_int_eq(aci_accountant_ledger_feedback(ledger, UINT64_MAX, 1,
                                                    &error), AC_E_NOT_FOUND);
    ck_assert_int_eq(aci_accountant_ledger_feedback(ledger, 1, 2, &error),
                     AC_E_ARGUMENT);
    finish();
}
END_TEST

/* ---- totals -------------------------------------------------------------- */

typedef struct sums {
    int n;
    char groups[16][48];
    ac_ledger_totals rows[16];
} sums;

static int32_t on_totals(const ac_ledger_totals *row, void *user)
{
    sums *all = user;

    snprintf(all->groups[all->n], sizeof all->groups[0], "%s", row->group);
    all->rows[all->n++] = *row;
    return all->n == 16;
}

static sums totals(uint32_t by)
{
    sums all = { 0 };

    ck_assert_int_eq(aci_accountant_ledger_totals(ledger, by, on_totals, &all,
                                                  NULL), AC_OK);
    return all;
}

START_TEST(totals_add_up)
{
    sums all;
    const ac_ledger_totals *t = &all.rows[0];

    make();
    aci_accountant_ledger_feedback(ledger, 1, 1, NULL);
    aci_accountant_ledger_feedback(ledger, 2, 0, NULL);
    all = totals(AC_BY_TOTAL);
    ck_assert_int_eq(all.n, 1);
    ck_assert_str_eq(all.groups[0], "total");
    ck_assert(t->n_requests == 4 && t->n_unsettled == 1);
    ck_assert(t->n_success == 1 && t->n_failure == 1);
    ck_assert(t->prompt_tokens == 400 && t->generated_tokens == 84);
    ck_assert(t->cached_tokens == 28);
    ck_assert(t->device_nanoseconds == 24000000000u);
    ck_assert(t->route_nanoseconds == 400000);
    ck_assert(t->full_nanoseconds == 6000000000u + 3 * 12500000000u);
    ck_assert(t->n_unpriced == 1 && t->n_energy == 0 && t->microjoules == 0);
    /* Only the three with a price. */
    ck_assert(t->nanodollars == 3 * 141669);
    ck_assert(t->full_nanodollars == 141667 + 2 * 295139);
    finish();
}
END_TEST

START_TEST(totals_by_group)
{
    sums all;

    make();
    all = totals(AC_BY_VARIANT);
    ck_assert_int_eq(all.n, 2);
    ck_assert_str_eq(all.groups[0], "full");
    ck_assert_str_eq(all.groups[1], "int4");
    ck_assert(all.rows[0].n_requests == 1 && all.rows[1].n_requests == 3);
    ck_assert(all.rows[1].n_unsettled == 1);
    all = totals(AC_BY_REASON);
    ck_assert_int_eq(all.n, 2);
    ck_assert_str_eq(all.groups[0], "cheapest");
    ck_assert_str_eq(all.groups[1], "low-confidence");
    run_sql("UPDATE requests SET wall_nanoseconds = 86400000000000 * id;"
            "UPDATE requests SET wall_nanoseconds = 9223372036854775807"
            " WHERE id = 3");
    all = totals(AC_BY_DAY);
    ck_assert_int_eq(all.n, 5);
    ck_assert_str_eq(all.groups[0], "1970-01-02");
    ck_assert_str_eq(all.groups[4], "2262-04-11");
    ck_assert_int_eq(aci_accountant_ledger_totals(ledger, 4, on_totals, &all,
                                                  NULL), AC_E_ARGUMENT);
    finish();
}
END_TEST

START_TEST(sums_stop_and_do_not_wrap)
{
    sums all;

    make();
    run_sql("UPDATE requests SET macs = 9223372036854775807,"
            " prefill_nanoseconds = 9223372036854775807, decode_nanoseconds ="
            " 9223372036854775807, nanodollars = 9223372036854775807,"
            " bytes_moved = -5, run_reason = 12345678901");
    all = totals(AC_BY_TOTAL);
    ck_assert(all.rows[0].macs == INT64_MAX);
    ck_assert(all.rows[0].device_nanoseconds == INT64_MAX);
    ck_assert(all.rows[0].nanodollars == INT64_MAX);
    ck_assert(all.rows[0].bytes_moved == 0);
    all = totals(AC_BY_REASON);
    ck_assert_str_eq(all.groups[0], "unknown");
    finish();
}
END_TEST

START_TEST(an_empty_ledger_has_a_total)
{
    sums all;

    make();
    run_sql("DELETE FROM requests");
    all = totals(AC_BY_TOTAL);
    ck_assert(all.n == 1 && all.rows[0].n_requests == 0);
    ck_assert_int_eq(totals(AC_BY_VARIANT).n, 0);
    finish();
}
END_TEST

START_TEST(missing_tables_are_a_format_error)
{
    sums all = { 0 };
    seen s = { 0 };
    aci_ledger_basis basis;

    make();
    run_sql("DROP TABLE requests; CREATE TABLE requests (id INTEGER)");
    ck_assert_int_eq(aci_accountant_ledger_read(ledger, 1, on_entry, &s,
                                                NULL), AC_E_FORMAT);
    ck_assert_int_eq(aci_accountant_ledger_totals(ledger, 0, on_totals, &all,
                                                  NULL), AC_E_FORMAT);
    ck_assert_int_eq(aci_accountant_ledger_basis(&basis, ledger, NULL),
                     AC_E_FORMAT);
    ck_assert_int_eq(aci_accountant_ledger_feedback(ledger, 1, 1, NULL),
                     AC_E_FORMAT);
    finish();
}
END_TEST

/* Bytes flipped anywhere in the tables: an answer or an error. */
START_TEST(damaged_pages_are_errors)
{
    static uint8_t bytes[1 << 20];
    size_t n, i;
    FILE *file;

    make();
    aci_accountant_ledger_close(ledger);
    file = fopen(path, "r");
    n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (i = 100; i < n; i += 61) {
        seen s = { .stop_at = 60 };
        sums all = { 0 };

        bytes[i] ^= 0x55;
        file = fopen(path, "w");
        ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
        fclose(file);
        bytes[i] ^= 0x55;
        if (aci_accountant_ledger_open(&ledger, &memory, path, NULL) !=
            AC_OK)
            continue;
        aci_accountant_ledger_read(ledger, 1, on_entry, &s, NULL);
        aci_accountant_ledger_totals(ledger, AC_BY_VARIANT, on_totals, &all,
                                     NULL);
        aci_accountant_ledger_report(ledger, small_path("r.html"), NULL);
        aci_accountant_ledger_close(ledger);
    }
    ck_assert_uint_eq(memory.used_bytes, 0);
    small_remove();
}
END_TEST

START_TEST(opening_tells_what_is_wrong)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_accountant_ledger_open(&ledger, &memory,
                                                small_path("none"), NULL),
                     AC_E_NOT_FOUND);
    ck_assert_ptr_null(ledger);
    memory.fail_at = memory.n_allocations + 1;
    ck_assert_int_eq(aci_accountant_ledger_open(&ledger, &memory,
                                                small_path("none"), NULL),
                     AC_E_NO_MEMORY);
    ck_assert_uint_eq(memory.used_bytes, 0);
    aci_accountant_ledger_close(NULL);
    small_remove();
}
END_TEST

Suite *test_ledger_read_suite(void);
Suite *test_ledger_read_suite(void)
{
    Suite *suite = suite_create("test_ledger_read");
    TCase *tests = tcase_create("test_ledger_read");

    tcase_add_test(tests, entries_come_in_order);
    tcase_add_test(tests, the_unsettled_are_shown_as_such);
    tcase_add_test(tests, reading_beyond_the_end_gives_nothing);
    tcase_add_test(tests, feedback_may_come_from_the_callback);
    tcase_add_test(tests, totals_add_up);
    tcase_add_test(tests, totals_by_group);
    tcase_add_test(tests, sums_stop_and_do_not_wrap);
    tcase_add_test(tests, an_empty_ledger_has_a_total);
    tcase_add_test(tests, missing_tables_are_a_format_error);
    tcase_add_test(tests, damaged_pages_are_errors);
    tcase_add_test(tests, opening_tells_what_is_wrong);
    suite_add_tcase(suite, tests);
    return suite;
}
