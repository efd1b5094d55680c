/* generate_options.h - checking what the caller of ac_generate asks for. */
#ifndef ACI_API_GENERATE_OPTIONS_H
#define ACI_API_GENERATE_OPTIONS_H

#include "flow.h"

/* Copies and checks; every field of `own` is in range afterwards. */
ac_status aci_api_take_generate_options(ac_generate_options *own,
                                        const ac_generate_options *given,
                                        int32_t n_vocab, ac_error *error);

#endif
