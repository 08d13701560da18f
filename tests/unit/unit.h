/*
 * What every unit test program shares: libcheck, and a main() made of named scenarios.
 *
 *   UNIT_MAIN("clock", test_a, test_b)
 */
#ifndef SLUICE_TESTS_UNIT_H
#define SLUICE_TESTS_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Steps for property tests: a full run, or a tenth where time is short (--quick, valgrind). */
static inline long unit_steps(long full)
{
    const char *tier = getenv("SLUICE_TEST_TIER");
    if (tier != NULL && strcmp(tier, "quick") == 0)
        return full / 10;
    if (tier != NULL && strcmp(tier, "long") == 0)
        return full * 10;
    return full;
}

/* SLUICE_TEST_LEFT_OUT names tests, a blank between them, that cannot run where this runs
 * (tests/portability/run). */
static inline bool unit_is_left_out(const char *name)
{
    const char *all = getenv("SLUICE_TEST_LEFT_OUT");
    size_t len = strlen(name);
    for (const char *at = all; at != NULL && (at = strstr(at, name)) != NULL; at += len)
        if ((at == all || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static inline int unit_run(const char *name, const TTest **tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 0); /* ctest's limit is the hang guard */
    for (size_t i = 0; i < count; i++)
        if (!unit_is_left_out(tests[i]->name))
            tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_MAIN(name, ...)                                                                                 \
    int main(void)                                                                                           \
    {                                                                                                        \
        const TTest *tests[] = {__VA_ARGS__};                                                                \
        return unit_run(name, tests, sizeof tests / sizeof tests[0]);                                        \
    }

#endif
