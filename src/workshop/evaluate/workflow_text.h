/* workflow_text.h - a text being written: a prompt, an answer. It has a fixed
 * size; what does not fit sets `overflow`, and the request is refused. */
#ifndef ACI_WORKSHOP_WORKFLOW_TEXT_H
#define ACI_WORKSHOP_WORKFLOW_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct aci_text {
    char data[4096];
    size_t n;
    bool overflow;
} aci_text;

void aci_workshop_text_clear(aci_text *text);

/* printf at the end. No floating-point formats: they obey the locale. */
void aci_workshop_text_add(aci_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with the first letter made upper case (ASCII). */
void aci_workshop_text_sentence(aci_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A number of tenths: 124 is "12.4"; with `decimals` 0 the number itself. */
const char *aci_workshop_number_text(char out[24], int64_t value,
                                     int32_t decimals);

#endif
