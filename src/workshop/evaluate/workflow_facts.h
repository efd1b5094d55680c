/* workflow_facts.h - facts with ground truth: the genetic code, elements,
 * formulas of physics, survey arithmetic. */
#ifndef ACI_WORKSHOP_WORKFLOW_FACTS_H
#define ACI_WORKSHOP_WORKFLOW_FACTS_H

#include <stdint.h>

typedef struct aci_element {
    const char *name, *symbol;
    int32_t number;      /* atomic number */
    int32_t mass;        /* g/mol, in tenths (IUPAC 2021, abridged) */
} aci_element;

typedef struct aci_formula {
    const char *result, *result_unit;      /* "force", "N" */
    const char *first, *first_unit;        /* "mass", "kg" */
    const char *second, *second_unit;      /* "acceleration", "m/s2" */
} aci_formula;                             /* result = first * second */

enum { ACI_N_ELEMENTS = 40, ACI_N_FORMULAS = 10, ACI_N_COMPOUNDS = 24 };

extern const aci_element aci_workshop_elements[ACI_N_ELEMENTS];
extern const aci_formula aci_workshop_formulas[ACI_N_FORMULAS];

/* A compound of two elements by their place in the table, with counts. */
typedef struct aci_compound {
    const char *formula;                   /* "MgCl2" */
    int32_t first, n_first, second, n_second;
} aci_compound;
extern const aci_compound aci_workshop_compounds[ACI_N_COMPOUNDS];

/* The amino acid (three letters, "stop" for the stops) that a codon stands
 * for in the standard code; codon in [0, 64), bases in the order UCAG. */
const char *aci_workshop_amino_acid(int32_t codon);
void aci_workshop_codon_text(char out[4], int32_t codon);

#endif
