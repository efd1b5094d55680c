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

struct block;

struct thread {
    fiber stack = {};
    place at = {};
    state now = state::ready;
    block *home = nullptr;
    size_t in_block = 0;                   /* number of the thread */
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

struct block {
    thread *threads; /* [n_threads] of `stage` */
    std::vector<warp> warps;
    size_t live, at_barrier;
    void *shared;
};

/* The blocks that run: one, or all of a launch together. Fibers are kept from
 * launch to launch, for their stacks; blocks are not. */
static std::vector<thread> stage;
static size_t n_threads; /* of a block */
static thread *me;
static std::function<void()> *body;
static const char *failure;
static unsigned order_seed, dice;
place *here;

/* ---- what a kernel calls ------------------------------------------------- */

size_t thread_number() { return me->in_block; }

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

unsigned char *shared_memory()
{
    return static_cast<unsigned char *>(me->home->shared);
}

static void open_barrier(block *b)
{
    for (size_t i = 0; i < n_threads; i++)
        if (b->threads[i].now == state::at_barrier)
            b->threads[i].now = state::ready;
    b->at_barrier = 0;
}

void block_barrier()
{
    me->home->at_barrier++;
    pause_as(state::at_barrier);
}

static bool has_flipped(const void *at, uint32_t seen)
{
    return ((*static_cast<const uint32_t *>(at) ^ seen) & 0x80000000u) != 0;
}

void wait_for_flip(const uint32_t *at, uint32_t seen)
{
    while (!has_flipped(at, seen))
        pause_until(has_flipped, at, seen);
}

void nothing(void *const[32]) {}

void meet(warp_operation operation, void *mine)
{
    warp *w = &me->home->warps[me->in_block / 32];

    if (w->arrived == 0)
        w->operation = operation;
    if (w->operation != operation)
        fail("the lanes of a warp met in different operations");
    w->brought[me->in_block % 32] = mine;
    if (++w->arrived < 32) {
        pause_as(state::at_meeting);
        return;
    }
    w->arrived = 0;
    operation(w->brought);
    thread *first = me->home->threads + me->in_block / 32 * 32;
    for (size_t i = 0; i < 32; i++)
        if (first[i].now == state::at_meeting)
            first[i].now = state::ready;
}

static void carry_out(const copy &c)
{
    if (c.from == nullptr)
        memset(c.to, 0, c.bytes);
    else
        memcpy(c.to, c.from, c.bytes);
}

void copy_later(void *to, const void *from, size_t bytes)
{
    if (reinterpret_cast<uintptr_t>(to) % bytes != 0 ||
        reinterpret_cast<uintptr_t>(from) % bytes != 0)
        fail("an asynchronous copy is not aligned to its size");
    if (order_seed % 2 == 1) {
        carry_out({ to, from, bytes });
        bytes = 0;
    }
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
            carry_out(c);
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

static bool prepare_thread(thread *t, block *home, size_t number)
{
    t->home = home;
    t->in_block = number;
    t->now = state::ready;
    t->open.clear();
    t->groups.clear();
    return fiber_prepare(&t->stack, run_thread);
}

static bool prepare_block(block *b, thread *threads, dim3 grid, dim3 size,
                          dim3 number, size_t bytes)
{
    b->threads = threads;
    b->live = n_threads;
    b->at_barrier = 0;
    b->warps.assign(n_threads / 32, warp());
    if (posix_memalign(&b->shared, 128, bytes > 0 ? bytes : 1) != 0)
        return false;
    memset(b->shared, 0xFF, bytes);
    for (size_t i = 0; i < n_threads; i++) {
        unsigned n = static_cast<unsigned>(i);

        threads[i].at = { dim3(n % size.x, n / size.x % size.y,
                               n / size.x / size.y), number, size, grid };
        if (!prepare_thread(&threads[i], b, i))
            return false;
    }
    return true;
}

static void run_one(thread *t)
{
    block *b = t->home;

    me = t;
    here = &t->at;
    t->now = state::ready;
    fiber_enter(&t->stack);
    if (t->now == state::done)
        b->live--;
    if (b->live > 0 && b->at_barrier == b->live)
        open_barrier(b);
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

static void shuffle(std::vector<size_t> &order)
{
    for (size_t i = order.size() - 1; order_seed != 0 && i > 0; i--)
        std::swap(order[i], order[throw_dice(static_cast<unsigned>(i + 1))]);
}

/* Every thread of the block that can go on, in `order`; whether any did. */
static bool run_round(block *b, std::vector<size_t> &order)
{
    bool progress = false;

    shuffle(order);
    for (size_t i : order)
        if (failure == nullptr && can_run(b->threads[i])) {
            run_one(&b->threads[i]);
            progress = true;
        }
    return progress;
}

/* A block as far as it gets by itself, or a round of it, as the dice say: so
 * some have ended before others begin, unless they wait for them. */
static bool run_block(block *b, std::vector<size_t> &order)
{
    const bool far = throw_dice(2) == 0;
    bool progress = run_round(b, order), more = progress && far;

    while (more)
        more = run_round(b, order);
    return progress;
}

/* Until all are done; false when those left wait for something that will not
 * come. */
static bool run_stage(std::vector<block> &blocks)
{
    std::vector<size_t> order(blocks.size()), threads(n_threads);

    for (size_t i = 0; i < order.size(); i++)
        order[i] = i;
    for (size_t i = 0; i < threads.size(); i++)
        threads[i] = i;
    for (;;) {
        bool progress = false, all_done = true;

        shuffle(order);
        for (size_t i : order) {
            progress = run_block(&blocks[i], threads) || progress;
            all_done = all_done && blocks[i].live == 0;
        }
        if (failure != nullptr)
            return false;
        if (all_done)
            break;
        if (!progress && !land_copies())
            return give_up("threads wait for others that have left, or never "
                           "come");
    }
    const char *left = end_warpgroups();
    return left == nullptr || give_up(left);
}

/* Blocks first .. first + n - 1 of the grid, at once. */
static bool run_blocks(dim3 grid, dim3 size, size_t first, size_t n,
                       size_t bytes)
{
    std::vector<block> blocks(n);
    bool sound = true;

    begin_warpgroups(n_threads, bytes);
    for (size_t i = 0; i < n && sound; i++) {
        unsigned at = static_cast<unsigned>(first + i);

        sound = prepare_block(&blocks[i], &stage[i * n_threads], grid, size,
                              dim3(at % grid.x, at / grid.x % grid.y,
                                   at / grid.x / grid.y), bytes);
    }
    sound = sound && run_stage(blocks);
    for (block &b : blocks)
        free(b.shared);
    return sound;
}

static bool has_sound_shape(dim3 grid, dim3 size, size_t bytes)
{
    return n_threads >= 32 && n_threads <= 1024 && n_threads % 32 == 0 &&
           size.z <= 64 && grid.x > 0 && grid.x < (1u << 31) && grid.y > 0 &&
           grid.y < 65536 && grid.z > 0 && grid.z < 65536 &&
           bytes <= 227 * 1024;
}

bool run_grid(dim3 grid, dim3 size, size_t bytes, bool together,
              std::function<void()> *kernel)
{
    const size_t n_blocks = static_cast<size_t>(grid.x) * grid.y * grid.z;
    const size_t at_once = together ? n_blocks : 1;

    n_threads = static_cast<size_t>(size.x) * size.y * size.z;
    if (!has_sound_shape(grid, size, bytes)) {
        fprintf(stderr, "emulation: grid %u %u %u of %zu threads and %zu "
                        "bytes cannot be launched\n",
                grid.x, grid.y, grid.z, n_threads, bytes);
        return false;
    }
    if (stage.size() < at_once * n_threads)
        stage.resize(at_once * n_threads);
    dice = order_seed;
    body = kernel;
    failure = nullptr;
    for (size_t first = 0; first < n_blocks; first += at_once)
        if (!run_blocks(grid, size, first, at_once, bytes))
            return false;
    return true;
}

} // namespace emulation

void emulation_order(unsigned seed) { emulation::order_seed = seed; }
