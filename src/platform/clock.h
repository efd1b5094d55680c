/* clock.h - time. */
#ifndef ACI_PLATFORM_CLOCK_H
#define ACI_PLATFORM_CLOCK_H

#include <stdint.h>

/* Nanoseconds of a clock that never goes back; for intervals. */
uint64_t aci_platform_monotonic_nanoseconds(void);
/* Nanoseconds since 1970-01-01 UTC; for records. */
int64_t aci_platform_wall_nanoseconds(void);

#endif
