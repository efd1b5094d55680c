/* normalise.h - Unicode normal forms for the files that ask for one. */
#ifndef ACI_TOKENIZER_NORMALISE_H
#define ACI_TOKENIZER_NORMALISE_H

#include "platform/memory.h"

/* Bytes that grow. */
typedef struct aci_bytes {
    aci_memory *memory;
    char *data;
    size_t n, capacity;
} aci_bytes;

ac_status aci_tokenizer_bytes_add(aci_bytes *bytes, const char *data,
                                  size_t n_bytes);

/* Appends `text` in the form ACI_ACT_FORM_* to `out`. Bytes that are not UTF-8
 * are kept as they are. AC_OK or AC_E_NO_MEMORY (no message). */
ac_status aci_tokenizer_normalise(aci_bytes *out, const char *text,
                                  size_t n_bytes, uint32_t form);

#endif
