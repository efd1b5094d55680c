/* export_folder.c - a variant as a Hugging Face directory. */
#include "platform/error.h"
#include "workshop/compress/export.h"

ac_status aci_workshop_export_folder(aci_export *work, ac_error *error)
{
    return aci_platform_fail(error, AC_E_UNSUPPORTED,
                             "%s: directories are not written yet, only "
                             "GGUF", work->out);
}
