/* predictor_data.c - see predictor_data.h. */
#include "workshop/train/predictor_data.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "router/arithmetic.h"

enum { FEWEST_TRAIN = 50, FEWEST_TEST = 8 };

/* In [0, 1), from 24 bits of the mixed hash. */
static double place_of(uint64_t hash, uint64_t seed, uint64_t salt)
{
    uint64_t mixed = aci_router_mix(hash ^ aci_router_mix(seed + salt));

    return (double)(mixed >> 40) * 0x1p-24;
}

static uint8_t fold_of(uint64_t hash, double test_share, uint64_t seed)
{
    if (place_of(hash, seed, 0x7E57) < test_share)
        return ACI_FOLDS;
    return (uint8_t)(place_of(hash, seed, 0xF01D) * ACI_FOLDS);
}

ac_status aci_workshop_data_split(aci_predictor_data *out, aci_memory *memory,
                                  const aci_outcomes *outcomes,
                                  float test_share, uint64_t seed,
                                  ac_error *error)
{
    aci_part *parts[3] = { &out->train, &out->held, &out->test };
    uint32_t i;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    out->outcomes = outcomes;
    out->n = (uint32_t)outcomes->n;
    out->n_heads = outcomes->n_heads;
    out->fold = aci_platform_alloc(memory, out->n);
    for (i = 0; i < 3; i++) {
        parts[i]->items = aci_platform_alloc_array(memory, out->n,
                                                   sizeof(uint32_t));
        if (parts[i]->items == NULL || out->fold == NULL)
            return aci_platform_fail_memory(error, "splitting outcomes");
    }
    for (i = 0; i < out->n; i++) {
        out->fold[i] = fold_of(outcomes->items[i].prompt_hash,
                               (double)test_share, seed);
        if (out->fold[i] == ACI_FOLDS)
            out->test.items[out->test.n++] = i;
    }
    aci_workshop_data_take(out, ACI_FOLDS);
    if (out->train.n < FEWEST_TRAIN || out->test.n < FEWEST_TEST)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%u outcomes split into %u to train and %u "
                                 "to test are too few; %d and %d are needed",
                                 out->n, out->train.n, out->test.n,
                                 FEWEST_TRAIN, FEWEST_TEST);
    return AC_OK;
}

void aci_workshop_data_take(aci_predictor_data *data, uint32_t fold)
{
    uint32_t i;

    data->train.n = data->held.n = 0;
    for (i = 0; i < data->n; i++) {
        if (data->fold[i] == ACI_FOLDS)
            continue;
        if (data->fold[i] == fold)
            data->held.items[data->held.n++] = i;
        else
            data->train.items[data->train.n++] = i;
    }
}

/* ---- Features ------------------------------------------------------------ */

/* Mean and 1 / deviation of each shape over the training part. */
static void fit_standard(float *standard, const aci_predictor_data *data)
{
    uint32_t i;
    int j;

    for (j = 0; j < ACI_ROUTER_SHAPES; j++) {
        double sum = 0.0, squares = 0.0, mean;

        for (i = 0; i < data->train.n; i++)
            sum += data->features[data->train.items[i]].shape[j];
        mean = sum / data->train.n;
        for (i = 0; i < data->train.n; i++) {
            double d = data->features[data->train.items[i]].shape[j] - mean;

            squares += d * d;
        }
        standard[j] = (float)mean;
        standard[ACI_ROUTER_SHAPES + j] =
            (float)(1.0 / sqrt(squares / data->train.n + 1e-4));
    }
}

ac_status aci_workshop_data_read(aci_predictor_data *data,
                                 aci_predictor *predictor, ac_error *error)
{
    uint32_t i;

    data->features = aci_platform_alloc_array(data->memory, data->n,
                                              sizeof *data->features);
    data->inputs = aci_platform_alloc_array(data->memory, data->n,
                                            sizeof *data->inputs);
    if (data->features == NULL || data->inputs == NULL)
        return aci_platform_fail_memory(error, "features");
    for (i = 0; i < data->n; i++) {
        const aci_outcome *item = &data->outcomes->items[i];

        aci_router_read_features(&data->features[i], &predictor->templates,
                                 item->prompt, (size_t)item->prompt_bytes,
                                 predictor->shape.n_tokens);
        aci_router_network_read(&data->inputs[i], &data->features[i],
                                &predictor->shape);
    }
    fit_standard(predictor->numbers + predictor->places.standard, data);
    return AC_OK;
}

void aci_workshop_data_familiarise(aci_predictor *predictor,
                                   const aci_predictor_data *data)
{
    uint32_t i;

    memset(predictor->familiar, 0,
           (size_t)1 << (predictor->familiar_log2 - 3));
    for (i = 0; i < data->train.n; i++)
        aci_router_familiar_add(predictor,
                                &data->features[data->train.items[i]]);
}

void aci_workshop_data_free(aci_predictor_data *data)
{
    aci_platform_free(data->memory, data->fold);
    aci_platform_free(data->memory, data->train.items);
    aci_platform_free(data->memory, data->held.items);
    aci_platform_free(data->memory, data->test.items);
    aci_platform_free(data->memory, data->features);
    aci_platform_free(data->memory, data->inputs);
}
