/* feedback_lanes_avx512.c - a register of sixteen lanes. */
enum { WIDTH = 16, AT_ONCE = 8 };
#include "workshop/compress/feedback_lanes_body.h"

const aci_feedback_lanes aci_workshop_feedback_avx512 = { gather };
