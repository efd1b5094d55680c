/* test_workflow_facts.c - facts against what everybody knows. */
#include "workshop/evaluate/workflow_facts.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many codons stand for each amino acid in the standard code. */
START_TEST(the_code_has_its_known_degeneracy)
{
    static const struct { const char *name; int n; } known[] = {
        { "Ala", 4 }, { "Arg", 6 }, { "Asn", 2 }, { "Asp", 2 }, { "Cys", 2 },
        { "Gln", 2 }, { "Glu", 2 }, { "Gly", 4 }, { "His", 2 }, { "Ile", 3 },
        { "Leu", 6 }, { "Lys", 2 }, { "Met", 1 }, { "Phe", 2 }, { "Pro", 4 },
        { "Ser", 6 }, { "Thr", 4 }, { "Trp", 1 }, { "Tyr", 2 }, { "Val", 4 },
        { "stop", 3 }
    };
    size_t i;
    int32_t c;
    int sum = 0;

    for (i = 0; i < sizeof known / sizeof *known; i++) {
        int n = 0;

        for (c = 0; c < 64; c++)
            n += strcmp(aci_workshop_amino_acid(c), known[i].name) == 0;
        ck_assert_msg(n == known[i].n, "%s: %d", known[i].name, n);
        sum += n;
    }
    ck_assert_int_eq(sum, 64);
}
END_TEST

static const char *amino_acid_of(const char *text)
{
    char codon[4];
    int32_t c;

    for (c = 0; c < 64; c++) {
        aci_workshop_codon_text(codon, c);
        if (strcmp(codon, text) == 0)
            return aci_workshop_amino_acid(c);
    }
    return "";
}

START_TEST(codons_stand_where_they_should)
{
    static const char *const known[][2] = {
        { "AUG", "Met" }, { "UGG", "Trp" }, { "UAA", "stop" },
        { "UAG", "stop" }, { "UGA", "stop" }, { "UUU", "Phe" },
        { "CUG", "Leu" }, { "AUA", "Ile" }, { "GUC", "Val" },
        { "AGU", "Ser" }, { "UCA", "Ser" }, { "AGA", "Arg" },
        { "CGC", "Arg" }, { "CAU", "His" }, { "CAG", "Gln" },
        { "AAC", "Asn" }, { "AAG", "Lys" }, { "GAU", "Asp" },
        { "GAG", "Glu" }, { "UGC", "Cys" }, { "UAC", "Tyr" },
        { "GGA", "Gly" }, { "GCG", "Ala" }, { "ACU", "Thr" },
        { "CCC", "Pro" }
    };
    size_t i;

    for (i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_str_eq(amino_acid_of(known[i][0]), known[i][1]);
}
END_TEST

START_TEST(elements_are_in_order_and_unlike)
{
    int i, j;

    for (i = 0; i < ACI_N_ELEMENTS; i++) {
        const aci_element *e = &aci_workshop_elements[i];

        /* up to Sr, mass per proton lies between hydrogen's 1 and 2.8 */
        ck_assert_int_ge(e->mass, 10 * e->number);
        ck_assert_int_le(e->mass, 28 * e->number);
        for (j = 0; j < i; j++) {
            ck_assert_int_lt(aci_workshop_elements[j].number, e->number);
            ck_assert_str_ne(aci_workshop_elements[j].symbol, e->symbol);
            ck_assert_str_ne(aci_workshop_elements[j].name, e->name);
        }
    }
}
END_TEST

/* Abridged standard atomic weights (IUPAC 2021), to one decimal. */
START_TEST(masses_are_the_known_ones)
{
    static const struct { const char *symbol; int number, mass; } known[] = {
        { "H", 1, 10 }, { "C", 6, 120 }, { "N", 7, 140 }, { "O", 8, 160 },
        { "Na", 11, 230 }, { "Mg", 12, 243 }, { "Si", 14, 281 },
        { "S", 16, 321 }, { "Cl", 17, 355 }, { "K", 19, 391 },
        { "Ca", 20, 401 }, { "Ti", 22, 479 }, { "Fe", 26, 558 },
        { "Ni", 28, 587 }, { "Cu", 29, 635 }, { "Zn", 30, 654 },
        { "Br", 35, 799 }, { "Ag", 47, 1079 }, { "I", 53, 1269 }
    };
    size_t i;
    int e;

    for (i = 0; i < sizeof known / sizeof *known; i++) {
        for (e = 0; e < ACI_N_ELEMENTS; e++)
            if (strcmp(aci_workshop_elements[e].symbol, known[i].symbol) == 0)
                break;
        ck_assert_int_lt(e, ACI_N_ELEMENTS);
        ck_assert_int_eq(aci_workshop_elements[e].number, known[i].number);
        ck_assert_int_eq(aci_workshop_elements[e].mass, known[i].mass);
    }
}
END_TEST

/* "MgCl2" is what its elements and counts spell. */
START_TEST(formulas_are_what_they_are_made_of)
{
    int i, j;

    for (i = 0; i < ACI_N_COMPOUNDS; i++) {
        const aci_compound *c = &aci_workshop_compounds[i];
        char spelt[40] = "", one[12] = "", two[12] = "";

        if (c->n_first > 1)
            snprintf(one, sizeof one, "%d", (int)c->n_first);
        if (c->n_second > 1)
            snprintf(two, sizeof two, "%d", (int)c->n_second);
        snprintf(spelt, sizeof spelt, "%s%s%s%s",
                 aci_workshop_elements[c->first].symbol, one,
                 aci_workshop_elements[c->second].symbol, two);
        ck_assert_str_eq(spelt, c->formula);
        for (j = 0; j < i; j++)
            ck_assert_str_ne(aci_workshop_compounds[j].formula, c->formula);
    }
}
END_TEST

/* Units multiply: each result's unit is the product of the others'. */
START_TEST(units_of_products_are_products)
{
    static const char *const known[][3] = {
        { "kg", "m/s2", "N" }, { "A", "ohm", "V" }, { "V", "A", "W" },
        { "W", "s", "J" }, { "m/s", "s", "m" }, { "kg", "m/s", "kg m/s" },
        { "A", "s", "C" }, { "N", "m", "J" }, { "m3", "kN/m3", "kN" },
        { "kPa", "m2", "kN" }
    };
    size_t k;
    int i;

    for (i = 0; i < ACI_N_FORMULAS; i++) {
        const aci_formula *f = &aci_workshop_formulas[i];

        for (k = 0; k < sizeof known / sizeof *known; k++)
            if (strcmp(f->first_unit, known[k][0]) == 0 &&
                strcmp(f->second_unit, known[k][1]) == 0 &&
                strcmp(f->result_unit, known[k][2]) == 0)
                break;
        ck_assert_msg(k < sizeof known / sizeof *known, "%s", f->result);
    }
}
END_TEST

Suite *test_workflow_facts_suite(void);
Suite *test_workflow_facts_suite(void)
{
    Suite *suite = suite_create("test_workflow_facts");
    TCase *tests = tcase_create("workflow_facts");

    tcase_add_test(tests, the_code_has_its_known_degeneracy);
    tcase_add_test(tests, codons_stand_where_they_should);
    tcase_add_test(tests, elements_are_in_order_and_unlike);
    tcase_add_test(tests, masses_are_the_known_ones);
    tcase_add_test(tests, formulas_are_what_they_are_made_of);
    tcase_add_test(tests, units_of_products_are_products);
    suite_add_tcase(suite, tests);
    return suite;
}
