/* zoo_image.c - see zoo_image.h. */
#include "model/zoo_image.h"

#include "model/model_storage.h"
#include "model/tensor_list.h"
#include "platform/error.h"

/* ---- planes that nobody reads -------------------------------------------- */

/* Of a variant, where it does not own the tensor itself. */
static int32_t bits_of(const aci_model *model, int32_t v, int32_t layer,
                       int32_t row)
{
    const aci_variant *variant = &model->variants[v];

    if (aci_model_extras_find(model->extras, v, layer, row) >= 0)
        return 0;
    if (layer >= 0)
        return variant->weight_bits;
    return row == ACI_ROW_EMBED ? variant->embed_bits : variant->head_bits;
}

int32_t aci_model_bits_read(const aci_model *model, int32_t layer,
                            int32_t row)
{
    int is_head_too = row == ACI_ROW_EMBED && model->shape.tied_embeddings;
    int32_t most = 0;

    for (int32_t v = 0; v < model->n_variants; v++) {
        int32_t bits = bits_of(model, v, layer, row);
        int32_t head = is_head_too ? bits_of(model, v, layer, ACI_ROW_HEAD)
                                   : 0;

        if ((model->absent_variants >> v & 1) != 0)
            continue;
        most = bits > most ? bits : most;
        most = head > most ? head : most;
    }
    return most;
}

static void leave_out(aci_model *model)
{
    size_t n = aci_model_tensor_count(&model->shape);

    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor;
        aci_matrix *matrix;
        int32_t bits;

        aci_model_tensor_at(&tensor, &model->shape, i);
        if (!tensor.is_matrix)
            continue;
        matrix = aci_model_tensor_matrix(model, &tensor);
        bits = aci_model_bits_read(model, tensor.layer, tensor.row);
        if (bits < 16)
            matrix->plane_c = NULL;
        if (bits < 8)
            matrix->plane_b = NULL;
        if (bits < 4) {
            matrix->plane_a = NULL;
            matrix->scales = NULL;
        }
    }
    if (model->shape.tied_embeddings)
        model->head = model->embed;
}

/* ---- opening ------------------------------------------------------------- */

static ac_status open_extras(aci_model *model, aci_zoo_image *image,
                             const aci_weight_store *store, ac_error *error)
{
    if (image->extras.data == NULL)
        return AC_OK;
    return aci_model_extras_open_image(
        &model->extras, model->memory, &image->extras, image->name,
        aci_model_store_shape(store), image->card.variants,
        image->card.n_variants, (uint32_t)aci_model_store_group(store),
        aci_model_store_checksum(store), 0, error);
}

static ac_status open_into(aci_model *model, aci_zoo_image *image,
                           ac_error *error)
{
    aci_model_storage *storage = model->storage;
    aci_zoo_card *card = &image->card;
    ac_status status = aci_model_store_open_image(
        &storage->store, model->memory, &image->weights, image->name, 0,
        error);

    if (status == AC_OK)
        status = aci_model_check_plans(card->variants, card->n_variants,
                                       aci_model_store_shape(storage->store),
                                       error);
    if (status == AC_OK)
        status = open_extras(model, image, storage->store, error);
    if (status == AC_OK)
        status = aci_model_join(model, card, error);
    return status;
}

ac_status aci_model_open_image(aci_model **out, aci_memory *memory,
                               aci_zoo_image *image, ac_error *error)
{
    aci_model *model = NULL;
    ac_status status = aci_model_begin(&model, memory, image->name, error);

    *out = NULL;
    if (status == AC_OK)
        status = open_into(model, image, error);
    if (status == AC_OK) {
        model->absent_variants = image->absent_variants;
        leave_out(model);
        *out = model;
    } else {
        aci_model_close(model);
    }
    aci_model_image_clear(image, memory);
    return status;
}

void aci_model_image_clear(aci_zoo_image *image, aci_memory *memory)
{
    aci_model_card_clear(&image->card, memory);
    aci_platform_unmap(&image->weights);
    aci_platform_unmap(&image->extras);
}
