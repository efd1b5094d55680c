/* stages.h - what of a long run is finished, kept in "stages" of the folder
 * that becomes the zoo, so that a run after a kill or Ctrl-C takes it up.
 *
 * A finished stage is a small file of its name: a key and what it found. The
 * key is a checksum of everything that the stage depends on, keys of earlier
 * stages included, so one that does not match is a stage of other work, and is
 * done anew. What is too large for that (the store, a variant's tensors) lies
 * beside it and was made durable before. */
#ifndef ACI_WORKSHOP_STAGES_H
#define ACI_WORKSHOP_STAGES_H

#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

typedef struct aci_stages {
    aci_memory *memory;
    const ac_compress_options *options; /* the log is told */
    char *folder;              /* "<zoo>/stages" */
} aci_stages;

/* Nothing is written yet. */
ac_status aci_workshop_stages_open(aci_stages *out, aci_memory *memory,
                                   const char *zoo,
                                   const ac_compress_options *options,
                                   ac_error *error);
void aci_workshop_stages_close(aci_stages *stages);

/* "<zoo>/stages/<name><suffix>", whose folder is made if need be; NULL: no
 * memory, or a folder that cannot be made. */
char *aci_workshop_stage_path(const aci_stages *stages, const char *name,
                              const char *suffix);

/* 1 and what it found [n_bytes] when the stage is finished under this key. */
int aci_workshop_stage_take(void *found, const aci_stages *stages,
                            const char *name, uint64_t key, size_t n_bytes);
ac_status aci_workshop_stage_put(const aci_stages *stages, const char *name,
                                 uint64_t key, const void *found,
                                 size_t n_bytes, ac_error *error);

/* 1 when a folder holds finished stages; removing them. */
int aci_workshop_stages_any(aci_memory *memory, const char *zoo);
void aci_workshop_stages_remove(aci_memory *memory, const char *zoo);

#endif
