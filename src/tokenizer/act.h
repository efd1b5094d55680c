/* act.h - the image of a tokenizer: what tokenizer.act holds, and what every
 * tokenizer, however it was read, uses in place.
 *
 *     header | offsets | kinds | text | vocabulary table | merge table |
 *     byte ids | pairs | added | splits | split text | template
 *
 * Both tables are open-addressed hash tables, stored ready to use, so opening
 * parses nothing. Little-endian; byte by byte in docs/formats.md.
 * Not here: how an image is made (image_build.c) or checked (image_open.c). */
#ifndef ACI_TOKENIZER_ACT_H
#define ACI_TOKENIZER_ACT_H

#include <stdint.h>
#include <string.h>

#include "platform/files.h"
#include "tokenizer/chat.h"
#include "tokenizer/splitter.h"
#include "tokenizer/tokenizer.h"

#define ACI_ACT_MAGIC "ACTOKEN"      /* and its NUL: 8 bytes */
#define ACI_ACT_VERSION 1u

/* Limits a file must keep; far above any real model. */
#define ACI_ACT_MAX_TOKENS (1u << 24)
#define ACI_ACT_MAX_TOKEN_BYTES 65536u
#define ACI_ACT_MAX_TEXT_BYTES (1u << 30)
#define ACI_ACT_MAX_MERGES (1u << 26)
#define ACI_ACT_MAX_ADDED 65536u
#define ACI_ACT_MAX_SPLITS 16u
#define ACI_ACT_MAX_SPLIT_BYTES 65536u
#define ACI_ACT_MAX_TEMPLATE_BYTES (1u << 20)
#define ACI_ACT_MAX_PROBES 4096u

/* Families. */
#define ACI_ACT_BYTES 1u             /* symbols are bytes (GPT-2) */
#define ACI_ACT_CHARACTERS 2u        /* symbols are characters; what the
                                        vocabulary lacks falls back to bytes */

/* Flags of the header. */
#define ACI_ACT_IGNORE_MERGES 1u     /* a piece that is a token is that token */
#define ACI_ACT_FUSE_UNKNOWN 2u      /* neighbouring unknowns become one */
#define ACI_ACT_ADD_BOS 4u
#define ACI_ACT_STRIP_SPACE 8u       /* decoding drops one leading space */

/* Where a space is put in front. */
#define ACI_ACT_PREFIX_NONE 0u
#define ACI_ACT_PREFIX_ALWAYS 1u     /* every section between added tokens */
#define ACI_ACT_PREFIX_MISSING 2u    /* ... that does not begin with one */
#define ACI_ACT_PREFIX_FIRST 3u      /* ... only at the start of the text */

/* Unicode form asked for by the file. */
#define ACI_ACT_FORM_NONE 0u
#define ACI_ACT_FORM_NFC 1u
#define ACI_ACT_FORM_NFD 2u
#define ACI_ACT_FORM_NFKC 3u
#define ACI_ACT_FORM_NFKD 4u

/* What a token is (bits of kinds[id]). */
#define ACI_ACT_MODEL 1u             /* merging may produce it */
#define ACI_ACT_SPECIAL 2u           /* control: no text unless asked */
#define ACI_ACT_BYTE 4u              /* byte fallback, "<0x0A>" */
#define ACI_ACT_END 8u               /* generation ends here */
#define ACI_ACT_UNKNOWN 16u
#define ACI_ACT_KIND_BITS 31u

/* How an added token is matched (bits of added[i].flags). */
#define ACI_ACT_ADDED_SPECIAL 1u
#define ACI_ACT_ADDED_LEFT 2u        /* takes white space before it */
#define ACI_ACT_ADDED_RIGHT 4u       /* and after it */
#define ACI_ACT_ADDED_WORD 8u        /* only where it is a whole word */
#define ACI_ACT_ADDED_NORMALIZED 16u /* matched after normalisation */
#define ACI_ACT_ADDED_BITS 31u

typedef struct aci_act_section {
    uint64_t offset, n_bytes;
} aci_act_section;

enum {
    ACI_ACT_OFFSETS,                 /* u32 [n_tokens + 1] into the text */
    ACI_ACT_KINDS,                   /* u8 [n_tokens] */
    ACI_ACT_TEXT,
    ACI_ACT_VOCABULARY,              /* aci_act_slot [n_vocabulary_slots] */
    ACI_ACT_MERGES,                  /* aci_act_merge [n_merge_slots] */
    ACI_ACT_BYTE_IDS,                /* i32 [256], -1 none */
    ACI_ACT_PAIRS,                   /* 65536 bits: bytes ever side by side */
    ACI_ACT_ADDED,                   /* aci_act_added [n_added], by text */
    ACI_ACT_SPLITS,                  /* aci_act_split [n_splits] */
    ACI_ACT_SPLIT_TEXT,
    ACI_ACT_TEMPLATE,
    ACI_ACT_N_SECTIONS
};

/* 24 + 64 + 176 + 112 reserved + 8 = 384 bytes. */
typedef struct aci_act_header {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t file_bytes;
    uint32_t family, flags, prefix, form;
    int32_t bos, eos, unknown;
    uint32_t n_tokens, n_merges, n_added, n_splits;
    uint32_t n_vocabulary_slots, n_merge_slots;   /* powers of two */
    uint32_t vocabulary_probes, merge_probes;     /* longest search */
    uint32_t max_token_bytes;
    aci_act_section sections[ACI_ACT_N_SECTIONS];
    uint8_t reserved[104];                        /* zero */
    uint64_t body_checksum;                       /* all behind the header */
    uint64_t header_checksum;                     /* the 376 bytes before */
} aci_act_header;

_Static_assert(sizeof(aci_act_header) == 384, "header of tokenizer.act");

/* id + 1, or 0 for an empty slot; its top bit: merging the token's own text
 * gives that one token, so the piece needs no merging. `tag` is the upper half
 * of the hash. */
#define ACI_ACT_WHOLE 0x80000000u
typedef struct aci_act_slot {
    uint32_t id_whole, tag;
} aci_act_slot;

/* left 0xFFFFFFFF: empty. Lower rank merges first. */
#define ACI_ACT_EMPTY 0xFFFFFFFFu
typedef struct aci_act_merge {
    uint32_t left, right, rank, result;
} aci_act_merge;

typedef struct aci_act_added {
    uint32_t id, flags;
} aci_act_added;

typedef struct aci_act_split {
    uint32_t offset, n_bytes;        /* into the split text */
    uint32_t behaviour;              /* ACI_SPLIT_* */
    uint32_t invert;                 /* 1: what matches is the piece */
} aci_act_split;

struct aci_tokenizer {
    aci_memory *memory;
    aci_mapping mapping;             /* data NULL: the image is allocated */
    uint8_t *owned;
    const uint8_t *image;
    const aci_act_header *header;
    const uint32_t *offsets;
    const uint8_t *kinds;
    const char *text;
    const aci_act_slot *vocabulary;
    const aci_act_merge *merges;
    const int32_t *byte_ids;
    const uint8_t *pairs;
    const aci_act_added *added;
    const char *chat_template;       /* NULL: none; not NUL-terminated */
    size_t chat_template_bytes;
    uint32_t added_first[257];       /* added tokens by their first byte */
    aci_splitter *splitters[ACI_ACT_MAX_SPLITS];
    aci_chat_style chat;
};

static inline uint64_t aci_act_load64(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Hash of a token's bytes; part of the file format. */
static inline uint64_t aci_act_hash(const char *text, size_t n_bytes)
{
    uint64_t hash = (uint64_t)n_bytes * 0x9E3779B97F4A7C15u;
    uint32_t low = 0, high = 0;

    while (n_bytes >= 8) {
        hash = (hash ^ aci_act_load64(text)) * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
        text += 8;
        n_bytes -= 8;
    }
    if (n_bytes >= 4) {
        memcpy(&low, text, 4);
        memcpy(&high, text + n_bytes - 4, 4);
    } else if (n_bytes > 0) {
        low = (uint8_t)text[0];
        high = (uint32_t)(uint8_t)text[n_bytes / 2] << 8 |
               (uint8_t)text[n_bytes - 1];
    }
    hash = (hash ^ (low | (uint64_t)high << 32)) * 0xD6E8FEB86659FD93u;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93u;
    return hash ^ hash >> 29;
}

static inline uint64_t aci_act_pair_hash(uint32_t left, uint32_t right)
{
    uint64_t hash = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;

    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93u;
    return hash ^ hash >> 32;
}

/* The token with exactly these bytes among those merging may produce, or -1;
 * `whole` says whether it stands for itself. */
static inline int32_t aci_act_find(const aci_tokenizer *tokenizer,
                                   const char *text, size_t n_bytes,
                                   int *whole)
{
    const aci_act_header *header = tokenizer->header;
    uint64_t hash = aci_act_hash(text, n_bytes);
    uint32_t mask = header->n_vocabulary_slots - 1, tag, i;

    tag = (uint32_t)(hash >> 32);
    for (i = 0; i < header->vocabulary_probes; i++) {
        aci_act_slot slot =
            tokenizer->vocabulary[((uint32_t)hash + i) & mask];
        uint32_t id = (slot.id_whole & ~ACI_ACT_WHOLE) - 1;

        if (slot.id_whole == 0)
            return -1;
        if (slot.tag == tag &&
            tokenizer->offsets[id + 1] - tokenizer->offsets[id] == n_bytes &&
            memcmp(tokenizer->text + tokenizer->offsets[id], text,
                   n_bytes) == 0) {
            *whole = (slot.id_whole & ACI_ACT_WHOLE) != 0;
            return (int32_t)id;
        }
    }
    return -1;
}

/* The merge of two neighbouring tokens, or NULL. */
static inline const aci_act_merge *
aci_act_find_merge(const aci_tokenizer *tokenizer, int32_t left, int32_t right)
{
    const aci_act_header *header = tokenizer->header;
    uint32_t mask = header->n_merge_slots - 1, i;
    uint32_t first = (uint32_t)aci_act_pair_hash((uint32_t)left,
                                                 (uint32_t)right);

    for (i = 0; i < header->merge_probes; i++) {
        const aci_act_merge *merge = &tokenizer->merges[(first + i) & mask];

        if (merge->left == (uint32_t)left && merge->right == (uint32_t)right)
            return merge;
        if (merge->left == ACI_ACT_EMPTY)
            return NULL;
    }
    return NULL;
}

static inline size_t aci_act_token_bytes(const aci_tokenizer *tokenizer,
                                         int32_t id)
{
    return tokenizer->offsets[id + 1] - tokenizer->offsets[id];
}

/* Points the tokenizer into its image, checks every table, compiles the
 * expressions and reads the chat template's style. `image` must stay. */
ac_status aci_tokenizer_view_image(aci_tokenizer *tokenizer,
                                   const uint8_t *image, size_t n_bytes,
                                   ac_error *error);

#endif
