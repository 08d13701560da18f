/*
 * What queueing theory says of a fleet: the wait in a steady state, and the backlog of a burst as a fluid.
 * Pure.
 */
#ifndef SLUICE_POLICIES_QUEUEING_H
#define SLUICE_POLICIES_QUEUEING_H

#include <stdbool.h>
#include <stdint.h>

enum { QUEUEING_SERVERS_MAX = 10000000 }; /* the recursion below takes a step a server */

/*
 * Erlang C: the probability that an arrival of an M/M/c queue must wait, from the offered load a = arrival
 * rate x service time (erlangs) and c servers. By the Erlang B recursion B(k) = a B(k-1) / (k + a B(k-1)),
 * B(0) = 1, which neither overflows nor cancels, and C = B / (1 - (a/c) (1 - B)). (A. K. Erlang 1917; Gross,
 * Shortle, Thompson, Harris, "Fundamentals of Queueing Theory", 4th ed., section 2.3.) Wants 0 <= a < c and 1
 * <= c <= QUEUEING_SERVERS_MAX; otherwise 1: everybody waits.
 */
double queueing_erlang_c(int64_t servers, double offered_load);

/*
 * Mean wait before service in a GI/G/c queue, seconds, by Allen and Cunneen's approximation:
 *   Wq = C(c, a) x service_time / (c - a) x (arrival_cv2 + service_cv2) / 2
 * where cv2 is a squared coefficient of variation: 1 and 1 is M/M/c (exact), 1 and 0 is M/D/c (Poisson
 * arrivals, constant service). (A. O. Allen, "Probability, Statistics and Queueing Theory with Computer
 * Science Applications", 2nd ed. 1990, section 5.3.) Infinite when a >= c.
 */
double queueing_mean_wait_s(int64_t servers, double arrival_per_s, double service_time_s, double arrival_cv2,
                            double service_cv2);

/* A burst: arrivals at a steady rate for a while, and a fleet whose capacity takes one step up. */
struct queueing_burst {
    double arrival_per_s;        /* > 0 */
    double length_s;             /* > 0 */
    double first_capacity_per_s; /* from the start; >= 0 */
    double capacity_per_s;       /* from step_at_s on; > 0, >= first_capacity_per_s */
    double step_at_s;            /* >= 0 */
};

struct queueing_backlog {
    double peak;         /* messages behind at the worst moment */
    double at_end;       /* messages behind when the burst ends */
    double drained_at_s; /* since the burst began, when nothing is behind any more; at least length_s */
    double longest_wait_s;
    double mean_wait_s; /* over all messages of the burst */
};

/*
 * The burst as a fluid (arrivals and service without randomness, first in first out; what is in service
 * counts as done). The mean wait is the integral of the backlog over the messages that came (Little's law);
 * the longest is the largest horizontal distance between arrivals and departures. It is a lower bound for a
 * real fleet.
 */
struct queueing_backlog queueing_drain_burst(const struct queueing_burst *burst);

#endif
