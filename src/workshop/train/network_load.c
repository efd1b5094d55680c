/* network_load.c - starting values: random, or from a checkpoint. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "platform/random.h"
#include "workshop/train/network_internal.h"

enum { PIECE = 4096 }; /* values uploaded at once */

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Standard deviation of a parameter's first values; 0: all are `constant`. */
static double deviation(const aci_network *network, const aci_parameter *p,
                        aci_real *constant)
{
    double residual = sqrt(2.0 * network->shape.n_layer);

    *constant = ends_with(p->name, "norm") ? 1 : 0;
    if (!p->decays || ends_with(p->name, ".lora_b"))
        return 0.0;
    if (ends_with(p->name, ".o") || ends_with(p->name, ".down"))
        return 0.02 / residual;
    /* left times right varies like a dense matrix of 0.02 */
    if (ends_with(p->name, ".left") || ends_with(p->name, ".right"))
        return sqrt(0.02 / sqrt((double)network->options.rank));
    if (ends_with(p->name, ".lora_a"))
        return 1.0 / sqrt((double)p->n_columns);
    return 0.02;
}

void aci_workshop_network_initialise(aci_network *network, uint64_t seed)
{
    aci_training *training = network->training;
    aci_random random;
    aci_real piece[PIECE];
    size_t i;

    aci_platform_random_seed(&random, seed);
    for (i = 0; i < network->n_parameters; i++) {
        const aci_parameter *p = &network->parameters[i];
        int64_t n = p->n_rows * p->n_columns, at, k, some;
        aci_real constant;
        double spread = deviation(network, p, &constant);

        for (at = 0; at < n; at += some) {
            some = n - at < PIECE ? n - at : PIECE;
            for (k = 0; k < some; k++)
                piece[k] = spread > 0.0
                               ? (aci_real)(spread *
                                            aci_platform_random_normal(
                                                &random))
                               : constant;
            training->operations->upload(training, p->value + at, piece,
                                         (size_t)some * sizeof *piece, NULL);
        }
    }
}

static int is_low(const aci_parameter *p)
{
    return ends_with(p->name, ".lora_a") || ends_with(p->name, ".lora_b") ||
           ends_with(p->name, ".left") || ends_with(p->name, ".right");
}

static ac_status load_rows(aci_network *network, float *buffer,
                           aci_real *turned, const aci_parameter *p,
                           const char *name, const aci_checkpoint *checkpoint,
                           ac_error *error)
{
    aci_training *training = network->training;
    int64_t row, k, n_columns = p->n_columns;
    ac_status status = AC_OK;

    for (row = 0; row < p->n_rows && status == AC_OK; row++) {
        status = aci_model_checkpoint_read(buffer, checkpoint, name, row, 1,
                                           error);
        if (status != AC_OK)
            return status;
        for (k = 0; k < n_columns; k++)
            turned[k] = (aci_real)buffer[k];
        status = training->operations->upload(
            training, p->value + row * n_columns, turned,
            (size_t)n_columns * sizeof *turned, error);
    }
    return status;
}

/* `name`: what the checkpoint calls it. */
static ac_status load_parameter(aci_network *network, const aci_parameter *p,
                                const char *name,
                                const aci_checkpoint *checkpoint,
                                ac_error *error)
{
    int64_t n_rows = 0, n_columns = 0;
    float *buffer;
    aci_real *turned;
    ac_status status;

    if (!aci_model_checkpoint_find(checkpoint, name, &n_rows, &n_columns))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the checkpoint had no tensor %s", name);
    if (n_rows != p->n_rows || n_columns != p->n_columns)
        return aci_platform_fail(
            error, AC_E_FORMAT, "tensor %s was %lld x %lld, not %lld x %lld",
            name, (long long)n_rows, (long long)n_columns,
            (long long)p->n_rows, (long long)p->n_columns);
    buffer = aci_platform_alloc_array(network->memory, (size_t)n_columns,
                                      sizeof *buffer);
    turned = aci_platform_alloc_array(network->memory, (size_t)n_columns,
                                      sizeof *turned);
    status = buffer != NULL && turned != NULL
                 ? load_rows(network, buffer, turned, p, name, checkpoint,
                             error)
                 : aci_platform_fail_memory(error, "a row");
    aci_platform_free(network->memory, turned);
    aci_platform_free(network->memory, buffer);
    return status;
}

ac_status aci_workshop_network_load(aci_network *network,
                                    const aci_checkpoint *checkpoint,
                                    ac_error *error)
{
    ac_status status = AC_OK;
    size_t i;

    for (i = 0; i < network->n_parameters && status == AC_OK; i++)
        if (!is_low(&network->parameters[i]))
            status = load_parameter(network, &network->parameters[i],
                                    network->parameters[i].name, checkpoint,
                                    error);
    return status;
}

ac_status aci_workshop_layer_load(aci_network *network,
                                  const aci_checkpoint *checkpoint,
                                  int32_t layer, ac_error *error)
{
    ac_status status = AC_OK;
    size_t i;

    for (i = 0; i < network->n_parameters && status == AC_OK; i++) {
        const aci_parameter *p = &network->parameters[i];
        char name[48];

        if (strcmp(p->name, "embed") == 0)
            continue;
        snprintf(name, sizeof name, "%s", p->name);
        if (p->name[0] == '0') /* "0.q" is "7.q" there */
            snprintf(name, sizeof name, "%d%.40s", (int)layer, p->name + 1);
        status = load_parameter(network, p, name, checkpoint, error);
    }
    return status;
}
