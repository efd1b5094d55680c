/* workflow_suite.c - see workflow_suite.h. */
#include "workshop/evaluate/workflow_suite.h"

#include <string.h>

#include "workshop/evaluate/workflow_make.h"

uint64_t aci_workshop_suite_count(const char *split)
{
    if (strcmp(split, "test") == 0)
        return 500;
    return strncmp(split, "ood-", 4) == 0 ? 200 : 1000;
}

ac_status aci_workshop_suite_make(aci_memory *memory, const char *split,
                                  uint64_t seed, uint64_t first, uint64_t n,
                                  aci_json_line_callback on_row, void *user,
                                  ac_error *error)
{
    uint64_t i;
    ac_status status = AC_OK;

    for (i = 0; i < n && status == AC_OK; i++) {
        json_t *row;

        status = aci_workshop_workflow_make(&row, memory, split, seed,
                                            first + i, error);
        if (status == AC_OK)
            status = on_row(row, user, error);
        json_decref(row);
    }
    return status;
}
