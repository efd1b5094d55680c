/* emulated_warpgroup.cc - see emulated_warpgroup.h. Written from the PTX ISA:
 * "Parallel Synchronization and Communication Instructions: mbarrier",
 * "Data Movement: cp.async.bulk", "Asynchronous Warpgroup Level Matrix
 * Instructions" with "Register Fragments and Shared Memory Matrix Layouts" and
 * "Matrix Descriptor Format".
 *
 * A descriptor, each address and offset shifted right by 4:
 *     bits 0-13   start address          bits 16-29  leading dimension offset
 *     bits 32-45  stride dimension       bits 49-51  base offset, 0 here
 *                 offset                 bits 62-63  swizzle mode, 0 here
 * K-major without swizzle: cores of 8 rows by 16 bytes lie in 128 bytes; the
 * leading offset leads to the core of the next 16 bytes of k, the stride offset
 * to that of the next 8 rows (columns of B). */
#include "emulated_warpgroup.h"

#include <string.h>

#include <map>
#include <vector>

#include "emulated_block.h"
#include "emulated_runtime.h"
#include "emulation.h"

namespace emulation {

enum { SHARED_BASE = 1024, LANES = 32, NO_RESULT = 0x7FBADBAD };

static size_t shared_bytes;
static bool swaps_offsets;

uint32_t shared_address(const void *at)
{
    return static_cast<uint32_t>(static_cast<const unsigned char *>(at) -
                                 shared_memory()) + SHARED_BASE;
}

/* Bytes of shared memory, from `at` to before `end`. */
struct extent {
    uint32_t at, end;
    bool meets(const extent &other) const
    {
        return at < other.end && other.at < end;
    }
    bool is_inside() const
    {
        return at >= SHARED_BASE && end <= SHARED_BASE + shared_bytes;
    }
};

/* ---- barriers ------------------------------------------------------------ */

struct barrier {
    uint32_t arrivals, missing, phase;
    int64_t bytes; /* expected, not yet there */
    bool is_visible;
};

static std::map<const void *, barrier> barriers;

static barrier *find_barrier(const void *at)
{
    auto found = barriers.find(at);

    if (found == barriers.end())
        fail("a barrier was used that nobody began");
    return &found->second;
}

static void end_phase_if_complete(barrier *b)
{
    if (b->missing == 0 && b->bytes == 0) {
        b->phase++;
        b->missing = b->arrivals;
    }
}

void barrier_begin(void *at, uint32_t arrivals)
{
    uint32_t address = shared_address(at);

    if (address % 8 != 0 || !extent{ address, address + 8 }.is_inside())
        fail("a barrier does not lie in shared memory, aligned to 8");
    barriers[at] = { arrivals, arrivals, 0, 0, false };
}

void barriers_begun()
{
    for (auto &b : barriers)
        b.second.is_visible = true;
}

void barrier_arrive(void *at, uint32_t bytes)
{
    barrier *b = find_barrier(at);

    if (b->missing == 0)
        fail("more threads arrived at a barrier than it was begun for");
    b->bytes += bytes;
    b->missing--;
    end_phase_if_complete(b);
    if (throw_dice(2) != 0) /* those who waited for it may go first */
        pause_until([](const void *, uint32_t) { return true; }, nullptr, 0);
}

/* ---- copies in bulk ------------------------------------------------------ */

struct bulk_copy { void *to; const void *from; uint32_t bytes; void *barrier; };

static std::vector<bulk_copy> under_way;

static extent extent_of(const bulk_copy &c)
{
    uint32_t at = shared_address(c.to);

    return { at, at + c.bytes };
}

static void land(const bulk_copy &c)
{
    barrier *b = &barriers[c.barrier];

    memcpy(c.to, c.from, c.bytes);
    b->bytes -= c.bytes;
    end_phase_if_complete(b);
}

static bool land_for(const void *barrier)
{
    bool any = false;

    for (size_t i = 0; i < under_way.size();)
        if (barrier == nullptr || under_way[i].barrier == barrier) {
            land(under_way[i]);
            under_way.erase(under_way.begin() + static_cast<long>(i));
            any = true;
        } else {
            i++;
        }
    return any;
}

bool land_copies() { return land_for(nullptr); }

static bool has_ended(const void *at, uint32_t parity)
{
    return (find_barrier(at)->phase & 1) != parity;
}

void barrier_wait(void *at, uint32_t parity)
{
    land_for(at);
    while (!has_ended(at, parity))
        pause_until(has_ended, at, parity);
}

/* ---- products ------------------------------------------------------------ */

/* As one lane brings it. */
struct product { int32_t *c; const uint32_t *a; uint64_t b; int n; };

struct registers { const void *at; std::vector<unsigned char> content; };

/* Sums under way: the register file's view, as `c` itself holds NO_RESULT. */
struct sums { int32_t *c; std::vector<int32_t> value; size_t n_products; };

struct wide_lane {
    std::vector<registers> settled;
    bool has_begun;
    std::vector<product> open, committed;
    std::vector<sums> pending;
};

struct wide_group { /* what its warps have asked for, in order */
    std::vector<product> asked;
    size_t n_asked[4];
};

static std::vector<wide_lane> lanes;
static std::vector<wide_group> groups;

static wide_lane *my_lane() { return &lanes[thread_number()]; }

static uint32_t field_of(uint64_t b, int shift)
{
    return static_cast<uint32_t>(b >> shift & 0x3FFF) << 4;
}

struct descriptor { uint32_t start, next_k, next_columns; };

static descriptor decode(uint64_t b)
{
    const uint64_t reserved = 3ull << 14 | 3ull << 30 | 7ull << 46 |
                              0x3FFull << 52;

    if ((b & reserved) != 0)
        fail("a descriptor sets bits that must be 0");
    if ((b >> 49 & 7) != 0 || b >> 62 != 0)
        fail("a descriptor asks for a swizzle or a base offset, which is not "
             "modelled");
    descriptor d = { field_of(b, 0), field_of(b, 16), field_of(b, 32) };
    if (swaps_offsets)
        std::swap(d.next_k, d.next_columns);
    return d;
}

static extent extent_of(const product &p)
{
    descriptor d = decode(p.b);

    return { d.start, d.start + d.next_k +
                          (static_cast<uint32_t>(p.n) / 8 - 1) *
                              d.next_columns + 128 };
}

static bool reads_any_of(const extent &e)
{
    for (size_t i = 0; i < lanes.size(); i += LANES)
        for (const auto *list : { &lanes[i].open, &lanes[i].committed })
            for (const product &p : *list)
                if (extent_of(p).meets(e))
                    return true;
    return false;
}

void copy_bulk(void *to, const void *from, uint32_t bytes, void *at)
{
    bulk_copy mine = { to, from, bytes, at };
    extent e = extent_of(mine);

    if (e.at % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0 ||
        bytes % 16 != 0 || bytes == 0)
        fail("a copy in bulk is not aligned to 16");
    if (!e.is_inside())
        fail("a copy in bulk goes beyond shared memory");
    if (!find_barrier(at)->is_visible)
        fail("a barrier was not made visible to copies in bulk");
    if (reads_any_of(e))
        fail("a copy in bulk writes what a product still reads");
    for (const bulk_copy &other : under_way)
        if (extent_of(other).meets(e))
            fail("two copies in bulk write the same bytes");
    under_way.push_back(mine);
    if (throw_dice(2) != 0) {
        under_way.pop_back();
        land(mine);
    }
}

void settle(const void *at, size_t bytes)
{
    const unsigned char *from = static_cast<const unsigned char *>(at);
    wide_lane *me = my_lane();

    for (registers &r : me->settled)
        if (r.at == at) {
            r.content.assign(from, from + bytes);
            me->has_begun = false;
            return;
        }
    me->settled.push_back({ at, { from, from + bytes } });
    me->has_begun = false;
}

static void begin_together(void *const[32]) {}

void products_begin()
{
    meet(begin_together, nullptr);
    my_lane()->has_begun = true;
}

static void expect_settled(const wide_lane &lane, const void *at, size_t bytes)
{
    for (const registers &r : lane.settled)
        if (r.at == at && lane.has_begun) {
            if (r.content.size() != bytes ||
                memcmp(r.content.data(), at, bytes) != 0)
                fail("registers changed between wgmma.fence and the product");
            return;
        }
    fail("a product's registers were not settled by wgmma.fence");
}

static sums *find_sums(wide_lane *lane, const int32_t *c)
{
    for (sums &s : lane->pending)
        if (s.c == c)
            return &s;
    return nullptr;
}

static void ask(wide_lane *lane, const product &p)
{
    const size_t n = static_cast<size_t>(p.n) / 2;
    sums *s = find_sums(lane, p.c);

    expect_settled(*lane, p.a, 4 * sizeof *p.a);
    if (s == nullptr) {
        expect_settled(*lane, p.c, n * sizeof *p.c);
        lane->pending.push_back({ p.c, { p.c, p.c + n }, 0 });
        s = &lane->pending.back();
        for (size_t i = 0; i < n; i++)
            p.c[i] = NO_RESULT;
    }
    s->n_products++;
    lane->open.push_back(p);
}

/* Once for a warp: its lanes agree, and its warpgroup's other warps with it. */
static void ask_together(void *const brought[32])
{
    const product *first = static_cast<const product *>(brought[0]);
    const size_t warp = thread_number() / LANES;
    wide_group *group = &groups[warp / 4];
    size_t *n = &group->n_asked[warp % 4];
    const extent e = extent_of(*first);

    if (!e.is_inside())
        fail("a descriptor reaches beyond shared memory");
    for (const bulk_copy &c : under_way)
        if (extent_of(c).meets(e))
            fail("a product reads what a copy in bulk still writes");
    if (*n == group->asked.size())
        group->asked.push_back(*first);
    if (group->asked[*n].b != first->b || group->asked[*n].n != first->n)
        fail("the warps of a warpgroup differ in a product");
    ++*n;
    for (size_t i = 0; i < LANES; i++) {
        const product *p = static_cast<const product *>(brought[i]);

        if (p->b != first->b || p->n != first->n)
            fail("the lanes of a warp differ in a product");
        ask(&lanes[warp * LANES + i], *p);
    }
}

void multiply_u8_s8(int32_t *c, const uint32_t *a, uint64_t b, int n)
{
    product mine = { c, a, b, n };

    meet(ask_together, &mine);
}

static void commit_together(void *const[32])
{
    const size_t first = thread_number() / LANES * LANES;

    for (size_t i = first; i < first + LANES; i++) {
        wide_lane *lane = &lanes[i];

        lane->committed.insert(lane->committed.end(), lane->open.begin(),
                               lane->open.end());
        lane->open.clear();
    }
}

void products_commit() { meet(commit_together, nullptr); }

/* A [16, 32] of the warp from its lanes' fragments: as in mma.m16n8k32. */
static void gather_a(int16_t (&out)[16][32], const product *const of[LANES])
{
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < 32; k++) {
            const product *p = of[4 * (row % 8) + k % 16 / 4];

            out[row][k] = static_cast<int16_t>(
                p->a[2 * (k / 16) + row / 8] >> (8 * (k % 4)) & 255u);
        }
}

/* Columns 8 i .. 8 i + 7 of B, from shared memory. */
static void gather_b(int16_t (&out)[8][32], const descriptor &d, int i)
{
    for (uint32_t k = 0; k < 32; k += 16)
        for (uint32_t column = 0; column < 8; column++) {
            uint32_t at = d.start + static_cast<uint32_t>(i) * d.next_columns +
                          k / 16 * d.next_k + column * 16 - SHARED_BASE;
            const int8_t *from =
                reinterpret_cast<const int8_t *>(shared_memory()) + at;

            for (uint32_t b = 0; b < 16; b++)
                out[column][k + b] = from[b];
        }
}

static void carry_out(size_t first, const product *const of[LANES])
{
    const descriptor d = decode(of[0]->b);
    int16_t a[16][32], b[8][32];
    sums *s[LANES];

    gather_a(a, of);
    for (size_t i = 0; i < LANES; i++) {
        s[i] = find_sums(&lanes[first + i], of[i]->c);
        s[i]->n_products--;
    }
    for (int i = 0; i < of[0]->n / 8; i++) {
        gather_b(b, d, i);
        for (int row = 0; row < 16; row++)
            for (int column = 0; column < 8; column++) {
                int32_t *at = &s[4 * (row % 8) + column / 2]->value[
                    static_cast<size_t>(4 * i + 2 * (row / 8) + column % 2)];
                int32_t sum = 0;

                for (int k = 0; k < 32; k++)
                    sum += a[row][k] * b[column][k];
                *at = static_cast<int32_t>( /* sums wrap around */
                    static_cast<uint32_t>(*at) + static_cast<uint32_t>(sum));
            }
    }
}

/* Sums that nothing is to be added to any more become registers. */
static void hand_over(wide_lane *lane)
{
    for (size_t i = 0; i < lane->pending.size();) {
        sums *s = &lane->pending[i];

        if (s->n_products > 0) {
            i++;
            continue;
        }
        for (size_t k = 0; k < s->value.size(); k++)
            if (s->c[k] != NO_RESULT)
                fail("sums were written to while products added to them");
        memcpy(s->c, s->value.data(), s->value.size() * sizeof *s->c);
        lane->pending.erase(lane->pending.begin() + static_cast<long>(i));
    }
}

static void wait_together(void *const[32])
{
    const size_t first = thread_number() / LANES * LANES;
    const size_t n = lanes[first].committed.size();

    for (size_t p = 0; p < n; p++) {
        const product *of[LANES];

        for (size_t i = 0; i < LANES; i++)
            of[i] = &lanes[first + i].committed[p];
        carry_out(first, of);
    }
    for (size_t i = first; i < first + LANES; i++) {
        lanes[i].committed.clear();
        lanes[i].settled.clear();
        lanes[i].has_begun = false;
        hand_over(&lanes[i]);
    }
}

void products_wait() { meet(wait_together, nullptr); }

/* ---- a block ------------------------------------------------------------- */

void begin_warpgroups(size_t n_threads, size_t bytes)
{
    shared_bytes = bytes;
    barriers.clear();
    under_way.clear();
    lanes.assign(n_threads, wide_lane());
    groups.assign((n_threads + 127) / 128, wide_group());
}

const char *end_warpgroup_thread()
{
    return my_lane()->pending.empty()
               ? nullptr
               : "a thread left without waiting for its products";
}

const char *end_warpgroups()
{
    for (const wide_group &g : groups)
        for (size_t n : g.n_asked)
            if (n != g.asked.size())
                return "a warp missed a product of its warpgroup";
    return under_way.empty() ? nullptr
                             : "a block ended with copies under way";
}

} // namespace emulation

void emulation_swap_offsets(int on) { emulation::swaps_offsets = on != 0; }
