/* synthetic_zoo.c - see synthetic_zoo.h.
 *
 * In the block: codes, then a page's worth and more of ones for the norms, then
 * a pattern of scales for each size that products want.
 *
 *     | codes, block_bytes | ones | scales 0 | scales 1 | ...
 *
 * Codes are nibbles that are never 0 and serve all three planes: read as bytes
 * of plane C they are never 0 either. So planes A and B of a matrix are the
 * same codes from other places of the block, and no code is one that the
 * quantisers would not write. */
#include "workshop/compress/synthetic_zoo.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/describe.h"
#include "model/store_format.h"
#include "model/tensor_list.h"
#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/half.h"
#include "platform/repeated.h"
#include "workshop/compress/plane_quantizer.h"
#include "workshop/compress/random_codes.h"
#include "workshop/workshop.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK_BYTES (256 * MIB)

enum {
    /* A system has so many mappings for a process (vm.max_map_count, 65,530
     * where nobody changed it); scales take up to eight for one of codes. */
    MAX_WINDOWS = 4000,
    MAX_SCALES = 16,           /* patterns; a shape has about eight */
    LEAST_PATTERN = 16 * ACI_REPEATED_PAGE
};

/* Reading a range takes 8 bytes of page tables for each 4,096 of it: 4 GiB for
 * this, which is more than any model published has. */
#define MAX_BYTES (UINT64_C(1) << 41)

typedef struct drawing {
    aci_memory *memory;
    const aci_synthetic_spec *spec;
    aci_zoo_image *image;
    aci_block block;
    size_t code_bytes, pattern_bytes;
    uint16_t scales[MAX_SCALES]; /* the middle of each pattern */
    int n_scales;
    aci_store_header header;
    aci_store_entry *entries;  /* [header.n_tensors] */
    aci_extras_header extras;
    aci_extras_entry *owned;   /* [extras.n_entries] */
} drawing;

/* ---- the block ----------------------------------------------------------- */

static uint64_t round_up(uint64_t n, uint64_t step)
{
    return (n + step - 1) / step * step;
}

static ac_status size_block(drawing *d, ac_error *error)
{
    uint64_t all = d->header.file_bytes + d->extras.file_bytes;
    uint64_t least = round_up(all / MAX_WINDOWS + 1, MIB);
    uint64_t n = d->spec->block_bytes;

    if (n == 0)
        n = least > BLOCK_BYTES ? least : BLOCK_BYTES;
    if (n < least)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "block_mib was %llu; weights of %llu MiB need "
                                 "at least %llu",
                                 (unsigned long long)(n / MIB),
                                 (unsigned long long)(all / MIB),
                                 (unsigned long long)(least / MIB));
    if (n > all)
        n = round_up(all, ACI_REPEATED_PAGE);
    d->code_bytes = (size_t)n;
    n = round_up(n / 256, ACI_REPEATED_PAGE);
    d->pattern_bytes = (size_t)(n > LEAST_PATTERN ? n : LEAST_PATTERN);
    return AC_OK;
}

static ac_status fill_block(drawing *d, ac_error *error)
{
    aci_random random;
    ac_status status = aci_platform_block_open(
        &d->block, d->code_bytes + (1 + MAX_SCALES) * d->pattern_bytes,
        error);
    float *ones;

    if (status != AC_OK)
        return status;
    aci_platform_random_seed(&random, d->spec->seed);
    aci_workshop_random_nibbles(d->block.data, d->code_bytes, &random);
    ones = (float *)(void *)(d->block.data + d->code_bytes);
    for (size_t i = 0; i < d->pattern_bytes / sizeof *ones; i++)
        ones[i] = 1.0f;
    return AC_OK;
}

static size_t pattern_at(const drawing *d, int number)
{
    return d->code_bytes + (size_t)(1 + number) * d->pattern_bytes;
}

/* Scales around the one for `deviation`, from 3/4 to 5/4 of it, as groups of
 * real weights differ. */
static ac_status find_scales(size_t *pattern, drawing *d, float deviation,
                             ac_error *error)
{
    float middle = deviation / ACI_CODE_DEVIATION;
    uint16_t bits = aci_platform_f16_from_f32(middle);
    uint16_t *out;
    aci_random random;
    int i = 0;

    while (i < d->n_scales && d->scales[i] != bits)
        i++;
    *pattern = pattern_at(d, i);
    if (i < d->n_scales)
        return AC_OK;
    if (i == MAX_SCALES)
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "a shape wanted too many sizes of weights");
    d->scales[d->n_scales++] = bits;
    out = (uint16_t *)(void *)(d->block.data + *pattern);
    aci_platform_random_seed(&random, d->spec->seed ^ bits);
    for (size_t k = 0; k < d->pattern_bytes / sizeof *out; k++)
        out[k] = aci_platform_f16_from_f32(
            middle *
            (0.75f + 0.5f * (float)aci_platform_random_unit(&random)));
    return AC_OK;
}

/* ---- laying -------------------------------------------------------------- */

static ac_status lay_codes(const drawing *d, const aci_mapping *range,
                           uint64_t offset, uint64_t n_bytes, ac_error *error)
{
    return aci_platform_range_lay(range, offset, n_bytes, &d->block, 0,
                                  d->code_bytes, error);
}

static ac_status lay_scales(drawing *d, const aci_mapping *range,
                            uint64_t offset, uint64_t n_bytes,
                            float deviation, ac_error *error)
{
    size_t pattern = 0;
    ac_status status = find_scales(&pattern, d, deviation, error);

    if (status != AC_OK)
        return status;
    return aci_platform_range_lay(range, offset, n_bytes, &d->block, pattern,
                                  d->pattern_bytes, error);
}

static ac_status lay_tensor(drawing *d, size_t i, ac_error *error)
{
    const aci_store_entry *e = &d->entries[i];
    const aci_mapping *range = &d->image->weights;
    aci_tensor tensor;
    ac_status status = AC_OK;

    aci_model_tensor_at(&tensor, &d->spec->shape, i);
    if (!tensor.is_matrix && aci_workshop_random_is_norm(&tensor))
        return aci_platform_range_lay(range, e->offset[ACI_PART_A],
                                      e->n_bytes[ACI_PART_A], &d->block,
                                      d->code_bytes, d->pattern_bytes, error);
    if (!tensor.is_matrix)
        return AC_OK;          /* a bias of zeros */
    for (int part = 0; part < ACI_N_PARTS && status == AC_OK; part++)
        if (part != ACI_PART_SCALES)
            status = lay_codes(d, range, e->offset[part], e->n_bytes[part],
                               error);
    if (status != AC_OK)
        return status;
    return lay_scales(d, range, e->offset[ACI_PART_SCALES],
                      e->n_bytes[ACI_PART_SCALES],
                      aci_workshop_random_gain(&d->spec->shape, &tensor) /
                          sqrtf((float)tensor.n_in), error);
}

/* A matrix, or one of two factors, whose parts begin at `first`. */
static ac_status lay_part(drawing *d, const aci_extras_entry *e, int first,
                          float deviation, ac_error *error)
{
    const aci_mapping *range = &d->image->extras;
    ac_status status = lay_codes(d, range, e->offset[first + ACI_EXTRA_A],
                                 e->n_bytes[first + ACI_EXTRA_A], error);

    if (status == AC_OK)
        status = lay_codes(d, range, e->offset[first + ACI_EXTRA_B],
                           e->n_bytes[first + ACI_EXTRA_B], error);
    if (status != AC_OK)
        return status;
    return lay_scales(d, range, e->offset[first + ACI_EXTRA_SCALES],
                      e->n_bytes[first + ACI_EXTRA_SCALES], deviation, error);
}

/* V keeps the size of what it reads, U turns that into the matrix's. A matrix
 * that lost columns is as large as the one it is for. */
static ac_status lay_owned(drawing *d, const aci_extras_entry *e,
                           ac_error *error)
{
    aci_tensor whole;
    float gain;
    ac_status status;

    if (e->kind == ACI_OWNED_VECTOR)
        return AC_OK;          /* a bias of zeros */
    aci_model_tensor_named(&whole, &d->spec->shape, e->tensor);
    gain = aci_workshop_random_gain(&d->spec->shape, &whole);
    status = lay_part(d, e, 0,
                      gain / sqrtf((float)(e->rank > 0 ? (int32_t)e->rank
                                                       : whole.n_in)),
                      error);
    if (status != AC_OK || e->kind != ACI_OWNED_LOW_RANK)
        return status;
    return lay_part(d, e, ACI_EXTRA_INNER_A, 1.0f / sqrtf((float)whole.n_in),
                    error);
}

static ac_status lay_all(drawing *d, ac_error *error)
{
    ac_status status = size_block(d, error);

    if (status == AC_OK)
        status = fill_block(d, error);
    for (size_t i = 0; i < d->header.n_tensors && status == AC_OK; i++)
        status = lay_tensor(d, i, error);
    for (size_t i = 0; i < d->extras.n_entries && status == AC_OK; i++)
        status = lay_owned(d, &d->owned[i], error);
    aci_platform_block_close(&d->block);
    return status;
}

/* ---- plans of the two files ---------------------------------------------- */

/* Sums of what is not read before it is used would be work for nothing; what
 * stands in their place makes the model another one with another seed. */
static void sign(uint64_t *checksums, const uint64_t *n_bytes, int n,
                 const char *name, uint64_t seed)
{
    for (int part = 0; part < n; part++)
        if (n_bytes[part] > 0)
            checksums[part] = aci_platform_checksum(
                name, strlen(name), seed + (uint64_t)part);
}

static ac_status plan_store(drawing *d, ac_error *error)
{
    const aci_shape *shape = &d->spec->shape;
    aci_store_header *header = &d->header;
    ac_status status;

    d->entries = aci_platform_alloc_zeroed(
        d->memory, aci_model_tensor_count(shape), sizeof *d->entries);
    if (d->entries == NULL)
        return aci_platform_fail_memory(error, "a weight store's directory");
    status = aci_model_store_plan(header, d->entries, shape, d->spec->group,
                                  ACI_STORE_LAYOUT_VERSION, error);
    for (size_t i = 0; i < header->n_tensors && status == AC_OK; i++) {
        aci_store_entry *e = &d->entries[i];

        e->ratio = e->kind == ACI_TENSOR_PLANES ? ACI_PLANE_RATIO : 0;
        sign(e->checksum, e->n_bytes, ACI_N_PARTS, e->name, d->spec->seed);
    }
    header->directory_checksum = aci_platform_checksum(
        d->entries, header->directory_bytes, 0);
    header->header_checksum = aci_platform_checksum(
        header, offsetof(aci_store_header, header_checksum), 0);
    return status;
}

static ac_status list_owned(drawing *d, ac_error *error)
{
    const aci_ladder *ladder = &d->spec->ladder;
    const aci_variant *variants = d->image->card.variants;
    size_t n = 0;

    for (int32_t v = 0; v < ladder->n; v++)
        n += aci_workshop_synthetic_owned(NULL, &d->spec->shape,
                                          &ladder->recipes[v],
                                          variants[v].kept);
    d->owned = aci_platform_alloc_zeroed(d->memory, n + 1, sizeof *d->owned);
    if (d->owned == NULL)
        return aci_platform_fail_memory(error, "the list of extras");
    d->extras.n_entries = (uint32_t)n;
    n = 0;
    for (int32_t v = 0; v < ladder->n; v++)
        n += aci_workshop_synthetic_owned(d->owned + n, &d->spec->shape,
                                          &ladder->recipes[v],
                                          variants[v].kept);
    return AC_OK;
}

static ac_status plan_extras(drawing *d, ac_error *error)
{
    aci_extras_header *header = &d->extras;
    uint64_t end = sizeof *header;
    ac_status status = list_owned(d, error);

    if (status != AC_OK || header->n_entries == 0)
        return status;
    for (size_t i = 0; i < header->n_entries; i++) {
        aci_extras_entry *e = &d->owned[i];

        aci_model_extras_plan(e, &end, d->spec->group);
        sign(e->checksum, e->n_bytes, ACI_N_EXTRA_PARTS, e->tensor,
             d->spec->seed);
    }
    memcpy(header->magic, ACI_EXTRAS_MAGIC, sizeof header->magic);
    header->format_version = ACI_EXTRAS_FORMAT_VERSION;
    header->layout_version = ACI_EXTRAS_LAYOUT_VERSION;
    header->endian_mark = ACI_EXTRAS_ENDIAN_MARK;
    header->group = d->spec->group;
    header->store_checksum = d->header.header_checksum;
    header->directory_offset = round_up(end, ACI_EXTRAS_ALIGNMENT);
    header->directory_bytes = header->n_entries * sizeof *d->owned;
    header->directory_checksum = aci_platform_checksum(
        d->owned, header->directory_bytes, 0);
    header->file_bytes = header->directory_offset + header->directory_bytes;
    header->header_checksum = aci_platform_checksum(
        header, offsetof(aci_extras_header, header_checksum), 0);
    return AC_OK;
}

static ac_status check_size(const drawing *d, ac_error *error)
{
    char is[24], most[24];

    if (d->header.file_bytes <= MAX_BYTES &&
        d->extras.file_bytes <= MAX_BYTES)
        return AC_OK;
    return aci_platform_fail(
        error, AC_E_UNSUPPORTED,
        "a synthetic model had %s of weights, more than %s",
        aci_platform_bytes_text(is, d->header.file_bytes),
        aci_platform_bytes_text(most, MAX_BYTES));
}

/* Headers and directories, which are what a reader looks at. */
static ac_status open_ranges(drawing *d, ac_error *error)
{
    aci_mapping *weights = &d->image->weights, *extras = &d->image->extras;
    ac_status status = aci_platform_range_open(weights, d->header.file_bytes,
                                               error);

    if (status == AC_OK && d->extras.n_entries > 0)
        status = aci_platform_range_open(extras, d->extras.file_bytes, error);
    if (status != AC_OK)
        return status;
    memcpy(aci_platform_range_at(weights, 0), &d->header, sizeof d->header);
    memcpy(aci_platform_range_at(weights, d->header.directory_offset),
           d->entries, d->header.directory_bytes);
    if (d->extras.n_entries == 0)
        return AC_OK;
    memcpy(aci_platform_range_at(extras, 0), &d->extras, sizeof d->extras);
    memcpy(aci_platform_range_at(extras, d->extras.directory_offset),
           d->owned, d->extras.directory_bytes);
    return AC_OK;
}

static ac_status seal(const aci_zoo_image *image, ac_error *error)
{
    ac_status status = aci_platform_range_seal(&image->weights, error);

    if (status == AC_OK && image->extras.data != NULL)
        status = aci_platform_range_seal(&image->extras, error);
    return status;
}

/* ---- the card ------------------------------------------------------------ */

static ac_status fill_card(drawing *d, ac_error *error)
{
    const aci_ladder *ladder = &d->spec->ladder;
    aci_zoo_card *card = &d->image->card;

    snprintf(card->name, sizeof card->name, "%s", d->spec->shape.name);
    snprintf(card->architecture, sizeof card->architecture, "%s",
             aci_model_architecture_name(d->spec->shape.architecture));
    snprintf(card->library_version, sizeof card->library_version, "%s",
             AC_VERSION_STRING);
    snprintf(card->checkpoint, sizeof card->checkpoint, "synthetic:%s",
             d->image->name);
    card->seed = d->spec->seed;
    card->group = d->spec->group;
    for (int32_t v = 0; v < ladder->n; v++) {
        aci_variant *variant = &card->variants[v];
        int failed = 0;

        aci_workshop_recipe_variant(variant, &ladder->recipes[v]);
        card->n_variants = v + 1;
        variant->kept = aci_workshop_synthetic_kept(
            &failed, d->memory, &d->spec->shape, &ladder->recipes[v]);
        variant->n_kept = variant->kept ? d->spec->shape.n_layer : 0;
        if (failed)
            return aci_platform_fail_memory(error, "a variant's plan");
    }
    return AC_OK;
}

ac_status aci_workshop_synthetic_image(aci_zoo_image *out, aci_memory *memory,
                                       const aci_synthetic_spec *spec,
                                       const char *name, int with_weights,
                                       ac_error *error)
{
    drawing *d = aci_platform_alloc_zeroed(memory, 1, sizeof *d);
    ac_status status;

    if (d == NULL)
        return aci_platform_fail_memory(error, "random weights");
    out->name = name;
    out->absent_variants = spec->without_full ? 1 : 0;
    d->memory = memory;
    d->spec = spec;
    d->image = out;
    d->block.file = -1;
    status = fill_card(d, error);
    if (status == AC_OK)
        status = plan_store(d, error);
    if (status == AC_OK)
        status = plan_extras(d, error);
    if (status == AC_OK)
        status = check_size(d, error);
    if (status == AC_OK)
        status = open_ranges(d, error);
    if (status == AC_OK && with_weights)
        status = lay_all(d, error);
    if (status == AC_OK)
        status = seal(out, error);
    out->card.weights_bytes = d->header.file_bytes;
    out->card.weights_checksum = d->header.header_checksum;
    out->card.extras_bytes = d->extras.file_bytes;
    out->card.extras_checksum = d->extras.header_checksum;
    aci_platform_free(memory, d->owned);
    aci_platform_free(memory, d->entries);
    aci_platform_free(memory, d);
    if (status != AC_OK)
        aci_model_image_clear(out, memory);
    return status;
}

/* ---- the doors ----------------------------------------------------------- */

typedef struct opening {
    aci_synthetic_spec spec;
    aci_zoo_image image;
} opening;

/* The model; *o has the card for as long as it is wanted. */
static ac_status open_text(aci_model **out, opening *o, aci_memory *memory,
                           const char *text, int with_weights,
                           ac_error *error)
{
    ac_status status = aci_workshop_synthetic_parse(&o->spec, memory, text,
                                                    error);

    if (status == AC_OK)
        status = aci_workshop_synthetic_image(&o->image, memory, &o->spec,
                                              text, with_weights, error);
    if (status == AC_OK)
        status = aci_model_open_image(out, memory, &o->image, error);
    return status;
}

ac_status aci_workshop_synthetic_open(aci_model **out, aci_memory *memory,
                                      const char *text, ac_error *error)
{
    opening *o = aci_platform_alloc_zeroed(memory, 1, sizeof *o);
    ac_status status;

    *out = NULL;
    if (o == NULL)
        return aci_platform_fail_memory(error, "random weights");
    status = open_text(out, o, memory, text, 1, error);
    aci_platform_free(memory, o);
    return status;
}

ac_status aci_workshop_synthetic_describe(char **out_json, aci_memory *memory,
                                          const char *text, ac_error *error)
{
    opening *o = aci_platform_alloc_zeroed(memory, 1, sizeof *o);
    aci_model *model = NULL;
    ac_status status;

    *out_json = NULL;
    if (o == NULL)
        return aci_platform_fail_memory(error, "random weights");
    status = open_text(&model, o, memory, text, 0, error);
    if (status == AC_OK)
        status = aci_model_describe_open(out_json, memory, model,
                                         &o->image.card, error);
    aci_model_close(model);
    aci_platform_free(memory, o);
    return status;
}
