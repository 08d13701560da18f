/* Pseudo-random sequences: the published numbers, and the range of the unit. */
#include "tests/unit/unit.h"

#include "base/random.h"

/* Of the reference implementation (Vigna, splitmix64.c) with the seed 1234567. */
START_TEST(test_the_sequence_is_that_of_the_reference)
{
    static const uint64_t EXPECTED[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                        UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                        UINT64_C(16408922859458223821)};
    uint64_t state = 1234567;
    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++)
        ck_assert_uint_eq(random_next(&state), EXPECTED[i]);
}
END_TEST

START_TEST(test_a_unit_is_below_one_and_falls_into_all_tenths)
{
    uint64_t state = 0;
    int tenths[10] = {0};
    for (int i = 0; i < 10000; i++) {
        double unit = random_unit(&state);
        ck_assert(unit >= 0 && unit < 1);
        tenths[(int)(unit * 10)]++;
    }
    for (int i = 0; i < 10; i++)
        ck_assert_msg(tenths[i] > 800 && tenths[i] < 1200, "%d of 10,000 in tenth %d", tenths[i], i);
}
END_TEST

START_TEST(test_neighbouring_seeds_begin_far_apart)
{
    uint64_t one = 1;
    uint64_t two = 2;
    int differing = __builtin_popcountll(random_next(&one) ^ random_next(&two));
    ck_assert_msg(differing >= 16 && differing <= 48, "%d bits differ", differing);
}
END_TEST

START_TEST(test_two_seeds_of_the_system_differ)
{
    ck_assert_uint_ne(random_seed(), random_seed());
}
END_TEST

UNIT_MAIN("random", test_the_sequence_is_that_of_the_reference,
          test_a_unit_is_below_one_and_falls_into_all_tenths, test_neighbouring_seeds_begin_far_apart,
          test_two_seeds_of_the_system_differ)
