/* export_config.h - config.json of an exported directory. */
#ifndef ACI_WORKSHOP_EXPORT_CONFIG_H
#define ACI_WORKSHOP_EXPORT_CONFIG_H

#include "workshop/compress/export.h"

/* How matrices are written. */
typedef enum aci_export_scheme {
    ACI_EXPORT_DENSE,
    ACI_EXPORT_W4A16,          /* pack-quantized, scales per group */
    ACI_EXPORT_W8A16,          /* likewise */
    ACI_EXPORT_W8A8            /* int-quantized, scales per row */
} aci_export_scheme;

/* aci_workshop_export_plan as a class of transformers, and of vLLM, holds it.
 * AC_E_UNSUPPORTED, with the reason, for what none does. */
ac_status aci_workshop_export_folder_plan(aci_export *work, ac_error *error);

/* Writes config.json into `folder`; `group` of the packed schemes, bfloat 1
 * when the rest is bfloat16. */
ac_status aci_workshop_export_config(const aci_export *work,
                                     const char *folder,
                                     aci_export_scheme scheme, int32_t group,
                                     int bfloat, ac_error *error);

/* A small JSON file of the directory; takes `root`. */
ac_status aci_workshop_export_json(const aci_export *work, const char *folder,
                                   const char *name, void *root,
                                   ac_error *error);

#endif
