/* export.h - a variant of a zoo written as a file that other engines run.
 *
 *     variant -> tensors (export_plan.c)
 *             -> rows (export_rows.c) -> export_gguf.c        one file
 *                                     -> export_folder.c      a directory
 *             -> read back by our own importer, weights, tokens and logits
 *                compared (export_check.c) -> given its name
 *
 * Rows stream: memory does not grow with the model. Nothing is under its name
 * before it has been read back. */
#ifndef ACI_WORKSHOP_EXPORT_H
#define ACI_WORKSHOP_EXPORT_H

#include "model/model.h"
#include "model/tensor_list.h"
#include "platform/files.h"
#include "platform/threads.h"
#include "tokenizer/tokenizer.h"

/* A tensor of what is written. */
typedef struct aci_export_tensor {
    aci_tensor tensor;         /* its name, and its size in the file */
    aci_matrix matrix;         /* the variant's; the file's is zero beyond */
    int32_t bits;              /* at which that is read: 4, 8, 16, 32 */
    aci_matrix inner;          /* V [rank, n_in], where `matrix` is U */
    int32_t rank, inner_bits;  /* 0: `matrix` is the whole */
    const float *vector;       /* [n_vector]; the file's is `fill` beyond */
    int32_t n_vector;
    float fill;
} aci_export_tensor;

typedef struct aci_export {
    aci_memory *memory;
    aci_pool *pool;
    const aci_model *model;            /* the zoo, or a checkpoint */
    const aci_variant *variant;
    const aci_tokenizer *tokenizer;
    /* The tokenizer of the written file or directory. */
    ac_status (*read_tokenizer)(aci_tokenizer **out, aci_memory *memory,
                                const char *path, ac_error *error);
    const char *out;                   /* where it goes */
    const ac_export_options *options;  /* complete size */
    ac_export_report *report;          /* never NULL, zeroed */
    uint64_t began_nanoseconds;
    /* aci_workshop_export_plan: */
    aci_shape shape;                   /* of what is written */
    aci_kept *kept;                    /* [n_layer], where layers differ */
    aci_export_tensor *tensors;        /* [n_tensors], in the list's order */
    size_t n_tensors;
    /* U V is multiplied out a row at a time. */
    const aci_export_tensor *inner_of; /* whose V this is, as floats */
    float *inner, *outer;              /* [rank, n_in], [rank] of a row of U */
} aci_export;

/* The whole: chooses the format, writes, checks, puts in place. */
ac_status aci_workshop_export(aci_export *work, ac_error *error);

/* The formats. */
ac_status aci_workshop_export_gguf(aci_export *work, ac_error *error);
ac_status aci_workshop_export_folder(aci_export *work, ac_error *error);

/* ---- what the formats share ---------------------------------------------- */

/* work->shape: the model's, with the biases and the head of the variant. The
 * format may change it before what follows. */
void aci_workshop_export_switches(aci_export *work);
/* Lists what is written. With `may_differ` layers may have different sizes,
 * as llama.cpp's deci has them; else all are as wide as the widest. */
ac_status aci_workshop_export_plan(aci_export *work, int may_differ,
                                   ac_error *error);
void aci_workshop_export_plan_free(aci_export *work);

/* Columns of the widest tensor, at least `least`, with padding. */
size_t aci_workshop_export_widest(const aci_export *work, size_t least);

/* Says how far it is; AC_E_CANCELLED when the callback wants an end. */
ac_status aci_workshop_export_progress(const aci_export *work,
                                       const char *stage, uint64_t done,
                                       uint64_t total, ac_error *error);
/* A line for the user: what the target will do otherwise. */
void aci_workshop_export_note(const aci_export *work, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- export_rows.c ------------------------------------------------------- */

/* The row's values [n_in] at 4, 8, 16 or, of a checkpoint, 32 bits. */
void aci_workshop_export_values(float *out, const aci_matrix *matrix,
                                int32_t row, int32_t bits);

/* One row, or a whole vector, of a tensor of the file: [n_in] values. */
void aci_workshop_export_read(float *out, aci_export *work,
                              const aci_export_tensor *tensor, int32_t row);
/* One row as codes, n_in rounded up to whole groups of `group`, which divides
 * the matrix's, and the scale of each such group. */
void aci_workshop_export_row(int8_t *codes, float *scales,
                             const aci_export_tensor *tensor, int32_t row,
                             int32_t group);

/* float16 or bfloat16 of `n` values; the number of the first that the type
 * cannot hold, or -1. */
int64_t aci_workshop_export_halves(uint8_t *out, const float *values,
                                   size_t n, int bfloat);

/* ---- export_check.c ------------------------------------------------------ */

/* Reads `path` back and compares; fills the report. AC_E_INTERNAL when it is
 * not what was meant to be written. */
ac_status aci_workshop_export_check(aci_export *work, const char *path,
                                    ac_error *error);

#endif
