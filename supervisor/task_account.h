/*
 * What the workers of an ECS service tell by HTTP: one account a worker, by the ARN of its task, sums that do
 * not fall when a worker ends, and who has gone silent. Pure: time is an argument (product time, epoch ms).
 * Not thread-safe.
 *
 * The rules that it keeps:
 * - A worker that has been silent for stale_ms is unknown, not idle: its gauges count for nothing, and the
 * fleet is not covered without it.
 * - The same name with another start is another process: what the first one counted goes to the sums.
 * - Of a worker that has worked before it was first heard (the supervisor was started anew) only what it does
 * from then on is summed, so that the sums do not leap.
 * - Workers beyond the limit are ignored and counted.
 */
#ifndef SLUICE_SUPERVISOR_TASK_ACCOUNT_H
#define SLUICE_SUPERVISOR_TASK_ACCOUNT_H

#include "supervisor/worker_account.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TASK_ACCOUNT_MAX = 5000,        /* ECS's own quota of tasks a service */
    TASK_FORGET_MS = 3600000,       /* silent for so long: its account is closed */
    TASK_HEARD_LATE_MS = 10000,     /* first heard so long after its start: it has worked before */
    TASK_POST_BYTES_MAX = 32 * 1024 /* ready, stats, three distributions and bye, 4 KiB each at most */
};

/* Our task scale-in protection of a task; belongs to ecs_protect.h. */
struct task_guard {
    int64_t sent_ms;  /* of the last call that protected it */
    int64_t until_ms; /* when that ends by itself; 0: not protected by us */
    int64_t retry_ms; /* no call for it before that time */
    bool on_wire;
};

struct task {
    char *key; /* owned: ARN of the task, else the worker's name */
    bool is_arn;
    int64_t pid, started_ms; /* which process it is */
    int64_t first_ms;        /* heard first */
    int64_t idle_ms;         /* idle since then, as far as it told; -1: it is busy */
    struct worker_account account;
    struct telemetry_stats base; /* counters when it was first heard, if it had worked before */
    struct task_guard guard;
};

struct task_account {
    int64_t began_ms; /* a worker that was started before has worked unheard */
    int64_t stale_ms;
    size_t max;
    struct task **tasks; /* owned, by key */
    size_t count;
    struct account_totals ended;
    uint64_t posts; /* taken */
    uint64_t bad;   /* POSTs without a ready line */
    uint64_t bad_lines;
    uint64_t late;    /* stats lines that a younger one had overtaken */
    uint64_t ignored; /* POSTs of workers beyond max */
    uint64_t forgotten;
};

void task_account_init(struct task_account *account, int64_t stale_ms, size_t max, int64_t now_ms);
void task_account_clean_up(struct task_account *account);

enum task_post { TASK_POST_TAKEN, TASK_POST_BAD, TASK_POST_TOO_MANY };
/* Takes the lines of one POST in: first ready, which names the worker, then what it has to tell. */
enum task_post task_account_post(struct task_account *account, const char *body, size_t len, int64_t now_ms);

/* NULL: not known. */
struct task *task_account_find(const struct task_account *account, const char *key);

/* Whether it told how it is, and lately. */
bool task_is_fresh(const struct task_account *account, const struct task *task, int64_t now_ms);
bool task_is_draining(const struct task *task);
/* Whether it has messages in hand: what a worker itself takes for a reason to be protected. */
bool task_is_busy(const struct task *task);

/* The workers that are fresh and do not drain. */
struct task_view {
    struct account_gauges gauges; /* gauges.workers of them */
    int64_t draining, stale;      /* the others */
    int64_t busy_tasks;           /* of the fresh ones, those with messages in hand */
    int64_t protected_tasks;      /* of the fresh ones, those that say that they are */
};
void task_account_view(const struct task_account *account, int64_t now_ms, struct task_view *ret_view);

/* Sums of all processes that were ever heard, histograms left out. */
void task_account_counters(const struct task_account *account, struct telemetry_stats *ret_counters);

/* Writes "totals" and "times" as members of the object that w is in, and "workers": at most `most` of them.
 */
void task_account_write(const struct task_account *account, int64_t now_ms, size_t most, struct jsonw *w);

#endif
