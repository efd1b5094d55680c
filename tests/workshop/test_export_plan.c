/* test_export_plan.c - variants that keep a part of the model, or own tensors,
 * as files of other engines: what each file holds is what the plan says, value
 * by value, and zero where the target wants more than the plan keeps. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../model/structural_zoo.h"
#include "api/checkpoint_tokenizer.h"
#include "engine/engine.h"
#include "model/checkpoint.h"
#include "model/gguf.h"
#include "model/model.h"
#include "model/tensor_list.h"
#include "workshop/compress/export.h"

Suite *test_export_plan_suite(void);

enum { N_LAYER = 4 };

/* The gaps that llama.cpp's deci wants filled: layer 0 without attention,
 * attention without neurons, nothing at the end. */
static const aci_kept plans[][N_LAYER] = {
    { { 4, 256 }, { 2, 128 }, { 0, 256 }, { 4, 0 } },
    { { 0, 0 }, { 1, 64 }, { 3, 192 }, { 0, 0 } },
    { { 2, 128 }, { 2, 128 }, { 2, 128 }, { 2, 128 } },
    { { 3, 64 }, { 0, 0 }, { 1, 0 }, { 2, 256 } },
};
enum { N_PLANS = sizeof plans / sizeof plans[0], ALIKE = 2 };

/* What the file keeps of each, deci. */
static const aci_kept written[][N_LAYER] = {
    { { 4, 256 }, { 2, 128 }, { 0, 256 }, { 4, 32 } },
    { { 1, 32 }, { 1, 64 }, { 3, 192 }, { 0, 32 } },
    { { 2, 128 }, { 2, 128 }, { 2, 128 }, { 2, 128 } },
    { { 3, 64 }, { 0, 0 }, { 1, 32 }, { 2, 256 } },
};

static aci_tokenizer *tokenizer;
static char zoo[200];

static void enter(void)
{
    structural_enter();
    ck_assert_int_eq(aci_api_byte_tokenizer(&tokenizer, &structural_memory,
                                            NULL), AC_OK);
    snprintf(zoo, sizeof zoo, "%s", structural_path("zoo"));
}

static void leave(void)
{
    aci_tokenizer_close(tokenizer);
    structural_leave();
}

/* A zoo of variants p16, p8 and p4 with that plan, NULL: whole. */
static void make_zoo(aci_zoo_card *card, const aci_shape *shape,
                     const aci_kept *plan)
{
    static const char *const names[] = { "p16", "p8", "p4" };

    structural_zoo(card, zoo, shape, NULL);
    for (int i = 0; i < 3; i++) {
        structural_add(card, names[i], 16 >> i, plan, N_LAYER);
        /* So that weights alone differ from the file's. */
        card->variants[card->n_variants - 1].activation_bits = 16;
    }
    structural_save(card, zoo);
}

static aci_model *open_model(const char *path)
{
    aci_model *model = NULL;
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(aci_model_open(&model, &structural_memory, path, 1,
                                 &error) == AC_OK, "%s", error.message);
    return model;
}

static ac_status export_as(ac_export_report *report, const aci_model *model,
                           const char *variant, const char *type,
                           const char *out, ac_error *error)
{
    const ac_export_report empty = AC_EXPORT_REPORT_INIT;
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;
    aci_export work = { .memory = &structural_memory,
                        .pool = structural_pool, .model = model,
                        .tokenizer = tokenizer, .out = out,
                        .read_tokenizer = aci_api_checkpoint_tokenizer,
                        .options = &options, .report = report };
    int32_t number = aci_model_variant_find(model, variant);

    *report = empty;
    options.type = type;
    options.overwrite = 1;
    ck_assert_int_ge(number, 0);
    work.variant = &model->variants[number];
    return aci_workshop_export(&work, error);
}

static void assert_exports(ac_export_report *report, const aci_model *model,
                           const char *variant, const char *type,
                           const char *out)
{
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(export_as(report, model, variant, type, out, &error) ==
                      AC_OK, "%s as %s: %s", variant, type ? type : "itself",
                  error.message);
    ck_assert_uint_eq(report->logits_compared, 1);
    ck_assert_uint_gt(report->n_tokens, 100);
    ck_assert_uint_eq(report->n_texts_differ, 0);
}

static void assert_refused(const aci_model *model, const char *variant,
                           const char *out, const char *word)
{
    ac_export_report report;
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(export_as(&report, model, variant, NULL, out, &error),
                     AC_E_UNSUPPORTED);
    ck_assert_msg(strstr(error.message, word) != NULL, "\"%s\" lacks %s",
                  error.message, word);
    ck_assert_int_ne(access(out, F_OK), 0);
}

/* ---- every format -------------------------------------------------------- */

START_TEST(every_plan_comes_back_in_every_format)
{
    static const struct {
        const char *variant, *out, *type;
        double weights, kl; /* rounding of the type */
    } rows[] = {
        { "p16", "o.gguf", "f32", 1e-7, 1e-5 },
        { "p16", "o.gguf", NULL, 5e-4, 1e-4 },
        { "p8", "o.gguf", NULL, 5e-4, 1e-4 },
        { "p4", "o.gguf", NULL, 5e-4, 1e-4 },
        { "p4", "o.gguf", "q8_0", 5e-4, 1e-4 },
        { "p16", "o", NULL, 4e-3, 1e-2 },
        { "p8", "o", "w8a16", 5e-4, 1e-4 },
        { "p8", "o", "w8a8", 1e-2, 4e-2 },
        { "p4", "o", "w4a16", 5e-4, 1e-4 },
        { "p4", "o", "bf16", 4e-3, 1e-2 },
    };
    aci_shape shape = structural_shape();
    ac_export_report report;
    aci_zoo_card card;
    aci_model *model;

    make_zoo(&card, &shape, plans[_i]);
    model = open_model(zoo);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_exports(&report, model, rows[i].variant, rows[i].type,
                       structural_path(rows[i].out));
        ck_assert_msg(report.weight_error <= rows[i].weights &&
                          report.kl <= rows[i].kl,
                      "plan %d, %s in %s as %s: weights off by %g, KL %g", _i,
                      rows[i].variant, rows[i].out,
                      rows[i].type ? rows[i].type : "itself",
                      report.weight_error, report.kl);
    }
    aci_model_close(model);
}
END_TEST

/* ---- what is in the file ------------------------------------------------- */

static void assert_architecture(const char *file, const char *wanted)
{
    const char *text;
    aci_gguf *gguf;
    size_t n;

    ck_assert_int_eq(aci_model_gguf_open(&gguf, &structural_memory, file,
                                         NULL), AC_OK);
    ck_assert(aci_model_gguf_string(&text, &n, gguf, "general.architecture"));
    ck_assert_uint_eq(n, strlen(wanted));
    ck_assert_mem_eq(text, wanted, n);
    aci_model_gguf_close(gguf);
}

/* Row by row: what the zoo was made of, up to 16 bits, inside `inner`, zero
 * (norms: one) outside. */
static void assert_tensor(const aci_checkpoint *file, const aci_tensor *tensor,
                          const aci_tensor *inner)
{
    int is_norm = tensor->row == ACI_ROW_ATTN_NORM ||
                  tensor->row == ACI_ROW_FFN_NORM;
    float row[512];

    for (int32_t r = 0; r < tensor->n_out; r++) {
        ck_assert_int_eq(aci_model_checkpoint_read(row, file, tensor->name, r,
                                                   1, NULL), AC_OK);
        for (int32_t k = 0; k < tensor->n_in; k++) {
            int inside = r < inner->n_out && k < inner->n_in;
            float one = is_norm ? 1.0f : 0.0f;
            float wanted = one;

            if (inside)
                wanted += structural_weight(tensor->layer, tensor->row, r, k);
            ck_assert_msg(fabsf(row[k] - wanted) <= (inside ? 1e-3f : 0.0f),
                          "%s[%d][%d] was %g, not %g", tensor->name, r, k,
                          (double)row[k], (double)wanted);
        }
    }
}

static void assert_file(const char *path, const aci_kept *plan,
                        const aci_kept *kept)
{
    aci_shape shape = structural_shape();
    aci_checkpoint *file;
    size_t n = aci_model_tensor_count(&shape);
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(aci_model_checkpoint_open_cut(&file, &structural_memory,
                                                path, &error) == AC_OK,
                  "%s", error.message);
    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor, inner;
        int64_t n_rows, n_columns;

        aci_model_tensor_at(&tensor, &shape, i);
        if (tensor.layer < 0)
            continue;
        inner = tensor;
        aci_model_tensor_cut(&inner, &shape, &plan[tensor.layer]);
        aci_model_tensor_cut(&tensor, &shape, &kept[tensor.layer]);
        ck_assert_int_eq(aci_model_checkpoint_find(file, tensor.name, &n_rows,
                                                   &n_columns),
                         tensor.n_out > 0);
        if (tensor.n_out == 0)
            continue;
        ck_assert_int_eq(n_rows, tensor.n_out);
        ck_assert_int_eq(n_columns, tensor.n_in);
        assert_tensor(file, &tensor, &inner);
    }
    aci_model_checkpoint_close(file);
}

/* Heads and neurons of every layer as they were stored: the first of each. */
START_TEST(files_hold_what_the_plan_keeps)
{
    aci_shape shape = structural_shape();
    ac_export_report report;
    aci_kept widest[N_LAYER];
    char out[200];
    aci_zoo_card card;
    aci_model *model;

    make_zoo(&card, &shape, plans[_i]);
    model = open_model(zoo);
    snprintf(out, sizeof out, "%s", structural_path("o.gguf"));
    assert_exports(&report, model, "p16", "f32", out);
    assert_architecture(out, _i == ALIKE ? "llama" : "deci");
    assert_file(out, plans[_i], written[_i]);
    snprintf(out, sizeof out, "%s", structural_path("o"));
    assert_exports(&report, model, "p16", "f16", out);
    memset(widest, 0, sizeof widest);
    for (int l = 0; l < N_LAYER; l++) {
        if (plans[_i][l].n_head_kv > widest[0].n_head_kv)
            widest[0].n_head_kv = plans[_i][l].n_head_kv;
        if (plans[_i][l].n_ff > widest[0].n_ff)
            widest[0].n_ff = plans[_i][l].n_ff;
    }
    for (int l = 1; l < N_LAYER; l++)
        widest[l] = widest[0];
    assert_file(out, plans[_i], widest);
    aci_model_close(model);
}
END_TEST

/* A file whose layers differ can be opened and run, and exported again. */
START_TEST(a_file_with_layers_that_differ_is_a_model)
{
    aci_shape shape = structural_shape();
    aci_checkpoint *checkpoint;
    ac_export_report report;
    ac_error error = AC_ERROR_INIT;
    aci_zoo_card card;
    aci_model *model, *back;
    char first[200], second[200];

    make_zoo(&card, &shape, plans[0]);
    model = open_model(zoo);
    snprintf(first, sizeof first, "%s", structural_path("first.gguf"));
    snprintf(second, sizeof second, "%s", structural_path("second.gguf"));
    assert_exports(&report, model, "p4", NULL, first);
    back = open_model(first);
    ck_assert_int_eq(back->variants[0].n_kept, N_LAYER);
    ck_assert_mem_eq(back->variants[0].kept, written[0], sizeof written[0]);
    assert_exports(&report, back, "full", "f32", second);
    ck_assert(report.weight_error == 0.0);
    ck_assert(report.kl < 1e-9);
    /* But not for whoever takes its layers to be alike. */
    ck_assert_int_eq(aci_model_checkpoint_open(&checkpoint,
                                               &structural_memory, first,
                                               &error), AC_E_UNSUPPORTED);
    ck_assert_ptr_null(checkpoint);
    ck_assert(strstr(error.message, "different numbers of heads") != NULL);
    aci_model_close(back);
    aci_model_close(model);
}
END_TEST

START_TEST(truncated_anywhere_is_an_error)
{
    aci_shape shape = structural_shape();
    ac_export_report report;
    aci_zoo_card card;
    aci_model *model;
    aci_checkpoint *checkpoint;
    char out[200];
    size_t n, used;

    make_zoo(&card, &shape, plans[1]);
    model = open_model(zoo);
    snprintf(out, sizeof out, "%s", structural_path("o.gguf"));
    assert_exports(&report, model, "p4", NULL, out);
    aci_model_close(model);
    used = structural_memory.used_bytes;
    n = (size_t)report.n_bytes;
    while (n > 0) {
        n = n > 20000 ? n - n / 16 : n > 37 ? n - 37 : 0;
        ck_assert_int_eq(truncate(out, (off_t)n), 0);
        ck_assert_int_ne(aci_model_checkpoint_open_cut(
                             &checkpoint, &structural_memory, out, NULL),
                         AC_OK);
        ck_assert_uint_eq(structural_memory.used_bytes, used);
    }
}
END_TEST

/* Each allocation fails once: that is said, and nothing stays, neither memory
 * nor a file. Behind the first few not every one, for time. */
START_TEST(allocations_that_fail_leave_nothing)
{
    const char *const outs[] = { "o.gguf", "o" };
    aci_shape shape = structural_shape();
    aci_zoo_card card;
    aci_model *model;

    make_zoo(&card, &shape, plans[0]);
    model = open_model(zoo);
    for (int f = 0; f < 2; f++) {
        char out[200];
        ac_status status;
        uint64_t n = 0;

        snprintf(out, sizeof out, "%s", structural_path(outs[f]));
        do {
            ac_export_report report;
            ac_error error = AC_ERROR_INIT;
            uint64_t used = structural_memory.used_bytes;
            uint64_t before = structural_memory.n_allocations;

            n += n < 60 ? 1 : 41;
            structural_memory.fail_at = before + n;
            status = export_as(&report, model, "p4", NULL, out, &error);
            structural_memory.fail_at = 0;
            ck_assert_int_eq(status,
                             before + n <= structural_memory.n_allocations
                                 ? AC_E_NO_MEMORY : AC_OK);
            ck_assert_int_eq(access(out, F_OK) == 0, status == AC_OK);
            ck_assert_uint_eq(structural_memory.used_bytes, used);
        } while (status != AC_OK);
        ck_assert_uint_gt(n, 60);
    }
    aci_model_close(model);
}
END_TEST

/* ---- what variants own --------------------------------------------------- */

enum { OWN_VECTORS = 6 };
static const struct {
    const char *name;
    int32_t n;
} own_vectors[OWN_VECTORS] = {
    { "0.attn_norm", 128 }, { "2.ffn_norm", 128 }, { "final_norm", 128 },
    { "1.o_bias", 128 },    { "3.down_bias", 128 }, { "1.gate_bias", 128 },
};

static float own_value(int32_t i, int32_t k)
{
    return 0.5f + 0.001f * (float)((37 * i + 11 * k) % 400);
}

/* Gives p4 vectors, a down of 4 bits in layer 0 and an o of 8 in layer 3. */
static void give_own(aci_zoo_card *card, float *down, float *o,
                     const aci_shape *shape, const aci_kept *plan)
{
    int32_t n_o = plan[3].n_head_kv * 2 * shape->head_dim;
    aci_extras_build *build;
    aci_store_built built;
    aci_packed packed;
    char path[256];

    snprintf(path, sizeof path, "%.200s/extras.acw", zoo);
    ck_assert_int_eq(aci_workshop_extras_open(&build, &structural_memory,
                                              path, 64, NULL), AC_OK);
    for (int32_t i = 0; i < OWN_VECTORS; i++) {
        float values[128];

        for (int32_t k = 0; k < own_vectors[i].n; k++)
            values[k] = own_value(i, k);
        ck_assert_int_eq(aci_workshop_extras_vector(
                             build, "p4", own_vectors[i].name, values,
                             own_vectors[i].n, NULL), AC_OK);
    }
    ck_assert_int_eq(aci_workshop_pack(&packed, &structural_memory,
                                       structural_pool, down, 128,
                                       plan[0].n_ff, 4, 64, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_matrix(build, "p4", "0.down",
                                                &packed, NULL), AC_OK);
    aci_workshop_pack_close(&packed, &structural_memory);
    ck_assert_int_eq(aci_workshop_pack(&packed, &structural_memory,
                                       structural_pool, o, 128, n_o, 8, 64,
                                       NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_matrix(build, "p4", "3.o", &packed,
                                                NULL), AC_OK);
    aci_workshop_pack_close(&packed, &structural_memory);
    ck_assert_int_eq(aci_workshop_extras_commit(
                         &built, build, card->weights_checksum, NULL), AC_OK);
    card->extras_bytes = built.n_bytes;
    card->extras_checksum = built.checksum;
    structural_save(card, zoo);
}

/* ||a - b|| / ||a|| of a tensor of the file and what it was made from. */
static double distance(const aci_checkpoint *file, const char *name,
                       const float *made, int32_t n_out, int32_t n_in)
{
    float *row = malloc((size_t)n_in * sizeof *row);
    double difference = 0.0, whole = 0.0;

    for (int32_t r = 0; r < n_out; r++) {
        ck_assert_int_eq(aci_model_checkpoint_read(row, file, name, r, 1,
                                                   NULL), AC_OK);
        for (int32_t k = 0; k < n_in; k++) {
            double wanted = (double)made[r * n_in + k];

            difference += ((double)row[k] - wanted) *
                          ((double)row[k] - wanted);
            whole += wanted * wanted;
        }
    }
    free(row);
    return sqrt(difference / whole);
}

START_TEST(what_a_variant_owns_is_written)
{
    const aci_kept plan[N_LAYER] = { { 4, 192 }, { 2, 128 }, { 4, 64 },
                                     { 3, 256 } };
    aci_shape shape = structural_shape();
    float *down = structural_matrix(0, 71, 128, 192);
    float *o = structural_matrix(3, 72, 128, 192);
    const char *const outs[] = { "o.gguf", "o" };
    ac_export_report report;
    aci_zoo_card card;
    aci_model *model;
    char out[200];

    /* A Mistral without biases: those of the variant make it a Llama. */
    shape.architecture = _i ? ACI_MISTRAL : ACI_LLAMA;
    shape.attention_bias = shape.output_bias = shape.mlp_bias = _i == 0;
    make_zoo(&card, &shape, plan);
    give_own(&card, down, o, &shape, plan);
    model = open_model(zoo);
    for (int f = 0; f < 2; f++) {
        aci_checkpoint *file;
        float values[512];

        snprintf(out, sizeof out, "%s", structural_path(outs[f]));
        assert_exports(&report, model, "p4", f ? "f16" : NULL, out);
        ck_assert(report.weight_error <= 5e-4);
        ck_assert(report.kl <= 1e-4);
        ck_assert_int_eq(aci_model_checkpoint_open_cut(
                             &file, &structural_memory, out, NULL), AC_OK);
        for (int32_t i = 0; i < OWN_VECTORS; i++) {
            ck_assert_int_eq(aci_model_checkpoint_read(
                                 values, file, own_vectors[i].name, 0, 1,
                                 NULL), AC_OK);
            for (int32_t k = 0; k < own_vectors[i].n; k++)
                ck_assert(fabsf(values[k] - own_value(i, k)) <=
                          (f ? 5e-4f : 0.0f));
        }
        /* Layers without a bias of their own: the store's, or zero. */
        ck_assert_int_eq(aci_model_checkpoint_read(values, file, "0.o_bias",
                                                   0, 1, NULL), AC_OK);
        for (int32_t k = 0; k < 128; k++)
            ck_assert(_i ? values[k] == 0.0f
                         : fabsf(values[k] -
                                 structural_weight(0, ACI_ROW_O_BIAS, 0, k)) <
                               1e-3f);
        if (f == 0) {
            ck_assert(distance(file, "0.down", down, 128, 192) < 0.12);
            ck_assert(distance(file, "3.o", o, 128, 192) < 0.01);
        }
        aci_model_checkpoint_close(file);
    }
    /* W4A16 holds no matrix of 8 bits. */
    unlink(structural_path("w"));
    assert_refused(model, "p4", structural_path("w"), "3.o of p4 has 8 bits");
    aci_model_close(model);
    free(down);
    free(o);
}
END_TEST

enum { RANK = 64 };

/* [n_out, n_in] = U V in double. */
static float *product(const float *u, const float *v, int32_t n_out,
                      int32_t n_in)
{
    float *out = malloc((size_t)n_out * (size_t)n_in * sizeof *out);

    for (int32_t r = 0; r < n_out; r++)
        for (int32_t c = 0; c < n_in; c++) {
            double sum = 0.0;

            for (int32_t k = 0; k < RANK; k++)
                sum += (double)u[r * RANK + k] * (double)v[k * n_in + c];
            out[r * n_in + c] = (float)sum;
        }
    return out;
}

/* p8 gets factors for gate and up of layer 1, which share V. */
static void give_factors(aci_zoo_card *card, const float *gate,
                         const float *up, const float *v)
{
    aci_extras_build *build;
    aci_packed packed[3];
    aci_store_built built;
    char path[256];
    const float *const from[3] = { gate, up, v };

    snprintf(path, sizeof path, "%.200s/extras.acw", zoo);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(aci_workshop_pack(
                             &packed[i], &structural_memory, structural_pool,
                             from[i], i < 2 ? 192 : RANK, i < 2 ? RANK : 128,
                             8, 64, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_open(&build, &structural_memory,
                                              path, 64, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_low_rank(
                         build, "p8", "1.gate", 128, &packed[0], &packed[2],
                         NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_low_rank(
                         build, "p8", "1.up", 128, &packed[1], NULL, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_extras_commit(
                         &built, build, card->weights_checksum, NULL), AC_OK);
    for (int i = 0; i < 3; i++)
        aci_workshop_pack_close(&packed[i], &structural_memory);
    card->extras_bytes = built.n_bytes;
    card->extras_checksum = built.checksum;
    structural_save(card, zoo);
}

START_TEST(factors_are_multiplied_out_when_asked)
{
    const aci_kept plan[N_LAYER] = { { 4, 256 }, { 3, 192 }, { 4, 256 },
                                     { 4, 256 } };
    static const char *const outs[] = { "o.gguf", "o" };
    aci_shape shape = structural_shape();
    float *gate_u = structural_matrix(1, 81, 192, RANK);
    float *up_u = structural_matrix(1, 82, 192, RANK);
    float *v = structural_matrix(1, 83, RANK, 128);
    float *gate = product(gate_u, v, 192, 128);
    float *up = product(up_u, v, 192, 128);
    ac_export_report report;
    aci_zoo_card card;
    aci_model *model;
    char out[200];

    make_zoo(&card, &shape, plan);
    give_factors(&card, gate_u, up_u, v);
    model = open_model(zoo);
    for (int f = 0; f < 2; f++) {
        double gate_off, up_off;
        aci_checkpoint *file;
        int32_t n = f ? 256 : 192; /* a directory's layers are alike */

        snprintf(out, sizeof out, "%s", structural_path(outs[f]));
        assert_exports(&report, model, "p8", "f16", out);
        ck_assert(report.weight_error <= 5e-4);
        ck_assert(report.kl <= 1e-3);
        ck_assert_int_eq(aci_model_checkpoint_open_cut(
                             &file, &structural_memory, out, NULL), AC_OK);
        gate_off = distance(file, "1.gate", gate, 192, 128);
        up_off = distance(file, "1.up", up, 192, 128);
        ck_assert_msg(gate_off < 0.02 && up_off < 0.02, "%g %g", gate_off,
                      up_off);
        if (n > 192) {
            float row[128];

            ck_assert_int_eq(aci_model_checkpoint_read(row, file, "1.up", 192,
                                                       1, NULL), AC_OK);
            for (int k = 0; k < 128; k++)
                ck_assert(row[k] == 0.0f);
        }
        aci_model_checkpoint_close(file);
    }
    unlink(structural_path("p"));
    assert_refused(model, "p8", structural_path("p"), "low-rank factors");
    aci_model_close(model);
    free(gate_u), free(up_u), free(v), free(gate), free(up);
}
END_TEST

/* ---- other architectures ------------------------------------------------- */

START_TEST(qwen2_whose_layers_differ_is_a_deci)
{
    aci_shape shape = structural_shape();
    ac_export_report report;
    aci_zoo_card card;
    aci_model *model;
    char out[200];

    shape.architecture = ACI_QWEN2;
    shape.output_bias = shape.mlp_bias = 0;
    make_zoo(&card, &shape, plans[_i]);
    model = open_model(zoo);
    snprintf(out, sizeof out, "%s", structural_path("o.gguf"));
    assert_exports(&report, model, "p8", NULL, out);
    ck_assert(report.weight_error <= 5e-4);
    ck_assert(report.kl <= 1e-4);
    /* There the heads left are as wide as the embeddings, as qwen2 asks. */
    assert_architecture(out, _i == ALIKE ? "qwen2" : "deci");
    assert_exports(&report, model, "p8", "w8a16", structural_path("o"));
    ck_assert(report.kl <= 1e-4);
    aci_model_close(model);
}
END_TEST

/* Its norms of heads have a place nowhere else: layers as wide as the widest.
 */
START_TEST(qwen3_keeps_its_architecture)
{
    aci_shape shape = structural_shape();
    ac_export_report report;
    aci_zoo_card card;
    aci_model *model;
    char out[200];

    shape.architecture = ACI_QWEN3;
    shape.qk_norm = 1;
    shape.attention_bias = shape.output_bias = shape.mlp_bias = 0;
    make_zoo(&card, &shape, plans[_i]);
    model = open_model(zoo);
    snprintf(out, sizeof out, "%s", structural_path("o.gguf"));
    assert_exports(&report, model, "p8", NULL, out);
    ck_assert(report.weight_error <= 5e-4);
    ck_assert(report.kl <= 1e-4);
    assert_architecture(out, "qwen3");
    assert_exports(&report, model, "p8", "w8a16", structural_path("o"));
    ck_assert(report.kl <= 1e-4);
    aci_model_close(model);
}
END_TEST

START_TEST(biases_without_a_place_are_refused)
{
    aci_shape shape = structural_shape();
    aci_zoo_card card;
    aci_model *model;

    shape.architecture = _i ? ACI_MISTRAL : ACI_QWEN3;
    shape.window = _i ? 64 : 0;
    shape.qk_norm = !_i;
    make_zoo(&card, &shape, NULL);
    model = open_model(zoo);
    if (_i == 0)
        assert_refused(model, "p8", structural_path("o.gguf"), "no biases");
    assert_refused(model, "p8", structural_path("o"),
                   _i ? "sliding window" : "no biases behind");
    aci_model_close(model);
}
END_TEST

Suite *test_export_plan_suite(void)
{
    Suite *suite = suite_create("test_export_plan");
    TCase *tests = tcase_create("export_plan");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, enter, leave);
    tcase_add_loop_test(tests, every_plan_comes_back_in_every_format, 0,
                        N_PLANS);
    tcase_add_loop_test(tests, files_hold_what_the_plan_keeps, 0, N_PLANS);
    tcase_add_test(tests, a_file_with_layers_that_differ_is_a_model);
    tcase_add_test(tests, truncated_anywhere_is_an_error);
    tcase_add_test(tests, allocations_that_fail_leave_nothing);
    tcase_add_loop_test(tests, what_a_variant_owns_is_written, 0, 2);
    tcase_add_test(tests, factors_are_multiplied_out_when_asked);
    tcase_add_loop_test(tests, qwen2_whose_layers_differ_is_a_deci, 0,
                        N_PLANS);
    tcase_add_loop_test(tests, qwen3_keeps_its_architecture, 0, N_PLANS);
    tcase_add_loop_test(tests, biases_without_a_place_are_refused, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
