/* request_knowledge.c - data-to-text that needs something known: the genetic
 * code, the elements, a formula, survey arithmetic. What is known one by one
 * is asked in pairs, and a pair belongs to one split.
 *
 *                    level 0, 1              level 2            level 3
 *     biology        translate 2-3 codons    4 codons           5-6 codons
 *     chemistry      compare two elements    molar mass of AB   of AB2, A2B
 *     physics        one-digit products      tens by one digit  two digits
 *     social science share of 10, 50, 100    of 20, 25, 50      of 40, 80 */
#include <stdio.h>
#include <string.h>

#include "workshop/evaluate/request.h"
#include "workshop/evaluate/workflow_facts.h"

static void begin(aci_request *request, const char *form,
                  const char *const *asks, int32_t n_asks, const char *about)
{
    aci_wording wording;

    aci_workshop_request_wording(&wording, request, form, asks, n_asks, 1);
    aci_workshop_text_add(&request->prompt, "%s ", wording.opening);
    aci_workshop_text_add(&request->prompt, wording.ask, about);
    aci_workshop_text_add(&request->prompt, "\n");
}

static void set_check(aci_request *request, json_t *facts, json_t *words,
                      json_t *allowed)
{
    request->check = json_pack(
        "{s:s, s:s, s:o, s:o*, s:o*, s:i}", "kind", "data_to_text", "source",
        request->prompt.data, "facts", facts, "words", words, "allowed",
        allowed, "max_words", 60);
}

static json_t *fact(const char *entity, const char *value, const char *unit)
{
    return json_pack("{s:s, s:s, s:s}", "entity", entity, "value", value,
                     "unit", unit);
}

static void make_translation(aci_request *request)
{
    static const char *const asks[] = {
        "Translate the reading frame %s.", "Which residues does %s encode?",
        "Give the peptide for %s.", "Read the codons %s."
    };
    int32_t n = request->level < 2 ? 2 + request->level
                                   : 2 * request->level - 1 +
                                         aci_workshop_request_below(request,
                                                                    2);
    char frame[40], peptide[40], codon[4];
    int32_t i, at = 0, end = 0;

    do {
        at = end = 0;
        for (i = 0; i < n; i++) {
            int32_t number;

            do
                number = aci_workshop_request_below(request, 64);
            while (aci_workshop_amino_acid(number)[0] == 's');
            aci_workshop_codon_text(codon, number);
            at += snprintf(frame + at, sizeof frame - (size_t)at, "%s%s",
                           i > 0 ? "-" : "", codon);
            end += snprintf(peptide + end, sizeof peptide - (size_t)end,
                            "%s%s", i > 0 ? "-" : "",
                            aci_workshop_amino_acid(number));
        }
    } while (!aci_workshop_request_own(request, "codons", frame));
    begin(request, "codons", asks, 4, frame);
    aci_workshop_text_add(&request->answer, "%s encodes %s.", frame, peptide);
    set_check(request, json_array(), json_pack("[s]", peptide), NULL);
}

static void make_comparison(aci_request *request)
{
    static const char *const asks[] = {
        "Give the molar masses of %s and say which is larger.",
        "Which has the larger molar mass, %s?",
        "Compare the molar masses: %s.",
        "State the molar masses of %s and the larger one."
    };
    const aci_element *a, *b, *larger;
    char both[48], first[24], second[24];

    do {
        a = &aci_workshop_elements[aci_workshop_request_below(
            request, ACI_N_ELEMENTS)];
        b = &aci_workshop_elements[aci_workshop_request_below(
            request, ACI_N_ELEMENTS)];
    } while (a >= b || !aci_workshop_request_own(request, a->name, b->name));
    if (aci_workshop_request_chance(request, 50)) {
        const aci_element *kept = a;

        a = b;
        b = kept;
    }
    larger = a->mass > b->mass ? a : b;
    snprintf(both, sizeof both, "%s and %s", a->name, b->name);
    begin(request, "elements", asks, 4, both);
    aci_workshop_number_text(first, a->mass, 1);
    aci_workshop_number_text(second, b->mass, 1);
    aci_workshop_text_sentence(&request->answer,
                               "%s has %s g/mol and %s has %s g/mol; %s is "
                               "larger.", a->name, first, b->name, second,
                               larger->name);
    set_check(request,
              json_pack("[o, o]", fact(a->name, first, "g/mol"),
                        fact(b->name, second, "g/mol")),
              NULL, json_pack("[s, s]", first, second));
    json_object_set_new(request->check, "quantity", json_string("molar mass"));
    json_object_set_new(request->check, "roles",
                        json_pack("[{s:s, s:s}]", "role", "larger", "entity",
                                  larger->name));
}

/* "16.0 + 16.0 = 32.0. 28.1 + 32.0 = 60.1. ": atom by atom. */
static void add_masses(aci_request *request, const aci_compound *c)
{
    int32_t masses[4], n = 0, sum, i;
    char first[24], second[24], both[24];

    for (i = 0; i < c->n_first; i++)
        masses[n++] = aci_workshop_elements[c->first].mass;
    for (i = 0; i < c->n_second; i++)
        masses[n++] = aci_workshop_elements[c->second].mass;
    for (i = 1, sum = masses[0]; i < n; i++) {
        aci_workshop_text_add(
            &request->answer, "%s + %s = %s. ",
            aci_workshop_number_text(first, sum, 1),
            aci_workshop_number_text(second, masses[i], 1),
            aci_workshop_number_text(both, sum + masses[i], 1));
        sum += masses[i];
    }
}

static void make_molar_mass(aci_request *request)
{
    static const char *const asks[] = {
        "Compute the molar mass of %s from the table.",
        "What is the molar mass of %s?", "Work out the molar mass of %s.",
        "How many grams is one mole of %s?"
    };
    const aci_compound *c;
    const aci_element *a, *b;
    char value[24], first[24], second[24], context[16];

    do {
        c = &aci_workshop_compounds[aci_workshop_request_below(
                request, ACI_N_COMPOUNDS / 2) +
            (request->level == 3 ? ACI_N_COMPOUNDS / 2 : 0)];
        snprintf(context, sizeof context, "batch %d",
                 (int)aci_workshop_request_between(request, 1, 90));
    } while (!aci_workshop_request_own(request, c->formula, context));
    a = &aci_workshop_elements[c->first];
    b = &aci_workshop_elements[c->second];
    begin(request, "molar-mass", asks, 4, c->formula);
    aci_workshop_text_add(&request->prompt, "(%s) %s %s, %s %s g/mol\n",
                          context, a->symbol,
                          aci_workshop_number_text(first, a->mass, 1),
                          b->symbol,
                          aci_workshop_number_text(second, b->mass, 1));
    aci_workshop_number_text(value,
                             a->mass * c->n_first + b->mass * c->n_second, 1);
    add_masses(request, c);
    aci_workshop_text_add(&request->answer,
                          "The molar mass of %s is %s g/mol.", c->formula,
                          value);
    set_check(request, json_pack("[o]", fact(c->formula, value, "g/mol")),
              NULL, json_pack("[s]", value));
}

static void make_formula(aci_request *request)
{
    static const char *const asks[] = {
        "Find the %s.", "What is the %s?", "Compute the %s.",
        "Report the %s for these values."
    };
    const aci_formula *f = &aci_workshop_formulas[aci_workshop_request_below(
        request, ACI_N_FORMULAS)];
    int32_t first, second;
    char key[24], value[24];

    do {
        first = request->level < 2
                    ? aci_workshop_request_between(request, 2, 12)
                    : aci_workshop_request_between(request, 12, 49);
        second = request->level < 2
                     ? aci_workshop_request_between(request, 2, 9)
                 : request->level == 2
                     ? aci_workshop_request_between(request, 2, 5)
                     : aci_workshop_request_between(request, 3, 9);
        snprintf(key, sizeof key, "%d x %d", (int)first, (int)second);
    } while (!aci_workshop_request_own(request, f->result, key));
    begin(request, "formula", asks, 4, f->result);
    aci_workshop_text_add(&request->prompt, "%s: %d %s\n%s: %d %s\n",
                          f->first, first, f->first_unit, f->second, second,
                          f->second_unit);
    aci_workshop_number_text(value, first * second, 0);
    aci_workshop_text_add(&request->answer, "%d x %d = %s. ", (int)first,
                          (int)second, value);
    aci_workshop_text_add(&request->answer, "The %s is %s %s.", f->result,
                          value, f->result_unit);
    set_check(request, json_pack("[o]", fact("", value, f->result_unit)),
              json_pack("[s]", f->result), json_pack("[s]", value));
}

/* "9 + 9 = 18. 18 + 18 = 36. ": count times 2, 4 or 5 by adding. */
static void add_multiple(aci_request *request, int32_t count, int32_t times)
{
    int32_t sum = count, have = 1;

    while (have < times && times <= 5) {
        int32_t more = 2 * have <= times ? sum : count;

        aci_workshop_text_add(&request->answer, "%d + %d = %d. ", (int)sum,
                              (int)more, (int)(sum + more));
        have += more == sum ? have : 1;
        sum += more;
    }
}

static void make_share(aci_request *request)
{
    static const char *const asks[] = {
        "What share of the %s agreed?", "Give the percentage of %s who agree.",
        "Turn the count of %s into a percentage.",
        "How large is the agreeing share of %s?"
    };
    static const int32_t totals[ACI_N_LEVELS][3] = {
        { 10, 100, 1000 }, { 10, 50, 100 }, { 20, 25, 50 }, { 40, 80, 250 }
    };
    int32_t total, percent, count;
    char value[24], key[24], first[12], second[12];

    do {
        total = totals[request->level][aci_workshop_request_below(request, 3)];
        percent = aci_workshop_request_between(request, 3, 97);
        count = total * percent / 100;
        snprintf(key, sizeof key, "%d of %d", (int)count, (int)total);
    } while (total * percent % 100 != 0 ||
             !aci_workshop_request_own(request, "share", key));
    begin(request, "share", asks, 4, request->domain->counted);
    aci_workshop_text_add(&request->prompt, "agreed: %d\nasked: %d\n", count,
                          total);
    aci_workshop_number_text(value, percent, 0);
    if (request->level < 3)
        add_multiple(request, count, 100 / total);
    aci_workshop_text_add(&request->answer,
                          "%s %% of the %s agreed (%d of %d).", value,
                          request->domain->counted, count, total);
    set_check(request, json_pack("[o]", fact("", value, "%")), NULL,
              json_pack("[s]", value));
    snprintf(first, sizeof first, "%d", (int)count);
    snprintf(second, sizeof second, "%d", (int)total);
    json_object_set_new(request->check, "pairs",
                        json_pack("[[s, s]]", first, second));
    json_object_set_new(request->check, "none",
                        json_pack("[s, s, s]", "disagreed", "disagree",
                                  "not"));
}

ac_status aci_workshop_request_knowledge(aci_request *request,
                                         ac_error *error)
{
    const char *domain = request->domain->name;

    request->kind = "data_to_text";
    request->voice = "knowledge";
    request->max_tokens = 80;
    if (strcmp(domain, "biology") == 0)
        make_translation(request);
    else if (strcmp(domain, "physics") == 0)
        make_formula(request);
    else if (strcmp(domain, "chemistry") == 0 && request->level < 2)
        make_comparison(request);
    else if (strcmp(domain, "chemistry") == 0)
        make_molar_mass(request);
    else
        make_share(request);
    return aci_workshop_request_finish(request, error);
}
