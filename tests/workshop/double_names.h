/* double_names.h - the network and the CPU's operations of training once more,
 * in double and under other names: derivatives are held against central
 * differences to many digits, by the code that trains. Included before
 * anything else by what is to be compiled so. */
#ifndef TESTS_WORKSHOP_DOUBLE_NAMES_H
#define TESTS_WORKSHOP_DOUBLE_NAMES_H

#define ACI_REAL double
#define ACI_REAL_IS_DOUBLE

#define aci_kernels_attention_scratch double_attention_scratch
#define aci_kernels_training_cpu_open double_training_cpu_open
#define aci_kernels_training_portable double_training_portable
#define aci_workshop_end_backward double_end_backward
#define aci_workshop_end_forward double_end_forward
#define aci_workshop_layer_backward double_layer_backward
#define aci_workshop_layer_forward double_layer_forward
#define aci_workshop_layer_load double_layer_load
#define aci_workshop_network_angles double_network_angles
#define aci_workshop_network_at double_network_at
#define aci_workshop_network_block double_network_block
#define aci_workshop_network_clear double_network_clear
#define aci_workshop_network_connect double_network_connect
#define aci_workshop_network_count double_network_count
#define aci_workshop_network_create double_network_create
#define aci_workshop_network_create_from double_network_create_from
#define aci_workshop_network_fill double_network_fill
#define aci_workshop_network_find double_network_find
#define aci_workshop_network_free double_network_free
#define aci_workshop_network_give double_network_give
#define aci_workshop_network_gradient_norm double_network_gradient_norm
#define aci_workshop_network_initialise double_network_initialise
#define aci_workshop_network_list double_network_list
#define aci_workshop_network_load double_network_load
#define aci_workshop_network_logits double_network_logits
#define aci_workshop_network_operations double_network_operations
#define aci_workshop_network_place double_network_place
#define aci_workshop_network_plan double_network_plan
#define aci_workshop_network_read double_network_read
#define aci_workshop_network_shape double_network_shape
#define aci_workshop_network_step double_network_step
#define aci_workshop_network_take double_network_take
#define aci_workshop_network_tensor double_network_tensor
#define aci_workshop_network_update double_network_update
#define aci_workshop_network_write double_network_write
#define aci_workshop_project double_project
#define aci_workshop_project_back double_project_back
#define aci_workshop_project_learn double_project_learn

/* kernels/multiply.h in double; double_device.c has the plain loops. */
#define ACI_KERNELS_MULTIPLY_H
#define ACI_MULTIPLY_BFLOAT16 "avx512bf16"
#define aci_kernels_multiplier_create double_multiplier_create
#define aci_kernels_multiplier_free double_multiplier_free
#define aci_kernels_multiply double_multiply

#include "platform/memory.h"
#include "platform/threads.h"

typedef struct aci_multiply {
    double *c;
    const double *a, *b;
    int64_t m, n, k;
    int64_t c_stride, a_stride, b_stride;
    int32_t a_transposed, b_transposed, accumulate;
} aci_multiply;

typedef struct aci_multiplier aci_multiplier;

ac_status double_multiplier_create(aci_multiplier **out, aci_memory *memory,
                                   aci_pool *pool, const char *level,
                                   ac_error *error);
void double_multiplier_free(aci_multiplier *multiplier);
void double_multiply(aci_multiplier *multiplier, const aci_multiply *product);

#endif
