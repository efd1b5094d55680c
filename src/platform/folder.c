/* folder.c - a directory that appears under its name complete or not at all.
 *
 * It is filled beside its place and renamed. Replacing an existing directory
 * swaps the two names in one step and then removes the old one, so that at
 * every moment the name leads to a whole directory. The temporary directory
 * is locked while it is filled, as in writer.c; the lock lives in a few bytes
 * in front of its name. */
#include "platform/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/durable.h"
#include "platform/error.h"

typedef struct folder_lock {
    int directory;  /* open and locked */
    int overwrite;
} folder_lock;

static folder_lock *lock_of(char *temporary)
{
    return (folder_lock *)(void *)(temporary - sizeof(folder_lock));
}

/* Removes what is in an open directory: all, or with `only` no more than the
 * files, here and below, whose names hold it. Follows no links. Closes it. */
static void remove_inside(int directory, const char *only)
{
    DIR *listing = fdopendir(directory);
    struct dirent *entry;

    if (listing == NULL) {
        close(directory);
        return;
    }
    while ((entry = readdir(listing)) != NULL) {
        const char *name = entry->d_name;
        int inner;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if ((only == NULL || strstr(name, only) != NULL) &&
            unlinkat(directory, name, 0) == 0)
            continue;
        inner = openat(directory, name,
                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0)
            remove_inside(inner, only);
        if (only == NULL)
            unlinkat(directory, name, AT_REMOVEDIR);
    }
    closedir(listing);
}

void aci_platform_remove_folder(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
                                   O_CLOEXEC);

    if (directory >= 0)
        remove_inside(directory, NULL);
    rmdir(path);
}

ac_status aci_platform_make_directory(const char *path, ac_error *error)
{
    struct stat status;

    if (mkdir(path, 0777) == 0)
        return AC_OK;
    if (errno == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return AC_OK;
    return aci_platform_fail_errno(error, errno, "cannot create %s", path);
}

/* Makes the temporary directory, or takes over what a killed process left:
 * empty, or with `keep` as it is. */
static ac_status make_locked(char *temporary, const char *path, bool keep,
                             ac_error *error)
{
    for (int attempt = 0; attempt < 16; attempt++) {
        bool made = mkdir(temporary, 0777) == 0;
        int directory;

        if (!made && errno != EEXIST)
            break;
        directory = open(temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
                                        O_CLOEXEC);
        if (directory < 0 && errno == ENOENT)
            continue;
        if (directory < 0)
            break;
        if (flock(directory, LOCK_EX | LOCK_NB) != 0 &&
            errno == EWOULDBLOCK) {
            close(directory);
            return aci_platform_fail(error, AC_E_BUSY,
                                     "%s is being written by another", path);
        }
        if (!made && keep)
            remove_inside(openat(directory, ".", O_RDONLY | O_DIRECTORY |
                                                     O_CLOEXEC), ".tmp-");
        if (made || keep) {
            lock_of(temporary)->directory = directory;
            return AC_OK;
        }
        aci_platform_remove_folder(temporary);
        close(directory);
    }
    return aci_platform_fail_errno(error, errno, "cannot create %s",
                                   temporary);
}

static ac_status begin(char **out_temporary, aci_memory *memory,
                       const char *path, bool overwrite, bool keep,
                       ac_error *error)
{
    struct stat status;
    ac_status result;
    char *temporary;

    *out_temporary = NULL;
    if (path[0] == '\0')
        return aci_platform_fail(error, AC_E_ARGUMENT, "the path was empty");
    if (lstat(path, &status) == 0 &&
        (!overwrite || !S_ISDIR(status.st_mode)))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 overwrite ? "%s is not a directory"
                                           : "%s exists already", path);
    temporary = keep ? aci_platform_name_beside(memory, path, ".unfinished",
                                                sizeof(folder_lock))
                     : aci_platform_temporary_name(memory, path,
                                                   sizeof(folder_lock));
    if (temporary == NULL)
        return aci_platform_fail_memory(error, "a path");
    lock_of(temporary)->directory = -1;
    lock_of(temporary)->overwrite = overwrite;
    result = make_locked(temporary, path, keep, error);
    if (result != AC_OK) {
        aci_platform_free(memory, lock_of(temporary));
        return result;
    }
    *out_temporary = temporary;
    return AC_OK;
}

ac_status aci_platform_folder_begin(char **out_temporary, aci_memory *memory,
                                    const char *path, bool overwrite,
                                    ac_error *error)
{
    return begin(out_temporary, memory, path, overwrite, false, error);
}

ac_status aci_platform_folder_take_up(char **out_temporary, aci_memory *memory,
                                      const char *path, bool overwrite,
                                      ac_error *error)
{
    return begin(out_temporary, memory, path, overwrite, true, error);
}

/* Swaps two names in two steps, for file systems that cannot in one. */
static int exchange_slowly(aci_memory *memory, const char *temporary,
                           const char *path)
{
    size_t n = strlen(temporary);
    char *aside = aci_platform_alloc(memory, n + 5);
    int number = 0;

    if (aside == NULL)
        return ENOMEM;
    memcpy(aside, temporary, n);
    memcpy(aside + n, "-old", 5);
    if (rename(path, aside) != 0) {
        number = errno;
    } else if (rename(temporary, path) != 0) {
        number = errno;
        rename(aside, path);
    } else {
        rename(aside, temporary);
    }
    aci_platform_free(memory, aside);
    return number;
}

/* Gives the temporary directory its name. 0, or an errno value. */
static int put_in_place(aci_memory *memory, char *temporary, const char *path)
{
    unsigned flags = RENAME_NOREPLACE;
    struct stat status;

    if (lock_of(temporary)->overwrite && lstat(path, &status) == 0)
        flags = RENAME_EXCHANGE;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, flags) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (flags == RENAME_EXCHANGE)
        return exchange_slowly(memory, temporary, path);
    return rename(temporary, path) == 0 ? 0 : errno;
}

ac_status aci_platform_folder_commit(aci_memory *memory, char *temporary,
                                     const char *path, ac_error *error)
{
    int parent, number;
    ac_status result = aci_platform_open_parent(&parent, memory, path, error);

    if (result != AC_OK)
        return result;
    number = aci_platform_sync_directory(lock_of(temporary)->directory);
    if (number == 0)
        number = put_in_place(memory, temporary, path);
    if (number == 0)
        number = aci_platform_sync_directory(parent);
    close(parent);
    if (number == EEXIST || number == ENOTEMPTY)
        return aci_platform_fail(error, AC_E_ARGUMENT, "%s exists already",
                                 path);
    if (number != 0)
        return aci_platform_fail_errno(error, number,
                                       "cannot put %s in its place",
                                       temporary);
    /* What now has the temporary name, if anything, is the old directory. */
    aci_platform_folder_abandon(memory, temporary);
    return AC_OK;
}

void aci_platform_folder_abandon(aci_memory *memory, char *temporary)
{
    if (temporary == NULL)
        return;
    aci_platform_remove_folder(temporary);
    close(lock_of(temporary)->directory);
    aci_platform_free(memory, lock_of(temporary));
}

void aci_platform_folder_leave(aci_memory *memory, char *temporary)
{
    close(lock_of(temporary)->directory);
    aci_platform_free(memory, lock_of(temporary));
}
