/* json_lines.c - see json_lines.h. */
#include "workshop/evaluate/json_lines.h"

#include <stdbool.h>
#include <stdio.h>

#include "platform/error.h"
#include "workshop/train/text_lines.h"

ac_status aci_workshop_json_lines(aci_memory *memory, const char *path,
                                  aci_json_line_callback on_row, void *user,
                                  ac_error *error)
{
    aci_text_lines *lines;
    char place[300];
    ac_status status = aci_workshop_lines_open(&lines, memory, path, error);
    bool more = status == AC_OK;

    while (more) {
        json_t *row;

        status = aci_workshop_lines_json(&row, lines, path,
                                         JSON_REJECT_DUPLICATES, error);
        if (status != AC_OK || row == NULL)
            break;
        status = json_is_object(row)
                     ? on_row(row, user, error)
                     : aci_platform_fail(error, AC_E_FORMAT,
                                         "not a JSON object");
        json_decref(row);
        more = status == AC_OK;
        if (status == AC_E_FORMAT) {
            snprintf(place, sizeof place, "%.255s: line %llu", path,
                     (unsigned long long)aci_workshop_lines_number(lines));
            aci_platform_fail_within(error, status, place);
        }
    }
    aci_workshop_lines_close(lines);
    return status;
}
