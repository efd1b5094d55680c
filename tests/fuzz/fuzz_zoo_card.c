/* fuzz_zoo_card.c - zoo.json. */
#include "fuzz/target.h"
#include "model/zoo_card.h"

int fuzz_zoo_card(const uint8_t *data, size_t n);
int fuzz_zoo_card(const uint8_t *data, size_t n)
{
    const char *path = fuzz_file("zoo.json", data, n);
    aci_zoo_card card;
    aci_memory memory;

    fuzz_memory_begin(&memory);
    if (aci_model_card_read(&card, &memory, path, NULL) == AC_OK) {
        aci_model_card_update(&memory, path, &card.variants[0], NULL);
        aci_model_card_clear(&card, &memory);
    }
    fuzz_memory_end(&memory);
    return 0;
}
