/* compare_rows.h - what a variant's next-token logits say of the token that
 * came, and how far they are from full's. In double precision over the whole
 * vocabulary, rows shared out to the pool's threads. With full's logits f and
 * the variant's own o:
 *
 *     nats = Z(o) - o[target]      Z(x) = ln sum exp x
 *     kl   = sum p_f ((f - Z(f)) - (o - Z(o)))      p_f = exp(f - Z(f))
 */
#ifndef ACI_WORKSHOP_COMPARE_ROWS_H
#define ACI_WORKSHOP_COMPARE_ROWS_H

#include <stdint.h>

#include "platform/threads.h"

typedef struct aci_row {
    double full_nats, full_z;  /* kept from full's turn for the others' */
    int32_t full_top;
    int32_t target;            /* -1: this row is not judged */
    double nats, kl;           /* of the variant at hand */
    int32_t same_top;          /* its most likely token is full's */
    int32_t is_bad;            /* a logit is not finite */
} aci_row;

/* Both [n_rows, n_vocab]; own equal to full: full's turn, which comes first. */
void aci_workshop_compare_rows(aci_row *rows, const float *full,
                               const float *own, int64_t n_rows,
                               int32_t n_vocab, aci_pool *pool);

#endif
