/*
 * What a demo saw second by second, and the figures that follow from it: peaks, the first growth, the return
 * to the minimum, worker-seconds. Pure.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_SAMPLES_H
#define SLUICE_SUPERVISOR_DEMO_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct demo_sample {
    double t_s;                          /* product seconds since the sale's start */
    int64_t visible, in_flight, delayed; /* the demo's own GetQueueAttributes */
    int64_t desired;                     /* as the supervisor says, of a service as ECS says; -1 unknown */
    int64_t ready, starting, draining;   /* processes in /proc; draining includes orphans. Of a service: tasks
                                          * that run, are pending, and processes beyond these */
    int64_t completed;                   /* distinct orders in the ledger */
    int64_t sent;                        /* distinct orders acknowledged */
};

struct demo_samples {
    struct demo_sample *all; /* owned */
    size_t count, capacity;
};

void demo_samples_add(struct demo_samples *samples, const struct demo_sample *sample);
void demo_samples_clean_up(struct demo_samples *samples);

/* Fills in the workers of a service from ECS's running and pending counts and the processes there are. A task
 * that is being stopped is in none of ECS's counts: it is a process that they do not account for. While
 * others start, some of which have a process already, fewer of them are seen. */
void demo_sample_count_tasks(struct demo_sample *sample, int64_t running, int64_t pending, int64_t processes);

/* Workers that count against the limits: ready + starting. */
int64_t demo_sample_workers(const struct demo_sample *sample);

struct demo_samples_summary {
    int64_t peak_visible, peak_in_flight;
    int64_t peak_workers;     /* ready + starting */
    int64_t peak_desired;     /* -1 never known */
    int64_t final_desired;    /* in the last sample; -1 unknown */
    double first_scale_out_s; /* first time with more workers than min; -1 never */
    double scaled_in_s;       /* first time with exactly min workers after the (last) peak; -1 never */
    double worker_seconds;    /* processes over time, draining ones too; up to scaled_in_s, or the last sample
                               * when the    fleet never grew or did not come back */
    double completed_per_s_max; /* over windows of 10 s */
};

void demo_samples_summarize(const struct demo_samples *samples, int64_t workers_min,
                            struct demo_samples_summary *ret_summary);

/* Per second over the window that ends with the last sample: orders completed, and the apparent rate (orders
 * that left the visible count: sent minus the growth of depth). Both 0 with fewer than two samples. */
struct demo_rates {
    double completed_per_s, apparent_per_s;
};
struct demo_rates demo_samples_rates(const struct demo_samples *samples, double window_s);

#endif
