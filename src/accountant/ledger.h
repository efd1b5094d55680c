/* ledger.h - the reading side of the ledger: entries, totals, feedback, the
 * report. Other processes may be writing meanwhile. One thread at a time. */
#ifndef ACI_ACCOUNTANT_LEDGER_H
#define ACI_ACCOUNTANT_LEDGER_H

#include "accountant/accountant.h"

typedef struct aci_ledger aci_ledger;

/* AC_E_NOT_FOUND, AC_E_FORMAT, AC_E_UNSUPPORTED, AC_E_IO, AC_E_BUSY. */
ac_status aci_accountant_ledger_open(aci_ledger **out, aci_memory *memory,
                                     const char *path, ac_error *error);
void aci_accountant_ledger_close(aci_ledger *ledger); /* NULL is fine */

/* Entries with request_id >= first_id in order, those that come in meanwhile
 * included. No transaction is held during a callback: it may give feedback. */
ac_status aci_accountant_ledger_read(aci_ledger *ledger, uint64_t first_id,
                                     ac_entry_callback on_entry, void *user,
                                     ac_error *error);

/* One row per group that has requests; AC_BY_TOTAL always gives its one. Sums
 * stop at INT64_MAX. Days are UTC; groups come in order of their names. */
ac_status aci_accountant_ledger_totals(aci_ledger *ledger, uint32_t by,
                                       ac_totals_callback on_row, void *user,
                                       ac_error *error);

ac_status aci_accountant_ledger_feedback(aci_ledger *ledger,
                                         uint64_t request_id, int32_t success,
                                         ac_error *error);

/* A page of its own, nothing loaded from elsewhere; written atomically. */
ac_status aci_accountant_ledger_report(aci_ledger *ledger,
                                       const char *html_path,
                                       ac_error *error);

/* What is needed to replay a decision: with the predictor file of this
 * checksum and the prompt whose features hash to decision->prompt_hash,
 * aci_router_decide gives `decision` again. AC_E_NOT_FOUND without such a
 * request, or when its inputs were not kept. */
typedef struct aci_ledger_replay {
    aci_decision_inputs inputs;
    uint64_t model_checksum, predictor_checksum;
} aci_ledger_replay;
ac_status aci_accountant_ledger_replay(aci_ledger_replay *out,
                                       aci_ledger *ledger,
                                       uint64_t request_id, ac_error *error);

/* For the report: settled requests by what their full cost is based on. */
typedef struct aci_ledger_basis {
    uint64_t n_requests[4];        /* [AC_BASIS_*] */
    int64_t full_nanodollars[4];
} aci_ledger_basis;
ac_status aci_accountant_ledger_basis(aci_ledger_basis *out,
                                      aci_ledger *ledger, ac_error *error);

/* For the report: each price and model that requests were settled under. */
typedef struct aci_ledger_source {
    const char *model, *price_name, *price_provider, *price_as_of;
    const char *price_source;
    const char *energy_reason;     /* NULL: measured */
    int64_t nanodollars_per_hour;  /* -1: unset */
    uint64_t n_requests;
} aci_ledger_source;
typedef void (*aci_ledger_source_callback)(const aci_ledger_source *source,
                                           void *user);
ac_status aci_accountant_ledger_sources(aci_ledger *ledger,
                                        aci_ledger_source_callback on_source,
                                        void *user, ac_error *error);

/* The memory it came from. */
aci_memory *aci_accountant_ledger_memory(const aci_ledger *ledger);

#endif
