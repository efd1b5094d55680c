/* ladder_make.h - the variants of a plan, made beside a store that is there:
 *
 *     closed form   ladder_student.c   what is left made good by regression
 *     recovery      ladder_recover.c   and by training, as floats
 *     codes         ladder_extras.c    by error feedback, into extras.acw
 *     the card      ladder_make.c
 *
 * One variant at a time; of its layers only what it owns is held in memory,
 * unless it is trained. */
#ifndef ACI_WORKSHOP_LADDER_MAKE_H
#define ACI_WORKSHOP_LADDER_MAKE_H

#include "model/model.h"
#include "model/zoo_card.h"
#include "workshop/compress/extras_build.h"
#include "workshop/compress/ladder_plan.h"
#include "workshop/compress/recover.h"

/* Plans what has a target, by the store that is there. Makes extras.acw (if any
 * variant owns something) and the card anew in `folder`, which has the store, a
 * tokenizer and a card of the plain variants. `card` gets the ladder's
 * variants, their plans from work->memory: aci_model_card_clear. */
ac_status aci_workshop_ladder_make(aci_zoo_card *card,
                                   const aci_ladder_work *work,
                                   aci_ladder_plan *plan,
                                   const char *folder, ac_error *error);

/* ---- ladder_student.c ---------------------------------------------------- */

/* What the variant owns, as floats: matrices, factors and biases that differ
 * from the store's, nothing else. `out` is to be closed after a failure too. */
ac_status aci_workshop_ladder_student(aci_float_model *out,
                                      const aci_ladder_work *work,
                                      const aci_unit_order *order,
                                      const aci_variant_plan *plan,
                                      ac_error *error);

/* One layer of it alone. */
ac_status aci_workshop_ladder_student_layer(aci_float_model *out,
                                            const aci_ladder_work *work,
                                            const aci_unit_order *order,
                                            const aci_variant_plan *plan,
                                            int32_t layer, ac_error *error);

/* The layer as the plan leaves it. */
aci_kept aci_workshop_ladder_kept(const aci_ladder_work *work,
                                  const aci_variant_plan *plan,
                                  int32_t layer);

/* 1 when the variant owns the matrix (aci_layer_matrix) of that layer. */
int aci_workshop_ladder_owns(const aci_float_model *student,
                             const aci_variant_plan *plan, int32_t layer,
                             int32_t matrix);

/* ---- ladder_recover.c ---------------------------------------------------- */

/* Teacher and texts, the same for all variants. */
typedef struct aci_ladder_school {
    const aci_ladder_work *work;
    aci_float_model teacher;
    aci_corpus lessons, exam;  /* of different documents */
    uint64_t judge_tokens;     /* of the exam; 0: as many as for a variant */
    uint64_t n_tokens;         /* a variant is trained on end to end at most;
                                  0: none are. Before that each layer learns
                                  by itself from an eighth of as many, six
                                  times, and after its codes were chosen norms
                                  and biases from half as many */
    int32_t by_blocks;         /* 1: a layer at a time, without `teacher` */
} aci_ladder_school;

/* `is_needed`: to judge by, where nothing is to be trained, too. */
ac_status aci_workshop_school_open(aci_ladder_school *out,
                                   const aci_ladder_work *work,
                                   const char *folder, int is_needed,
                                   ac_error *error);
void aci_workshop_school_close(aci_ladder_school *school);

/* The rest of the student from the store's planes at the variant's bits, and
 * zeros for biases it may learn; layer -1: of all, else of that one and what
 * stands outside of layers as vectors. */
ac_status aci_workshop_school_enrol(aci_float_model *student,
                                    const aci_variant_plan *plan,
                                    const aci_model *model, int32_t layer,
                                    ac_error *error);

/* Divergence from the teacher on the exam; `name` is told as progress. */
ac_status aci_workshop_school_judge(aci_float_model *student, double *kl,
                                    aci_ladder_school *school,
                                    const char *name, ac_error *error);

/* Trains the student. `codes_are_fixed`: norms and biases alone. */
ac_status aci_workshop_school_teach(aci_float_model *student,
                                    aci_recover_report *report,
                                    aci_ladder_school *school,
                                    const aci_variant_plan *plan,
                                    int codes_are_fixed, ac_error *error);

/* ---- ladder_extras.c ----------------------------------------------------- */

/* Chooses codes for what the variant owns and adds them (NULL: does not); the
 * student's arrays become what the codes say. */
ac_status aci_workshop_ladder_matrices(aci_extras_build *extras,
                                       aci_float_model *student,
                                       const aci_ladder_work *work,
                                       const aci_unit_order *order,
                                       const aci_variant_plan *plan,
                                       ac_error *error);

/* The same of one layer. */
ac_status aci_workshop_ladder_layer_matrices(aci_extras_build *extras,
                                             aci_float_model *student,
                                             const aci_ladder_work *work,
                                             const aci_unit_order *order,
                                             const aci_variant_plan *plan,
                                             int32_t layer, ac_error *error);

/* Adds its vectors: those that differ from the store's. */
ac_status aci_workshop_ladder_vectors(aci_extras_build *extras,
                                      aci_float_model *student,
                                      const aci_variant_plan *plan,
                                      const aci_model *model,
                                      int32_t *n_added, ac_error *error);

/* ---- ladder_blocks.c: a layer at a time ---------------------------------- */

/* Makes, trains and codes a variant with one layer of it and of the model in
 * memory; what it owns goes to `extras`, how many tensors to *n_owned. */
ac_status aci_workshop_ladder_blocks(aci_extras_build *extras,
                                     aci_recovered *out, int32_t *n_owned,
                                     const aci_ladder_school *school,
                                     const aci_unit_order *order,
                                     const aci_variant_plan *plan,
                                     const aci_model *model, ac_error *error);
/* Of memory, at most. */
uint64_t aci_workshop_ladder_blocks_bytes(const aci_ladder_work *work);

/* ---- ladder_memory.c ----------------------------------------------------- */

/* Before hours of work: what each part of it takes, told to the log, and how
 * variants are trained, *out: end to end where the memory limit, or without
 * one three quarters of the machine's memory, allows it, else a layer at a
 * time, else not; the log is told. AC_E_NO_MEMORY names a part that does not
 * fit. */
ac_status aci_workshop_ladder_memory(int32_t *out, const aci_ladder_work *work,
                                     const aci_ladder *ladder,
                                     ac_error *error);

#endif
