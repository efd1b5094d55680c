/* workflow_facts.c - see workflow_facts.h. */
#include "workshop/evaluate/workflow_facts.h"

const aci_element aci_workshop_elements[ACI_N_ELEMENTS] = {
    { "hydrogen", "H", 1, 10 }, { "helium", "He", 2, 40 },
    { "lithium", "Li", 3, 69 }, { "beryllium", "Be", 4, 90 },
    { "boron", "B", 5, 108 }, { "carbon", "C", 6, 120 },
    { "nitrogen", "N", 7, 140 }, { "oxygen", "O", 8, 160 },
    { "fluorine", "F", 9, 190 }, { "neon", "Ne", 10, 202 },
    { "sodium", "Na", 11, 230 }, { "magnesium", "Mg", 12, 243 },
    { "aluminium", "Al", 13, 270 }, { "silicon", "Si", 14, 281 },
    { "phosphorus", "P", 15, 310 }, { "sulfur", "S", 16, 321 },
    { "chlorine", "Cl", 17, 355 }, { "argon", "Ar", 18, 399 },
    { "potassium", "K", 19, 391 }, { "calcium", "Ca", 20, 401 },
    { "scandium", "Sc", 21, 450 }, { "titanium", "Ti", 22, 479 },
    { "vanadium", "V", 23, 509 }, { "chromium", "Cr", 24, 520 },
    { "manganese", "Mn", 25, 549 }, { "iron", "Fe", 26, 558 },
    { "cobalt", "Co", 27, 589 }, { "nickel", "Ni", 28, 587 },
    { "copper", "Cu", 29, 635 }, { "zinc", "Zn", 30, 654 },
    { "gallium", "Ga", 31, 697 }, { "germanium", "Ge", 32, 726 },
    { "arsenic", "As", 33, 749 }, { "selenium", "Se", 34, 790 },
    { "bromine", "Br", 35, 799 }, { "krypton", "Kr", 36, 838 },
    { "rubidium", "Rb", 37, 855 }, { "strontium", "Sr", 38, 876 },
    { "silver", "Ag", 47, 1079 }, { "iodine", "I", 53, 1269 }
};

const aci_compound aci_workshop_compounds[ACI_N_COMPOUNDS] = {
    { "NaCl", 10, 1, 16, 1 }, { "KBr", 18, 1, 34, 1 },
    { "MgO", 11, 1, 7, 1 }, { "CaO", 19, 1, 7, 1 },
    { "LiF", 2, 1, 8, 1 }, { "ZnS", 29, 1, 15, 1 },
    { "NaF", 10, 1, 8, 1 }, { "KCl", 18, 1, 16, 1 },
    { "CO", 5, 1, 7, 1 }, { "FeO", 25, 1, 7, 1 },
    { "CuO", 28, 1, 7, 1 }, { "FeS", 25, 1, 15, 1 },
    { "MgCl2", 11, 1, 16, 2 }, { "CaF2", 19, 1, 8, 2 },
    { "CO2", 5, 1, 7, 2 }, { "SiO2", 13, 1, 7, 2 },
    { "SO2", 15, 1, 7, 2 }, { "TiO2", 21, 1, 7, 2 },
    { "H2O", 0, 2, 7, 1 }, { "Na2O", 10, 2, 7, 1 },
    { "K2S", 18, 2, 15, 1 }, { "Cu2O", 28, 2, 7, 1 },
    { "Li2O", 2, 2, 7, 1 }, { "H2S", 0, 2, 15, 1 }
};

const aci_formula aci_workshop_formulas[ACI_N_FORMULAS] = {
    { "force", "N", "mass", "kg", "acceleration", "m/s2" },
    { "voltage", "V", "current", "A", "resistance", "ohm" },
    { "power", "W", "voltage", "V", "current", "A" },
    { "energy", "J", "power", "W", "time", "s" },
    { "distance", "m", "speed", "m/s", "time", "s" },
    { "momentum", "kg m/s", "mass", "kg", "speed", "m/s" },
    { "charge", "C", "current", "A", "time", "s" },
    { "work", "J", "force", "N", "distance", "m" },
    { "weight", "kN", "volume", "m3", "unit weight", "kN/m3" },
    { "pressure force", "kN", "pressure", "kPa", "area", "m2" }
};

const char *aci_workshop_amino_acid(int32_t codon)
{
    /* Rows: first base UCAG; inside: second base, then third. */
    static const char *const code[64] = {
        "Phe", "Phe", "Leu", "Leu", "Ser", "Ser", "Ser", "Ser",
        "Tyr", "Tyr", "stop", "stop", "Cys", "Cys", "stop", "Trp",
        "Leu", "Leu", "Leu", "Leu", "Pro", "Pro", "Pro", "Pro",
        "His", "His", "Gln", "Gln", "Arg", "Arg", "Arg", "Arg",
        "Ile", "Ile", "Ile", "Met", "Thr", "Thr", "Thr", "Thr",
        "Asn", "Asn", "Lys", "Lys", "Ser", "Ser", "Arg", "Arg",
        "Val", "Val", "Val", "Val", "Ala", "Ala", "Ala", "Ala",
        "Asp", "Asp", "Glu", "Glu", "Gly", "Gly", "Gly", "Gly"
    };

    return code[codon];
}

void aci_workshop_codon_text(char out[4], int32_t codon)
{
    static const char bases[] = "UCAG";

    out[0] = bases[codon / 16];
    out[1] = bases[codon / 4 % 4];
    out[2] = bases[codon % 4];
    out[3] = '\0';
}
