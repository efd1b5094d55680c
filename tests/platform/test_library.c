/* test_library.c - shared objects opened at run time. */
#include <check.h>
#include <stdio.h>

#include "platform/library.h"

Suite *test_library_suite(void);

START_TEST(functions_are_found_by_name)
{
    aci_library *library = aci_platform_library_open("libm.so.6");
    double (*root)(double) = NULL;
    void (*none)(void) = NULL;

    if (library == NULL) {
        printf("SKIP test_library: there is no libm.so.6\n");
        return;
    }
    ck_assert(aci_platform_library_find(&root, library, "sqrt"));
    ck_assert_double_eq(root(9.0), 3.0);
    ck_assert(!aci_platform_library_find(&none, library, "no_such_symbol"));
    ck_assert(none == NULL);
    aci_platform_library_close(library);
}
END_TEST

START_TEST(what_is_not_there_is_null)
{
    ck_assert_ptr_null(aci_platform_library_open("libno-such-thing.so.9"));
    aci_platform_library_close(NULL);
}
END_TEST

Suite *test_library_suite(void)
{
    Suite *suite = suite_create("test_library");
    TCase *tc = tcase_create("library");

    tcase_add_test(tc, functions_are_found_by_name);
    tcase_add_test(tc, what_is_not_there_is_null);
    suite_add_tcase(suite, tc);
    return suite;
}
