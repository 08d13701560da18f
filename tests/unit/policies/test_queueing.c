/* Erlang C and the fluid backlog against known values and against a sum in small steps. */
#include "tests/unit/unit.h"

#include "policies/queueing.h"

#include <math.h>

/* One server: C = rho. Two: C = 2 rho^2 / (1 + rho). Three and a = 2: 4/9 (any textbook). */
START_TEST(erlang_c_at_known_values)
{
    ck_assert_double_eq_tol(queueing_erlang_c(1, 0.8), 0.8, 1e-12);
    ck_assert_double_eq_tol(queueing_erlang_c(2, 1), 2 * 0.25 / 1.5, 1e-12);
    ck_assert_double_eq_tol(queueing_erlang_c(3, 2), 4.0 / 9, 1e-12);
    ck_assert_double_eq(queueing_erlang_c(5, 0), 0);
    ck_assert_double_eq(queueing_erlang_c(5, 5), 1);
    ck_assert_double_eq(queueing_erlang_c(5, NAN), 1);
    ck_assert_double_eq(queueing_erlang_c(0, 0), 1);
    double large = queueing_erlang_c(1000000, 999000);
    ck_assert(large > 0 && large < 1);
}
END_TEST

/* M/M/1 with 0.8 erlangs of 1 s: 0.8 / 0.2 = 4 s; M/D/1 half of it (Pollaczek-Khinchine, where the formula is
 * exact). */
START_TEST(mean_wait_at_known_values)
{
    ck_assert_double_eq_tol(queueing_mean_wait_s(1, 0.8, 1, 1, 1), 4, 1e-12);
    ck_assert_double_eq_tol(queueing_mean_wait_s(1, 0.8, 1, 1, 0), 2, 1e-12);
    ck_assert_double_eq_tol(queueing_mean_wait_s(3, 1, 2, 1, 1), 4.0 / 9 * 2, 1e-12);
    ck_assert_double_eq(queueing_mean_wait_s(3, 1, 2, 0, 0), 0);
    ck_assert(isinf(queueing_mean_wait_s(3, 1.5, 2, 1, 0)));
}
END_TEST

START_TEST(wait_falls_with_servers_and_grows_with_load)
{
    for (int64_t c = 181; c < 400; c++)
        ck_assert_double_gt(queueing_mean_wait_s(c, 60, 3, 1, 0), queueing_mean_wait_s(c + 1, 60, 3, 1, 0));
    for (double rate = 1; rate < 59; rate++)
        ck_assert_double_le(queueing_mean_wait_s(180, rate, 3, 1, 0),
                            queueing_mean_wait_s(180, rate + 1, 3, 1, 0));
}
END_TEST

static void expect(struct queueing_burst burst, double peak, double at_end, double drained, double longest,
                   double mean)
{
    struct queueing_backlog b = queueing_drain_burst(&burst);
    ck_assert_double_eq_tol(b.peak, peak, 1e-9);
    ck_assert_double_eq_tol(b.at_end, at_end, 1e-9);
    ck_assert_double_eq_tol(b.drained_at_s, drained, 1e-9);
    ck_assert_double_eq_tol(b.longest_wait_s, longest, 1e-9);
    ck_assert_double_eq_tol(b.mean_wait_s, mean, 1e-9);
}

START_TEST(bursts_worked_out_by_hand)
{
    /* 60/s against 50/s for 60 s: 600 behind, 12 s more; area 600 x 60 / 2 + 600 x 12 / 2 = 21,600 over
     * 3,600. */
    expect((struct queueing_burst){60, 60, 50, 50, 0}, 600, 600, 72, 12, 6);
    /* fast enough */
    expect((struct queueing_burst){60, 60, 60, 60, 0}, 0, 0, 60, 0, 0);
    expect((struct queueing_burst){60, 60, 61, 61, 0}, 0, 0, 60, 0, 0);
    /* 10/s for 10 s, then 70/s: 500 behind, gone after 50 s more, at the very end; the 100th waits longest:
     * 10 - 100/60 */
    expect((struct queueing_burst){60, 60, 10, 70, 10}, 500, 0, 60, 10 - 100.0 / 60, (2500 + 12500) / 3600.0);
    /* nobody for 20 s, then 50/s: 1,200 + 40 x 10 = 1,600 behind, 32 s more; the first waits 20 s, the last
     * 32 s */
    expect((struct queueing_burst){60, 60, 0, 50, 20}, 1600, 1600, 92, 32,
           (1200 * 20 / 2.0 + (1200 + 1600) * 40 / 2.0 + 1600 * 32 / 2.0) / 3600);
    /* the step comes after the burst: 30 behind/s for 10 s, 20 s at 10/s, the last 100 at 100/s; the 300th
     * waits longest, from 7.5 s on */
    expect((struct queueing_burst){40, 10, 10, 100, 30}, 300, 300, 31, 22.5,
           (300 * 10 / 2.0 + (300 + 100) * 20 / 2.0 + 100 / 2.0) / 400);
    /* the backlog is gone before the step */
    expect((struct queueing_burst){40, 10, 30, 100, 60}, 100, 100, 10 + 100.0 / 30, 100.0 / 30,
           (100 * 10 / 2.0 + 100 * (100.0 / 30) / 2) / 400);
}
END_TEST

/* The same by a sum over small steps, for random bursts. */
START_TEST(bursts_agree_with_a_sum_in_small_steps)
{
    unsigned seed = 12345;
    long rounds = unit_steps(300);
    for (long i = 0; i < rounds; i++) {
        double draw[5];
        for (int k = 0; k < 5; k++) {
            seed = seed * 1103515245U + 12345U;
            draw[k] = (double)(seed >> 8) / 16777216.0;
        }
        struct queueing_burst b = {.arrival_per_s = 1 + 99 * draw[0],
                                   .length_s = 1 + 30 * draw[1],
                                   .first_capacity_per_s = 80 * draw[2],
                                   .step_at_s = 40 * draw[4]};
        b.capacity_per_s = b.first_capacity_per_s + 10 + 60 * draw[3];
        struct queueing_backlog got = queueing_drain_burst(&b);
        const double dt = 0.002;
        double behind = 0, area = 0, peak = 0, end = b.length_s;
        for (double t = 0; t < b.length_s + 0.5 || behind > 0; t += dt) {
            double in = t < b.length_s ? b.arrival_per_s : 0;
            double out = t < b.step_at_s ? b.first_capacity_per_s : b.capacity_per_s;
            behind = fmax(0, behind + (in - out) * dt);
            area += behind * dt;
            peak = fmax(peak, behind);
            if (behind > 0)
                end = fmax(end, t);
        }
        ck_assert_double_eq_tol(got.peak, peak, 0.5);
        ck_assert_double_eq_tol(got.drained_at_s, end, 0.1);
        ck_assert_double_eq_tol(got.mean_wait_s, area / (b.arrival_per_s * b.length_s), 0.05);
        ck_assert_double_ge(got.longest_wait_s, got.mean_wait_s - 1e-9);
        ck_assert_double_ge(got.peak, got.at_end);
        ck_assert_double_ge(got.longest_wait_s, got.drained_at_s - b.length_s - 1e-9);
    }
}
END_TEST

UNIT_MAIN("queueing", erlang_c_at_known_values, mean_wait_at_known_values,
          wait_falls_with_servers_and_grows_with_load, bursts_worked_out_by_hand,
          bursts_agree_with_a_sum_in_small_steps)
