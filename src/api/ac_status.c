/* ac_status.c - names, the version, and giving memory back. */
#include "agentcompress.h"
#include "platform/memory.h"

const char *ac_version(void)
{
    return AC_VERSION_STRING;
}

const char *ac_status_name(ac_status status)
{
    static const char *const names[] = {
        "AC_OK",           "AC_E_ARGUMENT",     "AC_E_NO_MEMORY",
        "AC_E_IO",         "AC_E_FORMAT",       "AC_E_UNSUPPORTED",
        "AC_E_NOT_FOUND",  "AC_E_CONTEXT_FULL", "AC_E_CANCELLED",
        "AC_E_BUDGET",     "AC_E_TOO_SMALL",    "AC_E_DEVICE",
        "AC_E_BUSY",       "AC_E_DISK_FULL",    "AC_E_CHECKSUM",
        "AC_E_NUMERIC",    "AC_E_INTERNAL",
    };
    int32_t n = (int32_t)(sizeof names / sizeof *names);

    if (status > 0 || status <= -n)
        return "AC_E_?";
    return names[-status];
}

const char *ac_reason_name(uint32_t reason)
{
    static const char *const names[] = {
        "none",   "cheapest", "low-confidence", "unfamiliar",
        "pinned", "budget",   "no-predictor",   "escalated",
    };

    if (reason >= sizeof names / sizeof *names)
        return "unknown";
    return names[reason];
}

void ac_free(void *memory)
{
    aci_memory library; /* what is handed over comes from the C library */

    aci_platform_memory_init(&library);
    aci_platform_free(&library, memory);
}
