/* The pool of co-processes with real processes (shell) and invented leases. */
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "worker/stdio_internal.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A co-process in shell: $id is the id of the line. */
#define READ_ID "while read -r line; do id=${line#*:\\\"}; id=${id%%\\\"*}; "
#define ANSWER_OK "echo \"{\\\"id\\\":\\\"$id\\\",\\\"ok\\\":true}\"; "

struct host {
    atomic_bool lost;
    int cancel_fd;
    char reason[256];
    int64_t delay_s, status;
};

static bool lease_lost(const struct sluice_context *context)
{
    const struct host *host = context->host;
    return atomic_load(&host->lost);
}

static int cancel_fd(const struct sluice_context *context)
{
    const struct host *host = context->host;
    return host->cancel_fd;
}

static void set_reason(const struct sluice_context *context, const char *reason)
{
    struct host *host = context->host;
    (void)snprintf(host->reason, sizeof host->reason, "%s", reason);
}

static void set_retry_delay(const struct sluice_context *context, int64_t seconds)
{
    struct host *host = context->host;
    host->delay_s = seconds;
}

static void set_status(const struct sluice_context *context, int64_t status)
{
    struct host *host = context->host;
    host->status = status;
}

struct task {
    struct stdio_pool *pool;
    const char *id;
    struct host host;
    enum sluice_verdict verdict;
    pthread_t thread;
};

static void *task_main(void *arg)
{
    struct task *task = arg;
    struct sluice_context context = {.size = sizeof context,
                                     .host = &task->host,
                                     .lease_lost = lease_lost,
                                     .cancel_fd = cancel_fd,
                                     .set_reason = set_reason,
                                     .set_retry_delay = set_retry_delay,
                                     .set_status = set_status};
    struct sluice_message message = {
        .size = sizeof message, .id = task->id, .body = "body", .body_len = 4, .receipt_handle = "h"};
    task->verdict = stdio_pool_handle(task->pool, &message, &context);
    return NULL;
}

static void begin(struct task *task, struct stdio_pool *pool, const char *id)
{
    *task =
        (struct task){.pool = pool, .id = id, .host = {.cancel_fd = eventfd(0, EFD_NONBLOCK), .delay_s = -1}};
    ck_assert_int_eq(pthread_create(&task->thread, NULL, task_main, task), 0);
}

static enum sluice_verdict end(struct task *task)
{
    (void)pthread_join(task->thread, NULL);
    (void)close(task->host.cancel_fd);
    return task->verdict;
}

static void lose_lease(struct task *task)
{
    uint64_t one = 1;
    atomic_store(&task->host.lost, true);
    ck_assert_int_eq(write(task->host.cancel_fd, &one, sizeof one), sizeof one);
}

static struct stdio_pool *start(const char *script, int processes, int in_flight, int64_t timeout_ms)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the worker does */
    static const char *argv[4];
    struct err err = {""};
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = script;
    struct stdio_pool_options options = {.argv = argv,
                                         .queue_url = "http://q",
                                         .processes = processes,
                                         .in_flight = in_flight,
                                         .timeout_ms = timeout_ms,
                                         .kill_after_ms = 100};
    ck_assert_int_eq(clock_init_from(NULL, &err), 0);
    struct stdio_pool *pool = stdio_pool_new(&options, &err);
    ck_assert_msg(pool != NULL, "%s", err.text);
    return pool;
}

/* Polls under the lock until all of the pool's processes together hold so many messages. */
static void await_sent(struct stdio_pool *pool, int wanted)
{
    int count = -1;
    while (count != wanted) {
        count = 0;
        (void)pthread_mutex_lock(&pool->lock);
        for (int i = 0; i < pool->options.processes; i++)
            count += pool->processes[i].call_count;
        (void)pthread_mutex_unlock(&pool->lock);
        (void)poll(NULL, 0, 1);
    }
}

START_TEST(messages_go_in_and_results_come_out)
{
    struct task tasks[20];
    char ids[20][8];
    struct stdio_pool *pool = start(READ_ID ANSWER_OK "done", 2, 3, 600000);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "m-%d", i);
        begin(&tasks[i], pool, ids[i]);
    }
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(end(&tasks[i]), SLUICE_DONE);
    stdio_pool_destroy(pool);
}
END_TEST

START_TEST(reason_status_and_delay_reach_the_context)
{
    struct task task;
    struct stdio_pool *pool = start(
        READ_ID "echo \"{\\\"id\\\":\\\"$id\\\",\\\"result\\\":\\\"retry\\\",\\\"reason\\\":\\\"later\\\","
                "\\\"delay_s\\\":7,\\\"status\\\":503}\"; done",
        1, 1, 600000);
    begin(&task, pool, "m");
    ck_assert_int_eq(end(&task), SLUICE_RETRY);
    ck_assert_str_eq(task.host.reason, "later");
    ck_assert_int_eq(task.host.delay_s, 7);
    ck_assert_int_eq(task.host.status, 503);
    stdio_pool_destroy(pool);
}
END_TEST

START_TEST(what_a_process_had_read_when_it_ended_has_failed)
{
    struct task task;
    struct stdio_pool *pool = start("read -r line; echo bye >&2; exit 4", 1, 1, 600000);
    begin(&task, pool, "m");
    ck_assert_int_eq(end(&task), SLUICE_FAILED);
    ck_assert_str_eq(task.host.reason, "co-process ended: exit 4: bye");
    stdio_pool_destroy(pool);
}
END_TEST

/* Processes that differ by how many were started before them: $n in their script, counted in the file. */
struct counted {
    char file[32];
    char script[512];
    struct stdio_pool *pool;
};

static void start_counted(struct counted *counted, const char *before, const char *after)
{
    memcpy(counted->file, "/tmp/sluice-stdio-XXXXXX", sizeof "/tmp/sluice-stdio-XXXXXX");
    int fd = mkstemp(counted->file);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    (void)snprintf(counted->script, sizeof counted->script, "echo x >>%s; n=$(wc -l <%s); %s; %s",
                   counted->file, counted->file, before, after);
    counted->pool = start(counted->script, 1, 1, 600000);
}

static void stop_counted(struct counted *counted)
{
    stdio_pool_destroy(counted->pool);
    (void)unlink(counted->file);
}

/* Four processes end without a look at their input; the message lives through it. */
START_TEST(what_a_process_had_not_read_goes_to_the_next)
{
    struct counted counted;
    struct task task;
    start_counted(&counted, "[ $n -gt 4 ] || { sleep 0.05; exit 1; }", READ_ID ANSWER_OK "done");
    begin(&task, counted.pool, "m");
    ck_assert_int_eq(end(&task), SLUICE_DONE);
    stop_counted(&counted);
}
END_TEST

/* By then it may be with another worker. */
START_TEST(what_a_process_had_not_read_of_a_lost_lease_goes_to_nobody)
{
    struct counted counted;
    struct task task;
    start_counted(&counted, "[ $n -gt 1 ] || exec sleep 1000", READ_ID ANSWER_OK "done");
    begin(&task, counted.pool, "m");
    await_sent(counted.pool, 1);
    lose_lease(&task);
    ck_assert_int_eq(end(&task), SLUICE_FAILED);
    ck_assert_ptr_nonnull(strstr(task.host.reason, "lease of its message was lost"));
    stop_counted(&counted);
}
END_TEST

START_TEST(a_message_that_finds_no_process_is_not_to_blame)
{
    struct task task;
    struct stdio_pool *pool = start("exit 1", 1, 1, 300);
    begin(&task, pool, "m");
    ck_assert_int_eq(end(&task), SLUICE_RETRY);
    ck_assert_str_eq(task.host.reason, "no co-process had room");
    stdio_pool_destroy(pool);
}
END_TEST

START_TEST(one_without_an_answer_takes_its_process_with_it)
{
    struct task slow;
    struct task other;
    struct stdio_pool *pool = start("trap '' TERM; while :; do sleep 1; done", 1, 2, 200);
    begin(&slow, pool, "slow");
    begin(&other, pool, "other");
    /* Neither was read, so neither failed: they wait for the next process until their time is over. */
    ck_assert_int_eq(end(&slow), SLUICE_RETRY);
    ck_assert_int_eq(end(&other), SLUICE_RETRY);
    stdio_pool_destroy(pool);
    pool = start("trap '' TERM; read -r a; read -r b; while :; do sleep 1; done", 1, 2, 200);
    begin(&slow, pool, "slow");
    begin(&other, pool, "other");
    ck_assert_int_eq(end(&slow), SLUICE_FAILED);
    ck_assert_int_eq(end(&other), SLUICE_FAILED);
    ck_assert_ptr_nonnull(strstr(slow.host.reason, "no answer within 200ms to message "));
    ck_assert_ptr_nonnull(strstr(slow.host.reason, "SIGKILL"));
    stdio_pool_destroy(pool);
}
END_TEST

START_TEST(a_lost_lease_ends_a_process_that_has_nothing_else)
{
    struct task task;
    struct stdio_pool *pool = start("while read -r line; do :; done", 1, 1, 600000);
    begin(&task, pool, "m");
    await_sent(pool, 1);
    lose_lease(&task);
    ck_assert_int_eq(end(&task), SLUICE_FAILED);
    ck_assert_ptr_nonnull(strstr(task.host.reason, "lease of its message was lost"));
    stdio_pool_destroy(pool);
}
END_TEST

/* The process answers nothing but cancellations, for which it answers the message. */
START_TEST(a_lost_lease_is_told_to_a_process_that_may_have_others)
{
    struct task first;
    struct task again;
    struct stdio_pool *pool = start(
        READ_ID "case $line in *cancel*) " ANSWER_OK ";; *n-2*) " ANSWER_OK ";; esac; done", 1, 2, 600000);
    begin(&first, pool, "n-1");
    await_sent(pool, 1);
    lose_lease(&first);
    ck_assert_int_eq(end(&first), SLUICE_FAILED);
    ck_assert_str_eq(first.host.reason, "lease lost or worker leaving");
    await_sent(pool, 0); /* the late answer was taken, and gave the place free */
    begin(&again, pool, "n-2");
    ck_assert_int_eq(end(&again), SLUICE_DONE);
    stdio_pool_destroy(pool);
}
END_TEST

START_TEST(an_id_is_never_twice_in_a_process)
{
    struct task first;
    struct task again;
    struct stdio_pool *pool = start("while read -r line; do :; done", 1, 2, 600000);
    begin(&first, pool, "m");
    await_sent(pool, 1);
    lose_lease(&first);
    ck_assert_int_eq(end(&first), SLUICE_FAILED);
    begin(&again, pool, "m"); /* the first delivery is still unanswered: it waits */
    bool waits = false;
    int sent = 1;
    while (!waits && sent == 1) {
        (void)pthread_mutex_lock(&pool->lock);
        waits = !TAILQ_EMPTY(&pool->waiting);
        sent = pool->processes[0].call_count;
        (void)pthread_mutex_unlock(&pool->lock);
        (void)poll(NULL, 0, 1);
    }
    ck_assert(waits);
    lose_lease(&again);
    ck_assert_int_eq(end(&again), SLUICE_FAILED);
    stdio_pool_destroy(pool);
}
END_TEST

START_TEST(garbage_ends_a_process)
{
    static const char *const SCRIPTS[][2] = {
        {"read -r line; echo hello; sleep 1000", "no result line"},
        {"read -r line; echo '{\"id\":\"x\",\"ok\":true}'; sleep 1000", "does not have"},
        {"read -r line; head -c 1100000 /dev/zero | tr '\\0' x; sleep 1000", "more than 1 MiB"},
        {"read -r line; exec >&-; sleep 1000", "closed its standard output"},
    };
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof SCRIPTS[0]; i++) {
        struct task task;
        struct stdio_pool *pool = start(SCRIPTS[i][0], 1, 1, 600000);
        begin(&task, pool, "m");
        ck_assert_int_eq(end(&task), SLUICE_FAILED);
        ck_assert_msg(strstr(task.host.reason, SCRIPTS[i][1]) != NULL, "%s", task.host.reason);
        stdio_pool_destroy(pool);
    }
}
END_TEST

START_TEST(restarts_back_off_and_vary)
{
    ck_assert_int_eq(coprocess_backoff_ms(1, 200), 100);
    ck_assert_int_eq(coprocess_backoff_ms(2, 200), 200);
    ck_assert_int_eq(coprocess_backoff_ms(9, 200), 25600);
    ck_assert_int_eq(coprocess_backoff_ms(10, 200), 30000);
    ck_assert_int_eq(coprocess_backoff_ms(1000000, 200), 30000);
    ck_assert_int_eq(coprocess_backoff_ms(1, 0), 80);
    ck_assert_int_eq(coprocess_backoff_ms(1, 400), 120);
    ck_assert_int_eq(coprocess_backoff_ms(1, 401), 80);
}
END_TEST

UNIT_MAIN("stdio_pool", messages_go_in_and_results_come_out, reason_status_and_delay_reach_the_context,
          what_a_process_had_read_when_it_ended_has_failed, what_a_process_had_not_read_goes_to_the_next,
          what_a_process_had_not_read_of_a_lost_lease_goes_to_nobody,
          a_message_that_finds_no_process_is_not_to_blame, one_without_an_answer_takes_its_process_with_it,
          a_lost_lease_ends_a_process_that_has_nothing_else,
          a_lost_lease_is_told_to_a_process_that_may_have_others, an_id_is_never_twice_in_a_process,
          garbage_ends_a_process, restarts_back_off_and_vary)
