/* tell.h - telling a caller's callback how far a long run is. */
#ifndef ACI_WORKSHOP_TELL_H
#define ACI_WORKSHOP_TELL_H

#include <stdint.h>

#include "agentcompress.h"

/* Calls on_progress (NULL: nobody) with the time since `began`, a reading of
 * the monotonic clock; loss NaN where there is none. AC_E_CANCELLED when the
 * callback says stop. */
ac_status aci_workshop_tell(ac_progress_callback on_progress, void *user,
                            const char *stage, uint64_t done, uint64_t total,
                            double loss, uint64_t began, ac_error *error);

#endif
