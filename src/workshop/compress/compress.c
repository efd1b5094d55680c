/* compress.c - a checkpoint made into a zoo: each strip of 16 rows is read,
 * quantised and packed by one thread, in that thread's scratch. */
#include <stdio.h>
#include <string.h>

#include "model/checkpoint.h"
#include "platform/checksum.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/compress/ladder_make.h"
#include "workshop/compress/ladder_target.h"
#include "workshop/compress/matrix_feedback.h"
#include "workshop/compress/zoo_write.h"
#include "workshop/workshop.h"

enum { ROWS = ACI_STRIP_ROWS };

/* One thread's room for a strip of the widest matrix. */
typedef struct scratch {
    float *rows;               /* [16][n_in] as read */
    float *columns;            /* [n_in_padded][16] */
    float *errors;             /* likewise; with calibration */
    int8_t *q, *r, *t;         /* likewise */
} scratch;

typedef struct quantizer {
    aci_memory *memory;
    const aci_checkpoint *checkpoint;
    uint32_t group;
    int32_t n_threads;
    scratch *threads;
    uint64_t began_nanoseconds;
    aci_matrix_feedback calibrated; /* all zero without calibration */
    const aci_unit_order *order; /* NULL: as in the checkpoint */
    aci_stages stages;         /* with calibration */
} quantizer;

static ac_status check_tensor(const quantizer *work, const aci_tensor *tensor,
                              ac_error *error)
{
    int64_t n_rows = 0, n_columns = 0;

    if (!aci_model_checkpoint_find(work->checkpoint, tensor->name, &n_rows,
                                   &n_columns) ||
        n_rows != tensor->n_out || n_columns != tensor->n_in)
        return aci_platform_fail(
            error, AC_E_FORMAT, "the checkpoint had no tensor %s of %d x %d",
            tensor->name, (int)tensor->n_out, (int)tensor->n_in);
    return AC_OK;
}

static ac_status read_vector(float *out, const aci_tensor *tensor,
                             void *context, ac_error *error)
{
    const quantizer *work = context;
    ac_status status = check_tensor(work, tensor, error);

    if (status != AC_OK)
        return status;
    return aci_workshop_order_read(out, work->threads[0].columns, work->order,
                                   work->checkpoint, tensor, 0, 1, error);
}

/* [n][n_in] to [n_in_padded][16], padding zero. Blocked, so that both sides
 * stay in cache lines already fetched. */
static void transpose(float *columns, const float *rows, int32_t n,
                      int32_t n_in, int32_t n_in_padded)
{
    memset(columns, 0, (size_t)n_in_padded * ROWS * sizeof *columns);
    for (int32_t first = 0; first < n_in; first += 16) {
        int32_t last = first + 16 < n_in ? first + 16 : n_in;

        for (int32_t i = 0; i < n; i++)
            for (int32_t k = first; k < last; k++)
                columns[(size_t)k * ROWS + (size_t)i] =
                    rows[(size_t)i * (size_t)n_in + (size_t)k];
    }
}

static ac_status enter_matrix(const aci_tensor *tensor, void *context,
                              ac_error *error)
{
    quantizer *work = context;

    return aci_workshop_matrix_feedback_enter(&work->calibrated, tensor,
                                              error);
}

static ac_status quantize_strip(const aci_strip_planes *out,
                                const aci_tensor *tensor, int32_t strip,
                                int32_t thread, void *context, ac_error *error)
{
    quantizer *work = context;
    scratch *mine = &work->threads[thread];
    aci_strip_codes codes = { mine->q, mine->r, mine->t, out->scales };
    int32_t n_in_padded = aci_matrix_padded(tensor->n_in,
                                            (int32_t)work->group);
    int32_t first = strip * ROWS;
    int32_t n = tensor->n_out - first < ROWS ? tensor->n_out - first : ROWS;
    ac_status status;
    int32_t row;

    status = strip == 0 ? check_tensor(work, tensor, error) : AC_OK;
    if (status == AC_OK)
        status = aci_workshop_order_read(mine->rows, mine->columns,
                                         work->order, work->checkpoint,
                                         tensor, first, n, error);
    if (status != AC_OK)
        return status;
    transpose(mine->columns, mine->rows, n, tensor->n_in, n_in_padded);
    if (work->calibrated.feedback != NULL)
        row = aci_workshop_feedback_strip(
            &codes, mine->errors, work->calibrated.feedback, mine->columns,
            n_in_padded, (int32_t)work->group, ACI_PLANE_RATIO);
    else
        row = aci_workshop_quantize_strip(&codes, mine->columns, n_in_padded,
                                          (int32_t)work->group,
                                          ACI_PLANE_RATIO);
    if (row >= 0)
        return aci_platform_fail(
            error, AC_E_NUMERIC,
            "tensor %s had a weight too large for a float16 scale in row %d",
            tensor->name, (int)(first + row));
    aci_workshop_pack_nibbles(out->a, mine->q, n_in_padded);
    aci_workshop_pack_nibbles(out->b, mine->r, n_in_padded);
    aci_workshop_pack_bytes(out->c, mine->t, n_in_padded);
    return AC_OK;
}

static int32_t widest(const aci_shape *shape)
{
    int32_t heads = shape->n_head * shape->head_dim;
    int32_t n = shape->n_embd > shape->n_ff ? shape->n_embd : shape->n_ff;

    return n > heads ? n : heads;
}

static void free_scratch(quantizer *work)
{
    for (int32_t i = 0; work->threads != NULL && i < work->n_threads; i++) {
        scratch *one = &work->threads[i];

        aci_platform_free(work->memory, one->rows);
        aci_platform_free(work->memory, one->columns);
        aci_platform_free(work->memory, one->errors);
        aci_platform_free(work->memory, one->q);
        aci_platform_free(work->memory, one->r);
        aci_platform_free(work->memory, one->t);
    }
    aci_platform_free(work->memory, work->threads);
}

static ac_status allocate_scratch(quantizer *work, const aci_shape *shape,
                                  int calibrated, ac_error *error)
{
    size_t n = (size_t)aci_matrix_padded(widest(shape),
                                         (int32_t)work->group) * ROWS;

    work->threads = aci_platform_alloc_zeroed(
        work->memory, (size_t)work->n_threads, sizeof *work->threads);
    for (int32_t i = 0; work->threads != NULL && i < work->n_threads; i++) {
        scratch *one = &work->threads[i];

        one->rows = aci_platform_alloc_array(work->memory, n, sizeof(float));
        one->columns = aci_platform_alloc_array(work->memory, n,
                                                sizeof(float));
        one->errors = aci_platform_alloc_array(
            work->memory, calibrated ? n : 0, sizeof(float));
        one->q = aci_platform_alloc(work->memory, n);
        one->r = aci_platform_alloc(work->memory, n);
        one->t = aci_platform_alloc(work->memory, n);
        if (one->rows == NULL || one->columns == NULL ||
            one->errors == NULL || one->q == NULL || one->r == NULL ||
            one->t == NULL)
            return aci_platform_fail_memory(error, "room for strips");
    }
    if (work->threads == NULL)
        return aci_platform_fail_memory(error, "room for strips");
    return AC_OK;
}

/* The last part of a path: what the card tells of where it came from. */
static void copy_last_part(char *out, size_t capacity, const char *path)
{
    size_t end = strlen(path), begin;

    while (end > 1 && path[end - 1] == '/')
        end--;
    begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    snprintf(out, capacity, "%.*s", (int)(end - begin), path + begin);
}

/* ---- a ladder ------------------------------------------------------------ */

/* Plain variants only: what the store can run before extras are there. */
static void list_plain(aci_zoo_card *card, const aci_ladder *ladder)
{
    for (int32_t i = 0; i < ladder->n; i++)
        if (!aci_workshop_recipe_is_structural(&ladder->recipes[i]))
            aci_workshop_recipe_variant(&card->variants[card->n_variants++],
                                        &ladder->recipes[i]);
}

/* A ladder is asked for by a variant that keeps less, or by recovery. */
static int is_ladder(const aci_ladder *ladder,
                     const ac_compress_options *options)
{
    return aci_workshop_ladder_is_structural(ladder) ||
           (options->recovery_tokens != 0 &&
            options->recovery_tokens != AC_RECOVERY_NONE);
}

static ac_status check_ladder(const ac_compress_options *options,
                              ac_error *error)
{
    if (options->n_calibration > 0)
        return AC_OK;
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "variants that keep less of the model, and "
                             "recovery, need calibration text");
}

/* Everything that later stages depend on. */
static uint64_t first_key(const quantizer *work)
{
    const aci_calibration *calibration = work->calibrated.calibration;
    const char *level = aci_workshop_algebra_level(work->calibrated.algebra);
    const uint64_t numbers[] = { calibration->model_checksum,
                                 calibration->data_checksum,
                                 calibration->n_tokens, work->group };
    uint64_t key = aci_platform_checksum(AC_VERSION_STRING,
                                         strlen(AC_VERSION_STRING), 0);

    key = aci_platform_checksum(level, strlen(level), key);
    return aci_platform_checksum(numbers, sizeof numbers, key);
}

static ac_status make_zoo(quantizer *work, aci_zoo_card *card, aci_pool *pool,
                          const aci_ladder *ladder, const char *folder,
                          const ac_compress_options *options,
                          int32_t teaching, ac_error *error)
{
    const aci_shape *shape = aci_model_checkpoint_shape(work->checkpoint);
    int has_ladder = is_ladder(ladder, options);
    aci_strip_source source = {
        read_vector, quantize_strip, work, "quantize",
        options->n_calibration > 0 ? enter_matrix : NULL
    };
    aci_ladder_work ladder_work = {
        work->memory, pool, work->checkpoint, shape,
        work->calibrated.calibration, work->calibrated.algebra, options,
        work->group, work->began_nanoseconds, &work->stages, 0, teaching
    };
    aci_ladder_plan plan = { .memory = work->memory };
    int is_calibrated = work->calibrated.calibration != NULL;
    ac_status status = AC_OK;

    if (is_calibrated)
        ladder_work.key = first_key(work);
    if (has_ladder) {
        status = aci_workshop_ladder_plan_stage(&plan, &ladder_work, ladder,
                                                error);
        work->order = work->calibrated.order = &plan.order;
    }
    list_plain(card, ladder);
    if (status == AC_OK)
        status = aci_workshop_zoo_write(
            card, work->memory, pool, folder, shape, &source, options,
            is_calibrated ? &work->stages : NULL,
            aci_workshop_ladder_store_key(&ladder_work, work->order), error);
    if (status == AC_OK && has_ladder)
        status = aci_workshop_ladder_make(card, &ladder_work, &plan, folder,
                                          error);
    aci_workshop_ladder_plan_close(&plan);
    return status;
}

/* How variants will be trained, found before anything else is done. */
static ac_status plan_memory(int32_t *teaching, const quantizer *work,
                             aci_pool *pool, const aci_ladder *ladder,
                             const ac_compress_options *options,
                             ac_error *error)
{
    aci_ladder_work ladder_work = {
        .memory = work->memory, .pool = pool, .checkpoint = work->checkpoint,
        .shape = aci_model_checkpoint_shape(work->checkpoint),
        .options = options, .group = work->group
    };

    return aci_workshop_ladder_memory(teaching, &ladder_work, ladder, error);
}

static void fill_provenance(aci_zoo_card *card, const quantizer *work)
{
    const aci_calibration *calibration = work->calibrated.calibration;

    copy_last_part(card->checkpoint, sizeof card->checkpoint,
                   aci_model_checkpoint_path(work->checkpoint));
    card->checkpoint_checksum =
        aci_model_checkpoint_checksum(work->checkpoint);
    if (calibration != NULL) {
        card->calibration_checksum = calibration->data_checksum;
        card->calibration_tokens = calibration->n_tokens;
    }
}

ac_status aci_workshop_compress(aci_memory *memory, aci_pool *pool,
                                const aci_checkpoint *checkpoint,
                                const char *folder,
                                const ac_compress_options *options,
                                ac_error *error)
{
    const ac_compress_options usual = AC_COMPRESS_OPTIONS_INIT;
    const aci_shape *shape = aci_model_checkpoint_shape(checkpoint);
    quantizer work = {
        .memory = memory, .checkpoint = checkpoint,
        .n_threads = aci_platform_pool_threads(pool),
        .began_nanoseconds = aci_platform_monotonic_nanoseconds()
    };
    int calibrated = options != NULL && options->n_calibration > 0;
    aci_zoo_card *card = aci_platform_alloc_zeroed(memory, 1, sizeof *card);
    int32_t teaching = ACI_TEACH_NONE;
    aci_ladder ladder;
    ac_status status;

    if (card == NULL)
        return aci_platform_fail_memory(error, "the zoo's card");
    options = options != NULL ? options : &usual;
    status = aci_workshop_choose_group(&work.group, shape, options->group,
                                       error);
    if (status == AC_OK)
        status = aci_workshop_ladder_parse(&ladder, memory, options->variants,
                                           options->plan_path,
                                           options->targets, error);
    if (status == AC_OK && is_ladder(&ladder, options))
        status = check_ladder(options, error);
    if (status == AC_OK)
        status = aci_workshop_targets_reachable(memory, &ladder, shape,
                                                work.group, error);
    if (status == AC_OK && is_ladder(&ladder, options))
        status = plan_memory(&teaching, &work, pool, &ladder, options, error);
    if (status == AC_OK && calibrated)
        status = aci_workshop_stages_open(&work.stages, memory, folder,
                                          options, error);
    if (status == AC_OK && calibrated)
        status = aci_workshop_matrix_feedback_open(&work.calibrated, memory,
                                                   pool, checkpoint, folder,
                                                   &work.stages, error);
    if (status == AC_OK)
        status = allocate_scratch(&work, shape, calibrated, error);
    if (status == AC_OK) {
        fill_provenance(card, &work);
        status = make_zoo(&work, card, pool, &ladder, folder, options,
                          teaching, error);
    }
    free_scratch(&work);
    aci_workshop_matrix_feedback_close(&work.calibrated);
    aci_workshop_stages_close(&work.stages);
    if (status == AC_OK)
        aci_workshop_stages_remove(memory, folder);
    aci_model_card_clear(card, memory);
    aci_platform_free(memory, card);
    return status;
}

int aci_workshop_compress_is_begun(aci_memory *memory, const char *folder)
{
    return aci_workshop_stages_any(memory, folder);
}
