/* predictor_fit.h - learning the predictor's numbers, and the logistic
 * regression it is compared with. */
#ifndef ACI_WORKSHOP_TRAIN_PREDICTOR_FIT_H
#define ACI_WORKSHOP_TRAIN_PREDICTOR_FIT_H

#include "workshop/train/predictor_data.h"

typedef struct aci_fit_settings {
    uint64_t seed;
    uint32_t max_epochs;
    uint32_t patience;     /* epochs without progress before it stops */
    uint32_t batch;
    double rate_wide, rate_deep;
    double decay_wide, decay_deep; /* of AdamW, per unit of rate */
    double drop_wide, drop_deep;
    double average;        /* of the running mean of the numbers */
    uint64_t epochs_before, epochs_total; /* for progress */
    ac_progress_callback on_progress;
    void *progress_user;
} aci_fit_settings;

void aci_workshop_fit_defaults(aci_fit_settings *out);

/* Fits all numbers but standardisation (already there), leaving slope 1 and
 * offset 0, to `train`. With a held-out part it stops when that part's loss no
 * longer falls and keeps the best epoch's numbers; without, it runs max_epochs.
 * *epochs: how many were run for the numbers kept. AC_E_CANCELLED when the
 * callback says so. */
ac_status aci_workshop_fit(aci_predictor *predictor, uint32_t *epochs,
                           const aci_predictor_data *data,
                           const aci_fit_settings *settings, ac_error *error);

/* What the fit without them says of held-out prompts. */
typedef struct aci_held_scores {
    aci_memory *memory;
    double *logits;  /* [n, ACI_NETWORK_MAX_HEADS] */
    double *strange; /* [n], unfamiliarity */
} aci_held_scores;

ac_status aci_workshop_held_new(aci_held_scores *out,
                                const aci_predictor_data *data,
                                ac_error *error);
void aci_workshop_held_free(aci_held_scores *scores);
/* Scores the items of `held`. */
ac_status aci_workshop_held_score(aci_held_scores *scores,
                                  const aci_predictor *predictor,
                                  const aci_predictor_data *data,
                                  ac_error *error);

/* Fits each head's slope and offset (Platt, with his targets that keep off 0
 * and 1) and the threshold of unfamiliarity to the scores of `train`, each of
 * which was held out once. */
ac_status aci_workshop_calibrate(aci_predictor *predictor,
                                 const aci_predictor_data *data,
                                 const aci_held_scores *scores,
                                 ac_error *error);

/* The same for one head by a logistic regression of `n_weights` hashed
 * weights and the shapes; its scores for the test part. */
ac_status aci_workshop_fit_logistic(double *scores, uint32_t *epochs,
                                    const aci_predictor_data *data,
                                    const aci_predictor *predictor,
                                    uint32_t head, uint32_t n_weights,
                                    const aci_fit_settings *settings,
                                    ac_error *error);

#endif
