/* zoo_card.h - zoo.json: what a zoo is, where it came from, its variants and
 * what was measured of them. docs/formats.md lists the fields. */
#ifndef ACI_MODEL_ZOO_CARD_H
#define ACI_MODEL_ZOO_CARD_H

#include "model/variant.h"
#include "platform/memory.h"

enum { ACI_CARD_FORMAT_VERSION = 1, ACI_CARD_MAX_BYTES = 1 << 20 };

/* What training gave a variant back; n_tokens 0: it was not trained. */
typedef struct aci_recovered {
    double kl_before, kl_after; /* from full, nats per token, on text held out
                                   of the calibration text */
    uint64_t n_tokens;
    double seconds;
} aci_recovered;

/* What a variant was asked to cost; cost NULL: nothing. */
typedef struct aci_targeted {
    const char *cost;          /* which one; static */
    double at_most, expected;  /* over full's */
    double kl_expected;        /* before recovery */
} aci_targeted;

enum { ACI_N_TIMINGS = 8 };

typedef struct aci_zoo_card {
    char name[96];
    char architecture[32];
    /* Provenance. */
    char library_version[32];
    uint64_t checkpoint_checksum;  /* 0: synthetic */
    char checkpoint[256];          /* last part of its path, or shape name */
    char created[40];              /* ISO 8601, or "" */
    uint64_t seed;                 /* of synthetic weights */
    uint64_t calibration_checksum; /* of the tokens read */
    uint64_t calibration_tokens;   /* 0: not calibrated */
    double seconds;                /* that making it took; 0: unknown */
    uint32_t group;
    /* The weight store that belongs to it. */
    uint64_t weights_bytes, weights_checksum;
    /* What variants own beside it; bytes 0: there is no such file. */
    uint64_t extras_bytes, extras_checksum;
    aci_variant variants[AC_MAX_VARIANTS];
    int32_t n_variants;
    /* Of each variant; written, not read: nothing runs by it. */
    aci_recovered recovered[AC_MAX_VARIANTS];
    aci_targeted targeted[AC_MAX_VARIANTS];
    /* Seconds of a token's products where it was made, when targets were asked
     * for: q, k, v, o, gate, up, down, head; 4, 8, 16 bits; fixed, per weight.
     * Written, not read. */
    double timings[ACI_N_TIMINGS][3][2];
    int32_t has_timings;
} aci_zoo_card;

/* Reads strictly: wrong types, numbers out of range, doubled or missing
 * variants are AC_E_FORMAT with the field named; unknown fields are ignored;
 * another format version is AC_E_UNSUPPORTED. Plans are the card's, from
 * `memory`: aci_model_card_clear; after a failure there are none. */
ac_status aci_model_card_read(aci_zoo_card *out, aci_memory *memory,
                              const char *path, ac_error *error);

/* Frees the plans of the variants; a card of zeros has none. */
void aci_model_card_clear(aci_zoo_card *card, aci_memory *memory);

/* Writes beside its place and renames. */
ac_status aci_model_card_write(const aci_zoo_card *card, aci_memory *memory,
                               const char *path, ac_error *error);

/* Puts the figures of `figures` that are not NaN into the variant of that
 * name; everything else in the file stays, fields we do not know included.
 * Written beside its place and renamed: readers see the old card or the new.
 * AC_E_NOT_FOUND without such a variant. */
ac_status aci_model_card_update(aci_memory *memory, const char *path,
                                const aci_variant *figures, ac_error *error);

#endif
