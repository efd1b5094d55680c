/* test_store_plan.c - sizes of stores, and the list of tensors behind them. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "model/store_format.h"
#include "model/tensor_list.h"

static const aci_shape smollm = {
    .architecture = ACI_LLAMA, .n_layer = 30, .n_embd = 576, .n_head = 9,
    .n_head_kv = 3, .head_dim = 64, .n_ff = 1536, .n_vocab = 49152,
    .n_context = 2048, .tied_embeddings = 1 };
static const aci_shape llama_1b = {
    .architecture = ACI_LLAMA, .n_layer = 16, .n_embd = 2048, .n_head = 32,
    .n_head_kv = 8, .head_dim = 64, .n_ff = 8192, .n_vocab = 128256,
    .n_context = 8192, .tied_embeddings = 1 };
static const aci_shape everything = {
    .architecture = ACI_QWEN3, .n_layer = 2, .n_embd = 64, .n_head = 4,
    .n_head_kv = 2, .head_dim = 32, .n_ff = 100, .n_vocab = 50,
    .n_context = 64, .attention_bias = 1, .output_bias = 1, .mlp_bias = 1,
    .qk_norm = 1 };

static void plan(aci_store_header *header, aci_store_entry **entries,
                 const aci_shape *shape, uint32_t group)
{
    *entries = calloc(aci_model_tensor_count(shape), sizeof **entries);
    ck_assert_int_eq(aci_model_store_plan(header, *entries, shape, group,
                                          ACI_STORE_LAYOUT_VERSION, NULL),
                     AC_OK);
}

/* bfloat16 bytes of everything stored. */
static double bf16_bytes(const aci_shape *shape)
{
    double n = 0;

    for (size_t i = 0; i < aci_model_tensor_count(shape); i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, shape, i);
        n += 2.0 * tensor.n_out * tensor.n_in;
    }
    return n;
}

START_TEST(a_zoo_is_about_as_large_as_its_base)
{
    aci_store_header header;
    aci_store_entry *entries;

    plan(&header, &entries, &llama_1b, 128);
    ck_assert((double)header.file_bytes / bf16_bytes(&llama_1b) < 1.01);
    free(entries);
    plan(&header, &entries, &smollm, 64);
    ck_assert((double)header.file_bytes / bf16_bytes(&smollm) < 1.02);
    free(entries);
}
END_TEST

/* Parts are aligned, in bounds, and no two share a byte. */
START_TEST(parts_do_not_overlap)
{
    aci_store_header header;
    aci_store_entry *entries;
    uint8_t *owned;
    int n_shared = 0;

    plan(&header, &entries, &everything, 32);
    owned = calloc(1, header.file_bytes);
    memset(owned, 1, 4096 + header.directory_bytes);
    for (uint32_t i = 0; i < header.n_tensors; i++)
        for (int part = 0; part < ACI_N_PARTS; part++) {
            uint64_t at = entries[i].offset[part];
            uint64_t n = entries[i].n_bytes[part];

            if (n == 0)
                continue;
            ck_assert_uint_eq(
                at % (entries[i].kind == ACI_TENSOR_VECTOR ? 64 : 4096), 0);
            ck_assert_uint_le(at + n, header.file_bytes);
            for (uint64_t b = at; b < at + n; b++)
                n_shared += owned[b]++ != 0;
        }
    ck_assert_int_eq(n_shared, 0);
    free(owned);
    free(entries);
}
END_TEST

START_TEST(the_list_follows_the_switches)
{
    static const char *const first[] = {
        "embed", "0.attn_norm", "0.q", "0.k", "0.v", "0.o", "0.q_bias",
        "0.k_bias", "0.v_bias", "0.o_bias", "0.q_norm", "0.k_norm",
        "0.ffn_norm", "0.gate", "0.up", "0.down", "0.gate_bias", "0.up_bias",
        "0.down_bias", "1.attn_norm" };
    aci_tensor tensor;
    size_t n = aci_model_tensor_count(&everything);

    ck_assert_uint_eq(n, 1 + 2 * 18 + 2);
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        aci_model_tensor_at(&tensor, &everything, i);
        ck_assert_str_eq(tensor.name, first[i]);
    }
    aci_model_tensor_at(&tensor, &everything, n - 1);
    ck_assert_str_eq(tensor.name, "head");
    ck_assert_int_eq(tensor.n_out, 50);
    aci_model_tensor_at(&tensor, &everything, n - 2);
    ck_assert_str_eq(tensor.name, "final_norm");
    aci_model_tensor_at(&tensor, &everything, 10);
    ck_assert_int_eq(tensor.n_in, 32);
    ck_assert_int_eq(tensor.is_matrix, 0);
    ck_assert_uint_eq(aci_model_tensor_count(&smollm), 2 + 30 * 9);
    aci_model_tensor_at(&tensor, &smollm, 2 + 30 * 9 - 1);
    ck_assert_str_eq(tensor.name, "final_norm");
}
END_TEST

START_TEST(absurd_sizes_are_refused)
{
    aci_shape absurd = everything;
    aci_store_header header;
    aci_store_entry entries[64];

    absurd.n_vocab = INT32_MAX;
    absurd.n_embd = INT32_MAX;
    ck_assert_int_eq(aci_model_store_plan(&header, entries, &absurd, 32,
                                          ACI_STORE_LAYOUT_VERSION, NULL),
                     AC_E_UNSUPPORTED);
}
END_TEST

START_TEST(shapes_survive_the_file)
{
    aci_store_shape stored;
    aci_shape shape = everything, back;

    shape.rope_theta = 1e6f;
    shape.rope_beta_slow = 1.5f;
    shape.rope_original_context = 77;
    shape.window = 5;
    memset(shape.name, 'x', sizeof shape.name - 1);
    aci_model_store_shape_pack(&stored, &shape);
    aci_model_store_shape_unpack(&back, &stored);
    ck_assert_mem_eq(&back, &shape, sizeof shape);
}
END_TEST

Suite *test_store_plan_suite(void);
Suite *test_store_plan_suite(void)
{
    Suite *suite = suite_create("test_store_plan");
    TCase *tests = tcase_create("plan");

    tcase_add_test(tests, a_zoo_is_about_as_large_as_its_base);
    tcase_add_test(tests, parts_do_not_overlap);
    tcase_add_test(tests, the_list_follows_the_switches);
    tcase_add_test(tests, absurd_sizes_are_refused);
    tcase_add_test(tests, shapes_survive_the_file);
    suite_add_tcase(suite, tests);
    return suite;
}
