/* emulation.cc - blocks of fibers; see emulation.h. */
#include "emulation.h"

#include <stdio.h>
#include <stdlib.h>

#include <vector>

#include "emulated_block.h"
#include "fibers.h"

namespace emulation {

enum class state { ready, at_barrier, at_meeting, waiting, done };

struct copy { void *to; const void *from; size_t bytes; };

struct thread {
    fiber stack = {};
    place at = {};
    state now = state::ready;
    bool (*holds)(const void *, uint32_t) = nullptr; /* what ends waiting */
    const void *what = nullptr;
    uint32_t number = 0;
    std::vector<copy> open;                /* not yet in a group */
    std::vector<std::vector<copy>> groups; /* oldest first */
};

struct warp {
    warp_operation operation;
    void *brought[32];
    int arrived;
};

static std::vector<thread> threads;
static std::vector<warp> warps;
static size_t n_threads, live, at_barrier;
static thread *me;
static void *shared;
static std::function<void()> *body;
static const char *failure;
static unsigned order_seed, dice;
place *here;

/* ---- what a kernel calls ------------------------------------------------- */

size_t thread_number() { return static_cast<size_t>(me - threads.data()); }

unsigned throw_dice(unsigned n)
{
    if (order_seed == 0)
        return 0;
    dice = dice * 1664525u + 1013904223u;
    return (dice >> 8) % n;
}

static void pause_as(state s)
{
    me->now = s;
    fiber_leave();
}

void pause_until(bool (*holds)(const void *, uint32_t), const void *what,
                 uint32_t number)
{
    me->holds = holds;
    me->what = what;
    me->number = number;
    pause_as(state::waiting);
}

void fail(const char *what)
{
    if (failure == nullptr) {
        failure = what;
        fprintf(stderr,
                "emulation: %s (block %u %u %u, thread %u %u %u)\n", what,
                here->block.x, here->block.y, here->block.z, here->thread.x,
                here->thread.y, here->thread.z);
    }
    me->now = state::done;
    fiber_end();
}

unsigned char *shared_memory() { return static_cast<unsigned char *>(shared); }

static void open_barrier()
{
    for (size_t i = 0; i < n_threads; i++)
        if (threads[i].now == state::at_barrier)
            threads[i].now = state::ready;
    at_barrier = 0;
}

void block_barrier()
{
    at_barrier++;
    pause_as(state::at_barrier);
}

void nothing(void *const[32]) {}

void meet(warp_operation operation, void *mine)
{
    warp *w = &warps[thread_number() / 32];

    if (w->arrived == 0)
        w->operation = operation;
    if (w->operation != operation)
        fail("the lanes of a warp met in different operations");
    w->brought[thread_number() % 32] = mine;
    if (++w->arrived < 32) {
        pause_as(state::at_meeting);
        return;
    }
    w->arrived = 0;
    operation(w->brought);
    size_t first = thread_number() / 32 * 32;
    for (size_t i = first; i < first + 32; i++)
        if (threads[i].now == state::at_meeting)
            threads[i].now = state::ready;
}

void copy_later(void *to, const void *from, size_t bytes)
{
    if (reinterpret_cast<uintptr_t>(to) % bytes != 0 ||
        reinterpret_cast<uintptr_t>(from) % bytes != 0)
        fail("an asynchronous copy is not aligned to its size");
    me->open.push_back({ to, from, bytes });
}

void commit_copies()
{
    me->groups.push_back(std::move(me->open));
    me->open.clear();
}

void wait_copies(int groups_left)
{
    while (me->groups.size() > static_cast<size_t>(groups_left)) {
        for (const copy &c : me->groups.front())
            if (c.from == nullptr)
                memset(c.to, 0, c.bytes);
            else
                memcpy(c.to, c.from, c.bytes);
        me->groups.erase(me->groups.begin());
    }
}

/* ---- running a block ----------------------------------------------------- */

static void run_thread()
{
    (*body)();
    if (!me->open.empty())
        fail("a thread left asynchronous copies uncommitted");
    for (const std::vector<copy> &group : me->groups)
        if (!group.empty())
            fail("a thread left without waiting for its copies");
    me->groups.clear();
    if (const char *left = end_warpgroup_thread())
        fail(left);
    me->now = state::done;
    fiber_end();
}

static bool prepare_block(dim3 grid, dim3 size, dim3 block, size_t bytes)
{
    free(shared);
    shared = nullptr;
    if (posix_memalign(&shared, 128, bytes > 0 ? bytes : 1) != 0)
        return false;
    memset(shared, 0xFF, bytes);
    live = n_threads;
    at_barrier = 0;
    for (warp &w : warps)
        w.arrived = 0;
    begin_warpgroups(n_threads, bytes);
    for (size_t i = 0; i < n_threads; i++) {
        thread *t = &threads[i];
        unsigned n = static_cast<unsigned>(i);

        t->at = { dim3(n % size.x, n / size.x % size.y,
                       n / size.x / size.y), block, size, grid };
        t->now = state::ready;
        t->open.clear();
        t->groups.clear();
        if (!fiber_prepare(&t->stack, run_thread))
            return false;
    }
    return true;
}

static void run_one(thread *t)
{
    me = t;
    here = &t->at;
    fiber_enter(&t->stack);
    if (t->now == state::done)
        live--;
    if (live > 0 && at_barrier == live)
        open_barrier();
}

static bool can_run(const thread &t)
{
    return t.now == state::ready ||
           (t.now == state::waiting && t.holds(t.what, t.number));
}

static bool give_up(const char *why)
{
    failure = why;
    fprintf(stderr, "emulation: %s\n", why);
    return false;
}

/* Until all are done; false when those left wait for something that will not
 * come. */
static bool run_block(std::vector<size_t> &order)
{
    while (live > 0) {
        bool progress = false;

        for (size_t i = n_threads - 1; order_seed != 0 && i > 0; i--)
            std::swap(order[i],
                      order[throw_dice(static_cast<unsigned>(i + 1))]);
        for (size_t i : order)
            if (failure == nullptr && can_run(threads[i])) {
                run_one(&threads[i]);
                progress = true;
            }
        if (failure != nullptr)
            return false;
        if (!progress && !land_copies())
            return give_up("threads wait for others that have left, or never "
                           "come");
    }
    const char *left = end_warpgroups();
    return left == nullptr || give_up(left);
}

static bool has_sound_shape(dim3 grid, dim3 size, size_t bytes)
{
    return n_threads >= 32 && n_threads <= 1024 && n_threads % 32 == 0 &&
           size.z <= 64 && grid.x > 0 && grid.x < (1u << 31) && grid.y > 0 &&
           grid.y < 65536 && grid.z > 0 && grid.z < 65536 &&
           bytes <= 227 * 1024;
}

bool run_grid(dim3 grid, dim3 size, size_t bytes,
              std::function<void()> *kernel)
{
    n_threads = static_cast<size_t>(size.x) * size.y * size.z;
    if (!has_sound_shape(grid, size, bytes)) {
        fprintf(stderr, "emulation: grid %u %u %u of %zu threads and %zu "
                        "bytes cannot be launched\n",
                grid.x, grid.y, grid.z, n_threads, bytes);
        return false;
    }
    if (threads.size() < n_threads)
        threads.resize(n_threads);
    warps.assign(n_threads / 32, warp());
    std::vector<size_t> order(n_threads);
    for (size_t i = 0; i < n_threads; i++)
        order[i] = i;
    dice = order_seed;
    body = kernel;
    failure = nullptr;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++)
                if (!prepare_block(grid, size, dim3(x, y, z), bytes) ||
                    !run_block(order))
                    return false;
    return true;
}

} // namespace emulation

void emulation_order(unsigned seed) { emulation::order_seed = seed; }
