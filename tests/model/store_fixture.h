/* store_fixture.h - a temporary folder with a synthetic zoo in it, for tests of
 * everything that reads one. */
#ifndef AC_TEST_STORE_FIXTURE_H
#define AC_TEST_STORE_FIXTURE_H

#include <check.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/model.h"
#include "model/store_format.h"
#include "platform/checksum.h"
#include "platform/threads.h"
#include "workshop/workshop.h"

static char zoo_folder[64];       /* holds "zoo" */
static char zoo_path[96];
static char zoo_weights[128];
static char zoo_card[128];
static aci_memory zoo_memory;
static ac_error zoo_error;

static inline void zoo_synthesize(const char *shape, const char *path,
                                  const ac_compress_options *options,
                                  uint32_t n_threads)
{
    aci_pool *pool;

    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert_int_eq(
        aci_platform_pool_create(&pool, &zoo_memory, n_threads, NULL), AC_OK);
    ck_assert_msg(aci_workshop_synthesize(&zoo_memory, pool, shape, path,
                                          options, &zoo_error) == AC_OK,
                  "%s", zoo_error.message);
    aci_platform_pool_free(pool);
}

static inline void zoo_enter(void)
{
    ac_error empty = AC_ERROR_INIT;

    zoo_error = empty;
    aci_platform_memory_init(&zoo_memory);
    strcpy(zoo_folder, "/tmp/ac-test-zoo-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(zoo_folder));
    snprintf(zoo_path, sizeof zoo_path, "%s/zoo", zoo_folder);
    snprintf(zoo_weights, sizeof zoo_weights, "%s/weights.acw", zoo_path);
    snprintf(zoo_card, sizeof zoo_card, "%s/zoo.json", zoo_path);
}

static inline void zoo_enter_tiny(void)
{
    zoo_enter();
    zoo_synthesize("tiny", zoo_path, NULL, 1);
}

static inline void zoo_leave(void)
{
    char command[96];

    ck_assert_uint_eq(zoo_memory.used_bytes, 0);
    snprintf(command, sizeof command, "rm -rf %s", zoo_folder);
    ck_assert_int_eq(system(command), 0);
}

/* A whole file in malloc'd memory. */
static inline uint8_t *zoo_load(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    long n;

    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    n = ftell(file);
    rewind(file);
    bytes = malloc((size_t)n + 1);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)n, file), (size_t)n);
    bytes[n] = 0;
    fclose(file);
    *n_bytes = (size_t)n;
    return bytes;
}

static inline void zoo_save(const char *path, const void *bytes,
                            size_t n_bytes)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n_bytes, file), n_bytes);
    ck_assert_int_eq(fclose(file), 0);
}

/* Files and folders in a folder. */
static inline int zoo_n_files(const char *folder)
{
    DIR *listing = opendir(folder);
    int n = 0;

    ck_assert_ptr_nonnull(listing);
    while (readdir(listing) != NULL)
        n++;
    closedir(listing);
    return n - 2; /* . and .. */
}

/* The file of that name is the same in both folders, byte for byte. */
static inline void zoo_assert_same(const char *a, const char *b,
                                   const char *name)
{
    char path[160];
    size_t n_a, n_b;
    uint8_t *bytes_a, *bytes_b;

    snprintf(path, sizeof path, "%s/%s", a, name);
    bytes_a = zoo_load(path, &n_a);
    snprintf(path, sizeof path, "%s/%s", b, name);
    bytes_b = zoo_load(path, &n_b);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_int_eq(memcmp(bytes_a, bytes_b, n_a), 0);
    free(bytes_a);
    free(bytes_b);
}

/* The shipped model, and options that calibrate it in a second or two. */
#define ZOO_MODEL "examples/models/base"

static inline ac_compress_options zoo_calibrated(void)
{
    static const char *const text[] = { "docs/getting_started.md",
                                        "docs/routing.md" };
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;

    options.calibration = text;
    options.n_calibration = 2;
    options.calibration_tokens = 4096;
    return options;
}

/* Makes both checksums of a store right again after a change. */
static inline void zoo_reseal(uint8_t *store)
{
    aci_store_header header;

    memcpy(&header, store, sizeof header);
    if (header.directory_offset == 4096 && header.directory_bytes < 1 << 20)
        header.directory_checksum = aci_platform_checksum(
            store + header.directory_offset, header.directory_bytes, 0);
    header.header_checksum = aci_platform_checksum(
        &header, offsetof(aci_store_header, header_checksum), 0);
    memcpy(store, &header, sizeof header);
}

#endif
