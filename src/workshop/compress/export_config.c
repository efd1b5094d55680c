/* export_config.c - see export_config.h; hf_config.c and hf_rope.c read it. */
#include "workshop/compress/export_config.h"

#include <jansson.h>
#include <string.h>

#include "platform/error.h"

ac_status aci_workshop_export_json(const aci_export *work, const char *folder,
                                   const char *name, void *root,
                                   ac_error *error)
{
    char *path = aci_platform_join(work->memory, folder, name);
    size_t n = root != NULL ? json_dumpb(root, NULL, 0, JSON_INDENT(2)) : 0;
    char *text = n > 0 ? aci_platform_alloc(work->memory, n + 1) : NULL;
    aci_writer *writer = NULL;
    ac_status status = AC_OK;

    if (path == NULL || text == NULL)
        status = aci_platform_fail_memory(error, name);
    if (status == AC_OK)
        status = aci_platform_writer_open(&writer, work->memory, path, error);
    if (status == AC_OK) {
        json_dumpb(root, text, n, JSON_INDENT(2));
        text[n] = '\n';
        status = aci_platform_writer_append(writer, text, n + 1, error);
    }
    if (status == AC_OK) {
        work->report->n_bytes += n + 1;
        status = aci_platform_writer_commit(writer, error);
    }
    if (status != AC_OK)
        aci_platform_writer_abandon(writer);
    aci_platform_free(work->memory, text);
    aci_platform_free(work->memory, path);
    json_decref(root);
    return status;
}

/* ---- the shape ----------------------------------------------------------- */

static const char *class_of(int32_t architecture, const char **type)
{
    static const struct {
        const char *class_name, *type;
    } rows[] = {
        [ACI_LLAMA] = { "LlamaForCausalLM", "llama" },
        [ACI_MISTRAL] = { "MistralForCausalLM", "mistral" },
        [ACI_QWEN2] = { "Qwen2ForCausalLM", "qwen2" },
        [ACI_QWEN3] = { "Qwen3ForCausalLM", "qwen3" },
    };

    *type = rows[architecture].type;
    return rows[architecture].class_name;
}

/* Whether the model's own class has a place for its biases. */
static int has_place(const aci_shape *shape)
{
    switch (shape->architecture) {
    case ACI_LLAMA:
        return 1;
    case ACI_MISTRAL:
        return !shape->attention_bias && !shape->output_bias &&
               !shape->mlp_bias;
    case ACI_QWEN2:
        return !shape->output_bias && !shape->mlp_bias;
    default:
        return !shape->mlp_bias;
    }
}

/* Mistral and Qwen 2 without a window are Llama but for biases, which that has
 * for all of a layer's attention or none, and all of its neurons or none. */
ac_status aci_workshop_export_folder_plan(aci_export *work, ac_error *error)
{
    aci_shape *shape = &work->shape;

    aci_workshop_export_switches(work);
    if (shape->architecture == ACI_QWEN3 &&
        (shape->mlp_bias ||
         shape->output_bias != work->model->shape.output_bias))
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "vLLM's Qwen 3 has no biases behind "
                                 "attention and neurons, %s has",
                                 work->variant->name);
    if (!has_place(shape) && shape->window > 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%s has biases for which only transformers' "
                                 "Llama has a place, and a sliding window, "
                                 "which that has not", work->variant->name);
    if (!has_place(shape))
        shape->architecture = ACI_LLAMA;
    if (shape->architecture == ACI_LLAMA && shape->window > 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "transformers' Llama has no sliding window, "
                                 "this model has");
    if (shape->architecture == ACI_LLAMA || shape->architecture == ACI_QWEN3)
        shape->attention_bias = shape->output_bias =
            shape->attention_bias | shape->output_bias;
    return aci_workshop_export_plan(work, 0, error);
}

static json_t *make_rope(const aci_shape *shape)
{
    double factor = (double)shape->rope_factor;
    int original = (int)shape->rope_original_context;
    json_t *rope;

    switch (shape->rope_scaling) {
    case ACI_ROPE_LINEAR:
        return json_pack("{s:s, s:f}", "rope_type", "linear", "factor",
                         factor);
    case ACI_ROPE_DYNAMIC:
        return json_pack("{s:s, s:f}", "rope_type", "dynamic", "factor",
                         factor);
    case ACI_ROPE_LLAMA3:
        return json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3",
                         "factor", factor, "low_freq_factor",
                         (double)shape->rope_low_factor, "high_freq_factor",
                         (double)shape->rope_high_factor,
                         "original_max_position_embeddings", original);
    case ACI_ROPE_YARN:
        rope = json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "yarn",
                         "factor", factor, "beta_fast",
                         (double)shape->rope_beta_fast, "beta_slow",
                         (double)shape->rope_beta_slow,
                         "original_max_position_embeddings", original);
        if (shape->rope_attention_factor > 0.0f)
            json_object_set_new(
                rope, "attention_factor",
                json_real((double)shape->rope_attention_factor));
        return rope;
    default:
        return json_null();
    }
}

static int add_window(json_t *config, const aci_shape *shape)
{
    int lost = 0;

    if (shape->architecture == ACI_LLAMA)
        return 0;
    lost |= json_object_set_new(config, "sliding_window",
                                shape->window > 0
                                    ? json_integer(shape->window)
                                    : json_null());
    if (shape->architecture == ACI_MISTRAL)
        return lost;
    lost |= json_object_set_new(config, "use_sliding_window",
                                json_boolean(shape->window > 0));
    /* From this layer on they slide: all, or none. */
    return lost | json_object_set_new(
                      config, "max_window_layers",
                      json_integer(shape->window > 0 ? 0 : shape->n_layer));
}

static json_t *make_config(const aci_export *work, int bfloat)
{
    const aci_shape *shape = &work->shape;
    const char *type, *class_name = class_of(shape->architecture, &type);
    int32_t n_context = shape->rope_scaling == ACI_ROPE_DYNAMIC
                            ? shape->rope_original_context
                            : shape->n_context;
    json_t *config = json_pack(
        "{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:o, "
        "s:s, s:b, s:b, s:b, s:s}",
        "architectures", class_name, "model_type", type, "hidden_size",
        (int)shape->n_embd, "intermediate_size", (int)shape->n_ff,
        "num_hidden_layers", (int)shape->n_layer, "num_attention_heads",
        (int)shape->n_head, "num_key_value_heads", (int)shape->n_head_kv,
        "head_dim", (int)shape->head_dim, "vocab_size", (int)shape->n_vocab,
        "max_position_embeddings", (int)n_context, "rms_norm_eps",
        (double)shape->norm_eps, "rope_theta", (double)shape->rope_theta,
        "rope_scaling", make_rope(shape), "hidden_act", "silu",
        "tie_word_embeddings", (int)shape->tied_embeddings, "attention_bias",
        (int)(shape->attention_bias && shape->architecture != ACI_QWEN2),
        "mlp_bias", (int)shape->mlp_bias, "torch_dtype",
        bfloat ? "bfloat16" : "float16");

    if (config == NULL || add_window(config, shape) != 0) {
        json_decref(config);
        return NULL;
    }
    return config;
}

/* ---- how matrices are compressed ----------------------------------------- */

static json_t *make_weights(aci_export_scheme scheme, int32_t group)
{
    int packed = scheme != ACI_EXPORT_W8A8;

    return json_pack("{s:i, s:s, s:b, s:s, s:o, s:b, s:n}", "num_bits",
                     scheme == ACI_EXPORT_W4A16 ? 4 : 8, "type", "int",
                     "symmetric", 1, "strategy",
                     packed ? "group" : "channel", "group_size",
                     packed ? json_integer(group) : json_null(), "dynamic", 0,
                     "actorder");
}

/* Of W8A8: quantised per token as they come. */
static json_t *make_activations(aci_export_scheme scheme)
{
    if (scheme != ACI_EXPORT_W8A8)
        return json_null();
    return json_pack("{s:i, s:s, s:b, s:s, s:n, s:b}", "num_bits", 8, "type",
                     "int", "symmetric", 1, "strategy", "token", "group_size",
                     "dynamic", 1);
}

static json_t *make_quantization(aci_export_scheme scheme, int32_t group)
{
    return json_pack(
        "{s:s, s:s, s:s, s:{s:{s:[s], s:o, s:o, s:n}}, s:[s], s:n}",
        "quant_method", "compressed-tensors", "format",
        scheme == ACI_EXPORT_W8A8 ? "int-quantized" : "pack-quantized",
        "quantization_status", "compressed", "config_groups", "group_0",
        "targets", "Linear", "weights", make_weights(scheme, group),
        "input_activations", make_activations(scheme), "output_activations",
        "ignore", "lm_head", "kv_cache_scheme");
}

ac_status aci_workshop_export_config(const aci_export *work,
                                     const char *folder,
                                     aci_export_scheme scheme, int32_t group,
                                     int bfloat, ac_error *error)
{
    json_t *config = make_config(work, bfloat);

    if (config != NULL && scheme != ACI_EXPORT_DENSE &&
        json_object_set_new(config, "quantization_config",
                            make_quantization(scheme, group)) != 0) {
        json_decref(config);
        config = NULL;
    }
    return aci_workshop_export_json(work, folder, "config.json", config,
                                    error);
}
