/* power.c - energy counters of the processor packages (Intel and AMD RAPL)
 * through the kernel's powercap files:
 *
 *     <root>/intel-rapl:0/name                  "package-0"
 *     <root>/intel-rapl:0/energy_uj             a counter, microjoules
 *     <root>/intel-rapl:0/max_energy_range_uj   where it wraps to 0
 *
 * Only packages are summed: cores and memory below them are parts of them,
 * "psys" contains them, and intel-rapl-mmio is the same counter again. Read
 * at least once per wrap (about 20 minutes at 200 W): a second wrap between
 * two readings cannot be seen. */
#include "platform/power.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/error.h"
#include "platform/files.h"

#define MAX_PACKAGES 16

typedef struct power_package {
    int file;             /* energy_uj */
    uint64_t range;       /* counter values are under this */
    uint64_t last;
} power_package;

struct aci_power {
    aci_memory *memory;
    pthread_mutex_t mutex; /* around the counters */
    power_package packages[MAX_PACKAGES];
    int n_packages;
    _Atomic bool lost;     /* a counter stopped being readable */
    int64_t microjoules;
    char reason[160];      /* empty when readable */
};

/* The number in an open file; false when it is not one. */
static bool read_counter(int file, uint64_t *value)
{
    char text[32];
    ssize_t n;

    do
        n = pread(file, text, sizeof text - 1, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0 || text[0] < '0' || text[0] > '9')
        return false;
    text[n] = '\0';
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno == 0;
}

static int open_in(const char *folder, const char *name)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);

    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool is_package(const char *folder)
{
    char name[16] = { 0 };
    int file = open_in(folder, "name");
    ssize_t n;

    if (file < 0)
        return false;
    n = read(file, name, sizeof name - 1);
    close(file);
    return n > 0 && strncmp(name, "package", 7) == 0;
}

/* Adds the package in `folder` or writes why not into power->reason. */
static void add_package(aci_power *power, const char *folder)
{
    power_package *package = &power->packages[power->n_packages];
    int range_file = open_in(folder, "max_energy_range_uj");
    bool has_range = range_file >= 0 &&
                     read_counter(range_file, &package->range);

    if (range_file >= 0)
        close(range_file);
    package->file = open_in(folder, "energy_uj");
    if (package->file < 0) {
        snprintf(power->reason, sizeof power->reason,
                 "%.96s/energy_uj: %s", folder, strerrordesc_np(errno));
        return;
    }
    if (!has_range || !read_counter(package->file, &package->last)) {
        snprintf(power->reason, sizeof power->reason,
                 "%.96s has no usable counter", folder);
        close(package->file);
        return;
    }
    power->n_packages++;
}

static void find_packages(aci_power *power, const char *root)
{
    DIR *listing = opendir(root);
    struct dirent *entry;

    snprintf(power->reason, sizeof power->reason,
             "no package energy counter under %.96s", root);
    if (listing == NULL)
        return;
    while ((entry = readdir(listing)) != NULL &&
           power->n_packages < MAX_PACKAGES) {
        char folder[384];
        int n = snprintf(folder, sizeof folder, "%s/%s", root, entry->d_name);

        if (strncmp(entry->d_name, "intel-rapl:", 11) != 0 || n < 0 ||
            (size_t)n >= sizeof folder || !is_package(folder))
            continue;
        add_package(power, folder);
    }
    closedir(listing);
    if (power->n_packages > 0)
        power->reason[0] = '\0';
}

ac_status aci_platform_power_open(aci_power **out, aci_memory *memory,
                                  const char *root, ac_error *error)
{
    aci_power *power = aci_platform_alloc_zeroed(memory, 1, sizeof *power);

    *out = NULL;
    if (power == NULL)
        return aci_platform_fail_memory(error, "the energy meter");
    power->memory = memory;
    pthread_mutex_init(&power->mutex, NULL);
    find_packages(power, root);
    *out = power;
    return AC_OK;
}

void aci_platform_power_close(aci_power *power)
{
    if (power == NULL)
        return;
    for (int i = 0; i < power->n_packages; i++)
        close(power->packages[i].file);
    pthread_mutex_destroy(&power->mutex);
    aci_platform_free(power->memory, power);
}

int64_t aci_platform_power_microjoules(aci_power *power)
{
    int64_t total;

    if (power->n_packages == 0)
        return -1;
    pthread_mutex_lock(&power->mutex);
    for (int i = 0; i < power->n_packages && !power->lost; i++) {
        power_package *package = &power->packages[i];
        uint64_t now, step;

        if (!read_counter(package->file, &now)) {
            power->lost = true;
            break;
        }
        if (now >= package->last)
            step = now - package->last;
        else if (package->range >= package->last)
            step = package->range - package->last + now;
        else
            step = now;
        package->last = now;
        power->microjoules += (int64_t)step;
    }
    total = power->lost ? -1 : power->microjoules;
    pthread_mutex_unlock(&power->mutex);
    return total;
}

const char *aci_platform_power_reason(const aci_power *power)
{
    if (power->n_packages == 0)
        return power->reason;
    return power->lost ? "an energy counter stopped being readable" : NULL;
}
