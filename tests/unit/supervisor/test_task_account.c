/* What tasks tell by HTTP: sums that do not fall or leap, silence that is not idleness, bounds. */
#include "tests/unit/unit.h"

#include "base/strbuf.h"
#include "supervisor/task_account.h"

#include <stdio.h>

enum { STALE_MS = 10000, START = 1000000 };

static struct task_account account;

/* One POST of a worker: ready, stats, and bye when it leaves. */
struct telling {
    const char *task;
    int64_t pid, started_ms, t_ms;
    int64_t busy, held, completed, received;
    bool draining, bye;
};

static enum task_post tell(const struct telling *t, int64_t now_ms)
{
    struct strbuf body = STRBUF_INIT;
    struct telemetry_line ready = {.type = TELEMETRY_READY,
                                   .worker = "w",
                                   .pid = (pid_t)(t->pid != 0 ? t->pid : 1),
                                   .threads = 100,
                                   .capacity = 5,
                                   .started_ms = t->started_ms != 0 ? t->started_ms : START};
    struct telemetry_line stats = {.type = TELEMETRY_STATS};
    struct telemetry_line bye = {.type = TELEMETRY_BYE, .reason = "drained"};
    (void)snprintf(ready.task, sizeof ready.task, "%s", t->task);
    stats.stats = (struct telemetry_stats){.t_ms = t->t_ms != 0 ? t->t_ms : now_ms,
                                           .state = t->draining ? TELEMETRY_DRAINING : TELEMETRY_RUNNING,
                                           .busy = t->busy,
                                           .held = t->held,
                                           .capacity = 5,
                                           .completed = t->completed,
                                           .received = t->received};
    telemetry_encode(&ready, &body);
    telemetry_encode(&stats, &body);
    if (t->bye)
        telemetry_encode(&bye, &body);
    enum task_post post = task_account_post(&account, body.data, body.len, now_ms);
    strbuf_clean_up(&body);
    return post;
}
#define TELL(now_ms, ...) tell(&(struct telling){__VA_ARGS__}, now_ms)

static void start(size_t max)
{
    task_account_init(&account, STALE_MS, max, START);
}

static int64_t completed(void)
{
    struct telemetry_stats counters;
    task_account_counters(&account, &counters);
    return counters.completed;
}

static struct task_view view_at(int64_t now_ms)
{
    struct task_view view;
    task_account_view(&account, now_ms, &view);
    return view;
}

START_TEST(sums_do_not_fall_when_workers_end)
{
    start(10);
    (void)TELL(START + 1000, .task = "a", .completed = 10);
    (void)TELL(START + 1000, .task = "b", .completed = 5);
    ck_assert_int_eq(completed(), 15);
    (void)TELL(START + 2000, .task = "a", .completed = 12, .bye = true);
    ck_assert_int_eq(completed(), 17);
    ck_assert_uint_eq(account.count, 1);
    ck_assert_int_eq(view_at(START + 2000).gauges.workers, 1);
    /* Another process of the same name counts from its own start. */
    (void)TELL(START + 3000, .task = "b", .started_ms = START + 2500, .completed = 1);
    ck_assert_int_eq(completed(), 18);
    (void)TELL(START + 4000, .task = "b", .started_ms = START + 2500, .pid = 2, .completed = 2);
    ck_assert_int_eq(completed(), 20);
    task_account_clean_up(&account);
}
END_TEST

START_TEST(a_worker_that_has_worked_before_does_not_make_the_sums_leap)
{
    start(10);
    int64_t now_ms = START + TASK_HEARD_LATE_MS;
    (void)TELL(now_ms, .task = "a", .completed = 100000);
    ck_assert_int_eq(completed(), 0);
    (void)TELL(now_ms + 2000, .task = "a", .completed = 100007);
    ck_assert_int_eq(completed(), 7);
    (void)TELL(now_ms + 4000, .task = "a", .completed = 100009, .bye = true);
    ck_assert_int_eq(completed(), 9);
    (void)TELL(now_ms, .task = "b", .started_ms = now_ms - 1000, .completed = 3);
    ck_assert_int_eq(completed(), 12);
    task_account_clean_up(&account);
    start(10);
    (void)TELL(START + 1000, .task = "c", .started_ms = START - 1,
               .completed = 50); /* before we were there */
    (void)TELL(START + 1000, .task = "d", .started_ms = START + 1, .completed = 2);
    ck_assert_int_eq(completed(), 2);
    task_account_clean_up(&account);
}
END_TEST

START_TEST(silence_is_unknown_and_not_idle)
{
    start(10);
    (void)TELL(START, .task = "a", .busy = 3);
    (void)TELL(START, .task = "b", .busy = 2);
    (void)TELL(START + STALE_MS, .task = "b", .busy = 2);
    struct task_view view = view_at(START + STALE_MS);
    ck_assert_int_eq(view.gauges.workers, 2);
    ck_assert_int_eq(view.gauges.busy, 5);
    ck_assert_int_eq(view.gauges.oldest_ms, START);
    view = view_at(START + STALE_MS + 1);
    ck_assert_int_eq(view.gauges.workers, 1);
    ck_assert_int_eq(view.gauges.busy, 2);
    ck_assert_int_eq(view.stale, 1);
    (void)TELL(START + STALE_MS + 2, .task = "a", .busy = 1);
    ck_assert_int_eq(view_at(START + STALE_MS + 2).gauges.busy, 3);
    task_account_clean_up(&account);
}
END_TEST

START_TEST(draining_ones_are_none_of_the_fleet_any_more)
{
    start(10);
    (void)TELL(START, .task = "a", .busy = 3, .draining = true);
    struct task_view view = view_at(START);
    ck_assert_int_eq(view.gauges.workers, 0);
    ck_assert_int_eq(view.draining, 1);
    task_account_clean_up(&account);
}
END_TEST

START_TEST(a_line_that_a_younger_one_overtook_changes_nothing)
{
    start(10);
    (void)TELL(START + 2000, .task = "a", .busy = 1, .completed = 4);
    (void)TELL(START + 2500, .task = "a", .t_ms = START + 1000, .busy = 0, .completed = 2);
    ck_assert_int_eq(view_at(START + 2500).gauges.busy, 1);
    ck_assert_int_eq(completed(), 4);
    ck_assert_uint_eq(account.late, 1);
    task_account_clean_up(&account);
}
END_TEST

START_TEST(workers_beyond_the_limit_are_counted_and_the_silent_make_room)
{
    start(2);
    ck_assert_int_eq(TELL(START, .task = "a", .completed = 1), TASK_POST_TAKEN);
    ck_assert_int_eq(TELL(START, .task = "b", .completed = 1), TASK_POST_TAKEN);
    ck_assert_int_eq(TELL(START, .task = "c", .completed = 1), TASK_POST_TOO_MANY);
    ck_assert_uint_eq(account.ignored, 1);
    ck_assert_int_eq(TELL(START, .task = "a", .completed = 2), TASK_POST_TAKEN);
    (void)TELL(START + STALE_MS + 1, .task = "b", .completed = 2);
    ck_assert_int_eq(TELL(START + STALE_MS + 1, .task = "c", .started_ms = START + STALE_MS),
                     TASK_POST_TAKEN);
    ck_assert_ptr_null(task_account_find(&account, "a"));
    ck_assert_uint_eq(account.forgotten, 1);
    ck_assert_int_eq(completed(), 4);
    task_account_clean_up(&account);
}
END_TEST

START_TEST(a_post_must_name_its_worker)
{
    static const char STATS_ALONE[] = "{\"v\":1,\"type\":\"bye\",\"reason\":\"x\",\"returned\":0}\n";
    static const char CUT[] = "{\"v\":1,\"type\":\"ready\",\"worker\":\"w\",\"pid\":1,\"threads\":1,\"capa";
    start(2);
    ck_assert_int_eq(task_account_post(&account, "", 0, START), TASK_POST_BAD);
    ck_assert_int_eq(task_account_post(&account, "garbage\n", 8, START), TASK_POST_BAD);
    ck_assert_int_eq(task_account_post(&account, STATS_ALONE, sizeof STATS_ALONE - 1, START), TASK_POST_BAD);
    ck_assert_int_eq(task_account_post(&account, CUT, sizeof CUT - 1, START), TASK_POST_BAD);
    ck_assert_uint_eq(account.bad, 4);
    ck_assert_uint_eq(account.bad_lines, 2);
    ck_assert_uint_eq(account.count, 0);
    task_account_clean_up(&account);
}
END_TEST

START_TEST(what_is_in_hand_is_busy_and_idleness_has_a_beginning)
{
    start(2);
    (void)TELL(START, .task = "a", .held = 1);
    const struct task *task = task_account_find(&account, "a");
    ck_assert(task_is_busy(task));
    ck_assert_int_eq(task->idle_ms, -1);
    (void)TELL(START + 1000, .task = "a");
    (void)TELL(START + 2000, .task = "a");
    ck_assert(!task_is_busy(task));
    ck_assert_int_eq(task->idle_ms, START + 1000);
    (void)TELL(START + 3000, .task = "a", .busy = 1);
    ck_assert_int_eq(task->idle_ms, -1);
    task_account_clean_up(&account);
}
END_TEST

START_TEST(random_fleets_keep_their_sums)
{
    enum { TASKS = 40 };
    static const char *const NAMES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    int64_t counts[TASKS] = {0};
    int64_t starts[TASKS] = {0};
    int64_t truth = 0;
    int64_t last = 0;
    uint64_t random = 42;
    start(TASKS);
    for (long step = 0; step < unit_steps(20000); step++) {
        int64_t now_ms = START + step * 10;
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t at = (size_t)(random >> 33) % TASKS;
        char name[2] = {NAMES[at], '\0'};
        if (starts[at] == 0) {
            starts[at] = now_ms;
            counts[at] = 0;
        }
        int64_t more = (int64_t)(random >> 40) % 3;
        counts[at] += more;
        truth += more;
        bool ends = (random >> 50) % 16 == 0;
        (void)TELL(now_ms, .task = name, .started_ms = starts[at], .completed = counts[at], .bye = ends);
        if (ends)
            starts[at] = 0;
        ck_assert_int_eq(completed(), truth);
        ck_assert_int_ge(completed(), last);
        last = completed();
    }
    task_account_clean_up(&account);
}
END_TEST

UNIT_MAIN("task_account", sums_do_not_fall_when_workers_end,
          a_worker_that_has_worked_before_does_not_make_the_sums_leap, silence_is_unknown_and_not_idle,
          draining_ones_are_none_of_the_fleet_any_more, a_line_that_a_younger_one_overtook_changes_nothing,
          workers_beyond_the_limit_are_counted_and_the_silent_make_room, a_post_must_name_its_worker,
          what_is_in_hand_is_busy_and_idleness_has_a_beginning, random_fleets_keep_their_sums)
