/* features.h - what the predictor reads of a prompt.
 *
 *     prompt = [known template][tokens 1..15][the rest, only its shape]
 *
 * A template is an opening that many training prompts share (instructions, a
 * system text); it is skipped, so that the 15 tokens say something of this
 * prompt, and its number is a feature. Tokens are made by a fixed splitter of
 * our own, so a predictor does not depend on any model's vocabulary. The
 * shape is a dozen numbers about the first 4 KiB, and the whole length. */
#ifndef ACI_ROUTER_FEATURES_H
#define ACI_ROUTER_FEATURES_H

#include <stddef.h>
#include <stdint.h>

enum {
    ACI_ROUTER_MIN_TOKENS = 10,
    ACI_ROUTER_MAX_TOKENS = 15,
    ACI_ROUTER_SHAPES = 14,
    ACI_ROUTER_MAX_TEMPLATES = 16,
    ACI_ROUTER_MAX_TEMPLATE_BYTES = 4096,
    ACI_ROUTER_WINDOW_BYTES = 4096, /* read after the template, no more */
    ACI_ROUTER_BINNED_SHAPES = 3    /* of the shapes, also read in steps */
};

/* Openings to skip. `text` need not end in NUL. */
typedef struct aci_templates {
    uint32_t n;
    uint32_t n_bytes[ACI_ROUTER_MAX_TEMPLATES];
    const char *text[ACI_ROUTER_MAX_TEMPLATES];
} aci_templates;

/* Places in `shape`. Ratios are of the bytes in the window. */
enum {
    ACI_SHAPE_LENGTH,      /* log2(1 + bytes), template not counted */
    ACI_SHAPE_FIRST_LINE,  /* log2(1 + bytes before the first newline) */
    ACI_SHAPE_OTHER_LINES, /* log2(1 + mean bytes of the lines after it) */
    ACI_SHAPE_LINES,       /* log2(1 + newlines) */
    ACI_SHAPE_DIGITS,
    ACI_SHAPE_PUNCTUATION,
    ACI_SHAPE_CAPITALS,
    ACI_SHAPE_OPERATORS,   /* + - = * / ^ < > \ */
    ACI_SHAPE_FOREIGN,     /* bytes outside ASCII */
    ACI_SHAPE_WORD_BYTES,  /* letters per word, over 8 */
    ACI_SHAPE_QUESTION,    /* 1 when there is a '?' */
    ACI_SHAPE_BLANK,       /* 1 for "__", a gap to fill in */
    ACI_SHAPE_TABLE,       /* 1 for '|' or a tab */
    ACI_SHAPE_CODE         /* 1 for "```", '{' or ';' */
};

/* One prompt, read. Hashes are of lower-case words, folded digits. */
typedef struct aci_features {
    uint32_t n_tokens;
    uint32_t template_number; /* 0: none; else 1 + its place */
    uint64_t word[ACI_ROUTER_MAX_TOKENS];
    uint64_t prefix[ACI_ROUTER_MAX_TOKENS]; /* its first three bytes */
    uint64_t suffix[ACI_ROUTER_MAX_TOKENS]; /* its last three */
    float shape[ACI_ROUTER_SHAPES];
} aci_features;

/* `templates` may be NULL. Reads at most the templates and 4 KiB; any bytes
 * are fine, valid UTF-8 or not. */
void aci_router_read_features(aci_features *out,
                              const aci_templates *templates,
                              const char *prompt, size_t prompt_bytes,
                              uint32_t n_tokens);

/* XXH64 of all that was read: equal features, equal decision. */
uint64_t aci_router_hash_features(const aci_features *features);

/* The entries of the wide table that `features` touch: words, pairs of
 * neighbours, word ends, the template, lengths in steps. Entry numbers are
 * below `n_wide`; the top bit of each says that its weight counts negative
 * (signed hashing: collisions cancel instead of adding up). */
enum {
    ACI_ROUTER_MAX_WIDE = 3 * ACI_ROUTER_MAX_TOKENS +
                          ACI_ROUTER_BINNED_SHAPES + 2
};
#define ACI_ROUTER_WIDE_NEGATIVE 0x80000000u
uint32_t aci_router_wide_entries(uint32_t entries[ACI_ROUTER_MAX_WIDE],
                                 const aci_features *features,
                                 uint32_t n_wide);

/* The four rows of the embedding table that token `i` sums. */
void aci_router_embedding_rows(uint32_t rows[4], const aci_features *features,
                               uint32_t i, uint32_t n_embedding);

#endif
