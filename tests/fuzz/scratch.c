/* scratch.c - files and memory for the fuzz targets; see target.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/target.h"

static char folder[64];
static long folder_owner; /* a forked test makes its own */

static void remove_folder(void)
{
    if (folder[0] == '\0' || folder_owner != (long)getpid())
        return;
    fuzz_empty_folder();
    rmdir(folder);
}

const char *fuzz_folder(void)
{
    if (folder_owner == (long)getpid())
        return folder;
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/ac-fuzz-XXXXXX"
                                                  : "/tmp/ac-fuzz-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        abort();
    }
    folder_owner = (long)getpid();
    atexit(remove_folder);
    return folder;
}

void fuzz_empty_folder(void)
{
    DIR *listing = opendir(fuzz_folder());
    struct dirent *entry;

    while (listing != NULL && (entry = readdir(listing)) != NULL)
        unlinkat(dirfd(listing), entry->d_name, 0);
    if (listing != NULL)
        closedir(listing);
}

const char *fuzz_file(const char *name, const void *data, size_t n)
{
    static char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, n, file) != n || fclose(file) != 0) {
        perror(path);
        abort();
    }
    return path;
}

void fuzz_memory_begin(aci_memory *memory)
{
    aci_platform_memory_init(memory);
    memory->limit_bytes = 256u << 20;
}

void fuzz_memory_end(const aci_memory *memory)
{
    if (memory->used_bytes != 0) {
        fprintf(stderr, "leaked %llu bytes\n",
                (unsigned long long)memory->used_bytes);
        abort();
    }
}
