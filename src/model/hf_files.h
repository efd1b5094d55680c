/* hf_files.h - the weights of a Hugging Face directory: model.safetensors, or
 * the shards that model.safetensors.index.json names. */
#ifndef ACI_MODEL_HF_FILES_H
#define ACI_MODEL_HF_FILES_H

#include "model/safetensors.h"

typedef struct aci_hf_files {
    aci_memory *memory;
    aci_safetensors **files;   /* [n] */
    size_t n;
} aci_hf_files;

/* With an index, every tensor is in exactly the shard the index names. Fills a
 * zeroed `out`; what was opened before a failure stays there for close. */
ac_status aci_model_hf_files_open(aci_hf_files *out, aci_memory *memory,
                                  const char *folder, ac_error *error);
void aci_model_hf_files_close(aci_hf_files *files);

/* NULL when there is none. */
const aci_safetensor *aci_model_hf_files_find(const aci_hf_files *files,
                                              const char *name);

#endif
