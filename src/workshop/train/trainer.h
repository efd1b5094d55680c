/* trainer.h - what one training run holds, and the parts it is made of.
 *
 *     settings     options with every default filled in   train_settings.c
 *     data         what is learned, what is held out       corpus*.c
 *     opening      all of that, or where a run stopped     trainer_open.c
 *     network      weights, gradients, moments             network.c
 *     a step       batch, loss, gradients, update          trainer_step.c
 *     state        everything needed to go on, on disk     train_state.c
 *     output       the model as others read it             trained_model.c
 *     log          a line per step                         train_log.c
 *
 * trainer.c drives them. */
#ifndef ACI_WORKSHOP_TRAINER_H
#define ACI_WORKSHOP_TRAINER_H

#include <jansson.h>

#include "platform/files.h"
#include "workshop/train/corpus.h"
#include "workshop/train/network.h"

/* The caller's options, no default left open, and what follows from them. */
typedef struct aci_train_settings {
    ac_training_options given;     /* filled in */
    int32_t schedule;              /* aci_schedule */
    aci_network_options network;
    uint64_t n_warmup;             /* steps */
} aci_train_settings;

enum aci_schedule { ACI_COSINE, ACI_LINEAR, ACI_CONSTANT };

/* Saved with the state as it is: fixed width, no pointers. */
typedef struct aci_train_counters {
    uint64_t step;                 /* done */
    uint64_t n_tokens, n_targets;  /* trained on */
    uint64_t best_step;            /* 0: none judged yet */
    uint64_t n_waiting;            /* evaluations since the best */
    uint64_t n_high;               /* steps on end of too high a loss */
    double seconds;
    double mean_loss;              /* running, over about 50 steps */
    double held_out_loss, best_loss; /* NaN: none */
    aci_corpus_cursor cursor;
} aci_train_counters;

typedef struct aci_trainer {
    aci_memory *memory;
    aci_pool *pool;
    const char *model, *out;
    aci_train_settings settings;
    aci_shape shape;
    aci_tokenizer *tokenizer;
    aci_corpus data, held_out;
    aci_network *network, *teacher;
    float *teacher_logits;         /* [batch_tokens, n_vocab]; or NULL */
    float **average;               /* per parameter; or NULL */
    aci_corpus_batch *batches;     /* [n_accumulate] */
    aci_train_counters counters;
    json_t *files;                 /* what data was read, trainer_open.c */
    json_t *fingerprint;           /* what a resumed run must share */
    aci_line_log *log;
    int32_t has_weights;           /* the model given had some */
    double matrix_rate;            /* operations per second; 0: not known */
    double done_rate;              /* of late: operations and tokens */
    double token_rate;
    double last_loss, last_norm, last_rate;
    uint64_t saved_at, began_at;   /* monotonic nanoseconds */
    uint64_t n_trainable, n_parameters;
    double seconds_before;         /* of the runs that this one goes on */
    uint64_t step_before;
} aci_trainer;

/* ---- train_settings.c ---------------------------------------------------- */

/* Checks and fills; what depends on the model comes from `shape`, on the data
 * from n_rows, which is 0 before they are read. */
ac_status aci_workshop_settings_take(aci_train_settings *out,
                                     const ac_training_options *options,
                                     ac_error *error);
ac_status aci_workshop_settings_fit(aci_train_settings *settings,
                                    const aci_shape *shape,
                                    int32_t has_weights, ac_error *error);
ac_status aci_workshop_settings_plan(aci_train_settings *settings,
                                     const aci_corpus *data, ac_error *error);
/* Learning rate of the step after `step` steps. */
float aci_workshop_settings_rate(const aci_train_settings *settings,
                                 uint64_t step);
/* Every option that decides the result; NULL: no memory. */
json_t *aci_workshop_settings_describe(const aci_train_settings *settings);
/* "FILE:WEIGHT": the weight, 1 when there is none, and how long FILE is. */
ac_status aci_workshop_settings_data(size_t *n_path, double *weight,
                                     const char *text, ac_error *error);

/* ---- trainer_open.c ------------------------------------------------------ */

/* With memory, pool, model, out and settings in place; close also after a
 * failure. */
ac_status aci_workshop_trainer_open(aci_trainer *trainer, ac_error *error);
void aci_workshop_trainer_close(aci_trainer *trainer);

/* ---- trainer_step.c ------------------------------------------------------ */

ac_status aci_workshop_trainer_step(aci_trainer *trainer, ac_error *error);
/* Mean loss over the held-out data, of the averaged weights when there are. */
ac_status aci_workshop_trainer_judge(double *loss, aci_trainer *trainer,
                                     ac_error *error);
/* Puts the averaged weights in, or takes them out again. */
ac_status aci_workshop_trainer_swap(aci_trainer *trainer, ac_error *error);

/* ---- train_state.c ------------------------------------------------------- */

ac_status aci_workshop_state_save(aci_trainer *trainer, ac_error *error);
/* AC_E_ARGUMENT names the first option that differs. */
ac_status aci_workshop_state_load(aci_trainer *trainer, ac_error *error);
ac_status aci_workshop_state_exists(int *out, const aci_trainer *trainer,
                                    ac_error *error);
/* Over all values of a network: what it started from. */
ac_status aci_workshop_state_checksum(uint64_t *out, aci_memory *memory,
                                      aci_network *network, ac_error *error);

/* ---- trained_model.c ----------------------------------------------------- */

/* config.json and the tokenizer's files, from the model's directory. */
ac_status aci_workshop_trained_begin(const aci_trainer *trainer,
                                     ac_error *error);
/* model.safetensors: bfloat16, LoRA merged; averaged weights if any. */
ac_status aci_workshop_trained_write(aci_trainer *trainer, ac_error *error);

/* ---- train_log.c --------------------------------------------------------- */

/* Opens log.csv; keeps the lines of the steps done, drops later ones. */
ac_status aci_workshop_log_open(aci_trainer *trainer, ac_error *error);
ac_status aci_workshop_log_step(const aci_trainer *trainer, int is_judged,
                                ac_error *error);

/* ---- train_rate.c -------------------------------------------------------- */

/* Operations per second of the products alone, at a network's shapes; `level`
 * as in multiply.h. */
ac_status aci_workshop_rate_measure(double *rate, aci_memory *memory,
                                    aci_pool *pool, const aci_shape *shape,
                                    int32_t batch_tokens, const char *level,
                                    ac_error *error);

#endif
