/* check_data.h - what a data-to-text answer must say, and the names and values
 * found in it (inside this folder). */
#ifndef ACI_WORKSHOP_CHECK_DATA_H
#define ACI_WORKSHOP_CHECK_DATA_H

#include "workshop/evaluate/check_numbers.h"
#include "workshop/evaluate/check_rules.h"

enum {
    ACI_DATA_MOST = 32,     /* of any list of the check object */
    ACI_MOST_NAMES = 3 * ACI_DATA_MOST + 2,
    ACI_MOST_UNITS = 2 * ACI_DATA_MOST + 1,
    ACI_MOST_MENTIONS = 256
};

/* "72 mm belongs to wing length in moss"; name -1: to no entity. */
typedef struct aci_data_fact {
    int32_t name, unit;
    aci_number value;
    aci_slice text;         /* the value as written */
    bool optional;          /* need not be said, but then with its unit */
} aci_data_fact;

typedef struct aci_data_role {
    aci_slice role;
    int32_t name;
    bool required;
} aci_data_role;

typedef struct aci_data_check {
    aci_slice source, quantity;
    aci_slice names[ACI_MOST_NAMES], units[ACI_MOST_UNITS];
    int32_t n_names, n_units;
    aci_data_fact facts[2 * ACI_DATA_MOST]; /* required ones, then rows */
    int32_t n_facts, n_rows;                /* rows: n_facts to n_rows */
    aci_number allowed[ACI_DATA_MOST];
    int32_t n_allowed;
    aci_slice words[ACI_DATA_MOST], none[ACI_DATA_MOST];
    int32_t n_words, n_none;
    aci_data_role roles[ACI_DATA_MOST];
    int32_t n_roles;
    int32_t sign;           /* of the second group against the first; 0: none */
    int32_t groups[2];      /* names, or -1 */
    int32_t max_words;
    aci_number pairs[ACI_DATA_MOST][2];     /* "240 of 250" */
    int32_t n_pairs;
    bool counted;           /* the result counts rows; it has no unit */
} aci_data_check;

/* check_data_fields.c; names the field that is wrong. */
ac_status aci_workshop_data_fields(aci_data_check *out, const json_t *check,
                                   ac_error *error);

/* A name or a value in the answer, in order. */
typedef struct aci_mention {
    bool is_value;
    size_t at, end;         /* a value's unit included */
    int32_t sentence;
    int32_t name;           /* of a name; of a value: what it belongs to, -1 */
    int32_t unit;           /* of a value: index, -1 */
    bool firm;              /* it surely belongs to that name */
    bool differs;           /* "9 cm higher", "by 9 cm" */
    bool inexact;           /* "at least 9 cm", "almost 9 cm" */
    aci_number number;
} aci_mention;

typedef struct aci_mentions {
    aci_mention list[ACI_MOST_MENTIONS];
    int32_t n;
    bool full;              /* there were more */
} aci_mentions;

/* The source has that number; the n of "{{n}}" is none. */
bool aci_workshop_data_in_source(const aci_number *number, aci_slice source);

/* check_data_working.c: blanks arithmetic shown ("74 + 52 = 126"), for which
 * there is a rule. */
void aci_workshop_data_working(aci_rules *rules, const aci_data_check *check,
                               char *text, size_t n, aci_slice source);

/* check_data_mentions.c: finds them and says which value is whose. */
void aci_workshop_data_mentions(aci_mentions *out, const aci_data_check *check,
                                aci_slice text);
/* Between `from` and `to` stand only words that join ("in the", "of", "was"):
 * prepositions, articles, the quantity, with `verbs` also "is", "had". */
bool aci_workshop_data_joined(const aci_data_check *check, aci_slice text,
                              size_t from, size_t to, bool verbs);

/* check_data_ways.c: direction and role words point the right way. */
void aci_workshop_data_direction(aci_rules *rules, const aci_data_check *check,
                                 const aci_mentions *mentions, aci_slice text);
void aci_workshop_data_roles(aci_rules *rules, const aci_data_check *check,
                             const aci_mentions *mentions, aci_slice text);

#endif
