/*
 * Figures of `sluice measure`: one process drains a backlog that is in the queue before it starts. From what
 * was seen (depth second by second, localaws' own count of receives and deletes, the ledger of payments) to
 * rates, shares and verdicts. Nothing here is the worker's own word. Pure.
 */
#ifndef SLUICE_SUPERVISOR_MEASURE_FIGURES_H
#define SLUICE_SUPERVISOR_MEASURE_FIGURES_H

#include "supervisor/demo_books.h"
#include "supervisor/demo_verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is measured; the same for all rows but for `threads`. */
struct measure_setup {
    int64_t threads; /* handler threads of the worker; pollers of the naive consumer */
    int64_t orders;
    int64_t slots;      /* payments at once */
    int64_t service_ms; /* product: one payment */
    bool naive;
    int64_t per_poller; /* naive: messages that a poller starts at once */
};

/* One look; times are product epoch ms. */
struct measure_sample {
    int64_t t_ms;
    int64_t visible, in_flight; /* exact, by localaws */
    int64_t deleted;            /* messages, by localaws */
    int64_t paid;               /* distinct orders in the ledger */
};

struct measure_samples {
    struct measure_sample *all; /* owned */
    size_t count, capacity;
};

void measure_samples_add(struct measure_samples *samples, const struct measure_sample *sample);
void measure_samples_clean_up(struct measure_samples *samples);

/* What the queue says of itself (/_localaws/stats). */
struct measure_queue {
    int64_t t_ms; /* product: when it said so */
    int64_t visible, in_flight, delayed;
    int64_t sent, received, deleted;
    int64_t first_receive_us, last_delete_us; /* product epoch us: answered; 0: none */
};

/* What the kernel says of the process. */
struct measure_process {
    double cpu_s;        /* real: user and system, of its whole life */
    int64_t peak_rss_kb; /* VmHWM */
    int64_t threads;     /* most at any look */
};

struct measure_seen {
    const struct measure_samples *samples; /* the first one before the process started */
    const struct demo_books *books;        /* payments alone */
    struct measure_queue queue;            /* after the process ended */
    struct measure_process process;
    bool stopped; /* the time was over: see measure_time_limit_ms() */
};

struct measure_figures {
    int64_t peak_visible;
    int64_t low_visible_first_minute; /* the least visible in the first minute */
    double limit_rate;                /* per s: min(what may run at once, slots) / service time */
    double true_rate;                 /* deleted / (last delete acknowledged - first receive answered) */
    double share_of_limit;
    double apparent_rate;     /* fall of visible per second in the first minute (or until the row's end) */
    double apparent_rate_10s; /* the same over the first ten seconds */
    double drained_s;         /* last delete - first receive; -1: not drained */
    double paid_once_s;       /* until each order had been paid at least once; -1: some never were */
    int64_t completed;        /* distinct orders paid */
    int64_t deleted;          /* messages */
    int64_t undeleted;        /* left in the queue */
    int64_t paid_undeleted;   /* of them: paid already, so they will be paid again */
    int64_t payments;         /* lines of the ledger */
    int64_t duplicates;       /* orders paid more than once */
    int64_t paid_again;       /* payments beyond the first of their order */
    int64_t concurrency_max;  /* payments at once */
    struct measure_process process;
    bool stopped;
    char physics[256]; /* "", or what of the payments beats physics: then the measurement is wrong */
};

/* Messages that the process may handle at once, whatever the slots. */
int64_t measure_concurrency(const struct measure_setup *setup);
/* Orders per product second that physics allows: min(concurrency, slots) / service time. */
double measure_limit_rate(const struct measure_setup *setup);
/* Product ms after the first receive when a row is broken off: twice the time that the limit needs. */
int64_t measure_time_limit_ms(const struct measure_setup *setup);
/* Fall of visible per second in the first `window_ms` after `from_ms`, by the first sample at or behind its
 * end, else the last one; 0 without any. */
double measure_apparent_rate(const struct measure_samples *samples, int64_t from_ms, int64_t window_ms);

void measure_compute(const struct measure_setup *setup, const struct measure_seen *seen,
                     struct measure_figures *ret_figures);

/* Adds what is not as it must be. The naive consumer may pay twice and leave messages: that is what it is
 * measured for; nobody may lose an order or beat physics. */
void measure_judge(const struct measure_setup *setup, const struct measure_figures *figures,
                   struct demo_failures *failures);

/* ---- what the source published ---- */

enum { MEASURE_SOURCE_SLOTS = 5, MEASURE_SOURCE_SERVICE_MS = 3000, MEASURE_SOURCE_ROWS = 4 };

/* One process, NUM_WORKERS as given, five payments of 3 s at once. */
struct measure_source {
    int64_t threads;
    int64_t peak;
    int64_t drain_min;
    double printed_rate; /* as the source prints it */
};

extern const struct measure_source MEASURE_SOURCE[MEASURE_SOURCE_ROWS];

/* The source's row for a number of threads, NULL when it has none. */
const struct measure_source *measure_source_find(int64_t threads);
/* Its own peak over its own drain time, orders per s. */
double measure_source_rate(const struct measure_source *source);
/* Minutes that its slots need for its peak at least. */
double measure_source_least_min(const struct measure_source *source);
/* 5 / 3 per s. */
double measure_source_limit(void);

#endif
