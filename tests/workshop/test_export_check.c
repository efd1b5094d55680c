/* test_export_check.c - variants that no target can serve are refused with
 * the reason. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../model/structural_zoo.h"
#include "model/model.h"
#include "workshop/compress/export.h"

Suite *test_export_check_suite(void);

static aci_model *open_model(const char *zoo)
{
    aci_model *model = NULL;
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(aci_model_open(&model, &structural_memory, zoo, 0,
                                 &error) == AC_OK, "%s", error.message);
    return model;
}

static void assert_refused(const aci_model *model, const char *name,
                           const char *word)
{
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;
    ac_export_report report = AC_EXPORT_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;
    aci_export work = { .memory = &structural_memory,
                        .pool = structural_pool, .model = model,
                        .options = &options, .report = &report };
    const char *const outs[] = { "out.gguf", "out" };

    work.variant = &model->variants[aci_model_variant_find(model, name)];
    for (int i = 0; i < 2; i++) {
        work.out = structural_path(outs[i]);
        ck_assert_int_eq(aci_workshop_export(&work, &error),
                         AC_E_UNSUPPORTED);
        ck_assert_msg(strstr(error.message, word) != NULL,
                      "\"%s\" lacks %s", error.message, word);
        ck_assert_int_ne(access(work.out, F_OK), 0);
    }
}

/* A low-rank o of layer 0 for `variant`. */
static void add_low_rank(aci_zoo_card *card, const char *zoo,
                         const char *variant)
{
    float *values = structural_matrix(0, 0, 128, 256);
    aci_extras_build *build;
    aci_store_built built;
    aci_packed u, v;
    char path[256];

    snprintf(path, sizeof path, "%.200s/extras.acw", zoo);
    ck_assert_int_eq(aci_workshop_pack(&u, &structural_memory,
                                       structural_pool, values, 128, 64, 8,
                                       64, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_pack(&v, &structural_memory,
                                       structural_pool, values, 64, 256, 8,
                                       64, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_open(&build, &structural_memory,
                                              path, 64, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_extras_low_rank(build, variant, "0.o", 256,
                                                  &u, &v, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_commit(
                         &built, build, card->weights_checksum, NULL), AC_OK);
    card->extras_bytes = built.n_bytes;
    card->extras_checksum = built.checksum;
    aci_workshop_pack_close(&u, &structural_memory);
    aci_workshop_pack_close(&v, &structural_memory);
    free(values);
}

START_TEST(low_rank_variants_are_refused)
{
    aci_shape shape = structural_shape();
    char zoo[256];
    aci_zoo_card card;
    aci_model *model;

    snprintf(zoo, sizeof zoo, "%s", structural_path("zoo"));
    structural_zoo(&card, zoo, &shape, NULL);
    structural_add(&card, "thin", 8, NULL, 0);
    add_low_rank(&card, zoo, "thin");
    structural_save(&card, zoo);
    model = open_model(zoo);
    assert_refused(model, "thin", "low-rank factors");
    aci_model_close(model);
}
END_TEST

Suite *test_export_check_suite(void)
{
    Suite *suite = suite_create("test_export_check");
    TCase *tests = tcase_create("export_check");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, structural_enter, structural_leave);
    tcase_add_test(tests, low_rank_variants_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
