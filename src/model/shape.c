/* shape.c - which shapes we are willing to run, and counting them.
 *
 * Every number of a shape may come from a hostile file. What passes here can
 * be multiplied freely in 64 bits by everybody else. */
#include "model/shape.h"

#include <math.h>

#include "model/tensor_list.h"
#include "platform/error.h"

/* Limits well above any model published and well below any overflow. */
enum {
    MAX_EMBD = 1 << 16,
    MAX_HEAD = 1024,
    MAX_HEAD_DIM = 512, /* the kernels' own limit */
    MAX_HEADS_WIDTH = 1 << 17,
    MAX_FF = 1 << 20,
    MAX_VOCAB = 1 << 22,
    MAX_CONTEXT = 1 << 24
};

const char *aci_model_architecture_name(int32_t architecture)
{
    switch (architecture) {
    case ACI_LLAMA:
        return "llama";
    case ACI_MISTRAL:
        return "mistral";
    case ACI_QWEN2:
        return "qwen2";
    case ACI_QWEN3:
        return "qwen3";
    default:
        return NULL;
    }
}

static ac_status check_integers(const aci_shape *shape, ac_error *error)
{
    const struct {
        const char *what;
        int32_t value, least, most;
    } rows[] = {
        { "layers", shape->n_layer, 1, ACI_MAX_LAYERS },
        { "embedding width", shape->n_embd, 1, MAX_EMBD },
        { "heads", shape->n_head, 1, MAX_HEAD },
        { "key-value heads", shape->n_head_kv, 1, MAX_HEAD },
        { "head width", shape->head_dim, 2, MAX_HEAD_DIM },
        { "feed-forward width", shape->n_ff, 1, MAX_FF },
        { "vocabulary", shape->n_vocab, 1, MAX_VOCAB },
        { "context", shape->n_context, 1, MAX_CONTEXT },
        { "sliding window", shape->window, 0, MAX_CONTEXT },
        { "tied embeddings", shape->tied_embeddings, 0, 1 },
        { "attention bias", shape->attention_bias, 0, 1 },
        { "output bias", shape->output_bias, 0, 1 },
        { "mlp bias", shape->mlp_bias, 0, 1 },
        { "q/k norm", shape->qk_norm, 0, 1 },
        { "rotary order", shape->rope_interleaved, 0, 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].value < rows[i].least || rows[i].value > rows[i].most)
            return aci_platform_fail(
                error, AC_E_FORMAT, "%s of the model was %d, not %d to %d",
                rows[i].what, (int)rows[i].value, (int)rows[i].least,
                (int)rows[i].most);
    return AC_OK;
}

static ac_status check_heads(const aci_shape *shape, ac_error *error)
{
    if (shape->n_head % shape->n_head_kv != 0)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "%d heads could not share %d key-value heads evenly",
            (int)shape->n_head, (int)shape->n_head_kv);
    if (shape->head_dim % 2 != 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "head width was odd (%d): rotary positions "
                                 "need pairs", (int)shape->head_dim);
    if (shape->n_head * shape->head_dim > MAX_HEADS_WIDTH)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "%d heads of width %d were too wide",
            (int)shape->n_head, (int)shape->head_dim);
    return AC_OK;
}

/* Catches NaN too. */
static int within(float value, float least, float most)
{
    return value >= least && value <= most;
}

static ac_status check_reals(const aci_shape *shape, ac_error *error)
{
    if (!within(shape->norm_eps, 1e-30f, 1.0f))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "norm epsilon was %g, not in (0, 1]",
                                 (double)shape->norm_eps);
    if (!within(shape->rope_theta, 1.0f, 1e15f) || shape->rope_theta == 1.0f)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "rope theta was %g, not above 1",
                                 (double)shape->rope_theta);
    return AC_OK;
}

static int scaling_is_sound(const aci_shape *shape)
{
    if (!within(shape->rope_factor, 1e-3f, 1e6f))
        return 0;
    if (shape->rope_scaling != ACI_ROPE_LINEAR &&
        (shape->rope_original_context < 1 ||
         shape->rope_original_context > MAX_CONTEXT))
        return 0;
    switch (shape->rope_scaling) {
    case ACI_ROPE_DYNAMIC: /* its exponent is dim / (dim - 2) */
        return shape->head_dim > 2 && shape->rope_factor >= 1.0f;
    case ACI_ROPE_LLAMA3:
        return within(shape->rope_low_factor, 1e-6f, 1e6f) &&
               within(shape->rope_high_factor, 1e-6f, 1e6f) &&
               shape->rope_low_factor < shape->rope_high_factor;
    case ACI_ROPE_YARN:
        return within(shape->rope_beta_fast, 1e-6f, 1e6f) &&
               within(shape->rope_beta_slow, 1e-6f, 1e6f) &&
               shape->rope_beta_slow <= shape->rope_beta_fast &&
               within(shape->rope_attention_factor, 0.0f, 1e3f);
    default:
        return 1;
    }
}

ac_status aci_model_shape_check(const aci_shape *shape, ac_error *error)
{
    ac_status status;

    if (aci_model_architecture_name(shape->architecture) == NULL)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "architecture number %d is not known",
                                 (int)shape->architecture);
    status = check_integers(shape, error);
    if (status == AC_OK)
        status = check_heads(shape, error);
    if (status == AC_OK)
        status = check_reals(shape, error);
    if (status != AC_OK || shape->rope_scaling == ACI_ROPE_NONE)
        return status;
    if (shape->rope_scaling < 0 || shape->rope_scaling > ACI_ROPE_YARN)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "rope scaling number %d is not known",
                                 (int)shape->rope_scaling);
    if (!scaling_is_sound(shape))
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "rope scaling had impossible numbers (factor %g, context %d)",
            (double)shape->rope_factor, (int)shape->rope_original_context);
    return AC_OK;
}

uint64_t aci_model_parameter_count(const aci_shape *shape)
{
    return aci_model_parameter_count_kept(shape, NULL);
}

uint64_t aci_model_parameter_count_kept(const aci_shape *shape,
                                        const aci_kept *kept)
{
    size_t n = aci_model_tensor_count(shape);
    uint64_t parameters = 0;

    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, shape, i);
        if (kept != NULL && tensor.layer >= 0)
            aci_model_tensor_cut(&tensor, shape, &kept[tensor.layer]);
        parameters += (uint64_t)tensor.n_out * (uint64_t)tensor.n_in;
    }
    return parameters;
}
