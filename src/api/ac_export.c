/* ac_export.c - a variant of a zoo as a file for other engines. */
#include <string.h>

#include "api/checkpoint_tokenizer.h"
#include "api/handles.h"
#include "platform/error.h"
#include "workshop/compress/export.h"

/* What a call carries. */
typedef struct exporting {
    aci_memory memory;
    ac_export_options options;
    ac_export_report report;
    aci_model *model;
    aci_tokenizer *tokenizer;
    aci_pool *pool;
} exporting;

static ac_status take(exporting *e, const ac_export_options *options,
                      ac_error *error)
{
    const ac_export_options start = AC_EXPORT_OPTIONS_INIT;
    const ac_export_report empty = AC_EXPORT_REPORT_INIT;
    ac_status status;

    memset(e, 0, sizeof *e);
    e->options = start;
    e->report = empty;
    status = aci_api_take_options(&e->options, sizeof e->options, options,
                                  "options", error);
    if (status != AC_OK)
        return status;
    if (e->options.n_threads > 1024 || e->options.overwrite > 1 ||
        e->options.check > AC_EXPORT_CHECK_WEIGHTS)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_threads, overwrite or check was out of "
                                 "range");
    aci_platform_memory_init(&e->memory);
    e->memory.limit_bytes = e->options.memory_limit_bytes;
    return AC_OK;
}

static ac_status open_tokenizer(exporting *e, const char *zoo,
                                ac_error *error)
{
    char *file;
    ac_status status;

    if (e->model->is_checkpoint)
        return aci_api_checkpoint_tokenizer(&e->tokenizer, &e->memory, zoo,
                                            error);
    file = aci_platform_join(&e->memory, zoo, ACI_ZOO_TOKENIZER);
    if (file == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_tokenizer_open(&e->tokenizer, &e->memory, file, error);
    aci_platform_free(&e->memory, file);
    return status;
}

static ac_status find_variant(const aci_variant **out, const exporting *e,
                              ac_error *error)
{
    const char *name = e->options.variant != NULL ? e->options.variant
                                                  : "full";
    int32_t i = aci_model_variant_find(e->model, name);

    if (i < 0)
        return aci_platform_fail(error, AC_E_NOT_FOUND,
                                 "the zoo has no variant \"%.40s\"", name);
    *out = &e->model->variants[i];
    return AC_OK;
}

static ac_status export_opened(exporting *e, const char *out, ac_error *error)
{
    aci_export work = { .memory = &e->memory, .pool = e->pool,
                        .model = e->model, .tokenizer = e->tokenizer,
                        .read_tokenizer = aci_api_checkpoint_tokenizer,
                        .out = out, .options = &e->options,
                        .report = &e->report };
    ac_status status = find_variant(&work.variant, e, error);

    return status == AC_OK ? aci_workshop_export(&work, error) : status;
}

ac_status ac_export(ac_export_report *report, const char *zoo,
                    const char *out, const ac_export_options *options,
                    ac_error *error)
{
    exporting e;
    ac_status status = aci_api_need(zoo, "zoo", error);

    if (status == AC_OK)
        status = aci_api_need(out, "out", error);
    if (status == AC_OK)
        status = take(&e, options, error);
    if (status != AC_OK)
        return status;
    if (report != NULL) /* looked at before the long work */
        status = aci_api_give_result(report, &e.report, sizeof e.report,
                                     "report", error);
    if (status == AC_OK)
        status = aci_model_open(&e.model, &e.memory, zoo, 0, error);
    if (status == AC_OK)
        status = open_tokenizer(&e, zoo, error);
    if (status == AC_OK)
        status = aci_platform_pool_create(&e.pool, &e.memory,
                                          e.options.n_threads, error);
    if (status == AC_OK)
        status = export_opened(&e, out, error);
    if (status == AC_OK && report != NULL)
        status = aci_api_give_result(report, &e.report, sizeof e.report,
                                     "report", error);
    aci_platform_pool_free(e.pool);
    aci_tokenizer_close(e.tokenizer);
    aci_model_close(e.model);
    return status;
}
