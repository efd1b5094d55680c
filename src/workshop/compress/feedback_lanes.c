/* feedback_lanes.c - any processor, and which level this one has. */
enum { WIDTH = 4, AT_ONCE = 2 };
#include "workshop/compress/feedback_lanes_body.h"

#include <string.h>

#include "kernels/cpu/cpu_level.h"

const aci_feedback_lanes aci_workshop_feedback_portable = { gather };

const aci_feedback_lanes *aci_workshop_feedback_level(const char *name)
{
    const char *wanted = name != NULL && strcmp(name, "portable") == 0
                             ? "reference"
                             : name;
    const aci_cpu_level *level = aci_kernels_cpu_level(wanted);

    if (level == NULL)
        return NULL;
#if defined(__x86_64__)
    if (strcmp(level->name, "avx512") == 0)
        return &aci_workshop_feedback_avx512;
    if (strcmp(level->name, "avx2") == 0)
        return &aci_workshop_feedback_avx2;
#endif
    return &aci_workshop_feedback_portable;
}
