/* cpu_detect.c - which levels this processor and system have, best first. */
#include <string.h>

#include "kernels/cpu/products_table.h"
#include "kernels/cpu/rows_table.h"

static const aci_cpu_level reference = {
    "reference", &aci_kernels_rows_reference, &aci_kernels_products_reference
};

#if defined(__x86_64__)
#include <cpuid.h>

static const aci_cpu_level avx2 = {
    "avx2", &aci_kernels_rows_avx2, &aci_kernels_products_avx2
};
static const aci_cpu_level avx512 = {
    "avx512", &aci_kernels_rows_avx512, &aci_kernels_products_avx512
};

/* Asked by number: clang before 16 does not know the name. */
static int has_f16c(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           has_f16c();
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif

const aci_cpu_level *aci_kernels_cpu_level(const char *name)
{
#if defined(__x86_64__)
    __builtin_cpu_init(); /* also asks the system whether it saves registers */
    if (has_avx512() && (name == NULL || strcmp(name, "avx512") == 0))
        return &avx512;
    if (has_avx2() && (name == NULL || strcmp(name, "avx2") == 0))
        return &avx2;
#endif
    if (name == NULL || strcmp(name, "reference") == 0)
        return &reference;
    return NULL;
}

int aci_kernels_cpu_has_bfloat16(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return has_avx512() && __builtin_cpu_supports("avx512bf16");
#else
    return 0;
#endif
}
