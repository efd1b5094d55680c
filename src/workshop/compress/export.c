/* export.c - the frame of an export: which format, what is listed, notes. */
#include "workshop/compress/export.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/tensor_list.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/tell.h"

const char *aci_workshop_export_member(const aci_tensor *tensor)
{
    const char *dot = strchr(tensor->name, '.');

    return dot != NULL ? dot + 1 : tensor->name;
}

int32_t aci_workshop_export_bits(const aci_variant *variant,
                                 const char *member)
{
    if (strcmp(member, "embed") == 0)
        return variant->embed_bits;
    return strcmp(member, "head") == 0 ? variant->head_bits
                                       : variant->weight_bits;
}

int aci_workshop_export_unties(const aci_export *work)
{
    return work->model->shape.tied_embeddings &&
           work->variant->embed_bits != work->variant->head_bits;
}

size_t aci_workshop_export_count(const aci_export *work)
{
    return aci_model_tensor_count(&work->model->shape) +
           (aci_workshop_export_unties(work) ? 1 : 0);
}

void aci_workshop_export_at(aci_tensor *out, const aci_export *work, size_t i)
{
    aci_shape shape = work->model->shape;

    if (aci_workshop_export_unties(work))
        shape.tied_embeddings = 0;
    aci_model_tensor_at(out, &shape, i);
}

size_t aci_workshop_export_widest(const aci_export *work, size_t least)
{
    size_t n = aci_workshop_export_count(work), i;

    for (i = 0; i < n; i++) {
        aci_tensor tensor;

        aci_workshop_export_at(&tensor, work, i);
        if ((size_t)tensor.n_in > least)
            least = (size_t)tensor.n_in;
    }
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

/* Variants that are not the whole model at some precision. */
static ac_status check_whole(const aci_export *work, ac_error *error)
{
    const aci_variant *variant = work->variant;
    int32_t number = (int32_t)(variant - work->model->variants);
    size_t n = 0;
    const aci_owned *owned = aci_model_extras_all(&n, work->model->extras);

    for (size_t i = 0; i < n; i++)
        if (owned[i].variant == number && owned[i].rank > 0)
            return aci_platform_fail(
                error, AC_E_UNSUPPORTED, "%s has low-rank factors, which "
                "neither llama.cpp nor vLLM can serve", variant->name);
    if (variant->kept != NULL)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "%s leaves out heads, neurons or whole "
            "blocks; only variants that keep every layer whole can be "
            "exported", variant->name);
    for (size_t i = 0; i < n; i++)
        if (owned[i].variant == number)
            return aci_platform_fail(
                error, AC_E_UNSUPPORTED, "%s has weights of its own beside "
                "the store; such variants cannot be exported",
                variant->name);
    return AC_OK;
}

ac_status aci_workshop_export(aci_export *work, ac_error *error)
{
    const char *format = work->options->format;
    ac_status status = check_whole(work, error);

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
    work->report->seconds =
        (double)(aci_platform_monotonic_nanoseconds() -
                 work->began_nanoseconds) * 1e-9;
    return status;
}
