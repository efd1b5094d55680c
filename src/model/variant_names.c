/* variant_names.c - the table of named variants. `aN` is the activations'
 * bits where they are not 8, `h4` a head of 4 bits too. */
#include "model/variant_names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct named_variant {
    const char *name;
    int32_t weight_bits, activation_bits, head_bits, embed_bits;
} named_variant;

/* An int4 head costs more quality than its share of bytes saves on the models
 * measured (docs/formats.md), so int4 keeps head and embedding at 8. */
static const named_variant named[] = {
    { "full", 16, 16, 16, 16 },   { "int8", 8, 8, 8, 8 },
    { "int4", 4, 8, 8, 8 },       { "int8a16", 8, 16, 8, 8 },
    { "int4a16", 4, 16, 8, 8 },   { "int4h4", 4, 8, 4, 8 },
};

static void fill(aci_variant *out, const char *name, int32_t weight_bits,
                 int32_t activation_bits, int32_t head_bits,
                 int32_t embed_bits)
{
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", name);
    out->weight_bits = weight_bits;
    out->activation_bits = activation_bits;
    out->head_bits = head_bits;
    out->embed_bits = embed_bits;
    out->decode_ratio = NAN;
    out->prefill_ratio = NAN;
    out->kl_divergence = NAN;
    out->perplexity = NAN;
    out->success_rate = NAN;
}

int aci_model_variant_named(aci_variant *out, const char *name)
{
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (strcmp(named[i].name, name) == 0) {
            fill(out, name, named[i].weight_bits, named[i].activation_bits,
                 named[i].head_bits, named[i].embed_bits);
            return 1;
        }
    return 0;
}

const char *aci_model_variant_list(void)
{
    return "full, int8, int4, int8a16, int4a16, int4h4";
}

void aci_model_variant_dense(aci_variant *out)
{
    fill(out, "full", 32, 32, 32, 32);
}
