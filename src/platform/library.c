/* library.c - see library.h. */
#include "platform/library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

aci_library *aci_platform_library_open(const char *name)
{
    return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

void aci_platform_library_close(aci_library *library)
{
    if (library != NULL)
        dlclose(library);
}

int aci_platform_library_find(void *function, aci_library *library,
                              const char *symbol)
{
    void *address = dlsym(library, symbol);

    /* ISO C has no conversion between the two kinds of pointer */
    memcpy(function, &address, sizeof address);
    return address != NULL;
}
