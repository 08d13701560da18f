/*
 * The core as a whole against a queue that never runs dry, every call answered after some ms, threads played
 * by the test: how many calls it takes, how much it holds, how little its slots idle. Invented time, so the
 * figures are exact.
 */
#include "tests/unit/unit.h"

#include "tests/unit/worker/fake_sqs.h"

enum { THREADS_MAX = 200, ROUND_TRIP_MS = 5 };

static struct fake f;
static struct message *running[THREADS_MAX];
static int64_t ends_ms[THREADS_MAX];
static int running_count;
static int left;   /* messages that SQS still has */
static int serial; /* of ids */
static int most_held;
static unsigned long long g_random;

static void end(void)
{
    fake_clean_up(&f);
    ck_assert_int_eq(f.live, 0);
}

static void begin(const struct core_settings *settings, int messages)
{
    left = messages;
    serial = most_held = running_count = 0;
    g_random = 88172645463325252ULL;
    fake_init(&f, settings);
}

static int below(int n)
{
    g_random ^= g_random << 13;
    g_random ^= g_random >> 7;
    g_random ^= g_random << 17;
    return (int)((g_random >> 11) % (unsigned long long)n);
}

static void answer_calls(void)
{
    while (f.batch_count > 0 && f.now_ms - f.batches[0]->sent_ms >= ROUND_TRIP_MS)
        fake_answer(&f, "");
    /* An empty queue lets polls wait. */
    while (left > 0 && f.poll_count > 0 && f.now_ms - f.polls[0]->opened_ms >= ROUND_TRIP_MS) {
        struct strbuf ids = STRBUF_INIT;
        for (int n = f.polls[0]->asked; n > 0 && left > 0; n--, left--)
            strbuf_appendf(&ids, "m%d ", serial++);
        fake_deliver(&f, strbuf_str(&ids));
        strbuf_clean_up(&ids);
    }
}

static void finish_handlers(void)
{
    for (int i = running_count - 1; i >= 0; i--)
        if (ends_ms[i] <= f.now_ms) {
            struct message *message = running[i];
            running[i] = running[--running_count];
            ends_ms[i] = ends_ms[running_count];
            fake_finish(&f, message, OUTCOME_DONE);
        }
}

/* quick of 100 messages take quick_ms, the others slow_ms. Returns the work begun. */
static int64_t start_handlers(int quick, int quick_ms, int slow_ms)
{
    struct message *message = NULL;
    int64_t work_ms = 0;
    while ((message = fake_take(&f)) != NULL) {
        int takes_ms = below(100) < quick ? quick_ms : slow_ms;
        work_ms += takes_ms;
        running[running_count] = message;
        ends_ms[running_count++] = f.now_ms + takes_ms;
    }
    return work_ms;
}

struct figures {
    int64_t took_ms, work_ms;
};

static struct figures run(int quick, int quick_ms, int slow_ms)
{
    struct figures figures = {.took_ms = -f.now_ms};
    int64_t all = left;
    while (f.core.stats.deleted < all) {
        answer_calls();
        finish_handlers();
        figures.work_ms += start_handlers(quick, quick_ms, slow_ms);
        most_held = f.core.held_count > most_held ? f.core.held_count : most_held;
        (void)fake_log(&f);
        fake_advance(&f, 1);
        ck_assert_int_lt(f.now_ms, INT64_C(1000000000));
    }
    figures.took_ms += f.now_ms;
    return figures;
}

START_TEST(mixed_handlers_keep_all_slots_busy_with_few_calls_and_little_held)
{
    struct core_settings settings = fake_settings(100);
    begin(&settings, 4000);
    struct figures figures = run(90, 100, 1000);
    ck_assert_int_le(f.core.stats.calls * 1000 / 4000, 225);
    ck_assert_int_le(most_held, 110);
    /* The last ones run out while nothing is left to start: that tail is the best schedule's, too. */
    int64_t best_ms = figures.work_ms / 100 + 1000;
    ck_assert_msg(figures.took_ms * 99 <= best_ms * 100, "%ld ms, best %ld ms", (long)figures.took_ms,
                  (long)best_ms);
    end();
}
END_TEST

START_TEST(quick_handlers_take_two_calls_for_ten_messages)
{
    struct core_settings settings = fake_settings(100);
    begin(&settings, 10000);
    (void)run(100, 0, 0);
    ck_assert_int_le(f.core.stats.calls * 1000 / 10000, 201); /* the last poll stays open */
    end();
}
END_TEST

START_TEST(slots_of_a_hundred_ms_hardly_idle)
{
    struct core_settings settings = fake_settings(100);
    begin(&settings, 4000);
    struct figures figures = run(100, 100, 100);
    ck_assert_int_le(f.core.stats.calls * 1000 / 4000, 225);
    ck_assert_int_ge(figures.work_ms / 100 * 100 / figures.took_ms, 97);
    end();
}
END_TEST

START_TEST(five_slots_of_three_seconds_are_never_idle_and_nothing_is_handed_back)
{
    struct core_settings settings = fake_settings(100);
    settings.handler_limit = 5;
    begin(&settings, 300);
    struct figures figures = run(100, 3000, 3000);
    ck_assert_int_le(most_held, 15);
    ck_assert_int_eq(f.core.stats.returned, 0);
    ck_assert_int_ge(figures.work_ms / 5 * 1000 / figures.took_ms, 995);
    end();
}
END_TEST

/* Ten minutes a message: what would wait for longer than the visibility timeout is somebody else's. */
START_TEST(a_slow_handler_does_not_hold_what_others_could_do)
{
    struct core_settings settings = fake_settings(1);
    begin(&settings, 1000);
    answer_calls();
    for (int minute = 0; minute < 25; minute++) {
        finish_handlers();
        (void)start_handlers(100, 600000, 600000);
        for (int s = 0; s < 60; s++) {
            fake_advance(&f, 1000);
            answer_calls();
            (void)fake_log(&f);
        }
        /* Learnt while the first one ran; the slot alone is filled then. */
        ck_assert_int_le(f.core.held_count, 1);
    }
    ck_assert_int_eq(f.core.stats.completed, 2);
    ck_assert_int_eq(f.core.stats.received, f.core.stats.returned + 3);
    ck_assert_int_le(f.core.stats.returned, 10);
    finish_handlers();
    end();
}
END_TEST

START_TEST(a_hundred_messages_held_for_nine_seconds_are_extended_by_forty_calls)
{
    struct core_settings settings = fake_settings(100);
    settings.visibility_s = 4; /* extended when half of it is over: every 2 s */
    begin(&settings, 0);
    for (int batch = 0; batch < 10; batch++) { /* all in the same ms */
        char prefix[8];
        (void)snprintf(prefix, sizeof prefix, "m%d-", batch);
        fake_deliver_many(&f, prefix, 10);
    }
    (void)start_handlers(100, 9000, 9000);
    ck_assert_int_eq(running_count, 100);
    int batches = 0;
    for (int ms = 0; ms < 9000; ms++) {
        fake_advance(&f, 1);
        for (int i = 0; i < f.batch_count; i++) {
            ck_assert_int_eq(f.batches[i]->kind, BATCH_EXTEND);
            ck_assert_int_eq(f.batches[i]->count, 10);
            batches += f.batches[i]->sent_ms == f.now_ms;
        }
        answer_calls();
    }
    ck_assert_int_eq(batches, 40);
    ck_assert_int_eq(f.core.stats.extended, 400);
    ck_assert_int_eq(f.core.stats.lease_lost, 0);
    finish_handlers();
    end();
}
END_TEST

UNIT_MAIN("core_flow", mixed_handlers_keep_all_slots_busy_with_few_calls_and_little_held,
          quick_handlers_take_two_calls_for_ten_messages, slots_of_a_hundred_ms_hardly_idle,
          five_slots_of_three_seconds_are_never_idle_and_nothing_is_handed_back,
          a_slow_handler_does_not_hold_what_others_could_do,
          a_hundred_messages_held_for_nine_seconds_are_extended_by_forty_calls)
