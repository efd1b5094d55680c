/* predictor_data.h - outcomes made ready for learning: split, read into
 * features, standardised.
 *
 * The split goes by the hash of the prompt and the seed, so a prompt that
 * occurs twice lies on one side, and adding lines moves no other line:
 *     test       test_share of the prompts: looked at once, at the end
 *     folds      the others, in five: each is held out once from a fit on
 *                the other four, which tells when to stop, how to calibrate
 *                and what is strange; the last fit is on all five. */
#ifndef ACI_WORKSHOP_TRAIN_PREDICTOR_DATA_H
#define ACI_WORKSHOP_TRAIN_PREDICTOR_DATA_H

#include "router/predictor.h"
#include "workshop/train/predictor_outcomes.h"

enum { ACI_FOLDS = 5 };

/* A list of places in `inputs` and `labels`. */
typedef struct aci_part {
    uint32_t *items; /* [n] */
    uint32_t n;
} aci_part;

typedef struct aci_predictor_data {
    aci_memory *memory;
    const aci_outcomes *outcomes;
    uint32_t n, n_heads;
    aci_features *features;    /* [n] */
    aci_network_input *inputs; /* [n] */
    uint8_t *fold;             /* [n]; ACI_FOLDS: test */
    aci_part train, held, test;
} aci_predictor_data;

static inline float aci_data_label(const aci_predictor_data *data,
                                   uint32_t item, uint32_t head)
{
    return data->outcomes->items[item].success[head];
}

/* Splits, and takes all folds for training. */
ac_status aci_workshop_data_split(aci_predictor_data *out, aci_memory *memory,
                                  const aci_outcomes *outcomes,
                                  float test_share, uint64_t seed,
                                  ac_error *error);

/* From now on `held` is that fold and `train` the others; ACI_FOLDS: `held` is
 * empty and `train` all. */
void aci_workshop_data_take(aci_predictor_data *data, uint32_t fold);

/* Openings that training prompts share; `text` is lent by the outcomes. */
ac_status aci_workshop_find_templates(aci_templates *out,
                                      const aci_predictor_data *data,
                                      ac_error *error);

/* Reads every prompt as the predictor will, and fits the scale of the shapes
 * in the predictor's numbers. */
ac_status aci_workshop_data_read(aci_predictor_data *data,
                                 aci_predictor *predictor, ac_error *error);

/* Makes the predictor know the words of `train`, and no others. */
void aci_workshop_data_familiarise(aci_predictor *predictor,
                                   const aci_predictor_data *data);

void aci_workshop_data_free(aci_predictor_data *data);

#endif
