/* stub_driver.c - a libcuda.so.1 that is of no use, for cuda_loading.sh:
 *   VERSION   the CUDA it says it is for
 *   START     what cuInit answers: 0, or CUDA's number of an error
 * Every other entry point answers CUDA_ERROR_NOT_SUPPORTED, or, with LACKS, is
 * not there. */
#include <stddef.h>
#include <string.h>

int cuDriverGetVersion(int *version);
int cuInit(unsigned flags);
int cuDeviceGetCount(int *n);
int cuGetProcAddress(const char *name, void **out, int version,
                     unsigned long long flags);
int cuGetProcAddress_v2(const char *name, void **out, int version,
                        unsigned long long flags, int *found);

enum { NOT_FOUND = 500, NOT_SUPPORTED = 801 };

int cuDriverGetVersion(int *version)
{
    *version = VERSION;
    return 0;
}

int cuInit(unsigned flags)
{
    (void)flags;
    return START;
}

int cuDeviceGetCount(int *n)
{
    *n = 0;
    return 0;
}

static int not_supported(void)
{
    return NOT_SUPPORTED;
}

int cuGetProcAddress_v2(const char *name, void **out, int version,
                        unsigned long long flags, int *found)
{
    (void)version;
    (void)flags;
    if (found != NULL)
        *found = 0;
    if (strcmp(name, "cuInit") == 0)
        *out = (void *)cuInit;
    else if (strcmp(name, "cuDriverGetVersion") == 0)
        *out = (void *)cuDriverGetVersion;
    else if (strcmp(name, "cuDeviceGetCount") == 0)
        *out = (void *)cuDeviceGetCount;
    else if (strcmp(name, "cuGetProcAddress") == 0)
        *out = (void *)cuGetProcAddress_v2;
#ifdef LACKS
    else
        *out = NULL;
    return *out ? 0 : NOT_FOUND;
#else
    else
        *out = (void *)not_supported;
    return 0;
#endif
}

int cuGetProcAddress(const char *name, void **out, int version,
                     unsigned long long flags)
{
    return cuGetProcAddress_v2(name, out, version, flags, NULL);
}
