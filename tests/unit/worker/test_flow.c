/* Flow control: a table of views, and random runs in which its bounds hold and nothing starves. */
#include "tests/unit/unit.h"

#include "worker/flow.h"

/* Handling is quick: all the prefetch there is. */
#define FULL .prefetch = FLOW_PREFETCH_MAX, .keep = FLOW_PREFETCH_MAX

START_TEST(next_poll_by_table)
{
    static const struct {
        struct flow_view view;
        int want;
        const char *why;
    } ROWS[] = {
        {{FULL, .capacity = 5, .target = 1}, 10, "idle: a whole batch fits"},
        {{FULL, .capacity = 5, .held = 5, .target = 1},
         10,
         "all slots busy, nothing waits: a batch fits exactly"},
        {{FULL, .capacity = 5, .held = 6, .waiting = 1, .target = 1}, 9, "next to nothing waits: what fits"},
        {{FULL, .capacity = 5, .held = 7, .waiting = 2, .target = 1}, 0, "enough waits: no small poll"},
        {{FULL, .capacity = 5, .held = 15, .waiting = 10, .target = 1}, 0, "full"},
        {{FULL, .capacity = 5, .held = 15, .waiting = 0, .target = 1}, 0, "full, though nothing waits yet"},
        {{FULL, .capacity = 5, .held = 5, .polls = 1, .polled = 10, .target = 9},
         0,
         "the open poll may fill it"},
        {{FULL, .capacity = 5, .held = 3, .polls = 1, .polled = 10, .target = 9},
         0,
         "room for two, but a poll is under way"},
        {{FULL, .capacity = 5, .held = 3, .polls = 0, .polled = 10, .target = 1},
         2,
         "an overdue poll keeps its room only"},
        {{FULL, .capacity = 100, .held = 0, .polls = 1, .polled = 10, .target = 1},
         0,
         "one poll wanted, one open"},
        {{FULL, .capacity = 100, .held = 0, .polls = 1, .polled = 10, .target = 2}, 10, "a second wanted"},
        {{FULL, .capacity = 100, .held = 95, .waiting = 0, .polls = 1, .polled = 10, .target = 11},
         0,
         "5 fit beside a poll"},
        {{FULL, .capacity = 1, .target = 1}, 10, "the smallest capacity"},
        {{FULL, .capacity = 0, .target = 1}, 0, "paused"},
        {{FULL, .capacity = 5, .target = 1, .blocked = true}, 0, "blocked"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        ck_assert_msg(flow_next_poll(&ROWS[i].view) == ROWS[i].want, "%s: got %d, want %d", ROWS[i].why,
                      flow_next_poll(&ROWS[i].view), ROWS[i].want);
}
END_TEST

START_TEST(overdue_polls_are_given_up_only_when_nothing_else_can_fetch)
{
    static const struct {
        struct flow_view view;
        bool want;
        const char *why;
    } ROWS[] = {
        {{FULL, .capacity = 10, .polled = 20, .target = 1}, true, "all the room is taken by overdue polls"},
        {{FULL, .capacity = 10, .polls = 1, .polled = 20, .target = 1}, false, "one is in time"},
        {{FULL, .capacity = 10, .polled = 10, .target = 1}, false, "there is room for another"},
        {{FULL, .capacity = 10, .held = 20, .waiting = 10, .target = 1}, false, "no poll is open"},
        {{FULL, .capacity = 10, .held = 15, .waiting = 5, .polled = 5, .target = 1}, false, "enough waits"},
        {{FULL, .capacity = 10, .polled = 20, .target = 1, .blocked = true}, false, "blocked"},
        {{FULL, .capacity = 0, .polled = 20, .target = 1}, false, "paused"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        ck_assert_msg(flow_must_give_up(&ROWS[i].view) == ROWS[i].want, "%s", ROWS[i].why);
}
END_TEST

START_TEST(excess_by_table)
{
    static const struct {
        int capacity, held, waiting, want;
    } ROWS[] = {{5, 15, 10, 0}, {5, 16, 11, 1}, {5, 30, 20, 15}, {5, 30, 3, 3}, {0, 10, 6, 6}, {0, 0, 0, 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct flow_view view = {FULL, .capacity = ROWS[i].capacity, .held = ROWS[i].held,
                                 .waiting = ROWS[i].waiting};
        ck_assert_int_eq(flow_excess(&view), ROWS[i].want);
    }
}
END_TEST

START_TEST(target_by_table)
{
    static const struct {
        int target;
        struct flow_answer answer; /* capacity, asked, got, slots_free, early */
        int want;
        const char *why;
    } ROWS[] = {{1, {100, 10, 10, true, true}, 2, "full"},
                {2, {100, 10, 10, false, false}, 4, "full, whatever else"},
                {8, {100, 10, 10, true, true}, 11, "as many as the room takes"},
                {11, {100, 10, 0, true, true}, 1, "empty"},
                {4, {100, 10, 3, true, true}, 5, "a partial one is no reason to fetch less"},
                {4, {100, 10, 3, false, true}, 4, "all slots busy"},
                {4, {100, 10, 3, true, false}, 4, "it had waited for what it brought"},
                {11, {100, 10, 3, true, true}, 11, "no more than the room takes"},
                {1, {5, 10, 10, true, true}, 1, "five slots"},
                {1, {5, 9, 9, true, true}, 1, "a small poll"},
                {1, {20, 10, 10, true, true}, 2, "twenty slots"},
                {3, {20, 10, 10, true, true}, 3, "all the room of twenty slots"},
                {2, {0, 10, 10, true, true}, 1, "paused"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        ck_assert_msg(flow_target_after(ROWS[i].target, &ROWS[i].answer) == ROWS[i].want, "%s: got %d",
                      ROWS[i].why, flow_target_after(ROWS[i].target, &ROWS[i].answer));
}
END_TEST

START_TEST(prefetch_by_table)
{
    static const struct {
        int capacity;
        int64_t span_ms;
        double handling_ms;
        int want;
        const char *why;
    } ROWS[] = {{100, 15000, 0, 10, "no time at all"},
                {100, 15000, 190, 10, "far more than ten can be started"},
                {5, 15000, 3000, 10, "25 could be started"},
                {1, 15000, 3000, 5, "five"},
                {1, 15000, 1500, 10, "ten exactly"},
                {1, 15000, 1501, 9, "not quite ten"},
                {1, 15000, 600000, 0, "ten minutes: none"},
                {100, 15000, 600000, 2, "ten minutes, a hundred threads"},
                {1, 15000, 15001, 0, "one would wait too long"},
                {0, 15000, 3000, 0, "paused"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        ck_assert_msg(flow_prefetch(ROWS[i].capacity, ROWS[i].span_ms, ROWS[i].handling_ms) == ROWS[i].want,
                      "%s: got %d", ROWS[i].why,
                      flow_prefetch(ROWS[i].capacity, ROWS[i].span_ms, ROWS[i].handling_ms));
}
END_TEST

START_TEST(the_mean_follows_the_handling_time)
{
    struct flow_pace pace = {.samples = 0};
    flow_pace_add(&pace, 100);
    ck_assert(pace.mean_ms == 100);
    flow_pace_add(&pace, 300);
    ck_assert(pace.mean_ms == 200); /* the plain mean at first */
    for (int i = 0; i < 200; i++)
        flow_pace_add(&pace, 5000);
    ck_assert(pace.mean_ms > 4990 && pace.mean_ms <= 5000);
    flow_pace_add(&pace, 0); /* one alone does not turn it over */
    ck_assert(pace.mean_ms > 4600);
}
END_TEST

static unsigned long long g_random = 88172645463325252ULL;

static int random_below(int n)
{
    g_random ^= g_random << 13;
    g_random ^= g_random >> 7;
    g_random ^= g_random << 17;
    return (int)(g_random % (unsigned long long)n);
}

struct world {
    struct flow_view view;
    int asked[64];
    int running;
};

static void answer_poll(struct world *w)
{
    int i = random_below(w->view.polls);
    int asked = w->asked[i];
    int got = random_below(3) == 0 ? 0 : random_below(2) == 0 ? asked : random_below(asked + 1);
    w->asked[i] = w->asked[--w->view.polls];
    w->view.polled -= asked;
    w->view.held += got;
    struct flow_answer answer = {w->view.capacity, asked, got, w->view.held < w->view.capacity,
                                 random_below(2) == 0};
    w->view.target = flow_target_after(w->view.target, &answer);
}

static void start_and_poll(struct world *w)
{
    int asked = 0;
    w->view.waiting = w->view.held > w->view.capacity ? w->view.held - w->view.capacity : 0;
    w->running = w->view.held - w->view.waiting;
    while ((asked = flow_next_poll(&w->view)) > 0) {
        ck_assert_int_le(asked, FLOW_BATCH);
        w->asked[w->view.polls++] = asked;
        w->view.polled += asked;
    }
}

START_TEST(held_never_exceeds_capacity_and_ten_and_an_idle_slot_always_has_a_poll)
{
    for (long run = 0; run < unit_steps(200); run++) {
        struct world w = {.view = {.capacity = 1 + random_below(120), .target = 1}};
        w.view.prefetch = w.view.keep = random_below(FLOW_PREFETCH_MAX + 1);
        for (int step = 0; step < 500; step++) {
            start_and_poll(&w);
            ck_assert_int_le(w.view.held + w.view.polled, w.view.capacity + w.view.prefetch);
            /* No starvation: a free slot has a poll under way for it. */
            ck_assert(w.running == w.view.capacity || w.view.polls > 0);
            if (w.view.polls > 0 && random_below(2) == 0)
                answer_poll(&w);
            else if (w.running > 0)
                w.view.held -= 1 + random_below(w.running);
        }
    }
}
END_TEST

START_TEST(slow_handlers_cost_about_one_receive_for_ten_messages)
{
    struct world w = {.view = {FULL, .capacity = 5, .target = 1}};
    int receives = 0;
    int received = 0;
    for (int step = 0; step < 10000; step++) {
        start_and_poll(&w);
        while (w.view.polls > 0) { /* the queue is never empty */
            int asked = w.asked[--w.view.polls];
            w.view.polled -= asked;
            w.view.held += asked;
            w.view.target =
                flow_target_after(w.view.target, &(struct flow_answer){5, asked, asked, true, true});
            receives++;
            received += asked;
            start_and_poll(&w);
        }
        w.view.held--;
        ck_assert_int_eq(w.running, 5); /* and no slot is ever idle */
    }
    ck_assert_int_le(receives * 1000 / received, 112);
}
END_TEST

UNIT_MAIN("flow", next_poll_by_table, overdue_polls_are_given_up_only_when_nothing_else_can_fetch,
          excess_by_table, prefetch_by_table, the_mean_follows_the_handling_time, target_by_table,
          held_never_exceeds_capacity_and_ten_and_an_idle_slot_always_has_a_poll,
          slow_handlers_cost_about_one_receive_for_ten_messages)
