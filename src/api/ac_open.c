/* ac_open.c - opening a zoo or a checkpoint, and saying what was opened. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/checkpoint_tokenizer.h"
#include "api/handles.h"
#include "platform/checksum.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "platform/files.h"
#include "workshop/workshop.h"

void aci_api_log(const ac_engine *engine, int32_t level, const char *text)
{
    if (engine->on_log != NULL)
        engine->on_log(level, text, engine->log_user);
}

/* ---- stages of opening --------------------------------------------------- */

static ac_status take(ac_open_options *own, const ac_open_options *options,
                      ac_error *error)
{
    ac_open_options start = AC_OPEN_OPTIONS_INIT;
    ac_status status;

    *own = start;
    status = aci_api_take_options(own, sizeof *own, options, "options",
                                  error);
    if (status != AC_OK)
        return status;
    if ((own->allocate == NULL) != (own->release == NULL))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "allocate and release were not both given");
    if (own->ledger_policy > AC_LEDGER_DROP)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "ledger_policy was %u", own->ledger_policy);
    if (own->n_threads > 1024)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_threads was %u, more than 1024",
                                 own->n_threads);
    return AC_OK;
}

static ac_status open_model(ac_engine *engine, const char *path,
                            const ac_open_options *options, ac_error *error)
{
    const char *synthetic = aci_api_synthetic(path);

    return synthetic != NULL
               ? aci_workshop_synthetic_open(&engine->model, &engine->memory,
                                             synthetic, error)
               : aci_model_open(&engine->model, &engine->memory, path,
                                options->verify_checksums != 0, error);
}

static ac_status open_tokenizer(ac_engine *engine, const char *path,
                                ac_error *error)
{
    char *file;
    ac_status status;

    if (aci_api_synthetic(path) != NULL)
        return aci_api_byte_tokenizer(&engine->tokenizer, &engine->memory,
                                      error);
    if (engine->model->is_checkpoint)
        return aci_api_checkpoint_tokenizer(&engine->tokenizer,
                                            &engine->memory, path, error);
    file = aci_platform_join(&engine->memory, path, ACI_ZOO_TOKENIZER);
    if (file == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_tokenizer_open(&engine->tokenizer, &engine->memory, file,
                                error);
    aci_platform_free(&engine->memory, file);
    return status;
}

/* Which predictor decided: the ledger keeps it for replaying. */
static ac_status check_in_predictor(ac_engine *engine, const char *file,
                                    ac_error *error)
{
    aci_mapping mapping;
    ac_status status = aci_platform_map(&mapping, file, error);

    if (status != AC_OK)
        return status;
    engine->predictor_checksum = aci_platform_checksum(mapping.data,
                                                       mapping.size, 0);
    aci_platform_unmap(&mapping);
    return AC_OK;
}

static ac_status open_predictor(ac_engine *engine, const char *path,
                                ac_error *error)
{
    char *file;
    ac_status status = AC_OK;

    if (engine->model->is_checkpoint || aci_api_synthetic(path) != NULL)
        return AC_OK;
    file = aci_platform_join(&engine->memory, path, ACI_ZOO_PREDICTOR);
    if (file == NULL)
        return aci_platform_fail_memory(error, "a path");
    if (aci_platform_is_file(file))
        status = aci_router_predictor_open(&engine->predictor,
                                           &engine->memory, file, error);
    if (engine->predictor != NULL)
        status = check_in_predictor(engine, file, error);
    aci_platform_free(&engine->memory, file);
    return status;
}

/* "cuda:3" -> 3; -1 for anything else. */
static int32_t cuda_number(const char *device)
{
    char *end;
    long number;

    if (strncmp(device, "cuda", 4) != 0)
        return -1;
    if (device[4] == '\0')
        return 0;
    if (device[4] != ':' || device[5] < '0' || device[5] > '9')
        return -1;
    number = strtol(device + 5, &end, 10);
    return *end == '\0' && number < 1024 ? (int32_t)number : -1;
}

/* What runs where; `reason` says why it is not the GPU, "" when that is not
 * the question. */
static void describe_device(ac_engine *engine, const char *reason)
{
    snprintf(engine->device, sizeof engine->device, "%s%s%.120s%s",
             engine->backend->description, *reason ? " (no GPU: " : "",
             reason, *reason ? ")" : "");
}

static ac_status open_backend(ac_engine *engine,
                              const ac_open_options *options, ac_error *error)
{
    const aci_shape *shape = &engine->model->shape;
    const char *device = options->device ? options->device : "auto";
    int32_t width = shape->n_ff, heads = shape->n_head * shape->head_dim;
    ac_error reason = AC_ERROR_INIT;
    ac_status status = AC_E_DEVICE;
    size_t most_bytes = options->device_memory_limit_bytes < SIZE_MAX
                            ? (size_t)options->device_memory_limit_bytes
                            : SIZE_MAX;
    int automatic = strcmp(device, "auto") == 0;

    if (width < shape->n_embd)
        width = shape->n_embd;
    if (width < heads)
        width = heads;
    if (!automatic && strcmp(device, "cpu") != 0) {
        if (cuda_number(device) < 0)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "device \"%.32s\" was none of auto, "
                                     "cpu, cuda:N", device);
        status = aci_cuda_open(&engine->backend, &engine->memory,
                               cuda_number(device), width, most_bytes,
                               error);
        if (status == AC_OK)
            describe_device(engine, "");
        return status;
    }
    if (automatic && options->cpu_level == NULL)
        status = aci_cuda_open(&engine->backend, &engine->memory, 0, width,
                               most_bytes, &reason);
    if (status != AC_OK)
        status = aci_kernels_cpu_open(&engine->backend, &engine->memory,
                                      engine->pool, options->cpu_level, width,
                                      error);
    if (status == AC_OK)
        describe_device(engine, reason.message);
    return status;
}

static ac_status open_accountant(ac_engine *engine,
                                 const ac_open_options *options,
                                 ac_error *error)
{
    aci_accountant_options own = { 0 };

    own.ledger_path = options->ledger_path;
    own.ledger_policy = options->ledger_policy;
    own.price_book_path = options->price_book_path;
    own.price_name = options->price_name;
    own.predictor_checksum = engine->predictor_checksum;
    return aci_accountant_open(&engine->accountant, &engine->memory,
                               engine->model, &own, error);
}

typedef struct copying {
    const ac_open_options *options;
    uint64_t began;
} copying;

static ac_status tell_copied(uint64_t done, uint64_t total, void *user,
                             ac_error *error)
{
    const copying *c = user;
    ac_progress progress = { sizeof progress, 0, "upload", done, total, 0.0,
                             (double)NAN };

    progress.seconds = 1e-9 * (double)(aci_platform_monotonic_nanoseconds() -
                                       c->began);
    if (c->options->on_progress(&progress, c->options->progress_user) == 0)
        return AC_OK;
    return aci_platform_fail(error, AC_E_CANCELLED,
                             "copying to the device was cancelled");
}

static ac_status open_on_device(ac_engine *engine,
                                const ac_open_options *options,
                                ac_error *error)
{
    copying c = { options, aci_platform_monotonic_nanoseconds() };

    return aci_engine_open_told(&engine->engine, &engine->memory,
                                engine->model, engine->backend,
                                options->on_progress != NULL ? tell_copied
                                                             : NULL,
                                &c, error);
}

static ac_status open_parts(ac_engine *engine, const char *path,
                            const ac_open_options *options, ac_error *error)
{
    ac_status status = open_model(engine, path, options, error);

    if (status == AC_OK)
        status = open_tokenizer(engine, path, error);
    if (status == AC_OK)
        status = open_predictor(engine, path, error);
    if (status == AC_OK)
        status = aci_platform_pool_create(&engine->pool, &engine->memory,
                                          options->n_threads, error);
    if (status == AC_OK)
        status = open_backend(engine, options, error);
    if (status == AC_OK)
        status = open_on_device(engine, options, error);
    if (status == AC_OK)
        status = open_accountant(engine, options, error);
    return status;
}

/* ---- open and close ------------------------------------------------------ */

ac_status ac_open(ac_engine **out, const char *path,
                  const ac_open_options *options, ac_error *error)
{
    ac_open_options own;
    aci_memory memory;
    ac_engine *engine;
    ac_status status = aci_api_need(out, "out", error);

    if (status != AC_OK)
        return status;
    *out = NULL;
    status = aci_api_need(path, "path", error);
    if (status == AC_OK)
        status = take(&own, options, error);
    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&memory);
    memory.allocate = own.allocate;
    memory.release = own.release;
    memory.user = own.allocator_user;
    memory.limit_bytes = own.memory_limit_bytes;
    engine = aci_platform_alloc_zeroed(&memory, 1, sizeof *engine);
    if (engine == NULL)
        return aci_platform_fail_memory(error, "the engine");
    memcpy(&engine->memory, &memory, sizeof memory);
    atomic_init(&engine->n_references, 1);
    engine->on_log = own.on_log;
    engine->log_user = own.log_user;
    status = open_parts(engine, path, &own, error);
    if (status == AC_OK) {
        aci_api_log(engine, AC_LOG_INFO, engine->device);
        *out = engine;
    } else {
        aci_api_engine_release(engine);
    }
    return status;
}

void aci_api_engine_release(ac_engine *engine)
{
    aci_memory memory;

    if (atomic_fetch_sub(&engine->n_references, 1) != 1)
        return;
    aci_accountant_close(engine->accountant);
    aci_engine_close(engine->engine);
    if (engine->backend != NULL)
        engine->backend->operations->close(engine->backend);
    aci_platform_pool_free(engine->pool);
    aci_router_predictor_close(engine->predictor);
    aci_tokenizer_close(engine->tokenizer);
    aci_model_close(engine->model);
    memcpy(&memory, &engine->memory, sizeof memory);
    aci_platform_free(&memory, engine);
}

void ac_close(ac_engine *engine)
{
    if (engine != NULL)
        aci_api_engine_release(engine);
}

/* ---- description --------------------------------------------------------- */

ac_status ac_describe(ac_engine_info *out, const ac_engine *engine,
                      ac_error *error)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    const aci_shape *shape;
    ac_status status = aci_api_need(engine, "engine", error);

    if (status != AC_OK)
        return status;
    shape = &engine->model->shape;
    info.n_variants = (uint32_t)engine->model->n_variants;
    info.full_variant = (uint32_t)engine->model->full_variant;
    info.n_threads = (uint32_t)aci_platform_pool_threads(engine->pool);
    info.n_layer = (uint32_t)shape->n_layer;
    info.n_embd = (uint32_t)shape->n_embd;
    info.n_head = (uint32_t)shape->n_head;
    info.n_head_kv = (uint32_t)shape->n_head_kv;
    info.n_vocab = (uint32_t)shape->n_vocab;
    info.n_context = (uint32_t)shape->n_context;
    info.n_parameters = aci_model_parameter_count_kept(
        shape,
        engine->model->variants[engine->model->full_variant].kept);
    info.mapped_bytes = engine->model->mapped_bytes;
    info.allocated_bytes = atomic_load(&engine->memory.used_bytes);
    info.device_bytes = engine->backend->operations->used_bytes(
        engine->backend);
    info.ledger_drops = aci_accountant_drops(engine->accountant);
    info.name = shape->name;
    info.architecture = aci_model_architecture_name(shape->architecture);
    info.device = engine->device;
    info.chat_template = aci_tokenizer_chat_name(engine->tokenizer);
    info.has_predictor = engine->predictor != NULL;
    info.is_checkpoint = (uint32_t)engine->model->is_checkpoint;
    return aci_api_give_result(out, &info, sizeof info, "out", error);
}

ac_status ac_variant_describe(ac_variant_info *out, const ac_engine *engine,
                              uint32_t index, ac_error *error)
{
    ac_variant_info info = AC_VARIANT_INFO_INIT;
    const aci_variant *variant;
    aci_token_cost cost;
    ac_status status = aci_api_need(engine, "engine", error);

    if (status != AC_OK)
        return status;
    if (index >= (uint32_t)engine->model->n_variants)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "variant %u was asked for, there are %d",
                                 index, (int)engine->model->n_variants);
    variant = &engine->model->variants[index];
    aci_model_token_cost(&cost, engine->model, (int32_t)index, 16, 0, 1);
    info.index = index;
    memcpy(info.name, variant->name, sizeof info.name);
    info.weight_bits = (uint32_t)variant->weight_bits;
    info.activation_bits = (uint32_t)variant->activation_bits;
    info.bytes_per_token = cost.bytes;
    info.macs_per_token = cost.macs;
    info.cost_ratio = variant->decode_ratio;
    info.kl_divergence = variant->kl_divergence;
    info.perplexity = variant->perplexity;
    info.success_rate = variant->success_rate;
    return aci_api_give_result(out, &info, sizeof info, "out", error);
}
