/* tell.c - see tell.h. */
#include "workshop/tell.h"

#include "platform/clock.h"
#include "platform/error.h"

ac_status aci_workshop_tell(ac_progress_callback on_progress, void *user,
                            const char *stage, uint64_t done, uint64_t total,
                            double loss, uint64_t began, ac_error *error)
{
    ac_progress progress = { .struct_size = sizeof progress, .stage = stage,
                             .done = done, .total = total, .loss = loss };

    if (on_progress == NULL)
        return AC_OK;
    progress.seconds = (double)(aci_platform_monotonic_nanoseconds() - began) *
                       1e-9;
    if (on_progress(&progress, user) != 0)
        return aci_platform_fail(error, AC_E_CANCELLED,
                                 "the progress callback stopped it");
    return AC_OK;
}
