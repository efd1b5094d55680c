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
    ac_progress_callback on_progress;
    void *progress_user;
} aci_fit_settings;

void aci_workshop_fit_defaults(aci_fit_settings *out);

/* Fits all numbers but standardisation (already there) and leaves slope 1,
 * offset 0: aci_workshop_calibrate comes after. AC_E_CANCELLED when the
 * callback says so. */
ac_status aci_workshop_fit(aci_predictor *predictor,
                           const aci_predictor_data *data,
                           const aci_fit_settings *settings, ac_error *error);

/* Fits each head's slope and offset on the calibration part (Platt, with his
 * targets that keep off 0 and 1), and the threshold of unfamiliarity. */
ac_status aci_workshop_calibrate(aci_predictor *predictor,
                                 const aci_predictor_data *data,
                                 ac_error *error);

/* The same for one head by a logistic regression of `n_weights` hashed
 * weights and the shapes; its scores for the test part. */
ac_status aci_workshop_fit_logistic(double *scores,
                                    const aci_predictor_data *data,
                                    const aci_predictor *predictor,
                                    uint32_t head, uint32_t n_weights,
                                    const aci_fit_settings *settings,
                                    ac_error *error);

#endif
