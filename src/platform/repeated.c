/* repeated.c - see repeated.h. */
#include "platform/repeated.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/error.h"

static ac_status refuse(int number, const char *what, uint64_t n_bytes,
                        ac_error *error)
{
    char size[24];

    return aci_platform_fail_errno(error, number, "cannot have %s of %s",
                                   what,
                                   aci_platform_bytes_text(size, n_bytes));
}

ac_status aci_platform_block_open(aci_block *out, size_t n_bytes,
                                  ac_error *error)
{
    int number, file;
    void *data = MAP_FAILED;

    *out = (aci_block){ .file = -1 };
    /* Linux hands out such memory to the last page and then ends processes,
     * anybody's: what is no small part of the machine is not asked for. */
    if (n_bytes > aci_platform_machine_bytes() / 2)
        return refuse(ENOMEM, "a block", n_bytes, error);
    file = memfd_create("repeated", MFD_CLOEXEC);
    if (file < 0)
        return refuse(errno, "a block", n_bytes, error);
    number = posix_fallocate(file, 0, (off_t)n_bytes);
    if (number == 0) {
        data = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file,
                    0);
        number = data == MAP_FAILED ? errno : 0;
    }
    if (number != 0) {
        close(file);
        /* No disk is meant: it is memory that is full. */
        return refuse(number == ENOSPC ? ENOMEM : number, "a block", n_bytes,
                      error);
    }
    *out = (aci_block){ file, data, n_bytes };
    return AC_OK;
}

void aci_platform_block_close(aci_block *block)
{
    if (block->data == NULL)
        return;
    munmap(block->data, block->size);
    close(block->file);
    *block = (aci_block){ .file = -1 };
}

ac_status aci_platform_range_open(aci_mapping *out, uint64_t n_bytes,
                                  ac_error *error)
{
    void *data = MAP_FAILED;

    out->data = NULL;
    out->size = 0;
    errno = ENOMEM;
    if (n_bytes <= SIZE_MAX / 2)
        data = mmap(NULL, (size_t)n_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return refuse(errno, "a range of addresses", n_bytes, error);
    out->data = data;
    out->size = (size_t)n_bytes;
    return AC_OK;
}

uint8_t *aci_platform_range_at(const aci_mapping *range, uint64_t offset)
{
    return (uint8_t *)(uintptr_t)range->data + offset;
}

/* A piece that is shorter than a page, or that no page begins. */
static void copy(const aci_mapping *range, uint64_t offset, uint64_t n_bytes,
                 const uint8_t *pattern, size_t pattern_bytes)
{
    while (n_bytes > 0) {
        size_t at = (size_t)(offset % pattern_bytes);
        uint64_t n = pattern_bytes - at < n_bytes ? pattern_bytes - at
                                                  : n_bytes;

        memcpy(aci_platform_range_at(range, offset), pattern + at, (size_t)n);
        offset += n;
        n_bytes -= n;
    }
}

ac_status aci_platform_range_lay(const aci_mapping *range, uint64_t offset,
                                 uint64_t n_bytes, const aci_block *block,
                                 size_t pattern, size_t pattern_bytes,
                                 ac_error *error)
{
    const uint64_t page = ACI_REPEATED_PAGE;
    uint64_t end = offset + n_bytes;
    uint64_t first = (offset + page - 1) / page * page;
    uint64_t last = end / page * page;

    if (first >= last) {
        copy(range, offset, n_bytes, block->data + pattern, pattern_bytes);
        return AC_OK;
    }
    copy(range, offset, first - offset, block->data + pattern, pattern_bytes);
    copy(range, last, end - last, block->data + pattern, pattern_bytes);
    while (first < last) {
        size_t at = (size_t)(first % pattern_bytes);
        uint64_t n = pattern_bytes - at < last - first ? pattern_bytes - at
                                                       : last - first;

        if (mmap(aci_platform_range_at(range, first), (size_t)n, PROT_READ,
                 MAP_SHARED | MAP_FIXED, block->file,
                 (off_t)(pattern + at)) == MAP_FAILED)
            return refuse(errno, "one more window onto a block", block->size,
                          error);
        first += n;
    }
    return AC_OK;
}

ac_status aci_platform_range_seal(const aci_mapping *range, ac_error *error)
{
    return mprotect(aci_platform_range_at(range, 0), range->size, PROT_READ)
               ? refuse(errno, "a range of addresses", range->size, error)
               : AC_OK;
}
