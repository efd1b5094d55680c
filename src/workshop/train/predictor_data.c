/* predictor_data.c - see predictor_data.h. */
#include "workshop/train/predictor_data.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "router/arithmetic.h"

enum { FEWEST_TRAIN = 32, FEWEST_CALIBRATE = 16, FEWEST_TEST = 8 };
static const double CALIBRATE_SHARE = 0.2; /* of what is not test */

/* In [0, 1), from 24 bits of the mixed hash. */
static double place_of(uint64_t hash, uint64_t seed, uint64_t salt)
{
    uint64_t mixed = aci_router_mix(hash ^ aci_router_mix(seed + salt));

    return (double)(mixed >> 40) * 0x1p-24;
}

static aci_part *part_of(aci_predictor_data *data, uint32_t item, double share,
                         uint64_t seed)
{
    uint64_t hash = data->outcomes->items[item].prompt_hash;

    if (place_of(hash, seed, 0x7E57) < share)
        return &data->test;
    return place_of(hash, seed, 0xCA11) < CALIBRATE_SHARE ? &data->calibrate
                                                          : &data->train;
}

ac_status aci_workshop_data_split(aci_predictor_data *out, aci_memory *memory,
                                  const aci_outcomes *outcomes,
                                  float test_share, uint64_t seed,
                                  ac_error *error)
{
    aci_part *parts[3] = { &out->train, &out->calibrate, &out->test };
    uint32_t i;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    out->outcomes = outcomes;
    out->n = (uint32_t)outcomes->n;
    out->n_heads = outcomes->n_heads;
    for (i = 0; i < 3; i++) {
        parts[i]->items = aci_platform_alloc_array(memory, out->n,
                                                   sizeof(uint32_t));
        if (parts[i]->items == NULL)
            return aci_platform_fail_memory(error, "splitting outcomes");
    }
    for (i = 0; i < out->n; i++) {
        aci_part *part = part_of(out, i, (double)test_share, seed);

        part->items[part->n++] = i;
    }
    if (out->train.n < FEWEST_TRAIN || out->calibrate.n < FEWEST_CALIBRATE ||
        out->test.n < FEWEST_TEST)
        return aci_platform_fail(
            error, AC_E_ARGUMENT,
            "%u outcomes split into %u to train, %u to calibrate and %u to "
            "test are too few; at least %d, %d and %d are needed",
            out->n, out->train.n, out->calibrate.n, out->test.n, FEWEST_TRAIN,
            FEWEST_CALIBRATE, FEWEST_TEST);
    return AC_OK;
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
    uint32_t i, j;

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
    for (i = 0; i < data->train.n; i++) {
        const aci_features *f = &data->features[data->train.items[i]];

        for (j = 0; j < f->n_tokens; j++)
            aci_router_familiar_add(predictor, f->word[j]);
    }
    fit_standard(predictor->numbers + predictor->places.standard, data);
    return AC_OK;
}

void aci_workshop_data_free(aci_predictor_data *data)
{
    aci_platform_free(data->memory, data->train.items);
    aci_platform_free(data->memory, data->calibrate.items);
    aci_platform_free(data->memory, data->test.items);
    aci_platform_free(data->memory, data->features);
    aci_platform_free(data->memory, data->inputs);
}
