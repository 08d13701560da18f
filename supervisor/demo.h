/*
 * `sluice demo`: the flash sale on the local endpoint, from start to verdict. This header is shared by the
 * demo's own files:
 *
 *   cmd_demo.c       options and the order of things
 *   demo_acts.c      the acts of the play: endpoint, queues, supervisor, sale, drain, scale-in, stop
 *   demo_setup.c     work folder, credentials, environment, the supervisor's configuration file
 *   demo_chaos.c     the kills
 *   demo_children.c  the programs it starts          demo_queue.c    queues
 *   demo_service.c   the ECS service (--ecs)
 *   demo_sampler.c   one sample a product second     demo_proc.c     workers in /proc
 *   demo_status.c    the supervisor's status         demo_tail.c     growing files
 *   demo_books.c     log and ledger                  demo_samples.c  figures of the samples
 *   demo_truth.c     figures of log and ledger       demo_verdict.c  is it good?
 *   demo_view.c      what one sees while it runs     demo_report.c   what it says at the end
 *   demo_chart.c     the picture
 *
 * What other commands use too: sandbox.c (folder and environment), local_endpoint.c, svg.c.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_H
#define SLUICE_SUPERVISOR_DEMO_H

#include "aws/client.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/options.h"
#include "supervisor/demo_children.h"
#include "supervisor/demo_queue.h"
#include "supervisor/demo_sampler.h"
#include "supervisor/demo_service.h"
#include "supervisor/demo_truth.h"
#include "supervisor/demo_verdict.h"
#include "supervisor/demo_view.h"
#include "supervisor/sandbox.h"

#include <stdbool.h>
#include <stdint.h>

struct demo_options {
    int64_t speed;
    double rate;
    int64_t duration; /* product ms */
    int64_t min, max, target;
    int64_t threads;
    int64_t slots;
    int64_t payment_time; /* product ms */
    double sns;
    double malformed;
    int64_t seed;
    char *report;
    char *chart;
    bool chaos;
    bool ecs;
    int64_t ecs_start_latency; /* product ms */
    bool keep;
    bool quiet;
    bool color;
};

/* Where the demo's files are. All owned. */
struct demo_paths {
    char *config, *state_dir, *socket, *sent, *ledger;
    char *task_logs; /* a folder: what each ECS task wrote */
};

enum demo_act {
    DEMO_ACT_ENDPOINT,   /* wait for sluice-localaws to listen */
    DEMO_ACT_QUEUES,     /* create the queues */
    DEMO_ACT_SERVICE,    /* with --ecs: create the service */
    DEMO_ACT_SUPERVISOR, /* wait for min ready workers */
    DEMO_ACT_SALE,       /* load sends */
    DEMO_ACT_DRAIN,      /* until the queue reads 0 */
    DEMO_ACT_DEAD,       /* empty the dead-letter queue */
    DEMO_ACT_SCALE_IN,   /* until min workers are left */
    DEMO_ACT_STOP,       /* stop everything */
    DEMO_ACT_OVER,
    DEMO_ACT_MAX,
};

enum demo_chaos_step {
    DEMO_CHAOS_OFF,
    DEMO_CHAOS_WORKER,     /* next: kill a worker */
    DEMO_CHAOS_SUPERVISOR, /* next: kill the supervisor */
    DEMO_CHAOS_RESTART,    /* the supervisor is dead and will be started again */
    DEMO_CHAOS_DONE,
};

struct demo {
    struct demo_options options;
    struct sandbox sandbox;
    struct demo_paths paths;
    int telemetry_fd;   /* with --ecs: bound, never listens; keeps the port for the supervisor. -1: none */
    int telemetry_port; /* where tasks POST their telemetry */
    char mark[64];      /* "SLUICE_DEMO_MARK=<random>" in the environment of this demo's workers */

    struct event_base *base;
    struct aws_client *client;
    struct demo_children children;
    struct demo_queue queue;
    struct demo_service service; /* with --ecs */
    struct demo_sampler sampler;
    struct demo_view view;
    struct event *term_event, *int_event, *hup_event;

    enum demo_act act;       /* changed by demo_acts.c alone */
    struct loop_timer guard; /* the act takes too long */
    struct loop_timer poll;  /* looks again for something that tells nobody */
    int quiet_samples;       /* in a row: nothing in the queue; then: back at min */
    int signals;             /* that asked us to stop */
    bool told_to_stop[DEMO_CHILD_MAX];
    bool told_to_remove;   /* the service */
    int64_t change_seq;    /* of the last change of desired that was shown */
    int64_t begun_mono_ms; /* real */
    double wall_s;         /* real, of everything; set at the end */

    enum demo_chaos_step chaos;
    struct demo_status chaos_status; /* asks right before a kill */
    struct loop_timer chaos_timer;
    struct demo_kill kills[DEMO_KILLS_MAX];
    size_t kill_count;

    struct demo_failures failures;
    struct demo_truth truth;
    struct demo_samples_summary summary;
};

/* ---- demo_setup.c ---- */

/* Finds the programs, makes the work folder, writes random credentials into our environment (and clears what
 * would interfere), sets the time scale. Returns 0 or -1 with err. */
int demo_setup(struct demo *demo, struct err *err);
/* Creates the ECS service whose tasks are the workers; done is called later. */
void demo_setup_create_service(struct demo *demo, void (*done)(void *arg, const struct err *err), void *arg);
/* The supervisor's configuration file. Returns 0 or -1 with err. */
int demo_setup_write_config(const struct demo *demo, struct err *err);
/* Removes the work folder unless it is to be kept; frees the paths. */
void demo_setup_clean_up(struct demo *demo);

/* ---- demo_acts.c ---- */

/* Starts the first act; returns when the play is over, or was stopped. */
void demo_acts_run(struct demo *demo);
/* Starts the supervisor's process. Returns 0 or -1 with err. */
int demo_acts_start_supervisor(struct demo *demo, struct err *err);
/* Notes a failure and, when it makes going on senseless, stops everything. */
void demo_acts_give_up(struct demo *demo, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Wired to the sampler and the children. */
void demo_acts_on_sample(void *arg, const struct demo_sample *sample, bool in_sale);
void demo_acts_on_error(void *arg, const struct err *err);
void demo_acts_on_exit(void *arg, enum demo_child_name name, int status);

/* ---- demo_chaos.c ---- */

enum { DEMO_CHAOS_WORKER_AT_S = 20, DEMO_CHAOS_SUPERVISOR_AT_S = 35, DEMO_CHAOS_RESTART_MS = 2000 };

void demo_chaos_init(struct demo *demo);
void demo_chaos_clean_up(struct demo *demo);
/* Kills when it is time. */
void demo_chaos_on_sample(struct demo *demo, const struct demo_sample *sample);
/* Whether the end of the supervisor is our own doing; then its restart is under way. */
bool demo_chaos_on_supervisor_exit(struct demo *demo, int status);
/* No more kills and no restart. */
void demo_chaos_cancel(struct demo *demo);

#endif
