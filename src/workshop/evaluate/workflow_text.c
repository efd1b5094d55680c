/* workflow_text.c - see workflow_text.h. */
#include "workshop/evaluate/workflow_text.h"

#include <stdarg.h>
#include <stdio.h>

void aci_workshop_text_clear(aci_text *text)
{
    text->n = 0;
    text->data[0] = '\0';
    text->overflow = false;
}

static void add(aci_text *text, const char *format, va_list list)
{
    size_t room = sizeof text->data - text->n;
    int n = vsnprintf(text->data + text->n, room, format, list);

    if (n < 0 || (size_t)n >= room) {
        text->data[text->n] = '\0';
        text->overflow = true;
        return;
    }
    text->n += (size_t)n;
}

void aci_workshop_text_add(aci_text *text, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    add(text, format, list);
    va_end(list);
}

void aci_workshop_text_sentence(aci_text *text, const char *format, ...)
{
    size_t first = text->n;
    va_list list;

    va_start(list, format);
    add(text, format, list);
    va_end(list);
    if (text->n > first && text->data[first] >= 'a' &&
        text->data[first] <= 'z')
        text->data[first] = (char)(text->data[first] - 'a' + 'A');
}

const char *aci_workshop_number_text(char out[24], int64_t value,
                                     int32_t decimals)
{
    if (decimals == 0)
        snprintf(out, 24, "%lld", (long long)value);
    else
        snprintf(out, 24, "%lld.%lld", (long long)(value / 10),
                 (long long)(value % 10));
    return out;
}
