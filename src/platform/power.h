/* power.h - energy counters: RAPL through /sys/class/powercap. Package domains
 * only; wrap-around handled. Never an estimate from TDP. */
#ifndef ACI_PLATFORM_POWER_H
#define ACI_PLATFORM_POWER_H

#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

typedef struct aci_power aci_power;

/* `root` is "/sys/class/powercap" or a test's copy of it. Always gives an
 * object; when nothing is readable, aci_platform_power_reason says why. */
ac_status aci_platform_power_open(aci_power **out, aci_memory *memory,
                                  const char *root, ac_error *error);
void aci_platform_power_close(aci_power *power);
/* Microjoules since open, or -1 when there is no readable counter. */
int64_t aci_platform_power_microjoules(aci_power *power);
/* NULL when readable; else one line. */
const char *aci_platform_power_reason(const aci_power *power);

#endif
