/* Real handler threads behind the dispatch queue, and the payment handler in them: limits, hand-over, the
 * ledger. */
#include "tests/unit/unit.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "worker/handlers.h"
#include "worker/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { COUNT = 300 };

static struct dispatch d;
static struct sqs_message sqs[COUNT];
static struct message messages[COUNT];

static atomic_int g_running, g_most, g_calls;
static sem_t g_gate;
static int g_gated;

static enum sluice_verdict count_handle(void *instance, const struct sluice_message *message,
                                        const struct sluice_context *context)
{
    (void)instance;
    int now = atomic_fetch_add(&g_running, 1) + 1;
    int most = atomic_load(&g_most);
    while (now > most && !atomic_compare_exchange_weak(&g_most, &most, now))
        continue;
    if (g_gated)
        (void)sem_wait(&g_gate);
    atomic_fetch_add(&g_calls, 1);
    atomic_fetch_sub(&g_running, 1);
    if (message->body[0] != 'x')
        return SLUICE_DONE;
    context->set_reason(context, "an x");
    return SLUICE_FAILED;
}

static struct handler counting(uint32_t flags)
{
    struct handler handler = HANDLER_NOOP;
    handler.handle = count_handle;
    handler.flags = flags;
    return handler;
}

static struct pool *start(const struct handler *handler, void *instance, int threads, int capacity)
{
    struct err err = {""};
    struct pool_options options = {.threads = threads,
                                   .stack_bytes = 262144,
                                   .sns = SNS_AUTO,
                                   .handler = handler,
                                   .flags = handler->flags,
                                   .instance = instance,
                                   .dispatch = &d};
    ck_assert_int_eq(clock_init_from(NULL, &err), 0);
    dispatch_init(&d, capacity);
    atomic_store(&g_most, 0);
    atomic_store(&g_calls, 0);
    struct pool *pool = pool_new(&options, &err);
    ck_assert_msg(pool != NULL, "%s", err.text);
    return pool;
}

static void add(int i, const char *body)
{
    sqs[i] = (struct sqs_message){.id = "id", .receipt_handle = "h", .body = body, .body_len = strlen(body)};
    messages[i] = (struct message){.first = &sqs[i], .newest = &sqs[i], .cancel_fd = -1};
    atomic_store(&messages[i].lease_until_ms, INT64_MAX);
    dispatch_add(&d, &messages[i]);
}

static int collect_now(void)
{
    struct message_list done = TAILQ_HEAD_INITIALIZER(done);
    struct message *message = NULL;
    int count = 0;
    dispatch_collect(&d, &done);
    TAILQ_FOREACH(message, &done, queue)
    count++;
    return count;
}

/* As the I/O thread: waits for the eventfd until `wanted` messages are done. */
static void collect(struct pool *pool, int wanted)
{
    for (int got = 0; got < wanted;) {
        struct pollfd fd = {.fd = pool_event_fd(pool), .events = POLLIN};
        ck_assert_msg(poll(&fd, 1, 60000) == 1, "no wake-up with %d of %d done", got, wanted);
        pool_acknowledge(pool);
        got += collect_now();
    }
}

static void run_all(uint32_t flags, int threads, int capacity)
{
    struct handler handler = counting(flags);
    struct pool *pool = start(&handler, NULL, threads, capacity);
    int here = 0;
    for (int i = 0; i < COUNT; i++) {
        add(i, "b");
        if (i % 10 == 9 && pool_wake(pool))
            here += collect_now();
    }
    collect(pool, COUNT - here);
    ck_assert_int_eq(atomic_load(&g_calls), COUNT);
    ck_assert_int_le(atomic_load(&g_most), capacity);
    if (flags == 0)
        ck_assert_int_eq(here, 0);
    pool_destroy(pool);
    dispatch_clean_up(&d);
}

START_TEST(every_message_is_handled_once_and_never_more_than_the_capacity_at_once)
{
    g_gated = 0;
    run_all(0, 8, 8);
    run_all(0, 16, 3);
    run_all(0, 1, 1);
}
END_TEST

START_TEST(a_quick_handler_loses_no_wake_up)
{
    g_gated = 0;
    for (int i = 0; i < 20; i++)
        run_all(SLUICE_NONBLOCKING, 8, 8);
}
END_TEST

static pthread_t g_handled_by;
static int g_handling_us;

static enum sluice_verdict who_handle(void *instance, const struct sluice_message *message,
                                      const struct sluice_context *context)
{
    (void)instance;
    (void)message;
    (void)context;
    g_handled_by = pthread_self();
    (void)usleep((useconds_t)g_handling_us);
    return SLUICE_DONE;
}

/* A wake with one message, which is handled when this returns. True: this thread has handled it. */
static bool handled_here(struct pool *pool)
{
    add(0, "b");
    bool here = pool_wake(pool);
    if (!here)
        collect(pool, 1);
    else
        ck_assert_int_eq(collect_now(), 1);
    ck_assert_int_eq(here, pthread_equal(g_handled_by, pthread_self()) != 0);
    return here;
}

START_TEST(a_handler_is_called_by_the_io_thread_as_long_as_it_is_quick)
{
    struct handler handler = counting(SLUICE_NONBLOCKING);
    handler.handle = who_handle;
    struct pool *pool = start(&handler, NULL, 2, 2);
    ck_assert(!pool_wake(pool)); /* nothing waits: that says nothing of the speed */
    g_handling_us = 21000; /* longer than it should be, no disaster: a thousand wakes go to the threads */
    ck_assert(handled_here(pool));
    for (int i = 0; i < 1000; i++) {
        g_handling_us = 0;
        ck_assert(!handled_here(pool));
    }
    g_handling_us = 110000; /* holds up everything: never again */
    ck_assert(handled_here(pool));
    for (int i = 0; i < 1001; i++) {
        g_handling_us = 0;
        ck_assert(!handled_here(pool));
    }
    pool_destroy(pool);
    dispatch_clean_up(&d);
}
END_TEST

START_TEST(a_quick_handler_on_a_busy_processor_stays_with_the_io_thread)
{
    struct pool_pace pace = {0};
    for (int i = 0; i < 1000; i++) { /* every hundredth call is interrupted */
        ck_assert(pool_pace_add(&pace, 10, i % 100 == 0 ? 8000000 : 2000));
        ck_assert(pool_pace_here(&pace));
    }
    ck_assert(pool_pace_add(&pace, 0, 200000000)); /* nothing to do, and interrupted for long */
    ck_assert(pool_pace_here(&pace));
    for (int i = 0; i < 10; i++) { /* always 2 ms a message: 19.8 ms too much */
        ck_assert(pool_pace_add(&pace, 1, 2000000));
        ck_assert(pool_pace_here(&pace));
    }
    ck_assert(pool_pace_add(&pace, 1, 2000000));
    for (int i = 0; i < 1000; i++)
        ck_assert(!pool_pace_here(&pace));
    ck_assert(pool_pace_here(&pace));
    ck_assert(!pool_pace_add(&pace, 10, 100000001));
    for (int i = 0; i < 2000; i++)
        ck_assert(!pool_pace_here(&pace));
}
END_TEST

START_TEST(all_slots_run_at_once_and_waiting_messages_can_be_taken_back)
{
    struct handler handler = counting(0);
    g_gated = 1;
    (void)sem_init(&g_gate, 0, 0);
    struct pool *pool = start(&handler, NULL, 8, 4);
    for (int i = 0; i < 10; i++)
        add(i, "b");
    pool_wake(pool);
    while (atomic_load(&g_running) < 4)
        (void)usleep(1000); /* until the threads have got there; a hang is ctest's to see */
    ck_assert_ptr_eq(dispatch_withdraw_newest(&d), &messages[9]);
    ck_assert(dispatch_withdraw(&d, &messages[5]));
    ck_assert(!dispatch_withdraw(&d, &messages[0]));
    for (int i = 0; i < 8; i++)
        (void)sem_post(&g_gate);
    collect(pool, 8);
    ck_assert_int_eq(atomic_load(&g_most), 4);
    ck_assert_int_eq(atomic_load(&g_calls), 8);
    pool_destroy(pool);
    dispatch_clean_up(&d);
    (void)sem_destroy(&g_gate);
}
END_TEST

START_TEST(more_capacity_wakes_threads_for_what_waits)
{
    struct handler handler = counting(0);
    g_gated = 0;
    struct pool *pool = start(&handler, NULL, 4, 0);
    for (int i = 0; i < 10; i++)
        add(i, "b");
    pool_wake(pool);
    ck_assert_int_eq(atomic_load(&g_calls), 0);
    dispatch_set_capacity(&d, 4);
    pool_wake(pool);
    collect(pool, 10);
    pool_destroy(pool);
    dispatch_clean_up(&d);
}
END_TEST

START_TEST(a_failed_verdict_carries_its_reason)
{
    struct handler handler = counting(0);
    g_gated = 0;
    struct pool *pool = start(&handler, NULL, 2, 2);
    add(0, "x");
    pool_wake(pool);
    collect(pool, 1);
    ck_assert_int_eq(messages[0].outcome, OUTCOME_FAILED);
    ck_assert_str_eq(messages[0].reason, "an x");
    free(messages[0].reason);
    pool_destroy(pool);
    dispatch_clean_up(&d);
}
END_TEST

START_TEST(a_lapsed_message_is_reported_and_not_handled)
{
    struct handler handler = counting(0);
    g_gated = 0;
    struct pool *pool = start(&handler, NULL, 2, 0);
    add(0, "b");
    atomic_store(&messages[0].lease_until_ms, 1);
    dispatch_set_capacity(&d, 2);
    pool_wake(pool);
    collect(pool, 1);
    ck_assert_int_eq(messages[0].outcome, OUTCOME_LAPSED);
    ck_assert_int_eq(atomic_load(&g_calls), 0);
    pool_destroy(pool);
    dispatch_clean_up(&d);
}
END_TEST

/* ---- payment ---- */

static const char ORDER[] =
    "{\"order_id\":\"o-1\",\"customer_id\":1,\"items\":[{\"product_id\":\"p\",\"quantity\":1,\"price\":1}]}";
static const char ENVELOPE[] =
    "{\"Type\":\"Notification\",\"TopicArn\":\"t\",\"Message\":\"{\\\"order_id\\\":\\\"o-2\\\",\\\"customer_"
    "id\\\":1,"
    "\\\"items\\\":[{\\\"product_id\\\":\\\"p\\\",\\\"quantity\\\":1,\\\"price\\\":1}]}\"}";

static void *open_payment(void **ret_options, const char *ledger, const char *time)
{
    static const struct sluice_host HOST = {.worker = "w-1", .pid = 42};
    struct err err = {""};
    void *options = xcalloc(1, HANDLER_PAYMENT.options_size);
    options_set_defaults(HANDLER_PAYMENT.options, options);
    ck_assert_int_eq(
        options_set_text(options_find(HANDLER_PAYMENT.options, "payment_time"), options, time, &err), 0);
    ck_assert_int_eq(options_set_text(options_find(HANDLER_PAYMENT.options, "ledger"), options, ledger, &err),
                     0);
    *ret_options = options;
    void *instance = HANDLER_PAYMENT.open(options, &HOST, &err);
    ck_assert_msg(instance != NULL, "%s", err.text);
    return instance;
}

static void close_payment(void *instance, void *options)
{
    HANDLER_PAYMENT.close(instance);
    options_clean_up(HANDLER_PAYMENT.options, options);
    free(options);
}

static size_t read_file(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(out, 1, size - 1, file);
    out[len] = '\0';
    (void)fclose(file);
    return len;
}

START_TEST(a_payment_is_one_ledger_line_and_takes_its_time)
{
    char path[] = "/tmp/sluice-ledger-XXXXXX";
    char text[1024];
    void *options = NULL;
    int64_t start_ms[2], end_ms[2];
    (void)close(mkstemp(path));
    void *instance = open_payment(&options, path, "20ms");
    ck_assert_int_eq(HANDLER_PAYMENT.limit(instance), 5);
    struct pool *pool = start(&HANDLER_PAYMENT, instance, 1, 1);
    add(0, ORDER);
    add(1, ENVELOPE);
    add(2, "{\"order_id\":\"o-3\"}");
    sqs[0].receive_count = 3;
    pool_wake(pool);
    collect(pool, 3);
    (void)read_file(path, text, sizeof text);
    ck_assert_msg(sscanf(text, "o-1 id w-1 42 3 %ld %ld\no-2 id w-1 42 0 %ld %ld\n", &start_ms[0], &end_ms[0],
                         &start_ms[1], &end_ms[1]) == 4,
                  "%s", text);
    ck_assert_ptr_null(strstr(text, "o-3"));
    ck_assert_int_ge(end_ms[0] - start_ms[0], 20);
    ck_assert_int_ge(start_ms[1], end_ms[0]);
    ck_assert_int_eq(messages[0].outcome, OUTCOME_DONE);
    ck_assert_int_eq(messages[2].outcome, OUTCOME_FAILED);
    ck_assert_str_eq(messages[2].reason, "customer_id: missing, want an integer from 1");
    free(messages[2].reason);
    pool_destroy(pool);
    close_payment(instance, options);
    dispatch_clean_up(&d);
    (void)unlink(path);
}
END_TEST

START_TEST(a_payment_whose_lease_is_lost_is_not_made)
{
    char path[] = "/tmp/sluice-ledger-XXXXXX";
    char text[1024];
    void *options = NULL;
    (void)close(mkstemp(path));
    void *instance = open_payment(&options, path, "1ms");
    struct pool *pool = start(&HANDLER_PAYMENT, instance, 1, 0);
    add(0, ORDER);
    atomic_store(&messages[0].lease_lost, true);
    dispatch_set_capacity(&d, 1);
    pool_wake(pool);
    collect(pool, 1);
    ck_assert_uint_eq(read_file(path, text, sizeof text), 0);
    ck_assert_int_eq(messages[0].outcome, OUTCOME_FAILED);
    free(messages[0].reason);
    pool_destroy(pool);
    close_payment(instance, options);
    dispatch_clean_up(&d);
    (void)unlink(path);
}
END_TEST

START_TEST(a_ledger_that_can_not_be_written_fails_the_message)
{
    void *options = NULL;
    void *instance = open_payment(&options, "/dev/full", "0");
    struct pool *pool = start(&HANDLER_PAYMENT, instance, 1, 1);
    add(0, ORDER);
    pool_wake(pool);
    collect(pool, 1);
    ck_assert_int_eq(messages[0].outcome, OUTCOME_FAILED);
    ck_assert_ptr_nonnull(strstr(messages[0].reason, "ledger: No space left"));
    free(messages[0].reason);
    pool_destroy(pool);
    close_payment(instance, options);
    dispatch_clean_up(&d);
}
END_TEST

UNIT_MAIN("pool", every_message_is_handled_once_and_never_more_than_the_capacity_at_once,
          a_quick_handler_loses_no_wake_up, a_handler_is_called_by_the_io_thread_as_long_as_it_is_quick,
          a_quick_handler_on_a_busy_processor_stays_with_the_io_thread,
          all_slots_run_at_once_and_waiting_messages_can_be_taken_back,
          more_capacity_wakes_threads_for_what_waits, a_failed_verdict_carries_its_reason,
          a_lapsed_message_is_reported_and_not_handled, a_payment_is_one_ledger_line_and_takes_its_time,
          a_payment_whose_lease_is_lost_is_not_made, a_ledger_that_can_not_be_written_fails_the_message)
