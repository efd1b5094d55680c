/* json_lines.c - see json_lines.h. */
#include "workshop/evaluate/json_lines.h"

#include <stdbool.h>
#include <stdio.h>

#include "platform/error.h"
#include "workshop/train/text_lines.h"

static bool is_blank(const char *line, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

static ac_status read_line(const char *line, size_t n,
                           aci_json_line_callback on_row, void *user,
                           ac_error *error)
{
    json_error_t why;
    json_t *row = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);
    ac_status status;

    if (row == NULL && json_error_code(&why) == json_error_out_of_memory)
        return aci_platform_fail_memory(error, "a line of JSON");
    if (row == NULL)
        return aci_platform_fail(error, AC_E_FORMAT, "%s", why.text);
    status = json_is_object(row)
                 ? on_row(row, user, error)
                 : aci_platform_fail(error, AC_E_FORMAT, "not a JSON object");
    json_decref(row);
    return status;
}

ac_status aci_workshop_json_lines(aci_memory *memory, const char *path,
                                  aci_json_line_callback on_row, void *user,
                                  ac_error *error)
{
    aci_text_lines *lines;
    char place[300];
    const char *line;
    size_t n;
    ac_status status = aci_workshop_lines_open(&lines, memory, path, error);

    if (status != AC_OK)
        return status;
    for (;;) {
        status = aci_workshop_lines_next(&line, &n, lines, error);
        if (status != AC_OK || line == NULL)
            break;
        if (is_blank(line, n))
            continue;
        status = read_line(line, n, on_row, user, error);
        if (status == AC_OK)
            continue;
        snprintf(place, sizeof place, "%.255s: line %llu", path,
                 (unsigned long long)aci_workshop_lines_number(lines));
        if (status == AC_E_FORMAT)
            aci_platform_fail_within(error, status, place);
        break;
    }
    aci_workshop_lines_close(lines);
    return status;
}
