/* double_lanes.c - see double_names.h. */
#include "workshop/double_names.h"

#include "kernels/cpu/training_portable.c"
