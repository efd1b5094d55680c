/* network_update.c - gradients are cleared and measured, parameters updated by
 * AdamW, and copied to and from the host. */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/network_internal.h"

static int64_t size_of(const aci_parameter *p)
{
    return p->n_rows * p->n_columns;
}

void aci_workshop_network_clear(aci_network *network)
{
    aci_training *training = network->training;

    if (network->n_gradients > 0)
        training->operations->zero(training, network->gradients,
                                   network->n_gradients * sizeof(aci_real));
}

double aci_workshop_network_gradient_norm(aci_network *network)
{
    aci_training *training = network->training;
    double sum = 0.0;
    size_t i;

    for (i = 0; i < network->n_parameters; i++) {
        const aci_parameter *p = &network->parameters[i];

        if (p->gradient != NULL)
            sum += training->operations->sum_squares(training, p->gradient,
                                                     size_of(p));
    }
    return sqrt(sum);
}

static ac_status blame(aci_network *network, ac_error *error)
{
    aci_training *training = network->training;
    size_t i;

    for (i = 0; i < network->n_parameters; i++) {
        const aci_parameter *p = &network->parameters[i];

        if (p->gradient != NULL &&
            !isfinite(training->operations->sum_squares(
                training, p->gradient, size_of(p))))
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "the gradient of %s was not finite",
                                     p->name);
    }
    return aci_platform_fail(error, AC_E_NUMERIC,
                             "the gradients were too large to measure");
}

ac_status aci_workshop_network_update(aci_network *network, double *norm,
                                      const aci_adamw *settings,
                                      ac_error *error)
{
    aci_training *training = network->training;
    double total = aci_workshop_network_gradient_norm(network);
    double beta_1 = (double)settings->beta_1;
    double beta_2 = (double)settings->beta_2;
    double limit = (double)settings->max_norm;
    aci_training_adamw update = {
        .rate = (aci_real)settings->rate,
        .beta_1 = (aci_real)settings->beta_1,
        .beta_2 = (aci_real)settings->beta_2,
        .epsilon = (aci_real)settings->epsilon,
        .correction_1 = (aci_real)(1.0 - pow(beta_1, (double)settings->step)),
        .correction_2 = (aci_real)(1.0 - pow(beta_2, (double)settings->step)),
        .gradient_scale = 1,
    };
    size_t i;

    if (norm != NULL)
        *norm = total;
    if (settings->step < 1)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "an update was number %lld, not 1 or later",
                                 (long long)settings->step);
    if (!isfinite(total))
        return blame(network, error);
    if (limit > 0.0 && total > limit)
        update.gradient_scale = (aci_real)(limit / total);
    for (i = 0; i < network->n_parameters; i++) {
        const aci_parameter *p = &network->parameters[i];

        if (p->gradient == NULL)
            continue;
        update.value = p->value;
        update.gradient = p->gradient;
        update.moment_1 = p->moment_1;
        update.moment_2 = p->moment_2;
        update.n = size_of(p);
        update.decay = p->decays ? (aci_real)settings->decay : 0;
        training->operations->adamw(training, &update);
    }
    return AC_OK;
}

static aci_real *part_of(const aci_parameter *p, int32_t part)
{
    switch (part) {
    case ACI_OF_VALUE:
        return p->value;
    case ACI_OF_GRADIENT:
        return p->gradient;
    case ACI_OF_MOMENT_1:
        return p->moment_1;
    case ACI_OF_MOMENT_2:
        return p->moment_2;
    default:
        return NULL;
    }
}

ac_status aci_workshop_network_read(aci_real *out, aci_network *network,
                                    size_t i, int32_t part, ac_error *error)
{
    aci_training *training = network->training;
    const aci_parameter *p = &network->parameters[i];
    size_t bytes = (size_t)size_of(p) * sizeof *out;
    const aci_real *from = part_of(p, part);

    if (from == NULL) {
        memset(out, 0, bytes);
        return AC_OK;
    }
    return training->operations->download(training, out, from, bytes, error);
}

ac_status aci_workshop_network_write(aci_network *network, size_t i,
                                     int32_t part, const aci_real *values,
                                     ac_error *error)
{
    aci_training *training = network->training;
    const aci_parameter *p = &network->parameters[i];
    aci_real *to = part_of(p, part);

    if (to == NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s is frozen and has no such part",
                                 p->name);
    return training->operations->upload(
        training, to, values, (size_t)size_of(p) * sizeof *values, error);
}
