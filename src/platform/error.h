/* error.h - filling the caller's ac_error. */
#ifndef ACI_PLATFORM_ERROR_H
#define ACI_PLATFORM_ERROR_H

#include "agentcompress.h"

/* Writes status and the formatted one-line message into `error` (may be NULL,
 * respects its struct_size) and returns `status`:
 *     return aci_platform_fail(error, AC_E_FORMAT, "%s ended early", path); */
ac_status aci_platform_fail(ac_error *error, ac_status status,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from an errno value: picks AC_E_NOT_FOUND, AC_E_DISK_FULL,
 * AC_E_NO_MEMORY or AC_E_IO, and appends the system's words. */
ac_status aci_platform_fail_errno(ac_error *error, int number,
                                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "out of memory for <what>" with AC_E_NO_MEMORY. */
ac_status aci_platform_fail_memory(ac_error *error, const char *what);

/* Puts "<prefix>: " in front of the message already in `error`. */
ac_status aci_platform_fail_within(ac_error *error, ac_status status,
                                   const char *prefix);

#endif
