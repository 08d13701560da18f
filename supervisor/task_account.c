/* Telemetry of the tasks of an ECS service; see task_account.h. */
#include "supervisor/task_account.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void task_account_init(struct task_account *account, int64_t stale_ms, size_t max, int64_t now_ms)
{
    *account = (struct task_account){.began_ms = now_ms, .stale_ms = stale_ms, .max = max};
}

static void free_task(struct task *task)
{
    worker_account_clean_up(&task->account);
    free(task->key);
    free(task);
}

void task_account_clean_up(struct task_account *account)
{
    for (size_t i = 0; i < account->count; i++)
        free_task(account->tasks[i]);
    free(account->tasks);
    account_totals_clean_up(&account->ended);
    *account = (struct task_account){.stale_ms = account->stale_ms, .max = account->max};
}

/* ---- the list ---- */

/* Where the key is, or would be. */
static size_t place_of(const struct task_account *account, const char *key, bool *ret_found)
{
    size_t low = 0;
    size_t high = account->count;
    *ret_found = false;
    while (low < high && !*ret_found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(account->tasks[middle]->key, key);
        if (order == 0) {
            low = middle;
            *ret_found = true;
        } else if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct task *task_account_find(const struct task_account *account, const char *key)
{
    bool found = false;
    size_t at = place_of(account, key, &found);
    return found ? account->tasks[at] : NULL;
}

static struct task *add_task(struct task_account *account, const char *key)
{
    bool found = false;
    size_t at = place_of(account, key, &found);
    struct task *task = xcalloc(1, sizeof *task);
    task->key = xstrdup(key);
    account->tasks = xrealloc(account->tasks, (account->count + 1) * sizeof(struct task *));
    memmove(&account->tasks[at + 1], &account->tasks[at], (account->count - at) * sizeof(struct task *));
    account->tasks[at] = task;
    account->count++;
    return task;
}

/* ---- counters ---- */

/* What it did since it was first heard. */
static struct telemetry_stats counters_of(const struct task *task)
{
    struct telemetry_stats sum = task->account.stats;
#define X(name) sum.name -= task->base.name;
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
    return sum;
}

/* The process ended: its sums stay. */
static void close_process(struct task_account *account, struct task *task)
{
    task->account.stats = counters_of(task);
    worker_account_close(&task->account, &account->ended);
    task->base = (struct telemetry_stats){.t_ms = 0};
}

static void remove_at(struct task_account *account, size_t at)
{
    struct task *task = account->tasks[at];
    close_process(account, task);
    free_task(task);
    account->count--;
    memmove(&account->tasks[at], &account->tasks[at + 1], (account->count - at) * sizeof(struct task *));
}

static int64_t silent_ms(const struct task *task, int64_t now_ms)
{
    return now_ms - (task->account.has_stats ? task->account.stats_at_ms : task->first_ms);
}

/* Those that were silent for so long end, or everybody silent when there is no room left. */
static void forget_silent(struct task_account *account, int64_t now_ms)
{
    int64_t least_ms = account->count >= account->max ? account->stale_ms : TASK_FORGET_MS;
    for (size_t i = account->count; i > 0; i--) {
        if (silent_ms(account->tasks[i - 1], now_ms) <= least_ms)
            continue;
        remove_at(account, i - 1);
        account->forgotten++;
    }
}

/* ---- one POST ---- */

struct post {
    struct task_account *account;
    int64_t now_ms;
    struct task *task; /* NULL until ready has named it */
    bool refused;      /* beyond the limit */
    bool bye;
};

static void take_ready(struct post *post, const struct telemetry_line *line)
{
    bool is_arn = line->task[0] != '\0';
    const char *key = is_arn ? line->task : line->worker;
    struct task *task = task_account_find(post->account, key);
    if (task == NULL) {
        forget_silent(post->account, post->now_ms);
        if (post->account->count >= post->account->max) {
            post->refused = true;
            return;
        }
        task = add_task(post->account, key);
    }
    bool is_new = task->first_ms == 0;
    if (is_new || task->pid != line->pid || task->started_ms != line->started_ms) {
        close_process(post->account, task);
        task->is_arn = is_arn;
        task->pid = line->pid;
        task->started_ms = line->started_ms;
        task->first_ms = post->now_ms;
        task->idle_ms = -1;
    }
    worker_account_take(&task->account, line, post->now_ms);
    post->task = task;
}

static void take_stats(struct post *post, const struct telemetry_line *line)
{
    struct task *task = post->task;
    bool is_first = !task->account.has_stats;
    if (!is_first && line->stats.t_ms < task->account.stats.t_ms) {
        post->account->late++;
        return;
    }
    if (is_first &&
        (task->started_ms < post->account->began_ms || post->now_ms - task->started_ms >= TASK_HEARD_LATE_MS))
        task->base = line->stats;
    worker_account_take(&task->account, line, post->now_ms);
    if (task_is_busy(task))
        task->idle_ms = -1;
    else if (task->idle_ms < 0)
        task->idle_ms = post->now_ms;
}

static void on_line(void *arg, const struct telemetry_line *line)
{
    struct post *post = arg;
    if (post->task == NULL && line->type == TELEMETRY_READY && !post->refused)
        take_ready(post, line);
    else if (post->task == NULL)
        return;
    else if (line->type == TELEMETRY_STATS)
        take_stats(post, line);
    else if (line->type == TELEMETRY_HIST)
        worker_account_take(&post->task->account, line, post->now_ms);
    else if (line->type == TELEMETRY_BYE)
        post->bye = true;
}

enum task_post task_account_post(struct task_account *account, const char *body, size_t len, int64_t now_ms)
{
    struct post post = {.account = account, .now_ms = now_ms};
    struct telemetry_reader reader = {.bad_lines = 0};
    if (len > 0)
        telemetry_reader_feed(&reader, body, len, on_line, &post);
    account->bad_lines += reader.bad_lines + (reader.pending.len > 0);
    telemetry_reader_clean_up(&reader);
    if (post.refused) {
        account->ignored++;
        return TASK_POST_TOO_MANY;
    }
    if (post.task == NULL) {
        account->bad++;
        return TASK_POST_BAD;
    }
    account->posts++;
    if (post.bye) {
        bool found = false;
        remove_at(account, place_of(account, post.task->key, &found));
    }
    return TASK_POST_TAKEN;
}

/* ---- questions ---- */

bool task_is_fresh(const struct task_account *account, const struct task *task, int64_t now_ms)
{
    return task->account.has_stats && now_ms - task->account.stats_at_ms <= account->stale_ms;
}

bool task_is_draining(const struct task *task)
{
    return task->account.stats.state == TELEMETRY_DRAINING;
}

bool task_is_busy(const struct task *task)
{
    const struct telemetry_stats *stats = &task->account.stats;
    return stats->busy > 0 || stats->waiting > 0 || stats->held > 0;
}

void task_account_view(const struct task_account *account, int64_t now_ms, struct task_view *ret_view)
{
    *ret_view = (struct task_view){.draining = 0};
    for (size_t i = 0; i < account->count; i++) {
        const struct task *task = account->tasks[i];
        if (!task_is_fresh(account, task, now_ms)) {
            ret_view->stale++;
        } else if (task_is_draining(task)) {
            ret_view->draining++;
        } else {
            account_gauges_add(&ret_view->gauges, &task->account, task->first_ms);
            ret_view->busy_tasks += task_is_busy(task);
            ret_view->protected_tasks += task->account.stats.is_protected > 0;
        }
    }
}

void task_account_counters(const struct task_account *account, struct telemetry_stats *ret_counters)
{
    *ret_counters = account->ended.counters;
    for (size_t i = 0; i < account->count; i++) {
        struct telemetry_stats counters = counters_of(account->tasks[i]);
        telemetry_add_counters(ret_counters, &counters);
    }
}

/* ---- status ---- */

static void write_task(const struct task_account *account, const struct task *task, int64_t now_ms,
                       struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_str(w, "name", task->key);
    jsonw_key_str(w, "state",
                  !task_is_fresh(account, task, now_ms) ? "silent"
                  : task_is_draining(task)              ? "draining"
                                                        : "ready");
    jsonw_key_int(w, "pid", task->pid);
    jsonw_key_int(w, "started_ms", task->started_ms);
    jsonw_key_int(w, "capacity", task->account.capacity);
    jsonw_key_int(w, "threads", task->account.threads);
    jsonw_key_int(w, "protected_by_us_for_ms",
                  task->guard.until_ms > now_ms ? task->guard.until_ms - now_ms : 0);
    worker_account_write(&task->account, now_ms, w);
    jsonw_end_object(w);
}

void task_account_write(const struct task_account *account, int64_t now_ms, size_t most, struct jsonw *w)
{
    struct account_totals totals = {.hists = NULL};
    account_totals_merge(&totals, &account->ended);
    for (size_t i = 0; i < account->count; i++)
        account_totals_add(&totals, &account->tasks[i]->account);
    task_account_counters(account, &totals.counters);
    jsonw_key(w, "totals");
    jsonw_object(w);
    account_totals_write(&totals, w);
    jsonw_key_int(w, "bad_telemetry_lines", (int64_t)account->bad_lines);
    jsonw_end_object(w);
    account_totals_write_times(&totals, w);
    account_totals_clean_up(&totals);
    jsonw_key(w, "workers");
    jsonw_array(w);
    for (size_t i = 0; i < account->count && i < most; i++)
        write_task(account, account->tasks[i], now_ms, w);
    jsonw_end_array(w);
}
