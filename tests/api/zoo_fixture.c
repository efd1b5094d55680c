/* zoo_fixture.c - see zoo_fixture.h. */
#include "zoo_fixture.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], zoo[128], beside[256];

const char *make_zoo(void)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;

    strcpy(folder, "/tmp/ac-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(zoo, sizeof zoo, "%s/tiny.zoo", folder);
    options.seed = 7;
    ck_assert_msg(ac_compress("synthetic:tiny", zoo, &options, &error) ==
                      AC_OK, "%s", error.message);
    return zoo;
}

static void remove_files(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    char file[512];

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        unlink(file);
    }
    if (directory != NULL)
        closedir(directory);
}

void remove_zoo(void)
{
    remove_files(zoo);
    rmdir(zoo);
    remove_files(folder);
    rmdir(folder);
}

const char *beside_zoo(const char *name)
{
    snprintf(beside, sizeof beside, "%s/%s", folder, name);
    return beside;
}

ac_engine *open_zoo(const char *path, const ac_open_options *options)
{
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;

    ck_assert_msg(ac_open(&engine, path, options, &error) == AC_OK, "%s",
                  error.message);
    return engine;
}

ac_session *open_session(ac_engine *engine)
{
    ac_error error = AC_ERROR_INIT;
    ac_session *session = NULL;

    ck_assert_msg(ac_session_open(&session, engine, NULL, &error) == AC_OK,
                  "%s", error.message);
    return session;
}
