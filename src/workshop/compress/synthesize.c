/* synthesize.c - zoos of known shapes with random weights, for benchmarks and
 * tests: the planes are drawn directly, so that gigabytes take seconds.
 *
 * Codes are uniform in [-7, 7] with 0 twice as likely: mean 0, standard
 * deviation CODE_DEVIATION. Scales make each product keep the size of its
 * input, and the two that feed the residual stream add up to about one over
 * all layers, so logits come out with a standard deviation near 2. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/half.h"
#include "platform/random.h"
#include "workshop/compress/zoo_write.h"
#include "workshop/workshop.h"

#define CODE_DEVIATION 4.1833f   /* sqrt(2 (1 + 4 + ... + 49) / 16) */

typedef struct known_shape {
    const char *name, *title;
    int32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab,
        n_context, tied;
    float rope_theta;
    int32_t llama3_rope;
} known_shape;

static const known_shape known[] = {
    { "tiny", "synthetic tiny", 2, 128, 4, 2, 32, 384, 320, 512, 1, 1e4f, 0 },
    { "smollm-135m", "synthetic SmolLM-135M", 30, 576, 9, 3, 64, 1536, 49152,
      2048, 1, 1e4f, 0 },
    { "llama-3.2-1b", "synthetic Llama-3.2-1B", 16, 2048, 32, 8, 64, 8192,
      128256, 131072, 1, 5e5f, 1 },
    { "llama-3.1-8b", "synthetic Llama-3.1-8B", 32, 4096, 32, 8, 128, 14336,
      128256, 131072, 0, 5e5f, 1 },
};

enum { N_KNOWN = sizeof known / sizeof known[0] };

typedef struct generator {
    const aci_shape *shape;
    uint32_t group;
    uint64_t seed;
} generator;

static ac_status fill_shape(aci_shape *out, const char *name, ac_error *error)
{
    const known_shape *found = NULL;

    for (int i = 0; i < N_KNOWN; i++)
        if (strcmp(known[i].name, name) == 0)
            found = &known[i];
    if (found == NULL)
        return aci_platform_fail(
            error, AC_E_NOT_FOUND,
            "there was no shape \"%.60s\"; known are tiny, smollm-135m, "
            "llama-3.2-1b, llama-3.1-8b", name);
    memset(out, 0, sizeof *out);
    out->architecture = ACI_LLAMA;
    out->n_layer = found->n_layer;
    out->n_embd = found->n_embd;
    out->n_head = found->n_head;
    out->n_head_kv = found->n_head_kv;
    out->head_dim = found->head_dim;
    out->n_ff = found->n_ff;
    out->n_vocab = found->n_vocab;
    out->n_context = found->n_context;
    out->tied_embeddings = found->tied;
    out->norm_eps = 1e-5f;
    out->rope_theta = found->rope_theta;
    out->rope_factor = 1.0f;
    if (found->llama3_rope) {
        out->rope_scaling = ACI_ROPE_LLAMA3;
        out->rope_factor = found->tied ? 32.0f : 8.0f;
        out->rope_low_factor = 1.0f;
        out->rope_high_factor = 4.0f;
        out->rope_original_context = 8192;
    }
    snprintf(out->name, sizeof out->name, "%s", found->title);
    return AC_OK;
}

static ac_status fill_vector(float *out, const aci_tensor *tensor,
                             void *context, ac_error *error)
{
    (void)context;
    (void)error;
    for (int32_t i = 0; i < tensor->n_in; i++) /* norms; there are no biases */
        out[i] = 1.0f;
    return AC_OK;
}

/* Standard deviation wanted of a matrix's weights. */
static float deviation_of(const generator *work, const aci_tensor *tensor)
{
    float plain = 1.0f / sqrtf((float)tensor->n_in);
    const char *last = strrchr(tensor->name, '.');

    if (tensor->layer < 0)
        return 2.0f * plain;
    if (strcmp(last, ".o") == 0 || strcmp(last, ".down") == 0)
        return plain / sqrtf(2.0f * (float)work->shape->n_layer);
    return plain;
}

/* Random nibbles; stored 0 (code -8) becomes stored 8 (code 0). */
static void fill_nibbles(uint8_t *out, size_t n_bytes, aci_random *random)
{
    const uint64_t ones = UINT64_C(0x1111111111111111);

    for (size_t i = 0; i + 8 <= n_bytes; i += 8) {
        uint64_t x = aci_platform_random_next(random);
        uint64_t some = (x | x >> 1 | x >> 2 | x >> 3) & ones;

        x |= (~some & ones) << 3;
        memcpy(out + i, &x, 8);
    }
}

/* Random bytes; stored 0 (code -128) becomes stored 128 (code 0). */
static void fill_bytes(uint8_t *out, size_t n_bytes, aci_random *random)
{
    for (size_t i = 0; i + 8 <= n_bytes; i += 8) {
        uint64_t x = aci_platform_random_next(random);

        memcpy(out + i, &x, 8);
        for (int b = 0; b < 8; b++)
            out[i + (size_t)b] = out[i + (size_t)b] == 0 ? 128
                                                         : out[i + (size_t)b];
    }
}

/* Padding must be zero weights: codes 0, scales 0. Padded rows keep random
 * codes under scale 0 only in whole; here both are cleared. */
static void clear_row(const aci_strip_planes *out, const aci_matrix *strip,
                      int32_t row, int32_t first_column)
{
    for (int32_t k = first_column; k < strip->n_in_padded; k++) {
        int shift;
        size_t at = aci_matrix_nibble_at(strip, row, k, &shift);
        uint8_t keep = (uint8_t)(0xF0 >> shift), zero = (uint8_t)(8 << shift);

        out->a[at] = (uint8_t)((out->a[at] & keep) | zero);
        out->b[at] = (uint8_t)((out->b[at] & keep) | zero);
        out->c[aci_matrix_byte_at(strip, row, k)] = 128;
    }
    for (int32_t g = (first_column + strip->group - 1) / strip->group;
         g < strip->n_in_padded / strip->group; g++)
        out->scales[g * ACI_STRIP_ROWS + row] = 0;
}

static ac_status draw_strip(const aci_strip_planes *out,
                            const aci_tensor *tensor, int32_t number,
                            int32_t thread, void *context, ac_error *error)
{
    const generator *work = context;
    aci_matrix strip = { .n_strip = 1, .group = (int32_t)work->group };
    int32_t last_row = tensor->n_out - number * ACI_STRIP_ROWS;
    uint16_t scale = aci_platform_f16_from_f32(
        deviation_of(work, tensor) / CODE_DEVIATION);
    size_t n_nibble, n_scales;
    aci_random random;

    (void)thread;
    (void)error;
    strip.n_in_padded = strip.n_in_stored = aci_matrix_padded(
        tensor->n_in, (int32_t)work->group);
    n_nibble = aci_matrix_nibble_bytes(&strip);
    n_scales = aci_matrix_scale_bytes(&strip) / sizeof *out->scales;
    aci_platform_random_seed(
        &random, aci_platform_checksum(tensor->name, strlen(tensor->name),
                                       work->seed) + (uint64_t)number);
    fill_nibbles(out->a, n_nibble, &random);
    fill_nibbles(out->b, n_nibble, &random);
    fill_bytes(out->c, 2 * n_nibble, &random);
    for (size_t i = 0; i < n_scales; i++)
        out->scales[i] = scale;
    for (int32_t row = 0; row < ACI_STRIP_ROWS; row++)
        clear_row(out, &strip, row, row < last_row ? tensor->n_in : 0);
    return AC_OK;
}

ac_status aci_workshop_synthesize(aci_memory *memory, aci_pool *pool,
                                  const char *shape_name, const char *folder,
                                  const ac_compress_options *options,
                                  ac_error *error)
{
    generator work = { 0 };
    aci_strip_source source = { fill_vector, draw_strip, &work, "synthesize",
                                NULL };
    aci_zoo_card *card = aci_platform_alloc_zeroed(memory, 1, sizeof *card);
    aci_shape shape;
    ac_status status;

    if (card == NULL)
        return aci_platform_fail_memory(error, "the zoo's card");
    work.shape = &shape;
    work.seed = options != NULL ? options->seed : 0;
    status = fill_shape(&shape, shape_name, error);
    if (status == AC_OK)
        status = aci_workshop_choose_group(
            &work.group, &shape, options != NULL ? options->group : 0, error);
    if (status == AC_OK) {
        snprintf(card->checkpoint, sizeof card->checkpoint, "synthetic:%s",
                 shape_name);
        card->seed = work.seed;
        status = aci_workshop_zoo_write(card, memory, pool, folder, &shape,
                                        &source, options, NULL, 0, error);
    }
    aci_platform_free(memory, card);
    return status;
}
