/* hf_config.c - sizes and switches of config.json. hf_rope.c has the rope. */
#include "model/hf_config.h"

#include <string.h>

#include "model/checkpoint_json.h"
#include "model/compressed.h"
#include "platform/error.h"

#define SUPPORTED "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, " \
                  "Qwen3ForCausalLM"

/* What transformers takes when config.json is silent; 0: from other sizes. */
typedef struct class_defaults {
    const char *class_name, *model_type;
    int32_t architecture;
    int32_t n_head_kv, head_dim, n_context, window;
} class_defaults;

static const class_defaults classes[] = {
    { "LlamaForCausalLM", "llama", ACI_LLAMA, 0, 0, 2048, 0 },
    { "MistralForCausalLM", "mistral", ACI_MISTRAL, 8, 0, 131072, 4096 },
    { "Qwen2ForCausalLM", "qwen2", ACI_QWEN2, 32, 0, 32768, 4096 },
    { "Qwen3ForCausalLM", "qwen3", ACI_QWEN3, 32, 128, 32768, 4096 },
};

enum { N_CLASSES = sizeof classes / sizeof classes[0] };

static ac_status find_class(const class_defaults **out, const json_t *config,
                            ac_error *error)
{
    const json_t *list = json_object_get(config, "architectures");
    const char *name = json_string_value(json_array_get(list, 0));
    const char *type = json_string_value(json_object_get(config,
                                                         "model_type"));

    for (int i = 0; i < N_CLASSES; i++) {
        *out = &classes[i];
        if (name != NULL ? strcmp(name, classes[i].class_name) == 0
                         : type != NULL &&
                               strcmp(type, classes[i].model_type) == 0)
            return AC_OK;
    }
    if (name == NULL)
        name = type;
    return aci_platform_fail(error, AC_E_UNSUPPORTED,
                             "architecture %s is not supported; these are: "
                             SUPPORTED, name != NULL ? name : "(none named)");
}

/* Sizes without which there is no model. */
static ac_status read_required(aci_shape *out, const json_t *config,
                               ac_error *error)
{
    const struct {
        const char *key;
        int32_t *into;
    } rows[] = {
        { "hidden_size", &out->n_embd },
        { "num_hidden_layers", &out->n_layer },
        { "num_attention_heads", &out->n_head },
        { "intermediate_size", &out->n_ff },
        { "vocab_size", &out->n_vocab },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ac_status status;

        if (!aci_model_json_has(config, rows[i].key))
            return aci_platform_fail(error, AC_E_FORMAT, "\"%s\" was missing",
                                     rows[i].key);
        status = aci_model_json_integer(rows[i].into, config, rows[i].key, 0,
                                        error);
        if (status != AC_OK)
            return status;
        if (*rows[i].into < 1)
            return aci_platform_fail(error, AC_E_FORMAT, "\"%s\" was %d",
                                     rows[i].key, (int)*rows[i].into);
    }
    return AC_OK;
}

/* A null here means "from the other sizes", not the class's default. */
static int32_t otherwise(const json_t *config, const char *key,
                         int32_t of_class, int32_t of_sizes)
{
    return of_class != 0 && json_object_get(config, key) == NULL ? of_class
                                                                 : of_sizes;
}

static ac_status read_optional(aci_shape *out, const json_t *config,
                               const class_defaults *defaults,
                               ac_error *error)
{
    ac_status status = aci_model_json_integer(
        &out->n_head_kv, config, "num_key_value_heads",
        otherwise(config, "num_key_value_heads", defaults->n_head_kv,
                  out->n_head), error);

    if (status == AC_OK)
        status = aci_model_json_integer(
            &out->head_dim, config, "head_dim",
            otherwise(config, "head_dim", defaults->head_dim,
                      out->n_embd / out->n_head), error);
    if (status == AC_OK)
        status = aci_model_json_integer(&out->n_context, config,
                                        "max_position_embeddings",
                                        defaults->n_context, error);
    if (status == AC_OK)
        status = aci_model_json_real(&out->norm_eps, config, "rms_norm_eps",
                                     1e-6f, error);
    if (status == AC_OK)
        status = aci_model_json_flag(&out->tied_embeddings, config,
                                     "tie_word_embeddings", 0, error);
    return status;
}

static ac_status read_biases(aci_shape *out, const json_t *config,
                             ac_error *error)
{
    int32_t attention = 0, mlp = 0;
    ac_status status = aci_model_json_flag(&attention, config,
                                           "attention_bias", 0, error);

    if (status == AC_OK)
        status = aci_model_json_flag(&mlp, config, "mlp_bias", 0, error);
    if (status != AC_OK)
        return status;
    switch (out->architecture) { /* the others' classes do not ask */
    case ACI_LLAMA:
        out->mlp_bias = mlp;
        out->attention_bias = out->output_bias = attention;
        break;
    case ACI_QWEN2:
        out->attention_bias = 1;
        break;
    case ACI_QWEN3:
        out->attention_bias = out->output_bias = attention;
        out->qk_norm = 1;
        break;
    default:
        break;
    }
    return AC_OK;
}

/* How many of the layers see only the window (Qwen). */
static int32_t count_sliding(const aci_shape *shape, const json_t *config,
                             int32_t first_sliding)
{
    const json_t *types = json_object_get(config, "layer_types");
    int32_t n = 0;

    if (!json_is_array(types))
        return first_sliding >= shape->n_layer
                   ? 0
                   : shape->n_layer - (first_sliding > 0 ? first_sliding : 0);
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));

        if (i >= (size_t)shape->n_layer)
            break;
        n += type != NULL && strcmp(type, "sliding_attention") == 0;
    }
    return n;
}

static ac_status read_window(aci_shape *out, const json_t *config,
                             const class_defaults *defaults, ac_error *error)
{
    int32_t in_use = out->architecture == ACI_MISTRAL, first = 28, sliding;
    ac_status status = AC_OK;

    if (out->architecture == ACI_LLAMA)
        return AC_OK;
    if (!in_use)
        status = aci_model_json_flag(&in_use, config, "use_sliding_window", 0,
                                     error);
    if (status == AC_OK)
        status = aci_model_json_integer(
            &out->window, config, "sliding_window",
            otherwise(config, "sliding_window", defaults->window, 0), error);
    if (status == AC_OK)
        status = aci_model_json_integer(&first, config, "max_window_layers",
                                        28, error);
    if (status != AC_OK)
        return status;
    if (!in_use || out->window >= out->n_context)
        out->window = 0;
    if (out->architecture == ACI_MISTRAL || out->window == 0)
        return AC_OK;
    sliding = count_sliding(out, config, first);
    if (sliding == 0)
        out->window = 0;
    else if (sliding != out->n_layer)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED,
            "%d of %d layers had a sliding window; all or none are supported",
            (int)sliding, (int)out->n_layer);
    return AC_OK;
}

/* Things that would change the arithmetic and that we do not do. */
static ac_status refuse_others(const json_t *config, ac_error *error)
{
    const char *activation;
    ac_status status = aci_model_json_string(&activation, config,
                                             "hidden_act", error);

    if (status != AC_OK)
        return status;
    if (activation != NULL && strcmp(activation, "silu") != 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "activation %s is not supported, only silu",
                                 activation);
    if (aci_model_json_has(config, "quantization_config"))
        return aci_model_compressed_check(
            json_object_get(config, "quantization_config"), error);
    return AC_OK;
}

/* "<folder>/<last part>" to "<last part>". */
static void set_name(aci_shape *out, const json_t *config, const char *folder)
{
    const char *name = json_string_value(json_object_get(config,
                                                         "_name_or_path"));
    const char *end, *begin;
    size_t n;

    if (name == NULL || name[0] == '\0')
        name = folder;
    end = name + strlen(name);
    while (end > name && end[-1] == '/')
        end--;
    begin = end;
    while (begin > name && begin[-1] != '/')
        begin--;
    n = (size_t)(end - begin);
    if (n >= sizeof out->name)
        n = sizeof out->name - 1;
    while (n > 0 && ((unsigned char)begin[n] & 0xC0u) == 0x80u)
        n--; /* not inside a character */
    memcpy(out->name, begin, n);
}

ac_status aci_model_hf_config(aci_shape *out, const json_t *config,
                              const char *folder, ac_error *error)
{
    const class_defaults *defaults;
    ac_status status = find_class(&defaults, config, error);

    memset(out, 0, sizeof *out);
    if (status != AC_OK)
        return status;
    out->architecture = defaults->architecture;
    status = refuse_others(config, error);
    if (status == AC_OK)
        status = read_required(out, config, error);
    if (status == AC_OK)
        status = read_optional(out, config, defaults, error);
    if (status == AC_OK)
        status = read_biases(out, config, error);
    if (status == AC_OK)
        status = aci_model_hf_rope(out, config, error);
    if (status == AC_OK)
        status = read_window(out, config, defaults, error);
    if (status == AC_OK)
        set_name(out, config, folder);
    if (status == AC_OK)
        status = aci_model_shape_check(out, error);
    return status;
}
