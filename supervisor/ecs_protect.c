/* Protect, lower, watch; see ecs_protect.h. */
#include "supervisor/ecs_protect.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE_MS = 60000 };

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void ecs_protect_init(struct ecs_protect *protect, const struct ecs_protect_rules *rules, int64_t now_ms)
{
    *protect = (struct ecs_protect){.rules = *rules, .began_ms = now_ms, .wanted_ms = INT64_MIN};
}

void ecs_protect_want(struct ecs_protect *protect, bool lower, int64_t now_ms)
{
    if (!lower)
        protect->wanted_ms = INT64_MIN;
    else if (protect->wanted_ms == INT64_MIN)
        protect->wanted_ms = now_ms;
}

/* Whether a lower count has waited for as long as it may. */
static bool is_late(const struct ecs_protect *protect, int64_t now_ms)
{
    return protect->wanted_ms != INT64_MIN && now_ms - protect->wanted_ms >= protect->rules.wait_ms;
}

/* ---- one task ---- */

static int64_t term_ms(const struct ecs_protect *protect)
{
    return (int64_t)protect->rules.minutes * MINUTE_MS;
}

static int64_t margin_ms(const struct ecs_protect *protect)
{
    return min_of(ECS_PROTECT_MARGIN_MS, term_ms(protect) / 2);
}

static bool is_ours(const struct task *task, int64_t now_ms)
{
    return task->guard.until_ms > now_ms;
}

static bool is_covered(const struct ecs_protect *protect, const struct task *task, int64_t now_ms)
{
    return task->account.stats.is_protected > 0 || task->guard.until_ms > now_ms + margin_ms(protect);
}

/* A worker may have been the first to ask: then it is its protection. */
static bool is_its_own_matter(const struct task *task)
{
    return task->account.stats.protects_itself > 0 || task->account.stats.is_protected > 0;
}

/* What is wanted of a task, and from when. */
enum wish { WISH_NOTHING, WISH_PROTECT, WISH_RELEASE };

static enum wish wish_of(const struct ecs_protect *protect, const struct task_account *account,
                         const struct task *task, bool needed, int64_t now_ms, int64_t *ret_from_ms)
{
    *ret_from_ms = task->guard.retry_ms;
    if (!task->is_arn || task->guard.on_wire || is_its_own_matter(task) ||
        !task_is_fresh(account, task, now_ms) || task_is_draining(task))
        return WISH_NOTHING;
    if (needed && task_is_busy(task)) {
        if (is_ours(task, now_ms))
            *ret_from_ms = max_of(*ret_from_ms, task->guard.sent_ms + term_ms(protect) / 2);
        return WISH_PROTECT;
    }
    if (!is_ours(task, now_ms))
        return WISH_NOTHING;
    if (needed)
        *ret_from_ms = max_of(*ret_from_ms, task->idle_ms + ECS_PROTECT_IDLE_MS);
    return WISH_RELEASE;
}

/* ---- calls ---- */

/* Fills a call with what is due; returns ms until more is, -1: never. */
static int64_t gather(const struct ecs_protect *protect, struct task_account *account, bool needed,
                      enum wish wish, int64_t now_ms, struct ecs_protect_call *call)
{
    int64_t wake_ms = -1;
    for (size_t i = 0; i < account->count && call->count < ECS_PROTECT_MAX; i++) {
        struct task *task = account->tasks[i];
        int64_t from_ms = 0;
        if (wish_of(protect, account, task, needed, now_ms, &from_ms) != wish)
            continue;
        from_ms = max_of(from_ms, protect->not_before_ms);
        if (from_ms > now_ms) {
            wake_ms = wake_ms < 0 ? from_ms - now_ms : min_of(wake_ms, from_ms - now_ms);
            continue;
        }
        task->guard.on_wire = true;
        call->tasks[call->count++] = task->key;
    }
    return wake_ms;
}

struct ecs_protect_call ecs_protect_next(struct ecs_protect *protect, struct task_account *account,
                                         bool needed, int64_t now_ms)
{
    struct ecs_protect_call call = {.wake_ms = -1};
    if (!protect->rules.enabled || protect->on_wire)
        return call;
    call.enable = true;
    int64_t protect_ms = gather(protect, account, needed, WISH_PROTECT, now_ms, &call);
    if (call.count == 0) {
        call.enable = false;
        int64_t release_ms = gather(protect, account, needed, WISH_RELEASE, now_ms, &call);
        call.wake_ms =
            protect_ms < 0 || (release_ms >= 0 && release_ms < protect_ms) ? release_ms : protect_ms;
    }
    if (call.count > 0) {
        protect->on_wire = true;
        protect->wire_enables = call.enable;
        protect->wire_ms = now_ms;
        protect->calls++;
        call.wake_ms = -1;
    }
    return call;
}

void ecs_protect_cancel(struct ecs_protect *protect, struct task_account *account)
{
    protect->on_wire = false;
    protect->calls--;
    for (size_t i = 0; i < account->count; i++)
        account->tasks[i]->guard.on_wire = false;
}

/* The whole call failed. It may have worked all the same: what was asked for is not counted on, but given
 * back later. */
static void note_failed_call(struct ecs_protect *protect, enum aws_kind kind, const char *text,
                             int64_t now_ms)
{
    int64_t wait_ms = ECS_PROTECT_RETRY_MAX_MS;
    bool may_pass = kind == AWS_KIND_THROTTLED || kind == AWS_KIND_TRANSIENT || kind == AWS_KIND_BAD_REPLY;
    if (may_pass && protect->misses < 6)
        wait_ms = (int64_t)ECS_PROTECT_RETRY_MIN_MS << protect->misses;
    protect->misses++;
    protect->failures++;
    protect->not_before_ms = now_ms + min_of(wait_ms, ECS_PROTECT_RETRY_MAX_MS);
    (void)snprintf(protect->error, sizeof protect->error, "%s", text);
}

/* An ARN, or an id that was asked for: the last part is the same. */
static struct task *find_by_arn(const struct task_account *account, const char *arn)
{
    struct task *task = task_account_find(account, arn);
    const char *id = strrchr(arn, '/');
    for (size_t i = 0; task == NULL && id != NULL && i < account->count; i++) {
        const char *other = strrchr(account->tasks[i]->key, '/');
        if (account->tasks[i]->guard.on_wire && other != NULL && strcmp(id, other) == 0)
            task = account->tasks[i];
    }
    return task;
}

static void note_task(struct ecs_protect *protect, struct task *task, bool is_protected)
{
    task->guard.retry_ms = 0;
    if (is_protected) {
        task->guard.sent_ms = protect->wire_ms;
        task->guard.until_ms = protect->wire_ms + term_ms(protect);
        protect->granted++;
    } else {
        task->guard.until_ms = 0;
        protect->released++;
    }
}

static void note_refusal(struct ecs_protect *protect, struct task *task, const struct ecs_failure *failure,
                         int64_t now_ms)
{
    protect->refused++;
    (void)snprintf(protect->refusal, sizeof protect->refusal, "%s%s%s", failure->reason,
                   failure->detail[0] != '\0' ? ": " : "", failure->detail);
    if (task != NULL)
        task->guard.retry_ms = now_ms + ECS_PROTECT_REFUSED_MS;
}

void ecs_protect_reply(struct ecs_protect *protect, struct task_account *account, enum aws_kind kind,
                       const char *text, const struct ecs_protected_task *tasks, size_t count,
                       const struct ecs_failure *failures, size_t failure_count, int64_t now_ms)
{
    protect->on_wire = false;
    if (kind == AWS_KIND_OK) {
        protect->misses = 0;
        protect->error[0] = '\0';
        for (size_t i = 0; i < failure_count; i++)
            note_refusal(protect, find_by_arn(account, failures[i].arn), &failures[i], now_ms);
        for (size_t i = 0; i < count; i++) {
            struct task *task = find_by_arn(account, tasks[i].arn);
            if (task != NULL && tasks[i].is_protected == protect->wire_enables)
                note_task(protect, task, tasks[i].is_protected);
        }
    } else {
        note_failed_call(protect, kind, text, now_ms);
    }
    for (size_t i = 0; i < account->count; i++) {
        struct task *task = account->tasks[i];
        /* Told of neither way: not counted on, and not asked again at once. */
        if (kind == AWS_KIND_OK && task->guard.on_wire && task->guard.retry_ms <= now_ms &&
            is_ours(task, now_ms) != protect->wire_enables)
            task->guard.retry_ms = now_ms + ECS_PROTECT_REFUSED_MS;
        task->guard.on_wire = false;
    }
}

/* ---- how far the count may fall ---- */

struct tally {
    int64_t told, idle, exposed;
};

/* What was told since the order: a report from before it may be of a worker that has got work since. */
static struct tally count_tasks(const struct ecs_protect *protect, const struct task_account *account,
                                int64_t since_ms, int64_t now_ms)
{
    struct tally tally = {.told = 0};
    for (size_t i = 0; i < account->count; i++) {
        const struct task *task = account->tasks[i];
        if (!task_is_fresh(account, task, now_ms) || task_is_draining(task))
            continue;
        bool told = task->account.stats_at_ms >= since_ms;
        tally.told += told;
        tally.idle += told && !task_is_busy(task);
        tally.exposed += task_is_busy(task) && !is_covered(protect, task, now_ms);
    }
    return tally;
}

/* Nobody tells: a supervisor that has just started waits for the first words, and one that nobody speaks to
 * any more for some time; then the queue's arithmetic stands. */
static bool may_go_unheard(const struct ecs_protect *protect, const struct task_account *account,
                           int64_t now_ms)
{
    return account->posts > 0 ? is_late(protect, now_ms)
                              : now_ms - protect->began_ms >= protect->rules.wait_ms;
}

struct ecs_protect_verdict ecs_protect_judge(const struct ecs_protect *protect,
                                             const struct task_account *account,
                                             const struct ecs_shrink *shrink, int64_t now_ms)
{
    struct ecs_protect_verdict verdict = {.lowest = shrink->to, .wake_ms = -1};
    struct task_view view;
    if (!protect->rules.enabled || shrink->to >= shrink->from)
        return verdict;
    task_account_view(account, now_ms, &view);
    if (view.gauges.workers == 0 && may_go_unheard(protect, account, now_ms))
        return verdict;
    struct tally tally = count_tasks(protect, account, shrink->ordered_ms, now_ms);
    bool is_stopping = shrink->running > shrink->from ||
                       (shrink->written_ms != INT64_MIN && shrink->asked_ms <= shrink->written_ms);
    verdict.exposed = tally.exposed;
    verdict.unheard = max_of(shrink->running - tally.told, 0);
    verdict.why = view.gauges.workers == 0 ? ECS_PROTECT_NOBODY_TELLS
                  : tally.exposed > 0      ? ECS_PROTECT_EXPOSED
                  : verdict.unheard > 0    ? ECS_PROTECT_UNHEARD
                                           : ECS_PROTECT_FREE;
    if (verdict.why == ECS_PROTECT_FREE)
        return verdict;
    verdict.lowest = shrink->from;
    verdict.wake_ms = ECS_PROTECT_LOOK_MS;
    if (!is_late(protect, now_ms))
        return verdict;
    verdict.is_late = true;
    /* The idle ones may be those that the last write takes away. */
    if (is_stopping)
        verdict.why = ECS_PROTECT_STOPPING;
    else
        verdict.lowest = max_of(shrink->to, shrink->from - tally.idle);
    return verdict;
}

const char *ecs_protect_why_name(enum ecs_protect_why why)
{
    static const char *const NAMES[ECS_PROTECT_WHY_MAX] = {
        [ECS_PROTECT_NOBODY_TELLS] = "no_task_tells",
        [ECS_PROTECT_UNHEARD] = "tasks_not_heard_since_the_order",
        [ECS_PROTECT_EXPOSED] = "busy_tasks_without_protection",
        [ECS_PROTECT_STOPPING] = "tasks_still_stop",
    };
    return NAMES[why];
}
