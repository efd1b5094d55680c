/* check_literature.h - a review cut into pieces that speak of the same sources
 * (inside this folder). */
#ifndef ACI_WORKSHOP_CHECK_LITERATURE_H
#define ACI_WORKSHOP_CHECK_LITERATURE_H

#include "workshop/evaluate/check_rules.h"

enum { ACI_MOST_SOURCES = 60, ACI_MOST_PIECES = 128, ACI_REVIEW_MOST = 32 };

/* "raised", said of exactly these sources, with these numbers. */
typedef struct aci_claim {
    aci_slice any[ACI_REVIEW_MOST], against[ACI_REVIEW_MOST];
    aci_slice numbers[4], unit;
    int32_t n_any, n_against, n_numbers;
    uint64_t sources;      /* bit i: source i, from 1 */
    bool optional;         /* need not be said, but not be said wrongly */
} aci_claim;

typedef struct aci_review_check {
    aci_slice source;
    aci_claim claims[ACI_REVIEW_MOST];
    aci_slice words[ACI_REVIEW_MOST], none[ACI_REVIEW_MOST];
    int32_t n_claims, n_words, n_none, n_sources, min_sources, max_words;
    uint64_t ignore;
} aci_review_check;

/* Text with the sources it cites; none: it cites nobody. */
typedef struct aci_piece {
    size_t from, to;
    uint64_t sources;
} aci_piece;

typedef struct aci_pieces {
    aci_piece list[ACI_MOST_PIECES];
    int32_t n;
    bool full;             /* there were more */
    bool broken_marker;    /* "[x]", "[9]" of four, "[2" */
} aci_pieces;

/* check_literature_pieces.c. Markers are [2], [2][3], [2, 3], [2-4]. A piece
 * is what ends in a run of markers, "raised it [2][3]", or begins with one,
 * "[1] and [4] lowered it", when nothing is claimed before the first. */
void aci_workshop_review_pieces(aci_pieces *out, const aci_review_check *check,
                                aci_slice text);
/* The end of the marker at text[at], else 0; its sources are added. */
size_t aci_workshop_marker_at(uint64_t *sources, aci_slice text, size_t at,
                              int32_t n_sources);
/* A claim's word, or one against it, is in the text. */
bool aci_workshop_review_claims(const aci_review_check *check, aci_slice text);

/* check_literature_fields.c; names the field that is wrong. */
ac_status aci_workshop_review_fields(aci_review_check *out,
                                     const json_t *check, ac_error *error);

#endif
