/* The core with real handler threads and a fake SQS: a lost lease reaches a handler that waits, and whatever
 * becomes of a message, its thread never sees memory that was given back (a sanitizer watches). */
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "tests/unit/worker/fake_sqs.h"
#include "worker/handlers.h"
#include "worker/pool.h"

#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

static struct fake f;
static struct pool *pool;
static sem_t g_entered;
static atomic_int g_stopped, g_bytes;

static void begin(const struct handler *handler, const struct core_settings *settings)
{
    struct err err = {""};
    ck_assert_int_eq(clock_init_from(NULL, &err), 0);
    (void)sem_init(&g_entered, 0, 0);
    atomic_store(&g_stopped, 0);
    fake_init_at(&f, settings, clock_product_ms()); /* threads compare leases with the real clock */
    struct pool_options options = {.threads = settings->threads,
                                   .stack_bytes = 262144,
                                   .sns = SNS_RAW,
                                   .handler = handler,
                                   .flags = handler->flags,
                                   .dispatch = &f.dispatch};
    pool = pool_new(&options, &err);
    ck_assert_msg(pool != NULL, "%s", err.text);
}

static void end(void)
{
    pool_destroy(pool);
    fake_clean_up(&f);
    ck_assert_int_eq(f.live, 0);
}

/* The I/O thread hears of finished messages, if there are any within the time. */
static bool hear(int timeout_ms)
{
    struct pollfd fd = {.fd = pool_event_fd(pool), .events = POLLIN};
    if (poll(&fd, 1, timeout_ms) != 1)
        return false;
    pool_acknowledge(pool);
    core_on_wakeup(&f.core, f.now_ms);
    return true;
}

/* ---- a lost lease ---- */

static enum sluice_verdict wait_handle(void *instance, const struct sluice_message *message,
                                       const struct sluice_context *context)
{
    struct pollfd fd = {.fd = context->cancel_fd(context), .events = POLLIN};
    (void)instance;
    (void)message;
    (void)sem_post(&g_entered);
    while (!context->lease_lost(context))
        if (poll(&fd, 1, 60000) != 1)
            return SLUICE_DONE; /* nobody told it */
    atomic_fetch_add(&g_stopped, 1);
    return SLUICE_FAILED;
}

START_TEST(a_lost_lease_stops_the_handler_skips_the_delete_and_is_counted)
{
    struct handler handler = HANDLER_NOOP;
    struct core_settings settings = fake_settings(1);
    settings.dlq = true;
    settings.max_receives = 1;
    settings.brake_percent = 50;
    handler.handle = wait_handle;
    handler.flags = 0;
    begin(&handler, &settings);
    fake_deliver(&f, "a");
    pool_wake(pool);
    (void)sem_wait(&g_entered);
    fake_advance(&f, 15000);
    ck_assert_int_eq(f.batches[0]->kind, BATCH_EXTEND);
    (void)fake_log(&f);
    fake_answer(&f, "f");
    ck_assert(hear(60000));
    ck_assert_int_eq(atomic_load(&g_stopped), 1);
    fake_advance(&f, 1000);
    const char *log = fake_log(&f);
    ck_assert_ptr_null(strstr(log, "delete"));
    ck_assert_ptr_null(strstr(log, "quarantine"));
    ck_assert_int_eq(f.core.stats.lease_lost, 1);
    ck_assert_int_eq(f.core.stats.stale_handles, 1);
    ck_assert_int_eq(f.core.stats.failed, 0);
    ck_assert_int_eq(f.core.brake.count, 0);
    end();
}
END_TEST

/* ---- memory ---- */

static enum sluice_verdict read_handle(void *instance, const struct sluice_message *message,
                                       const struct sluice_context *context)
{
    (void)instance;
    for (int i = 0; i < 20; i++) {
        atomic_fetch_add(&g_bytes, message->body[0] + message->id[0] + message->receipt_handle[0]);
        (void)sched_yield();
    }
    context->set_reason(context, "read");
    return (enum sluice_verdict)(message->id[1] % 4); /* all verdicts */
}

static unsigned long long g_random = 88172645463325252ULL;

static int below(int n)
{
    g_random ^= g_random << 13;
    g_random ^= g_random >> 7;
    g_random ^= g_random << 17;
    return (int)((g_random >> 11) % (unsigned long long)n);
}

static void deliver_some(void)
{
    struct strbuf ids = STRBUF_INIT;
    int start = below(40);
    int step = 1 + below(3); /* some of them again while they wait, run or are on their way out */
    int count = below(f.polls[0]->asked + 1);
    for (int i = 0; i < count; i++)
        strbuf_appendf(&ids, "m%c%d ", '0' + (start + i * step) % 8, (start + i * step) % 40);
    fake_deliver_nth(&f, strbuf_str(&ids), 1 + below(3));
    strbuf_clean_up(&ids);
}

/* How much the threads get done in a step is the machine's affair. */
static bool everything_happened(void)
{
    const struct telemetry_stats *stats = &f.core.stats;
    return stats->quarantined > 0 && stats->completed > 0 && stats->deleted > 0 && stats->redelivered > 0;
}

START_TEST(threads_never_see_what_was_given_back_whatever_becomes_of_a_message)
{
    static const char *const ANSWERS[] = {"", "f", "r", "u", "of", "ru"};
    struct handler handler = HANDLER_NOOP;
    struct core_settings settings = fake_settings(4);
    settings.dlq = true;
    settings.max_receives = 2;
    settings.idempotency_window = 5;
    handler.handle = read_handle;
    handler.flags = 0;
    begin(&handler, &settings);
    for (long n = 0; n < unit_steps(5000) || !everything_happened(); n++) {
        if (f.poll_count > 0 && below(2) == 0)
            deliver_some();
        pool_wake(pool);
        (void)hear(0);
        if (f.batch_count > 0 && below(2) == 0)
            fake_answer(&f, ANSWERS[below(6)]);
        fake_advance(&f, below(100) == 0 ? 16000 : 10);
        (void)fake_log(&f);
        strbuf_clear(&f.letters);
    }
    core_drain(&f.core, f.now_ms, "TERM");
    while (!core_is_over(&f.core)) {
        (void)hear(1);
        fake_answer_all(&f);
        fake_advance(&f, 10);
    }
    ck_assert(TAILQ_EMPTY(&f.core.leased));
    end();
}
END_TEST

UNIT_MAIN("core_pool", a_lost_lease_stops_the_handler_skips_the_delete_and_is_counted,
          threads_never_see_what_was_given_back_whatever_becomes_of_a_message)
