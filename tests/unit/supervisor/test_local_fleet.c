/* A local fleet with real processes (shell scripts that speak telemetry): what it tells, how it stops, its
 * floors of real time. Nothing waits for a deadline: those are read off the timers. */
#include "tests/unit/unit.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/local_fleet_internal.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY                                                                                                \
    "echo '{\"v\":1,\"type\":\"ready\",\"worker\":\"w\",\"pid\":1,\"threads\":1,\"capacity\":5}' >&3;"
#define COUNTERS                                                                                             \
    "\"received\":0,\"completed\":9007199254740992,\"failed\":0,\"deleted\":0,\"returned\":0,\"extended\":"  \
    "0,"                                                                                                     \
    "\"lease_lost\":0,\"redelivered\":0,\"receives\":0,\"receives_full\":0,\"receives_empty\":0,\"handle_"   \
    "ms_sum\":0,"                                                                                            \
    "\"wait_ms_sum\":0"
#define STATS                                                                                                \
    "echo "                                                                                                  \
    "'{\"v\":1,\"type\":\"stats\",\"t_ms\":1,\"state\":\"running\",\"busy\":4,\"waiting\":1,\"held\":5,"     \
    "\"capacity\":5,\"last_receive_age_ms\":0," COUNTERS "}' >&3;"

static char g_dir[64];
static struct event_base *g_base;
static struct reaper *g_reaper;
static struct orphans *g_orphans;
static char *g_command[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, NULL, NULL};
static char *g_env[] = {NULL, NULL};
static char g_env_dir[80];
static struct config_local g_config;

static void on_empty(void *arg)
{
    *(bool *)arg = true;
}

static bool g_empty;

static struct local_fleet *make_fleet(const char *script, int64_t desired)
{
    (void)snprintf(g_dir, sizeof g_dir, "/tmp/sluice-fleet-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(g_dir));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/workers", g_dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    (void)snprintf(g_env_dir, sizeof g_env_dir, "DIR=%s", g_dir);
    g_env[0] = g_env_dir;
    g_command[2] = (char *)(uintptr_t)script;
    ck_assert_int_eq(clock_init_from("20@1700000000000", NULL), 0);
    log_init("test", LOG_LEVEL_MAX, LOG_PLAIN);
    g_base = loop_base_new();
    g_reaper = reaper_new(g_base);
    g_orphans = orphans_new(g_base, g_dir);
    g_empty = false;
    g_config = (struct config_local){.command = g_command,
                                     .env = g_env,
                                     .start_grace_ms = 3600000,
                                     .stop_grace_ms = 1000,
                                     .hung_after_ms = 3000,
                                     .healthy_after_ms = 3600000,
                                     .restart_min_ms = 3600000,
                                     .restart_max_ms = 3600000,
                                     .telemetry = TELEMETRY_LINES,
                                     .log = WORKER_LOG_DISCARD,
                                     .log_lines_per_s = 500};
    struct local_fleet_options options = {.base = g_base,
                                          .reaper = g_reaper,
                                          .orphans = g_orphans,
                                          .state_dir = g_dir,
                                          .name = "orders",
                                          .config = &g_config,
                                          .seed = 1,
                                          .on_empty = on_empty,
                                          .arg = &g_empty};
    struct local_fleet *fleet = local_fleet_new(&options);
    local_fleet_set_queue_url(fleet, "http://127.0.0.1:1/1/orders");
    local_fleet_set_desired(fleet, desired);
    return fleet;
}

/* Turns the loop until the condition holds; 30 s guard against hanging. */
#define TURN_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        for (int turn_ = 0; turn_ < 15000 && !(condition); turn_++) {                                        \
            (void)event_base_loop(g_base, EVLOOP_NONBLOCK);                                                  \
            (void)usleep(2000);                                                                              \
        }                                                                                                    \
        ck_assert_msg((condition), "%s", #condition);                                                        \
    } while (0)

static int64_t count_ready(const struct local_fleet *fleet)
{
    struct local_fleet_counts counts;
    local_fleet_get_counts(fleet, &counts);
    return counts.ready;
}

/* Kills everything that is left, and frees. */
static void end_fleet(struct local_fleet *fleet)
{
    local_fleet_stop(fleet);
    local_fleet_hurry(fleet);
    TURN_UNTIL(g_empty);
    local_fleet_destroy(fleet);
    orphans_destroy(g_orphans);
    reaper_destroy(g_reaper);
    event_base_free(g_base);
    ck_assert_int_eq(clock_init_from(NULL, NULL), 0);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", g_dir);
    ck_assert_int_eq(system(command), 0);
}

static struct observation observe(const struct local_fleet *fleet)
{
    struct observation obs;
    observation_init(&obs);
    local_fleet_observe(fleet, clock_product_ms(), &obs);
    return obs;
}

static bool all_told(const struct local_fleet *fleet)
{
    for (size_t i = 0; i < fleet->slot_count; i++)
        if (!fleet->slots[i]->account.has_stats)
            return false;
    return fleet->slot_count > 0;
}

START_TEST(busy_is_told_only_while_every_place_is_ready)
{
    struct local_fleet *fleet = make_fleet(READY STATS "exec sleep 600", 3);
    ck_assert(!observe(fleet).busy.known); /* starting */
    TURN_UNTIL(all_told(fleet) && count_ready(fleet) == 3);
    struct observation obs = observe(fleet);
    ck_assert(obs.busy.known && obs.waiting.known && obs.worker_capacity.known);
    ck_assert_int_eq(obs.busy.value, 12);
    ck_assert_int_eq(obs.waiting.value, 3);
    ck_assert_int_eq(obs.worker_capacity.value, 5);
    ck_assert_int_eq(obs.completed_total.value, 3 * (INT64_C(1) << 53));
    /* One is gone: what it did comes back, and nobody counts it as idle. */
    ck_assert_int_eq(kill(local_slot_pid(fleet->slots[1]), SIGKILL), 0);
    TURN_UNTIL(count_ready(fleet) == 2);
    obs = observe(fleet);
    ck_assert(!obs.busy.known && !obs.waiting.known);
    ck_assert(obs.worker_capacity.known && obs.worker_capacity.value == 5); /* the others still tell */
    /* All are gone. */
    ck_assert_int_eq(kill(local_slot_pid(fleet->slots[0]), SIGKILL), 0);
    ck_assert_int_eq(kill(local_slot_pid(fleet->slots[2]), SIGKILL), 0);
    TURN_UNTIL(count_ready(fleet) == 0);
    obs = observe(fleet);
    ck_assert(!obs.busy.known && !obs.worker_capacity.known);
    ck_assert(obs.ready.known && obs.ready.value == 0);
    ck_assert_int_eq(obs.completed_total.value, 3 * (INT64_C(1) << 53));
    end_fleet(fleet);
}
END_TEST

START_TEST(busy_is_not_told_before_there_are_workers_or_while_orphans_work)
{
    struct local_fleet *fleet = make_fleet(READY STATS "exec sleep 600", 0);
    free(fleet->queue_url); /* as with a queue by name that is not found yet */
    fleet->queue_url = NULL;
    local_fleet_set_desired(fleet, 1);
    ck_assert(!observe(fleet).busy.known);
    local_fleet_set_queue_url(fleet, "http://127.0.0.1:1/1/orders");
    TURN_UNTIL(all_told(fleet));
    ck_assert(observe(fleet).busy.known);
    /* We ourselves are a live worker of an earlier supervisor. */
    struct worker_record record = {.worker = "orders-9", .fleet = "orders", .pid = getpid()};
    record.start_ticks = child_start_ticks(getpid());
    ck_assert_int_eq(worker_record_write(g_dir, &record, NULL), 0);
    struct orphans *orphans = orphans_new(g_base, g_dir);
    fleet->orphans = orphans;
    ck_assert_uint_ge(orphans_count(orphans, "orders"), 1);
    ck_assert(!observe(fleet).busy.known);
    fleet->orphans = g_orphans;
    ck_assert(observe(fleet).busy.known);
    orphans_destroy(orphans);
    end_fleet(fleet);
}
END_TEST

START_TEST(what_is_told_is_as_old_as_the_oldest_word)
{
    struct local_fleet *fleet = make_fleet(READY STATS "exec sleep 600", 2);
    TURN_UNTIL(all_told(fleet) && count_ready(fleet) == 2);
    fleet->slots[1]->account.stats_at_ms -= 60000;
    ck_assert_int_eq(observe(fleet).busy.at_ms, fleet->slots[1]->account.stats_at_ms);
    end_fleet(fleet);
}
END_TEST

#define HIST(name, count, sum, buckets)                                                                      \
    "echo '{\"v\":1,\"type\":\"hist\",\"name\":\"" name "\",\"count\":" #count ",\"sum\":" #sum              \
    ",\"max\":16,\"buckets\":" buckets "}' >&3;"

static bool all_told_waits(const struct local_fleet *fleet, int64_t count)
{
    for (size_t i = 0; i < fleet->slot_count; i++)
        if (fleet->slots[i]->account.hists == NULL ||
            fleet->slots[i]->account.hists[TELEMETRY_HIST_wait_ms].count != count)
            return false;
    return fleet->slot_count > 0;
}

/* Both workers tell 3 handlings of 3 ms and one of 16, and the last word of two on waits. */
START_TEST(distributions_are_merged_over_the_living_and_the_dead)
{
    struct local_fleet *fleet = make_fleet(
        READY STATS HIST("handle_ms", 4, 25, "[[3,3],[16,1]]") HIST("wait_ms", 1, 1, "[[1,1]]")
            HIST("wait_ms", 3, 9, "[[1,1],[4,2]]") HIST("wait_ms", 2, 0, "[[0,2]]") "exec sleep 600",
        2);
    TURN_UNTIL(all_told_waits(fleet, 3) && count_ready(fleet) == 2);
    ck_assert_int_eq(kill(local_slot_pid(fleet->slots[0]), SIGKILL), 0);
    TURN_UNTIL(count_ready(fleet) == 1);
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    jsonw_object(&w);
    local_fleet_write_status(fleet, clock_product_ms(), &w);
    const char *times = strstr(strbuf_str(&text), "\"times\":");
    ck_assert_ptr_nonnull(times);
    ck_assert_str_eq(times,
                     "\"times\":{\"handle_ms\":{\"count\":8,\"sum\":50,\"p50\":3,\"p90\":16,\"p99\":16,"
                     "\"max\":16},\"wait_ms\":{\"count\":6,\"sum\":18,\"p50\":4,\"p90\":4,\"p99\":4,"
                     "\"max\":16}}");
    strbuf_clean_up(&text);
    end_fleet(fleet);
}
END_TEST

/* Real ms until a timer fires. */
static int64_t left_ms(const struct loop_timer *timer)
{
    struct timeval at;
    struct timeval now;
    ck_assert(event_pending(timer->event, EV_TIMEOUT, &at));
    ck_assert_int_eq(gettimeofday(&now, NULL), 0);
    return (at.tv_sec - now.tv_sec) * 1000 + (at.tv_usec - now.tv_usec) / 1000;
}

START_TEST(limits_that_guard_processes_have_floors_of_real_time)
{
    /* 20 times as fast, 3 s of hung_after are 150 ms, 1 s of stop_grace 50 ms, 2 s of start_grace 100 ms. */
    struct local_fleet *fleet = make_fleet(READY "trap '' TERM; while :; do sleep 1; done", 1);
    struct local_slot *slot = fleet->slots[0];
    TURN_UNTIL(slot->state == SLOT_READY);
    ck_assert_int_gt(left_ms(&slot->silence), 3000);
    ck_assert_int_le(left_ms(&slot->silence), 5001);
    local_slot_handle(slot, SLOT_STOP);
    ck_assert_int_eq(slot->state, SLOT_STOPPING);
    ck_assert_int_gt(left_ms(&slot->deadline), 2000);
    ck_assert_int_le(left_ms(&slot->deadline), 3001);
    g_config.start_grace_ms = 2000;
    local_fleet_set_desired(fleet, 2);
    slot = fleet->slots[fleet->slot_count - 1];
    ck_assert_int_eq(slot->state, SLOT_STARTING);
    ck_assert_int_gt(left_ms(&slot->deadline), 3000);
    end_fleet(fleet);
}
END_TEST

START_TEST(a_worker_that_was_ready_long_enough_is_healthy)
{
    struct local_fleet *fleet = make_fleet(READY "exec sleep 600", 1);
    struct local_slot *slot = fleet->slots[0];
    TURN_UNTIL(slot->state == SLOT_READY);
    ck_assert(!slot->healthy);
    slot->backoff.failures = 4;
    local_slot_handle(slot, SLOT_TIMEOUT);
    ck_assert(slot->healthy);
    ck_assert_int_eq(slot->backoff.failures, 0);
    end_fleet(fleet);
}
END_TEST

static bool is_there(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", g_dir, name);
    return access(path, F_OK) == 0;
}

static pid_t pid_in(const char *name)
{
    char path[128];
    long pid = 0;
    (void)snprintf(path, sizeof path, "%s/%s", g_dir, name);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld", &pid), 1);
    (void)fclose(file);
    return (pid_t)pid;
}

/* A wrapper that does not exec: its child is the worker, and drains on TERM until told that it may end (or
 * for a minute: a failed test leaves it). */
#define WORKER_BEHIND_WRAPPER                                                                                \
    "sh -c 'trap \"echo told > $DIR/told\" TERM; echo $$ > $DIR/pid; " READY_QUOTED                          \
    "i=0; while [ ! -e $DIR/paid ] && [ $i -lt 3000 ]; do sleep 0.02; i=$((i+1)); done; echo done > "        \
    "$DIR/done' & wait"
#define READY_QUOTED                                                                                         \
    "echo {\\\"v\\\":1,\\\"type\\\":\\\"ready\\\",\\\"worker\\\":\\\"w\\\",\\\"pid\\\":1,\\\"threads\\\":1," \
    "\\\"capacity\\\":5} >&3; "

START_TEST(a_worker_behind_a_wrapper_is_told_and_waited_for)
{
    struct local_fleet *fleet = make_fleet(WORKER_BEHIND_WRAPPER, 1);
    struct local_slot *slot = fleet->slots[0];
    TURN_UNTIL(slot->state == SLOT_READY);
    pid_t worker = pid_in("pid");
    local_fleet_stop(fleet);
    /* The wrapper dies of TERM and is reaped; the worker has heard it too, and pays on. */
    TURN_UNTIL(is_there("told") && local_slot_pid(slot) == 0);
    ck_assert_int_eq(kill(worker, 0), 0);
    ck_assert_int_eq(slot->state, SLOT_STOPPING);
    ck_assert(!g_empty);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/paid", g_dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    TURN_UNTIL(g_empty);
    ck_assert(is_there("done"));
    end_fleet(fleet);
}
END_TEST

START_TEST(what_a_wrapper_leaves_is_killed_when_nobody_waits_any_more)
{
    struct local_fleet *fleet = make_fleet(WORKER_BEHIND_WRAPPER, 1);
    struct local_slot *slot = fleet->slots[0];
    TURN_UNTIL(slot->state == SLOT_READY);
    pid_t worker = pid_in("pid");
    local_fleet_stop(fleet);
    TURN_UNTIL(is_there("told") && local_slot_pid(slot) == 0);
    local_slot_handle(slot, SLOT_TIMEOUT);
    ck_assert_int_eq(slot->state, SLOT_KILLING);
    TURN_UNTIL(g_empty);
    TURN_UNTIL(child_start_ticks(worker) == 0);
    ck_assert(!is_there("done"));
    end_fleet(fleet);
}
END_TEST

START_TEST(what_a_crashed_worker_leaves_is_killed_at_once)
{
    struct local_fleet *fleet = make_fleet(WORKER_BEHIND_WRAPPER, 1);
    struct local_slot *slot = fleet->slots[0];
    TURN_UNTIL(slot->state == SLOT_READY);
    pid_t worker = pid_in("pid");
    ck_assert_int_eq(kill(local_slot_pid(slot), SIGKILL), 0);
    TURN_UNTIL(child_start_ticks(worker) == 0);
    TURN_UNTIL(slot->state == SLOT_BACKOFF);
    ck_assert(!is_there("told"));
    end_fleet(fleet);
}
END_TEST

START_TEST(a_stopped_worker_is_woken_to_drain)
{
    struct local_fleet *fleet = make_fleet(READY "trap 'exit 0' TERM; while :; do sleep 0.02; done", 1);
    struct local_slot *slot = fleet->slots[0];
    TURN_UNTIL(slot->state == SLOT_READY);
    g_config.stop_grace_ms = 3600000; /* so that no KILL ends it */
    ck_assert_int_eq(kill(local_slot_pid(slot), SIGSTOP), 0);
    local_fleet_stop(fleet);
    TURN_UNTIL(g_empty);
    end_fleet(fleet);
}
END_TEST

START_TEST(many_ends_under_one_signal_are_all_reaped)
{
    struct local_fleet *fleet = make_fleet(READY "exec sleep 600", 5);
    TURN_UNTIL(count_ready(fleet) == 5);
    pid_t pids[5];
    for (size_t i = 0; i < 5; i++) {
        pids[i] = local_slot_pid(fleet->slots[i]);
        ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
    }
    /* All are dead before the loop runs: the kernel has one SIGCHLD for them. */
    for (size_t i = 0; i < 5; i++) {
        siginfo_t info;
        ck_assert_int_eq(waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOWAIT), 0);
    }
    for (int turn = 0; turn < 5; turn++)
        (void)event_base_loop(g_base, EVLOOP_NONBLOCK);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(local_slot_pid(fleet->slots[i]), 0);
    end_fleet(fleet);
}
END_TEST

START_TEST(who_ended_before_there_was_a_reaper_is_reaped)
{
    siginfo_t info;
    struct event_base *base = loop_base_new();
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    struct reaper *reaper = reaper_new(base);
    ck_assert_uint_eq(reaper_strangers(reaper), 1);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    reaper_destroy(reaper);
    event_base_free(base);
}
END_TEST

START_TEST(a_disowned_fleet_touches_no_record)
{
    struct local_fleet *fleet = make_fleet(READY "exec sleep 600", 1);
    TURN_UNTIL(count_ready(fleet) == 1);
    ck_assert(is_there("workers/orders-1.json"));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/workers/orders-1.json", g_dir);
    ck_assert_int_eq(unlink(path), 0);
    local_fleet_write_records(fleet);
    ck_assert(is_there("workers/orders-1.json"));
    local_fleet_disown(fleet);
    local_fleet_stop(fleet);
    TURN_UNTIL(g_empty);
    ck_assert(is_there("workers/orders-1.json"));
    end_fleet(fleet);
}
END_TEST

UNIT_MAIN("local_fleet", busy_is_told_only_while_every_place_is_ready,
          busy_is_not_told_before_there_are_workers_or_while_orphans_work,
          what_is_told_is_as_old_as_the_oldest_word, distributions_are_merged_over_the_living_and_the_dead,
          limits_that_guard_processes_have_floors_of_real_time,
          a_worker_that_was_ready_long_enough_is_healthy, a_worker_behind_a_wrapper_is_told_and_waited_for,
          what_a_wrapper_leaves_is_killed_when_nobody_waits_any_more,
          what_a_crashed_worker_leaves_is_killed_at_once, a_stopped_worker_is_woken_to_drain,
          many_ends_under_one_signal_are_all_reaped, who_ended_before_there_was_a_reaper_is_reaped,
          a_disowned_fleet_touches_no_record)
