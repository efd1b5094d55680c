/* check_statement.h - one hypothesis in plain English read into its parts.
 *
 *     body mass increases with nitrogen when region is urban
 *     as nitrogen rises, body mass falls          in clay soil, ...
 *     higher nitrogen raises body mass            nitrogen has a positive ...
 *     body mass is positively correlated with nitrogen
 *
 * Only words the grammar knows may stand in it: what is not understood is not
 * passed over. "not", "or", a second statement and a second condition are
 * refused for the same reason. */
#ifndef ACI_WORKSHOP_CHECK_STATEMENT_H
#define ACI_WORKSHOP_CHECK_STATEMENT_H

#include "workshop/evaluate/check_text.h"

enum { ACI_MOST_VARIABLES = 8, ACI_MOST_CONDITIONS = 8 };

/* The names that may appear. */
typedef struct aci_vocabulary {
    aci_slice outcome;
    aci_slice variables[ACI_MOST_VARIABLES];
    int32_t n_variables;
    aci_slice conditions[ACI_MOST_CONDITIONS];
    aci_slice values[ACI_MOST_CONDITIONS][ACI_MOST_CONDITIONS];
    int32_t n_conditions, n_values[ACI_MOST_CONDITIONS];
} aci_vocabulary;

typedef struct aci_statement {
    bool outcome;             /* named */
    int32_t variable;         /* -1: none, or more than one */
    int32_t sign;             /* +1, -1; 0: none that is definite */
    int32_t condition, value; /* -1: none */
    char broken[80];          /* why it is no statement; "" when it is one */
} aci_statement;

/* `text` in plain spelling, on one line. */
void aci_workshop_statement_read(aci_statement *out,
                                 const aci_vocabulary *words, aci_slice text);

#endif
