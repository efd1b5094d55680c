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

/* ---- which architecture -------------------------------------------------- */

/*            biases               sizes
 *     llama  any                  as the metadata says, one for all layers
 *     deci   any                  likewise, layer by layer
 *     qwen2  q, k, v              heads as wide as the embeddings
 *     qwen3  none, but q/k norms  as llama
 *
 * A model of qwen2 that does not fit there is one of llama with biases. */
const char *aci_workshop_export_gguf_architecture(const aci_export *work)
{
    const aci_shape *shape = &work->shape;

    if (shape->architecture == ACI_QWEN3)
        return "qwen3";
    if (work->kept != NULL)
        return "deci";
    return shape->architecture == ACI_QWEN2 && !shape->output_bias &&
                   !shape->mlp_bias &&
                   shape->n_head * shape->head_dim == shape->n_embd
               ? "qwen2" : "llama";
}

int aci_workshop_export_gguf_pairs(const aci_export *work)
{
    const char *name = aci_workshop_export_gguf_architecture(work);

    return strcmp(name, "llama") == 0 || strcmp(name, "deci") == 0;
}

ac_status aci_workshop_export_gguf_plan(aci_export *work, ac_error *error)
{
    int is_qwen3 = work->model->shape.architecture == ACI_QWEN3;
    const aci_shape *shape = &work->shape;

    aci_workshop_export_switches(work);
    if (is_qwen3 &&
        (shape->attention_bias || shape->output_bias || shape->mlp_bias))
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "llama.cpp's qwen3 has no biases, %s has "
            "some in %s", work->variant->name,
            shape->mlp_bias ? "its neurons" : "attention");
    return aci_workshop_export_plan(work, !is_qwen3, error);
}

/* ---- the metadata -------------------------------------------------------- */

/* Positions up to which the file gives what the zoo gives. */
static int32_t context_of(const aci_export *work)
{
    const aci_shape *shape = &work->shape;
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

/* A number for each layer: key-value heads, times `heads`; or neurons. */
static void put_numbers(const keys *k, const char *key, const aci_kept *kept,
                        int32_t n_layer, int32_t heads)
{
    char full[96];

    snprintf(full, sizeof full, "%s.%s", k->prefix, key);
    aci_model_gguf_put_integers(k->draft, full, (uint64_t)n_layer);
    for (int32_t l = 0; l < n_layer; l++)
        aci_model_gguf_add_integer(k->draft,
                                   heads > 0 ? kept[l].n_head_kv * heads
                                             : kept[l].n_ff);
}

static void put_sizes(const keys *k, const aci_export *work)
{
    const aci_shape *shape = &work->shape;

    if (work->kept != NULL) {
        put_numbers(k, "feed_forward_length", work->kept, shape->n_layer, 0);
        put_numbers(k, "attention.head_count", work->kept, shape->n_layer,
                    shape->n_head / shape->n_head_kv);
        put_numbers(k, "attention.head_count_kv", work->kept, shape->n_layer,
                    1);
        return;
    }
    put_u32(k, "feed_forward_length", shape->n_ff);
    put_u32(k, "attention.head_count", shape->n_head);
    put_u32(k, "attention.head_count_kv", shape->n_head_kv);
}

void aci_workshop_export_gguf_shape(aci_gguf_draft *draft,
                                    const aci_export *work,
                                    uint32_t file_type)
{
    const aci_shape *shape = &work->shape;
    keys k = { draft, aci_workshop_export_gguf_architecture(work) };

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
    put_sizes(&k, work);
    put_u32(&k, "attention.key_length", shape->head_dim);
    put_u32(&k, "attention.value_length", shape->head_dim);
    put_f32(&k, "attention.layer_norm_rms_epsilon", shape->norm_eps);
    put_rope(&k, shape);
}
