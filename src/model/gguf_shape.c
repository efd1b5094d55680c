/* gguf_shape.c - sizes and switches from "<architecture>.*" and from which
 * tensors there are. gguf_rope.c has the rope. */
#include "model/gguf_shape.h"

#include <stdio.h>
#include <string.h>

#include "model/gguf_layers.h"
#include "platform/error.h"

#define SUPPORTED "llama, qwen2, qwen3, deci"
#define KEY_BYTES 96

static ac_status read_architecture(aci_shape *out, char *prefix, size_t n,
                                   const aci_gguf *gguf, ac_error *error)
{
    static const struct {
        const char *name;
        int32_t architecture;
    } known[] = {
        { "llama", ACI_LLAMA }, { "qwen2", ACI_QWEN2 },
        { "qwen3", ACI_QWEN3 },
        { "deci", ACI_LLAMA }, /* with layers of different sizes */
    };
    const char *text = NULL;
    size_t bytes = 0;

    if (!aci_model_gguf_string(&text, &bytes, gguf, "general.architecture"))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "general.architecture was missing");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const char *name = known[i].name;

        if (bytes == strlen(name) && memcmp(text, name, bytes) == 0) {
            out->architecture = known[i].architecture;
            snprintf(prefix, n, "%s", name);
            return AC_OK;
        }
    }
    return aci_platform_fail(error, AC_E_UNSUPPORTED,
                             "architecture %.*s is not supported; these are: "
                             SUPPORTED, bytes < 64 ? (int)bytes : 64, text);
}

/* Whether the metadata has the key at all, of whatever kind. */
static int has_key(const aci_gguf *gguf, const char *key)
{
    double real;
    const char *text;
    size_t n;

    return aci_model_gguf_real(&real, gguf, key) ||
           aci_model_gguf_string(&text, &n, gguf, key) ||
           aci_model_gguf_array_length(&n, gguf, key);
}

int aci_model_gguf_shape_integer(int32_t *out, const aci_gguf *gguf,
                                 const char *prefix, const char *key)
{
    char full[KEY_BYTES];
    int64_t value;

    snprintf(full, sizeof full, "%s.%s", prefix, key);
    if (!has_key(gguf, full))
        return 0;
    if (!aci_model_gguf_integer(&value, gguf, full) || value < 0 ||
        value > INT32_MAX)
        return -1;
    *out = (int32_t)value;
    return 1;
}

int aci_model_gguf_shape_real(float *out, const aci_gguf *gguf,
                              const char *prefix, const char *key)
{
    char full[KEY_BYTES];
    double value;

    snprintf(full, sizeof full, "%s.%s", prefix, key);
    if (!has_key(gguf, full))
        return 0;
    if (!aci_model_gguf_real(&value, gguf, full))
        return -1;
    *out = (float)value;
    return 1;
}

static ac_status read_sizes(aci_shape *out, const aci_gguf *gguf,
                            const char *prefix, ac_error *error)
{
    const struct {
        const char *key;
        int32_t *into;
        int required;
    } rows[] = {
        { "block_count", &out->n_layer, 1 },
        { "embedding_length", &out->n_embd, 1 },
        { "context_length", &out->n_context, 1 },
        { "attention.key_length", &out->head_dim, 0 },
        { "attention.sliding_window", &out->window, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int found = aci_model_gguf_shape_integer(rows[i].into, gguf, prefix,
                                                 rows[i].key);

        if (found < 0)
            return aci_platform_fail(
                error, AC_E_UNSUPPORTED,
                "%s.%s was not one whole number that fits 31 bits", prefix,
                rows[i].key);
        if ((rows[i].required && found == 0) ||
            (found && rows[i].required && *rows[i].into == 0))
            return aci_platform_fail(error, AC_E_FORMAT, "%s.%s was %s",
                                     prefix, rows[i].key,
                                     found ? "0" : "missing");
    }
    if (out->window >= out->n_context)
        out->window = 0;
    if (out->n_layer > ACI_MAX_LAYERS)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "layers of the model were %d, more than %d",
                                 (int)out->n_layer, (int)ACI_MAX_LAYERS);
    return AC_OK;
}

static ac_status read_layers(aci_shape *out, aci_kept **kept,
                             aci_memory *memory, const aci_gguf *gguf,
                             const char *prefix, ac_error *error)
{
    ac_status status = aci_model_gguf_layers(out, kept, memory, gguf, prefix,
                                             error);

    if (status != AC_OK || out->head_dim > 0 || out->n_head == 0)
        return status;
    if (*kept != NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s.attention.key_length was missing where "
                                 "layers have different heads", prefix);
    out->head_dim = out->n_embd / out->n_head;
    return AC_OK;
}

static ac_status read_epsilon(aci_shape *out, const aci_gguf *gguf,
                              const char *prefix, ac_error *error)
{
    if (aci_model_gguf_shape_real(&out->norm_eps, gguf, prefix,
                                  "attention.layer_norm_rms_epsilon") != 1)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "%s.attention.layer_norm_rms_epsilon was missing", prefix);
    return AC_OK;
}

/* Things that would change the arithmetic and that we do not do. */
static ac_status refuse_others(const aci_shape *shape, const aci_gguf *gguf,
                               const char *prefix, ac_error *error)
{
    int32_t value = 0, rotary = shape->head_dim, width = shape->head_dim;
    int64_t parts = 0;

    if (aci_model_gguf_integer(&parts, gguf, "split.count") && parts > 1)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "a GGUF split over %lld files is not "
                                 "supported; merge them", (long long)parts);
    if (aci_model_gguf_shape_integer(&value, gguf, prefix, "expert_count") &&
        value != 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "mixtures of experts are not supported");
    (void)aci_model_gguf_shape_integer(&rotary, gguf, prefix,
                                       "rope.dimension_count");
    (void)aci_model_gguf_shape_integer(&width, gguf, prefix,
                                       "attention.value_length");
    if (rotary != shape->head_dim)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED,
            "rotary positions over %d of %d values of a head are not "
            "supported", (int)rotary, (int)shape->head_dim);
    if (width != shape->head_dim)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "values of width %d beside keys of %d are "
                                 "not supported", (int)width,
                                 (int)shape->head_dim);
    return AC_OK;
}

/* A tensor of that name in some layer, not all of which need have the block
 * it belongs to. */
static int has_in_layer(const aci_gguf *gguf, const char *end)
{
    size_t n_end = strlen(end);

    for (size_t i = 0; i < aci_model_gguf_tensor_count(gguf); i++) {
        const aci_gguf_tensor *t = aci_model_gguf_tensor(gguf, i);

        if (t->name_bytes > n_end && memcmp(t->name, "blk.", 4) == 0 &&
            memcmp(t->name + t->name_bytes - n_end, end, n_end) == 0)
            return 1;
    }
    return 0;
}

/* One layer speaks for all; the others are held to it when names are
 * matched. */
static void read_switches(aci_shape *out, const aci_gguf *gguf)
{
    out->tied_embeddings = aci_model_gguf_find(gguf, "output.weight") == NULL;
    out->attention_bias = has_in_layer(gguf, ".attn_q.bias");
    out->output_bias = has_in_layer(gguf, ".attn_output.bias");
    out->mlp_bias = has_in_layer(gguf, ".ffn_gate.bias");
    out->qk_norm = out->architecture == ACI_QWEN3;
}

/* The table of embeddings says how many tokens there are; whoever else counts
 * them must agree. */
static ac_status read_vocabulary(aci_shape *out, const aci_gguf *gguf,
                                 const char *prefix, ac_error *error)
{
    static const char *const arrays[] = { "tokenizer.ggml.tokens",
                                          "tokenizer.ggml.scores",
                                          "tokenizer.ggml.token_type" };
    const aci_gguf_tensor *table = aci_model_gguf_find(gguf,
                                                       "token_embd.weight");
    int32_t claimed;
    size_t n;

    if (table == NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "it had no tensor token_embd.weight; a file "
                                 "with a vocabulary alone is no checkpoint");
    if (table->dimensions[1] > INT32_MAX)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "token_embd.weight had %llu rows",
                                 (unsigned long long)table->dimensions[1]);
    out->n_vocab = claimed = (int32_t)table->dimensions[1];
    if (aci_model_gguf_shape_integer(&claimed, gguf, prefix, "vocab_size") &&
        claimed != out->n_vocab)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s.vocab_size was %d, the embeddings had "
                                 "%d rows", prefix, (int)claimed,
                                 (int)out->n_vocab);
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        if (aci_model_gguf_array_length(&n, gguf, arrays[i]) &&
            n != (size_t)out->n_vocab)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "%s had %zu entries, the embeddings %d",
                                     arrays[i], n, (int)out->n_vocab);
    return AC_OK;
}

static void set_name(aci_shape *out, const aci_gguf *gguf, const char *path)
{
    const char *text, *slash = strrchr(path, '/');
    size_t n;

    if (!aci_model_gguf_string(&text, &n, gguf, "general.name") || n == 0) {
        text = slash != NULL ? slash + 1 : path;
        n = strlen(text);
    }
    if (n >= sizeof out->name)
        n = sizeof out->name - 1;
    memcpy(out->name, text, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)out->name[i] < 32)
            out->name[i] = ' ';
}

ac_status aci_model_gguf_shape(aci_shape *out, aci_kept **kept,
                               aci_memory *memory, const aci_gguf *gguf,
                               const char *path, ac_error *error)
{
    char prefix[16];
    ac_status status;

    memset(out, 0, sizeof *out);
    *kept = NULL;
    status = read_architecture(out, prefix, sizeof prefix, gguf, error);
    if (status == AC_OK)
        status = read_sizes(out, gguf, prefix, error);
    if (status == AC_OK)
        status = read_layers(out, kept, memory, gguf, prefix, error);
    if (status == AC_OK)
        status = read_epsilon(out, gguf, prefix, error);
    if (status == AC_OK)
        status = refuse_others(out, gguf, prefix, error);
    if (status == AC_OK)
        status = read_vocabulary(out, gguf, prefix, error);
    if (status != AC_OK)
        return status;
    read_switches(out, gguf);
    set_name(out, gguf, path);
    status = aci_model_gguf_rope(out, gguf, prefix, error);
    return status == AC_OK ? aci_model_shape_check(out, error) : status;
}
