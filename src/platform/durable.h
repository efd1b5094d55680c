/* durable.h - what writer.c and folder.c share: making a name beside a final
 * place, and forcing a directory's names to the disk. */
#ifndef ACI_PLATFORM_DURABLE_H
#define ACI_PLATFORM_DURABLE_H

#include "agentcompress.h"
#include "platform/memory.h"

/* "<path>.tmp-<pid>" without trailing slashes, with `reserve_bytes` unused
 * bytes in front of it (the block begins there); or NULL. */
char *aci_platform_temporary_name(aci_memory *memory, const char *path,
                                  size_t reserve_bytes);
/* The same with `suffix` in place of ".tmp-<pid>". */
char *aci_platform_name_beside(aci_memory *memory, const char *path,
                               const char *suffix, size_t reserve_bytes);

/* Opens the directory that holds `path`: before the rename, so that nothing
 * but the disk can fail after it. */
ac_status aci_platform_open_parent(int *out, aci_memory *memory,
                                   const char *path, ac_error *error);

/* fsync of a directory. 0, or an errno value. */
int aci_platform_sync_directory(int directory);

#endif
