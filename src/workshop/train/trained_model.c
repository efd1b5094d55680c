/* trained_model.c - the model as a Hugging Face directory: config.json, the
 * tokenizer's files as they were, model.safetensors in bfloat16. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/checkpoint_json.h"
#include "model/safetensors_write.h"
#include "model/tensor_names.h"
#include "platform/error.h"
#include "platform/half.h"
#include "workshop/train/trainer.h"

#define MAX_COPIED_BYTES ((size_t)1 << 28)
#define MAX_CONFIG_BYTES ((size_t)1 << 20)

/* ---- what comes with the weights ----------------------------------------- */

static ac_status write_file(const aci_trainer *trainer, const char *name,
                            const char *bytes, size_t n, ac_error *error)
{
    char *path = aci_platform_join(trainer->memory, trainer->out, name);
    aci_writer *writer = NULL;
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_platform_writer_open(&writer, trainer->memory, path, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(writer, bytes, n, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(writer);
    aci_platform_free(trainer->memory, path);
    return status;
}

/* Files that are not there are passed over. */
static ac_status copy_file(const aci_trainer *trainer, const char *name,
                           ac_error *error)
{
    char *from = aci_platform_join(trainer->memory, trainer->model, name);
    char *bytes = NULL;
    size_t n = 0;
    ac_status status = AC_OK;

    if (from == NULL)
        return aci_platform_fail_memory(error, "a path");
    if (aci_platform_is_file(from)) {
        status = aci_platform_read_file(&bytes, &n, trainer->memory, from,
                                        MAX_COPIED_BYTES, error);
        if (status == AC_OK)
            status = write_file(trainer, name, bytes, n, error);
    }
    aci_platform_free(trainer->memory, bytes);
    aci_platform_free(trainer->memory, from);
    return status;
}

/* The type of the weights is ours to say; the rest is kept. */
static ac_status write_config(const aci_trainer *trainer, ac_error *error)
{
    char *path = aci_platform_join(trainer->memory, trainer->model,
                                   "config.json");
    json_t *config = NULL;
    char *text = NULL;
    size_t n;
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_json_load(&config, trainer->memory, path,
                                 MAX_CONFIG_BYTES, error);
    aci_platform_free(trainer->memory, path);
    if (status != AC_OK)
        return status;
    json_object_set_new(config,
                        json_object_get(config, "dtype") != NULL
                            ? "dtype"
                            : "torch_dtype", json_string("bfloat16"));
    n = json_dumpb(config, NULL, 0, JSON_INDENT(2));
    text = aci_platform_alloc(trainer->memory, n + 1);
    if (text == NULL || n == 0) {
        status = aci_platform_fail_memory(error, "config.json");
    } else {
        json_dumpb(config, text, n, JSON_INDENT(2));
        text[n] = '\n';
        status = write_file(trainer, "config.json", text, n + 1, error);
    }
    aci_platform_free(trainer->memory, text);
    json_decref(config);
    return status;
}

ac_status aci_workshop_trained_begin(const aci_trainer *trainer,
                                     ac_error *error)
{
    static const char *const names[] = {
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "generation_config.json", "tokenizer.model", "vocab.json",
        "merges.txt", "added_tokens.json", "chat_template.jinja"
    };
    ac_status status = write_config(trainer, error);

    for (size_t i = 0; status == AC_OK && i < sizeof names / sizeof *names;
         i++)
        status = copy_file(trainer, names[i], error);
    return status;
}

/* ---- weights ------------------------------------------------------------- */

typedef struct output {
    aci_trainer *trainer;
    aci_writer *writer;
    float *values;         /* of one tensor */
    float *left, *right;   /* of its adapter; NULL: there are none */
    uint16_t *halves;
} output;

/* The parameter of that name, or the count when there is none. */
static size_t find(const aci_network *network, const char *name)
{
    size_t n = aci_workshop_network_count(network), i = 0;

    while (i < n && strcmp(aci_workshop_network_at(network, i)->name,
                           name) != 0)
        i++;
    return i;
}

/* Round to nearest even; what was finite stays finite. */
static uint16_t bf16_of(float value)
{
    uint32_t bits = aci_platform_bits_from_f32(value);

    bits += 0x7FFFu + ((bits >> 16) & 1u);
    if ((bits & 0x7F800000u) == 0x7F800000u)
        bits -= 0x10000u;
    return (uint16_t)(bits >> 16);
}

/* values += scale * b a, b [n_rows, rank], a [rank, n_columns] */
static void add_product(float *values, const float *b, const float *a,
                        int64_t n_rows, int64_t n_columns, int64_t rank,
                        float scale)
{
    for (int64_t i = 0; i < n_rows; i++)
        for (int64_t r = 0; r < rank; r++) {
            float factor = scale * b[i * rank + r];

            for (int64_t j = 0; j < n_columns; j++)
                values[i * n_columns + j] += factor * a[r * n_columns + j];
        }
}

static ac_status merge(output *o, const char *name, ac_error *error)
{
    const aci_train_settings *settings = &o->trainer->settings;
    aci_network *network = o->trainer->network;
    char a_name[48], b_name[48];
    const aci_parameter *a, *b;
    size_t ia, ib, n = aci_workshop_network_count(network);
    ac_status status;

    snprintf(a_name, sizeof a_name, "%.32s.lora_a", name);
    snprintf(b_name, sizeof b_name, "%.32s.lora_b", name);
    ia = find(network, a_name);
    ib = find(network, b_name);
    if (ia == n || ib == n)
        return AC_OK;
    a = aci_workshop_network_at(network, ia);
    b = aci_workshop_network_at(network, ib);
    status = aci_workshop_network_read(o->right, network, ia, ACI_OF_VALUE,
                                       error);
    if (status == AC_OK)
        status = aci_workshop_network_read(o->left, network, ib, ACI_OF_VALUE,
                                           error);
    if (status == AC_OK)
        add_product(o->values, o->left, o->right, b->n_rows, a->n_columns,
                    a->n_rows, settings->network.alpha / (float)a->n_rows);
    return status;
}

static ac_status write_tensor(output *o, const aci_tensor *tensor,
                              ac_error *error)
{
    size_t n = (size_t)tensor->n_out * (size_t)tensor->n_in;
    size_t i = find(o->trainer->network, tensor->name);
    ac_status status;

    if (i == aci_workshop_network_count(o->trainer->network))
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "the network had no %s", tensor->name);
    status = aci_workshop_network_read(o->values, o->trainer->network, i,
                                       ACI_OF_VALUE, error);
    if (status == AC_OK && o->left != NULL)
        status = merge(o, tensor->name, error);
    if (status != AC_OK)
        return status;
    for (size_t k = 0; k < n; k++) {
        if (!isfinite(o->values[k]))
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "%s was not finite", tensor->name);
        o->halves[k] = bf16_of(o->values[k]);
    }
    return aci_platform_writer_append(o->writer, o->halves,
                                      n * sizeof *o->halves, error);
}

/* The file's directory, names in `names` beside it. */
static void list_tensors(aci_safetensor *list,
                         char (*names)[ACI_FILE_NAME_BYTES], size_t n,
                         size_t *largest, const aci_shape *shape)
{
    *largest = 1;
    for (size_t i = 0; i < n; i++) {
        aci_safetensor *out = &list[i];
        aci_tensor tensor;
        size_t size;

        aci_model_tensor_at(&tensor, shape, i);
        aci_model_tensor_name_hf(names[i], &tensor);
        size = (size_t)tensor.n_out * (size_t)tensor.n_in;
        out->name = names[i];
        out->type = "BF16";
        out->n_dimensions = tensor.is_matrix ? 2 : 1;
        out->dimensions[0] = (uint64_t)(tensor.is_matrix ? tensor.n_out
                                                         : tensor.n_in);
        out->dimensions[1] = (uint64_t)tensor.n_in;
        out->n_bytes = size * sizeof(uint16_t);
        *largest = size > *largest ? size : *largest;
    }
}

static ac_status write_tensors(output *o, const aci_safetensor *list, size_t n,
                               size_t largest, ac_error *error)
{
    aci_memory *memory = o->trainer->memory;
    int lora = o->trainer->settings.network.trainable == ACI_TRAIN_LORA;
    ac_status status;

    o->values = aci_platform_alloc_array(memory, largest, sizeof(float));
    o->halves = aci_platform_alloc_array(memory, largest, sizeof(uint16_t));
    if (lora) {
        o->left = aci_platform_alloc_array(memory, largest, sizeof(float));
        o->right = aci_platform_alloc_array(memory, largest, sizeof(float));
    }
    if (o->values == NULL || o->halves == NULL ||
        (lora && (o->left == NULL || o->right == NULL)))
        return aci_platform_fail_memory(error, "writing the model");
    status = aci_model_safetensors_begin(o->writer, memory, list, n, error);
    for (size_t i = 0; status == AC_OK && i < n; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, &o->trainer->shape, i);
        status = write_tensor(o, &tensor, error);
    }
    return status;
}

static ac_status write_weights(aci_trainer *trainer, ac_error *error)
{
    aci_memory *memory = trainer->memory;
    size_t n = aci_model_tensor_count(&trainer->shape), largest;
    aci_safetensor *list = aci_platform_alloc_zeroed(memory, n, sizeof *list);
    char (*names)[ACI_FILE_NAME_BYTES] =
        aci_platform_alloc_zeroed(memory, n, sizeof *names);
    char *path = aci_platform_join(memory, trainer->out, "model.safetensors");
    output o = { .trainer = trainer };
    ac_status status = AC_OK;

    if (list == NULL || names == NULL || path == NULL)
        status = aci_platform_fail_memory(error, "writing the model");
    if (status == AC_OK)
        status = aci_platform_writer_open(&o.writer, memory, path, error);
    if (status == AC_OK) {
        list_tensors(list, names, n, &largest, &trainer->shape);
        status = write_tensors(&o, list, n, largest, error);
    }
    if (status == AC_OK)
        status = aci_platform_writer_commit(o.writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(o.writer);
    aci_platform_free(memory, o.right);
    aci_platform_free(memory, o.left);
    aci_platform_free(memory, o.halves);
    aci_platform_free(memory, o.values);
    aci_platform_free(memory, path);
    aci_platform_free(memory, names);
    aci_platform_free(memory, list);
    return status;
}

ac_status aci_workshop_trained_write(aci_trainer *trainer, ac_error *error)
{
    ac_status status = aci_workshop_trainer_swap(trainer, error), back;

    if (status != AC_OK)
        return status;
    status = write_weights(trainer, error);
    back = aci_workshop_trainer_swap(trainer, error);
    return status != AC_OK ? status : back;
}
