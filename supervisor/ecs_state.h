/*
 * What is known of one ECS service, what was ordered of it, and what is to be done next: a pure state
 * machine. Time is an argument (product time, epoch ms), observations go in, actions come out; ecs_fleet.h
 * makes the calls.
 *
 * The rules that it keeps:
 * - desiredCount is the base, never runningCount: capacity that is ordered and pending counts.
 * - A raise is written after one look at the service, or without it when looking fails: growth is eager. A
 * lower value is only written on facts that are younger than the order for it, and never during a rollout.
 * - One UpdateService at a time, retried with growing waits. One whose answer was lost may have been done:
 * until a look tells, an order below its value is not taken for a raise.
 * - A desiredCount that is not the one last seen or written comes from a foreign writer. ADOPT: it is the new
 * base, raised at once when it is below min, and left alone when it is above max until the policy shrinks.
 * REASSERT: the order is written again, once per cooldown. ECS is eventually consistent, so for a while after
 * a write the value from before it is no foreign one.
 * - A service that is MISSING may have just been made: that is trouble only when it lasts.
 * - Tasks that do not start (failedTasks rises, or no more of them run for start_grace) stop further growth.
 *
 * Not thread-safe.
 */
#ifndef SLUICE_SUPERVISOR_ECS_STATE_H
#define SLUICE_SUPERVISOR_ECS_STATE_H

#include "aws/client.h"
#include "policies/observation.h"

#include <stdbool.h>
#include <stdint.h>

struct ecs_service;

enum ecs_on_drift { ECS_ADOPT, ECS_REASSERT };

/* Durations are product ms. */
struct ecs_rules {
    enum ecs_on_drift on_drift;
    bool allow_autoscaling;
    int64_t min, max;
    int64_t fresh_ms;         /* facts older than this are stale */
    int64_t missing_grace_ms; /* how long a service may be MISSING */
    int64_t start_grace_ms;   /* how long the number of running tasks may stay below desired without rising */
    int64_t reassert_out_ms;  /* least time between two reassertions, by direction */
    int64_t reassert_in_ms;
};

enum {
    ECS_SETTLE_MS = 15000,   /* after a write the old value may still be told */
    ECS_BEFORE_MAX = 4,      /* writes in that time whose old values are remembered */
    ECS_FAILED_TASKS = 3,    /* failed starts in a row that are a pattern */
    ECS_RETRY_MIN_MS = 1000, /* wait after a failed UpdateService, doubled up to the longest */
    ECS_RETRY_MAX_MS = 60000,
    ECS_AUTOSCALING_MS =
        60000, /* how long the check for Application Auto Scaling may fail before it is given up */
};

/* What DescribeServices said, as far as it matters here. */
struct ecs_facts {
    int64_t desired, running, pending;
    int64_t failed_tasks; /* of the PRIMARY deployment; -1: not told */
    bool is_daemon;
    bool rollout;           /* a deployment is in progress */
    char controller[24];    /* deploymentController; "ECS" when not told */
    char status[16];        /* "ACTIVE" ... */
    char deployment[96];    /* id of the PRIMARY one */
    char rollout_text[160]; /* ECS's words about it, or "" */
    char event[320];        /* newest event that tells of a failure, else "" */
};

/* Takes them out of a service; false when it lacks the counts. */
bool ecs_facts_of(const struct ecs_service *service, struct ecs_facts *ret_facts);

/* Why a service cannot be scaled by us at all: appends it to out, nothing when it can. */
void ecs_facts_refusal(const struct ecs_facts *facts, char *out, size_t size);

enum ecs_failing { ECS_STARTS_WELL, ECS_TASKS_FAIL, ECS_PENDING_STAYS };
enum ecs_autoscaling {
    ECS_AUTOSCALING_UNKNOWN, /* not answered yet: nothing is written */
    ECS_AUTOSCALING_NONE,
    ECS_AUTOSCALING_SUSPENDED, /* a target whose every action is suspended */
    ECS_AUTOSCALING_ACTS,
    ECS_AUTOSCALING_UNCHECKED, /* denied, or failing for long: a warning, no refusal */
};

struct ecs_state {
    struct ecs_rules rules;

    /* What is known. */
    struct ecs_facts facts;
    int64_t asked_ms;      /* when the call went out that brought them */
    int64_t missing_ms;    /* MISSING since then, -1: not */
    uint64_t looks_failed; /* failed looks in a row */
    char look_error[256];  /* of the last one */
    char refusal[256];     /* why this service cannot be scaled, "": it can */
    int64_t
        autoscaling_since_ms; /* the check for Application Auto Scaling goes on since then; -1: not begun */
    enum ecs_autoscaling autoscaling;

    /* Tasks that do not start. */
    enum ecs_failing failing;
    int64_t best_running; /* most that ran since the count was last as desired */
    int64_t progress_ms;  /* when that last rose */
    int64_t failed_base;  /* failedTasks then */

    /* What was ordered. */
    int64_t desired;    /* desiredCount as last seen or written */
    int64_t want;       /* what it should be */
    int64_t ordered_ms; /* since then */
    int64_t writing_desired;
    struct {
        int64_t desired, until_ms;
    } before[ECS_BEFORE_MAX]; /* values from before our writes, that looks may tell until then */
    size_t before_next;       /* the oldest one */
    int64_t doubt;            /* a write of this value failed, but may have been done; -1: none */
    int64_t written_ms;       /* end of the last write; INT64_MIN: none */
    int64_t retry_ms;         /* no write before that time */
    uint64_t writes, write_failures, writes_failed_in_a_row;
    char write_error[256];

    /* Foreign writers. */
    uint64_t drifts;
    int64_t drift_from, drift_to, drift_ms; /* the last one */
    int64_t reassert_ms;                    /* no reassertion before that time */
    uint64_t reassertions;

    bool known;       /* facts are filled in */
    bool has_base;    /* desired means something */
    bool dirty;       /* want is still to be written */
    bool looked;      /* facts are younger than the order */
    bool look_failed; /* a look failed since the order */
    bool writing;     /* an UpdateService is under way */
    bool reasserting; /* want is to be written again over a foreign value */
};

/* base: desired of a restored state, -1: none, the service's own is taken then. */
void ecs_state_init(struct ecs_state *state, const struct ecs_rules *rules, int64_t base);

/* What came of a look, for the log and the controller. */
struct ecs_seen {
    bool rebase; /* tell the controller that `base` is the new one, then call ecs_state_rebased() */
    int64_t base;
    bool drift;     /* a foreign value was found: from, to */
    bool reasserts; /* and the order will be written again */
    int64_t from, to;
    bool first;     /* the first facts ever */
    bool refused;   /* newly */
    bool failing;   /* newly */
    bool recovered; /* tasks start again */
    bool missing;   /* MISSING for longer than the grace, newly */
};

void ecs_state_described(struct ecs_state *state, const struct ecs_facts *facts, int64_t asked_ms,
                         int64_t now_ms, struct ecs_seen *ret_seen);
void ecs_state_missing(struct ecs_state *state, int64_t now_ms, struct ecs_seen *ret_seen);
/* The call failed as a whole; `text` is for people. */
void ecs_state_look_failed(struct ecs_state *state, const char *text);

/* The controller made `desired` of the new base: within the limits. */
void ecs_state_rebased(struct ecs_state *state, int64_t desired, int64_t now_ms);
/* The controller decided. */
void ecs_state_order(struct ecs_state *state, int64_t desired, int64_t now_ms);

/* The check for Application Auto Scaling: its answer, or ECS_AUTOSCALING_UNKNOWN when it failed for now. A
 * target that was found stays known while later checks fail. Returns true when that makes the service a
 * refused one. */
bool ecs_state_autoscaling(struct ecs_state *state, enum ecs_autoscaling answer, int64_t now_ms);

struct ecs_action {
    bool look;  /* DescribeServices now, out of turn */
    bool write; /* UpdateService with `desired`: call ecs_state_write_began() when it goes out */
    int64_t desired;
    int64_t wake_ms; /* ask again after so long even if nothing happens; -1: no need */
};
struct ecs_action ecs_state_next(const struct ecs_state *state, int64_t now_ms);

/* Returns whether it is a reassertion. */
bool ecs_state_write_began(struct ecs_state *state, int64_t desired, int64_t now_ms);
/* desired: what the reply says. */
void ecs_state_written(struct ecs_state *state, int64_t desired, int64_t now_ms);
/* jitter: 0 to 1, chance. */
void ecs_state_write_failed(struct ecs_state *state, enum aws_kind kind, const char *text, double jitter,
                            int64_t now_ms);

enum fleet_hold ecs_state_out_hold(const struct ecs_state *state, int64_t now_ms);
enum fleet_hold ecs_state_in_hold(const struct ecs_state *state, int64_t now_ms);

struct ecs_counts {
    int64_t ready;    /* runningCount */
    int64_t starting; /* ordered and not running, and likely to arrive */
    int64_t failing;  /* ordered and not running, and not likely to */
};
/* False while nothing is known. */
bool ecs_state_counts(const struct ecs_state *state, struct ecs_counts *ret_counts);

/* Whether the service has more than max tasks ordered, by a foreign hand. */
bool ecs_state_is_over_max(const struct ecs_state *state);

#endif
