/* structural_zoo.c - see structural_zoo.h. */
#include "structural_zoo.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/model.h"
#include "model/tensor_list.h"
#include "model/variant_names.h"
#include "platform/checksum.h"
#include "workshop/compress/plane_quantizer.h"
#include "workshop/compress/zoo_write.h"

enum { ROWS = ACI_STRIP_ROWS, WIDEST = 512 };

aci_memory structural_memory;
aci_pool *structural_pool;
static char folder[64];

aci_shape structural_shape(void)
{
    aci_shape s = { .architecture = ACI_LLAMA, .n_layer = 4, .n_embd = 128,
                    .n_head = 8, .n_head_kv = 4, .head_dim = 32, .n_ff = 256,
                    .n_vocab = 300, .n_context = 256, .attention_bias = 1,
                    .output_bias = 1, .mlp_bias = 1, .tied_embeddings = 1,
                    .norm_eps = 1e-5f, .rope_theta = 10000.0f,
                    .rope_factor = 1.0f, .name = "structural" };

    return s;
}

float structural_weight(int32_t layer, int32_t row_kind, int32_t row,
                        int32_t column)
{
    int32_t place[4] = { layer, row_kind, row, column };
    uint64_t h = aci_platform_checksum(place, sizeof place, 17);
    float uniform = (float)(h >> 40) / (float)(1 << 24) - 0.5f;

    return 0.3f * uniform * (1.0f + (float)(h & 3));
}

float *structural_matrix(int32_t layer, int32_t row_kind, int32_t n_out,
                         int32_t n_in)
{
    float *out = malloc((size_t)n_out * (size_t)n_in * sizeof *out);

    for (int32_t r = 0; r < n_out; r++)
        for (int32_t k = 0; k < n_in; k++)
            out[(size_t)r * (size_t)n_in + (size_t)k] =
                structural_weight(layer, row_kind, r, k);
    return out;
}

/* ---- the source of a store ----------------------------------------------- */

typedef struct source_of {
    const aci_shape *shape;
    const structural_change *change;
} source_of;

static int32_t plain_layer(const source_of *from, const aci_tensor *tensor)
{
    if (tensor->layer < 0 || from->change == NULL ||
        from->change->layers == NULL)
        return tensor->layer;
    return from->change->layers[tensor->layer];
}

/* Columns of a tensor that are not zero. */
static int32_t live_columns(const source_of *from, const aci_tensor *tensor)
{
    const aci_shape *s = from->shape;
    const aci_kept *zero;

    if (tensor->layer < 0 || from->change == NULL ||
        from->change->zero == NULL)
        return tensor->n_in;
    zero = &from->change->zero[tensor->layer];
    if (tensor->row == ACI_ROW_O)
        return zero->n_head_kv * s->n_head / s->n_head_kv * s->head_dim;
    if (tensor->row == ACI_ROW_DOWN)
        return zero->n_ff;
    if ((tensor->row == ACI_ROW_O_BIAS && zero->n_head_kv == 0) ||
        (tensor->row == ACI_ROW_DOWN_BIAS && zero->n_ff == 0))
        return 0;
    return tensor->n_in;
}

static ac_status give_vector(float *out, const aci_tensor *tensor,
                             void *context, ac_error *error)
{
    const source_of *from = context;
    int is_norm = tensor->row == ACI_ROW_ATTN_NORM ||
                  tensor->row == ACI_ROW_FFN_NORM ||
                  tensor->row == ACI_ROW_FINAL_NORM;

    (void)error;
    for (int32_t i = 0; i < tensor->n_in; i++)
        out[i] = i < live_columns(from, tensor)
                     ? (is_norm ? 1.0f : 0.0f) +
                           structural_weight(plain_layer(from, tensor),
                                             tensor->row, 0, i)
                     : 0.0f;
    return AC_OK;
}

static ac_status give_strip(const aci_strip_planes *out,
                            const aci_tensor *tensor, int32_t strip,
                            int32_t thread, void *context, ac_error *error)
{
    static float columns[4][WIDEST * ROWS];
    static int8_t codes[4][3][WIDEST * ROWS];
    const source_of *from = context;
    int32_t padded = aci_matrix_padded(tensor->n_in, 64);
    aci_strip_codes own = { codes[thread][0], codes[thread][1],
                            codes[thread][2], out->scales };

    (void)error;
    memset(columns[thread], 0, sizeof columns[0]);
    for (int32_t i = 0; i < ROWS && strip * ROWS + i < tensor->n_out; i++)
        for (int32_t k = 0; k < live_columns(from, tensor); k++)
            columns[thread][k * ROWS + i] = structural_weight(
                plain_layer(from, tensor), tensor->row, strip * ROWS + i, k);
    ck_assert_int_eq(aci_workshop_quantize_strip(&own, columns[thread],
                                                 padded, 64,
                                                 ACI_PLANE_RATIO), -1);
    aci_workshop_pack_nibbles(out->a, own.q, padded);
    aci_workshop_pack_nibbles(out->b, own.r, padded);
    aci_workshop_pack_bytes(out->c, own.t, padded);
    return AC_OK;
}

/* ---- zoos ---------------------------------------------------------------- */

void structural_enter(void)
{
    aci_platform_memory_init(&structural_memory);
    ck_assert_int_eq(aci_platform_pool_create(&structural_pool,
                                              &structural_memory, 2, NULL),
                     AC_OK);
    strcpy(folder, "/tmp/ac-test-plans-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

void structural_leave(void)
{
    char command[96];

    aci_platform_pool_free(structural_pool);
    ck_assert_uint_eq(structural_memory.used_bytes, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

const char *structural_path(const char *name)
{
    static char paths[4][160];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void structural_zoo(aci_zoo_card *card, const char *path,
                    const aci_shape *shape, const structural_change *change)
{
    source_of from = { shape, change };
    aci_strip_source source = { give_vector, give_strip, &from, "test",
                                NULL };
    ac_error error = AC_ERROR_INIT;

    memset(card, 0, sizeof *card);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert_msg(aci_workshop_zoo_write(card, &structural_memory,
                                         structural_pool, path, shape,
                                         &source, NULL, NULL, 0,
                                         &error) == AC_OK,
                  "%s", error.message);
}

void structural_add(aci_zoo_card *card, const char *name, int32_t bits,
                    const aci_kept *kept, int32_t n_kept)
{
    aci_variant *v = &card->variants[card->n_variants++];

    ck_assert(aci_model_variant_named(v, bits == 16  ? "full"
                                         : bits == 8 ? "int8" : "int4"));
    snprintf(v->name, sizeof v->name, "%s", name);
    v->kept = (aci_kept *)(uintptr_t)kept;
    v->n_kept = kept != NULL ? n_kept : 0;
}

void structural_save(const aci_zoo_card *card, const char *path)
{
    char file[200];

    snprintf(file, sizeof file, "%s/zoo.json", path);
    ck_assert_int_eq(aci_model_card_write(card, &structural_memory, file,
                                          NULL), AC_OK);
}
