/* accountant.h - what requests cost, and the durable record of it.
 *
 * The accountant turns device seconds into dollars by a dated price book,
 * reads the energy counter, models the same request on `full`, and keeps the
 * ledger: reserve before the work, settle after it. docs/costs.md. */
#ifndef ACI_ACCOUNTANT_ACCOUNTANT_H
#define ACI_ACCOUNTANT_ACCOUNTANT_H

#include "flow.h"
#include "model/model.h"
#include "platform/memory.h"

typedef struct aci_accountant aci_accountant;
typedef struct aci_meter aci_meter; /* one request being measured */

typedef struct aci_accountant_options {
    const char *ledger_path;     /* NULL: none */
    uint32_t ledger_policy;      /* AC_LEDGER_* */
    const char *price_book_path; /* NULL: built in */
    const char *price_name;      /* NULL: "local-cpu" */
    const char *power_root;      /* NULL: "/sys/class/powercap" */
} aci_accountant_options;

ac_status aci_accountant_open(aci_accountant **out, aci_memory *memory,
                              const aci_model *model,
                              const aci_accountant_options *options,
                              ac_error *error);
void aci_accountant_close(aci_accountant *accountant);
uint64_t aci_accountant_drops(const aci_accountant *accountant);

/* Expected device seconds and nanodollars (-1: no price) of a request before
 * it runs, from measured decode speed so far or the card; for routing and the
 * reservation. */
void aci_accountant_estimate(double *seconds, int64_t *nanodollars,
                             const aci_accountant *accountant,
                             int32_t variant, uint64_t prompt_tokens,
                             uint64_t generated_tokens);

/* Nanodollars of device time; -1: no price. */
int64_t aci_accountant_price(const aci_accountant *accountant,
                             uint64_t device_nanoseconds);

/* Begin a request: starts the energy window, books the worst case in the
 * ledger. `request_id` is 0 without a ledger. `label` may be NULL. */
ac_status aci_accountant_reserve(uint64_t *request_id,
                                 aci_accountant *accountant,
                                 const ac_decision *decision,
                                 int64_t worst_nanodollars, const char *label,
                                 ac_error *error);

/* End it: `usage` comes with tokens and times filled by the engine; this adds
 * operations, bytes, joules, dollars and the cost on full, and settles. */
ac_status aci_accountant_settle(ac_usage *usage, aci_accountant *accountant,
                                uint64_t request_id, int32_t kv_bits,
                                uint64_t first_position,
                                uint32_t stop_reason,
                                const ac_decision *decision, ac_error *error);

#endif
