/* export.h - a variant of a zoo written as a file that other engines run.
 *
 *     variant -> rows (export_rows.c) -> export_gguf.c        one file
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
} aci_export;

/* The whole: chooses the format, writes, checks, puts in place. */
ac_status aci_workshop_export(aci_export *work, ac_error *error);

/* The formats. */
ac_status aci_workshop_export_gguf(aci_export *work, ac_error *error);
ac_status aci_workshop_export_folder(aci_export *work, ac_error *error);

/* ---- what the formats share ---------------------------------------------- */

/* Bits at which the variant reads a matrix: `member` is its name without the
 * layer ("q", "embed", "head"). */
int32_t aci_workshop_export_bits(const aci_variant *variant,
                                 const char *member);
/* "q" of "3.q". */
const char *aci_workshop_export_member(const aci_tensor *tensor);

/* 1 when the head must be written though the model has it tied: the variant
 * reads the table at one precision as embeddings, at another as head. */
int aci_workshop_export_unties(const aci_export *work);

/* Tensor i of what is written: the model's list, and then, when unties(), the
 * head. */
size_t aci_workshop_export_count(const aci_export *work);
void aci_workshop_export_at(aci_tensor *out, const aci_export *work,
                            size_t i);
/* Columns of the widest of them, at least `least`, with padding. */
size_t aci_workshop_export_widest(const aci_export *work, size_t least);

/* Says how far it is; AC_E_CANCELLED when the callback wants an end. */
ac_status aci_workshop_export_progress(const aci_export *work,
                                       const char *stage, uint64_t done,
                                       uint64_t total, ac_error *error);
/* A line for the user: what the target will do otherwise. */
void aci_workshop_export_note(const aci_export *work, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- export_rows.c ------------------------------------------------------- */

/* Codes of one row [n_in_padded], q or c; bits 4 or 8. Value k is
 * codes[k] * scale(k / group). */
void aci_workshop_export_codes(int8_t *codes, const aci_matrix *matrix,
                               int32_t row, int32_t bits);
/* Scales of one row [n_in_padded / group]: s, or s / D for 8 bits. */
void aci_workshop_export_scales(float *scales, const aci_matrix *matrix,
                                int32_t row, int32_t bits);
/* The row's values [n_in] at 4, 8, 16 or, of a checkpoint, 32 bits. */
void aci_workshop_export_values(float *out, const aci_matrix *matrix,
                                int32_t row, int32_t bits);

/* One row, or a whole vector, of a tensor as the variant has it. */
void aci_workshop_export_read(float *out, const aci_export *work,
                              const aci_tensor *tensor, int32_t row);

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
