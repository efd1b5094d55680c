/* predictor.c - asking a predictor; see predictor.h. */
#include "router/predictor.h"

#include <string.h>

#include "platform/error.h"
#include "router/arithmetic.h"

aci_predictor *aci_router_predictor_new(aci_memory *memory,
                                        const aci_network_shape *shape,
                                        uint32_t familiar_log2)
{
    aci_predictor *new = aci_platform_alloc_zeroed(memory, 1, sizeof *new);

    if (new == NULL)
        return NULL;
    new->memory = memory;
    new->shape = *shape;
    new->places = aci_router_network_places(shape);
    new->familiar_log2 = familiar_log2;
    new->max_unfamiliarity = 1.0f;
    new->familiar = aci_platform_alloc_zeroed(
        memory, (size_t)1 << (familiar_log2 - 3), 1);
    new->numbers = aci_platform_alloc_zeroed(memory, new->places.total,
                                             sizeof *new->numbers);
    if (new->familiar != NULL && new->numbers != NULL)
        return new;
    aci_router_predictor_close(new);
    return NULL;
}

void aci_router_predictor_close(aci_predictor *predictor)
{
    if (predictor == NULL)
        return;
    aci_platform_free(predictor->memory, predictor->template_text);
    aci_platform_free(predictor->memory, predictor->familiar);
    aci_platform_free(predictor->memory, predictor->numbers);
    aci_platform_free(predictor->memory, predictor);
}

ac_status aci_router_predictor_set_templates(aci_predictor *predictor,
                                             const aci_templates *templates,
                                             ac_error *error)
{
    size_t n_bytes = 0;
    uint32_t i;
    char *text;

    for (i = 0; i < templates->n; i++)
        n_bytes += templates->n_bytes[i];
    text = aci_platform_alloc(predictor->memory, n_bytes);
    if (text == NULL)
        return aci_platform_fail_memory(error, "prompt templates");
    aci_platform_free(predictor->memory, predictor->template_text);
    predictor->template_text = text;
    predictor->templates = *templates;
    for (i = 0; i < templates->n; i++) {
        memcpy(text, templates->text[i], templates->n_bytes[i]);
        predictor->templates.text[i] = text;
        text += templates->n_bytes[i];
    }
    return AC_OK;
}

int32_t aci_router_predictor_heads(const aci_predictor *predictor)
{
    return (int32_t)predictor->shape.n_heads;
}

const char *aci_router_predictor_head_name(const aci_predictor *predictor,
                                           int32_t head)
{
    return predictor->names[head];
}

float aci_router_predictor_threshold(const aci_predictor *predictor)
{
    return predictor->max_unfamiliarity;
}

uint32_t aci_router_predictor_parameters(const aci_predictor *predictor)
{
    return (uint32_t)predictor->places.total + 1; /* the threshold */
}

/* ---- Familiarity --------------------------------------------------------- */

/* The two bits of a word or pair; a Bloom filter says "seen" to every one
 * added and, wrongly, to a few per cent of the others. */
static void familiar_bits(uint32_t bits[2], const aci_predictor *predictor,
                          uint64_t word)
{
    uint32_t mask = ((uint32_t)1 << predictor->familiar_log2) - 1;

    bits[0] = (uint32_t)word & mask;
    bits[1] = (uint32_t)(word >> 32) & mask;
}

/* Words, then pairs: 2 n_tokens - 1 of them. Code and foreign tongues may be
 * made of words we know, hardly ever of pairs we know. */
static uint64_t familiar_key(const aci_features *f, uint32_t i)
{
    uint32_t pair = i - f->n_tokens + 1;

    if (i < f->n_tokens)
        return f->word[i];
    return aci_router_mix(f->word[pair] + 3 * f->word[pair - 1]);
}

void aci_router_familiar_add(aci_predictor *predictor,
                             const aci_features *features)
{
    uint32_t bits[2], i;
    int k;

    for (i = 0; i + 1 < 2 * features->n_tokens; i++) {
        familiar_bits(bits, predictor, familiar_key(features, i));
        for (k = 0; k < 2; k++)
            predictor->familiar[bits[k] >> 3] |=
                (uint8_t)(1u << (bits[k] & 7));
    }
}

static int is_familiar(const aci_predictor *predictor, uint64_t word)
{
    uint32_t bits[2];

    familiar_bits(bits, predictor, word);
    return (predictor->familiar[bits[0] >> 3] >> (bits[0] & 7)) &
           (predictor->familiar[bits[1] >> 3] >> (bits[1] & 7)) & 1;
}

/* 0 within 6 deviations of the training prompts' mean, 1 from 12 on. Seen-or-
 * not shapes (a question mark, a table) do not count, nor does a deviation
 * below a twentieth: rare is not strange. */
static float shape_distance(const aci_predictor *predictor, const float *shape)
{
    const float *mean = predictor->numbers + predictor->places.standard;
    const float *scale = mean + ACI_ROUTER_SHAPES;
    float farthest = 0.0f;
    int i;

    for (i = 0; i < ACI_SHAPE_QUESTION; i++) {
        float held = scale[i] < 20.0f ? scale[i] : 20.0f;
        float z = (shape[i] - mean[i]) * held;

        z = z < 0.0f ? -z : z;
        farthest = z > farthest ? z : farthest;
    }
    farthest = (farthest - 6.0f) / 6.0f;
    return farthest < 0.0f ? 0.0f : (farthest > 1.0f ? 1.0f : farthest);
}

float aci_router_unfamiliarity(const aci_predictor *predictor,
                               const aci_features *features)
{
    uint32_t n_unseen = 0, i;
    float unseen, distance;

    if (features->n_tokens == 0)
        return 1.0f;
    for (i = 0; i + 1 < 2 * features->n_tokens; i++)
        n_unseen += !is_familiar(predictor, familiar_key(features, i));
    unseen = (float)n_unseen / (float)(2 * features->n_tokens - 1);
    distance = shape_distance(predictor, features->shape);
    return unseen > distance ? unseen : distance;
}

/* ---- Asking -------------------------------------------------------------- */

void aci_router_predict(float *success, float *unfamiliarity,
                        uint64_t *feature_hash,
                        const aci_predictor *predictor, const char *prompt,
                        size_t prompt_bytes)
{
    aci_features features;
    aci_network_input input;
    uint32_t k;

    aci_router_read_features(&features, &predictor->templates, prompt,
                             prompt_bytes, predictor->shape.n_tokens);
    aci_router_network_read(&input, &features, &predictor->shape);
    aci_router_network_run(success, predictor->numbers, &predictor->shape,
                           &predictor->places, &input);
    for (k = 0; k < predictor->shape.n_heads; k++)
        if (!(success[k] >= 0.0f && success[k] <= 1.0f))
            success[k] = 0.0f; /* finite but absurd weights overflowed */
    *unfamiliarity = aci_router_unfamiliarity(predictor, &features);
    *feature_hash = aci_router_hash_features(&features);
}
