/* library.h - shared objects opened at run time, so that what only some need
 * (a BLAS, a driver) is no dependency of ours. */
#ifndef ACI_PLATFORM_LIBRARY_H
#define ACI_PLATFORM_LIBRARY_H

typedef struct aci_library aci_library;

/* Looks where the system looks; NULL when it is not there. The code stays
 * loaded until the process ends: it may have threads and thread-local
 * destructors of its own. */
aci_library *aci_platform_library_open(const char *name);
void aci_platform_library_close(aci_library *library);

/* Sets *function to the address of `symbol`; 0 when there is none. `function`
 * points to a pointer to a function of the right type. */
int aci_platform_library_find(void *function, aci_library *library,
                              const char *symbol);

#endif
