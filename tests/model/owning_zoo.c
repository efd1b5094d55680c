/* owning_zoo.c - see owning_zoo.h. */
#include "model/owning_zoo.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

owning_factors owning;

static aci_packed pack(int32_t seed, int32_t n_out, int32_t n_in,
                       int32_t bits)
{
    float *values = structural_matrix(seed, 99, n_out, n_in);
    aci_packed out;

    ck_assert_int_eq(aci_workshop_pack(&out, &structural_memory,
                                       structural_pool, values, n_out, n_in,
                                       bits, 64, NULL), AC_OK);
    free(values);
    return out;
}

void owning_pack(void)
{
    owning.qu = pack(1, 256, 40, 8); /* of rank 40: padding in U's columns */
    owning.ku = pack(2, 128, 40, 4);
    owning.vu = pack(3, 128, 40, 8);
    owning.qkv = pack(4, 40, 128, 8);
    owning.ou = pack(5, 128, 64, 4);
    owning.ov = pack(6, 64, 256, 4);
    owning.gu = pack(7, 192, 64, 8);
    owning.upu = pack(8, 192, 64, 8);
    owning.gv = pack(9, 64, 128, 4);
    owning.down = pack(10, 128, 192, 4);
    owning.hu = pack(11, 300, 64, 8);
    owning.hv = pack(12, 64, 128, 8);
}

void owning_free(void)
{
    aci_packed *all = (aci_packed *)(void *)&owning;

    for (size_t i = 0; i < sizeof owning / sizeof *all; i++)
        aci_workshop_pack_close(&all[i], &structural_memory);
}

static void add_vector(aci_extras_build *build, const char *variant,
                       const char *tensor, float shift)
{
    float values[128];

    for (int i = 0; i < 128; i++)
        values[i] = shift + structural_weight(50, 1, 2, i);
    ck_assert_int_eq(aci_workshop_extras_vector(build, variant, tensor,
                                                values, 128, NULL), AC_OK);
}

static void low_rank(aci_extras_build *build, const char *variant,
                     const char *tensor, int32_t n_in, const aci_packed *u,
                     const aci_packed *v)
{
    ck_assert_int_eq(aci_workshop_extras_low_rank(build, variant, tensor,
                                                  n_in, u, v, NULL), AC_OK);
}

static void add_owned(aci_extras_build *build, const char *variant)
{
    low_rank(build, variant, "1.q", 128, &owning.qu, &owning.qkv);
    low_rank(build, variant, "1.k", 128, &owning.ku, NULL);
    low_rank(build, variant, "1.v", 128, &owning.vu, NULL);
    low_rank(build, variant, "0.o", 256, &owning.ou, &owning.ov);
    low_rank(build, variant, "2.up", 128, &owning.upu, NULL);
    low_rank(build, variant, "2.gate", 128, &owning.gu, &owning.gv);
    ck_assert_int_eq(aci_workshop_extras_matrix(build, variant, "2.down",
                                                &owning.down, NULL), AC_OK);
    low_rank(build, variant, "head", 128, &owning.hu, &owning.hv);
    add_vector(build, variant, "3.attn_norm", 1.0f);
    add_vector(build, variant, "0.o_bias", 0.0f);
    add_vector(build, variant, "2.down_bias", 0.0f);
    add_vector(build, variant, "final_norm", 1.0f);
}

void owning_zoo(aci_zoo_card *card, const char *path)
{
    static const aci_kept kept[4] = { { 4, 256 }, { 4, 256 }, { 4, 192 },
                                      { 4, 256 } };
    static const char *const names[] = { "l16", "l8", "l4" };
    aci_shape shape = structural_shape();
    aci_extras_build *build;
    aci_store_built built;
    char file[200];

    structural_zoo(card, path, &shape, NULL);
    snprintf(file, sizeof file, "%s/extras.acw", path);
    ck_assert_int_eq(aci_workshop_extras_open(&build, &structural_memory,
                                              file, 64, NULL), AC_OK);
    for (int i = 0; i < 3; i++) {
        structural_add(card, names[i], 16 >> i, kept, 4);
        add_owned(build, names[i]);
    }
    ck_assert_int_eq(aci_workshop_extras_commit(&built, build,
                                                card->weights_checksum,
                                                NULL), AC_OK);
    card->extras_bytes = built.n_bytes;
    card->extras_checksum = built.checksum;
    structural_save(card, path);
}
