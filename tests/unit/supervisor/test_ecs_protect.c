/* Protect, lower, watch: in invented time, against an ECS that is played here. */
#include "tests/unit/unit.h"

#include "base/strbuf.h"
#include "supervisor/ecs_protect.h"

#include <stdio.h>

enum { STALE_MS = 10000, START = 1000000, MINUTES = 5, TERM_MS = MINUTES * 60000, WAIT_MS = 60000 };
#define ARN "arn:aws:ecs:us-east-1:1:task/c/"

static struct task_account account;
static struct ecs_protect protect;

/* How a worker is. */
struct telling {
    int number;
    int64_t busy;
    bool protects_itself, is_protected, draining;
};

static void tell(const struct telling *t, int64_t now_ms)
{
    struct strbuf body = STRBUF_INIT;
    struct telemetry_line ready = {
        .type = TELEMETRY_READY, .worker = "w", .pid = 1, .capacity = 5, .started_ms = START};
    struct telemetry_line stats = {.type = TELEMETRY_STATS};
    (void)snprintf(ready.task, sizeof ready.task, ARN "%02d", t->number);
    stats.stats = (struct telemetry_stats){.t_ms = now_ms,
                                           .state = t->draining ? TELEMETRY_DRAINING : TELEMETRY_RUNNING,
                                           .busy = t->busy,
                                           .capacity = 5,
                                           .protects_itself = t->protects_itself,
                                           .is_protected = t->is_protected};
    telemetry_encode(&ready, &body);
    telemetry_encode(&stats, &body);
    ck_assert_int_eq(task_account_post(&account, body.data, body.len, now_ms), TASK_POST_TAKEN);
    strbuf_clean_up(&body);
}
#define TELL(now_ms, ...) tell(&(struct telling){__VA_ARGS__}, now_ms)

static void tell_all(int from, int to, int64_t busy, int64_t now_ms)
{
    for (int i = from; i < to; i++)
        TELL(now_ms, .number = i, .busy = busy);
}

static void start(void)
{
    struct ecs_protect_rules rules = {.enabled = true, .minutes = MINUTES, .wait_ms = WAIT_MS};
    task_account_clean_up(&account);
    task_account_init(&account, STALE_MS, 100, START);
    ecs_protect_init(&protect, &rules, START);
}

static struct ecs_protect_call next(bool needed, int64_t now_ms)
{
    return ecs_protect_next(&protect, &account, needed, now_ms);
}

/* ECS does what it was asked. */
static void grant(const struct ecs_protect_call *call, int64_t now_ms)
{
    struct ecs_protected_task done[ECS_PROTECT_MAX];
    for (size_t i = 0; i < call->count; i++)
        done[i] = (struct ecs_protected_task){.arn = call->tasks[i], .is_protected = call->enable};
    ecs_protect_reply(&protect, &account, AWS_KIND_OK, "", done, call->count, NULL, 0, now_ms);
}

/* Everything that is due, done; returns the number of tasks of that kind. */
static size_t run(bool needed, bool enable, int64_t now_ms)
{
    size_t count = 0;
    for (;;) {
        struct ecs_protect_call call = next(needed, now_ms);
        if (call.count == 0)
            return count;
        count += call.enable == enable ? call.count : 0;
        grant(&call, now_ms);
    }
}

static struct ecs_protect_verdict judge_running(int64_t from, int64_t to, int64_t running, int64_t ordered_ms,
                                                int64_t now_ms)
{
    struct ecs_shrink shrink = {.from = from,
                                .to = to,
                                .running = running,
                                .asked_ms = now_ms,
                                .ordered_ms = ordered_ms,
                                .written_ms = INT64_MIN};
    ecs_protect_want(&protect, true, ordered_ms);
    return ecs_protect_judge(&protect, &account, &shrink, now_ms);
}

static struct ecs_protect_verdict judge(int64_t from, int64_t to, int64_t ordered_ms, int64_t now_ms)
{
    return judge_running(from, to, from, ordered_ms, now_ms);
}

START_TEST(busy_tasks_are_protected_before_the_count_falls)
{
    start();
    tell_all(0, 4, 1, START + 1000);
    tell_all(4, 8, 0, START + 1000);
    struct ecs_protect_verdict verdict = judge(8, 2, START + 500, START + 1000);
    ck_assert_int_eq(verdict.lowest, 8);
    ck_assert_int_eq(verdict.why, ECS_PROTECT_EXPOSED);
    ck_assert_int_eq(verdict.exposed, 4);
    struct ecs_protect_call call = next(true, START + 1000);
    ck_assert(call.enable);
    ck_assert_uint_eq(call.count, 4);
    ck_assert_int_eq(judge(8, 2, START + 500, START + 1100).lowest, 8); /* asked for is not given */
    ck_assert_uint_eq(next(true, START + 1100).count, 0);               /* one call at a time */
    grant(&call, START + 1200);
    verdict = judge(8, 2, START + 500, START + 1200);
    ck_assert_int_eq(verdict.lowest, 2);
    ck_assert_int_eq(verdict.why, ECS_PROTECT_FREE);
}
END_TEST

START_TEST(nothing_is_protected_when_nothing_is_to_fall)
{
    start();
    tell_all(0, 8, 1, START);
    ck_assert_uint_eq(next(false, START).count, 0);
    ck_assert_uint_eq(protect.calls, 0);
}
END_TEST

START_TEST(ten_tasks_a_call)
{
    start();
    tell_all(0, 25, 1, START);
    static const size_t COUNTS[] = {10, 10, 5, 0};
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        struct ecs_protect_call call = next(true, START);
        ck_assert_uint_eq(call.count, COUNTS[i]);
        if (call.count > 0)
            grant(&call, START);
    }
    ck_assert_uint_eq(protect.granted, 25);
}
END_TEST

START_TEST(a_report_from_before_the_order_is_no_word_that_a_task_is_idle)
{
    start();
    tell_all(0, 8, 0, START);
    struct ecs_protect_verdict verdict = judge(8, 2, START + 1, START + 1000);
    ck_assert_int_eq(verdict.lowest, 8);
    ck_assert_int_eq(verdict.why, ECS_PROTECT_UNHEARD);
    ck_assert_int_eq(verdict.unheard, 8);
    tell_all(0, 8, 0, START + 1500);
    ck_assert_int_eq(judge(8, 2, START + 1, START + 1500).lowest, 2);
}
END_TEST

START_TEST(a_task_that_does_not_tell_is_not_idle)
{
    start();
    tell_all(0, 6, 0, START);
    struct ecs_protect_verdict verdict = judge(8, 2, START, START + 1000);
    ck_assert_int_eq(verdict.lowest, 8);
    ck_assert_int_eq(verdict.unheard, 2);
    /* After the wait: by those that are known to be idle, and they must be known now. */
    for (int64_t t = START; t <= START + WAIT_MS; t += 5000)
        tell_all(0, 6, 0, t);
    verdict = judge(8, 2, START, START + WAIT_MS);
    ck_assert(verdict.is_late);
    ck_assert_int_eq(verdict.lowest, 2);
    tell_all(0, 3, 1, START + WAIT_MS);
    verdict = judge(8, 2, START, START + WAIT_MS);
    ck_assert_int_eq(verdict.lowest, 8 - 3);
}
END_TEST

START_TEST(one_order_after_the_other_is_one_wait)
{
    start();
    tell_all(0, 8, 1, START);
    (void)judge(8, 5, START, START);
    for (int64_t t = START; t <= START + WAIT_MS; t += 5000) {
        tell_all(0, 7, 1, t);
        TELL(t, .number = 7);
    }
    struct ecs_protect_verdict verdict = judge(8, 2, START + WAIT_MS - 5000, START + WAIT_MS);
    ck_assert(verdict.is_late);
    ck_assert_int_eq(verdict.lowest, 7);
    ecs_protect_want(&protect, false, START + WAIT_MS);
    ck_assert(!judge(8, 2, START + WAIT_MS, START + WAIT_MS).is_late);
}
END_TEST

START_TEST(what_the_last_write_takes_away_is_not_taken_again)
{
    start();
    for (int64_t t = START; t <= START + WAIT_MS; t += 5000) {
        tell_all(0, 6, 1, t);
        tell_all(6, 8, 0, t);
    }
    (void)judge(8, 2, START, START);
    /* The look is older than the write that lowered to 6. */
    struct ecs_shrink shrink = {.from = 6,
                                .to = 2,
                                .running = 6,
                                .asked_ms = START + WAIT_MS - 1000,
                                .ordered_ms = START,
                                .written_ms = START + WAIT_MS};
    struct ecs_protect_verdict verdict = ecs_protect_judge(&protect, &account, &shrink, START + WAIT_MS);
    ck_assert_int_eq(verdict.lowest, 6);
    ck_assert_int_eq(verdict.why, ECS_PROTECT_STOPPING);
    ck_assert_int_eq(judge_running(6, 2, 8, START, START + WAIT_MS).lowest, 6); /* they still run */
}
END_TEST

START_TEST(without_a_word_the_arithmetic_decides_but_not_at_once)
{
    start();
    ck_assert_int_eq(judge(8, 2, START, START).lowest, 8);
    ck_assert_int_eq(judge(8, 2, START, START).why, ECS_PROTECT_NOBODY_TELLS);
    ck_assert_int_eq(judge(8, 2, START, START + WAIT_MS).lowest, 2);
    /* Once the first wait is over nobody waits for workers that never tell. */
    ecs_protect_want(&protect, false, START + WAIT_MS);
    ck_assert_int_eq(judge(8, 2, START + WAIT_MS + 1, START + WAIT_MS + 1).lowest, 2);
    /* Of workers that told and went silent the words are waited for again. */
    tell_all(0, 8, 1, START + WAIT_MS);
    ecs_protect_want(&protect, false, START + 2 * WAIT_MS);
    ck_assert_int_eq(judge(8, 2, START + 2 * WAIT_MS, START + 2 * WAIT_MS + 1).lowest, 8);
    ck_assert_int_eq(judge(8, 2, START + 2 * WAIT_MS, START + 3 * WAIT_MS).lowest, 2);
}
END_TEST

START_TEST(switched_off_it_asks_for_nothing_and_holds_nothing)
{
    start();
    protect.rules.enabled = false;
    tell_all(0, 8, 1, START);
    ck_assert_int_eq(judge(8, 2, START, START).lowest, 2);
    ck_assert_uint_eq(next(true, START).count, 0);
}
END_TEST

START_TEST(who_protects_itself_is_left_alone_and_waited_for)
{
    start();
    TELL(START, .number = 0, .busy = 1, .protects_itself = true);
    TELL(START, .number = 1, .busy = 1, .protects_itself = true, .is_protected = true);
    ck_assert_uint_eq(next(true, START).count, 0);
    struct ecs_protect_verdict verdict = judge(2, 1, START, START);
    ck_assert_int_eq(verdict.why, ECS_PROTECT_EXPOSED);
    ck_assert_int_eq(verdict.exposed, 1);
    TELL(START + 2000, .number = 0, .busy = 1, .protects_itself = true, .is_protected = true);
    ck_assert_int_eq(judge(2, 1, START, START + 2000).lowest, 1);
    /* Its own protection is not given back by us, idle or not. */
    TELL(START + 4000, .number = 0, .is_protected = true);
    TELL(START + 4000, .number = 1, .is_protected = true);
    ck_assert_uint_eq(next(true, START + 30000).count, 0);
    ck_assert_uint_eq(next(false, START + 30000).count, 0);
}
END_TEST

START_TEST(who_went_idle_is_given_back_but_not_at_the_first_look)
{
    start();
    tell_all(0, 3, 1, START);
    ck_assert_uint_eq(run(true, true, START), 3);
    TELL(START + 2000, .number = 1);
    struct ecs_protect_call call = next(true, START + 2000);
    ck_assert_uint_eq(call.count, 0);
    ck_assert_int_eq(call.wake_ms, ECS_PROTECT_IDLE_MS);
    TELL(START + 2000 + ECS_PROTECT_IDLE_MS, .number = 1);
    call = next(true, START + 2000 + ECS_PROTECT_IDLE_MS);
    ck_assert(!call.enable);
    ck_assert_uint_eq(call.count, 1);
    ck_assert_str_eq(call.tasks[0], ARN "01");
    grant(&call, START + 6000);
    /* Busy again while more tasks run than are desired: protected again. */
    TELL(START + 6000, .number = 1, .busy = 1);
    ck_assert_uint_eq(run(true, true, START + 6000), 1);
}
END_TEST

START_TEST(all_is_given_back_when_nothing_is_to_fall_any_more)
{
    start();
    tell_all(0, 12, 1, START);
    ck_assert_uint_eq(run(true, true, START), 12);
    ck_assert_uint_eq(run(false, false, START + 1000), 12);
    ck_assert_uint_eq(run(false, false, START + 2000), 0);
}
END_TEST

START_TEST(protection_is_renewed_when_half_of_it_is_gone)
{
    start();
    int count = 0;
    for (int64_t t = START; t < START + 4 * TERM_MS; t += 1000) {
        tell_all(0, 1, 1, t);
        size_t protected_now = run(true, true, t);
        count += (int)protected_now;
        /* At no time it ends. */
        ck_assert_int_eq(judge(1, 0, t, t).lowest, 0);
    }
    ck_assert_int_eq(count, 8);
}
END_TEST

START_TEST(what_ends_soon_is_not_counted_on)
{
    start();
    tell_all(0, 1, 1, START);
    (void)run(true, true, START);
    int64_t late_ms = START + TERM_MS - ECS_PROTECT_MARGIN_MS;
    tell_all(0, 1, 1, late_ms);
    ck_assert_int_eq(judge(1, 0, late_ms, late_ms).lowest, 1);
    ck_assert_int_eq(judge(1, 0, late_ms, late_ms).exposed, 1);
}
END_TEST

START_TEST(a_refusal_within_a_good_answer_is_no_protection)
{
    static const struct ecs_failure BLOCKED = {
        .arn = ARN "01", .reason = "DEPLOYMENT_BLOCKED", .detail = "too many"};
    start();
    tell_all(0, 2, 1, START);
    struct ecs_protect_call call = next(true, START);
    struct ecs_protected_task done = {.arn = ARN "00", .is_protected = true};
    ck_assert_uint_eq(call.count, 2);
    ecs_protect_reply(&protect, &account, AWS_KIND_OK, "", &done, 1, &BLOCKED, 1, START);
    ck_assert_str_eq(protect.refusal, "DEPLOYMENT_BLOCKED: too many");
    ck_assert_int_eq(judge(2, 1, START, START).exposed, 1);
    call = next(true, START + 1);
    ck_assert_uint_eq(call.count, 0);
    ck_assert_int_eq(call.wake_ms, ECS_PROTECT_REFUSED_MS - 1);
    tell_all(0, 2, 1, START + ECS_PROTECT_REFUSED_MS);
    call = next(true, START + ECS_PROTECT_REFUSED_MS);
    ck_assert_uint_eq(call.count, 1);
    /* An answer that says nothing of a task protects it neither, and is not followed by a storm. */
    ecs_protect_reply(&protect, &account, AWS_KIND_OK, "", NULL, 0, NULL, 0, START + ECS_PROTECT_REFUSED_MS);
    ck_assert_int_eq(judge(2, 1, START, START + ECS_PROTECT_REFUSED_MS).exposed, 1);
    ck_assert_uint_eq(next(true, START + ECS_PROTECT_REFUSED_MS + 1).count, 0);
}
END_TEST

START_TEST(failed_calls_wait_longer_each_time)
{
    static const int64_t WAITS[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    int64_t now_ms = START;
    start();
    for (size_t i = 0; i < sizeof WAITS / sizeof WAITS[0]; i++) {
        tell_all(0, 1, 1, now_ms);
        ck_assert_uint_eq(next(true, now_ms).count, 1);
        ecs_protect_reply(&protect, &account, AWS_KIND_THROTTLED, "slow down", NULL, 0, NULL, 0, now_ms);
        ck_assert_int_eq(next(true, now_ms).wake_ms, WAITS[i]);
        ck_assert_int_eq(judge(1, 0, now_ms, now_ms).exposed, 1);
        now_ms += WAITS[i];
    }
    ck_assert_str_eq(protect.error, "slow down");
    tell_all(0, 1, 1, now_ms);
    ck_assert_uint_eq(run(true, true, now_ms), 1);
    ck_assert_str_eq(protect.error, "");
    /* Without the permission it is no use to ask often. */
    start();
    tell_all(0, 1, 1, START);
    (void)next(true, START);
    ecs_protect_reply(&protect, &account, AWS_KIND_DENIED, "no", NULL, 0, NULL, 0, START);
    ck_assert_int_eq(next(true, START).wake_ms, ECS_PROTECT_RETRY_MAX_MS);
}
END_TEST

START_TEST(a_call_that_does_not_go_out_is_made_later)
{
    start();
    tell_all(0, 1, 1, START);
    ck_assert_uint_eq(next(true, START).count, 1);
    ecs_protect_cancel(&protect, &account);
    ck_assert_uint_eq(protect.calls, 0);
    ck_assert_uint_eq(next(true, START).count, 1);
}
END_TEST

START_TEST(silent_and_draining_tasks_are_nobody_to_protect)
{
    start();
    TELL(START, .number = 0, .busy = 1, .draining = true);
    TELL(START, .number = 1, .busy = 1);
    ck_assert_uint_eq(next(true, START + STALE_MS + 1).count, 0);
    TELL(START + STALE_MS + 1, .number = 0, .busy = 1, .draining = true);
    ck_assert_uint_eq(next(true, START + STALE_MS + 1).count, 0);
}
END_TEST

/* Tasks that get and finish work at random while the count is to fall: whatever ECS grants or refuses, the
 * count never falls below what is protected or idle, before the wait is over. */
START_TEST(random_work_is_never_exposed_before_the_wait_is_over)
{
    enum { TASKS = 20 };
    uint64_t random = 7;
    for (long round = 0; round < unit_steps(300); round++) {
        bool busy[TASKS];
        start();
        for (int64_t t = START; t < START + WAIT_MS; t += 1000) {
            for (int i = 0; i < TASKS; i++) {
                random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                busy[i] = (random >> 40) % 3 == 0;
                TELL(t, .number = i, .busy = busy[i]);
            }
            struct ecs_protect_call call = next(true, t);
            if (call.count > 0 && (random >> 50) % 4 == 0)
                ecs_protect_reply(&protect, &account, AWS_KIND_TRANSIENT, "reset", NULL, 0, NULL, 0, t);
            else if (call.count > 0)
                grant(&call, t);
            if (judge(TASKS, 2, START, t).lowest == TASKS)
                continue;
            for (size_t i = 0; i < account.count; i++)
                ck_assert(!task_is_busy(account.tasks[i]) || account.tasks[i]->guard.until_ms > t);
        }
    }
}
END_TEST

UNIT_MAIN(
    "ecs_protect", busy_tasks_are_protected_before_the_count_falls,
    nothing_is_protected_when_nothing_is_to_fall, ten_tasks_a_call,
    a_report_from_before_the_order_is_no_word_that_a_task_is_idle, a_task_that_does_not_tell_is_not_idle,
    one_order_after_the_other_is_one_wait, what_the_last_write_takes_away_is_not_taken_again,
    without_a_word_the_arithmetic_decides_but_not_at_once, switched_off_it_asks_for_nothing_and_holds_nothing,
    who_protects_itself_is_left_alone_and_waited_for, who_went_idle_is_given_back_but_not_at_the_first_look,
    all_is_given_back_when_nothing_is_to_fall_any_more, protection_is_renewed_when_half_of_it_is_gone,
    what_ends_soon_is_not_counted_on, a_refusal_within_a_good_answer_is_no_protection,
    failed_calls_wait_longer_each_time, a_call_that_does_not_go_out_is_made_later,
    silent_and_draining_tasks_are_nobody_to_protect, random_work_is_never_exposed_before_the_wait_is_over)
