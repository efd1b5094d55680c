/* perplexity_options.c - what to judge, and how, before it begins. */
#include <string.h>

#include "platform/error.h"
#include "workshop/evaluate/perplexity.h"

enum { DEFAULT_CONTEXT = 512 };

ac_status aci_workshop_perplexity_settle(ac_perplexity_options *o,
                                         const aci_judged_model *with,
                                         ac_error *error)
{
    uint32_t most = (uint32_t)with->model->shape.n_context;

    if (o->n_context == 0)
        o->n_context = most < DEFAULT_CONTEXT ? most : DEFAULT_CONTEXT;
    if (o->n_context < 2 || o->n_context > most)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a window of %u tokens was asked for; this "
                                 "model takes 2 to %u", o->n_context, most);
    if (o->stride == 0)
        o->stride = o->n_context;
    if (o->stride > o->n_context)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the stride was %u, more than a window of "
                                 "%u: tokens would be left out", o->stride,
                                 o->n_context);
    if (o->second_half > 1 || o->whole_windows > 1 ||
        o->begin > AC_BEGIN_NONE || o->special > AC_SPECIAL_PARSE ||
        o->end > 1 || o->reserved != 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "second_half, whole_windows, begin, "
                                 "special, end or reserved was out of range");
    if (o->second_half && o->stride != o->n_context)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "second halves are judged of disjoint "
                                 "windows: leave the stride out");
    if (o->begin == AC_BEGIN_WINDOW &&
        aci_tokenizer_bos(with->tokenizer) < 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "this model has no begin token to put "
                                 "before each window");
    if (o->kv_bits == 0) /* a checkpoint is the reference: exact */
        o->kv_bits = with->model->is_checkpoint ? 32 : 16;
    return AC_OK;
}

/* "full, int8 and int4" for messages. */
static void list_variants(char *out, size_t capacity, const aci_model *model)
{
    size_t n = 0;
    int32_t v;

    out[0] = '\0';
    for (v = 0; v < model->n_variants && n + 34 < capacity; v++) {
        const char *name = model->variants[v].name;
        size_t length = strlen(name);

        memcpy(out + n, v > 0 ? ", " : "", v > 0 ? 2 : 0);
        n += v > 0 ? 2 : 0;
        memcpy(out + n, name, length + 1);
        n += length;
    }
}

ac_status aci_workshop_perplexity_variants(int32_t *numbers, int32_t *n,
                                           const aci_model *model,
                                           const char *names,
                                           ac_error *error)
{
    uint32_t wanted = 0; /* bit per variant */
    int32_t v;

    for (v = 0; names == NULL && v < model->n_variants; v++)
        wanted |= 1u << v;
    while (names != NULL && *names != '\0') {
        size_t length = strcspn(names, ",");
        char name[32] = "", known[256];

        if (length < sizeof name)
            memcpy(name, names, length);
        v = aci_model_variant_find(model, name);
        if (v < 0) {
            list_variants(known, sizeof known, model);
            return aci_platform_fail(error, AC_E_NOT_FOUND,
                                     "no variant \"%.*s\"; there is: %s",
                                     (int)(length < 32 ? length : 32), names,
                                     known);
        }
        wanted |= 1u << v;
        names += length + (names[length] == ',');
    }
    numbers[0] = model->full_variant;
    *n = 1;
    for (v = 0; v < model->n_variants; v++)
        if ((wanted >> v & 1u) && v != model->full_variant)
            numbers[(*n)++] = v;
    return AC_OK;
}
