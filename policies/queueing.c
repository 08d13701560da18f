/* Erlang C, Allen-Cunneen, and the fluid backlog of a burst; see queueing.h. */
#include "policies/queueing.h"

#include <math.h>

double queueing_erlang_c(int64_t servers, double offered_load)
{
    double blocked = 1;
    if (servers < 1 || servers > QUEUEING_SERVERS_MAX || !(offered_load < (double)servers))
        return 1;
    for (int64_t k = 1; k <= servers; k++)
        blocked = offered_load * blocked / ((double)k + offered_load * blocked);
    return blocked / (1 - offered_load / (double)servers * (1 - blocked));
}

double queueing_mean_wait_s(int64_t servers, double arrival_per_s, double service_time_s, double arrival_cv2,
                            double service_cv2)
{
    double load = arrival_per_s * service_time_s;
    if (!(load < (double)servers))
        return INFINITY;
    return queueing_erlang_c(servers, load) * service_time_s / ((double)servers - load) *
           (arrival_cv2 + service_cv2) / 2;
}

/* The burst in phases between its end, the step and the end of the backlog. */
struct phases {
    double t_s;
    double behind;
    double area; /* integral of the backlog: message-seconds waited */
    struct queueing_backlog result;
};

/* Goes on to until_s, or to where the backlog is gone when that comes first and until_s is infinite. */
static void go_on(struct phases *p, double until_s, double arrival_per_s, double capacity_per_s)
{
    double slope = arrival_per_s - capacity_per_s;
    if (p->behind > 0 && slope < 0) {
        double empty_s = p->t_s + p->behind / -slope;
        if (empty_s <= until_s) {
            p->area += p->behind * (empty_s - p->t_s) / 2;
            p->behind = 0;
            p->t_s = empty_s;
            p->result.drained_at_s = empty_s;
        }
    }
    if (!isfinite(until_s) || until_s <= p->t_s)
        return;
    double later = fmax(p->behind + slope * (until_s - p->t_s), 0);
    p->area += (p->behind + later) * (until_s - p->t_s) / 2;
    p->behind = later;
    p->t_s = until_s;
    p->result.peak = fmax(p->result.peak, later);
}

/* When the fleet has served n messages that were always there to serve. */
static double served_at_s(const struct queueing_burst *b, double n)
{
    double before_step = b->first_capacity_per_s * b->step_at_s;
    if (n <= before_step && b->first_capacity_per_s > 0)
        return n / b->first_capacity_per_s;
    return b->step_at_s + (n - before_step) / b->capacity_per_s;
}

/*
 * Capacity steps up only, so a backlog that is once gone stays gone, and until then the n-th message waits
 * served_at(n) - n / arrival rate. That is linear between the bends of served_at: the longest wait is at a
 * bend or an end.
 */
static double longest_wait_s(const struct queueing_burst *b)
{
    double total = b->arrival_per_s * b->length_s;
    double bend = fmin(b->first_capacity_per_s * b->step_at_s, total);
    double longest = 0;
    const double at[] = {0, bend, total};
    for (int i = 0; i < 3; i++)
        longest = fmax(longest, served_at_s(b, at[i]) - at[i] / b->arrival_per_s);
    return longest;
}

struct queueing_backlog queueing_drain_burst(const struct queueing_burst *b)
{
    struct phases p = {.t_s = 0};
    double step_s = fmin(b->step_at_s, b->length_s);
    go_on(&p, step_s, b->arrival_per_s, b->first_capacity_per_s);
    go_on(&p, b->length_s, b->arrival_per_s, b->capacity_per_s);
    p.result.at_end = p.behind;
    if (p.behind > 0 && b->step_at_s > b->length_s)
        go_on(&p, b->step_at_s, 0, b->first_capacity_per_s);
    if (p.behind > 0)
        go_on(&p, INFINITY, 0, b->capacity_per_s);
    if (p.result.at_end <= 0)
        p.result.drained_at_s = b->length_s;
    p.result.mean_wait_s = p.area / (b->arrival_per_s * b->length_s);
    p.result.longest_wait_s = longest_wait_s(b);
    return p.result;
}
