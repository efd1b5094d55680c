/* test_gguf_layers.c - sizes of layers in GGUF metadata: one number for all,
 * arrays, and arrays that lie. */
#include "model/gguf_layers.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/gguf_write.h"

Suite *test_gguf_layers_suite(void);

enum { N_LAYER = 3 };

static aci_memory memory;
static char path[64];

static void enter(void)
{
    int file;

    aci_platform_memory_init(&memory);
    strcpy(path, "/tmp/ac-test-layers-XXXXXX");
    file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

static void leave(void)
{
    unlink(path);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* What one key holds. */
typedef struct numbers {
    char kind;                 /* 'i' array, 'f' of floats, 't' of texts, '1'
                                  one number, '-' nothing */
    size_t n;
    int32_t values[4];
} numbers;

static void put(aci_gguf_draft *draft, const char *key, const numbers *from)
{
    if (from->kind == '1')
        aci_model_gguf_put_u32(draft, key, (uint32_t)from->values[0]);
    if (from->kind == 'i')
        aci_model_gguf_put_integers(draft, key, from->n);
    if (from->kind == 'f')
        aci_model_gguf_put_floats(draft, key, from->n);
    if (from->kind == 't')
        aci_model_gguf_put_texts(draft, key, from->n);
    for (size_t i = 0; i < from->n; i++) {
        if (from->kind == 'i')
            aci_model_gguf_add_integer(draft, from->values[i]);
        if (from->kind == 'f')
            aci_model_gguf_add_float(draft, (float)from->values[i]);
        if (from->kind == 't')
            aci_model_gguf_add_text(draft, "4", 1);
    }
}

static ac_status read_layers(aci_shape *shape, aci_kept **kept,
                             const numbers *heads, const numbers *heads_kv,
                             const numbers *neurons, ac_error *error)
{
    aci_gguf_draft draft;
    aci_writer *writer;
    aci_gguf *gguf;
    ac_status status;

    aci_model_gguf_draft_init(&draft, &memory);
    put(&draft, "deci.attention.head_count", heads);
    put(&draft, "deci.attention.head_count_kv", heads_kv);
    put(&draft, "deci.feed_forward_length", neurons);
    aci_model_gguf_list_tensor(&draft, "x", 0, 8, 0);
    ck_assert_int_eq(aci_platform_writer_open(&writer, &memory, path, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_model_gguf_write_header(writer, &draft, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_platform_writer_append(writer, "01234567890123456789"
                                                "012345678901", 32, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL), AC_OK);
    aci_model_gguf_draft_free(&draft);
    ck_assert_int_eq(aci_model_gguf_open(&gguf, &memory, path, error), AC_OK);
    memset(shape, 0, sizeof *shape);
    shape->n_layer = N_LAYER;
    status = aci_model_gguf_layers(shape, kept, &memory, gguf, "deci", error);
    aci_model_gguf_close(gguf);
    return status;
}

START_TEST(arrays_are_plans)
{
    const numbers heads = { 'i', 3, { 4, 0, 8 } }, kv = { 'i', 3, { 2, 0, 4 } };
    const numbers neurons = { 'i', 3, { 0, 96, 40 } };
    const aci_kept wanted[N_LAYER] = { { 2, 0 }, { 0, 96 }, { 4, 40 } };
    aci_shape shape;
    aci_kept *kept;

    ck_assert_int_eq(read_layers(&shape, &kept, &heads, &kv, &neurons, NULL),
                     AC_OK);
    ck_assert_int_eq(shape.n_head, 8);
    ck_assert_int_eq(shape.n_head_kv, 4);
    ck_assert_int_eq(shape.n_ff, 96);
    ck_assert_mem_eq(kept, wanted, sizeof wanted);
    aci_platform_free(&memory, kept);
}
END_TEST

/* One number stands for every layer, and key-value heads for heads. */
START_TEST(numbers_and_arrays_mix)
{
    const numbers heads = { 'i', 3, { 4, 2, 0 } }, none = { '-', 0, { 0 } };
    const numbers neurons = { '1', 0, { 64 } };
    const aci_kept wanted[N_LAYER] = { { 4, 64 }, { 2, 64 }, { 0, 64 } };
    aci_shape shape;
    aci_kept *kept;

    ck_assert_int_eq(read_layers(&shape, &kept, &heads, &none, &neurons,
                                 NULL), AC_OK);
    ck_assert_mem_eq(kept, wanted, sizeof wanted);
    aci_platform_free(&memory, kept);
}
END_TEST

START_TEST(layers_that_are_alike_need_no_plan)
{
    const numbers heads = { 'i', 3, { 4, 4, 4 } }, kv = { '1', 0, { 2 } };
    const numbers neurons = { 'i', 3, { 64, 64, 64 } };
    aci_shape shape;
    aci_kept *kept;

    ck_assert_int_eq(read_layers(&shape, &kept, &heads, &kv, &neurons, NULL),
                     AC_OK);
    ck_assert_ptr_null(kept);
    ck_assert_int_eq(shape.n_head, 4);
    ck_assert_int_eq(shape.n_head_kv, 2);
    ck_assert_int_eq(shape.n_ff, 64);
}
END_TEST

static const struct {
    numbers heads, kv, neurons;
    ac_status wanted;
    const char *word;
} lies[] = {
    { { 'i', 2, { 4, 4 } }, { '1', 0, { 2 } }, { '1', 0, { 64 } },
      AC_E_FORMAT, "2 numbers for 3 layers" },
    { { 'i', 4, { 4, 4, 4, 4 } }, { '1', 0, { 2 } }, { '1', 0, { 64 } },
      AC_E_FORMAT, "4 numbers for 3 layers" },
    { { 'i', 0, { 0 } }, { '1', 0, { 2 } }, { '1', 0, { 64 } },
      AC_E_FORMAT, "0 numbers" },
    { { '1', 0, { 4 } }, { '1', 0, { 2 } }, { 'i', 3, { 64, -1, 64 } },
      AC_E_FORMAT, "feed_forward_length of layer 1" },
    { { '1', 0, { 4 } }, { 'f', 3, { 2, 2, 2 } }, { '1', 0, { 64 } },
      AC_E_FORMAT, "head_count_kv of layer 0" },
    { { 't', 3, { 0 } }, { '1', 0, { 2 } }, { '1', 0, { 64 } },
      AC_E_FORMAT, "head_count of layer 0" },
    { { 'i', 3, { 4, 4, 4 } }, { 'i', 3, { 2, 3, 2 } }, { '1', 0, { 64 } },
      AC_E_FORMAT, "evenly" },
    { { 'i', 3, { 0, 4, 4 } }, { '1', 0, { 2 } }, { '1', 0, { 64 } },
      AC_E_FORMAT, "evenly" },
    { { 'i', 3, { 4, 4, 4 } }, { 'i', 3, { 2, 0, 2 } }, { '1', 0, { 64 } },
      AC_E_UNSUPPORTED, "linear attention" },
    { { 'i', 3, { 4, 4, 4 } }, { 'i', 3, { 2, 4, 2 } }, { '1', 0, { 64 } },
      AC_E_UNSUPPORTED, "1 heads shared" },
    { { 'i', 3, { INT32_MAX, 2, 2 } }, { 'i', 3, { 1, 0, 2 } },
      { '1', 0, { 64 } }, AC_E_UNSUPPORTED, "linear" },
    { { 'i', 3, { INT32_MAX, 0, 0 } }, { 'i', 3, { 1, 0, 0 } },
      { '-', 0, { 0 } }, AC_E_FORMAT, "feed_forward_length was missing" },
    { { '-', 0, { 0 } }, { '1', 0, { 2 } }, { '1', 0, { 64 } },
      AC_E_FORMAT, "head_count was missing" },
};

START_TEST(arrays_that_lie_are_refused)
{
    ac_error error = AC_ERROR_INIT;
    aci_shape shape;
    aci_kept *kept;
    ac_status status = read_layers(&shape, &kept, &lies[_i].heads,
                                   &lies[_i].kv, &lies[_i].neurons, &error);

    ck_assert_ptr_null(kept);
    ck_assert_int_eq(status, lies[_i].wanted);
    ck_assert_msg(strstr(error.message, lies[_i].word) != NULL,
                  "\"%s\" lacks \"%s\"", error.message, lies[_i].word);
}
END_TEST

Suite *test_gguf_layers_suite(void)
{
    Suite *suite = suite_create("test_gguf_layers");
    TCase *tests = tcase_create("gguf_layers");

    tcase_add_checked_fixture(tests, enter, leave);
    tcase_add_test(tests, arrays_are_plans);
    tcase_add_test(tests, numbers_and_arrays_mix);
    tcase_add_test(tests, layers_that_are_alike_need_no_plan);
    tcase_add_loop_test(tests, arrays_that_lie_are_refused, 0,
                        sizeof lies / sizeof *lies);
    suite_add_tcase(suite, tests);
    return suite;
}
