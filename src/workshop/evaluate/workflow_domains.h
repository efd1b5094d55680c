/* workflow_domains.h - what each domain talks about: measured quantities,
 * what may influence them, conditions, groups, samples, journals. */
#ifndef ACI_WORKSHOP_WORKFLOW_DOMAINS_H
#define ACI_WORKSHOP_WORKFLOW_DOMAINS_H

#include <stdint.h>

typedef struct aci_quantity {
    const char *name;     /* "leaf area" */
    const char *unit;     /* "cm2"; after the number and a space */
    int32_t low, high;    /* plausible whole values */
} aci_quantity;

typedef struct aci_condition {
    const char *variable; /* "soil" */
    const char *values[3];
    int32_t n_values;
} aci_condition;

typedef struct aci_pairing {
    const char *first, *second; /* "control group", "treated group" */
} aci_pairing;

enum {
    ACI_N_OUTCOMES = 14, ACI_N_PREDICTORS = 14, ACI_N_CONDITIONS = 5,
    ACI_N_PAIRINGS = 6, ACI_N_SAMPLES = 16, ACI_N_JOURNALS = 10,
    ACI_N_SETTINGS = 8, ACI_N_DOMAINS = 4 /* and one held out behind them */
};

typedef struct aci_domain {
    const char *name;                            /* "biology" */
    const char *counted;                         /* "plots" */
    aci_quantity outcomes[ACI_N_OUTCOMES];
    const char *predictors[ACI_N_PREDICTORS];
    aci_condition conditions[ACI_N_CONDITIONS];
    aci_pairing pairings[ACI_N_PAIRINGS];
    const char *samples[ACI_N_SAMPLES];          /* rows of tables */
    const char *journals[ACI_N_JOURNALS];
    const char *settings[ACI_N_SETTINGS];        /* "alpine meadows" */
} aci_domain;

/* 0 to 3: the four domains; 4: earth science, held out. */
const aci_domain *aci_workshop_domain(int32_t i);

enum { ACI_N_FAMILY_NAMES = 120, ACI_N_GIVEN_NAMES = 60 };

extern const char *const aci_workshop_family_names[ACI_N_FAMILY_NAMES];
extern const char *const aci_workshop_given_names[ACI_N_GIVEN_NAMES];

#endif
