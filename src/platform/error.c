/* error.c - one line of text in the caller's ac_error.
 *
 * The message is put together in a buffer of our own first, so that it may
 * quote the one already there; then cut to what the caller's struct holds,
 * between characters, and kept on one line whatever a file name contains. */
#include "platform/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES sizeof(((ac_error *)0)->message)

/* Bytes of message that the caller's struct has room for. */
static size_t message_capacity(const ac_error *error)
{
    size_t size = error->struct_size;

    if (size > sizeof *error)
        size = sizeof *error;
    return size > offsetof(ac_error, message)
               ? size - offsetof(ac_error, message) : 0;
}

/* The longest prefix of `text` within `limit` bytes that does not end inside
 * a UTF-8 character. */
static size_t whole_characters(const char *text, size_t n, size_t limit)
{
    if (n <= limit)
        return n;
    n = limit;
    while (n > 0 && ((unsigned char)text[n] & 0xC0u) == 0x80u)
        n--;
    return n;
}

static void store(ac_error *error, ac_status status, const char *text)
{
    size_t capacity, n;

    if (error == NULL ||
        error->struct_size < offsetof(ac_error, message))
        return;
    error->status = status;
    capacity = message_capacity(error);
    if (capacity == 0)
        return;
    n = whole_characters(text, strlen(text), capacity - 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)text[i];
        error->message[i] = byte < 32 || byte == 127 ? ' ' : text[i];
    }
    error->message[n] = '\0';
}

ac_status aci_platform_fail(ac_error *error, ac_status status,
                            const char *format, ...)
{
    char text[MESSAGE_BYTES + 8];
    va_list arguments;

    if (error == NULL)
        return status;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        text[0] = '\0';
    va_end(arguments);
    store(error, status, text);
    return status;
}

static ac_status status_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return AC_E_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return AC_E_DISK_FULL;
    case ENOMEM:
        return AC_E_NO_MEMORY;
    default:
        return AC_E_IO;
    }
}

ac_status aci_platform_fail_errno(ac_error *error, int number,
                                  const char *format, ...)
{
    ac_status status = status_of_errno(number);
    /* Not strerror: that one speaks the user's language and may share a
     * buffer between threads. */
    const char *words = strerrordesc_np(number);
    char text[MESSAGE_BYTES + 8];
    va_list arguments;

    if (error == NULL)
        return status;
    va_start(arguments, format);
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        text[0] = '\0';
    va_end(arguments);
    return aci_platform_fail(error, status, "%s: %s", text,
                             words != NULL ? words : "unknown error");
}

ac_status aci_platform_fail_memory(ac_error *error, const char *what)
{
    return aci_platform_fail(error, AC_E_NO_MEMORY, "out of memory for %s",
                             what);
}

ac_status aci_platform_fail_within(ac_error *error, ac_status status,
                                   const char *prefix)
{
    bool has_message = error != NULL && message_capacity(error) > 0;

    return aci_platform_fail(error, status, "%s: %s", prefix,
                             has_message ? error->message : "");
}
