/* workflow_split.c - see workflow_split.h. */
#include "workshop/evaluate/workflow_split.h"

#include <string.h>

#include "platform/error.h"

static const char *const names[ACI_N_SPLITS] = {
    "train", "calibration", "test", "ood-kind", "ood-domain", "ood-template"
};

const char *aci_workshop_split_name(aci_split split)
{
    return names[split];
}

ac_status aci_workshop_split_find(aci_split *out, const char *name,
                                  ac_error *error)
{
    int i;

    for (i = 0; i < ACI_N_SPLITS; i++) {
        if (name != NULL && strcmp(name, names[i]) == 0) {
            *out = (aci_split)i;
            return AC_OK;
        }
    }
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "no split '%s'; there are train, calibration, "
                             "test, ood-kind, ood-domain, ood-template",
                             name == NULL ? "" : name);
}

/* FNV-1a, then a finaliser so that short keys spread (Murmur3's). */
static uint64_t hash(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *key != '\0'; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
    return h ^ (h >> 33);
}

bool aci_workshop_split_owns(aci_split split, const char *key)
{
    uint64_t bucket = hash(key) % 100;

    if (split == ACI_SPLIT_TRAIN)
        return bucket < 70;
    if (split == ACI_SPLIT_CALIBRATION)
        return bucket >= 70 && bucket < 80;
    return bucket >= 80;
}
