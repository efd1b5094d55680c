/* ac_train_tokenizer.c - the door to learning a tokenizer. */
#include "api/handles.h"
#include "platform/error.h"
#include "workshop/workshop.h"

static ac_status check(const ac_tokenizer_options *options, ac_error *error)
{
    uint32_t i;

    if (options->n_data == 0 || options->data == NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT, "no data was named");
    for (i = 0; i < options->n_data; i++)
        if (options->data[i] == NULL)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "data %u was NULL", i);
    if (options->n_special_tokens > 0 && options->special_tokens == NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "special_tokens was NULL");
    if (options->max_digits != 0 && options->max_digits != 1 &&
        options->max_digits != 3)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "max_digits was %u, not 1 or 3",
                                 options->max_digits);
    if (options->n_vocab > 1u << 20 || options->n_threads > 1024)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_vocab or n_threads was out of range");
    return AC_OK;
}

ac_status ac_train_tokenizer(ac_tokenizer_report *report, const char *out,
                             const ac_tokenizer_options *options,
                             ac_error *error)
{
    ac_tokenizer_options own = AC_TOKENIZER_OPTIONS_INIT;
    ac_tokenizer_report found = AC_TOKENIZER_REPORT_INIT;
    aci_memory memory;
    aci_pool *pool = NULL;
    ac_status status = aci_api_need(out, "out", error);

    if (status == AC_OK)
        status = aci_api_take_options(&own, sizeof own, options, "options",
                                      error);
    if (status == AC_OK)
        status = check(&own, error);
    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&memory);
    status = aci_platform_pool_create(&pool, &memory, own.n_threads, error);
    if (status == AC_OK)
        status = aci_workshop_train_tokenizer(&memory, pool, &found, out,
                                              &own, error);
    aci_platform_pool_free(pool);
    if (status == AC_OK && report != NULL)
        status = aci_api_give_result(report, &found, sizeof found, "report",
                                     error);
    return status;
}
