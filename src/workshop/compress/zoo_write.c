/* zoo_write.c - the two files of a zoo that the workshop writes. The card goes
 * last: a folder without one is not a zoo. */
#include "workshop/compress/zoo_write.h"

#include <stdio.h>
#include <string.h>

#include "model/model.h"
#include "platform/error.h"
#include "platform/files.h"
#include "workshop/compress/ladder_recipe.h"
#include "workshop/workshop.h"

ac_status aci_workshop_parse_variants(aci_zoo_card *card, aci_memory *memory,
                                      const char *names, ac_error *error)
{
    aci_ladder ladder;
    ac_status status = aci_workshop_ladder_parse(&ladder, memory, names, NULL,
                                                 NULL, error);

    if (status != AC_OK)
        return status;
    if (aci_workshop_ladder_is_structural(&ladder))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "variants that keep less are made from a "
                                 "checkpoint and calibration text");
    card->n_variants = ladder.n;
    for (int32_t i = 0; i < ladder.n; i++)
        aci_workshop_recipe_variant(&card->variants[i], &ladder.recipes[i]);
    return AC_OK;
}

static ac_status write_store(aci_store_built *built, aci_memory *memory,
                             aci_pool *pool, const char *folder,
                             const aci_shape *shape, uint32_t group,
                             const aci_strip_source *source,
                             const ac_compress_options *options,
                             ac_error *error)
{
    char *path = aci_platform_join(memory, folder, ACI_ZOO_WEIGHTS);
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_workshop_store_build(built, memory, pool, path, shape, group,
                                      source, options, error);
    aci_platform_free(memory, path);
    return status;
}

/* Finished by an interrupted run and still there; or written now. */
static ac_status find_store(aci_store_built *built, aci_memory *memory,
                            aci_pool *pool, const char *folder,
                            const aci_shape *shape, uint32_t group,
                            const aci_strip_source *source,
                            const ac_compress_options *options,
                            const aci_stages *stages, uint64_t key,
                            ac_error *error)
{
    char *path = aci_platform_join(memory, folder, ACI_ZOO_WEIGHTS);
    int64_t n_bytes = path != NULL ? aci_platform_file_size(path) : -1;
    ac_status status;

    aci_platform_free(memory, path);
    if (stages != NULL && n_bytes > 0 &&
        aci_workshop_stage_take(built, stages, "weights", key,
                                sizeof *built) &&
        built->n_bytes == (uint64_t)n_bytes)
        return AC_OK;
    status = write_store(built, memory, pool, folder, shape, group, source,
                         options, error);
    if (status == AC_OK && stages != NULL)
        status = aci_workshop_stage_put(stages, "weights", key, built,
                                        sizeof *built, error);
    return status;
}

static ac_status write_card(const aci_zoo_card *card, aci_memory *memory,
                            const char *folder, ac_error *error)
{
    char *path = aci_platform_join(memory, folder, ACI_ZOO_CARD);
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_card_write(card, memory, path, error);
    aci_platform_free(memory, path);
    return status;
}

ac_status aci_workshop_zoo_write(aci_zoo_card *card, aci_memory *memory,
                                 aci_pool *pool, const char *folder,
                                 const aci_shape *shape,
                                 const aci_strip_source *source,
                                 const ac_compress_options *options,
                                 const aci_stages *stages, uint64_t key,
                                 ac_error *error)
{
    aci_store_built built = { 0, 0 };
    ac_status status;

    status = aci_workshop_choose_group(&card->group, shape,
                                       options != NULL ? options->group : 0,
                                       error);
    if (status == AC_OK && card->n_variants == 0)
        status = aci_workshop_parse_variants(
            card, memory, options != NULL ? options->variants : NULL, error);
    if (status == AC_OK)
        status = find_store(&built, memory, pool, folder, shape, card->group,
                            source, options, stages, key, error);
    if (status != AC_OK)
        return status;
    snprintf(card->name, sizeof card->name, "%s", shape->name);
    snprintf(card->architecture, sizeof card->architecture, "%s",
             aci_model_architecture_name(shape->architecture));
    snprintf(card->library_version, sizeof card->library_version, "%s",
             AC_VERSION_STRING);
    card->weights_bytes = built.n_bytes;
    card->weights_checksum = built.checksum;
    return write_card(card, memory, folder, error);
}

ac_status aci_workshop_card_update(aci_memory *memory, const char *zoo,
                                   const aci_variant *figures,
                                   ac_error *error)
{
    char *path = aci_platform_join(memory, zoo, ACI_ZOO_CARD);
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_card_update(memory, path, figures, error);
    aci_platform_free(memory, path);
    return status;
}
