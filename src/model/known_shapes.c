/* known_shapes.c - a row per model, from its config.json. */
#include "model/known_shapes.h"

#include <stdio.h>
#include <string.h>

#include "platform/error.h"

typedef struct known_shape {
    const char *name, *title;
    int32_t architecture, n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff,
        n_vocab, n_context, tied;
    float norm_eps, rope_theta;
    float llama3_factor;       /* 0: positions are not scaled */
} known_shape;

static const known_shape known[] = {
    { "tiny", "synthetic tiny", ACI_LLAMA, 2, 128, 4, 2, 32, 384, 320, 512, 1,
      1e-5f, 1e4f, 0 },
    { "smollm-135m", "synthetic SmolLM-135M", ACI_LLAMA, 30, 576, 9, 3, 64,
      1536, 49152, 2048, 1, 1e-5f, 1e4f, 0 },
    { "qwen2.5-0.5b", "synthetic Qwen2.5-0.5B", ACI_QWEN2, 24, 896, 14, 2, 64,
      4864, 151936, 32768, 1, 1e-6f, 1e6f, 0 },
    { "tinyllama-1.1b", "synthetic TinyLlama-1.1B", ACI_LLAMA, 22, 2048, 32,
      4, 64, 5632, 32000, 2048, 0, 1e-5f, 1e4f, 0 },
    { "llama-3.2-1b", "synthetic Llama-3.2-1B", ACI_LLAMA, 16, 2048, 32, 8,
      64, 8192, 128256, 131072, 1, 1e-5f, 5e5f, 32 },
    { "llama-2-7b", "synthetic Llama-2-7B", ACI_LLAMA, 32, 4096, 32, 32, 128,
      11008, 32000, 4096, 0, 1e-5f, 1e4f, 0 },
    { "llama-3-8b", "synthetic Llama-3-8B", ACI_LLAMA, 32, 4096, 32, 8, 128,
      14336, 128256, 8192, 0, 1e-5f, 5e5f, 0 },
    { "llama-3.1-8b", "synthetic Llama-3.1-8B", ACI_LLAMA, 32, 4096, 32, 8,
      128, 14336, 128256, 131072, 0, 1e-5f, 5e5f, 8 },
    { "llama-2-13b", "synthetic Llama-2-13B", ACI_LLAMA, 40, 5120, 40, 40,
      128, 13824, 32000, 4096, 0, 1e-5f, 1e4f, 0 },
    { "llama-2-70b", "synthetic Llama-2-70B", ACI_LLAMA, 80, 8192, 64, 8, 128,
      28672, 32000, 4096, 0, 1e-5f, 1e4f, 0 },
    { "llama-3-70b", "synthetic Llama-3-70B", ACI_LLAMA, 80, 8192, 64, 8, 128,
      28672, 128256, 8192, 0, 1e-5f, 5e5f, 0 },
};

enum { N_KNOWN = sizeof known / sizeof known[0] };

static ac_status refuse(const char *name, ac_error *error)
{
    char list[320] = "";
    size_t used = 0;

    for (int i = 0; i < N_KNOWN; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s",
                                 i > 0 ? ", " : "", known[i].name);
    return aci_platform_fail(error, AC_E_NOT_FOUND,
                             "there was no shape \"%.60s\"; known are %s",
                             name, list);
}

ac_status aci_model_known_shape(aci_shape *out, const char *name,
                                ac_error *error)
{
    const known_shape *found = NULL;

    for (int i = 0; i < N_KNOWN; i++)
        if (strcmp(known[i].name, name) == 0)
            found = &known[i];
    if (found == NULL)
        return refuse(name, error);
    memset(out, 0, sizeof *out);
    out->architecture = found->architecture;
    out->n_layer = found->n_layer;
    out->n_embd = found->n_embd;
    out->n_head = found->n_head;
    out->n_head_kv = found->n_head_kv;
    out->head_dim = found->head_dim;
    out->n_ff = found->n_ff;
    out->n_vocab = found->n_vocab;
    out->n_context = found->n_context;
    out->tied_embeddings = found->tied;
    out->attention_bias = found->architecture == ACI_QWEN2;
    out->norm_eps = found->norm_eps;
    out->rope_theta = found->rope_theta;
    out->rope_factor = 1.0f;
    if (found->llama3_factor > 0.0f) {
        out->rope_scaling = ACI_ROPE_LLAMA3;
        out->rope_factor = found->llama3_factor;
        out->rope_low_factor = 1.0f;
        out->rope_high_factor = 4.0f;
        out->rope_original_context = 8192;
    }
    snprintf(out->name, sizeof out->name, "%s", found->title);
    return AC_OK;
}
