/* threads.h - the thread pool.
 *
 * One pool per engine. aci_platform_pool_run hands out [0, n_items) in chunks:
 * each thread first takes its own share, then steals, so a thread that the
 * system took away does not hold up the others. Waiting threads spin briefly,
 * then sleep on a futex. Which thread computes an item never changes what is
 * computed: results are the same at any thread count. */
#ifndef ACI_PLATFORM_THREADS_H
#define ACI_PLATFORM_THREADS_H

#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

typedef struct aci_pool aci_pool;

/* Called with item numbers [first, last) on thread `thread` of the pool
 * (0 <= thread < n_threads; 0 is the caller). */
typedef void (*aci_pool_task)(void *argument, int64_t first, int64_t last,
                              int32_t thread);

/* n_threads 0: one per core this process may run on. */
ac_status aci_platform_pool_create(aci_pool **out, aci_memory *memory,
                                   uint32_t n_threads, ac_error *error);
void aci_platform_pool_free(aci_pool *pool);
int32_t aci_platform_pool_threads(const aci_pool *pool);

/* Runs task over [0, n_items), in chunks of at most `chunk` items, and returns
 * when all are done. Callers on different threads take turns. Must not be
 * called from inside a task. */
void aci_platform_pool_run(aci_pool *pool, aci_pool_task task, void *argument,
                           int64_t n_items, int64_t chunk);

uint32_t aci_platform_cpu_count(void);

/* A plain mutex; holders never wait for long. */
typedef struct aci_mutex aci_mutex;
ac_status aci_platform_mutex_create(aci_mutex **out, aci_memory *memory,
                                    ac_error *error);
void aci_platform_mutex_free(aci_mutex *mutex);
void aci_platform_lock(aci_mutex *mutex);
void aci_platform_unlock(aci_mutex *mutex);

#endif
