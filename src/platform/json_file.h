/* json_file.h - a JSON tree into a file that is there whole or not at all. */
#ifndef ACI_PLATFORM_JSON_FILE_H
#define ACI_PLATFORM_JSON_FILE_H

#include <jansson.h>

#include "platform/memory.h"

/* Indented, numbers with all their digits, a line break at the end; written
 * beside its place and renamed. root NULL is one that there was no memory for,
 * as jansson has it: AC_E_NO_MEMORY. */
ac_status aci_platform_json_write(const json_t *root, aci_memory *memory,
                                  const char *path, ac_error *error);

#endif
