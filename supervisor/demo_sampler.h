/*
 * Looks at the sale once a product second: depth by the demo's own GetQueueAttributes, workers from /proc
 * (their states from the supervisor's status), completed and sent orders from ledger and log. Of an ECS
 * service the demo's own DescribeServices tells the counts, and /proc who is still there beyond them. One
 * sample of it all for whoever wants it. Runs in the demo's loop.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_SAMPLER_H
#define SLUICE_SUPERVISOR_DEMO_SAMPLER_H

#include "aws/client.h"
#include "aws/sqs.h"
#include "base/loop.h"
#include "supervisor/demo_books.h"
#include "supervisor/demo_proc.h"
#include "supervisor/demo_samples.h"
#include "supervisor/demo_service.h"
#include "supervisor/demo_status.h"
#include "supervisor/demo_tail.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { DEMO_SAMPLE_EVERY_MS = 1000 };

struct demo_sampler_options {
    struct event_base *base; /* borrowed, like all below */
    struct aws_client *client;
    const char *queue_url;
    const char *admin_socket;
    const char *sent_path;   /* load's log */
    const char *ledger_path; /* the payment handler's */
    const char *mark;        /* in the workers' environment */
    /* The workers are tasks of this service, started by the process tasks_pid; NULL: the supervisor's own. */
    struct demo_service *service;
    pid_t tasks_pid;
    /* A sample was taken. in_sale is false before the first order was acknowledged: then t_s means nothing
     * and the sample is not kept. */
    void (*on_sample)(void *arg, const struct demo_sample *sample, bool in_sale);
    /* The books cannot be read: err says why. The sampler has stopped. */
    void (*on_error)(void *arg, const struct err *err);
    void *arg;
};

struct demo_sampler {
    struct demo_sampler_options options;
    struct demo_books books;
    struct demo_tail sent_tail, ledger_tail;
    struct demo_samples samples;
    struct demo_proc proc;
    struct demo_status status;
    pid_t supervisor_pid; /* 0: none */

    struct loop_timer timer;
    struct aws_call *call; /* NULL: no reading under way */
    bool depth_pending, status_pending, service_pending;
    bool depth_known, service_known;
    struct sqs_queue_attributes depth; /* of the reading under way */

    struct demo_status_report last_status; /* owned; of the last answer, kept when one fails */
    int64_t status_failures;               /* in a row */
    int64_t depth_failures;                /* in a row */
    int64_t service_failures;              /* in a row */
    char decision[256];
    int64_t restarts; /* most that a supervisor reported: workers that ended without being told to */

    int64_t reporting_max; /* most tasks whose telemetry reached the supervisor at once */

    long threads_min; /* of workers that were ready before and after they were counted; 0 none yet */
    struct demo_proc_worker *counted; /* owned: ready workers of the last sample, for threads_min */
    size_t counted_count;

    struct demo_start {
        pid_t pid;
        int64_t real_ms;
    } * starts; /* owned: time from fork to ready, each worker once, as the supervisor measured it */
    size_t start_count, start_capacity;
};

void demo_sampler_init(struct demo_sampler *sampler, const struct demo_sampler_options *options);
void demo_sampler_clean_up(struct demo_sampler *sampler); /* safe on a zeroed struct */

void demo_sampler_start(struct demo_sampler *sampler);
void demo_sampler_stop(struct demo_sampler *sampler);

/* Whom to ask for the status, and who the workers' parent is unless they are tasks; 0 while there is none. */
void demo_sampler_set_supervisor(struct demo_sampler *sampler, pid_t pid);

/* Reads what is new in log and ledger. Returns 0 or -1 with err. */
int demo_sampler_read_books(struct demo_sampler *sampler, struct err *err);

/* State of a worker that /proc knows, by what the supervisor last said of it. */
enum demo_worker_state demo_sampler_state_of(const struct demo_sampler *sampler,
                                             const struct demo_proc_worker *worker);

#endif
