/* ledger_file.c - see ledger_file.h. */
#include "accountant/ledger_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "platform/files.h"

/* How long to wait for another process to finish its transaction; those of
 * ledgers take microseconds, plus the disk's time. */
enum { BUSY_MILLISECONDS = 10000, WAL_ATTEMPTS = 200 };

/* STRICT: what a column says it holds, it holds. Whole numbers only; NULL is
 * "not measured", "no price" or "not given", never 0. */
static const char SCHEMA[] =
    "CREATE TABLE openings ("
    " id INTEGER PRIMARY KEY,"
    " wall_nanoseconds INTEGER NOT NULL,"
    " library TEXT NOT NULL,"
    " model TEXT NOT NULL,"
    " model_checksum INTEGER NOT NULL,"
    " predictor_checksum INTEGER NOT NULL,"
    " price_name TEXT NOT NULL,"
    " price_provider TEXT NOT NULL,"
    " price_as_of TEXT NOT NULL,"
    " price_source TEXT NOT NULL,"
    " price_nanodollars_per_hour INTEGER,"
    " price_book_checksum INTEGER NOT NULL,"
    " energy_reason TEXT) STRICT;"
    "CREATE TABLE requests ("
    " id INTEGER PRIMARY KEY,"
    " opening INTEGER NOT NULL REFERENCES openings (id),"
    " state INTEGER NOT NULL,"
    " wall_nanoseconds INTEGER NOT NULL,"
    " reserved_nanodollars INTEGER,"
    " label TEXT,"
    /* the decision */
    " variant INTEGER NOT NULL,"
    " variant_name TEXT NOT NULL,"
    " reason INTEGER NOT NULL,"
    " n_variants INTEGER NOT NULL,"
    " confidence_bits INTEGER NOT NULL,"
    " unfamiliarity_bits INTEGER NOT NULL,"
    " success_bits BLOB NOT NULL,"
    " expected_nanodollars INTEGER,"
    " expected_full_nanodollars INTEGER,"
    " router_nanoseconds INTEGER NOT NULL,"
    " prompt_hash INTEGER NOT NULL,"
    /* what it was made from; NULL when it was not told */
    " inputs BLOB,"
    /* set by settling */
    " run_variant INTEGER,"
    " run_variant_name TEXT,"
    " run_reason INTEGER,"
    " stop_reason INTEGER,"
    " prompt_tokens INTEGER,"
    " cached_tokens INTEGER,"
    " generated_tokens INTEGER,"
    " draft_tokens INTEGER,"
    " accepted_tokens INTEGER,"
    " macs INTEGER,"
    " bit_operations INTEGER,"
    " bytes_moved INTEGER,"
    " queue_nanoseconds INTEGER,"
    " route_nanoseconds INTEGER,"
    " prefill_nanoseconds INTEGER,"
    " decode_nanoseconds INTEGER,"
    " full_nanoseconds INTEGER,"
    " full_basis INTEGER,"
    " energy_source INTEGER,"
    " microjoules INTEGER,"
    " nanodollars INTEGER,"
    " full_nanodollars INTEGER,"
    /* set by feedback */
    " success INTEGER) STRICT;";

/* ---- failures ------------------------------------------------------------ */

/* Why the system refused. SQLite keeps that of the write-ahead log, where a
 * disk fills up first, with the log's own file. */
static int system_reason(sqlite3 *file)
{
    sqlite3_file *log = NULL;
    int number = sqlite3_system_errno(file);

    sqlite3_file_control(file, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (number == 0 && log != NULL && log->pMethods != NULL)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &number);
    return number;
}

static ac_status status_of(sqlite3 *file)
{
    int number;

    switch (sqlite3_errcode(file) & 0xFF) {
    case SQLITE_FULL:
        return AC_E_DISK_FULL;
    case SQLITE_IOERR:
        number = system_reason(file);
        return number == ENOSPC || number == EDQUOT || number == EFBIG
                   ? AC_E_DISK_FULL
                   : AC_E_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return AC_E_BUSY;
    case SQLITE_NOMEM:
        return AC_E_NO_MEMORY;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_PROTOCOL:
        return AC_E_IO;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_ERROR: /* our SQL is right: the tables are not ours */
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
    case SQLITE_FORMAT:
        return AC_E_FORMAT;
    default:
        return AC_E_INTERNAL;
    }
}

ac_status aci_accountant_file_fail(ac_error *error, sqlite3 *file,
                                   const char *doing)
{
    return aci_platform_fail(error, status_of(file), "%s: %s", doing,
                             sqlite3_errmsg(file));
}

ac_status aci_accountant_file_prepare(sqlite3_stmt **out, sqlite3 *file,
                                      const char *sql, ac_error *error)
{
    *out = NULL;
    if (sqlite3_prepare_v3(file, sql, -1, SQLITE_PREPARE_PERSISTENT, out,
                           NULL) == SQLITE_OK)
        return AC_OK;
    return aci_accountant_file_fail(error, file, "the ledger's tables");
}

ac_status aci_accountant_file_run(sqlite3 *file, sqlite3_stmt *statement,
                                  const char *doing, ac_error *error)
{
    ac_status status = AC_OK;
    int code = sqlite3_step(statement);

    if (code != SQLITE_DONE && code != SQLITE_ROW)
        status = aci_accountant_file_fail(error, file, doing);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    /* A disk full may end the transaction or leave it open: end it. */
    if (status != AC_OK && !sqlite3_get_autocommit(file))
        sqlite3_exec(file, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* ---- opening ------------------------------------------------------------- */

static ac_status execute(sqlite3 *file, const char *sql, ac_error *error)
{
    if (sqlite3_exec(file, sql, NULL, NULL, NULL) == SQLITE_OK)
        return AC_OK;
    return aci_accountant_file_fail(error, file, "the ledger");
}

/* The whole number that `sql` gives. */
static ac_status ask(sqlite3_int64 *out, sqlite3 *file, const char *sql,
                     ac_error *error)
{
    sqlite3_stmt *statement;
    ac_status status = aci_accountant_file_prepare(&statement, file, sql,
                                                   error);

    *out = 0;
    if (status != AC_OK)
        return status;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        status = aci_accountant_file_fail(error, file, "the ledger");
    sqlite3_finalize(statement);
    return status;
}

/* What a file says of itself. */
typedef struct file_marks {
    sqlite3_int64 tables, application, version;
} file_marks;

/* All of one moment: another process may be making the ledger meanwhile, and
 * half of what it wrote would look like a stranger's file. A savepoint is a
 * transaction where there is none, and harmless inside one. */
static ac_status read_marks(file_marks *out, sqlite3 *file, ac_error *error)
{
    ac_status status = execute(file, "SAVEPOINT marks", error);

    if (status != AC_OK)
        return status;
    status = ask(&out->tables, file, "SELECT count(*) FROM sqlite_master",
                 error);
    if (status == AC_OK)
        status = ask(&out->application, file, "PRAGMA application_id", error);
    if (status == AC_OK)
        status = ask(&out->version, file, "PRAGMA user_version", error);
    if (status == AC_OK)
        return execute(file, "RELEASE marks", error);
    sqlite3_exec(file, "RELEASE marks", NULL, NULL, NULL);
    return status;
}

/* `*empty`: a file without any table, which may become a ledger. */
static ac_status recognise(int *empty, sqlite3 *file, ac_error *error)
{
    file_marks marks;
    ac_status status = read_marks(&marks, file, error);

    if (status != AC_OK)
        return status;
    *empty = marks.tables == 0 && marks.application == 0 &&
             marks.version == 0;
    if (*empty)
        return AC_OK;
    if (marks.application != ACI_LEDGER_APPLICATION)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "it is another program's database");
    if (marks.version > ACI_LEDGER_VERSION)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "its version is %lld, newer than %d",
                                 (long long)marks.version, ACI_LEDGER_VERSION);
    if (marks.version < 1)
        return aci_platform_fail(error, AC_E_FORMAT, "its version is %lld",
                                 (long long)marks.version);
    return AC_OK;
}

/* SQLite does not wait for its turn when changing to WAL: we do. */
static ac_status use_wal(sqlite3 *file, ac_error *error)
{
    int code = SQLITE_BUSY;

    for (int i = 0; i < WAL_ATTEMPTS && (code & 0xFF) == SQLITE_BUSY; i++) {
        if (i > 0)
            sqlite3_sleep(10);
        code = sqlite3_exec(file, "PRAGMA journal_mode = WAL", NULL, NULL,
                            NULL);
    }
    return code == SQLITE_OK
               ? AC_OK
               : aci_accountant_file_fail(error, file, "changing to WAL");
}

/* Several processes may come to an empty file at once: one makes the tables,
 * the others find them made. */
static ac_status make_tables(sqlite3 *file, ac_error *error)
{
    char mark[128];
    int empty = 0;
    ac_status status = execute(file, "BEGIN IMMEDIATE", error);

    if (status != AC_OK)
        return status;
    snprintf(mark, sizeof mark,
             "PRAGMA application_id = %d; PRAGMA user_version = %d",
             (int)ACI_LEDGER_APPLICATION, (int)ACI_LEDGER_VERSION);
    status = recognise(&empty, file, error);
    if (status == AC_OK && empty)
        status = execute(file, SCHEMA, error);
    if (status == AC_OK && empty)
        status = execute(file, mark, error);
    if (status == AC_OK)
        status = execute(file, "COMMIT", error);
    if (status != AC_OK && !sqlite3_get_autocommit(file))
        sqlite3_exec(file, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static ac_status prepare_file(sqlite3 *file, aci_ledger_access access,
                              ac_error *error)
{
    int empty = 0;
    ac_status status;

    sqlite3_busy_timeout(file, BUSY_MILLISECONDS);
    sqlite3_extended_result_codes(file, 1);
    /* A stranger's file must not make us run its functions. */
    sqlite3_db_config(file, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(file, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    status = execute(file, "PRAGMA temp_store = MEMORY;"
                           "PRAGMA cell_size_check = ON", error);
    if (status == AC_OK)
        status = recognise(&empty, file, error);
    if (status == AC_OK && empty && access == ACI_LEDGER_READ)
        return aci_platform_fail(error, AC_E_FORMAT, "it is empty");
    if (status == AC_OK && access == ACI_LEDGER_WRITE)
        status = use_wal(file, error);
    if (status == AC_OK && empty)
        status = make_tables(file, error);
    return status;
}

/* ":memory:" and "file:..." would not be files to SQLite. */
static int as_file_name(char *out, size_t capacity, const char *path)
{
    int special = path[0] == ':' || strncmp(path, "file:", 5) == 0;
    int n = snprintf(out, capacity, "%s%s", special ? "./" : "", path);

    return n > 0 && (size_t)n < capacity;
}

ac_status aci_accountant_file_open(sqlite3 **out, const char *path,
                                   aci_ledger_access access, ac_error *error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                (access == ACI_LEDGER_WRITE ? SQLITE_OPEN_CREATE : 0);
    char name[4096], prefix[240];
    sqlite3 *file = NULL;
    ac_status status;

    *out = NULL;
    if (!as_file_name(name, sizeof name, path))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the ledger's path was empty or too long");
    if (access == ACI_LEDGER_READ && aci_platform_file_size(name) < 0 &&
        !aci_platform_is_directory(name))
        return aci_platform_fail(error, AC_E_NOT_FOUND,
                                 "there was no ledger %.200s", path);
    if (sqlite3_open_v2(name, &file, flags, NULL) != SQLITE_OK)
        status = file == NULL ? aci_platform_fail_memory(error, "the ledger")
                              : aci_accountant_file_fail(error, file,
                                                         "opening it");
    else
        status = prepare_file(file, access, error);
    if (status == AC_OK) {
        *out = file;
        return AC_OK;
    }
    sqlite3_close_v2(file);
    snprintf(prefix, sizeof prefix, "ledger %.200s", path);
    return aci_platform_fail_within(error, status, prefix);
}
