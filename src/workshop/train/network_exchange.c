/* network_exchange.c - values from and to models in memory. */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/network_internal.h"

enum { PIECE = 4096 }; /* values moved at once */

static ac_status upload(aci_network *network, const aci_parameter *p,
                        const float *from, ac_error *error)
{
    aci_training *training = network->training;
    aci_real piece[PIECE];
    int64_t n = p->n_rows * p->n_columns, at, some, k;
    ac_status status = AC_OK;

    for (at = 0; at < n && status == AC_OK; at += some) {
        some = n - at < PIECE ? n - at : PIECE;
        for (k = 0; k < some; k++) {
            if (!isfinite(from[at + k]))
                return aci_platform_fail(error, AC_E_NUMERIC,
                                         "%s was not finite", p->name);
            piece[k] = (aci_real)from[at + k];
        }
        status = training->operations->upload(
            training, p->value + at, piece, (size_t)some * sizeof *piece,
            error);
    }
    return status;
}

static ac_status download(aci_network *network, const aci_parameter *p,
                          float *to, ac_error *error)
{
    aci_training *training = network->training;
    aci_real piece[PIECE];
    int64_t n = p->n_rows * p->n_columns, at, some, k;
    ac_status status = AC_OK;

    for (at = 0; at < n && status == AC_OK; at += some) {
        some = n - at < PIECE ? n - at : PIECE;
        status = training->operations->download(
            training, piece, p->value + at, (size_t)some * sizeof *piece,
            error);
        for (k = 0; k < some && status == AC_OK; k++)
            to[at + k] = (float)piece[k];
    }
    return status;
}

ac_status aci_workshop_network_fill(aci_network *network,
                                    const aci_float_model *model,
                                    ac_error *error)
{
    aci_float_model source = *model; /* only read from */
    aci_float_array array;
    ac_status status = AC_OK;
    size_t i;

    for (i = 0; status == AC_OK && aci_workshop_floats_at(&array, &source, i);
         i++) {
        const aci_parameter *p;

        if (*array.place == NULL)
            continue;
        p = aci_workshop_network_find(network, array.name);
        status = p != NULL && p->n_rows == array.n_rows &&
                         p->n_columns == array.n_columns
                     ? upload(network, p, *array.place, error)
                     : aci_platform_fail(error, AC_E_INTERNAL,
                                         "%s had no place", array.name);
    }
    return status;
}

ac_status aci_workshop_network_give(aci_float_model *model,
                                    aci_network *network, ac_error *error)
{
    aci_float_array array;
    ac_status status = AC_OK;
    size_t i;

    for (i = 0; status == AC_OK && aci_workshop_floats_at(&array, model, i);
         i++) {
        const aci_parameter *p = aci_workshop_network_find(network,
                                                           array.name);

        if (p == NULL || p->gradient == NULL)
            continue;
        status = *array.place != NULL && p->n_rows == array.n_rows &&
                         p->n_columns == array.n_columns
                     ? download(network, p, *array.place, error)
                     : aci_platform_fail(error, AC_E_ARGUMENT,
                                         "the model had no place for %s",
                                         p->name);
    }
    return status;
}
