/* check_lexicon.c - see check_lexicon.h. Tables. */
#include "workshop/evaluate/check_lexicon.h"

typedef struct direction_word {
    const char *word;
    int32_t sign;
    aci_way way;
} direction_word;

static const direction_word directions[] = {
    { "increase", 1, ACI_WAY_CHANGE }, { "increases", 1, ACI_WAY_CHANGE },
    { "increased", 1, ACI_WAY_CHANGE }, { "increasing", 1, ACI_WAY_CHANGE },
    { "rise", 1, ACI_WAY_CHANGE }, { "rises", 1, ACI_WAY_CHANGE },
    { "rose", 1, ACI_WAY_CHANGE }, { "risen", 1, ACI_WAY_CHANGE },
    { "rising", 1, ACI_WAY_CHANGE }, { "raised", 1, ACI_WAY_CHANGE },
    { "raises", 1, ACI_WAY_CHANGE }, { "raise", 1, ACI_WAY_CHANGE },
    { "boosted", 1, ACI_WAY_CHANGE }, { "boosts", 1, ACI_WAY_CHANGE },
    { "boost", 1, ACI_WAY_CHANGE }, { "grew", 1, ACI_WAY_CHANGE },
    { "grow", 1, ACI_WAY_CHANGE }, { "grows", 1, ACI_WAY_CHANGE },
    { "growth", 1, ACI_WAY_CHANGE }, { "gain", 1, ACI_WAY_CHANGE },
    { "gained", 1, ACI_WAY_CHANGE }, { "climbed", 1, ACI_WAY_CHANGE },
    { "climbs", 1, ACI_WAY_CHANGE }, { "up", 1, ACI_WAY_CHANGE },
    { "upward", 1, ACI_WAY_CHANGE }, { "upwards", 1, ACI_WAY_CHANGE },
    { "decrease", -1, ACI_WAY_CHANGE }, { "decreases", -1, ACI_WAY_CHANGE },
    { "decreased", -1, ACI_WAY_CHANGE }, { "decreasing", -1, ACI_WAY_CHANGE },
    { "fall", -1, ACI_WAY_CHANGE }, { "falls", -1, ACI_WAY_CHANGE },
    { "fell", -1, ACI_WAY_CHANGE }, { "fallen", -1, ACI_WAY_CHANGE },
    { "falling", -1, ACI_WAY_CHANGE }, { "lowered", -1, ACI_WAY_CHANGE },
    { "lowers", -1, ACI_WAY_CHANGE }, { "reduced", -1, ACI_WAY_CHANGE },
    { "reduces", -1, ACI_WAY_CHANGE }, { "reduce", -1, ACI_WAY_CHANGE },
    { "reduction", -1, ACI_WAY_CHANGE }, { "cut", -1, ACI_WAY_CHANGE },
    { "cuts", -1, ACI_WAY_CHANGE }, { "drop", -1, ACI_WAY_CHANGE },
    { "drops", -1, ACI_WAY_CHANGE }, { "dropped", -1, ACI_WAY_CHANGE },
    { "decline", -1, ACI_WAY_CHANGE }, { "declines", -1, ACI_WAY_CHANGE },
    { "declined", -1, ACI_WAY_CHANGE }, { "down", -1, ACI_WAY_CHANGE },
    { "downward", -1, ACI_WAY_CHANGE }, { "downwards", -1, ACI_WAY_CHANGE },
    { "shrank", -1, ACI_WAY_CHANGE }, { "shrinks", -1, ACI_WAY_CHANGE },
    { "loss", -1, ACI_WAY_CHANGE },
    { "higher", 1, ACI_WAY_COMPARE }, { "larger", 1, ACI_WAY_COMPARE },
    { "greater", 1, ACI_WAY_COMPARE }, { "more", 1, ACI_WAY_COMPARE },
    { "bigger", 1, ACI_WAY_COMPARE }, { "longer", 1, ACI_WAY_COMPARE },
    { "taller", 1, ACI_WAY_COMPARE }, { "heavier", 1, ACI_WAY_COMPARE },
    { "stronger", 1, ACI_WAY_COMPARE }, { "above", 1, ACI_WAY_COMPARE },
    { "lower", -1, ACI_WAY_COMPARE }, { "smaller", -1, ACI_WAY_COMPARE },
    { "less", -1, ACI_WAY_COMPARE }, { "fewer", -1, ACI_WAY_COMPARE },
    { "shorter", -1, ACI_WAY_COMPARE }, { "lighter", -1, ACI_WAY_COMPARE },
    { "weaker", -1, ACI_WAY_COMPARE }, { "below", -1, ACI_WAY_COMPARE }
};

size_t aci_workshop_direction_at(aci_slice text, size_t at, int32_t *sign,
                                 aci_way *way)
{
    size_t i, end;

    for (i = 0; i < sizeof directions / sizeof *directions; i++) {
        end = aci_workshop_phrase_at(text, at,
                                     aci_slice_of(directions[i].word), false);
        if (end != 0) {
            *sign = directions[i].sign;
            *way = directions[i].way;
            return end;
        }
    }
    return 0;
}

typedef struct role_word {
    const char *role, *word;
} role_word;

static const role_word roles[] = {
    { "highest", "highest" }, { "highest", "largest" },
    { "highest", "greatest" }, { "highest", "most" },
    { "highest", "maximum" }, { "highest", "biggest" },
    { "lowest", "lowest" }, { "lowest", "smallest" },
    { "lowest", "least" }, { "lowest", "minimum" }, { "lowest", "fewest" },
    { "second", "second highest" }, { "second", "second-highest" },
    { "second", "second largest" }, { "second", "second" },
    { "second", "runner-up" }, { "second", "runner up" },
    { "larger", "larger" }, { "larger", "heavier" }, { "larger", "greater" },
    { "larger", "higher" }, { "larger", "bigger" }, { "larger", "more" }
};

enum { N_ROLES = sizeof roles / sizeof *roles };

bool aci_workshop_role_known(aci_slice role)
{
    size_t i;

    for (i = 0; i < N_ROLES; i++) {
        if (aci_slice_equal(role, aci_slice_of(roles[i].role)))
            return true;
    }
    return false;
}

size_t aci_workshop_role_at(aci_slice text, size_t at, aci_slice role)
{
    size_t i, end = 0;

    for (i = 0; i < N_ROLES && end == 0; i++) {
        if (aci_slice_equal(role, aci_slice_of(roles[i].role)))
            end = aci_workshop_phrase_at(text, at,
                                         aci_slice_of(roles[i].word), false);
    }
    return end;
}
