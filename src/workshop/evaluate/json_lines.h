/* json_lines.h - a file of JSON objects, one a line; .xz is read too. */
#ifndef ACI_WORKSHOP_JSON_LINES_H
#define ACI_WORKSHOP_JSON_LINES_H

#include <jansson.h>

#include "agentcompress.h"
#include "platform/memory.h"

/* Called with each object, lent. Anything but AC_OK ends the reading with
 * it; file and line are put in front of the message of AC_E_FORMAT. */
typedef ac_status (*aci_json_line_callback)(const json_t *row, void *user,
                                            ac_error *error);

/* Blank lines are nothing. AC_E_FORMAT, with the line, for anything that is no
 * object or names a key twice. */
ac_status aci_workshop_json_lines(aci_memory *memory, const char *path,
                                  aci_json_line_callback on_row, void *user,
                                  ac_error *error);

#endif
