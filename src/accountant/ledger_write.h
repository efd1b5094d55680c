/* ledger_write.h - the writing side: reserve before the work, settle after.
 *
 * A reservation survives the end of the process at once; a settlement, when
 * its call returned, also the end of the machine. docs/ledger.md. */
#ifndef ACI_ACCOUNTANT_LEDGER_WRITE_H
#define ACI_ACCOUNTANT_LEDGER_WRITE_H

#include "accountant/accountant.h"
#include "accountant/price_book.h"

typedef struct aci_ledger_writer aci_ledger_writer;

/* What is the same for every request until close: one row of `openings`. */
typedef struct aci_ledger_opening {
    const aci_model *model;
    const aci_price *price;
    uint64_t predictor_checksum;
    const char *energy_reason;    /* NULL: joules are measured */
} aci_ledger_opening;

ac_status aci_accountant_writer_open(aci_ledger_writer **out,
                                     aci_memory *memory, const char *path,
                                     const aci_ledger_opening *opening,
                                     ac_error *error);
void aci_accountant_writer_close(aci_ledger_writer *writer);

/* Both from any thread, one at a time inside. */
ac_status aci_accountant_writer_reserve(uint64_t *request_id,
                                        aci_ledger_writer *writer,
                                        const ac_decision *decision,
                                        const aci_decision_inputs *inputs,
                                        int64_t worst_nanodollars,
                                        const char *label, ac_error *error);
ac_status aci_accountant_writer_settle(aci_ledger_writer *writer,
                                       uint64_t request_id,
                                       const ac_usage *usage,
                                       const char *variant_name,
                                       uint32_t reason, uint32_t stop_reason,
                                       ac_error *error);

#endif
