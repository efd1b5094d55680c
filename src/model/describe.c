/* describe.c - JSON for people and programs that ask what a path is. */
#include "model/describe.h"

#include <string.h>

#include "model/card_json.h"
#include "model/checkpoint.h"
#include "model/describe_variant.h"
#include "model/model_storage.h"
#include "model/tensor_list.h"
#include "model/weight_store.h"
#include "platform/error.h"
#include "platform/files.h"

static const char *scaling_name(int32_t scaling)
{
    static const char *const names[] = { "none", "linear", "dynamic",
                                         "llama3", "yarn" };

    return scaling >= 0 && scaling <= ACI_ROPE_YARN ? names[scaling]
                                                    : "unknown";
}

static void set_integer(json_t *object, const char *field, int64_t value)
{
    json_object_set_new(object, field, json_integer(value));
}

/* Of the list, those that the plan leaves. */
static int64_t count_tensors(const aci_shape *shape, const aci_kept *kept)
{
    size_t n = aci_model_tensor_count(shape);
    int64_t there = 0;

    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, shape, i);
        if (kept != NULL && tensor.layer >= 0)
            aci_model_tensor_cut(&tensor, shape, &kept[tensor.layer]);
        there += tensor.n_out > 0;
    }
    return there;
}

static json_t *make_shape(const aci_shape *shape, const aci_kept *kept)
{
    const char *architecture =
        aci_model_architecture_name(shape->architecture);
    json_t *object = json_object();

    json_object_set_new(object, "architecture",
                        json_string(architecture ? architecture : "unknown"));
    set_integer(object, "n_layer", shape->n_layer);
    set_integer(object, "n_embd", shape->n_embd);
    set_integer(object, "n_head", shape->n_head);
    set_integer(object, "n_head_kv", shape->n_head_kv);
    set_integer(object, "head_dim", shape->head_dim);
    set_integer(object, "n_ff", shape->n_ff);
    set_integer(object, "n_vocab", shape->n_vocab);
    set_integer(object, "n_context", shape->n_context);
    set_integer(object, "window", shape->window);
    json_object_set_new(object, "tied_embeddings",
                        json_boolean(shape->tied_embeddings));
    json_object_set_new(object, "attention_bias",
                        json_boolean(shape->attention_bias));
    json_object_set_new(object, "qk_norm", json_boolean(shape->qk_norm));
    json_object_set_new(object, "rope_scaling",
                        json_string(scaling_name(shape->rope_scaling)));
    json_object_set_new(object, "rope_theta",
                        json_real((double)shape->rope_theta));
    set_integer(object, "n_parameters",
                (int64_t)aci_model_parameter_count_kept(shape, kept));
    set_integer(object, "n_tensors", count_tensors(shape, kept));
    if (kept != NULL)
        json_object_set_new(object, "plan",
                            aci_model_card_plan(kept, shape->n_layer));
    return object;
}

static json_t *make_store(const aci_weight_store *store)
{
    static const char *const names[] = { "vectors", "plane_a", "plane_b",
                                         "plane_c" };
    const aci_store_header *header = aci_model_store_header(store);
    json_t *object = json_object(), *sections = json_object();

    set_integer(object, "format_version", header->format_version);
    set_integer(object, "layout_version", header->layout_version);
    set_integer(object, "bytes", (int64_t)header->file_bytes);
    set_integer(object, "group", header->group);
    for (int i = 0; i < ACI_N_SECTIONS; i++)
        set_integer(sections, names[i], (int64_t)header->section_bytes[i]);
    json_object_set_new(object, "section_bytes", sections);
    return object;
}

/* The tree as text in our own memory. */
static ac_status print(char **out, aci_memory *memory, const json_t *root,
                       ac_error *error)
{
    const size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(9);
    size_t n = root != NULL ? json_dumpb(root, NULL, 0, flags) : 0;
    char *text = n > 0 ? aci_platform_alloc(memory, n + 1) : NULL;

    if (text == NULL)
        return aci_platform_fail_memory(error, "a description");
    json_dumpb(root, text, n, flags);
    text[n] = '\0';
    *out = text;
    return AC_OK;
}

static ac_status open_parts(json_t **out_root, aci_zoo_card *card,
                            aci_weight_store **store, aci_memory *memory,
                            const char *path, int verify, ac_error *error)
{
    char *card_path = aci_platform_join(memory, path, ACI_ZOO_CARD);
    char *weights = aci_platform_join(memory, path, ACI_ZOO_WEIGHTS);
    ac_status status = AC_OK;

    if (card_path == NULL || weights == NULL)
        status = aci_platform_fail_memory(error, "a path");
    if (status == AC_OK)
        status = aci_model_card_load(out_root, card, memory, card_path,
                                     error);
    if (status == AC_OK)
        status = aci_model_store_open(store, memory, weights, verify, error);
    if (status == AC_OK &&
        card->weights_checksum != aci_model_store_checksum(*store))
        status = aci_platform_fail(error, AC_E_CHECKSUM,
                                   ACI_ZOO_CARD " belonged to another "
                                   ACI_ZOO_WEIGHTS);
    aci_platform_free(memory, card_path);
    aci_platform_free(memory, weights);
    return status;
}

/* Costs and owned tensors into the card's variants. */
static void describe_list(json_t *root, const aci_model *model)
{
    json_t *list = json_object_get(root, "variants");

    for (int32_t i = 0; i < model->n_variants; i++) {
        json_t *variant = json_array_get(list, (size_t)i);

        aci_model_describe_variant(variant, model, i);
        if ((model->absent_variants >> i & 1) != 0)
            json_object_set_new(variant, "left_out", json_true());
    }
}

/* They need a model, of which only the numbers are looked at. */
static ac_status describe_variants(json_t *root, const aci_zoo_card *card,
                                   const aci_weight_store *store,
                                   aci_memory *memory, const char *path,
                                   int verify, ac_error *error)
{
    aci_model *model = aci_platform_alloc_zeroed(memory, 1, sizeof *model);
    ac_status status;

    if (model == NULL)
        return aci_platform_fail_memory(error, "a description");
    model->shape = *aci_model_store_shape(store);
    model->group = aci_model_store_group(store);
    model->n_variants = card->n_variants;
    memcpy(model->variants, card->variants, sizeof model->variants);
    status = aci_model_check_plans(card->variants, card->n_variants,
                                   &model->shape, error);
    if (status == AC_OK)
        status = aci_model_open_extras(&model->extras, memory, path, card,
                                       store, verify, error);
    if (status == AC_OK)
        describe_list(root, model);
    aci_model_extras_close(model->extras);
    aci_platform_free(memory, model);
    return status;
}

/* Bytes of all variants over those of the model at 16 bits a weight. */
static double bytes_ratio(const aci_zoo_card *card,
                          const aci_weight_store *store)
{
    uint64_t n = aci_model_parameter_count(aci_model_store_shape(store));

    return (double)(card->weights_bytes + card->extras_bytes) /
           (2.0 * (double)n);
}

static void describe_store(json_t *root, const aci_zoo_card *card,
                           const aci_weight_store *store, int verified)
{
    json_object_set_new(root, "kind", json_string("zoo"));
    json_object_set_new(root, "shape",
                        make_shape(aci_model_store_shape(store), NULL));
    json_object_set_new(root, "store", make_store(store));
    json_object_set_new(root, "verified", json_boolean(verified));
    json_object_set_new(root, "bytes_over_16_bit",
                        json_real(bytes_ratio(card, store)));
}

ac_status aci_model_describe_open(char **out, aci_memory *memory,
                                  const aci_model *model,
                                  const aci_zoo_card *card, ac_error *error)
{
    const aci_model_storage *storage = model->storage;
    aci_zoo_card *copy = aci_platform_alloc_zeroed(memory, 1, sizeof *copy);
    json_t *root = NULL;
    ac_status status;

    *out = NULL;
    if (copy == NULL)
        return aci_platform_fail_memory(error, "a description");
    *copy = *card;
    memcpy(copy->variants, model->variants, sizeof copy->variants);
    status = aci_model_card_json(&root, copy, error);
    if (status == AC_OK) {
        describe_list(root, model);
        describe_store(root, copy, storage->store, 0);
        status = print(out, memory, root, error);
    }
    json_decref(root);
    aci_platform_free(memory, copy);
    return status;
}

ac_status aci_model_describe_zoo(char **out, aci_memory *memory,
                                 const char *path, int verify,
                                 ac_error *error)
{
    aci_zoo_card *card = aci_platform_alloc_zeroed(memory, 1, sizeof *card);
    aci_weight_store *store = NULL;
    json_t *root = NULL;
    ac_status status;

    *out = NULL;
    if (card == NULL)
        return aci_platform_fail_memory(error, "the zoo's card");
    status = open_parts(&root, card, &store, memory, path, verify, error);
    if (status == AC_OK)
        status = describe_variants(root, card, store, memory, path, verify,
                                   error);
    if (status == AC_OK) {
        describe_store(root, card, store, verify);
        status = print(out, memory, root, error);
    }
    json_decref(root);
    aci_model_store_close(store);
    aci_model_card_clear(card, memory);
    aci_platform_free(memory, card);
    return status;
}

ac_status aci_model_describe_checkpoint(char **out, aci_memory *memory,
                                        const char *path, ac_error *error)
{
    aci_checkpoint *checkpoint = NULL;
    const aci_shape *shape;
    json_t *root;
    ac_status status;

    *out = NULL;
    status = aci_model_checkpoint_open_cut(&checkpoint, memory, path, error);
    if (status != AC_OK)
        return status;
    shape = aci_model_checkpoint_shape(checkpoint);
    root = json_object();
    json_object_set_new(root, "kind", json_string("checkpoint"));
    json_object_set_new(
        root, "format",
        json_string(aci_model_checkpoint_is_gguf(checkpoint) ? "gguf"
                                                             : "safetensors"));
    json_object_set_new(root, "name", aci_model_card_string(shape->name));
    json_object_set_new(
        root, "shape",
        make_shape(shape, aci_model_checkpoint_kept(checkpoint)));
    status = print(out, memory, root, error);
    json_decref(root);
    aci_model_checkpoint_close(checkpoint);
    return status;
}
