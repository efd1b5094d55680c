/* export_gguf_metadata.h - what llama.cpp must know besides the weights. */
#ifndef ACI_WORKSHOP_EXPORT_GGUF_METADATA_H
#define ACI_WORKSHOP_EXPORT_GGUF_METADATA_H

#include "model/gguf_write.h"
#include "workshop/compress/export.h"

/* aci_workshop_export_plan as llama.cpp's architectures hold it.
 * AC_E_UNSUPPORTED, with the reason, for what none does. */
ac_status aci_workshop_export_gguf_plan(aci_export *work, ac_error *error);
/* "llama", "deci", "qwen2" or "qwen3", of a plan. */
const char *aci_workshop_export_gguf_architecture(const aci_export *work);
/* 1 when that keeps the rows of q and k by rotary pairs. */
int aci_workshop_export_gguf_pairs(const aci_export *work);

/* general.* and the shape. */
void aci_workshop_export_gguf_shape(aci_gguf_draft *draft,
                                    const aci_export *work,
                                    uint32_t file_type);

/* tokenizer.*; AC_E_UNSUPPORTED, with the reason, for what llama.cpp has not.
 */
ac_status aci_workshop_export_gguf_vocabulary(aci_gguf_draft *draft,
                                              const aci_export *work,
                                              ac_error *error);

#endif
