/* unit_order.c - see unit_order.h. */
#include "workshop/compress/unit_order.h"

#include <string.h>

#include "platform/error.h"

/* Units of one side of a tensor; width 0: that side stays as it is. */
typedef struct units {
    const int32_t *order;
    int32_t width;
} units;

static units groups_of(const aci_unit_order *order, int32_t layer,
                       int32_t heads_of_group)
{
    const aci_shape *shape = order->shape;
    units u = { order->groups + (size_t)layer * (size_t)shape->n_head_kv,
                heads_of_group * shape->head_dim };

    return u;
}

static units neurons_of(const aci_unit_order *order, int32_t layer)
{
    units u = { order->neurons + (size_t)layer * (size_t)order->shape->n_ff,
                1 };

    return u;
}

/* Rows of a matrix, numbers of a bias. */
static units row_units(const aci_unit_order *order, const aci_tensor *tensor)
{
    int32_t group = order->shape->n_head / order->shape->n_head_kv;

    switch (tensor->layer < 0 ? -1 : tensor->row) {
    case ACI_ROW_Q:
    case ACI_ROW_Q_BIAS:
        return groups_of(order, tensor->layer, group);
    case ACI_ROW_K:
    case ACI_ROW_V:
    case ACI_ROW_K_BIAS:
    case ACI_ROW_V_BIAS:
        return groups_of(order, tensor->layer, 1);
    case ACI_ROW_GATE:
    case ACI_ROW_UP:
    case ACI_ROW_GATE_BIAS:
    case ACI_ROW_UP_BIAS:
        return neurons_of(order, tensor->layer);
    default:
        return (units){ NULL, 0 };
    }
}

static units column_units(const aci_unit_order *order, int32_t layer,
                          int32_t input)
{
    int32_t group = order->shape->n_head / order->shape->n_head_kv;

    if (layer >= order->shape->n_layer)
        return (units){ NULL, 0 };
    if (input == ACI_INPUT_O)
        return groups_of(order, layer, group);
    if (input == ACI_INPUT_DOWN)
        return neurons_of(order, layer);
    return (units){ NULL, 0 };
}

/* Where number i of the ordered side comes from. */
static int32_t source_of(const units *u, int32_t i)
{
    return u->width == 0 ? i
                         : u->order[i / u->width] * u->width + i % u->width;
}

/* ---- making -------------------------------------------------------------- */

ac_status aci_workshop_order_open(aci_unit_order *out, aci_memory *memory,
                                  const aci_shape *shape, ac_error *error)
{
    size_t layers = (size_t)shape->n_layer;
    size_t groups = layers * (size_t)shape->n_head_kv;
    size_t neurons = layers * (size_t)shape->n_ff;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    out->shape = shape;
    out->groups = aci_platform_alloc_array(memory, groups,
                                           sizeof *out->groups);
    out->neurons = aci_platform_alloc_array(memory, neurons,
                                            sizeof *out->neurons);
    if (out->groups == NULL || out->neurons == NULL)
        return aci_platform_fail_memory(error, "the order of units");
    for (size_t i = 0; i < groups; i++)
        out->groups[i] = (int32_t)(i % (size_t)shape->n_head_kv);
    for (size_t i = 0; i < neurons; i++)
        out->neurons[i] = (int32_t)(i % (size_t)shape->n_ff);
    return AC_OK;
}

void aci_workshop_order_close(aci_unit_order *order)
{
    if (order->memory == NULL)
        return;
    aci_platform_free(order->memory, order->groups);
    aci_platform_free(order->memory, order->neurons);
    memset(order, 0, sizeof *order);
}

/* ---- reading ------------------------------------------------------------- */

static void take_columns(float *row, float *scratch, const units *u,
                         int32_t n)
{
    memcpy(scratch, row, (size_t)n * sizeof *row);
    for (int32_t k = 0; k < n; k++)
        row[k] = scratch[source_of(u, k)];
}

/* Rows that lie together in the checkpoint are read together. */
static ac_status read_rows(float *out, const units *u,
                           const aci_checkpoint *checkpoint,
                           const aci_tensor *tensor, int32_t first, int32_t n,
                           ac_error *error)
{
    ac_status status = AC_OK;
    int32_t run;

    for (int32_t i = 0; status == AC_OK && i < n; i += run) {
        int32_t from = source_of(u, first + i);

        run = 1;
        while (i + run < n && source_of(u, first + i + run) == from + run)
            run++;
        status = aci_model_checkpoint_read(
            out + (size_t)i * (size_t)tensor->n_in, checkpoint, tensor->name,
            from, run, error);
    }
    return status;
}

ac_status aci_workshop_order_read(float *out, float *scratch,
                                  const aci_unit_order *order,
                                  const aci_checkpoint *checkpoint,
                                  const aci_tensor *tensor, int32_t first,
                                  int32_t n, ac_error *error)
{
    units rows = { NULL, 0 }, columns = { NULL, 0 };
    ac_status status;

    if (order != NULL && tensor->layer >= 0) {
        rows = row_units(order, tensor);
        if (tensor->row == ACI_ROW_O)
            columns = column_units(order, tensor->layer, ACI_INPUT_O);
        if (tensor->row == ACI_ROW_DOWN)
            columns = column_units(order, tensor->layer, ACI_INPUT_DOWN);
    }
    if (!tensor->is_matrix && rows.width > 0) { /* a bias: one row */
        columns = rows;
        rows.width = 0;
    }
    status = read_rows(out, &rows, checkpoint, tensor, first, n, error);
    for (int32_t i = 0; status == AC_OK && columns.width > 0 && i < n; i++)
        take_columns(out + (size_t)i * (size_t)tensor->n_in, scratch,
                     &columns, tensor->n_in);
    return status;
}

/* ---- statistics ---------------------------------------------------------- */

static float moment(const float *moments, size_t i, size_t j)
{
    return i >= j ? moments[i * (i + 1) / 2 + j]
                  : moments[j * (j + 1) / 2 + i];
}

ac_status aci_workshop_order_statistics(aci_input_statistics *out,
                                        aci_memory *memory,
                                        const aci_unit_order *order,
                                        const aci_calibration *calibration,
                                        int32_t layer, int32_t input,
                                        ac_error *error)
{
    aci_input_statistics from;
    units u = { NULL, 0 };
    float *mean, *largest, *moments;
    size_t n;

    aci_workshop_calibration_input(&from, calibration, layer, input);
    n = (size_t)from.n;
    if (order != NULL)
        u = column_units(order, layer, input);
    mean = aci_platform_alloc_array(memory, n, sizeof *mean);
    largest = aci_platform_alloc_array(memory, n, sizeof *largest);
    moments = aci_platform_alloc_array(memory, n * (n + 1) / 2,
                                       sizeof *moments);
    *out = (aci_input_statistics){ from.n, mean, largest, moments };
    if (mean == NULL || largest == NULL || moments == NULL) {
        aci_workshop_order_statistics_free(out, memory);
        return aci_platform_fail_memory(error, "an input's statistics");
    }
    for (size_t i = 0; i < n; i++) {
        size_t row = (size_t)source_of(&u, (int32_t)i);

        mean[i] = from.mean[row];
        largest[i] = from.largest[row];
        for (size_t j = 0; j <= i; j++)
            *moments++ = moment(from.moments, row,
                                (size_t)source_of(&u, (int32_t)j));
    }
    return AC_OK;
}

void aci_workshop_order_statistics_free(aci_input_statistics *statistics,
                                        aci_memory *memory)
{
    aci_platform_free(memory, (void *)(uintptr_t)statistics->mean);
    aci_platform_free(memory, (void *)(uintptr_t)statistics->largest);
    aci_platform_free(memory, (void *)(uintptr_t)statistics->moments);
    memset(statistics, 0, sizeof *statistics);
}
