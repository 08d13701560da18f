/*
 * Inside of the supervisor, shared by daemon.c (its fleets, signals, start and end), daemon_lead.c (who
 * leads), daemon_listen.c (where it listens) and daemon_report.c (what it tells). All of it runs in the main
 * thread.
 */
#ifndef SLUICE_SUPERVISOR_DAEMON_INTERNAL_H
#define SLUICE_SUPERVISOR_DAEMON_INTERNAL_H

#include "base/loop.h"
#include "base/sd_listen.h"
#include "base/status_server.h"
#include "supervisor/admin_server.h"
#include "supervisor/daemon.h"
#include "supervisor/fleet_control.h"
#include "supervisor/fleet_polls.h"
#include "supervisor/ha.h"
#include "supervisor/orphans.h"
#include "supervisor/publisher.h"
#include "supervisor/reaper.h"
#include "supervisor/service.h"
#include "supervisor/shared_clients.h"
#include "supervisor/telemetry_server.h"

#include <signal.h>

enum { DAEMON_SIGNALS = 4 };

struct daemon {
    const struct config *config;
    struct event_base *base;
    struct event *signal_events[DAEMON_SIGNALS];
    int64_t started_ms; /* product */
    int64_t started_wall_ms;
    bool stopping;
    int exit_code; /* when the drain is over */

    /* daemon.c: fleets and what they share */
    struct reaper *reaper;
    struct orphans *orphans;
    struct shared_clients clients;
    struct polls_shared polls;
    struct service *service;
    struct publisher *publisher;   /* NULL: nothing is published */
    struct fleet_control **fleets; /* config->fleet_count of them, NULL where not made yet */
    bool draining;                 /* they were told to stop */
    size_t fleets_left;            /* not yet empty, once draining */

    /* daemon_lead.c */
    bool leading;          /* the fleets are ours */
    int64_t role_since_ms; /* product */
    size_t fleets_started; /* the first so many */
    struct loop_timer start_timer;
    int lock_fd;
    pid_t lock_holder; /* that we wait for (ha.type lock_file) */
    struct loop_timer lock_timer;
    uint64_t state_dir_losses;
    struct err state_dir_error;    /* text "": the folder is ours */
    struct ha *ha;                 /* NULL: no lease decides who leads */
    bool retiring, retired;        /* the lease is being given back; is */
    struct loop_timer again_timer; /* fleets are made anew after a lost leadership */

    /* daemon_listen.c */
    struct admin_server *admin;
    struct admin_server *passed[SD_LISTEN_MAX]; /* sockets that systemd made; NULL where there is none */
    struct telemetry_server *telemetry;         /* NULL: none is listened for */
    struct loop_timer telemetry_timer;          /* leadership by a lease has changed: listen, or no longer */
    bool telemetry_failed;                      /* the address was not to be had; that is said */
};

/* ---- daemon.c ---- */

/* Makes the fleets of the configuration, none of them started. Returns -1 with err. */
int daemon_raise_fleets(struct daemon *daemon, struct err *err);
/* Frees them, whether they have drained or not; there need not be any. */
void daemon_drop_fleets(struct daemon *daemon);
/* Stops all fleets, once; daemon_end_when_done() follows when all are empty. */
void daemon_drain(struct daemon *daemon);
/* The same, then the supervisor leaves. */
void daemon_stop(struct daemon *daemon);
/* After each step towards the end: leaves the loop when all are made. */
void daemon_end_when_done(struct daemon *daemon);
/* Leaves the loop at once. What was made once cannot well fail the second time; if it does, nothing can be
 * led.
 */
void daemon_fail(struct daemon *daemon, int exit_code, const struct err *err);

/* ---- daemon_lead.c ---- */

/* Makes the timers, and the lease if there is to be one. Returns -1 with err. */
int daemon_lead_init(struct daemon *daemon, struct err *err);
/* Begins to lead with the lock that is held, or to strive for the lead. */
void daemon_lead_start(struct daemon *daemon);
void daemon_lead_clean_up(struct daemon *daemon);
/* Locks the state folder, and makes it when it is missing. Returns EXIT_CODE_OK with lock_fd; else,
 * with err and without a lock in lock_fd, EXIT_CODE_BUSY (lock_holder has it) or EXIT_CODE_IO. */
int daemon_take_lock(struct daemon *daemon, struct err *err);
/* Whether this supervisor leads now: may decide, and change what is not ours alone. */
bool daemon_leads(const struct daemon *daemon);
/* The same for those who ask by a callback. */
bool daemon_may_act(void *daemon);
/* Whether the lock that others would try is still the one that we hold. */
bool daemon_owns_state_dir(void *daemon);
/* The lease goes back as soon as nothing that we asked of AWS can come after it: workers of this host may
 * drain for long, and who leads next need not wait for them. */
void daemon_retire_when_quiet(struct daemon *daemon);

/* ---- daemon_listen.c ---- */

/* What is answered, with the daemon as the argument. */
extern const struct status_route DAEMON_ROUTES[];

void daemon_listen_init(struct daemon *daemon);
void daemon_listen_clean_up(struct daemon *daemon);
/* Listens where operators look, anew if we do already. One that waits for the lock of the same folder answers
 * beside the leader. Returns as admin_server_new(). */
int daemon_open_admin(struct daemon *daemon, struct err *err);
/* Answers also on the sockets that systemd passed, as on the admin socket. Once, before any worker is
 * started. Returns -1 with err when one is no such socket. */
int daemon_adopt_sockets(struct daemon *daemon, struct err *err);
/* Listens for workers' telemetry, if it is configured and we do not yet. Returns -1 with err. */
int daemon_listen_for_telemetry(struct daemon *daemon, struct err *err);

/* ---- daemon_report.c ---- */

void daemon_write_status(void *daemon, const struct status_request *request, struct status_reply *reply);
/* For readiness and metrics (service_options.get_facts). */
void daemon_get_facts(void *daemon, struct supervisor_facts *facts);
/* Publishes metrics if the configuration wants it. */
void daemon_make_publisher(struct daemon *daemon);

#endif
