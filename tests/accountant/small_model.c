/* small_model.c - see small_model.h. */
#include "small_model.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_variant(aci_variant *v, const char *name, int32_t bits,
                         int32_t activation_bits)
{
    strcpy(v->name, name);
    v->weight_bits = v->head_bits = v->embed_bits = bits;
    v->activation_bits = activation_bits;
    v->decode_ratio = v->prefill_ratio = NAN;
    v->kl_divergence = v->perplexity = v->success_rate = NAN;
}

aci_model small_model(void)
{
    aci_model model;

    memset(&model, 0, sizeof model);
    model.shape.architecture = ACI_LLAMA;
    model.shape.n_layer = 3;
    model.shape.n_embd = 256;
    model.shape.n_head = 4;
    model.shape.n_head_kv = 2;
    model.shape.head_dim = 64;
    model.shape.n_ff = 512;
    model.shape.n_vocab = 1000;
    model.shape.n_context = 2048;
    strcpy(model.shape.name, "small <model>");
    model.group = 64;
    model.n_variants = 3;
    model.full_variant = SMALL_FULL;
    model.checksum = 0xfedcba9876543210u;
    name_variant(&model.variants[SMALL_FULL], "full", 16, 16);
    name_variant(&model.variants[SMALL_INT8], "int8", 8, 8);
    name_variant(&model.variants[SMALL_INT4], "int4", 4, 8);
    model.variants[SMALL_INT4].decode_ratio = 0.4;
    model.variants[SMALL_INT4].prefill_ratio = 0.8;
    return model;
}

ac_decision small_decision(const aci_model *model, uint32_t variant)
{
    ac_decision d = AC_DECISION_INIT;

    d.variant = variant;
    strcpy(d.variant_name, model->variants[variant].name);
    d.reason = AC_REASON_CHEAPEST;
    d.n_variants = 3;
    d.confidence = 0.1f + 0.7f;
    d.unfamiliarity = 1.0f / 3.0f;
    d.success[0] = 1.0f;
    d.success[1] = nextafterf(0.9f, 1.0f);
    d.success[2] = d.confidence;
    d.expected_nanodollars = 123;
    d.full_nanodollars = 456;
    d.router_nanoseconds = 78900;
    d.prompt_hash = 0x8000000000000001u;
    return d;
}

ac_usage small_usage(uint32_t variant)
{
    ac_usage u;

    memset(&u, 0, sizeof u);
    u.struct_size = sizeof u;
    u.variant = variant;
    u.prompt_tokens = 100;
    u.cached_tokens = 7;
    u.generated_tokens = 21;
    u.queue_nanoseconds = 5;
    u.route_nanoseconds = 100000;
    u.prefill_nanoseconds = 2000000000;
    u.decode_nanoseconds = 4000000000;
    return u;
}

static char folder[64];

const char *small_path(const char *name)
{
    static char path[256];

    if (folder[0] == '\0') {
        strcpy(folder, "/tmp/ac-test-ledger-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void small_remove(void)
{
    char command[128];

    if (folder[0] == '\0')
        return;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    folder[0] = '\0';
}
