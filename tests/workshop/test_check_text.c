/* test_check_text.c - plain spelling, phrases, sentences, copies. */
#include <check.h>
#include <stdlib.h>

#include "workshop/evaluate/check_text.h"

static void spelled(const char *text, bool keep_lines, const char *wanted)
{
    char out[200];
    size_t n = aci_workshop_text_respell(out, aci_slice_of(text), keep_lines);

    ck_assert_msg(aci_slice_equal((aci_slice){ out, n },
                                  aci_slice_of(wanted)),
                  "\"%s\" became \"%.*s\"", text, (int)n, out);
}

START_TEST(spelling_becomes_plain)
{
    spelled("  a \t b\r\n c \n", false, "a b c");
    spelled("  a \t b \r\n c \n", true, "a b\nc");
    spelled("3\xe2\x80\x93" "5 \xe2\x88\x92" "2", false, "3-5 -2");
    spelled("\xe2\x80\x9cx\xe2\x80\x9d it\xe2\x80\x99s", false, "\"x\" it's");
    spelled("cm\xc2\xb2 \xc2\xb5m \xce\xbcm kg\xc2\xb7m", false,
            "cm2 um um kg m");
    spelled("35\xc2\xa0mm", false, "35 mm");
    spelled("\xc3\x85 \xe6\x97\xa5", false, "\xc3\x85 \xe6\x97\xa5");
    spelled("", true, "");
}
END_TEST

static void stands(const char *text, const char *phrase, size_t wanted)
{
    ck_assert_uint_eq(aci_workshop_phrase_find(aci_slice_of(text), 0,
                                               aci_slice_of(phrase), false),
                      wanted);
}

START_TEST(phrases_stand_between_bounds)
{
    stands("in the Treated group.", "treated group", 7);
    stands("non-treated group", "treated group", 17);
    stands("treated groups", "treated group", 14);
    stands("treated\ngroup", "treated group", 0);
    stands("treated group-wise", "treated group", 18);
    stands("lowlands, lowland", "lowland", 10);
    stands("5 % of", "%", 2);
    stands("abc", "", 3);
    ck_assert(aci_workshop_phrase_exact(aci_slice_of("CO2")));
    ck_assert(aci_workshop_phrase_exact(aci_slice_of("NaCl")));
    ck_assert(!aci_workshop_phrase_exact(aci_slice_of("Old Town")));
}
END_TEST

static void ends(const char *text, size_t wanted)
{
    ck_assert_uint_eq(aci_workshop_sentence_end(aci_slice_of(text), 0),
                      wanted);
}

START_TEST(sentences_end)
{
    ends("It was 12.4 g. It rose.", 14);
    ends("Sato et al. found it. So.", 21);
    ends("one\ntwo", 4);
    ends("no end", 6);
    ends("Really? Yes", 7);
}
END_TEST

static void negates(const char *text, const char *word, bool wanted)
{
    aci_slice slice = aci_slice_of(text);
    size_t at = aci_workshop_phrase_find(slice, 0, aci_slice_of(word), false);

    ck_assert_msg(aci_workshop_text_negated(slice, 0, at) == wanted, "%s",
                  text);
}

START_TEST(negations_are_seen)
{
    negates("it did not rise", "rise", true);
    negates("it didn't really rise", "rise", true);
    negates("no clear rise", "rise", true);
    negates("it rose", "rose", false);
    negates("not here, it rose", "rose", false);
    negates("It is not. It rose", "rose", false);
    negates("not at all in the end it rose", "rose", false);
}
END_TEST

static void copies(const char *answer, const char *source, bool wanted)
{
    aci_memory memory;
    bool copied;

    aci_platform_memory_init(&memory);
    ck_assert(aci_workshop_text_copied(&copied, &memory, aci_slice_of(answer),
                                       aci_slice_of(source),
                                       NULL) == AC_OK);
    ck_assert_msg(copied == wanted, "%s", answer);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

START_TEST(copies_are_seen)
{
    const char *source = "one two three four five six seven eight nine ten, "
                         "eleven twelve";

    copies("and: Two three four five six seven eight nine ten eleven!",
           source, true);
    copies("two three four five six seven eight nine ten", source, false);
    copies("ten nine eight seven six five four three two one zero", source,
           false);
    copies("", source, false);
    copies("well: a b c d!", "A b, c d.", true);
    copies("a b c", "A b, c d.", false);
    copies("a b c", "a b c", false);
}
END_TEST

START_TEST(clean_text_is_told)
{
    ck_assert(aci_workshop_text_clean(aci_slice_of("a\tb\r\n\xc3\x85")));
    ck_assert(!aci_workshop_text_clean(aci_slice_of("a\x01")));
    ck_assert(!aci_workshop_text_clean(aci_slice_of("\xc3")));
    ck_assert(!aci_workshop_text_clean((aci_slice){ "a\0b", 3 }));
    ck_assert_uint_eq(aci_workshop_text_words(aci_slice_of("a b\nc")), 3);
}
END_TEST

Suite *test_check_text_suite(void);
Suite *test_check_text_suite(void)
{
    Suite *suite = suite_create("test_check_text");
    TCase *tests = tcase_create("text");

    tcase_add_test(tests, spelling_becomes_plain);
    tcase_add_test(tests, phrases_stand_between_bounds);
    tcase_add_test(tests, sentences_end);
    tcase_add_test(tests, negations_are_seen);
    tcase_add_test(tests, copies_are_seen);
    tcase_add_test(tests, clean_text_is_told);
    suite_add_tcase(suite, tests);
    return suite;
}
