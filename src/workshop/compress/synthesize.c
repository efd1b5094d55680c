/* synthesize.c - zoos of known shapes with random weights, for benchmarks and
 * tests: the planes are drawn directly (random_codes.h), so that gigabytes take
 * seconds. synthetic_zoo.c makes them in memory instead. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/known_shapes.h"
#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/half.h"
#include "platform/random.h"
#include "workshop/compress/random_codes.h"
#include "workshop/compress/zoo_write.h"
#include "workshop/workshop.h"

typedef struct generator {
    const aci_shape *shape;
    uint32_t group;
    uint64_t seed;
} generator;

static ac_status fill_vector(float *out, const aci_tensor *tensor,
                             void *context, ac_error *error)
{
    (void)context;
    (void)error;
    for (int32_t i = 0; i < tensor->n_in; i++)
        out[i] = aci_workshop_random_is_norm(tensor) ? 1.0f : 0.0f;
    return AC_OK;
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
        aci_workshop_random_gain(work->shape, tensor) /
        sqrtf((float)tensor->n_in) / ACI_CODE_DEVIATION);
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
    aci_workshop_random_nibbles(out->a, n_nibble, &random);
    aci_workshop_random_nibbles(out->b, n_nibble, &random);
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
    status = aci_model_known_shape(&shape, shape_name, error);
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
