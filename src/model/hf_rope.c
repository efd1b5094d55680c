/* hf_rope.c - rotary positions in config.json, through its three ages:
 *
 *     "rope_theta": t, "rope_scaling": { "type": "linear", "factor": f }
 *     "rope_theta": t, "rope_scaling": { "rope_type": "llama3", ... }
 *     "rope_parameters": { "rope_type": "yarn", "rope_theta": t, ... }    */
#include <math.h>
#include <string.h>

#include "model/checkpoint_json.h"
#include "model/hf_config.h"
#include "platform/error.h"

#define SUPPORTED "default, linear, dynamic, llama3, yarn"

static ac_status read_type(aci_shape *out, const json_t *rope,
                           ac_error *error)
{
    static const struct {
        const char *name;
        int32_t scaling;
    } types[] = {
        { "default", ACI_ROPE_NONE }, { "linear", ACI_ROPE_LINEAR },
        { "dynamic", ACI_ROPE_DYNAMIC }, { "llama3", ACI_ROPE_LLAMA3 },
        { "yarn", ACI_ROPE_YARN },
    };
    const char *name;
    ac_status status = aci_model_json_string(&name, rope, "rope_type", error);

    if (status == AC_OK && name == NULL)
        status = aci_model_json_string(&name, rope, "type", error);
    if (status != AC_OK)
        return status;
    if (name == NULL)
        name = "default";
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        out->rope_scaling = types[i].scaling;
        if (strcmp(name, types[i].name) == 0)
            return AC_OK;
    }
    return aci_platform_fail(error, AC_E_UNSUPPORTED,
                             "rope scaling %s is not supported; these are: "
                             SUPPORTED, name);
}

static ac_status read_partial(const json_t *object, ac_error *error)
{
    float part;
    ac_status status = aci_model_json_real(&part, object,
                                           "partial_rotary_factor", 1.0f,
                                           error);

    if (status == AC_OK && part != 1.0f)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED,
            "rotary positions over %g of a head are not supported",
            (double)part);
    return status;
}

static ac_status need(const json_t *rope, const char *key, ac_error *error)
{
    if (aci_model_json_has(rope, key))
        return AC_OK;
    return aci_platform_fail(error, AC_E_FORMAT,
                             "rope scaling had no \"%s\"", key);
}

static ac_status read_llama3(aci_shape *out, const json_t *rope,
                             ac_error *error)
{
    ac_status status = need(rope, "low_freq_factor", error);

    if (status == AC_OK)
        status = need(rope, "high_freq_factor", error);
    if (status == AC_OK)
        status = aci_model_json_real(&out->rope_low_factor, rope,
                                     "low_freq_factor", 0.0f, error);
    if (status == AC_OK)
        status = aci_model_json_real(&out->rope_high_factor, rope,
                                     "high_freq_factor", 0.0f, error);
    return status;
}

static float magnitude_of(float factor, float mscale)
{
    return factor <= 1.0f
               ? 1.0f
               : (float)(0.1 * (double)mscale * log((double)factor) + 1.0);
}

static ac_status read_yarn(aci_shape *out, const json_t *rope,
                           ac_error *error)
{
    float mscale = 0.0f, all = 0.0f;
    int32_t truncate = 1;
    ac_status status = aci_model_json_real(
        &out->rope_attention_factor, rope, "attention_factor", 0.0f, error);

    if (status == AC_OK)
        status = aci_model_json_real(&out->rope_beta_fast, rope, "beta_fast",
                                     32.0f, error);
    if (status == AC_OK)
        status = aci_model_json_real(&out->rope_beta_slow, rope, "beta_slow",
                                     1.0f, error);
    if (status == AC_OK)
        status = aci_model_json_real(&mscale, rope, "mscale", 0.0f, error);
    if (status == AC_OK)
        status = aci_model_json_real(&all, rope, "mscale_all_dim", 0.0f,
                                     error);
    if (status == AC_OK)
        status = aci_model_json_flag(&truncate, rope, "truncate", 1, error);
    if (status != AC_OK)
        return status;
    if (!truncate)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "yarn without truncation is not supported");
    if (!aci_model_json_has(rope, "attention_factor") && mscale != 0.0f &&
        all != 0.0f)
        out->rope_attention_factor =
            magnitude_of(out->rope_factor, mscale) /
            magnitude_of(out->rope_factor, all);
    return AC_OK;
}

/* factor and the trained context; yarn may leave the factor to the ratio. */
static ac_status read_factor(aci_shape *out, const json_t *config,
                             const json_t *rope, ac_error *error)
{
    float ratio = 0.0f;
    ac_status status = aci_model_json_integer(
        &out->rope_original_context, rope,
        "original_max_position_embeddings", out->n_context, error);

    if (status == AC_OK)
        status = aci_model_json_integer(
            &out->rope_original_context, config,
            "original_max_position_embeddings", out->rope_original_context,
            error);
    if (status != AC_OK)
        return status;
    if (out->rope_scaling == ACI_ROPE_YARN && out->rope_original_context > 0)
        ratio = (float)out->n_context / (float)out->rope_original_context;
    else
        status = need(rope, "factor", error);
    if (status == AC_OK)
        status = aci_model_json_real(&out->rope_factor, rope, "factor", ratio,
                                     error);
    return status;
}

/* The positions a scaled model may use, where config.json has the trained. */
static void stretch_context(aci_shape *out)
{
    double scaled = (double)out->rope_original_context *
                    (double)out->rope_factor;

    if (out->rope_scaling == ACI_ROPE_DYNAMIC)
        out->rope_original_context = out->n_context;
    if (out->rope_scaling == ACI_ROPE_DYNAMIC)
        scaled = (double)out->n_context * (double)out->rope_factor;
    else if (out->rope_scaling != ACI_ROPE_YARN)
        return;
    if (scaled > out->n_context && scaled <= INT32_MAX)
        out->n_context = (int32_t)scaled;
}

ac_status aci_model_hf_rope(aci_shape *out, const json_t *config,
                            ac_error *error)
{
    const json_t *rope = json_object_get(config, "rope_parameters");
    ac_status status;

    if (!json_is_object(rope))
        rope = json_object_get(config, "rope_scaling");
    if (rope != NULL && !json_is_null(rope) && !json_is_object(rope))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "\"rope_scaling\" was not an object");
    status = aci_model_json_real(&out->rope_theta, config, "rope_theta",
                                 10000.0f, error);
    if (status == AC_OK)
        status = aci_model_json_real(&out->rope_theta, rope, "rope_theta",
                                     out->rope_theta, error);
    if (status == AC_OK)
        status = read_partial(config, error);
    if (status == AC_OK)
        status = read_partial(rope, error);
    if (status == AC_OK)
        status = read_type(out, rope, error);
    if (status != AC_OK || out->rope_scaling == ACI_ROPE_NONE)
        return status;
    status = read_factor(out, config, rope, error);
    if (status == AC_OK && out->rope_scaling == ACI_ROPE_LLAMA3)
        status = read_llama3(out, rope, error);
    if (status == AC_OK && out->rope_scaling == ACI_ROPE_YARN)
        status = read_yarn(out, rope, error);
    if (status == AC_OK)
        stretch_context(out);
    return status;
}
