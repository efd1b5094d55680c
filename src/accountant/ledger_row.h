/* ledger_row.h - between the structs that travel and the columns of a row.
 *
 * SQLite's integers are signed and 64 bits wide: counts stop at INT64_MAX,
 * hashes and checksums keep their bits, -1 for "none" becomes NULL, floats are
 * kept as their bits. */
#ifndef ACI_ACCOUNTANT_LEDGER_ROW_H
#define ACI_ACCOUNTANT_LEDGER_ROW_H

#include <sqlite3.h>

#include "accountant/accountant.h"

/* The usage columns, in the order both sides use them. */
#define ACI_LEDGER_USAGE                                                    \
    "prompt_tokens, cached_tokens, generated_tokens, draft_tokens,"         \
    " accepted_tokens, macs, bit_operations, bytes_moved,"                  \
    " queue_nanoseconds, route_nanoseconds, prefill_nanoseconds,"           \
    " decode_nanoseconds, full_nanoseconds, full_basis, energy_source,"     \
    " microjoules, nanodollars, full_nanodollars"
#define ACI_LEDGER_DECISION                                                 \
    "variant, variant_name, reason, n_variants, confidence_bits,"           \
    " unfamiliarity_bits, success_bits, expected_nanodollars,"              \
    " expected_full_nanodollars, router_nanoseconds, prompt_hash"
enum { ACI_LEDGER_N_USAGE = 18, ACI_LEDGER_N_DECISION = 11 };

/* Bind to parameters `first`..., or read columns `first`... `decision` and
 * `usage` must outlive the statement's step. What a stranger's row holds is
 * brought into range. */
void aci_accountant_bind_count(sqlite3_stmt *statement, int i, uint64_t n);
void aci_accountant_bind_optional(sqlite3_stmt *statement, int i, int64_t n);
void aci_accountant_bind_usage(sqlite3_stmt *statement, int first,
                               const ac_usage *usage);
void aci_accountant_bind_decision(sqlite3_stmt *statement, int first,
                                  const ac_decision *decision);
int64_t aci_accountant_column_optional(sqlite3_stmt *statement, int i);
void aci_accountant_column_usage(ac_usage *usage, sqlite3_stmt *statement,
                                 int first);
void aci_accountant_column_decision(ac_decision *decision,
                                    sqlite3_stmt *statement, int first);

/* Inputs as little-endian bytes; the size for n candidates. */
enum { ACI_LEDGER_INPUT_BYTES = 40 + 16 * AC_MAX_VARIANTS };
size_t aci_accountant_pack_inputs(uint8_t *out,
                                  const aci_decision_inputs *inputs);
/* 0 when they are not what pack gives. */
int aci_accountant_unpack_inputs(aci_decision_inputs *out,
                                 const uint8_t *bytes, size_t n_bytes);

#endif
