/* normalise.c - Unicode normal forms, by utf8proc.
 *
 * ASCII is in every form already and nothing composes across it from the left,
 * so only runs beyond ASCII are looked at, each with the ASCII character
 * before it (an accent may follow). English text is copied, not normalised. */
#include "tokenizer/normalise.h"

#include <string.h>
#include <utf8proc.h>

#include "tokenizer/act.h"
#include "tokenizer/utf8.h"

ac_status aci_tokenizer_bytes_add(aci_bytes *bytes, const char *data,
                                  size_t n_bytes)
{
    size_t wanted = bytes->n + n_bytes;

    if (wanted < n_bytes || wanted > SIZE_MAX / 4)
        return AC_E_NO_MEMORY;
    if (wanted > bytes->capacity || bytes->data == NULL) {
        size_t capacity = wanted + bytes->capacity / 2 + 64;
        char *bigger =
            aci_platform_realloc(bytes->memory, bytes->data, capacity);

        if (bigger == NULL)
            return AC_E_NO_MEMORY;
        bytes->data = bigger;
        bytes->capacity = capacity;
    }
    if (n_bytes > 0)
        memcpy(bytes->data + bytes->n, data, n_bytes);
    bytes->n = wanted;
    return AC_OK;
}

static utf8proc_option_t options_of(uint32_t form)
{
    switch (form) {
    case ACI_ACT_FORM_NFC:
        return UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    case ACI_ACT_FORM_NFD:
        return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    case ACI_ACT_FORM_NFKC:
        return UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    default:
        return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
    }
}

/* One run of valid UTF-8. */
static ac_status normalise_run(aci_bytes *out, const char *text,
                               size_t n_bytes, uint32_t form)
{
    const utf8proc_option_t options = options_of(form);
    const utf8proc_uint8_t *source = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t n = 0, n_points;
    utf8proc_int32_t *points;
    ac_status status;

    n_points = utf8proc_decompose(source, (utf8proc_ssize_t)n_bytes, NULL, 0,
                                  options);
    if (n_points < 0) /* cannot be, the run is valid; keep it as it is */
        return aci_tokenizer_bytes_add(out, text, n_bytes);
    points = aci_platform_alloc_array(out->memory, (size_t)n_points + 1,
                                      sizeof *points);
    if (points == NULL)
        return AC_E_NO_MEMORY;
    n = utf8proc_decompose(source, (utf8proc_ssize_t)n_bytes, points, n_points,
                           options);
    n = n < 0 ? n : utf8proc_reencode(points, n, options);
    status = n < 0 ? aci_tokenizer_bytes_add(out, text, n_bytes)
                   : aci_tokenizer_bytes_add(out, (const char *)points,
                                             (size_t)n);
    aci_platform_free(out->memory, points);
    return status;
}

static size_t ascii_run(const char *text, size_t n_bytes)
{
    size_t i = 0;
    uint64_t word;

    while (i + 8 <= n_bytes) {
        memcpy(&word, text + i, 8);
        if ((word & 0x8080808080808080u) != 0)
            break;
        i += 8;
    }
    while (i < n_bytes && (uint8_t)text[i] < 0x80)
        i++;
    return i;
}

ac_status aci_tokenizer_normalise(aci_bytes *out, const char *text,
                                  size_t n_bytes, uint32_t form)
{
    ac_status status = AC_OK;
    size_t at = 0, last, length;

    while (at < n_bytes && status == AC_OK) {
        length = ascii_run(text + at, n_bytes - at);
        last = at + length;
        if (last == n_bytes || length > 1) { /* all but the last of them */
            length -= last == n_bytes ? 0 : 1;
            status = aci_tokenizer_bytes_add(out, text + at, length);
            at += length;
            continue;
        }
        while (last < n_bytes && (uint8_t)text[last] >= 0x80) {
            length = aci_utf8_length(text + last, n_bytes - last);
            if (length == 0)
                break;
            last += length;
        }
        status = normalise_run(out, text + at, last - at, form);
        at = last;
        while (at < n_bytes && status == AC_OK &&
               aci_utf8_length(text + at, n_bytes - at) == 0)
            status = aci_tokenizer_bytes_add(out, text + at++, 1);
    }
    return status;
}
