/* ac_compress.c - from a checkpoint to a zoo; and training a predictor.
 *
 * Everything is written into a temporary directory beside the zoo's place,
 * made durable, and renamed: a zoo is there whole or not at all. */
#include <string.h>

#include "api/checkpoint_tokenizer.h"
#include "api/handles.h"
#include "model/checkpoint.h"
#include "platform/error.h"
#include "platform/files.h"
#include "workshop/workshop.h"

/* A predictor is about 40 kB; anything near this is not one. */
#define MAX_PREDICTOR_BYTES ((size_t)4 << 20)

/* What a call carries through the stages. */
typedef struct making {
    aci_memory memory;
    ac_compress_options options;
    aci_pool *pool;
    char *folder;                 /* temporary */
} making;

static ac_status check_calibration(const char *checkpoint,
                                   const ac_compress_options *options,
                                   ac_error *error)
{
    uint32_t n = options->n_calibration;

    if (options->reserved != 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "reserved was not 0 in the options");
    if (n == 0)
        return AC_OK;
    if (n > 32 || options->calibration == NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "calibration was not a list of 1 to 32 "
                                 "files");
    for (uint32_t i = 0; i < n; i++)
        if (options->calibration[i] == NULL)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "calibration file %u was NULL", i);
    if (aci_api_synthetic(checkpoint) != NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "random weights are not calibrated");
    return AC_OK;
}

static ac_status take(making *m, const char *zoo,
                      const ac_compress_options *options, ac_error *error)
{
    ac_compress_options start = AC_COMPRESS_OPTIONS_INIT;
    uint32_t group;
    ac_status status;

    memset(m, 0, sizeof *m);
    m->options = start;
    status = aci_api_take_options(&m->options, sizeof m->options, options,
                                  "options", error);
    if (status != AC_OK)
        return status;
    group = m->options.group;
    if (group != 0 && group != 32 && group != 64 && group != 128)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "group was %u, not 32, 64 or 128", group);
    if (m->options.overwrite > 1 || m->options.n_threads > 1024)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "overwrite or n_threads was out of range");
    /* Only a zoo may be written over, never somebody's other directory. */
    if (m->options.overwrite && aci_platform_is_directory(zoo) &&
        !aci_model_is_zoo(zoo))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s is no zoo and was left alone", zoo);
    aci_platform_memory_init(&m->memory);
    m->memory.limit_bytes = m->options.memory_limit_bytes;
    return AC_OK;
}

static ac_status save_tokenizer(making *m, const char *checkpoint,
                                ac_error *error)
{
    aci_tokenizer *tokenizer = NULL;
    char *file = aci_platform_join(&m->memory, m->folder, ACI_ZOO_TOKENIZER);
    ac_status status;

    if (file == NULL)
        return aci_platform_fail_memory(error, "a path");
    if (checkpoint != NULL)
        status = aci_api_checkpoint_tokenizer(&tokenizer, &m->memory,
                                              checkpoint, error);
    else
        status = aci_api_byte_tokenizer(&tokenizer, &m->memory, error);
    if (status == AC_OK)
        status = aci_tokenizer_save(tokenizer, file, error);
    aci_tokenizer_close(tokenizer);
    aci_platform_free(&m->memory, file);
    return status;
}

/* Opened once to be sure that it is one, then copied byte for byte. */
static ac_status copy_predictor(making *m, ac_error *error)
{
    const char *from = m->options.predictor_path;
    aci_predictor *predictor = NULL;
    aci_writer *writer = NULL;
    char *bytes = NULL, *file = NULL;
    size_t n_bytes;
    ac_status status;

    if (from == NULL)
        return AC_OK;
    status = aci_router_predictor_open(&predictor, &m->memory, from, error);
    aci_router_predictor_close(predictor);
    if (status == AC_OK)
        status = aci_platform_read_file(&bytes, &n_bytes, &m->memory, from,
                                        MAX_PREDICTOR_BYTES, error);
    if (status == AC_OK &&
        (file = aci_platform_join(&m->memory, m->folder,
                                  ACI_ZOO_PREDICTOR)) == NULL)
        status = aci_platform_fail_memory(error, "a path");
    if (status == AC_OK)
        status = aci_platform_writer_open(&writer, &m->memory, file, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(writer, bytes, n_bytes, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(writer);
    aci_platform_free(&m->memory, file);
    aci_platform_free(&m->memory, bytes);
    return status;
}

static ac_status fill_from_checkpoint(making *m, const char *path,
                                      ac_error *error)
{
    aci_checkpoint *checkpoint = NULL;
    ac_status status = aci_model_checkpoint_open(&checkpoint, &m->memory,
                                                 path, error);

    if (status == AC_OK)
        status = save_tokenizer(m, path, error); /* quick: fails early */
    if (status == AC_OK)
        status = aci_workshop_compress(&m->memory, m->pool, checkpoint,
                                       m->folder, &m->options, error);
    aci_model_checkpoint_close(checkpoint);
    return status;
}

static ac_status fill_synthetic(making *m, const char *shape,
                                ac_error *error)
{
    ac_status status = aci_workshop_synthesize(&m->memory, m->pool, shape,
                                               m->folder, &m->options, error);

    if (status == AC_OK)
        status = save_tokenizer(m, NULL, error);
    return status;
}

/* With calibration it takes long, and what an interrupted run finished is taken
 * up; what is quick and might be another's is not. */
static ac_status open_folder(making *m, const char *zoo, ac_error *error)
{
    static const char *const quick[] = { ACI_ZOO_CARD, ACI_ZOO_EXTRAS,
                                         ACI_ZOO_PREDICTOR };
    ac_status status;

    if (m->options.n_calibration == 0)
        return aci_platform_folder_begin(&m->folder, &m->memory, zoo,
                                         m->options.overwrite, error);
    status = aci_platform_folder_take_up(&m->folder, &m->memory, zoo,
                                         m->options.overwrite, error);
    for (size_t i = 0; status == AC_OK && i < sizeof quick / sizeof *quick;
         i++) {
        char *path = aci_platform_join(&m->memory, m->folder, quick[i]);

        if (path != NULL)
            aci_platform_remove_file(path);
        else
            status = aci_platform_fail_memory(error, "a path");
        aci_platform_free(&m->memory, path);
    }
    return status;
}

/* After a failure. Who stopped it may go on later; nothing else is worth the
 * disk. */
static void close_folder(making *m, ac_status status)
{
    if (m->folder == NULL)
        return;
    if (status != AC_E_CANCELLED ||
        !aci_workshop_compress_is_begun(&m->memory, m->folder)) {
        aci_platform_folder_abandon(&m->memory, m->folder);
        return;
    }
    if (m->options.on_log != NULL)
        m->options.on_log(AC_LOG_INFO, "what is finished is kept; the same "
                          "command goes on from there", m->options.log_user);
    aci_platform_folder_leave(&m->memory, m->folder);
}

ac_status ac_compress(const char *checkpoint, const char *zoo,
                      const ac_compress_options *options, ac_error *error)
{
    making m;
    ac_status status = aci_api_need(checkpoint, "checkpoint", error);

    if (status == AC_OK)
        status = aci_api_need(zoo, "zoo", error);
    if (status == AC_OK)
        status = take(&m, zoo, options, error);
    if (status == AC_OK)
        status = check_calibration(checkpoint, &m.options, error);
    if (status != AC_OK)
        return status;
    status = open_folder(&m, zoo, error);
    if (status == AC_OK)
        status = aci_platform_pool_create(&m.pool, &m.memory,
                                          m.options.n_threads, error);
    if (status == AC_OK) {
        const char *shape = aci_api_synthetic(checkpoint);

        status = shape != NULL
                     ? fill_synthetic(&m, shape, error)
                     : fill_from_checkpoint(&m, checkpoint, error);
    }
    if (status == AC_OK)
        status = copy_predictor(&m, error);
    if (status == AC_OK)
        status = aci_platform_folder_commit(&m.memory, m.folder, zoo, error);
    if (status != AC_OK)
        close_folder(&m, status);
    aci_platform_pool_free(m.pool);
    return status;
}

/* ---- the predictor ------------------------------------------------------- */

static ac_status check_training(const ac_train_options *options,
                                ac_error *error)
{
    uint32_t prefix = options->n_prefix_tokens;

    if (prefix != 0 && (prefix < 10 || prefix > 15))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_prefix_tokens was %u, not 10 to 15",
                                 prefix);
    if (!(options->test_share >= 0.0f && options->test_share <= 0.5f))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "test_share was not in [0, 0.5]");
    if (options->max_epochs > 10000)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "max_epochs was %u, more than 10000",
                                 options->max_epochs);
    return AC_OK;
}

ac_status ac_train_predictor(ac_train_report *report, const char *outcomes,
                             const char *predictor,
                             const ac_train_options *options,
                             ac_error *error)
{
    ac_train_options own = AC_TRAIN_OPTIONS_INIT;
    ac_train_report found = AC_TRAIN_REPORT_INIT;
    aci_memory memory;
    ac_status status = aci_api_need(outcomes, "outcomes", error);

    if (status == AC_OK)
        status = aci_api_need(predictor, "predictor", error);
    if (status == AC_OK)
        status = aci_api_take_options(&own, sizeof own, options, "options",
                                      error);
    if (status == AC_OK)
        status = check_training(&own, error);
    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&memory);
    status = aci_workshop_train_predictor(&memory, &found, outcomes,
                                          predictor, &own, error);
    if (status == AC_OK && report != NULL)
        status = aci_api_give_result(report, &found, sizeof found, "report",
                                     error);
    return status;
}
