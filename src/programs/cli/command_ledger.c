/* command_ledger.c - `agentcompress ledger`: totals, entries, the report. */
#include <math.h>
#include <string.h>

#include "cli.h"

typedef enum form { FORM_TABLE, FORM_CSV, FORM_JSON } form;

typedef struct printer {
    form form;
    json_t *rows;
    bool headed;
} printer;

static double saving(const ac_ledger_totals *row)
{
    if (row->full_nanodollars <= 0)
        return NAN;
    return 1.0 - (double)row->nanodollars / (double)row->full_nanodollars;
}

static json_t *totals_json(const ac_ledger_totals *row)
{
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, "
        "s:f, s:o, s:f, s:f, s:o, s:I}",
        "group", row->group, "requests", (json_int_t)row->n_requests,
        "unsettled", (json_int_t)row->n_unsettled, "successes",
        (json_int_t)row->n_success, "failures", (json_int_t)row->n_failure,
        "prompt_tokens", (json_int_t)row->prompt_tokens, "cached_tokens",
        (json_int_t)row->cached_tokens, "generated_tokens",
        (json_int_t)row->generated_tokens, "macs", (json_int_t)row->macs,
        "bit_operations", (json_int_t)row->bit_operations, "bytes_moved",
        (json_int_t)row->bytes_moved, "device_seconds",
        (double)row->device_nanoseconds * 1e-9, "route_seconds",
        (double)row->route_nanoseconds * 1e-9, "full_seconds",
        (double)row->full_nanoseconds * 1e-9, "joules",
        row->n_energy ? json_real((double)row->microjoules * 1e-6)
                      : json_null(),
        "dollars", (double)row->nanodollars * 1e-9, "full_dollars",
        (double)row->full_nanodollars * 1e-9, "saving",
        json_number(saving(row)), "unpriced", (json_int_t)row->n_unpriced);
}

static void print_csv(const ac_ledger_totals *row, bool head)
{
    if (head)
        puts("group,requests,unsettled,successes,failures,prompt_tokens,"
             "cached_tokens,generated_tokens,device_seconds,route_seconds,"
             "full_seconds,dollars,full_dollars,unpriced");
    printf("%s,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%.9f,%.9f,%.9f,%.9f,%.9f,"
           "%llu\n",
           row->group, (unsigned long long)row->n_requests,
           (unsigned long long)row->n_unsettled,
           (unsigned long long)row->n_success,
           (unsigned long long)row->n_failure,
           (unsigned long long)row->prompt_tokens,
           (unsigned long long)row->cached_tokens,
           (unsigned long long)row->generated_tokens,
           (double)row->device_nanoseconds * 1e-9,
           (double)row->route_nanoseconds * 1e-9,
           (double)row->full_nanoseconds * 1e-9,
           (double)row->nanodollars * 1e-9,
           (double)row->full_nanodollars * 1e-9,
           (unsigned long long)row->n_unpriced);
}

static void print_row(const ac_ledger_totals *row, bool head)
{
    char device[32], router[32], own[32], full[32], percent[16] = "-";

    if (head)
        printf("%-16s %8s %9s %9s %10s %9s %12s %12s %8s\n", "", "requests",
               "prompt", "generated", "device", "router", "cost", "on full",
               "saving");
    if (isfinite(saving(row)))
        snprintf(percent, sizeof percent, "%.1f%%", 100.0 * saving(row));
    printf("%-16s %8llu %9llu %9llu %10s %9s %12s %12s %8s\n", row->group,
           (unsigned long long)row->n_requests,
           (unsigned long long)row->prompt_tokens,
           (unsigned long long)row->generated_tokens,
           format_seconds(device, (double)row->device_nanoseconds * 1e-9),
           format_seconds(router, (double)row->route_nanoseconds * 1e-9),
           format_dollars(own, row->nanodollars),
           format_dollars(full, row->full_nanodollars), percent);
    if (row->n_unsettled > 0)
        printf("%-16s %llu requests were never settled (killed?)\n", "",
               (unsigned long long)row->n_unsettled);
    if (row->n_unpriced > 0)
        printf("%-16s %llu requests had no price and are in no sum\n", "",
               (unsigned long long)row->n_unpriced);
}

static int32_t on_totals(const ac_ledger_totals *row, void *user)
{
    printer *p = user;

    if (p->form == FORM_JSON)
        json_array_append_new(p->rows, totals_json(row));
    else if (p->form == FORM_CSV)
        print_csv(row, !p->headed);
    else
        print_row(row, !p->headed);
    p->headed = true;
    return was_interrupted() ? 1 : 0;
}

static int32_t on_entry(const ac_ledger_entry *entry, void *user)
{
    json_t *json = json_pack(
        "{s:I, s:b, s:f, s:s, s:s, s:o, s:o}", "request_id",
        (json_int_t)entry->request_id, "settled", (int)entry->settled,
        "wall_seconds", (double)entry->wall_nanoseconds * 1e-9, "variant",
        entry->variant_name ? entry->variant_name : "", "reason",
        ac_reason_name(entry->decision->reason), "success",
        entry->success < 0 ? json_null() : json_integer(entry->success),
        "usage", usage_json(entry->usage));
    printer *p = user;

    if (json != NULL && entry->label != NULL)
        json_object_set_new(json, "label",
                            json_text(entry->label, strlen(entry->label)));
    json_array_append_new(p->rows, json);
    return was_interrupted() ? 1 : 0;
}

static int by_number(uint32_t *out, const char *name)
{
    static const char *const names[] = { "total", "variant", "day",
                                         "reason" };
    uint32_t i;

    for (i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = i;
            return 0;
        }
    fprintf(stderr, "agentcompress ledger: --by takes variant, day, reason "
            "or total, not \"%s\"\n", name);
    return EXIT_USAGE;
}

static ac_status print_totals(ac_ledger *ledger, uint32_t by, printer *p,
                              ac_error *error)
{
    ac_status status = AC_OK;

    if (by != AC_BY_TOTAL)
        status = ac_ledger_totals_by(ledger, by, on_totals, p, error);
    if (status == AC_OK && (by == AC_BY_TOTAL || p->form == FORM_TABLE))
        status = ac_ledger_totals_by(ledger, AC_BY_TOTAL, on_totals, p,
                                     error);
    return status;
}

int command_ledger(int argc, char **argv, const command *self)
{
    const char *by_name = "variant", *report = NULL, *zoo;
    uint64_t feedback = 0;
    uint32_t success = 1, by = AC_BY_VARIANT;
    bool json = false, csv = false, entries = false;
    const argument table[] = {
        { "by", ARGUMENT_TEXT, &by_name, "GROUP",
          "variant, day, reason or total (variant)" },
        { "entries", ARGUMENT_FLAG, &entries, NULL,
          "every request, as JSON" },
        { "report", ARGUMENT_TEXT, &report, "FILE", "write an HTML report" },
        { "feedback", ARGUMENT_LARGE, &feedback, "ID",
          "say how request ID turned out" },
        { "success", ARGUMENT_NUMBER, &success, "0|1", "with --feedback (1)" },
        { "csv", ARGUMENT_FLAG, &csv, NULL, "comma-separated values" },
        { "json", ARGUMENT_FLAG, &json, NULL, "a JSON array" },
    };
    ac_error error = AC_ERROR_INIT;
    ac_ledger *ledger = NULL;
    printer p = { FORM_TABLE, NULL, false };
    char path[4096];
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &zoo, 1, 1);

    if (code < 0 && by_number(&by, by_name) != 0)
        code = EXIT_USAGE;
    if (code >= 0)
        return code;
    p.form = json || entries ? FORM_JSON : csv ? FORM_CSV : FORM_TABLE;
    p.rows = json_array();
    ledger_path(path, sizeof path, zoo);
    status = ac_ledger_open(&ledger, path, &error);
    if (status == AC_OK && feedback != 0)
        status = ac_ledger_feedback(ledger, feedback, (int32_t)success,
                                    &error);
    else if (status == AC_OK && report != NULL)
        status = ac_ledger_report(ledger, report, &error);
    else if (status == AC_OK && entries)
        status = ac_ledger_read(ledger, 1, on_entry, &p, &error);
    else if (status == AC_OK)
        status = print_totals(ledger, by, &p, &error);
    ac_ledger_close(ledger);
    code = status == AC_OK ? EXIT_DONE : report_failure(status, &error);
    if (status == AC_OK && p.form == FORM_JSON && feedback == 0 && !report)
        return print_json(p.rows);
    json_decref(p.rows);
    return code;
}
