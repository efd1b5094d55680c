/* test_safetensors_write.c - what is written is read back alike. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/safetensors_write.h"

START_TEST(what_is_written_is_read_back)
{
    static const uint16_t values[7] = { 1, 2, 3, 4, 5, 6, 7 };
    aci_safetensor list[2] = {
        { .name = "b.weight", .type = "BF16", .n_dimensions = 2,
          .dimensions = { 2, 3 }, .n_bytes = 12 },
        { .name = "a.norm", .type = "BF16", .n_dimensions = 1,
          .dimensions = { 1 }, .n_bytes = 2 },
    };
    const aci_safetensor *found;
    aci_safetensors *file;
    aci_writer *writer;
    aci_memory memory;
    char path[64];

    aci_platform_memory_init(&memory);
    snprintf(path, sizeof path, "/tmp/ac-tensors-%ld", (long)getpid());
    ck_assert_int_eq(aci_platform_writer_open(&writer, &memory, path, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_model_safetensors_begin(writer, &memory, list, 2,
                                                 NULL), AC_OK);
    ck_assert_uint_eq(aci_platform_writer_offset(writer) % 8, 0);
    ck_assert_int_eq(aci_platform_writer_append(writer, values, sizeof values,
                                                NULL), AC_OK);
    ck_assert_int_eq(aci_platform_writer_commit(writer, NULL), AC_OK);
    ck_assert_int_eq(aci_model_safetensors_open(&file, &memory, path, NULL),
                     AC_OK);
    ck_assert_uint_eq(aci_model_safetensors_count(file), 2);
    found = aci_model_safetensors_find(file, "b.weight");
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found->type, "BF16");
    ck_assert_uint_eq(found->n_dimensions, 2);
    ck_assert_uint_eq(found->dimensions[1], 3);
    ck_assert_mem_eq(found->data, values, 12);
    found = aci_model_safetensors_find(file, "a.norm");
    ck_assert_mem_eq(found->data, values + 6, 2);
    aci_model_safetensors_close(file);
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove(path);
}
END_TEST

Suite *test_safetensors_write_suite(void);

Suite *test_safetensors_write_suite(void)
{
    Suite *suite = suite_create("test_safetensors_write");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, what_is_written_is_read_back);
    suite_add_tcase(suite, tests);
    return suite;
}
