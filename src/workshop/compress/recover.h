/* recover.h - what compression broke is trained back, from what the whole model
 * says (knowledge distillation; Hinton, Vinyals, Dean 2015). Two rungs:
 *
 *   blocks       one layer at a time, in order: the student's layer, fed what
 *                the recovered layers before it give, learns what the teacher's
 *                gives on its own stream,
 *                    |f_student(x^) - f(x)|^2 / |f(x)|^2
 *                (Frantar, Alistarh 2022; Minitron, Muralidharan et al. 2024).
 *                No pass through the whole model; two rows of n_embd floats are
 *                kept per calibration token.
 *   end to end   the whole student learns the teacher's distribution,
 *                    KL(teacher || student) [+ share of cross-entropy]
 *                on calibration text, judged on held-out text of another
 *                source; the best student seen is kept, and it stops when it
 *                gets no better. Teacher's logits exist a slice at a time.
 *
 * A rung that does not lower the held-out divergence leaves no trace. Weights
 * are floats (float_model.h). A variant that is also quantised is recovered as
 * floats *before* it is quantised, with error feedback on the recovered
 * weights; or from its de-quantised floats, and then everything trained that
 * is stored as codes is quantised again by the caller. Norms and biases are
 * stored as floats and need neither: with parts ACI_CHOOSE_NORMS |
 * ACI_CHOOSE_BIASES on de-quantised floats the codes stay as they are. */
#ifndef ACI_WORKSHOP_COMPRESS_RECOVER_H
#define ACI_WORKSHOP_COMPRESS_RECOVER_H

#include "platform/memory.h"
#include "platform/threads.h"
#include "workshop/train/corpus.h"
#include "workshop/train/float_model.h"

/* The whole model: its weights; or, where only its answers can be had, a
 * function that gives them, and then blocks are not recovered. */
typedef struct aci_recover_teacher {
    const aci_float_model *model;
    /* Logits of rows that have a target, in row order: [n, n_vocab]. */
    ac_status (*logits)(float *out, const aci_batch *batch, void *user,
                        ac_error *error);
    void *user;
} aci_recover_teacher;

enum aci_recover_rung { ACI_RECOVER_BLOCKS, ACI_RECOVER_END };

typedef struct aci_recover_progress {
    int32_t rung;                /* aci_recover_rung */
    int32_t layer, n_layer;      /* blocks: which one of how many */
    uint64_t n_tokens, n_tokens_all; /* trained on in this rung; at most */
    double seconds, seconds_left;    /* of this rung */
    double tokens_per_second;
    double loss;                 /* of the last step: relative error, KL */
    double held_out_kl;          /* as judged last */
} aci_recover_progress;

/* A matrix of a layer is trained when its bit is set and it is dense and was
 * cut: o and q, k, v where heads were left out, down, gate and up where
 * neurons were. With this bit too where nothing was. */
enum { ACI_RECOVER_UNCUT = 1 << 16 };

/* 0 is the default everywhere. */
typedef struct aci_recover_options {
    uint32_t block_parts, end_parts; /* aci_chosen (network.h) of all layers;
                                    default: o, down, factors, norms, biases */
    bool no_blocks, no_end;      /* leave a rung out */
    uint64_t block_tokens;       /* kept for the blocks; 0: 65536, fewer when
                                    their rows would be above 512 MB */
    uint32_t block_passes;       /* over them, per block; 0: 6 */
    float block_rate, end_rate;  /* highest learning rate; 0: 0.25 / n_embd,
                                    at most 1e-3; end to end half of that */
    uint64_t end_tokens;         /* 0: 500 000 */
    float temperature;           /* of the divergence trained on; 0: 1 */
    float cross_entropy;         /* share, below 1 */
    double seconds;              /* for both rungs, half for the blocks; 0: no
                                    limit. With one the result depends on how
                                    fast the machine is */
    uint64_t judge_tokens;       /* of the held-out text; 0: 16384 */
    uint32_t judge_every;        /* steps; 0: a tenth of them */
    uint32_t patience;           /* judgements without a better one that end
                                    it; 0: 5 */
    int32_t batch_tokens;        /* 0: 1024, or one context if that is more */
    bool recompute;              /* less memory, a third more work */
    uint64_t seed;               /* which text, in which order */
    /* Called after every step; nonzero stops: AC_E_CANCELLED. */
    int32_t (*on_progress)(const aci_recover_progress *progress, void *user);
    /* The same between other batches, where there is nothing new to tell. */
    int32_t (*on_poll)(void *user);
    void *progress_user;         /* of both */
} aci_recover_options;

/* Held-out figures at three points: before, after the blocks, after the end to
 * end training (each as it was kept). */
enum { ACI_RECOVER_POINTS = 3 };

typedef struct aci_recover_report {
    double kl[ACI_RECOVER_POINTS];          /* mean, nats per token */
    double perplexity[ACI_RECOVER_POINTS];
    double teacher_perplexity;              /* NaN without its weights */
    uint64_t n_tokens[ACI_RECOVER_POINTS];  /* trained on up to there */
    double seconds[ACI_RECOVER_POINTS];     /* spent up to there */
    double block_error[2];       /* mean relative error of the blocks on
                                    calibration text not trained on: before,
                                    after */
    uint64_t n_steps, best_step; /* end to end */
    bool blocks_kept, end_kept;
} aci_recover_report;

/* Trains the arrays of `student` in place; biases that are to be learned must
 * be there, zeros will do. Both corpora use the model's vocabulary, with a
 * context within the model's. The same seed gives the same student at any
 * number of threads.
 *
 * AC_E_ARGUMENT for models that do not match or a corpus without text,
 * AC_E_NUMERIC names where numbers stopped being finite, AC_E_CANCELLED,
 * AC_E_NO_MEMORY: the student is then as it was. */
ac_status aci_workshop_recover(aci_memory *memory, aci_pool *pool,
                               aci_recover_report *report,
                               aci_float_model *student,
                               const aci_recover_teacher *teacher,
                               const aci_corpus *calibration,
                               const aci_corpus *held_out,
                               const aci_recover_options *options,
                               ac_error *error);

#endif
