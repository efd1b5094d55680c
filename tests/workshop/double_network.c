/* double_network.c - see double_names.h. */
#include "workshop/double_names.h"

#include "workshop/train/network.c"
#include "workshop/train/network_layer.c"
#include "workshop/train/network_projection.c"
