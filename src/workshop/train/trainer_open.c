/* trainer_open.c - everything a run needs before its first step: the model and
 * its tokenizer, the data, the teacher, and where an earlier run stopped. */
#include <math.h>
#include <string.h>

#include "model/checkpoint_json.h"
#include "model/hf_config.h"
#include "platform/error.h"
#include "workshop/train/trainer.h"

#define MAX_CONFIG_BYTES ((size_t)1 << 20)

/* ---- the model ----------------------------------------------------------- */

/* Shape from config.json alone: there may be no weights. */
static ac_status read_shape(aci_trainer *trainer, ac_error *error)
{
    char *path = aci_platform_join(trainer->memory, trainer->model,
                                   "config.json");
    json_t *config = NULL;
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_json_load(&config, trainer->memory, path,
                                 MAX_CONFIG_BYTES, error);
    if (status == AC_OK) {
        status = aci_model_hf_config(&trainer->shape, config, trainer->model,
                                     error);
        if (status != AC_OK)
            aci_platform_fail_within(error, status, path);
    }
    json_decref(config);
    aci_platform_free(trainer->memory, path);
    return status;
}

static ac_status look_for_weights(aci_trainer *trainer, ac_error *error)
{
    static const char *const names[] = { "model.safetensors",
                                         "model.safetensors.index.json" };

    for (int i = 0; i < 2; i++) {
        char *path = aci_platform_join(trainer->memory, trainer->model,
                                       names[i]);

        if (path == NULL)
            return aci_platform_fail_memory(error, "a path");
        if (aci_platform_is_file(path) &&
            !trainer->settings.given.from_scratch)
            trainer->has_weights = 1;
        aci_platform_free(trainer->memory, path);
    }
    return AC_OK;
}

static ac_status load_weights(aci_network *network, aci_memory *memory,
                              const char *path, ac_error *error)
{
    aci_checkpoint *checkpoint = NULL;
    ac_status status = aci_model_checkpoint_open(&checkpoint, memory, path,
                                                 error);

    if (status == AC_OK)
        status = aci_workshop_network_load(network, checkpoint, error);
    aci_model_checkpoint_close(checkpoint);
    return status;
}

static void count_parameters(aci_trainer *trainer)
{
    for (size_t i = 0; i < aci_workshop_network_count(trainer->network);
         i++) {
        const aci_parameter *p = aci_workshop_network_at(trainer->network, i);
        uint64_t n = (uint64_t)(p->n_rows * p->n_columns);

        trainer->n_parameters += n;
        if (p->gradient != NULL)
            trainer->n_trainable += n;
    }
}

static ac_status open_network(aci_trainer *trainer, ac_error *error)
{
    ac_status status = aci_workshop_network_create(
        &trainer->network, trainer->memory, trainer->pool, &trainer->shape,
        &trainer->settings.network, error);

    if (status != AC_OK)
        return status;
    aci_workshop_network_initialise(trainer->network,
                                    trainer->settings.given.seed);
    if (trainer->has_weights)
        status = load_weights(trainer->network, trainer->memory,
                              trainer->model, error);
    count_parameters(trainer);
    if (status == AC_OK && trainer->n_trainable == 0)
        status = aci_platform_fail(error, AC_E_ARGUMENT,
                                   "trainable \"%.40s\" left nothing to train",
                                   trainer->settings.given.trainable);
    return status;
}

static ac_status open_teacher(aci_trainer *trainer, ac_error *error)
{
    const char *path = trainer->settings.given.teacher;
    aci_network_options options = {
        .forward_only = true,
        .precision = trainer->settings.network.precision
    };
    aci_checkpoint *checkpoint = NULL;
    const aci_shape *shape;
    ac_status status;

    if (path == NULL)
        return AC_OK;
    status = aci_model_checkpoint_open(&checkpoint, trainer->memory, path,
                                       error);
    if (status != AC_OK)
        return status;
    shape = aci_model_checkpoint_shape(checkpoint);
    options.max_tokens = trainer->settings.network.max_tokens;
    if (shape->n_vocab != trainer->shape.n_vocab)
        status = aci_platform_fail(error, AC_E_ARGUMENT,
                                   "the teacher has %d tokens and the model "
                                   "%d: they need the same tokenizer",
                                   shape->n_vocab, trainer->shape.n_vocab);
    if (status == AC_OK)
        status = aci_workshop_network_create(&trainer->teacher,
                                             trainer->memory, trainer->pool,
                                             shape, &options, error);
    if (status == AC_OK)
        status = aci_workshop_network_load(trainer->teacher, checkpoint,
                                           error);
    aci_model_checkpoint_close(checkpoint);
    if (status != AC_OK)
        return status;
    trainer->teacher_logits = aci_platform_alloc_array(
        trainer->memory, (size_t)options.max_tokens,
        (size_t)trainer->shape.n_vocab * sizeof *trainer->teacher_logits);
    if (trainer->teacher_logits == NULL)
        return aci_platform_fail_memory(error, "the teacher's logits");
    return AC_OK;
}

/* Averages begin at the weights; the last of the list is a scratch buffer. */
static ac_status open_average(aci_trainer *trainer, ac_error *error)
{
    aci_network *network = trainer->network;
    size_t n = aci_workshop_network_count(network), most = 1;

    if (trainer->settings.given.average_decay == 0.0f)
        return AC_OK;
    trainer->average = aci_platform_alloc_zeroed(trainer->memory, n + 1,
                                                 sizeof *trainer->average);
    for (size_t i = 0; i <= n && trainer->average != NULL; i++) {
        size_t size = most;

        if (i < n) {
            const aci_parameter *p = aci_workshop_network_at(network, i);

            size = (size_t)(p->n_rows * p->n_columns);
            most = size > most ? size : most;
            if (p->gradient == NULL)
                continue;
        }
        trainer->average[i] = aci_platform_alloc_array(trainer->memory, size,
                                                       sizeof(float));
        if (trainer->average[i] == NULL)
            return aci_platform_fail_memory(error, "averaged weights");
        if (i < n) {
            ac_status status = aci_workshop_network_read(
                trainer->average[i], network, i, ACI_OF_VALUE, error);

            if (status != AC_OK)
                return status;
        }
    }
    return trainer->average != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "averaged weights");
}

/* ---- the data ------------------------------------------------------------ */

static ac_status read_one(aci_trainer *trainer, aci_corpus_reading *reading,
                          const char *text, ac_error *error)
{
    size_t n_path = strlen(text);
    double weight = 1.0;
    ac_status status = aci_workshop_settings_data(&n_path, &weight, text,
                                                  error);
    char *path;

    if (status != AC_OK)
        return status;
    path = aci_platform_strndup(trainer->memory, text, n_path);
    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_workshop_corpus_read(reading, path, weight, error);
    aci_platform_free(trainer->memory, path);
    return status;
}

/* More files than that are told apart only together. */
enum { MOST_FILES = 256, MOST_NAME = 100 };

static json_t *checksum_json(uint64_t sum)
{
    char text[17];

    for (int i = 0; i < 16; i++)
        text[i] = "0123456789abcdef"[sum >> (60 - 4 * i) & 15];
    text[16] = '\0';
    return json_string(text);
}

/* Behind how text is read, a file each: [name, checksum of all up to its end].
 * So that a resumed run can say which file is another one. */
static ac_status note_file(aci_trainer *trainer, const char *path,
                           ac_error *error)
{
    size_t n = strlen(path);
    uint64_t sum = aci_workshop_corpus_checksum(&trainer->data) ^
                   3 * aci_workshop_corpus_checksum(&trainer->held_out);
    json_t *name = json_string(path + (n > MOST_NAME ? n - MOST_NAME : 0));

    if (name == NULL) /* cut within a character, or no UTF-8 */
        name = json_sprintf("file %zu", json_array_size(trainer->files) + 1);
    if (json_array_append_new(trainer->files,
                              json_pack("[o, o]", name,
                                        checksum_json(sum))) != 0)
        return aci_platform_fail_memory(error, "a checksum");
    return AC_OK;
}

static ac_status read_data(aci_trainer *trainer, ac_error *error)
{
    const ac_training_options *o = &trainer->settings.given;
    aci_corpus_reading reading = { .tokenizer = trainer->tokenizer,
                                   .train = &trainer->data,
                                   .documents = (int32_t)o->documents };
    ac_status status = AC_OK;

    aci_workshop_corpus_init(&trainer->data, trainer->memory,
                             (int32_t)o->n_context, trainer->shape.n_vocab);
    aci_workshop_corpus_init(&trainer->held_out, trainer->memory,
                             (int32_t)o->n_context, trainer->shape.n_vocab);
    if (o->held_out_share > 0.0f) {
        reading.held_out = &trainer->held_out;
        reading.held_out_share = o->held_out_share;
    }
    trainer->files = json_pack("[[s, f, i, i]]", "", (double)o->held_out_share,
                               (int)o->documents, (int)o->n_context);
    for (uint32_t i = 0; status == AC_OK && i < o->n_data; i++) {
        status = read_one(trainer, &reading, o->data[i], error);
        if (status == AC_OK && i < MOST_FILES)
            status = note_file(trainer, o->data[i], error);
    }
    reading.train = &trainer->held_out;
    reading.held_out = NULL;
    reading.held_out_share = 0.0;
    for (uint32_t i = 0; status == AC_OK && i < o->n_held_out; i++) {
        status = aci_workshop_corpus_read(&reading, o->held_out[i], 1.0,
                                          error);
        if (status == AC_OK && o->n_data + i < MOST_FILES)
            status = note_file(trainer, o->held_out[i], error);
    }
    if (status == AC_OK && trainer->held_out.n_pieces == 0 &&
        (o->n_held_out > 0 || o->held_out_share > 0.0f))
        status = aci_platform_fail(error, AC_E_ARGUMENT,
                                   "nothing was left to hold out");
    return status;
}

static ac_status open_batches(aci_trainer *trainer, ac_error *error)
{
    const ac_training_options *o = &trainer->settings.given;
    ac_status status = AC_OK;

    trainer->batches = aci_platform_alloc_zeroed(
        trainer->memory, o->n_accumulate, sizeof *trainer->batches);
    if (trainer->batches == NULL)
        return aci_platform_fail_memory(error, "batches");
    for (uint32_t i = 0; status == AC_OK && i < o->n_accumulate; i++)
        status = aci_workshop_corpus_batch_create(
            &trainer->batches[i], trainer->memory, (int32_t)o->batch_tokens,
            error);
    return status;
}

/* ---- resuming ------------------------------------------------------------ */

static ac_status add_checksum(aci_trainer *trainer, const char *name,
                              uint64_t sum, ac_error *error)
{
    if (json_object_set_new(trainer->fingerprint, name,
                            checksum_json(sum)) == 0)
        return AC_OK;
    return aci_platform_fail_memory(error, "a checksum");
}

static ac_status take_fingerprint(aci_trainer *trainer, ac_error *error)
{
    uint64_t sum = 0;
    ac_status status;

    trainer->fingerprint = aci_workshop_settings_describe(&trainer->settings);
    if (trainer->fingerprint == NULL)
        return aci_platform_fail_memory(error, "a fingerprint");
    status = add_checksum(trainer, "data",
                          aci_workshop_corpus_checksum(&trainer->data), error);
    if (status == AC_OK &&
        json_object_set(trainer->fingerprint, "files", trainer->files) != 0)
        status = aci_platform_fail_memory(error, "a fingerprint");
    if (status == AC_OK)
        status = add_checksum(trainer, "held_out data",
                              aci_workshop_corpus_checksum(&trainer->held_out),
                              error);
    if (status == AC_OK)
        status = aci_workshop_state_checksum(&sum, trainer->memory,
                                             trainer->network, error);
    if (status == AC_OK)
        status = add_checksum(trainer, "model", sum, error);
    if (status == AC_OK && trainer->teacher != NULL)
        status = aci_workshop_state_checksum(&sum, trainer->memory,
                                             trainer->teacher, error);
    if (status == AC_OK && trainer->teacher != NULL)
        status = add_checksum(trainer, "teacher", sum, error);
    return status;
}

static ac_status begin_or_resume(aci_trainer *trainer, ac_error *error)
{
    const ac_training_options *o = &trainer->settings.given;
    int exists = 0;
    ac_status status;

    trainer->counters.held_out_loss = NAN;
    trainer->counters.best_loss = NAN;
    status = aci_platform_make_directory(trainer->out, error);
    if (status == AC_OK)
        status = aci_workshop_state_exists(&exists, trainer, error);
    if (status == AC_OK && exists && !o->resume && !o->overwrite)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s holds a training run already; resume or "
                                 "overwrite it", trainer->out);
    if (status == AC_OK && exists && o->resume)
        status = aci_workshop_state_load(trainer, error);
    trainer->seconds_before = trainer->counters.seconds;
    trainer->step_before = trainer->counters.step;
    if (status == AC_OK)
        status = aci_workshop_log_open(trainer, error);
    if (status == AC_OK && trainer->counters.step == 0)
        status = aci_workshop_trained_begin(trainer, error);
    if (status == AC_OK && trainer->counters.step == 0)
        status = aci_workshop_state_save(trainer, error);
    return status;
}

/* ---- all of it ----------------------------------------------------------- */

static ac_status open_model(aci_trainer *trainer, ac_error *error)
{
    ac_status status = read_shape(trainer, error);

    if (status == AC_OK)
        status = look_for_weights(trainer, error);
    if (status == AC_OK)
        status = aci_workshop_settings_fit(&trainer->settings, &trainer->shape,
                                           trainer->has_weights, error);
    if (status == AC_OK)
        status = aci_tokenizer_from_folder(&trainer->tokenizer,
                                           trainer->memory, trainer->model,
                                           error);
    if (status == AC_OK &&
        aci_tokenizer_size(trainer->tokenizer) > trainer->shape.n_vocab)
        status = aci_platform_fail(
            error, AC_E_FORMAT, "the tokenizer has %d tokens, the model %d",
            aci_tokenizer_size(trainer->tokenizer), trainer->shape.n_vocab);
    return status;
}

/* Products are measured for a third of a second: not when the run is hardly
 * longer. */
static int is_worth_measuring(const aci_trainer *trainer)
{
    const ac_training_options *o = &trainer->settings.given;

    return (double)o->n_steps * o->batch_tokens * o->n_accumulate > 50000.0;
}

ac_status aci_workshop_trainer_open(aci_trainer *trainer, ac_error *error)
{
    ac_status status = open_model(trainer, error);

    if (status == AC_OK)
        status = read_data(trainer, error);
    if (status == AC_OK)
        status = aci_workshop_settings_plan(&trainer->settings, &trainer->data,
                                            error);
    if (status == AC_OK)
        status = open_batches(trainer, error);
    if (status == AC_OK)
        status = open_network(trainer, error);
    if (status == AC_OK)
        status = open_teacher(trainer, error);
    if (status == AC_OK)
        status = take_fingerprint(trainer, error);
    if (status == AC_OK)
        status = open_average(trainer, error);
    if (status == AC_OK)
        status = begin_or_resume(trainer, error);
    if (status == AC_OK && is_worth_measuring(trainer))
        status = aci_workshop_rate_measure(
            &trainer->matrix_rate, trainer->memory, trainer->pool,
            &trainer->shape, trainer->settings.network.max_tokens,
            trainer->settings.network.precision == ACI_BFLOAT16
                ? ACI_MULTIPLY_BFLOAT16 : NULL, error);
    return status;
}

void aci_workshop_trainer_close(aci_trainer *trainer)
{
    aci_memory *memory = trainer->memory;
    uint32_t n_passes = trainer->settings.given.n_accumulate;

    aci_platform_line_log_close(trainer->log);
    for (uint32_t i = 0; trainer->batches != NULL && i < n_passes; i++)
        aci_workshop_corpus_batch_free(&trainer->batches[i]);
    aci_platform_free(memory, trainer->batches);
    if (trainer->average != NULL) {
        size_t n = aci_workshop_network_count(trainer->network);

        for (size_t i = 0; i <= n; i++)
            aci_platform_free(memory, trainer->average[i]);
    }
    aci_platform_free(memory, trainer->average);
    aci_platform_free(memory, trainer->teacher_logits);
    aci_workshop_network_free(trainer->teacher);
    aci_workshop_network_free(trainer->network);
    aci_workshop_corpus_free(&trainer->held_out);
    aci_workshop_corpus_free(&trainer->data);
    aci_tokenizer_close(trainer->tokenizer);
    json_decref(trainer->fingerprint);
    json_decref(trainer->files);
}
