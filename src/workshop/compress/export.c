/* export.c - the frame of an export: which format, notes. */
#include "workshop/compress/export.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/tell.h"

size_t aci_workshop_export_widest(const aci_export *work, size_t least)
{
    for (size_t i = 0; i < work->n_tensors; i++)
        if ((size_t)work->tensors[i].tensor.n_in > least)
            least = (size_t)work->tensors[i].tensor.n_in;
    return (least + ACI_COLUMN_PADDING - 1) / ACI_COLUMN_PADDING *
           ACI_COLUMN_PADDING;
}

ac_status aci_workshop_export_progress(const aci_export *work,
                                       const char *stage, uint64_t done,
                                       uint64_t total, ac_error *error)
{
    return aci_workshop_tell(work->options->on_progress,
                             work->options->progress_user, stage, done, total,
                             NAN, work->began_nanoseconds, error);
}

void aci_workshop_export_note(const aci_export *work, const char *format, ...)
{
    char text[512];
    va_list list;

    if (work->options->on_log == NULL)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    work->options->on_log(AC_LOG_WARNING, text, work->options->log_user);
}

/* Neither target multiplies two thin matrices. Their product is no matrix of
 * the planes: it is written where a type for any values was asked for. */
static ac_status check_ranks(const aci_export *work, ac_error *error)
{
    int32_t number = (int32_t)(work->variant - work->model->variants);
    size_t n = 0;
    const aci_owned *owned = aci_model_extras_all(&n, work->model->extras);
    const char *type = work->options->type;

    if (type != NULL && (strcmp(type, "f16") == 0 ||
                         strcmp(type, "bf16") == 0 ||
                         strcmp(type, "f32") == 0))
        return AC_OK;
    for (size_t i = 0; i < n; i++)
        if (owned[i].variant == number && owned[i].rank > 0)
            return aci_platform_fail(
                error, AC_E_UNSUPPORTED, "%s has low-rank factors, which "
                "neither llama.cpp nor vLLM can serve; type f16 or bf16 "
                "multiplies them out", work->variant->name);
    return AC_OK;
}

ac_status aci_workshop_export(aci_export *work, ac_error *error)
{
    const char *format = work->options->format;
    ac_status status = check_ranks(work, error);

    if (status != AC_OK)
        return status;
    work->began_nanoseconds = aci_platform_monotonic_nanoseconds();
    if (format == NULL) {
        size_t n = strlen(work->out);

        format = n > 5 && strcmp(work->out + n - 5, ".gguf") == 0
                     ? "gguf" : "compressed-tensors";
    }
    if (strcmp(format, "gguf") == 0)
        status = aci_workshop_export_gguf(work, error);
    else if (strcmp(format, "compressed-tensors") == 0)
        status = aci_workshop_export_folder(work, error);
    else
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "format \"%.40s\" was none of gguf, "
                                 "compressed-tensors", format);
    aci_workshop_export_plan_free(work);
    work->report->seconds =
        (double)(aci_platform_monotonic_nanoseconds() -
                 work->began_nanoseconds) * 1e-9;
    return status;
}
