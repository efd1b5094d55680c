/* extras_format.h - extras.acw, as structs: what variants own beside the
 * store. docs/formats.md draws it.
 *
 *     0        header, 128 bytes
 *     128      parts of entry 0, of entry 1, ...   each on a multiple of 64
 *     ...      directory: n_entries entries of 256 bytes, on a multiple of 64;
 *              the file ends with it
 *
 * An entry is one tensor of one variant. Its parts lie in the order of the
 * directory without a gap that alignment does not ask for, so every offset and
 * size follows from the kinds and shapes, and the shapes from the model's and
 * the variant's plan: a reader computes them all and refuses other ones. */
#ifndef ACI_MODEL_EXTRAS_FORMAT_H
#define ACI_MODEL_EXTRAS_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"

#define ACI_EXTRAS_MAGIC "ACEX"

enum {
    ACI_EXTRAS_FORMAT_VERSION = 1,
    ACI_EXTRAS_LAYOUT_VERSION = 2,     /* tiles as in weights.acw */
    ACI_EXTRAS_ENDIAN_MARK = 0x01020304,
    ACI_EXTRAS_ALIGNMENT = 64,
    ACI_EXTRAS_MAX_ENTRIES = 1 << 19
};

/* What an entry is instead of the store's tensor of its name. */
typedef enum aci_owned_kind {
    ACI_OWNED_VECTOR = 1,  /* float32; a bias the shape lacks comes to be */
    ACI_OWNED_MATRIX = 2,  /* W in planes, at 4 or 8 bits */
    ACI_OWNED_LOW_RANK = 3, /* W ~= U V: U [n_out, rank], V [rank, n_in] */
    ACI_OWNED_SHARED = 4   /* U alone; V is q's (of k, v) or gate's (of up) */
} aci_owned_kind;

/* Parts of an entry: W's or U's (a vector's floats are the first), then V's.
 * Plane B is there at 8 bits. */
enum { ACI_EXTRA_A, ACI_EXTRA_SCALES, ACI_EXTRA_B, ACI_EXTRA_INNER_A,
       ACI_EXTRA_INNER_SCALES, ACI_EXTRA_INNER_B, ACI_N_EXTRA_PARTS };

typedef struct aci_extras_header {
    char magic[4];
    uint32_t format_version;
    uint32_t layout_version;
    uint32_t endian_mark;
    uint64_t file_bytes;
    uint64_t directory_offset;
    uint64_t directory_bytes;
    uint64_t directory_checksum;       /* XXH64, seed 0 */
    uint32_t n_entries;
    uint32_t group;                    /* the store's */
    uint64_t store_checksum;           /* of the store they belong to */
    uint8_t reserved[56];              /* zero */
    uint64_t header_checksum;          /* XXH64 of the 120 bytes before */
} aci_extras_header;

typedef struct aci_extras_entry {
    char variant[32];                  /* of zoo.json, NUL-padded */
    char tensor[32];                   /* "0.q", "3.o_bias", "head" */
    uint32_t kind;                     /* aci_owned_kind */
    uint32_t n_out, n_in;              /* of W, cut to the plan; 1, n */
    uint32_t rank;                     /* 0 unless U V */
    uint32_t bits, inner_bits;         /* 4 or 8, of W or U and of V; or 0 */
    uint32_t ratio, inner_ratio;       /* D likewise, 8..14; or 0 */
    uint64_t offset[ACI_N_EXTRA_PARTS]; /* from the file's beginning; 0 when
                                           n_bytes is */
    uint64_t n_bytes[ACI_N_EXTRA_PARTS];
    uint64_t checksum[ACI_N_EXTRA_PARTS]; /* XXH64, seed 0; 0 likewise */
    uint8_t reserved[16];              /* zero */
} aci_extras_entry;

_Static_assert(sizeof(aci_extras_header) == 128, "fixed");
_Static_assert(offsetof(aci_extras_header, header_checksum) == 120, "fixed");
_Static_assert(sizeof(aci_extras_entry) == 256, "fixed");
_Static_assert(offsetof(aci_extras_entry, offset) == 96, "fixed");

/* Fills offset and n_bytes of an entry whose kind, shape and bits are set and
 * sound, its parts from *end on, and moves *end behind them. */
void aci_model_extras_plan(aci_extras_entry *entry, uint64_t *end,
                           uint32_t group);

#endif
