/* export_gguf_shape.c - general.* and "<architecture>.*", as llama.cpp's
 * converter writes them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/export_gguf_metadata.h"

typedef struct keys {
    aci_gguf_draft *draft;
    const char *prefix;
} keys;

static void put_u32(const keys *k, const char *key, int32_t value)
{
    char full[96];

    snprintf(full, sizeof full, "%s.%s", k->prefix, key);
    aci_model_gguf_put_u32(k->draft, full, (uint32_t)value);
}

static void put_f32(const keys *k, const char *key, float value)
{
    char full[96];

    snprintf(full, sizeof full, "%s.%s", k->prefix, key);
    aci_model_gguf_put_f32(k->draft, full, value);
}

static void put_text(const keys *k, const char *key, const char *value)
{
    char full[96];

    snprintf(full, sizeof full, "%s.%s", k->prefix, key);
    aci_model_gguf_put_text(k->draft, full, value, strlen(value));
}

static ac_status check_supported(const aci_shape *shape, ac_error *error)
{
    if (shape->architecture == ACI_QWEN3 && shape->attention_bias)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "llama.cpp's qwen3 has no biases in "
                                 "attention, this model does");
    return AC_OK;
}

/* Positions up to which the file gives what the zoo gives. */
static int32_t context_of(const aci_export *work)
{
    const aci_shape *shape = &work->model->shape;
    int32_t n = shape->n_context;

    if (shape->window > 0 && shape->window < n) {
        n = shape->window;
        aci_workshop_export_note(
            work, "llama.cpp's architecture has no sliding window: the "
            "context is cut to the window, %d tokens", (int)n);
    }
    if (shape->rope_scaling == ACI_ROPE_DYNAMIC &&
        shape->rope_original_context < n) {
        n = shape->rope_original_context;
        aci_workshop_export_note(
            work, "llama.cpp has no dynamic rope scaling: the context is cut "
            "to the trained one, %d tokens", (int)n);
    }
    return n;
}

static void put_rope(const keys *k, const aci_shape *shape)
{
    put_u32(k, "rope.dimension_count", shape->head_dim);
    put_f32(k, "rope.freq_base", shape->rope_theta);
    if (shape->rope_scaling != ACI_ROPE_LINEAR &&
        shape->rope_scaling != ACI_ROPE_YARN)
        return; /* Llama 3's is a tensor of its own */
    put_text(k, "rope.scaling.type",
             shape->rope_scaling == ACI_ROPE_YARN ? "yarn" : "linear");
    put_f32(k, "rope.scaling.factor", shape->rope_factor);
    if (shape->rope_scaling == ACI_ROPE_LINEAR)
        return;
    put_u32(k, "rope.scaling.original_context_length",
            shape->rope_original_context);
    put_f32(k, "rope.scaling.yarn_beta_fast", shape->rope_beta_fast);
    put_f32(k, "rope.scaling.yarn_beta_slow", shape->rope_beta_slow);
    if (shape->rope_attention_factor > 0.0f) /* on top of the usual */
        put_f32(k, "rope.scaling.attn_factor",
                shape->rope_attention_factor /
                    (float)(0.1 * log((double)shape->rope_factor) + 1.0));
}

ac_status aci_workshop_export_gguf_shape(aci_gguf_draft *draft,
                                         const aci_export *work,
                                         uint32_t file_type, ac_error *error)
{
    const aci_shape *shape = &work->model->shape;
    int32_t architecture = shape->architecture == ACI_MISTRAL
                               ? ACI_LLAMA : shape->architecture;
    keys k = { draft, aci_model_architecture_name(architecture) };
    ac_status status = check_supported(shape, error);

    if (status != AC_OK)
        return status;
    aci_model_gguf_put_text(draft, "general.architecture", k.prefix,
                            strlen(k.prefix));
    aci_model_gguf_put_text(draft, "general.type", "model", 5);
    aci_model_gguf_put_text(draft, "general.name", shape->name,
                            strlen(shape->name));
    aci_model_gguf_put_u32(draft, "general.alignment", ACI_GGUF_ALIGNMENT);
    aci_model_gguf_put_u32(draft, "general.quantization_version", 2);
    aci_model_gguf_put_u32(draft, "general.file_type", file_type);
    aci_model_gguf_put_text(draft, "agentcompress.variant",
                            work->variant->name, strlen(work->variant->name));
    put_u32(&k, "vocab_size", shape->n_vocab);
    put_u32(&k, "context_length", context_of(work));
    put_u32(&k, "embedding_length", shape->n_embd);
    put_u32(&k, "block_count", shape->n_layer);
    put_u32(&k, "feed_forward_length", shape->n_ff);
    put_u32(&k, "attention.head_count", shape->n_head);
    put_u32(&k, "attention.head_count_kv", shape->n_head_kv);
    put_u32(&k, "attention.key_length", shape->head_dim);
    put_u32(&k, "attention.value_length", shape->head_dim);
    put_f32(&k, "attention.layer_norm_rms_epsilon", shape->norm_eps);
    put_rope(&k, shape);
    return AC_OK;
}
