/* tensor_names.c - one table, three columns. */
#include "model/tensor_names.h"

#include <stdio.h>
#include <string.h>

typedef struct name_row {
    const char *ours, *hf, *gguf;
} name_row;

static const name_row rows[] = {
    { "embed", "model.embed_tokens.weight", "token_embd.weight" },
    { "final_norm", "model.norm.weight", "output_norm.weight" },
    { "head", "lm_head.weight", "output.weight" },
    { "attn_norm", "input_layernorm.weight", "attn_norm.weight" },
    { "q", "self_attn.q_proj.weight", "attn_q.weight" },
    { "k", "self_attn.k_proj.weight", "attn_k.weight" },
    { "v", "self_attn.v_proj.weight", "attn_v.weight" },
    { "o", "self_attn.o_proj.weight", "attn_output.weight" },
    { "q_bias", "self_attn.q_proj.bias", "attn_q.bias" },
    { "k_bias", "self_attn.k_proj.bias", "attn_k.bias" },
    { "v_bias", "self_attn.v_proj.bias", "attn_v.bias" },
    { "o_bias", "self_attn.o_proj.bias", "attn_output.bias" },
    { "q_norm", "self_attn.q_norm.weight", "attn_q_norm.weight" },
    { "k_norm", "self_attn.k_norm.weight", "attn_k_norm.weight" },
    { "ffn_norm", "post_attention_layernorm.weight", "ffn_norm.weight" },
    { "gate", "mlp.gate_proj.weight", "ffn_gate.weight" },
    { "up", "mlp.up_proj.weight", "ffn_up.weight" },
    { "down", "mlp.down_proj.weight", "ffn_down.weight" },
    { "gate_bias", "mlp.gate_proj.bias", "ffn_gate.bias" },
    { "up_bias", "mlp.up_proj.bias", "ffn_up.bias" },
    { "down_bias", "mlp.down_proj.bias", "ffn_down.bias" },
};

static const name_row *find(const aci_tensor *tensor)
{
    const char *dot = strchr(tensor->name, '.');
    const char *ours = dot != NULL ? dot + 1 : tensor->name;
    size_t i = 0;

    while (strcmp(rows[i].ours, ours) != 0)
        i++; /* every name of the list is in the table */
    return &rows[i];
}

void aci_model_tensor_name_hf(char out[ACI_FILE_NAME_BYTES],
                              const aci_tensor *tensor)
{
    const char *name = find(tensor)->hf;

    if (tensor->layer < 0)
        snprintf(out, ACI_FILE_NAME_BYTES, "%s", name);
    else
        snprintf(out, ACI_FILE_NAME_BYTES, "model.layers.%d.%s",
                 (int)tensor->layer, name);
}

void aci_model_tensor_name_gguf(char out[ACI_FILE_NAME_BYTES],
                                const aci_tensor *tensor)
{
    const char *name = find(tensor)->gguf;

    if (tensor->layer < 0)
        snprintf(out, ACI_FILE_NAME_BYTES, "%s", name);
    else
        snprintf(out, ACI_FILE_NAME_BYTES, "blk.%d.%s", (int)tensor->layer,
                 name);
}

static int ends_with(const char *name, size_t n_bytes, const char *end)
{
    size_t n = strlen(end);

    return n_bytes >= n && memcmp(name + n_bytes - n, end, n) == 0;
}

static int is(const char *name, size_t n_bytes, const char *other)
{
    return n_bytes == strlen(other) && ends_with(name, n_bytes, other);
}

int aci_model_tensor_ignored(const char *name, size_t n_bytes,
                             const aci_shape *shape)
{
    if (shape->tied_embeddings && is(name, n_bytes, "lm_head.weight"))
        return 1;
    return ends_with(name, n_bytes, "rotary_emb.inv_freq") ||
           ends_with(name, n_bytes, "attn_rot_embd") ||
           is(name, n_bytes, "rope_freqs.weight");
}
