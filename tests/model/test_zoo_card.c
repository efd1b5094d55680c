/* test_zoo_card.c - zoo.json written, read, updated and malformed. */
#include <math.h>

#include "model/variant_names.h"
#include "model/zoo_card.h"
#include "store_fixture.h"

static aci_zoo_card card;

static void enter(void)
{
    zoo_enter();
    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    memset(&card, 0, sizeof card);
    strcpy(card.name, "a model");
    strcpy(card.architecture, "qwen2");
    strcpy(card.library_version, "0.1.0");
    strcpy(card.checkpoint, "a-model");
    card.checkpoint_checksum = UINT64_C(0xFEDCBA9876543210);
    card.seed = UINT64_MAX;
    card.group = 64;
    card.weights_bytes = 123456789012;
    card.weights_checksum = 42;
    card.n_variants = 2;
    ck_assert(aci_model_variant_named(&card.variants[0], "full"));
    ck_assert(aci_model_variant_named(&card.variants[1], "int4"));
    card.variants[1].kl_divergence = 0.0625;
    card.variants[1].decode_ratio = 0.3;
    ck_assert_int_eq(aci_model_card_write(&card, &zoo_memory, zoo_card,
                                          &zoo_error), AC_OK);
}

static ac_status read_text(const char *text, aci_zoo_card *out)
{
    zoo_save(zoo_card, text, strlen(text));
    zoo_error.message[0] = '\0';
    return aci_model_card_read(out, &zoo_memory, zoo_card, &zoo_error);
}

START_TEST(reads_what_it_wrote)
{
    aci_zoo_card read;

    ck_assert_int_eq(aci_model_card_read(&read, &zoo_memory, zoo_card,
                                         &zoo_error), AC_OK);
    ck_assert_str_eq(read.name, card.name);
    ck_assert_str_eq(read.architecture, card.architecture);
    ck_assert_str_eq(read.checkpoint, card.checkpoint);
    ck_assert_str_eq(read.created, "");
    ck_assert_uint_eq(read.checkpoint_checksum, card.checkpoint_checksum);
    ck_assert_uint_eq(read.seed, card.seed);
    ck_assert_uint_eq(read.group, 64);
    ck_assert_uint_eq(read.weights_bytes, card.weights_bytes);
    ck_assert_uint_eq(read.weights_checksum, 42);
    ck_assert_int_eq(read.n_variants, 2);
    ck_assert_str_eq(read.variants[1].name, "int4");
    ck_assert_int_eq(read.variants[1].weight_bits, 4);
    ck_assert_int_eq(read.variants[1].head_bits, 8);
    ck_assert(read.variants[1].kl_divergence == 0.0625);
    ck_assert(read.variants[1].decode_ratio == 0.3);
    ck_assert(isnan(read.variants[1].perplexity));
    ck_assert(isnan(read.variants[0].decode_ratio));
}
END_TEST

START_TEST(truncated_anywhere_is_refused)
{
    size_t n;
    char *text = (char *)zoo_load(zoo_card, &n);
    aci_zoo_card read;

    while (n > 0 && text[n - 1] != '}')
        n--;
    while (n-- > 0) {
        text[n] = '\0';
        if (read_text(text, &read) != AC_E_FORMAT)
            ck_abort_msg("at %zu", n);
    }
    free(text);
}
END_TEST

/* Replaces the first `from` in the good card. */
static ac_status read_changed(const char *from, const char *to,
                              aci_zoo_card *out)
{
    static char *good;
    char *text, *found;
    size_t n;
    ac_status status;

    if (good == NULL)
        good = (char *)zoo_load(zoo_card, &n);
    found = strstr(good, from);
    ck_assert_msg(found != NULL, "%s", from);
    text = calloc(1, strlen(good) + strlen(to) + 1);
    memcpy(text, good, (size_t)(found - good));
    strcat(text, to);
    strcat(text, found + strlen(from));
    status = read_text(text, out);
    free(text);
    return status;
}

START_TEST(wrong_fields_are_refused)
{
    static const struct {
        const char *from, *to;
        ac_status status;
    } changes[] = {
        { "\"format_version\": 1", "\"format_version\": 2", AC_E_UNSUPPORTED },
        { "\"format_version\": 1", "\"format_version\": \"1\"", AC_E_FORMAT },
        { "agentcompress-zoo", "other", AC_E_FORMAT },
        { "\"a model\"", "7", AC_E_FORMAT },
        { "\"a model\"", "\"a\\u0000b\"", AC_E_FORMAT },
        { "\"a model\"",
          "\"0123456789012345678901234567890123456789012345678901234567890"
          "12345678901234567890123456789012345678901234567890123456789\"",
          AC_E_FORMAT },
        { "fedcba9876543210", "fedcba987654321", AC_E_FORMAT },
        { "fedcba9876543210", "fedcba987654321g", AC_E_FORMAT },
        { "\"bytes\": 123456789012", "\"bytes\": -1", AC_E_FORMAT },
        { "\"bytes\": 123456789012", "\"bytes\": 1e30", AC_E_FORMAT },
        { "\"group\": 64", "\"group\": 4096", AC_E_FORMAT },
        { "\"weights\"", "\"heights\"", AC_E_FORMAT },
        { "\"provenance\"", "\"origin\"", AC_E_FORMAT },
        { "\"variants\"", "\"others\"", AC_E_FORMAT },
        { "\"full\"", "\"fall\"", AC_E_FORMAT },
        { "\"int4\"", "\"full\"", AC_E_FORMAT },
        { "\"int4\"", "\"a b\"", AC_E_FORMAT },
        { "\"int4\"", "\"\"", AC_E_FORMAT },
        { "\"weight_bits\": 4", "\"weight_bits\": 5", AC_E_FORMAT },
        { "\"weight_bits\": 4", "\"weight_bits\": 4.0", AC_E_FORMAT },
        { "\"activation_bits\": 8", "\"activation_bits\": 4", AC_E_FORMAT },
        { "\"head_bits\": 8", "\"head_bits\": null", AC_E_FORMAT },
        { "\"kl_divergence\": 0.0625", "\"kl_divergence\": -1", AC_E_FORMAT },
        { "\"kl_divergence\": 0.0625", "\"kl_divergence\": \"x\"",
          AC_E_FORMAT },
        { "\"success_rate\": null", "\"success_rate\": 1.5", AC_E_FORMAT },
        { "\"name\": \"a model\"", "\"name\": \"a\", \"name\": \"b\"",
          AC_E_FORMAT },
    };
    aci_zoo_card read;

    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        ac_status status = read_changed(changes[i].from, changes[i].to,
                                        &read);

        if (status != changes[i].status)
            ck_abort_msg("%s: %d %s", changes[i].to, status,
                         zoo_error.message);
        ck_assert_str_ne(zoo_error.message, "");
    }
    ck_assert_int_eq(read_changed("\"name\"", "\"later\": [1], \"name\"",
                                  &read), AC_OK);
}
END_TEST

START_TEST(not_json_or_far_too_large_is_refused)
{
    char *large = malloc(ACI_CARD_MAX_BYTES + 2);
    aci_zoo_card read;

    ck_assert_int_eq(read_text("", &read), AC_E_FORMAT);
    ck_assert_int_eq(read_text("[]", &read), AC_E_FORMAT);
    ck_assert_int_eq(read_text("{} {}", &read), AC_E_FORMAT);
    ck_assert_int_eq(read_text("\xff\xfe", &read), AC_E_FORMAT);
    memset(large, '[', ACI_CARD_MAX_BYTES + 1);
    large[ACI_CARD_MAX_BYTES + 1] = '\0';
    ck_assert_int_lt(read_text(large, &read), 0);
    large[100000] = '\0'; /* deep */
    ck_assert_int_eq(read_text(large, &read), AC_E_FORMAT);
    free(large);
    remove(zoo_card);
    ck_assert_int_eq(aci_model_card_read(&read, &zoo_memory, zoo_card,
                                         &zoo_error), AC_E_NOT_FOUND);
}
END_TEST

START_TEST(names_that_are_not_utf8_are_kept_readable)
{
    aci_zoo_card read;

    strcpy(card.name, "caf\xE9");
    ck_assert_int_eq(aci_model_card_write(&card, &zoo_memory, zoo_card,
                                          &zoo_error), AC_OK);
    ck_assert_int_eq(aci_model_card_read(&read, &zoo_memory, zoo_card,
                                         &zoo_error), AC_OK);
    ck_assert_str_eq(read.name, "caf?");
}
END_TEST

START_TEST(update_changes_the_given_figures_only)
{
    aci_zoo_card read;
    aci_variant figures;
    size_t n;
    char *text;

    ck_assert_int_eq(read_changed("\"name\"", "\"later\": [1], \"name\"",
                                  &read), AC_OK);
    ck_assert(aci_model_variant_named(&figures, "int4"));
    figures.perplexity = 12.5;
    figures.decode_ratio = 0.25;
    ck_assert_int_eq(aci_workshop_card_update(&zoo_memory, zoo_path, &figures,
                                              &zoo_error), AC_OK);
    ck_assert_int_eq(aci_model_card_read(&read, &zoo_memory, zoo_card,
                                         &zoo_error), AC_OK);
    ck_assert(read.variants[1].perplexity == 12.5);
    ck_assert(read.variants[1].decode_ratio == 0.25);
    ck_assert(read.variants[1].kl_divergence == 0.0625);
    ck_assert(isnan(read.variants[1].success_rate));
    ck_assert(isnan(read.variants[0].perplexity));
    text = (char *)zoo_load(zoo_card, &n);
    ck_assert_ptr_nonnull(strstr(text, "\"later\""));
    free(text);
    strcpy(figures.name, "int3");
    ck_assert_int_eq(aci_workshop_card_update(&zoo_memory, zoo_path, &figures,
                                              &zoo_error), AC_E_NOT_FOUND);
    strcpy(figures.name, "int4");
    figures.success_rate = 2;
    ck_assert_int_eq(aci_workshop_card_update(&zoo_memory, zoo_path, &figures,
                                              &zoo_error), AC_E_ARGUMENT);
}
END_TEST

Suite *test_zoo_card_suite(void);
Suite *test_zoo_card_suite(void)
{
    Suite *suite = suite_create("test_zoo_card");
    TCase *tests = tcase_create("card");

    tcase_add_checked_fixture(tests, enter, zoo_leave);
    tcase_add_test(tests, reads_what_it_wrote);
    tcase_add_test(tests, truncated_anywhere_is_refused);
    tcase_add_test(tests, wrong_fields_are_refused);
    tcase_add_test(tests, not_json_or_far_too_large_is_refused);
    tcase_add_test(tests, names_that_are_not_utf8_are_kept_readable);
    tcase_add_test(tests, update_changes_the_given_figures_only);
    suite_add_tcase(suite, tests);
    return suite;
}
