/* gguf_rope.c - rotary scaling in GGUF.
 *
 * linear and yarn are metadata. llama3 is not: its writers store a table
 * rope_freqs.weight of what each frequency is divided by. We find the numbers
 * that table was made from, so that every model is described one way, and
 * refuse a table that is not llama3's. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/ggml_types.h"
#include "model/gguf_shape.h"
#include "platform/error.h"

enum { MAX_PAIRS = 256, LEAST_CONTEXT = 16, MOST_CONTEXT = 1 << 20 };
#define TABLE "rope_freqs.weight"

/* Does `shape` divide its frequencies as the table says? */
static int explains(const aci_shape *shape, const float *divisors)
{
    float scaled[MAX_PAIRS], plain[MAX_PAIRS], magnitude;
    aci_shape unscaled = *shape;

    unscaled.rope_scaling = ACI_ROPE_NONE;
    aci_model_rope_frequencies(plain, &magnitude, &unscaled, 1);
    aci_model_rope_frequencies(scaled, &magnitude, shape, 1);
    for (int32_t i = 0; i < shape->head_dim / 2; i++)
        if (!(fabsf(plain[i] / scaled[i] - divisors[i]) <=
              1e-4f * divisors[i]))
            return 0;
    return 1;
}

static ac_status read_table(float *divisors, float *greatest,
                            const aci_shape *shape,
                            const aci_gguf_tensor *table, ac_error *error)
{
    size_t n = (size_t)shape->head_dim / 2;

    if (table->type != 0 || table->n_bytes != n * sizeof(float))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 TABLE " was not %zu float32 values", n);
    aci_model_dequantise(divisors, table->data, 0, n);
    *greatest = 1.0f;
    for (size_t i = 0; i < n; i++) {
        if (!(divisors[i] >= 1.0f && divisors[i] <= 1e6f))
            return aci_platform_fail(error, AC_E_FORMAT,
                                     TABLE " had %g at %zu",
                                     (double)divisors[i], i);
        if (divisors[i] > *greatest)
            *greatest = divisors[i];
    }
    return AC_OK;
}

/* Llama 3's low and high factors have always been 1 and 4; its trained context
 * is a power of two. */
static ac_status recover_llama3(aci_shape *out, const aci_gguf_tensor *table,
                                ac_error *error)
{
    float divisors[MAX_PAIRS], greatest = 1.0f;
    ac_status status;

    if (out->head_dim < 2 || out->head_dim > 2 * MAX_PAIRS)
        return AC_OK; /* the shape's check has the words for it */
    status = read_table(divisors, &greatest, out, table, error);
    if (status != AC_OK || greatest == 1.0f)
        return status;
    out->rope_scaling = ACI_ROPE_LLAMA3;
    out->rope_factor = greatest;
    out->rope_low_factor = 1.0f;
    out->rope_high_factor = 4.0f;
    for (int32_t context = LEAST_CONTEXT; context <= MOST_CONTEXT;
         context *= 2) {
        out->rope_original_context = context;
        if (explains(out, divisors))
            return AC_OK;
    }
    return aci_platform_fail(error, AC_E_UNSUPPORTED,
                             TABLE " was not Llama 3's scaling, the only "
                             "one supported as a table");
}

/* The factor that a scaling cannot do without; older files of linear scaling
 * call it scale_linear. */
static ac_status read_factor(aci_shape *out, const aci_gguf *gguf,
                             const char *prefix, ac_error *error)
{
    if (aci_model_gguf_shape_real(&out->rope_factor, gguf, prefix,
                                  "rope.scaling.factor") == 1 ||
        aci_model_gguf_shape_real(&out->rope_factor, gguf, prefix,
                                  "rope.scale_linear") == 1)
        return AC_OK;
    return aci_platform_fail(error, AC_E_FORMAT,
                             "%s.rope.scaling.factor was missing", prefix);
}

static void read_yarn(aci_shape *out, const aci_gguf *gguf,
                      const char *prefix)
{
    float attention = 1.0f;
    double scaled;

    out->rope_original_context = out->n_context;
    (void)aci_model_gguf_shape_integer(&out->rope_original_context, gguf,
                                       prefix,
                                       "rope.scaling.original_context_length");
    out->rope_beta_fast = 32.0f;
    out->rope_beta_slow = 1.0f;
    (void)aci_model_gguf_shape_real(&out->rope_beta_fast, gguf, prefix,
                                    "rope.scaling.yarn_beta_fast");
    (void)aci_model_gguf_shape_real(&out->rope_beta_slow, gguf, prefix,
                                    "rope.scaling.yarn_beta_slow");
    /* On top of what follows from the factor. */
    if (aci_model_gguf_shape_real(&attention, gguf, prefix,
                                  "rope.scaling.attn_factor") == 1 &&
        attention != 1.0f)
        out->rope_attention_factor =
            attention * (float)(0.1 * log((double)out->rope_factor) + 1.0);
    scaled = (double)out->rope_original_context * (double)out->rope_factor;
    if (scaled > out->n_context && scaled <= INT32_MAX)
        out->n_context = (int32_t)scaled;
}

static int is(const char *text, size_t n, const char *word)
{
    return n == strlen(word) && memcmp(text, word, n) == 0;
}

/* The type by name; absent means none, or linear in older files. */
static ac_status read_type(aci_shape *out, const aci_gguf *gguf,
                           const char *prefix, ac_error *error)
{
    char key[64];
    const char *text;
    size_t n;
    float factor = 1.0f;

    snprintf(key, sizeof key, "%s.rope.scaling.type", prefix);
    if (!aci_model_gguf_string(&text, &n, gguf, key)) {
        if (aci_model_gguf_shape_real(&factor, gguf, prefix,
                                      "rope.scale_linear") == 1 &&
            factor != 1.0f)
            out->rope_scaling = ACI_ROPE_LINEAR;
        return AC_OK;
    }
    if (is(text, n, "linear"))
        out->rope_scaling = ACI_ROPE_LINEAR;
    else if (is(text, n, "yarn"))
        out->rope_scaling = ACI_ROPE_YARN;
    else if (!is(text, n, "none"))
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "rope scaling %.*s is not supported; these "
                                 "are: none, linear, yarn",
                                 n < 64 ? (int)n : 64, text);
    return AC_OK;
}

ac_status aci_model_gguf_rope(aci_shape *out, const aci_gguf *gguf,
                              const char *prefix, ac_error *error)
{
    const aci_gguf_tensor *table = aci_model_gguf_find(gguf, TABLE);
    ac_status status;

    out->rope_theta = 10000.0f;
    if (aci_model_gguf_shape_real(&out->rope_theta, gguf, prefix,
                                  "rope.freq_base") < 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s.rope.freq_base was not a number",
                                 prefix);
    status = read_type(out, gguf, prefix, error);
    if (status != AC_OK)
        return status;
    if (out->rope_scaling != ACI_ROPE_NONE) {
        if (table != NULL)
            return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                     TABLE " beside another rope scaling is "
                                     "not supported");
        status = read_factor(out, gguf, prefix, error);
        if (status == AC_OK && out->rope_scaling == ACI_ROPE_YARN)
            read_yarn(out, gguf, prefix);
        return status;
    }
    return table != NULL ? recover_llama3(out, table, error) : AC_OK;
}
