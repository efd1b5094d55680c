/* clock.c - the system's clocks in nanoseconds. Both are answered by the vDSO
 * in some 20 ns, so callers need not save on them. */
#include "platform/clock.h"

#include <time.h>

uint64_t aci_platform_monotonic_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t aci_platform_wall_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec;
}
