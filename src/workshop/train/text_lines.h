/* text_lines.h - a text file line by line, unpacked on the way when it is
 * .xz. */
#ifndef ACI_WORKSHOP_TRAIN_TEXT_LINES_H
#define ACI_WORKSHOP_TRAIN_TEXT_LINES_H

#include <jansson.h>
#include <stdbool.h>

#include "platform/memory.h"

typedef struct aci_text_lines aci_text_lines;

ac_status aci_workshop_lines_open(aci_text_lines **out, aci_memory *memory,
                                  const char *path, ac_error *error);
void aci_workshop_lines_close(aci_text_lines *lines);

/* The next line without its newline, lent until the next call; *line NULL at
 * the end. A line may have 16 MiB. */
ac_status aci_workshop_lines_next(const char **line, size_t *n_bytes,
                                  aci_text_lines *lines, ac_error *error);

/* The next line that is not blank, read as JSON with jansson's `flags`; the
 * caller releases it; *row NULL at the end. AC_E_FORMAT names path and line. */
ac_status aci_workshop_lines_json(json_t **row, aci_text_lines *lines,
                                  const char *path, size_t flags,
                                  ac_error *error);

/* By its name the file holds JSON lines: .jsonl or .json, maybe .xz. */
bool aci_workshop_lines_are_json(const char *path);

/* The next bytes, whatever lines they hold, for text whose lines may have any
 * length; lent until the next call; *n_bytes 0 at the end. Not to be mixed
 * with reading lines. */
ac_status aci_workshop_lines_bytes(const char **bytes, size_t *n_bytes,
                                   aci_text_lines *lines, ac_error *error);

/* Of the line given last, from 1. */
uint64_t aci_workshop_lines_number(const aci_text_lines *lines);

#endif
