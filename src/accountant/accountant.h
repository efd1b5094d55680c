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

/* One request being measured; the caller's, filled by reserve. */
typedef struct aci_meter {
    uint64_t request_id;       /* in the ledger; 0: not there */
    int64_t began_microjoules; /* of the counter; -1: none readable */
} aci_meter;

/* What a decision was made from, besides the prompt and the predictor: with
 * the predictor of the ledger's checksum and the prompt, aci_router_decide
 * gives the same bits again. */
typedef struct aci_decision_inputs {
    float min_confidence;      /* as in aci_policy, all four */
    float max_unfamiliarity;
    int32_t pinned;
    int32_t n_candidates;      /* <= AC_MAX_VARIANTS */
    int64_t budget_nanodollars;
    uint64_t prompt_tokens, max_tokens;
    double cost[AC_MAX_VARIANTS];
    int64_t expected_nanodollars[AC_MAX_VARIANTS];
} aci_decision_inputs;

typedef struct aci_accountant_options {
    const char *ledger_path;     /* NULL: none */
    uint32_t ledger_policy;      /* AC_LEDGER_* */
    const char *price_book_path; /* NULL: built in */
    const char *price_name;      /* NULL: "local-cpu" */
    const char *power_root;      /* NULL: "/sys/class/powercap" */
    uint64_t predictor_checksum; /* kept with every decision; 0: none */
} aci_accountant_options;

/* Under AC_LEDGER_DROP a ledger that cannot be opened because the system
 * refuses is no failure: every request is then a counted drop. A file that is
 * not a ledger, or a newer one, is a failure under either policy. */
ac_status aci_accountant_open(aci_accountant **out, aci_memory *memory,
                              const aci_model *model,
                              const aci_accountant_options *options,
                              ac_error *error);
void aci_accountant_close(aci_accountant *accountant); /* NULL is fine */
uint64_t aci_accountant_drops(const aci_accountant *accountant);

/* Expected device seconds and nanodollars (-1: no price) of a request before
 * it runs, for routing and the reservation.
 *
 *     seconds = prefill scale * nominal prefill + decode scale * nominal decode
 *
 * Nominal is the cost model at fixed speeds (cost_model.h), times the
 * variant's ratio to full from the card, else analytic. The two scales are
 * measured since open, smoothed over requests and shared by all variants. So
 * absolute figures follow the machine, while which of two variants is cheaper
 * comes from the card alone: noise in a measurement never turns a decision. */
void aci_accountant_estimate(double *seconds, int64_t *nanodollars,
                             const aci_accountant *accountant,
                             int32_t variant, uint64_t prompt_tokens,
                             uint64_t generated_tokens);

/* Nanodollars of device time; -1: no price. */
int64_t aci_accountant_price(const aci_accountant *accountant,
                             uint64_t device_nanoseconds);

/* Why joules are not measured, or NULL when they are. */
const char *aci_accountant_energy_reason(const aci_accountant *accountant);

/* Begin a request: starts the energy window, books the worst case in the
 * ledger (-1: no price). `inputs` and `label` may be NULL; of a label the
 * first 1,023 bytes are kept. Any thread. A failure means that nothing may be
 * spent: AC_E_IO, AC_E_DISK_FULL, AC_E_BUSY. */
ac_status aci_accountant_reserve(aci_meter *meter, aci_accountant *accountant,
                                 const ac_decision *decision,
                                 const aci_decision_inputs *inputs,
                                 int64_t worst_nanodollars, const char *label,
                                 ac_error *error);

/* End it: `usage` comes with variant, tokens and times filled by the engine;
 * this adds operations, bytes, joules, dollars and the cost on full, and
 * settles. `first_position` is where the evaluated prompt began. The dollars
 * include the router's time; those on full do not. `usage` is complete even
 * when the ledger could not be written. Any thread. */
ac_status aci_accountant_settle(ac_usage *usage, aci_accountant *accountant,
                                const aci_meter *meter, int32_t kv_bits,
                                uint64_t first_position,
                                uint32_t stop_reason,
                                const ac_decision *decision, ac_error *error);

#endif
