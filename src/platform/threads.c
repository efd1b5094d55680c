/* threads.c - see threads.h.
 *
 * A run is published by raising `generation`; workers notice it while spinning
 * or are woken by a futex. [0, n_items) is split into one share per thread.
 * Shares are counters that anybody may advance: a thread drains its own, then
 * helps with the others', so a run ends when the work is done, not when the
 * slowest thread gets the processor back. The caller leaves once no thread is
 * inside the task any more. */
#include "platform/threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/error.h"

enum {
    SPIN_NANOSECONDS = 50000, /* a decode step's gaps are far shorter */
    MAX_THREADS = 1024,
    CACHE_LINE = 64
};

/* One thread's part of the items; alone on its cache line. */
typedef struct share {
    _Alignas(CACHE_LINE) _Atomic int64_t next;
    int64_t end;
} share;

struct aci_pool {
    aci_memory *memory;
    pthread_mutex_t turn;              /* one run at a time */
    int32_t n_threads;
    int32_t n_started;
    pthread_t *threads;                /* [n_threads - 1] */
    share *shares;                     /* [n_threads] */
    aci_pool_task task;                /* of the run at hand */
    void *argument;
    int64_t chunk;
    _Alignas(CACHE_LINE) _Atomic uint32_t generation;
    _Alignas(CACHE_LINE) _Atomic uint32_t n_sleeping;
    _Alignas(CACHE_LINE) _Atomic uint32_t n_inside; /* workers in a run */
    _Atomic uint32_t closing;
};

/* What a worker needs to know of itself. */
typedef struct worker {
    aci_pool *pool;
    int32_t number;
} worker;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void sleep_while(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
}

/* ---- working ------------------------------------------------------------- */

static void drain(aci_pool *pool, share *from, int32_t thread)
{
    for (;;) {
        int64_t first = atomic_load_explicit(&from->next,
                                             memory_order_relaxed);
        int64_t last;

        if (first >= from->end)
            return;
        first = atomic_fetch_add_explicit(&from->next, pool->chunk,
                                          memory_order_relaxed);
        if (first >= from->end)
            return;
        last = first + pool->chunk;
        if (last > from->end)
            last = from->end;
        pool->task(pool->argument, first, last, thread);
    }
}

static void work(aci_pool *pool, int32_t thread)
{
    int32_t i;

    for (i = 0; i < pool->n_threads; i++)
        drain(pool, &pool->shares[(thread + i) % pool->n_threads], thread);
}

/* Waits for a generation other than `seen`; spins, then sleeps. */
static uint32_t await_run(aci_pool *pool, uint32_t seen)
{
    uint64_t until = 0;
    uint32_t now, spins = 0;

    for (;;) {
        now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen)
            return now;
        relax();
        if (++spins % 64 != 0)
            continue;
        if (until == 0)
            until = aci_platform_monotonic_nanoseconds() + SPIN_NANOSECONDS;
        if (aci_platform_monotonic_nanoseconds() < until)
            continue;
        atomic_fetch_add(&pool->n_sleeping, 1);
        sleep_while(&pool->generation, seen);
        atomic_fetch_sub(&pool->n_sleeping, 1);
    }
}

/* A worker may only touch the run's fields between entering and leaving: it
 * enters, and then makes sure that the run is still the one it saw. */
static void *worker_main(void *user)
{
    worker self = *(worker *)user;
    aci_pool *pool = self.pool;
    uint32_t seen = 0;

    atomic_fetch_sub(&pool->n_inside, 1); /* `user` is read: see create */
    for (;;) {
        seen = await_run(pool, seen);
        if (atomic_load(&pool->closing))
            return NULL;
        if (seen % 2 == 0) /* even: that run is over */
            continue;
        atomic_fetch_add(&pool->n_inside, 1);
        if (atomic_load(&pool->generation) == seen)
            work(pool, self.number);
        atomic_fetch_sub(&pool->n_inside, 1);
    }
}

static void publish(aci_pool *pool)
{
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->n_sleeping) > 0)
        wake_all(&pool->generation);
}

/* Ends a run: nobody new may enter, those inside are waited for. */
static void retire(aci_pool *pool)
{
    uint32_t spins = 0;

    atomic_fetch_add(&pool->generation, 1);
    while (atomic_load(&pool->n_inside) != 0) {
        relax();
        if (++spins % 4096 == 0)
            sched_yield();
    }
}

void aci_platform_pool_run(aci_pool *pool, aci_pool_task task, void *argument,
                           int64_t n_items, int64_t chunk)
{
    int64_t n = pool->n_threads, i;

    if (n_items <= 0)
        return;
    if (chunk < 1)
        chunk = 1;
    pthread_mutex_lock(&pool->turn);
    if (n == 1 || n_items <= chunk) {
        for (i = 0; i < n_items; i += chunk)
            task(argument, i, i + chunk < n_items ? i + chunk : n_items, 0);
        pthread_mutex_unlock(&pool->turn);
        return;
    }
    pool->task = task;
    pool->argument = argument;
    pool->chunk = chunk;
    for (i = 0; i < n; i++) {
        atomic_store_explicit(&pool->shares[i].next, n_items * i / n,
                              memory_order_relaxed);
        pool->shares[i].end = n_items * (i + 1) / n;
    }
    publish(pool);
    work(pool, 0);
    retire(pool);
    pthread_mutex_unlock(&pool->turn);
}

/* ---- create and free ----------------------------------------------------- */

uint32_t aci_platform_cpu_count(void)
{
    cpu_set_t set;
    int n;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 &&
        (n = CPU_COUNT(&set)) > 0)
        return (uint32_t)n;
    return 1;
}

static ac_status start_workers(aci_pool *pool, ac_error *error)
{
    int32_t i;

    for (i = 1; i < pool->n_threads; i++) {
        worker self = { pool, i };
        int number;

        atomic_store(&pool->n_inside, 1); /* until it has read `self` */
        number = pthread_create(&pool->threads[i - 1], NULL, worker_main,
                                &self);
        if (number != 0) {
            atomic_store(&pool->n_inside, 0);
            return aci_platform_fail_errno(error, number,
                                           "could not start thread %d",
                                           (int)i);
        }
        pool->n_started = i;
        while (atomic_load(&pool->n_inside) != 0)
            sched_yield();
    }
    return AC_OK;
}

ac_status aci_platform_pool_create(aci_pool **out, aci_memory *memory,
                                   uint32_t n_threads, ac_error *error)
{
    aci_pool *pool = aci_platform_alloc_zeroed(memory, 1, sizeof *pool);
    ac_status status;

    *out = NULL;
    if (pool == NULL)
        return aci_platform_fail_memory(error, "the thread pool");
    if (n_threads == 0)
        n_threads = aci_platform_cpu_count();
    if (n_threads > MAX_THREADS)
        n_threads = MAX_THREADS;
    pool->memory = memory;
    pool->n_threads = (int32_t)n_threads;
    pthread_mutex_init(&pool->turn, NULL);
    pool->threads = aci_platform_alloc_array(memory, n_threads,
                                             sizeof(pthread_t));
    pool->shares = aci_platform_alloc_zeroed(memory, n_threads,
                                             sizeof(share));
    if (pool->threads == NULL || pool->shares == NULL)
        status = aci_platform_fail_memory(error, "the thread pool");
    else
        status = start_workers(pool, error);
    if (status == AC_OK)
        *out = pool;
    else
        aci_platform_pool_free(pool);
    return status;
}

void aci_platform_pool_free(aci_pool *pool)
{
    int32_t i;

    if (pool == NULL)
        return;
    atomic_store(&pool->closing, 1);
    atomic_fetch_add(&pool->generation, 1);
    wake_all(&pool->generation);
    for (i = 0; i < pool->n_started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->turn);
    aci_platform_free(pool->memory, pool->threads);
    aci_platform_free(pool->memory, pool->shares);
    aci_platform_free(pool->memory, pool);
}

int32_t aci_platform_pool_threads(const aci_pool *pool)
{
    return pool->n_threads;
}

/* ---- mutex --------------------------------------------------------------- */

struct aci_mutex {
    aci_memory *memory;
    pthread_mutex_t mutex;
};

ac_status aci_platform_mutex_create(aci_mutex **out, aci_memory *memory,
                                    ac_error *error)
{
    *out = aci_platform_alloc_zeroed(memory, 1, sizeof **out);
    if (*out == NULL)
        return aci_platform_fail_memory(error, "a mutex");
    (*out)->memory = memory;
    pthread_mutex_init(&(*out)->mutex, NULL);
    return AC_OK;
}

void aci_platform_mutex_free(aci_mutex *mutex)
{
    if (mutex == NULL)
        return;
    pthread_mutex_destroy(&mutex->mutex);
    aci_platform_free(mutex->memory, mutex);
}

void aci_platform_lock(aci_mutex *mutex)
{
    pthread_mutex_lock(&mutex->mutex);
}

void aci_platform_unlock(aci_mutex *mutex)
{
    pthread_mutex_unlock(&mutex->mutex);
}
