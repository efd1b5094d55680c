/* workflow_suite.h - the workflows of a split, one after another. */
#ifndef ACI_WORKSHOP_WORKFLOW_SUITE_H
#define ACI_WORKSHOP_WORKFLOW_SUITE_H

#include <jansson.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"
#include "workshop/evaluate/json_lines.h"

/* How many workflows a split has when nobody says: 500 of test. */
uint64_t aci_workshop_suite_count(const char *split);

/* Makes workflows [first, first + n) and gives each to `on_row`. */
ac_status aci_workshop_suite_make(aci_memory *memory, const char *split,
                                  uint64_t seed, uint64_t first, uint64_t n,
                                  aci_json_line_callback on_row, void *user,
                                  ac_error *error);

#endif
