/* memory.h - the only place that allocates.
 *
 * An aci_memory wraps the host's allocator (or the C library), counts what is
 * in use, enforces a limit, and can be told to fail its n-th allocation
 * (tests/faults). Every object keeps a pointer to the one it came from. */
#ifndef ACI_PLATFORM_MEMORY_H
#define ACI_PLATFORM_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"

typedef struct aci_memory {
    ac_allocate_callback allocate; /* NULL: C library */
    ac_release_callback release;
    void *user;
    uint64_t limit_bytes;          /* 0: none */
    _Atomic uint64_t used_bytes;
    _Atomic uint64_t n_allocations;
    uint64_t fail_at;              /* 0: never; else that allocation fails */
} aci_memory;

/* Memory from the C library without a limit. */
void aci_platform_memory_init(aci_memory *memory);

/* All return 64-byte aligned memory or NULL. 0 bytes gives a valid pointer.
 * `n * size` overflow gives NULL. `_zeroed` clears it. */
void *aci_platform_alloc(aci_memory *memory, size_t bytes);
void *aci_platform_alloc_array(aci_memory *memory, size_t n, size_t size);
void *aci_platform_alloc_zeroed(aci_memory *memory, size_t n, size_t size);

/* Grow or shrink; the old block stays valid when NULL is returned. */
void *aci_platform_realloc(aci_memory *memory, void *block, size_t bytes);

/* NULL is fine. */
void aci_platform_free(aci_memory *memory, void *block);

/* Of the machine's memory; 0: not known. */
uint64_t aci_platform_machine_bytes(void);

/* "812 bytes", "3.5 KiB", "12 MiB" for messages, into 24 bytes of `out`. */
const char *aci_platform_bytes_text(char *out, uint64_t n_bytes);

/* A NUL-terminated copy of `n` bytes, or NULL. */
char *aci_platform_strndup(aci_memory *memory, const char *text, size_t n);

#endif
