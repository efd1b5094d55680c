/* fuzz_tokenizer_file.c - tokenizer.act, its length and checksums put right:
 * otherwise nothing behind them would ever be reached. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "fuzz/tokenizer_use.h"
#include "platform/checksum.h"

/* docs/formats.md: 384 bytes of header, its last 16 the two checksums. */
enum { HEADER = 384, AT_FILE_BYTES = 16, AT_BODY = 368, AT_HEADER = 376 };

static void seal(uint8_t *file, size_t n)
{
    uint64_t length = n, checksum;

    if (n < HEADER)
        return;
    memcpy(file + AT_FILE_BYTES, &length, sizeof length);
    checksum = aci_platform_checksum(file + HEADER, n - HEADER, 0);
    memcpy(file + AT_BODY, &checksum, sizeof checksum);
    checksum = aci_platform_checksum(file, AT_HEADER, 0);
    memcpy(file + AT_HEADER, &checksum, sizeof checksum);
}

int fuzz_tokenizer_file(const uint8_t *data, size_t n);
int fuzz_tokenizer_file(const uint8_t *data, size_t n)
{
    aci_tokenizer *tokenizer = NULL;
    uint8_t *file = malloc(n + 1);
    const char *path;
    aci_memory memory;

    memcpy(file, data, n);
    seal(file, n);
    path = fuzz_file("tokenizer.act", file, n);
    free(file);
    fuzz_memory_begin(&memory);
    if (aci_tokenizer_open(&tokenizer, &memory, path, NULL) == AC_OK)
        fuzz_use_tokenizer(&memory, tokenizer);
    aci_tokenizer_close(tokenizer);
    fuzz_memory_end(&memory);
    return 0;
}
