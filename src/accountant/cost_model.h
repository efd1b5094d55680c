/* cost_model.h - what a request's tokens cost on a variant, counted, and what
 * the same tokens would have cost on full. Formulas: docs/costs.md. */
#ifndef ACI_ACCOUNTANT_COST_MODEL_H
#define ACI_ACCOUNTANT_COST_MODEL_H

#include "flow.h"
#include "model/model.h"

/* Tokens per reading of the weights during prefill: the ACI_MAX_ROWS of
 * kernels/backend.h, which this folder may not see (a test compares them). */
enum { ACI_ACCOUNTANT_CHUNK = 512 };

/* Speeds assumed before anything was measured: memory read while decoding,
 * multiply-accumulates while prefilling. One modest CPU. */
#define ACI_ACCOUNTANT_NOMINAL_BYTES 10e9
#define ACI_ACCOUNTANT_NOMINAL_MACS 50e9

/* cost(position) = first + position * step, until the window is full. */
typedef struct aci_cost_line {
    aci_token_cost first, step;
    uint64_t weight_bytes;           /* of `first`, what is not KV cache */
} aci_cost_line;

/* The lines of every variant, worked out once: routing asks for each variant
 * of each prompt. */
typedef struct aci_cost_table {
    const aci_model *model;
    uint64_t window;                 /* positions that still grow; 0: all */
    aci_cost_line lines[AC_MAX_VARIANTS][3][2]; /* [kv 16, 8, 32][with head] */
} aci_cost_table;

void aci_accountant_cost_table(aci_cost_table *out, const aci_model *model);

/* What was evaluated. */
typedef struct aci_work {
    int32_t variant, draft_variant;  /* draft_variant: -1 for none */
    int32_t kv_bits;                 /* 32 or 8; anything else is 16 */
    uint64_t first_position;         /* of the prompt tokens evaluated */
    uint64_t prompt_tokens, generated_tokens;
    uint64_t draft_tokens, accepted_tokens;
} aci_work;

/* Both passes; sums stop at INT64_MAX, where SQLite's integers end. */
typedef struct aci_work_cost {
    aci_token_cost prefill, decode;
} aci_work_cost;

void aci_accountant_work_cost(aci_work_cost *out,
                              const aci_cost_table *table,
                              const aci_work *work);

/* Seconds on full over seconds on the variant of `work`, per pass; the worse
 * of the two grounds is returned: AC_BASIS_*. */
uint32_t aci_accountant_full_ratio(double *prefill, double *decode,
                                   const aci_cost_table *table,
                                   const aci_work *work);

/* Seconds of each pass on the variant of `work` at the nominal speeds of full
 * and the variant's ratio to it. */
void aci_accountant_nominal_seconds(double *prefill, double *decode,
                                    const aci_cost_table *table,
                                    const aci_work *work);

/* Saturating: no sum of costs ever turns negative in the ledger. */
uint64_t aci_accountant_add(uint64_t a, uint64_t b);

#endif
