/* failing_malloc.c - preloaded: allocation number FAIL_AT of the process fails,
 * whoever asked: us, or one of the libraries we stand on. COUNT_FILE, when
 * set, receives how many there were. glibc only. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static atomic_ulong n_allocations;
static unsigned long fail_at;

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAIL_AT");

    fail_at = text != NULL ? strtoul(text, NULL, 10) : 0;
    atomic_store(&n_allocations, 0);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("COUNT_FILE");
    unsigned long n = atomic_load(&n_allocations);
    FILE *file = path != NULL ? fopen(path, "w") : NULL;

    if (file != NULL) {
        fprintf(file, "%lu\n", n);
        fclose(file);
    }
}

static int fails(void)
{
    unsigned long n = atomic_fetch_add(&n_allocations, 1) + 1;

    if (n != fail_at)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : __libc_calloc(n, bytes);
}

void *realloc(void *block, size_t bytes)
{
    return fails() ? NULL : __libc_realloc(block, bytes);
}

void *memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes)
{
    return fails() ? NULL : __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    void *block = memalign(alignment, bytes);

    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}
