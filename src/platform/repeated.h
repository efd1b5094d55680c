/* repeated.h - a large range of addresses over a small block of memory: what
 * reads it finds bytes everywhere, and the machine holds each of them once.
 *
 *     range   | own pages | block block block bl | own | ock block block ...
 *     block   | pattern | pattern |
 *
 * For weights whose values do not matter but whose number, places and reading
 * do. The pages are shared, so a processor that reads the range twice as large
 * as its cache may still find it there: the block must be larger than that. */
#ifndef ACI_PLATFORM_REPEATED_H
#define ACI_PLATFORM_REPEATED_H

#include "platform/files.h"

enum { ACI_REPEATED_PAGE = 4096 };

/* Memory without a name that can be mapped more than once. */
typedef struct aci_block {
    int file;
    uint8_t *data;             /* writable; NULL when closed */
    size_t size;
} aci_block;

/* `n_bytes` a multiple of the page. All of it is taken now: AC_E_NO_MEMORY
 * instead of a signal later, also for more than half of the machine's. */
ac_status aci_platform_block_open(aci_block *out, size_t n_bytes,
                                  ac_error *error);
/* Ranges laid over it stay as they are. */
void aci_platform_block_close(aci_block *block);

/* `n_bytes` of zeros that take no memory until they are written; writable
 * until sealed, and given back by aci_platform_unmap. */
ac_status aci_platform_range_open(aci_mapping *out, uint64_t n_bytes,
                                  ac_error *error);
uint8_t *aci_platform_range_at(const aci_mapping *range, uint64_t offset);

/* Bytes `offset` to `offset + n_bytes` of the range become those of a pattern:
 * byte i of the range is byte i modulo `pattern_bytes` of it. The pattern
 * begins at `pattern` in the block; both numbers are multiples of the page.
 * Whole pages are mapped, the rest is copied. */
ac_status aci_platform_range_lay(const aci_mapping *range, uint64_t offset,
                                 uint64_t n_bytes, const aci_block *block,
                                 size_t pattern, size_t pattern_bytes,
                                 ac_error *error);

/* Read-only from now on. */
ac_status aci_platform_range_seal(const aci_mapping *range, ac_error *error);

#endif
