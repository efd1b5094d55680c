/* lanes.h - sixteen lanes as the compiler's own vector type; every level
 * lowers it to the registers it has. */
#ifndef ACI_KERNELS_CPU_LANES_H
#define ACI_KERNELS_CPU_LANES_H

#include <stdint.h>

typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef int8_t vb __attribute__((vector_size(16)));

#endif
