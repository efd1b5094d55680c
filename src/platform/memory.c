/* memory.c - counting, limiting and failing allocations on request.
 *
 * Every block carries its size in the 64 bytes in front of it, so that freeing
 * needs only the pointer and the count of bytes in use is exact, whoever's
 * allocator is behind it:
 *
 *     [ size, 56 unused ][ the caller's bytes ... ]
 *     ^ 64-byte aligned  ^ 64-byte aligned, what the caller sees
 *
 * There is no cache and no arena: hot loops do not allocate, so the host's
 * allocator is fast enough. */
#include "platform/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES 64u

typedef struct block_header {
    uint64_t block_bytes; /* header included */
} block_header;

void aci_platform_memory_init(aci_memory *memory)
{
    memory->allocate = NULL;
    memory->release = NULL;
    memory->user = NULL;
    memory->limit_bytes = 0;
    atomic_init(&memory->used_bytes, 0);
    atomic_init(&memory->n_allocations, 0);
    memory->fail_at = 0;
}

/* Books `bytes` against the limit; false when they do not fit. */
static int reserve(aci_memory *memory, uint64_t bytes)
{
    uint64_t used = atomic_load_explicit(&memory->used_bytes,
                                         memory_order_relaxed);

    do {
        if (memory->limit_bytes != 0 &&
            (bytes > memory->limit_bytes ||
             used > memory->limit_bytes - bytes))
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(
        &memory->used_bytes, &used, used + bytes, memory_order_relaxed,
        memory_order_relaxed));
    return 1;
}

static void *take_block(const aci_memory *memory, size_t bytes)
{
    if (memory->allocate != NULL)
        return memory->allocate(bytes, memory->user);
    return aligned_alloc(HEADER_BYTES, bytes);
}

void *aci_platform_alloc(aci_memory *memory, size_t bytes)
{
    uint64_t number = 1 + atomic_fetch_add_explicit(&memory->n_allocations, 1,
                                                    memory_order_relaxed);
    block_header *header;
    size_t total;

    if (number == memory->fail_at)
        return NULL;
    if (bytes > SIZE_MAX - 2 * HEADER_BYTES)
        return NULL;
    /* aligned_alloc wants a multiple of the alignment. */
    total = (bytes + HEADER_BYTES + HEADER_BYTES - 1) & ~(size_t)63;
    if (!reserve(memory, total))
        return NULL;
    header = take_block(memory, total);
    if (header == NULL) {
        atomic_fetch_sub_explicit(&memory->used_bytes, total,
                                  memory_order_relaxed);
        return NULL;
    }
    header->block_bytes = total;
    return (char *)header + HEADER_BYTES;
}

void *aci_platform_alloc_array(aci_memory *memory, size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / size)
        return NULL;
    return aci_platform_alloc(memory, n * size);
}

void *aci_platform_alloc_zeroed(aci_memory *memory, size_t n, size_t size)
{
    void *block = aci_platform_alloc_array(memory, n, size);

    if (block != NULL)
        memset(block, 0, n * size);
    return block;
}

void *aci_platform_realloc(aci_memory *memory, void *block, size_t bytes)
{
    const block_header *header;
    size_t old_bytes;
    void *grown;

    if (block == NULL)
        return aci_platform_alloc(memory, bytes);
    header = (const block_header *)((char *)block - HEADER_BYTES);
    old_bytes = (size_t)header->block_bytes - HEADER_BYTES;
    grown = aci_platform_alloc(memory, bytes);
    if (grown == NULL)
        return NULL;
    memcpy(grown, block, bytes < old_bytes ? bytes : old_bytes);
    aci_platform_free(memory, block);
    return grown;
}

void aci_platform_free(aci_memory *memory, void *block)
{
    block_header *header;

    if (block == NULL)
        return;
    header = (block_header *)((char *)block - HEADER_BYTES);
    atomic_fetch_sub_explicit(&memory->used_bytes, header->block_bytes,
                              memory_order_relaxed);
    if (memory->release != NULL)
        memory->release(header, memory->user);
    else
        free(header);
}

char *aci_platform_strndup(aci_memory *memory, const char *text, size_t n)
{
    char *copy;

    if (n == SIZE_MAX)
        return NULL;
    copy = aci_platform_alloc(memory, n + 1);
    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

const char *aci_platform_bytes_text(char *out, uint64_t n_bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    double value = (double)n_bytes / 1024.0;
    int unit = 0;

    if (n_bytes < 1024) {
        snprintf(out, 24, "%d bytes", (int)n_bytes);
        return out;
    }
    for (; value >= 1024.0 && unit < 3; unit++)
        value /= 1024.0;
    snprintf(out, 24, value < 9.95 ? "%.1f %s" : "%.0f %s", value,
             units[unit]);
    return out;
}

uint64_t aci_platform_machine_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}
