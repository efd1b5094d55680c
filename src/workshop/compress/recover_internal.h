/* recover_internal.h - what the files of recovery share.
 *
 *     recover.c         options, order of the rungs, what is kept
 *     recover_judge.c   divergence from the teacher on held-out text
 *     recover_blocks.c  one layer at a time
 *     recover_end.c     the whole student */
#ifndef ACI_WORKSHOP_COMPRESS_RECOVER_INTERNAL_H
#define ACI_WORKSHOP_COMPRESS_RECOVER_INTERNAL_H

#include "workshop/compress/recover.h"
#include "workshop/train/network.h"

typedef struct aci_recovery {
    aci_memory *memory;
    aci_pool *pool;
    const aci_recover_teacher *teacher;
    const aci_corpus *calibration, *held_out;
    aci_recover_options options;   /* filled in */
    aci_recover_report *report;
    aci_float_model student;       /* a copy of the caller's */
    uint64_t began_at;             /* monotonic nanoseconds, of the rung */
    double seconds_before;         /* of the rungs before */
    double seconds_limit;          /* of this rung; 0: none */
    double held_out_kl;
} aci_recovery;

/* A teacher ready to be followed. */
typedef struct aci_followed {
    aci_network *network;          /* or: */
    float *logits;                 /* [batch_tokens, n_vocab] */
} aci_followed;

/* Sets of what is trained, [n_layer + 1]; false when it is nothing. */
bool aci_workshop_recover_choose(uint32_t *chosen,
                                 const aci_recovery *recovery,
                                 uint32_t parts);
/* Peak rate times warm-up over the first 5 % and a cosine to 0; `done` of 1. */
float aci_workshop_recover_rate(float peak, double done);
/* Seconds since the rung began; how much of it is done, by work or time. */
double aci_workshop_recover_seconds(const aci_recovery *recovery);
double aci_workshop_recover_done(const aci_recovery *recovery, double work);
/* Fills in the clock's part; AC_E_CANCELLED when the caller says so. */
ac_status aci_workshop_recover_tell(aci_recovery *recovery,
                                    aci_recover_progress *progress,
                                    ac_error *error);

/* Between batches that are not trained on: AC_E_CANCELLED likewise. */
ac_status aci_workshop_recover_poll(const aci_recovery *recovery,
                                    ac_error *error);

/* ---- recover_judge.c ----------------------------------------------------- */

ac_status aci_workshop_followed_open(aci_followed *out,
                                     const aci_recovery *recovery,
                                     ac_error *error);
void aci_workshop_followed_close(aci_followed *followed,
                                 const aci_recovery *recovery);
/* The objective of following it on `batch`; logits are fetched. */
ac_status aci_workshop_followed_ask(aci_objective *out, aci_followed *followed,
                                    const aci_recovery *recovery,
                                    const aci_batch *batch, float temperature,
                                    ac_error *error);
/* Mean divergence and (may be NULL) perplexity of a network. */
ac_status aci_workshop_recover_judge(double *kl, double *perplexity,
                                     aci_network *network,
                                     aci_followed *followed,
                                     const aci_recovery *recovery,
                                     ac_error *error);
/* The student's, as it is now. */
ac_status aci_workshop_recover_judge_now(double *kl, double *perplexity,
                                         const aci_recovery *recovery,
                                         ac_error *error);

/* ---- recover_blocks.c: its parts ----------------------------------------- */

typedef struct aci_block_piece {
    aci_corpus_batch batch;
    size_t first;              /* row in the arrays below */
    double power;              /* of the teacher's output */
} aci_block_piece;

/* Pieces of text on their way through the layers. Of the models, layer l is
 * looked at and nothing else. */
typedef struct aci_block_run {
    aci_recovery *recovery;
    aci_block_piece *pieces;   /* [n_pieces]; the last n_kept are not trained */
    size_t n_pieces, n_kept;   /* on */
    float *teacher, *student;  /* [n_rows, n_embd] */
    float *zeros;              /* an embedding of one token */
    int32_t *tokens;           /* that token, [batch_tokens] */
    uint32_t *chosen;          /* [n_layer + 1] */
    int32_t l;
    uint64_t n_tokens, n_tokens_all, n_rows;
    size_t skipped;            /* rows that an array at hand begins after */
    double loss;
    double before, after;      /* relative error of the layer taught last */
} aci_block_run;

/* A piece more, its batch to be filled by the caller. */
ac_status aci_workshop_block_piece(aci_block_piece **out, aci_block_run *run,
                                   size_t most, ac_error *error);
/* Memory for the rows of all pieces. */
ac_status aci_workshop_block_rows(aci_block_run *run, ac_error *error);
/* A piece's rows in an array of them. */
float *aci_workshop_block_at(const aci_block_run *run, float *rows,
                             const aci_block_piece *piece);
/* Rows of pieces from number `from` on through layer l of a model, in place. */
ac_status aci_workshop_block_propagate(aci_block_run *run, float *rows,
                                       const aci_float_model *model,
                                       size_t from, ac_error *error);
/* Trains the student's layer l on the teacher's rows, which are past it. */
ac_status aci_workshop_block_teach(aci_block_run *run, ac_error *error);
void aci_workshop_block_close(aci_block_run *run);

/* Options that are 0 become the defaults; wants student.shape and texts. */
void aci_workshop_recover_fill_in(aci_recovery *recovery);

/* ---- the rungs ----------------------------------------------------------- */

ac_status aci_workshop_recover_blocks(aci_recovery *recovery,
                                      ac_error *error);
ac_status aci_workshop_recover_end(aci_recovery *recovery, ac_error *error);

#endif
