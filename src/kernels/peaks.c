/* peaks.c - see peaks.h. */
#include "kernels/peaks.h"

#include <math.h>

static int better(aci_choice a, aci_choice b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

/* Puts `held` where it belongs at or under place `at` of a heap whose worst is
 * at the top. */
static void sink(aci_choice *heap, int32_t n, int32_t at, aci_choice held)
{
    for (;;) {
        int32_t child = 2 * at + 1;

        if (child + 1 < n && better(heap[child], heap[child + 1]))
            child++;
        if (child >= n || !better(held, heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = held;
}

/* The best so far are a heap; whatever beats its worst takes that one's place.
 * At the end the heap is emptied from behind. */
static int32_t find_best(aci_choice *best, const float *logits, int32_t n,
                         int32_t wanted)
{
    int32_t kept = n < wanted ? n : wanted, i;

    for (i = 0; i < kept; i++)
        best[i] = (aci_choice){ logits[i], i };
    for (i = kept / 2 - 1; i >= 0; i--)
        sink(best, kept, i, best[i]);
    for (i = kept; i < n; i++) /* an equal one came first */
        if (logits[i] > best[0].logit)
            sink(best, kept, 0, (aci_choice){ logits[i], i });
    for (i = kept - 1; i > 0; i--) {
        aci_choice last = best[i];

        best[i] = best[0];
        sink(best, i, 0, last);
    }
    return kept;
}

void aci_kernels_peaks(aci_peaks *out, const float *logits, int32_t n_vocab,
                       int32_t n_best, float scale)
{
    double sum = 0.0, mass = 0.0;
    float top;
    int32_t i;

    out->n = find_best(out->best, logits, n_vocab, n_best);
    out->unused = 0;
    top = out->best[0].logit;
    for (i = 0; i < n_vocab; i++)
        sum += (double)expf(logits[i] - top);
    for (i = 0; i < n_vocab && scale > 0.0f; i++)
        mass += exp(((double)logits[i] - (double)top) * (double)scale);
    out->log_sum = (double)top + log(sum);
    out->mass = mass;
}
