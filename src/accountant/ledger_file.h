/* ledger_file.h - the ledger as an SQLite file: opening, schema, failures.
 * docs/ledger.md has the tables and what survives what. */
#ifndef ACI_ACCOUNTANT_LEDGER_FILE_H
#define ACI_ACCOUNTANT_LEDGER_FILE_H

#include <sqlite3.h>

#include "flow.h"

enum {
    ACI_LEDGER_APPLICATION = 0x6163316c, /* "ac1l" in the file's header */
    ACI_LEDGER_VERSION = 1               /* PRAGMA user_version */
};

typedef enum aci_ledger_access {
    ACI_LEDGER_READ,  /* existing file; may still take feedback */
    ACI_LEDGER_WRITE  /* made when there is none */
} aci_ledger_access;

/* `*out` is to be closed with sqlite3_close_v2; NULL after a failure.
 * AC_E_NOT_FOUND (to read), AC_E_FORMAT (another program's file, or a ruin),
 * AC_E_UNSUPPORTED (newer), AC_E_IO, AC_E_DISK_FULL, AC_E_BUSY. */
ac_status aci_accountant_file_open(sqlite3 **out, const char *path,
                                   aci_ledger_access access, ac_error *error);

/* The status of the last failed call on `file`, and its words. */
ac_status aci_accountant_file_fail(ac_error *error, sqlite3 *file,
                                   const char *doing);

/* Steps a statement that gives no rows; resets it and forgets its values. */
ac_status aci_accountant_file_run(sqlite3 *file, sqlite3_stmt *statement,
                                  const char *doing, ac_error *error);

ac_status aci_accountant_file_prepare(sqlite3_stmt **out, sqlite3 *file,
                                      const char *sql, ac_error *error);

#endif
