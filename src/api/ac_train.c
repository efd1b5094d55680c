/* ac_train.c - training a model. */
#include "api/handles.h"
#include "platform/error.h"
#include "platform/files.h"
#include "workshop/workshop.h"

ac_status ac_train(ac_training_report *report, const char *model,
                   const char *out, const ac_training_options *options,
                   ac_error *error)
{
    ac_training_options own = AC_TRAINING_OPTIONS_INIT;
    ac_training_report found = AC_TRAINING_REPORT_INIT;
    aci_memory memory;
    aci_pool *pool = NULL;
    ac_status status = aci_api_need(model, "model", error);

    if (status == AC_OK)
        status = aci_api_need(out, "out", error);
    if (status == AC_OK)
        status = aci_api_take_options(&own, sizeof own, options, "options",
                                      error);
    if (status != AC_OK)
        return status;
    if (aci_platform_is_file(model))
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%s is a file; training begins from a "
                                 "Hugging Face directory", model);
    aci_platform_memory_init(&memory);
    status = aci_platform_pool_create(&pool, &memory, own.n_threads, error);
    if (status == AC_OK)
        status = aci_workshop_train(&memory, pool, &found, model, out, &own,
                                    error);
    aci_platform_pool_free(pool);
    if (status == AC_OK && report != NULL)
        status = aci_api_give_result(report, &found, sizeof found, "report",
                                     error);
    return status;
}
