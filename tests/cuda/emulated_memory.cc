/* emulated_memory.cc - see emulated_memory.h. A range of addresses is kept and
 * handed out first fit; pages have memory once they are written. */
#include "emulated_memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <map>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

namespace emulated_memory {

static const size_t usual = static_cast<size_t>(1) << 30, gap = 256;
static size_t most = usual, in_use;
static unsigned char *range;
static const size_t range_bytes = static_cast<size_t>(4) << 30;

static std::map<size_t, size_t> &blocks() /* offset, bytes */
{
    static std::map<size_t, size_t> all;
    return all;
}

void set_limit(size_t bytes) { most = bytes ? bytes : usual; }
size_t limit() { return most; }
size_t used() { return in_use; }

static bool make_range()
{
    if (range != nullptr)
        return true;
    void *at = mmap(nullptr, range_bytes, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    range = static_cast<unsigned char *>(at);
    ASAN_POISON_MEMORY_REGION(range, range_bytes);
    return true;
}

static size_t find_place(size_t bytes)
{
    size_t at = 0;

    for (const auto &block : blocks()) {
        if (block.first - at >= bytes + gap)
            break;
        at = (block.first + block.second + 2 * gap - 1) / gap * gap;
    }
    return at;
}

void *allocate(size_t bytes)
{
    if (!make_range() || bytes > most || in_use > most - bytes)
        return nullptr;
    size_t at = find_place(bytes);
    if (at + bytes > range_bytes)
        return nullptr;
    blocks()[at] = bytes;
    in_use += bytes;
    ASAN_UNPOISON_MEMORY_REGION(range + at, bytes);
    let_in();
    memset(range + at, 0xFF, bytes);
    shut_out();
    return range + at;
}

bool release(void *block)
{
    auto found = blocks().find(static_cast<size_t>(
        static_cast<unsigned char *>(block) - range));
    if (range == nullptr || found == blocks().end())
        return false;
    ASAN_POISON_MEMORY_REGION(block, found->second);
    in_use -= found->second;
    blocks().erase(found);
    return true;
}

bool contains(const void *at, size_t bytes)
{
    uintptr_t here = reinterpret_cast<uintptr_t>(at);
    uintptr_t start = reinterpret_cast<uintptr_t>(range);

    if (range == nullptr || here < start || here - start >= range_bytes)
        return false;
    auto next = blocks().upper_bound(here - start);
    if (next == blocks().begin())
        return false;
    --next;
    size_t within = here - start - next->first;
    return within <= next->second && bytes <= next->second - within;
}

static void protect(int how)
{
    /* up to the last block: the rest was never touched */
    if (range == nullptr || blocks().empty())
        return;
    size_t end = blocks().rbegin()->first + blocks().rbegin()->second;
    mprotect(range, (end + 4095) / 4096 * 4096, how);
}

void let_in() { protect(PROT_READ | PROT_WRITE); }
void shut_out() { protect(PROT_NONE); }

} // namespace emulated_memory
