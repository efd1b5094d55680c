/* describe_variant.c - what a token costs on a variant, and what the variant
 * has of its own, as JSON. Its plan is in the card already. */
#include "model/describe_variant.h"

#include <string.h>

#include "model/tensor_list.h"

static void set_integer(json_t *object, const char *field, uint64_t value)
{
    json_object_set_new(object, field, json_integer((json_int_t)value));
}

static json_t *make_cost(const aci_model *model, int32_t variant)
{
    json_t *object = json_object();
    aci_token_cost cost;

    aci_model_token_cost(&cost, model, variant, 16, 0, 1);
    set_integer(object, "macs_per_token", cost.macs);
    set_integer(object, "bit_operations_per_token", cost.bit_operations);
    set_integer(object, "bytes_per_token", cost.bytes);
    return object;
}

/* A tensor's number of one kind: the rank of a low-rank pair, the bits of a
 * matrix, 1 for a vector; 0 where the variant owns none of that kind. */
static int64_t number_of(const aci_model *model, int32_t variant,
                         int32_t layer, int32_t row, int32_t kind)
{
    int32_t i = aci_model_extras_find(model->extras, variant, layer, row);
    const aci_owned *own;
    size_t n;

    if (i < 0)
        return 0;
    own = &aci_model_extras_all(&n, model->extras)[i];
    if (own->rank > 0)
        return kind == ACI_OWNED_LOW_RANK ? own->rank : 0;
    if (own->kind != kind)
        return 0;
    return kind == ACI_OWNED_MATRIX ? own->bits : 1;
}

/* {"q": [64, 64, 0, 32], "head": 128}: per layer, only tensors of which there
 * is one. */
static json_t *make_numbers(const aci_model *model, int32_t variant,
                            int32_t kind)
{
    json_t *object = json_object();
    int32_t n_layer = model->shape.n_layer;

    for (int32_t row = 0; row < ACI_N_LAYER_ROWS; row++) {
        json_t *list = json_array();
        aci_tensor tensor;
        int64_t sum = 0;

        for (int32_t l = 0; l < n_layer; l++) {
            int64_t number = number_of(model, variant, l, row, kind);

            sum += number;
            json_array_append_new(list, json_integer(number));
        }
        aci_model_tensor_row(&tensor, &model->shape, 0, row);
        if (sum > 0)
            json_object_set(object, strchr(tensor.name, '.') + 1, list);
        json_decref(list);
    }
    for (int32_t row = ACI_ROW_EMBED; row < ACI_N_ROWS; row++) {
        int64_t number = number_of(model, variant, -1, row, kind);
        aci_tensor tensor;

        aci_model_tensor_row(&tensor, &model->shape, -1, row);
        if (number > 0)
            json_object_set_new(object, tensor.name, json_integer(number));
    }
    return object;
}

static void set_if_any(json_t *object, const char *field, json_t *value)
{
    if (json_object_size(value) > 0)
        json_object_set(object, field, value);
    json_decref(value);
}

void aci_model_describe_variant(json_t *object, const aci_model *model,
                                int32_t variant)
{
    json_t *own = json_object();

    json_object_set_new(object, "cost", make_cost(model, variant));
    set_if_any(own, "rank", make_numbers(model, variant,
                                         ACI_OWNED_LOW_RANK));
    set_if_any(own, "bits", make_numbers(model, variant, ACI_OWNED_MATRIX));
    set_if_any(own, "vectors", make_numbers(model, variant,
                                            ACI_OWNED_VECTOR));
    set_if_any(object, "own", own);
}
