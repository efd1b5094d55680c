/* model_dense.c - a checkpoint opened as it is: every tensor read to float32,
 * one variant, "full". The reference the others are judged by; nothing is
 * shared with the file afterwards. */
#include <string.h>

#include "model/checkpoint.h"
#include "model/model_storage.h"
#include "model/tensor_list.h"
#include "model/variant_names.h"
#include "platform/error.h"

static ac_status check_sizes(const aci_checkpoint *checkpoint,
                             const aci_tensor *tensor, ac_error *error)
{
    int64_t n_rows = 0, n_columns = 0;

    if (!aci_model_checkpoint_find(checkpoint, tensor->name, &n_rows,
                                   &n_columns))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the checkpoint had no tensor %s",
                                 tensor->name);
    if (n_rows != tensor->n_out || n_columns != tensor->n_in)
        return aci_platform_fail(
            error, AC_E_FORMAT, "tensor %s was %lld x %lld, not %d x %d",
            tensor->name, (long long)n_rows, (long long)n_columns,
            (int)tensor->n_out, (int)tensor->n_in);
    return AC_OK;
}

static void set_matrix(aci_matrix *matrix, const aci_tensor *tensor,
                       const float *values)
{
    memset(matrix, 0, sizeof *matrix);
    matrix->n_out = tensor->n_out;
    matrix->n_in = tensor->n_in;
    matrix->n_in_padded = matrix->n_in_stored = tensor->n_in;
    matrix->n_strip = (tensor->n_out + ACI_STRIP_ROWS - 1) / ACI_STRIP_ROWS;
    matrix->dense = values;
}

static ac_status load_tensor(aci_model *model, float **slot,
                             const aci_checkpoint *checkpoint,
                             aci_tensor *tensor, ac_error *error)
{
    const aci_kept *kept = aci_model_checkpoint_kept(checkpoint);
    int32_t n_whole = tensor->n_in;
    ac_status status;

    if (kept != NULL && tensor->layer >= 0)
        aci_model_tensor_cut(tensor, &model->shape, &kept[tensor->layer]);
    if (tensor->n_out == 0)
        return AC_OK; /* of a block that is not there */
    status = check_sizes(checkpoint, tensor, error);
    if (status != AC_OK)
        return status;
    /* A vector of a cut layer is as long as the others', for whoever copies
     * it to a device by the shape. */
    *slot = aci_platform_alloc_zeroed(
        model->memory,
        tensor->is_matrix ? (size_t)tensor->n_out : (size_t)n_whole,
        (tensor->is_matrix ? (size_t)tensor->n_in : 1) * sizeof(float));
    if (*slot == NULL)
        return aci_platform_fail(error, AC_E_NO_MEMORY,
                                 "out of memory for tensor %s (%d x %d)",
                                 tensor->name, (int)tensor->n_out,
                                 (int)tensor->n_in);
    status = aci_model_checkpoint_read(*slot, checkpoint, tensor->name, 0,
                                       tensor->n_out, error);
    if (status != AC_OK)
        return status;
    if (tensor->is_matrix)
        set_matrix(aci_model_tensor_matrix(model, tensor), tensor, *slot);
    else
        *aci_model_tensor_vector(model, tensor) = *slot;
    return AC_OK;
}

static ac_status load_tensors(aci_model *model,
                              const aci_checkpoint *checkpoint,
                              ac_error *error)
{
    aci_model_storage *storage = model->storage;
    size_t n = aci_model_tensor_count(&model->shape);

    model->layers = aci_platform_alloc_zeroed(
        model->memory, (size_t)model->shape.n_layer, sizeof(aci_layer));
    storage->dense = aci_platform_alloc_zeroed(model->memory, n,
                                               sizeof *storage->dense);
    if (model->layers == NULL || storage->dense == NULL)
        return aci_platform_fail_memory(error, "the model's layers");
    storage->n_dense = n;
    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor;
        ac_status status;

        aci_model_tensor_at(&tensor, &model->shape, i);
        status = load_tensor(model, &storage->dense[i], checkpoint, &tensor,
                             error);
        if (status != AC_OK)
            return status;
    }
    if (model->shape.tied_embeddings)
        model->head = model->embed;
    return AC_OK;
}

/* What each layer has becomes the plan of the one variant. */
static ac_status take_plan(aci_model *model, const aci_checkpoint *checkpoint,
                           ac_error *error)
{
    const aci_kept *kept = aci_model_checkpoint_kept(checkpoint);
    aci_variant *full = &model->variants[0];
    size_t n = (size_t)model->shape.n_layer;

    aci_model_variant_dense(full);
    model->n_variants = 1;
    model->full_variant = 0;
    if (kept == NULL)
        return AC_OK;
    full->kept = aci_platform_alloc_array(model->memory, n, sizeof *kept);
    if (full->kept == NULL)
        return aci_platform_fail_memory(error, "a variant's plan");
    memcpy(full->kept, kept, n * sizeof *kept);
    full->n_kept = model->shape.n_layer;
    return AC_OK;
}

ac_status aci_model_load_dense(aci_model *model, ac_error *error)
{
    aci_checkpoint *checkpoint = NULL;
    ac_status status = aci_model_checkpoint_open_cut(
        &checkpoint, model->memory, model->zoo_path, error);

    if (status != AC_OK)
        return status;
    model->shape = *aci_model_checkpoint_shape(checkpoint);
    model->checksum = aci_model_checkpoint_checksum(checkpoint);
    status = take_plan(model, checkpoint, error);
    if (status == AC_OK)
        status = load_tensors(model, checkpoint, error);
    aci_model_checkpoint_close(checkpoint);
    return status;
}
