/* text_lines.h - a text file line by line, unpacked on the way when it is
 * .xz. */
#ifndef ACI_WORKSHOP_TRAIN_TEXT_LINES_H
#define ACI_WORKSHOP_TRAIN_TEXT_LINES_H

#include "platform/memory.h"

typedef struct aci_text_lines aci_text_lines;

ac_status aci_workshop_lines_open(aci_text_lines **out, aci_memory *memory,
                                  const char *path, ac_error *error);
void aci_workshop_lines_close(aci_text_lines *lines);

/* The next line without its newline, lent until the next call; *line NULL at
 * the end. A line may have 16 MiB. */
ac_status aci_workshop_lines_next(const char **line, size_t *n_bytes,
                                  aci_text_lines *lines, ac_error *error);

/* The next bytes, whatever lines they hold, for text whose lines may have any
 * length; lent until the next call; *n_bytes 0 at the end. Not to be mixed
 * with reading lines. */
ac_status aci_workshop_lines_bytes(const char **bytes, size_t *n_bytes,
                                   aci_text_lines *lines, ac_error *error);

/* Of the line given last, from 1. */
uint64_t aci_workshop_lines_number(const aci_text_lines *lines);

#endif
