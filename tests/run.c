/* run.c - runs every suite of tests/ with Check and closes on its summary.
 * AC_TEST_PART=1/2: every second suite, from the first on; 2/2 the others. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SUITE(name) Suite *name##_suite(void);
#include "suites.inc"
#undef SUITE

int main(void)
{
    SRunner *runner = srunner_create(NULL);
    const char *part = getenv("AC_TEST_PART");
    int n_failed, first = 1, parts = 1, number = 0;

    if (part != NULL && (sscanf(part, "%d/%d", &first, &parts) != 2 ||
                         first < 1 || first > parts)) {
        fprintf(stderr, "AC_TEST_PART was \"%s\", not 1/2 and the like\n",
                part);
        return EXIT_FAILURE;
    }

    /* Check's own 4 seconds are few on a busy machine. */
    setenv("CK_DEFAULT_TIMEOUT", "60", 0);
#define SUITE(name) \
    if (number++ % parts == first - 1) \
        srunner_add_suite(runner, name##_suite());
#include "suites.inc"
#undef SUITE
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
