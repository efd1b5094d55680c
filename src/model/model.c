/* model.c - opening a zoo or a checkpoint, whichever the path is.
 *
 * Here: the common frame and the zoo, whose matrices point into the mapping.
 * model_dense.c reads checkpoints; weight_store.c and zoo_card.c know the two
 * files of a zoo. */
#include "model/model.h"

#include <string.h>

#include "model/model_storage.h"
#include "model/tensor_list.h"
#include "model/zoo_card.h"
#include "platform/error.h"
#include "platform/files.h"

int aci_model_is_zoo(const char *path)
{
    aci_memory memory;
    char *card;
    int answer;

    aci_platform_memory_init(&memory);
    card = aci_platform_join(&memory, path, ACI_ZOO_CARD);
    answer = card != NULL && aci_platform_is_file(card);
    aci_platform_free(&memory, card);
    return answer;
}

int32_t aci_model_variant_find(const aci_model *model, const char *name)
{
    for (int32_t i = 0; i < model->n_variants; i++)
        if (strcmp(model->variants[i].name, name) == 0)
            return i;
    return -1;
}

/* Allocates the layers of model->shape. */
static ac_status allocate_layers(aci_model *model, ac_error *error)
{
    model->layers = aci_platform_alloc_zeroed(
        model->memory, (size_t)model->shape.n_layer, sizeof(aci_layer));
    if (model->layers == NULL)
        return aci_platform_fail_memory(error, "the model's layers");
    return AC_OK;
}

/* The card and the store must be of the same making. */
static ac_status check_pair(const aci_zoo_card *card,
                            const aci_weight_store *store, ac_error *error)
{
    if (card->weights_checksum != aci_model_store_checksum(store))
        return aci_platform_fail(
            error, AC_E_CHECKSUM,
            ACI_ZOO_CARD " belonged to another " ACI_ZOO_WEIGHTS
            " (checksums %016llx and %016llx)",
            (unsigned long long)card->weights_checksum,
            (unsigned long long)aci_model_store_checksum(store));
    return AC_OK;
}

static ac_status read_card(aci_zoo_card *card, aci_model *model,
                           ac_error *error)
{
    char *path = aci_platform_join(model->memory, model->zoo_path,
                                   ACI_ZOO_CARD);
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_card_read(card, model->memory, path, error);
    aci_platform_free(model->memory, path);
    return status;
}

static ac_status open_store(aci_model_storage *storage, aci_model *model,
                            int verify, ac_error *error)
{
    char *path = aci_platform_join(model->memory, model->zoo_path,
                                   ACI_ZOO_WEIGHTS);
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_store_open(&storage->store, model->memory, path,
                                  verify, error);
    aci_platform_free(model->memory, path);
    return status;
}

static ac_status check_kept(const aci_variant *variant,
                            const aci_shape *shape, ac_error *error)
{
    if (variant->kept == NULL)
        return AC_OK;
    if (variant->n_kept != shape->n_layer)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "the plan of %s had %d layers where the model has %d",
            variant->name, (int)variant->n_kept, (int)shape->n_layer);
    for (int32_t l = 0; l < shape->n_layer; l++) {
        const aci_kept *kept = &variant->kept[l];

        if (kept->n_head_kv > shape->n_head_kv || kept->n_ff > shape->n_ff ||
            (kept->n_ff % ACI_KEPT_NEURONS != 0 && kept->n_ff != shape->n_ff))
            return aci_platform_fail(
                error, AC_E_FORMAT,
                "the plan of %s kept %d key-value heads and %d neurons of "
                "layer %d, which has %d and %d", variant->name,
                (int)kept->n_head_kv, (int)kept->n_ff, (int)l,
                (int)shape->n_head_kv, (int)shape->n_ff);
    }
    return AC_OK;
}

ac_status aci_model_check_plans(const aci_variant *variants,
                                int32_t n_variants, const aci_shape *shape,
                                ac_error *error)
{
    ac_status status = AC_OK;

    for (int32_t i = 0; status == AC_OK && i < n_variants; i++)
        status = check_kept(&variants[i], shape, error);
    return status;
}

ac_status aci_model_open_extras(aci_extras **out, aci_memory *memory,
                                const char *zoo, const aci_zoo_card *card,
                                const aci_weight_store *store, int verify,
                                ac_error *error)
{
    char *path;
    ac_status status;

    *out = NULL;
    if (card->extras_bytes == 0)
        return AC_OK;
    path = aci_platform_join(memory, zoo, ACI_ZOO_EXTRAS);
    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_extras_open(
        out, memory, path, aci_model_store_shape(store), card->variants,
        card->n_variants, (uint32_t)aci_model_store_group(store),
        aci_model_store_checksum(store), verify, error);
    aci_platform_free(memory, path);
    if (status == AC_OK &&
        aci_model_extras_checksum(*out) != card->extras_checksum)
        status = aci_platform_fail(error, AC_E_CHECKSUM,
                                   ACI_ZOO_CARD " belonged to another "
                                   ACI_ZOO_EXTRAS);
    return status;
}

/* Points every matrix and vector of the model into the mapping. */
static void attach(aci_model *model, const aci_weight_store *store)
{
    size_t n = aci_model_tensor_count(&model->shape);

    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, &model->shape, i);
        if (tensor.is_matrix)
            aci_model_store_matrix(aci_model_tensor_matrix(model, &tensor),
                                   store, i);
        else
            *aci_model_tensor_vector(model, &tensor) =
                aci_model_store_vector(store, i);
    }
    if (model->shape.tied_embeddings)
        model->head = model->embed;
}

/* The variants, and with them their plans. */
static void take_card(aci_model *model, aci_zoo_card *card)
{
    memcpy(model->variants, card->variants, sizeof model->variants);
    for (int32_t i = 0; i < card->n_variants; i++)
        card->variants[i].kept = NULL;
    model->n_variants = card->n_variants;
    model->full_variant = aci_model_variant_find(model, "full");
}

static void describe_storage(aci_model *model, const aci_weight_store *store)
{
    model->group = aci_model_store_group(store);
    model->mapped_bytes = aci_model_store_bytes(store);
    model->checksum = aci_model_store_checksum(store);
    if (model->extras != NULL) {
        model->mapped_bytes += aci_model_extras_bytes(model->extras);
        model->checksum ^= aci_model_extras_checksum(model->extras);
    }
}

ac_status aci_model_join(aci_model *model, aci_zoo_card *card,
                         ac_error *error)
{
    const aci_model_storage *storage = model->storage;
    ac_status status;

    model->shape = *aci_model_store_shape(storage->store);
    status = allocate_layers(model, error);
    if (status != AC_OK)
        return status;
    attach(model, storage->store);
    take_card(model, card);
    describe_storage(model, storage->store);
    return AC_OK;
}

ac_status aci_model_load_zoo(aci_model *model, int verify, ac_error *error)
{
    aci_model_storage *storage = model->storage;
    aci_zoo_card *card;
    ac_status status;

    card = aci_platform_alloc_zeroed(model->memory, 1, sizeof *card);
    if (card == NULL)
        return aci_platform_fail_memory(error, "the zoo's card");
    status = read_card(card, model, error);
    if (status == AC_OK)
        status = open_store(storage, model, verify, error);
    if (status == AC_OK)
        status = check_pair(card, storage->store, error);
    if (status == AC_OK)
        status = aci_model_check_plans(card->variants, card->n_variants,
                                       aci_model_store_shape(storage->store),
                                       error);
    if (status == AC_OK)
        status = aci_model_open_extras(&model->extras, model->memory,
                                       model->zoo_path, card, storage->store,
                                       verify, error);
    if (status == AC_OK)
        status = aci_model_join(model, card, error);
    aci_model_card_clear(card, model->memory);
    aci_platform_free(model->memory, card);
    return status;
}

/* A folder with weights but no card is half a zoo, not a checkpoint. */
static ac_status check_no_torso(aci_model *model, ac_error *error)
{
    char *weights = aci_platform_join(model->memory, model->zoo_path,
                                      ACI_ZOO_WEIGHTS);
    int is_torso;

    if (weights == NULL)
        return aci_platform_fail_memory(error, "a path");
    is_torso = aci_platform_is_file(weights);
    aci_platform_free(model->memory, weights);
    if (is_torso)
        return aci_platform_fail(error, AC_E_NOT_FOUND,
                                 "%s has " ACI_ZOO_WEIGHTS
                                 " but no " ACI_ZOO_CARD, model->zoo_path);
    return AC_OK;
}

ac_status aci_model_begin(aci_model **out, aci_memory *memory,
                          const char *path, ac_error *error)
{
    aci_model *model = aci_platform_alloc_zeroed(memory, 1, sizeof *model);

    *out = NULL;
    if (model == NULL)
        return aci_platform_fail_memory(error, "a model");
    model->memory = memory;
    model->storage = aci_platform_alloc_zeroed(memory, 1,
                                               sizeof(aci_model_storage));
    model->zoo_path = aci_platform_strndup(memory, path, strlen(path));
    if (model->storage == NULL || model->zoo_path == NULL) {
        aci_model_close(model);
        return aci_platform_fail_memory(error, "a model");
    }
    *out = model;
    return AC_OK;
}

static ac_status open_into(aci_model *model, const char *path, int verify,
                           ac_error *error)
{
    ac_status status;

    if (aci_model_is_zoo(path))
        return aci_model_load_zoo(model, verify, error);
    status = check_no_torso(model, error);
    if (status != AC_OK)
        return status;
    model->is_checkpoint = 1;
    return aci_model_load_dense(model, error);
}

ac_status aci_model_open(aci_model **out, aci_memory *memory,
                         const char *path, int verify, ac_error *error)
{
    aci_model *model;
    ac_status status = aci_model_begin(&model, memory, path, error);

    *out = NULL;
    if (status != AC_OK)
        return status;
    status = open_into(model, path, verify, error);
    if (status != AC_OK) {
        aci_model_close(model);
        return status;
    }
    *out = model;
    return AC_OK;
}

void aci_model_close(aci_model *model)
{
    aci_model_storage *storage;

    if (model == NULL)
        return;
    aci_model_extras_close(model->extras);
    for (int32_t i = 0; i < model->n_variants; i++)
        aci_platform_free(model->memory, model->variants[i].kept);
    storage = model->storage;
    if (storage != NULL) {
        aci_model_store_close(storage->store);
        for (size_t i = 0; storage->dense != NULL && i < storage->n_dense; i++)
            aci_platform_free(model->memory, storage->dense[i]);
        aci_platform_free(model->memory, storage->dense);
        aci_platform_free(model->memory, storage);
    }
    aci_platform_free(model->memory, model->layers);
    aci_platform_free(model->memory, model->zoo_path);
    aci_platform_free(model->memory, model);
}
