/* workshop.h - making what the stages use: zoos and predictors. */
#ifndef ACI_WORKSHOP_WORKSHOP_H
#define ACI_WORKSHOP_WORKSHOP_H

#include "model/checkpoint.h"
#include "model/model.h"
#include "model/variant.h"
#include "platform/memory.h"
#include "platform/threads.h"

/* compress/: writes weights.acw and zoo.json of `checkpoint` into `folder`
 * (an existing temporary directory; the api adds tokenizer and predictor and
 * commits). */
ac_status aci_workshop_compress(aci_memory *memory, aci_pool *pool,
                                const aci_checkpoint *checkpoint,
                                const char *folder,
                                const ac_compress_options *options,
                                ac_error *error);

/* 1 when a stopped run left finished stages in `folder`. */
int aci_workshop_compress_is_begun(aci_memory *memory, const char *folder);

/* compress/: the same with random weights of a named shape
 * (model/known_shapes.h), seeded by options->seed. The vocabulary is the
 * shape's; the tokenizer is the caller's to add. AC_E_NOT_FOUND lists the
 * names. */
ac_status aci_workshop_synthesize(aci_memory *memory, aci_pool *pool,
                                  const char *shape_name, const char *folder,
                                  const ac_compress_options *options,
                                  ac_error *error);

/* compress/: opens random weights that are on no disk, described by a text
 * (compress/synthetic_spec.h): a model like one of a zoo's, and what ac_inspect
 * says of it. AC_E_NOT_FOUND lists the shapes. */
ac_status aci_workshop_synthetic_open(aci_model **out, aci_memory *memory,
                                      const char *text, ac_error *error);
ac_status aci_workshop_synthetic_describe(char **out_json, aci_memory *memory,
                                          const char *text, ac_error *error);

/* compress/: puts measured figures into a zoo's card: those of `figures` that
 * are not NaN, for the variant of that name. Atomic; the rest of the card
 * stays as it is. AC_E_NOT_FOUND when the zoo has no such variant. */
ac_status aci_workshop_card_update(aci_memory *memory, const char *zoo,
                                   const aci_variant *figures,
                                   ac_error *error);

/* train/: learns a predictor from outcomes. */
ac_status aci_workshop_train_predictor(aci_memory *memory,
                                       ac_train_report *report,
                                       const char *outcomes_path,
                                       const char *predictor_path,
                                       const ac_train_options *options,
                                       ac_error *error);

/* train/: learns a byte-level BPE tokenizer from options->data and writes it
 * to `path`, a directory or a file. */
ac_status aci_workshop_train_tokenizer(aci_memory *memory, aci_pool *pool,
                                       ac_tokenizer_report *report,
                                       const char *path,
                                       const ac_tokenizer_options *options,
                                       ac_error *error);

/* train/: trains the model of a Hugging Face directory on text. */
ac_status aci_workshop_train(aci_memory *memory, aci_pool *pool,
                             ac_training_report *report, const char *model,
                             const char *out,
                             const ac_training_options *options,
                             ac_error *error);

#endif
