/*
 * From the books (demo_books.h) to the figures of a demo: what was lost, paid twice, failed, how long orders
 * waited, and whether anything went faster than physics allows. Pure.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_TRUTH_H
#define SLUICE_SUPERVISOR_DEMO_TRUTH_H

#include "supervisor/demo_books.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { DEMO_KILLS_MAX = 4, DEMO_DOUBLES_MAX = 100 };

enum demo_kill_what { DEMO_KILL_WORKER, DEMO_KILL_SUPERVISOR };

/* A kill -9 by the demo. */
struct demo_kill {
    enum demo_kill_what what;
    pid_t pid;
    int64_t t_ms;             /* product epoch ms, just before the signal */
    int64_t payments_running; /* in the killed worker; below the killed supervisor */
    pid_t
        *worker_pids; /* owned by whoever filled it: workers of the killed supervisor (what is SUPERVISOR) */
    size_t worker_count;
};

struct demo_truth_input {
    const struct demo_books *books;
    const struct demo_ids *dead_letters; /* order ids found in the dead-letter queue */
    const struct demo_kill *kills;
    size_t kill_count;
    int64_t slots;         /* payments a process may run at once */
    int64_t payment_ms;    /* product ms of one payment */
    int64_t workers_max;   /* the fleet's limit */
    int64_t visibility_ms; /* of the queue: how long before a kill an undeleted payment can lie */
    int64_t stop_grace_ms; /* how long after its supervisor's death a worker may go on paying */
};

/* A second payment of one message. */
struct demo_double {
    size_t order, message;
    int64_t t_ms; /* end of the second payment */
    ssize_t kill; /* index of the kill that explains it, -1 none */
};

struct demo_truth {
    int64_t sent;                   /* distinct orders acknowledged, malformed ones included */
    int64_t sent_malformed;         /* of them: malformed */
    int64_t messages;               /* distinct messages acknowledged */
    int64_t completed_unique;       /* distinct orders in the ledger */
    int64_t duplicates;             /* second and further payments of one message */
    int64_t duplicates_unexplained; /* of them: no kill explains them */
    int64_t lost;   /* acknowledged orders that are neither in the ledger nor among the dead letters */
    int64_t failed; /* dead letters that are not malformed */
    int64_t dead_malformed;      /* dead letters that are malformed */
    int64_t malformed_paid;      /* malformed orders in the ledger: must be 0 */
    int64_t resent;              /* orders that load sent again after an unknown end */
    int64_t resent_paid_twice;   /* orders paid under two message ids */
    int64_t paid_unacknowledged; /* orders in the ledger that load has no acknowledgement of */
    int64_t redelivered;         /* payments of messages that had been received before */

    int64_t start_ms;       /* product epoch ms of the first order's due time; 0 when nothing was sent */
    double drained_s;       /* last payment's end since start; 0 when nothing was paid */
    double drained_bound_s; /* the least that physics allows */
    double wait_p50_s, wait_p99_s, wait_max_s; /* from sent to the payment's start; -1 without payments */
    int64_t waits_above_5s;
    int64_t payments;              /* ledger lines */
    int processes;                 /* distinct pids in the ledger */
    double process_rate_max_per_s; /* of any process over its life */
    int64_t concurrency_max;       /* payments at once in any process */
    int64_t payment_min_ms;        /* shortest payment */
    char physics[256];             /* "" or what beats it, in words */

    struct demo_double doubles[DEMO_DOUBLES_MAX]; /* the first ones */
    size_t double_count;
};

void demo_truth_compute(const struct demo_truth_input *input, struct demo_truth *ret_truth);

/* Payments under way at a product time, by the ledger; pid 0: in any process. */
int64_t demo_truth_running_at(const struct demo_books *books, int64_t t_ms, pid_t pid);

/* Nearest-rank percentile of values sorted upwards; -1 when there are none. p is 0..100. */
double demo_truth_percentile(const double *sorted, size_t count, double p);

#endif
