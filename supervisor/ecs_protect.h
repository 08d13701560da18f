/*
 * Busy tasks are not stopped by a scale-in: which tasks of a service ECS is asked to protect, which to give
 * back, and how far the desired count may fall meanwhile. A pure state machine over what the tasks tell
 * (task_account.h); time is an argument (product time, epoch ms), ecs_fleet.h makes the calls.
 *
 * ECS chooses itself which tasks it stops, but none that is protected (Amazon ECS Developer Guide, "Protect
 * your Amazon ECS tasks from being terminated by scale-in events"). So:
 * - Protect, then lower: while a lower desired count is wanted, every busy task is protected, and the count
 * falls once everybody has told how it is since the order and no busy task is unprotected.
 * - Then watch: while more tasks run than are desired, busy ones stay protected and those that went idle are
 * given back, for ECS to stop. ECS refuses new protection then when more are protected than desired
 * (DEPLOYMENT_BLOCKED), which is why it comes first.
 * - Protection ends by itself after some minutes, in case that the supervisor dies, and is renewed when half
 * of that is gone.
 * - A worker that protects itself is left alone: neither protected by us, which would shorten its own term,
 * nor given back.
 * - What cannot be made safe holds the count for wait_ms; then it falls by as many tasks as are known to be
 * idle, and no further. Only when nobody tells anything any more does the queue's arithmetic decide, as it
 * does without telemetry.
 *
 * Not thread-safe.
 */
#ifndef SLUICE_SUPERVISOR_ECS_PROTECT_H
#define SLUICE_SUPERVISOR_ECS_PROTECT_H

#include "aws/ecs.h"
#include "supervisor/task_account.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ECS_PROTECT_MARGIN_MS = 30000,    /* protection that ends sooner than this is not counted on */
    ECS_PROTECT_REFUSED_MS = 10000,   /* a task that ECS refused is asked for again after this */
    ECS_PROTECT_RETRY_MIN_MS = 1000,  /* wait after a failed call, doubled ... */
    ECS_PROTECT_RETRY_MAX_MS = 60000, /* ... up to this */
    ECS_PROTECT_IDLE_MS = 3000, /* idle for so long before it is given back: one look may miss a message */
    ECS_PROTECT_LOOK_MS = 1000  /* how soon to ask again while the count is held */
};

struct ecs_protect_rules {
    bool enabled;    /* telemetry is listened for, and protection not switched off */
    int minutes;     /* asked for, 1..2880 */
    int64_t wait_ms; /* how long a lower count is held at most for tasks that cannot be made safe */
};

struct ecs_protect {
    struct ecs_protect_rules rules;
    int64_t began_ms;
    bool on_wire; /* one call at a time */
    bool wire_enables;
    int64_t wire_ms;   /* when it went out */
    int64_t wanted_ms; /* a lower count is wanted since then; INT64_MIN: none is */
    int64_t not_before_ms;
    int misses; /* calls that failed in a row */
    uint64_t calls, failures;
    uint64_t granted, released, refused; /* tasks */
    char refusal[160];                   /* ECS's words for the last task that it refused, "" */
    char error[256];                     /* of the last call, "" after success */
};

void ecs_protect_init(struct ecs_protect *protect, const struct ecs_protect_rules *rules, int64_t now_ms);

/* ---- calls ---- */

/* What to ask ECS for. */
struct ecs_protect_call {
    bool enable;
    size_t count; /* 0: nothing now */
    const char *tasks[ECS_PROTECT_MAX];
    int64_t wake_ms; /* without a call: ask again after so long; -1: no need */
};

/* needed: a lower count is wanted, or more tasks run than desired. The tasks of a call are on the wire from
 * then on, until ecs_protect_reply(). */
struct ecs_protect_call ecs_protect_next(struct ecs_protect *protect, struct task_account *account,
                                         bool needed, int64_t now_ms);
/* That call does not go out after all. */
void ecs_protect_cancel(struct ecs_protect *protect, struct task_account *account);
/* text: for people, of a call that failed. */
void ecs_protect_reply(struct ecs_protect *protect, struct task_account *account, enum aws_kind kind,
                       const char *text, const struct ecs_protected_task *tasks, size_t count,
                       const struct ecs_failure *failures, size_t failure_count, int64_t now_ms);

/* ---- how far the count may fall ---- */

/* To be told before ecs_protect_judge(): whether a lower count is wanted. One order after the other is one
 * wait. */
void ecs_protect_want(struct ecs_protect *protect, bool lower, int64_t now_ms);

struct ecs_shrink {
    int64_t from, to;   /* desired now and wanted */
    int64_t running;    /* runningCount ... */
    int64_t asked_ms;   /* ... told by a look that went out then */
    int64_t ordered_ms; /* when `to` was ordered */
    int64_t written_ms; /* end of the last write; INT64_MIN: none */
};

enum ecs_protect_why {
    ECS_PROTECT_FREE, /* nothing against it */
    ECS_PROTECT_NOBODY_TELLS,
    ECS_PROTECT_UNHEARD,  /* some tasks have not told how they are since the order */
    ECS_PROTECT_EXPOSED,  /* busy tasks are not protected */
    ECS_PROTECT_STOPPING, /* what the last write takes away has not stopped yet */
    ECS_PROTECT_WHY_MAX
};

struct ecs_protect_verdict {
    int64_t lowest; /* the count may fall to this now; `from`: not at all */
    enum ecs_protect_why why;
    bool is_late;    /* the wait is over: lowest is what the idle ones allow */
    int64_t exposed; /* busy tasks without protection */
    int64_t unheard; /* running tasks of which nothing is known since the order */
    int64_t wake_ms; /* ask again after so long; -1: no need */
};
struct ecs_protect_verdict ecs_protect_judge(const struct ecs_protect *protect,
                                             const struct task_account *account,
                                             const struct ecs_shrink *shrink, int64_t now_ms);

/* "busy_unprotected" ...; NULL for ECS_PROTECT_FREE. */
const char *ecs_protect_why_name(enum ecs_protect_why why);

#endif
