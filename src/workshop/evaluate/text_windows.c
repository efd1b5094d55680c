/* text_windows.c - see text_windows.h. */
#include "workshop/evaluate/text_windows.h"

bool aci_workshop_window_next(aci_window *window, const aci_window_rule *rule,
                              size_t n_tokens)
{
    size_t judged = window->end; /* up to here */
    size_t begin = judged == 0 ? 0 : window->begin + rule->stride;
    size_t left;

    if (judged >= n_tokens)
        return false;
    left = n_tokens - begin;
    if (left < rule->context && rule->whole)
        return false;
    window->begin = begin;
    window->end = begin + (left < rule->context ? left : rule->context);
    window->first = begin + 1;
    if (rule->second_half)
        window->first += rule->context / 2;
    else if (judged > begin)
        window->first = judged;
    if (window->first > window->end)
        window->first = window->end;
    return true;
}
