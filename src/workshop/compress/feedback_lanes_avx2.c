/* feedback_lanes_avx2.c - two registers of eight lanes. */
enum { WIDTH = 8, AT_ONCE = 4 };
#include "workshop/compress/feedback_lanes_body.h"

const aci_feedback_lanes aci_workshop_feedback_avx2 = { gather };
