/* export_gguf_metadata.h - what llama.cpp must know besides the weights. */
#ifndef ACI_WORKSHOP_EXPORT_GGUF_METADATA_H
#define ACI_WORKSHOP_EXPORT_GGUF_METADATA_H

#include "model/gguf_write.h"
#include "workshop/compress/export.h"

/* general.* and the shape. AC_E_UNSUPPORTED, with the reason, for what
 * llama.cpp's architectures cannot express. */
ac_status aci_workshop_export_gguf_shape(aci_gguf_draft *draft,
                                         const aci_export *work,
                                         uint32_t file_type,
                                         ac_error *error);

/* tokenizer.*, likewise. */
ac_status aci_workshop_export_gguf_vocabulary(aci_gguf_draft *draft,
                                              const aci_export *work,
                                              ac_error *error);

#endif
