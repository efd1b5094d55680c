/* matrix_feedback.c - see matrix_feedback.h. */
#include "workshop/compress/matrix_feedback.h"

#include <stdio.h>
#include <string.h>

#include "model/model.h"
#include "platform/error.h"

static ac_status calibrate(aci_matrix_feedback *m, aci_pool *pool,
                           const aci_checkpoint *checkpoint,
                           const char *folder, const aci_stages *stages,
                           ac_error *error)
{
    const ac_compress_options *options = m->options;
    aci_calibration_request request = {
        .checkpoint = checkpoint,
        .files = options->calibration,
        .n_files = options->n_calibration,
        .n_tokens = options->calibration_tokens,
        .path = options->calibration_cache,
        .on_progress = options->on_progress,
        .progress_user = options->progress_user,
        .on_log = options->on_log,
        .log_user = options->log_user,
    };
    aci_tokenizer *tokenizer = NULL;
    char *file = aci_platform_join(m->memory, folder, ACI_ZOO_TOKENIZER);
    char *own_file = NULL;
    ac_status status;

    if (request.path == NULL) {
        request.path = own_file = aci_workshop_stage_path(stages,
                                                          "calibration",
                                                          ".acc");
        request.replace = 1;
    }
    if (file == NULL || request.path == NULL)
        status = aci_platform_fail_memory(error, "a path");
    else
        status = aci_tokenizer_open(&tokenizer, m->memory, file, error);
    request.tokenizer = tokenizer;
    if (status == AC_OK)
        status = aci_workshop_calibration_make(&m->calibration, m->memory,
                                               pool, &request, error);
    aci_tokenizer_close(tokenizer);
    aci_platform_free(m->memory, file);
    aci_platform_free(m->memory, own_file);
    return status;
}

/* Choosing codes needs the widest input's matrices: better told before an
 * hour of calibrating than after it. */
static ac_status check_memory(const aci_matrix_feedback *m, ac_error *error)
{
    const aci_shape *shape = m->shape;
    uint64_t limit = m->memory->limit_bytes, needed;
    int32_t n = shape->n_head * shape->head_dim;
    char need[24], most[24];

    n = n > shape->n_embd ? n : shape->n_embd;
    n = n > shape->n_ff ? n : shape->n_ff;
    needed = aci_workshop_feedback_bytes(n) + m->memory->used_bytes;
    if (limit == 0 || needed <= limit)
        return AC_OK;
    return aci_platform_fail(error, AC_E_NO_MEMORY,
                             "codes of a matrix with %d inputs need %s; the "
                             "limit was %s", (int)n,
                             aci_platform_bytes_text(need, needed),
                             aci_platform_bytes_text(most, limit));
}

ac_status aci_workshop_matrix_feedback_open(aci_matrix_feedback *out,
                                            aci_memory *memory,
                                            aci_pool *pool,
                                            const aci_checkpoint *checkpoint,
                                            const char *folder,
                                            const aci_stages *stages,
                                            ac_error *error)
{
    ac_status status;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    out->options = stages->options;
    out->shape = aci_model_checkpoint_shape(checkpoint);
    out->layer = -1;
    status = check_memory(out, error);
    if (status == AC_OK)
        status = calibrate(out, pool, checkpoint, folder, stages, error);
    if (status == AC_OK)
        status = aci_workshop_algebra_create(&out->algebra, memory, pool, NULL,
                                             error);
    return status;
}

void aci_workshop_matrix_feedback_close(aci_matrix_feedback *m)
{
    if (m->memory == NULL)
        return;
    aci_workshop_feedback_free(m->feedback);
    aci_workshop_algebra_free(m->algebra);
    aci_workshop_calibration_close(m->calibration);
    memset(m, 0, sizeof *m);
}

static void warn(const aci_matrix_feedback *m)
{
    char name[64], text[160];

    if (m->options->on_log == NULL || m->feedback->factor != NULL)
        return;
    aci_workshop_calibration_name(name, m->layer, m->input,
                                  m->shape->n_layer);
    snprintf(text, sizeof text,
             "%s: statistics could not be factored; its matrices are rounded "
             "without feedback", name);
    m->options->on_log(AC_LOG_WARNING, text, m->options->log_user);
}

ac_status aci_workshop_matrix_feedback_enter(aci_matrix_feedback *m,
                                             const aci_tensor *tensor,
                                             ac_error *error)
{
    aci_input_statistics input;
    int32_t layer, which;
    ac_status status;

    if (!aci_workshop_calibration_of(&layer, &which, tensor, m->shape)) {
        aci_workshop_feedback_free(m->feedback);
        m->feedback = NULL;
        m->layer = -1;
        return AC_OK;
    }
    if (m->feedback != NULL && layer == m->layer && which == m->input)
        return AC_OK;
    aci_workshop_feedback_free(m->feedback);
    m->feedback = NULL;
    m->layer = layer;
    m->input = which;
    status = aci_workshop_order_statistics(&input, m->memory, m->order,
                                           m->calibration, layer, which,
                                           error);
    if (status != AC_OK)
        return status;
    status = aci_workshop_feedback_create(&m->feedback, m->memory, m->algebra,
                                          &input, error);
    aci_workshop_order_statistics_free(&input, m->memory);
    if (status == AC_OK)
        warn(m);
    return status;
}
