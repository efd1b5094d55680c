/* ac_ledger.c - the ledger to those who read it: arguments, then
 * accountant/ledger.h. */
#include "accountant/ledger.h"
#include "api/handles.h"
#include "platform/error.h"

struct ac_ledger {
    aci_memory memory; /* the C library's; the ledger below comes from it */
    aci_ledger *ledger;
};

ac_status ac_ledger_open(ac_ledger **out, const char *path, ac_error *error)
{
    aci_memory memory;
    ac_ledger *ledger;
    ac_status status = aci_api_need(out, "out", error);

    if (status != AC_OK)
        return status;
    *out = NULL;
    status = aci_api_need(path, "path", error);
    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&memory);
    ledger = aci_platform_alloc_zeroed(&memory, 1, sizeof *ledger);
    if (ledger == NULL)
        return aci_platform_fail_memory(error, "the ledger");
    aci_platform_memory_init(&ledger->memory);
    status = aci_accountant_ledger_open(&ledger->ledger, &ledger->memory,
                                        path, error);
    if (status == AC_OK)
        *out = ledger;
    else
        ac_ledger_close(ledger);
    return status;
}

void ac_ledger_close(ac_ledger *ledger)
{
    aci_memory memory;

    if (ledger == NULL)
        return;
    aci_accountant_ledger_close(ledger->ledger);
    aci_platform_memory_init(&memory);
    aci_platform_free(&memory, ledger);
}

ac_status ac_ledger_read(ac_ledger *ledger, uint64_t first_id,
                         ac_entry_callback on_entry, void *user,
                         ac_error *error)
{
    ac_status status = aci_api_need(ledger, "ledger", error);

    if (status == AC_OK && on_entry == NULL)
        status = aci_platform_fail(error, AC_E_ARGUMENT, "on_entry was NULL");
    if (status != AC_OK)
        return status;
    return aci_accountant_ledger_read(ledger->ledger, first_id, on_entry,
                                      user, error);
}

ac_status ac_ledger_totals_by(ac_ledger *ledger, uint32_t by,
                              ac_totals_callback on_row, void *user,
                              ac_error *error)
{
    ac_status status = aci_api_need(ledger, "ledger", error);

    if (status == AC_OK && on_row == NULL)
        status = aci_platform_fail(error, AC_E_ARGUMENT, "on_row was NULL");
    if (status != AC_OK)
        return status;
    return aci_accountant_ledger_totals(ledger->ledger, by, on_row, user,
                                        error);
}

ac_status ac_ledger_feedback(ac_ledger *ledger, uint64_t request_id,
                             int32_t success, ac_error *error)
{
    ac_status status = aci_api_need(ledger, "ledger", error);

    if (status != AC_OK)
        return status;
    return aci_accountant_ledger_feedback(ledger->ledger, request_id, success,
                                          error);
}

ac_status ac_ledger_report(ac_ledger *ledger, const char *html_path,
                           ac_error *error)
{
    ac_status status = aci_api_need(ledger, "ledger", error);

    if (status == AC_OK)
        status = aci_api_need(html_path, "html_path", error);
    if (status != AC_OK)
        return status;
    return aci_accountant_ledger_report(ledger->ledger, html_path, error);
}
