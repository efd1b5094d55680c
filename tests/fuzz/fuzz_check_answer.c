/* fuzz_check_answer.c - the first line is a check object, the rest an answer
 * to judge by it. */
#include <jansson.h>
#include <string.h>

#include "fuzz/target.h"
#include "workshop/evaluate/check_answer.h"

int fuzz_check_answer(const uint8_t *data, size_t n);
int fuzz_check_answer(const uint8_t *data, size_t n)
{
    const uint8_t *end = n == 0 ? NULL : memchr(data, '\n', n);
    size_t line = end == NULL ? n : (size_t)(end - data);
    size_t rest = end == NULL ? n : line + 1;
    json_t *check = json_loadb((const char *)data, line, JSON_ALLOW_NUL, NULL);
    aci_verdict verdict;
    aci_memory memory;

    if (check == NULL)
        return 0;
    fuzz_memory_begin(&memory);
    aci_workshop_check_answer(&verdict, &memory, check,
                              (const char *)data + rest, n - rest, NULL);
    fuzz_memory_end(&memory);
    json_decref(check);
    return 0;
}
