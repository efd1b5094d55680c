/* check_numbers.h - numbers and units in prose.
 *
 * A number is exact: 12.40 equals 12.4, not 12.39. Digits inside a word (cm2,
 * H2O), ordinals (2nd) and the 1 of "1/h" are no numbers. A unit follows its
 * number, after a blank or none: "35 mm", "35mm", "35 %", "35 percent". */
#ifndef ACI_WORKSHOP_CHECK_NUMBERS_H
#define ACI_WORKSHOP_CHECK_NUMBERS_H

#include "workshop/evaluate/check_text.h"

typedef struct aci_number {
    int64_t mantissa;    /* value = mantissa / 10^decimals */
    int32_t decimals;    /* as few as the value needs */
    bool strange;        /* 1.2.3, 3e5, 16 digits and more: equals nothing */
    bool spelled;        /* "seven" */
    size_t at, end;      /* in the text */
} aci_number;

bool aci_workshop_number_equal(const aci_number *a, const aci_number *b);

/* The number that stands at text[at], in digits or words; false when there is
 * none. */
bool aci_workshop_number_at(aci_number *out, aci_slice text, size_t at);

/* The first number at or after `from`, which must not be inside a word. */
bool aci_workshop_number_find(aci_number *out, aci_slice text, size_t from);

/* The whole text is one number. */
bool aci_workshop_number_read(aci_number *out, aci_slice text);

/* The end of `unit` behind a number that ended at `at`; 0: another or none.
 * Common names ("millimetres", "percent") are known. */
size_t aci_workshop_unit_end(aci_slice text, size_t at, aci_slice unit);

/* Where reading goes on: behind the word at `at`, or the one character. From a
 * number's end: behind what is stuck to it. */
size_t aci_workshop_number_skip(aci_slice text, size_t at);
size_t aci_workshop_number_after(aci_slice text, const aci_number *number);

#endif
