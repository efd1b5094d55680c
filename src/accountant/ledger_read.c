/* ledger_read.c - see ledger.h. */
#include "accountant/ledger.h"

#include <string.h>

#include "accountant/cost_model.h"
#include "accountant/ledger_file.h"
#include "accountant/ledger_row.h"
#include "platform/error.h"

struct aci_ledger {
    aci_memory *memory;
    sqlite3 *file;
};

/* ---- sums that stop at the end ------------------------------------------- */

/* SQLite's own sum() fails the whole query when it overflows. */
static void sum_step(sqlite3_context *context, int n, sqlite3_value **values)
{
    int64_t *sum = sqlite3_aggregate_context(context, sizeof *sum);
    int64_t value = sqlite3_value_int64(values[0]);

    (void)n;
    if (sum == NULL)
        sqlite3_result_error_nomem(context);
    else if (value > 0)
        *sum = (int64_t)aci_accountant_add((uint64_t)*sum, (uint64_t)value);
}

static void sum_final(sqlite3_context *context)
{
    int64_t *sum = sqlite3_aggregate_context(context, 0);

    sqlite3_result_int64(context, sum ? *sum : 0);
}

static void name_reason(sqlite3_context *context, int n,
                        sqlite3_value **values)
{
    int64_t reason = sqlite3_value_int64(values[0]);

    (void)n;
    sqlite3_result_text(
        context,
        ac_reason_name(reason < 0 || reason > UINT32_MAX ? UINT32_MAX
                                                         : (uint32_t)reason),
        -1, SQLITE_STATIC);
}

/* ---- open and close ------------------------------------------------------ */

ac_status aci_accountant_ledger_open(aci_ledger **out, aci_memory *memory,
                                     const char *path, ac_error *error)
{
    aci_ledger *ledger = aci_platform_alloc_zeroed(memory, 1, sizeof *ledger);
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    ac_status status;

    *out = NULL;
    if (ledger == NULL)
        return aci_platform_fail_memory(error, "the ledger");
    ledger->memory = memory;
    status = aci_accountant_file_open(&ledger->file, path, ACI_LEDGER_READ,
                                      error);
    if (status == AC_OK &&
        (sqlite3_create_function_v2(ledger->file, "sum_of", 1, flags, NULL,
                                    NULL, sum_step, sum_final, NULL) ||
         sqlite3_create_function_v2(ledger->file, "reason_name", 1, flags,
                                    NULL, name_reason, NULL, NULL, NULL)))
        status = aci_accountant_file_fail(error, ledger->file, "the ledger");
    if (status == AC_OK) {
        *out = ledger;
        return AC_OK;
    }
    aci_accountant_ledger_close(ledger);
    return status;
}

void aci_accountant_ledger_close(aci_ledger *ledger)
{
    if (ledger == NULL)
        return;
    sqlite3_close_v2(ledger->file);
    aci_platform_free(ledger->memory, ledger);
}

aci_memory *aci_accountant_ledger_memory(const aci_ledger *ledger)
{
    return ledger->memory;
}

/* ---- entries ------------------------------------------------------------- */

enum { LABEL_BYTES = 1024, NAME_BYTES = 32 };

/* One entry with room for what its pointers lend. */
typedef struct row {
    ac_ledger_entry entry;
    ac_decision decision;
    ac_usage usage;
    char name[NAME_BYTES];
    char label[LABEL_BYTES];
} row;

static void copy_text(char *out, size_t capacity, sqlite3_stmt *s, int i)
{
    const char *text = (const char *)sqlite3_column_text(s, i);

    out[0] = '\0';
    if (text != NULL) {
        strncpy(out, text, capacity - 1);
        out[capacity - 1] = '\0';
    }
}

static void read_row(row *r, sqlite3_stmt *s)
{
    const int decision = 9, usage = decision + ACI_LEDGER_N_DECISION;
    int64_t run;

    memset(r, 0, sizeof *r);
    r->decision.struct_size = sizeof r->decision;
    r->usage.struct_size = sizeof r->usage;
    r->entry.struct_size = sizeof r->entry;
    r->entry.request_id = (uint64_t)sqlite3_column_int64(s, 0);
    r->entry.settled = sqlite3_column_int64(s, 1) == 1;
    r->entry.wall_nanoseconds = sqlite3_column_int64(s, 2);
    r->entry.reserved_nanodollars = aci_accountant_column_optional(s, 3);
    r->entry.success = (int32_t)aci_accountant_column_optional(s, 4);
    if (r->entry.success > 1)
        r->entry.success = 1;
    r->entry.stop_reason = (uint32_t)sqlite3_column_int64(s, 5);
    copy_text(r->label, sizeof r->label, s, 6);
    copy_text(r->name, sizeof r->name, s, 7);
    aci_accountant_column_decision(&r->decision, s, decision);
    aci_accountant_column_usage(&r->usage, s, usage);
    run = sqlite3_column_int64(s, 8);
    r->usage.variant = run < 0 || run > UINT32_MAX ? 0 : (uint32_t)run;
    if (sqlite3_column_type(s, 6) != SQLITE_NULL)
        r->entry.label = r->label;
    r->entry.variant_name = r->name;
    r->entry.decision = &r->decision;
    r->entry.usage = &r->usage;
}

ac_status aci_accountant_ledger_read(aci_ledger *ledger, uint64_t first_id,
                                     ac_entry_callback on_entry, void *user,
                                     ac_error *error)
{
    sqlite3_stmt *s;
    int64_t next = first_id > INT64_MAX ? INT64_MAX : (int64_t)first_id;
    int code = SQLITE_ROW, stop = first_id > INT64_MAX;
    ac_status status = aci_accountant_file_prepare(
        &s, ledger->file,
        "SELECT id, state, wall_nanoseconds, reserved_nanodollars, success,"
        " stop_reason, label, coalesce(run_variant_name, variant_name),"
        " coalesce(run_variant, variant), "
        ACI_LEDGER_DECISION ", " ACI_LEDGER_USAGE
        " FROM requests WHERE id >= ? ORDER BY id LIMIT 1", error);

    while (status == AC_OK && !stop) {
        row r;

        sqlite3_bind_int64(s, 1, next);
        code = sqlite3_step(s);
        if (code == SQLITE_ROW)
            read_row(&r, s);
        else if (code != SQLITE_DONE)
            status = aci_accountant_file_fail(error, ledger->file,
                                              "reading the ledger");
        sqlite3_reset(s);
        if (code != SQLITE_ROW)
            break;
        stop = on_entry(&r.entry, user) != 0 ||
               r.entry.request_id >= INT64_MAX;
        next = (int64_t)r.entry.request_id + !stop;
    }
    sqlite3_finalize(s);
    return status;
}

/* ---- totals -------------------------------------------------------------- */

#define SETTLED(column) "sum_of(iif(state = 1, " column ", 0))"
#define PRICED(column) "sum_of(iif(state = 1 AND nanodollars IS NOT NULL"    \
                       " AND full_nanodollars IS NOT NULL, " column ", 0))"
#define TOTALS                                                                \
    " sum_of(state = 1), sum_of(state <> 1), sum_of(success = 1),"            \
    " sum_of(success = 0), " SETTLED("prompt_tokens") ", "                    \
    SETTLED("cached_tokens") ", " SETTLED("generated_tokens") ", "            \
    SETTLED("macs") ", " SETTLED("bit_operations") ", "                       \
    SETTLED("bytes_moved") ", " SETTLED("prefill_nanoseconds") ", "           \
    SETTLED("decode_nanoseconds") ", " SETTLED("route_nanoseconds") ", "      \
    SETTLED("full_nanoseconds") ", " SETTLED("microjoules") ", "              \
    " sum_of(state = 1 AND microjoules IS NOT NULL), "                        \
    PRICED("nanodollars") ", " PRICED("full_nanodollars") ", "                \
    " sum_of(state = 1 AND (nanodollars IS NULL"                              \
    " OR full_nanodollars IS NULL)) FROM requests"

static const char *totals_query(uint32_t by)
{
    static const char *const queries[] = {
        "SELECT 'total'," TOTALS,
        "SELECT coalesce(run_variant_name, variant_name) AS g," TOTALS
        " GROUP BY g ORDER BY g",
        "SELECT coalesce(date(wall_nanoseconds / 1000000000, 'unixepoch'),"
        " 'no date') AS g," TOTALS " GROUP BY g ORDER BY g",
        "SELECT reason_name(coalesce(run_reason, reason)) AS g," TOTALS
        " GROUP BY g ORDER BY g",
    };

    return by < sizeof queries / sizeof *queries ? queries[by] : NULL;
}

static uint64_t total(sqlite3_stmt *s, int i)
{
    return (uint64_t)sqlite3_column_int64(s, i);
}

static void read_totals(ac_ledger_totals *out, sqlite3_stmt *s)
{
    const char *group = (const char *)sqlite3_column_text(s, 0);

    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    out->group = group ? group : "";
    out->n_requests = total(s, 1);
    out->n_unsettled = total(s, 2);
    out->n_success = total(s, 3);
    out->n_failure = total(s, 4);
    out->prompt_tokens = total(s, 5);
    out->cached_tokens = total(s, 6);
    out->generated_tokens = total(s, 7);
    out->macs = total(s, 8);
    out->bit_operations = total(s, 9);
    out->bytes_moved = total(s, 10);
    out->device_nanoseconds = aci_accountant_add(total(s, 11), total(s, 12));
    out->route_nanoseconds = total(s, 13);
    out->full_nanoseconds = total(s, 14);
    out->microjoules = (int64_t)total(s, 15);
    out->n_energy = total(s, 16);
    out->nanodollars = (int64_t)total(s, 17);
    out->full_nanodollars = (int64_t)total(s, 18);
    out->n_unpriced = total(s, 19);
}

ac_status aci_accountant_ledger_totals(aci_ledger *ledger, uint32_t by,
                                       ac_totals_callback on_row, void *user,
                                       ac_error *error)
{
    const char *query = totals_query(by);
    sqlite3_stmt *s;
    int code = SQLITE_ROW;
    ac_status status;

    if (query == NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there is no grouping %u", by);
    status = aci_accountant_file_prepare(&s, ledger->file, query, error);
    while (status == AC_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        ac_ledger_totals totals;

        read_totals(&totals, s);
        if (on_row(&totals, user) != 0)
            break;
    }
    if (status == AC_OK && code != SQLITE_ROW && code != SQLITE_DONE)
        status = aci_accountant_file_fail(error, ledger->file,
                                          "adding up the ledger");
    sqlite3_finalize(s);
    return status;
}

/* ---- feedback and replay ------------------------------------------------- */

ac_status aci_accountant_ledger_feedback(aci_ledger *ledger,
                                         uint64_t request_id, int32_t success,
                                         ac_error *error)
{
    sqlite3_stmt *s;
    ac_status status;

    if (success != 0 && success != 1)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "success was %d, not 0 or 1", success);
    status = aci_accountant_file_prepare(
        &s, ledger->file, "UPDATE requests SET success = ? WHERE id = ?",
        error);
    if (status != AC_OK)
        return status;
    sqlite3_bind_int64(s, 1, success);
    sqlite3_bind_int64(s, 2, (int64_t)request_id);
    status = aci_accountant_file_run(ledger->file, s, "recording feedback",
                                     error);
    if (status == AC_OK && sqlite3_changes(ledger->file) == 0)
        status = aci_platform_fail(error, AC_E_NOT_FOUND,
                                   "there was no request %llu",
                                   (unsigned long long)request_id);
    sqlite3_finalize(s);
    return status;
}

ac_status aci_accountant_ledger_replay(aci_ledger_replay *out,
                                       aci_ledger *ledger,
                                       uint64_t request_id, ac_error *error)
{
    sqlite3_stmt *s;
    int code, complete = 0;
    ac_status status = aci_accountant_file_prepare(
        &s, ledger->file,
        "SELECT inputs, model_checksum, predictor_checksum FROM requests"
        " JOIN openings ON openings.id = opening WHERE requests.id = ?",
        error);

    memset(out, 0, sizeof *out);
    if (status != AC_OK)
        return status;
    sqlite3_bind_int64(s, 1, (int64_t)request_id);
    code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        const uint8_t *bytes = sqlite3_column_blob(s, 0);

        complete = aci_accountant_unpack_inputs(
            &out->inputs, bytes, (size_t)sqlite3_column_bytes(s, 0));
        out->model_checksum = total(s, 1);
        out->predictor_checksum = total(s, 2);
    } else if (code != SQLITE_DONE)
        status = aci_accountant_file_fail(error, ledger->file,
                                          "reading the ledger");
    if (status == AC_OK && !complete)
        status = aci_platform_fail(error, AC_E_NOT_FOUND,
                                   "there was no request %llu with the inputs"
                                   " of its decision",
                                   (unsigned long long)request_id);
    sqlite3_finalize(s);
    return status;
}

/* ---- for the report ------------------------------------------------------ */

ac_status aci_accountant_ledger_basis(aci_ledger_basis *out,
                                      aci_ledger *ledger, ac_error *error)
{
    sqlite3_stmt *s;
    int code = SQLITE_ROW;
    ac_status status = aci_accountant_file_prepare(
        &s, ledger->file,
        "SELECT full_basis, sum_of(1), sum_of(full_nanodollars)"
        " FROM requests WHERE state = 1 AND full_basis BETWEEN 1 AND 3"
        " GROUP BY full_basis", error);

    memset(out, 0, sizeof *out);
    while (status == AC_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t basis = sqlite3_column_int64(s, 0);

        out->n_requests[basis] = total(s, 1);
        out->full_nanodollars[basis] = (int64_t)total(s, 2);
    }
    if (status == AC_OK && code != SQLITE_DONE)
        status = aci_accountant_file_fail(error, ledger->file,
                                          "adding up the ledger");
    sqlite3_finalize(s);
    return status;
}

static const char *text(sqlite3_stmt *s, int i)
{
    const char *value = (const char *)sqlite3_column_text(s, i);

    return value ? value : "";
}

ac_status aci_accountant_ledger_sources(aci_ledger *ledger,
                                        aci_ledger_source_callback on_source,
                                        void *user, ac_error *error)
{
    sqlite3_stmt *s;
    int code = SQLITE_ROW;
    ac_status status = aci_accountant_file_prepare(
        &s, ledger->file,
        "SELECT model, price_name, price_provider, price_as_of,"
        " price_source, energy_reason, price_nanodollars_per_hour, sum_of(1)"
        " FROM requests JOIN openings ON openings.id = opening"
        " WHERE state = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 8 DESC"
        " LIMIT 50", error);

    while (status == AC_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
        aci_ledger_source source = {
            text(s, 0), text(s, 1), text(s, 2), text(s, 3), text(s, 4),
            sqlite3_column_type(s, 5) == SQLITE_NULL ? NULL : text(s, 5),
            aci_accountant_column_optional(s, 6), total(s, 7)
        };

        on_source(&source, user);
    }
    if (status == AC_OK && code != SQLITE_DONE)
        status = aci_accountant_file_fail(error, ledger->file,
                                          "reading the ledger");
    sqlite3_finalize(s);
    return status;
}
