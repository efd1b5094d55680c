/* ledger_write.c - see ledger_write.h.
 *
 * Each side is one statement, hence one transaction. Reserving commits to the
 * write-ahead log without waiting for the disk (synchronous NORMAL): the
 * kernel has it, so a kill cannot take it. Settling waits (FULL), and with its
 * own takes every earlier commit to the disk: one wait per request. */
#include "accountant/ledger_write.h"

#include <string.h>

#include "accountant/ledger_file.h"
#include "accountant/ledger_row.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "platform/threads.h"

enum { LABEL_BYTES = 1023 };

static const char INSERT_OPENING[] =
    "INSERT INTO openings (wall_nanoseconds, library, model, model_checksum,"
    " predictor_checksum, price_name, price_provider, price_as_of,"
    " price_source, price_nanodollars_per_hour, price_book_checksum,"
    " energy_reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char RESERVE[] =
    "INSERT INTO requests (state, opening, wall_nanoseconds,"
    " reserved_nanodollars, label, inputs, " ACI_LEDGER_DECISION ")"
    " VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SETTLE[] =
    "UPDATE requests SET state = 1, (run_variant, run_variant_name,"
    " run_reason, stop_reason, " ACI_LEDGER_USAGE ") ="
    " (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
    " ?17, ?18, ?19, ?20, ?21, ?22, ?23) WHERE id = ?1 AND state = 0";

struct aci_ledger_writer {
    aci_memory *memory;
    aci_mutex *mutex;
    sqlite3 *file;
    sqlite3_stmt *reserve, *settle;
    int64_t opening;
};

/* ---- opening ------------------------------------------------------------- */

static ac_status insert_opening(aci_ledger_writer *writer,
                                const aci_ledger_opening *o, ac_error *error)
{
    const char *texts[] = { AC_VERSION_STRING, o->model->shape.name,
                            o->price->name, o->price->provider,
                            o->price->as_of, o->price->source };
    const int places[] = { 2, 3, 6, 7, 8, 9 };
    sqlite3_stmt *s;
    ac_status status = aci_accountant_file_prepare(&s, writer->file,
                                                   INSERT_OPENING, error);

    if (status != AC_OK)
        return status;
    sqlite3_bind_int64(s, 1, aci_platform_wall_nanoseconds());
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        sqlite3_bind_text(s, places[i], texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, (int64_t)o->model->checksum);
    sqlite3_bind_int64(s, 5, (int64_t)o->predictor_checksum);
    aci_accountant_bind_optional(s, 10, o->price->nanodollars_per_hour);
    sqlite3_bind_int64(s, 11, (int64_t)o->price->book_checksum);
    if (o->energy_reason != NULL)
        sqlite3_bind_text(s, 12, o->energy_reason, -1, SQLITE_TRANSIENT);
    status = aci_accountant_file_run(writer->file, s, "opening the ledger",
                                     error);
    writer->opening = sqlite3_last_insert_rowid(writer->file);
    sqlite3_finalize(s);
    return status;
}

ac_status aci_accountant_writer_open(aci_ledger_writer **out,
                                     aci_memory *memory, const char *path,
                                     const aci_ledger_opening *opening,
                                     ac_error *error)
{
    aci_ledger_writer *writer = aci_platform_alloc_zeroed(memory, 1,
                                                          sizeof *writer);
    ac_status status;

    *out = NULL;
    if (writer == NULL)
        return aci_platform_fail_memory(error, "the ledger");
    writer->memory = memory;
    status = aci_platform_mutex_create(&writer->mutex, memory, error);
    if (status == AC_OK)
        status = aci_accountant_file_open(&writer->file, path,
                                          ACI_LEDGER_WRITE, error);
    if (status == AC_OK)
        status = insert_opening(writer, opening, error);
    if (status == AC_OK)
        status = aci_accountant_file_prepare(&writer->reserve, writer->file,
                                             RESERVE, error);
    if (status == AC_OK)
        status = aci_accountant_file_prepare(&writer->settle, writer->file,
                                             SETTLE, error);
    if (status == AC_OK) {
        *out = writer;
        return AC_OK;
    }
    aci_accountant_writer_close(writer);
    return status;
}

void aci_accountant_writer_close(aci_ledger_writer *writer)
{
    if (writer == NULL)
        return;
    sqlite3_finalize(writer->reserve);
    sqlite3_finalize(writer->settle);
    sqlite3_close_v2(writer->file);
    aci_platform_mutex_free(writer->mutex);
    aci_platform_free(writer->memory, writer);
}

/* ---- the two phases ------------------------------------------------------ */

/* The mode is the connection's; changing it costs no reading or writing. */
static void wait_for_disk(aci_ledger_writer *writer, int wait)
{
    sqlite3_exec(writer->file, wait ? "PRAGMA synchronous = FULL"
                                    : "PRAGMA synchronous = NORMAL",
                 NULL, NULL, NULL);
}

/* A label cut at LABEL_BYTES, not inside a UTF-8 character. */
static int label_bytes(const char *label)
{
    size_t n = strnlen(label, LABEL_BYTES + 1);

    if (n > LABEL_BYTES) {
        n = LABEL_BYTES;
        while (n > 0 && ((unsigned char)label[n] & 0xC0u) == 0x80u)
            n--;
    }
    return (int)n;
}

ac_status aci_accountant_writer_reserve(uint64_t *request_id,
                                        aci_ledger_writer *writer,
                                        const ac_decision *decision,
                                        const aci_decision_inputs *inputs,
                                        int64_t worst_nanodollars,
                                        const char *label, ac_error *error)
{
    uint8_t packed[ACI_LEDGER_INPUT_BYTES];
    sqlite3_stmt *s = writer->reserve;
    ac_status status;

    aci_platform_lock(writer->mutex);
    wait_for_disk(writer, 0);
    sqlite3_bind_int64(s, 1, writer->opening);
    sqlite3_bind_int64(s, 2, aci_platform_wall_nanoseconds());
    aci_accountant_bind_optional(s, 3, worst_nanodollars);
    if (label != NULL)
        sqlite3_bind_text(s, 4, label, label_bytes(label), SQLITE_STATIC);
    if (inputs != NULL)
        sqlite3_bind_blob(s, 5, packed,
                          (int)aci_accountant_pack_inputs(packed, inputs),
                          SQLITE_STATIC);
    aci_accountant_bind_decision(s, 6, decision);
    status = aci_accountant_file_run(writer->file, s,
                                     "the ledger refused the request", error);
    *request_id = status == AC_OK
                      ? (uint64_t)sqlite3_last_insert_rowid(writer->file)
                      : 0;
    aci_platform_unlock(writer->mutex);
    return status;
}

ac_status aci_accountant_writer_settle(aci_ledger_writer *writer,
                                       uint64_t request_id,
                                       const ac_usage *usage,
                                       const char *variant_name,
                                       uint32_t reason, uint32_t stop_reason,
                                       ac_error *error)
{
    sqlite3_stmt *s = writer->settle;
    ac_status status;

    aci_platform_lock(writer->mutex);
    wait_for_disk(writer, 1);
    sqlite3_bind_int64(s, 1, (int64_t)request_id);
    sqlite3_bind_int64(s, 2, usage->variant);
    sqlite3_bind_text(s, 3, variant_name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, reason);
    sqlite3_bind_int64(s, 5, stop_reason);
    aci_accountant_bind_usage(s, 6, usage);
    status = aci_accountant_file_run(writer->file, s,
                                     "the ledger could not be settled",
                                     error);
    if (status == AC_OK && sqlite3_changes(writer->file) != 1)
        status = aci_platform_fail(error, AC_E_INTERNAL,
                                   "request %llu was not open in the ledger",
                                   (unsigned long long)request_id);
    aci_platform_unlock(writer->mutex);
    return status;
}
