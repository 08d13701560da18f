/* FIFO queues of the engine, with invented time: groups and what blocks them, deduplication, attempt ids,
 * dead-letter queues, handles; and random steps against a plain model. */
#include "tests/unit/localaws/world.h"

#include "localaws/sqs_fifo.h"

#include <inttypes.h>
#include <stdlib.h>

static struct sqs_queue *fifo_queue(struct world *w, const char *name)
{
    struct sqs_pair pair = {slice_of("FifoQueue"), slice_of("true")};
    struct sqs_queue *queue = NULL;
    ck_assert_int_eq(sqs_engine_create(w->engine, slice_of(name), &pair, 1, w->now_ms, &queue, &w->failure),
                     SQS_OK);
    return queue;
}

/* A world whose usual queue is "orders.fifo". */
static struct world fifo_world(void)
{
    struct world w = world_new();
    w.queue = fifo_queue(&w, "orders.fifo");
    return w;
}

/* Sends with an explicit deduplication id; true when it was put in, false for a duplicate, whose id and
 * sequence are those of *like. */
static bool send_to(struct world *w, struct sqs_queue *queue, const char *group, const char *dedup,
                    const char *body, struct sqs_sent *like)
{
    struct sqs_message_spec spec = {
        .body = slice_of(body), .group_id = slice_of(group), .deduplication_id = slice_of(dedup)};
    struct sqs_message *m = sqs_engine_send(w->engine, queue, &spec, -1, w->now_ms);
    bool is_new = m->queue != NULL;
    if (is_new && like != NULL) {
        memcpy(like->id, m->id, sizeof like->id);
        like->sequence = m->sequence;
    } else if (like != NULL) {
        ck_assert_str_eq(m->id, like->id);
        ck_assert_uint_eq(m->sequence, like->sequence);
    }
    if (!is_new)
        sqs_message_free(m);
    sqs_engine_settle(w->engine, w->now_ms);
    return is_new;
}

/* The body is its deduplication id too. */
static void send(struct world *w, const char *group, const char *body)
{
    ck_assert(send_to(w, w->queue, group, body, body, NULL));
}

static void expect(const struct catch *c, const char *bodies)
{
    char got[128] = "";
    for (size_t i = 0; i < c->count; i++)
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.*s", i > 0 ? " " : "",
                       (int)c->messages[i]->body.len, c->messages[i]->body.at);
    ck_assert_str_eq(got, bodies);
}

static void receive(struct world *w, size_t max, const char *bodies)
{
    struct catch c = world_receive(w, w->queue, max, 30000);
    expect(&c, bodies);
}

START_TEST(a_batch_takes_much_of_one_group_in_order_then_the_next)
{
    struct world w = fifo_world();
    send(&w, "a", "a1");
    send(&w, "b", "b1");
    send(&w, "a", "a2");
    send(&w, "c", "c1");
    send(&w, "a", "a3");
    receive(&w, 4, "a1 a2 a3 b1");
    receive(&w, 10, "c1");
    receive(&w, 10, "");
    world_expect_counts(w.queue, 0, 5, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_group_is_blocked_while_any_of_its_messages_is_in_flight)
{
    struct world w = fifo_world();
    send(&w, "a", "a1");
    send(&w, "a", "a2");
    send(&w, "a", "a3");
    struct catch c = world_receive(&w, w.queue, 2, 30000);
    expect(&c, "a1 a2");
    receive(&w, 10, ""); /* a3 waits for both */
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    receive(&w, 10, ""); /* a2 is still in flight */
    send(&w, "a", "a4");
    receive(&w, 10, "");
    ck_assert_int_eq(world_delete(&w, c.handles[1]), SQS_OK);
    receive(&w, 10, "a3 a4");
    world_clean_up(&w);
}
END_TEST

START_TEST(what_is_given_back_waits_for_the_later_ones_in_flight_and_then_comes_first)
{
    struct world w = fifo_world();
    send(&w, "a", "a1");
    send(&w, "a", "a2");
    send(&w, "a", "a3");
    struct catch c = world_receive(&w, w.queue, 2, 30000);
    ck_assert_int_eq(world_change(&w, c.handles[0], 0), SQS_OK);
    world_expect_counts(w.queue, 2, 1, 0);
    receive(&w, 10, "");
    ck_assert_int_eq(world_change(&w, c.handles[1], 0), SQS_OK);
    receive(&w, 10, "a1 a2 a3");
    world_pass(&w, 30000);
    receive(&w, 1, "a1"); /* a timeout does the same */
    world_clean_up(&w);
}
END_TEST

START_TEST(the_oldest_message_says_which_group_is_next)
{
    struct world w = fifo_world();
    send(&w, "a", "a1");
    send(&w, "b", "b1");
    send(&w, "a", "a2");
    send(&w, "b", "b2");
    struct catch a = world_receive(&w, w.queue, 1, 30000);
    struct catch b = world_receive(&w, w.queue, 1, 30000);
    ck_assert_int_eq(world_delete(&w, b.handles[0]), SQS_OK);
    ck_assert_int_eq(world_delete(&w, a.handles[0]), SQS_OK);
    receive(&w, 1, "a2");
    receive(&w, 1, "b2");
    world_clean_up(&w);
}
END_TEST

START_TEST(a_duplicate_within_five_minutes_is_answered_and_not_put_in)
{
    struct world w = fifo_world();
    struct sqs_sent first;
    ck_assert(send_to(&w, w.queue, "a", "d", "one", &first));
    world_pass(&w, SQS_FIFO_MEMORY_MS - 1);
    ck_assert(!send_to(&w, w.queue, "b", "d", "other body, other group", &first));
    struct catch c = world_receive(&w, w.queue, 10, 30000);
    expect(&c, "one");
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    ck_assert(!send_to(&w, w.queue, "a", "d", "one", &first)); /* the first is gone, not forgotten */
    world_expect_counts(w.queue, 0, 0, 0);
    ck_assert_uint_eq(w.queue->stats.deduplicated, 2);
    ck_assert_uint_eq(w.queue->stats.sent, 1);
    world_pass(&w, 1); /* a duplicate has not renewed the window */
    ck_assert(send_to(&w, w.queue, "a", "d", "one", &first));
    world_clean_up(&w);
}
END_TEST

START_TEST(the_window_is_of_the_queue_or_of_each_group)
{
    struct world w = fifo_world();
    ck_assert_int_eq(world_set(&w, w.queue, "DeduplicationScope", "messageGroup"), SQS_OK);
    struct sqs_sent first;
    ck_assert(send_to(&w, w.queue, "a", "d", "one", &first));
    ck_assert(send_to(&w, w.queue, "b", "d", "one", NULL));
    ck_assert(!send_to(&w, w.queue, "a", "d", "one", &first));
    struct sqs_queue *other = fifo_queue(&w, "other.fifo");
    ck_assert(send_to(&w, other, "a", "d", "one", NULL));
    world_clean_up(&w);
}
END_TEST

START_TEST(sequence_numbers_grow_over_all_groups_and_queues)
{
    struct world w = fifo_world();
    struct sqs_queue *other = fifo_queue(&w, "other.fifo");
    struct sqs_sent last = {.sequence = 0};
    for (int i = 0; i < 50; i++) {
        struct sqs_sent sent;
        char id[16];
        (void)snprintf(id, sizeof id, "%d", i);
        ck_assert(send_to(&w, i % 3 == 0 ? other : w.queue, i % 2 == 0 ? "a" : "b", id, id, &sent));
        ck_assert_uint_gt(sent.sequence, last.sequence);
        last = sent;
    }
    world_clean_up(&w);
}
END_TEST

START_TEST(deleting_with_an_expired_or_superseded_handle_fails)
{
    struct world w = fifo_world();
    send(&w, "a", "a1");
    struct catch first = world_receive(&w, w.queue, 1, 30000);
    world_pass(&w, 30000);
    ck_assert_int_eq(world_delete(&w, first.handles[0]), SQS_RECEIPT_HANDLE_EXPIRED);
    ck_assert_ptr_nonnull(strstr(w.failure.message, "The receipt handle has expired."));
    struct catch second = world_receive(&w, w.queue, 1, 30000);
    ck_assert_int_eq(world_delete(&w, first.handles[0]), SQS_RECEIPT_HANDLE_EXPIRED);
    ck_assert_int_ne(world_change(&w, first.handles[0], 10), SQS_OK);
    world_pass(&w, 29999);
    ck_assert_int_eq(world_change(&w, second.handles[0], 60), SQS_OK);
    world_pass(&w, 59999); /* extended: alive beyond its first timeout */
    ck_assert_int_eq(world_delete(&w, second.handles[0]), SQS_OK);
    ck_assert_int_eq(world_delete(&w, second.handles[0]), SQS_OK); /* gone: nothing to protect */
    send(&w, "a", "a2");
    first = world_receive(&w, w.queue, 1, 30000);
    ck_assert_int_eq(world_change(&w, first.handles[0], 0), SQS_OK);
    ck_assert_int_eq(world_delete(&w, first.handles[0]), SQS_RECEIPT_HANDLE_EXPIRED);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_message_received_too_often_goes_to_the_fifo_queue_of_dead_letters_and_its_group_goes_on)
{
    struct world w = fifo_world();
    struct sqs_queue *dead = fifo_queue(&w, "dead.fifo");
    ck_assert_int_eq(world_set(&w, w.queue, "RedrivePolicy",
                               "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:orders\","
                               "\"maxReceiveCount\":1}"),
                     SQS_INVALID_PARAMETER_VALUE);
    ck_assert_ptr_nonnull(strstr(w.failure.message, "same type of queue"));
    ck_assert_int_eq(world_set(&w, w.queue, "RedrivePolicy",
                               "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead.fifo\","
                               "\"maxReceiveCount\":1}"),
                     SQS_OK);
    ck_assert(send_to(&w, dead, "a", "there before", "a0", NULL));
    send(&w, "a", "a1");
    send(&w, "a", "a2");
    send(&w, "a", "a3");
    receive(&w, 2, "a1 a2");
    world_pass(&w, 30000);
    receive(&w, 10, "a3");
    struct catch c = world_receive(&w, dead, 10, 30000);
    expect(&c, "a0 a1 a2");
    ck_assert_uint_gt(c.messages[2]->sequence, c.messages[1]->sequence);
    ck_assert_int_eq(c.messages[1]->sent_ms, w.now_ms); /* its retention starts anew */
    ck_assert_uint_eq(w.queue->stats.redriven_out, 2);
    world_clean_up(&w);
}
END_TEST

/* What a receive with an attempt id does; 0: there was nothing to repeat. */
static size_t again(struct world *w, const char *id, struct catch *c)
{
    c->count = sqs_engine_receive_again(w->engine, w->queue, slice_of(id), 30000, w->now_ms, c->messages);
    for (size_t i = 0; i < c->count; i++)
        sqs_engine_handle(w->engine, c->messages[i], c->handles[i]);
    sqs_engine_settle(w->engine, w->now_ms);
    return c->count;
}

static struct catch attempt(struct world *w, const char *id, size_t max)
{
    struct catch c = world_receive(w, w->queue, max, 30000);
    sqs_engine_remember_attempt(w->queue, slice_of(id), c.messages, c.count, w->now_ms);
    return c;
}

START_TEST(an_attempt_that_is_repeated_gives_the_same_messages_and_handles_for_a_full_timeout)
{
    struct world w = fifo_world();
    struct catch c;
    send(&w, "a", "a1");
    send(&w, "b", "b1");
    send(&w, "c", "c1");
    ck_assert_uint_eq(again(&w, "try", &c), 0);
    struct catch first = attempt(&w, "try", 2);
    expect(&first, "a1 b1");
    world_pass(&w, 20000);
    ck_assert_uint_eq(again(&w, "try", &c), 2);
    ck_assert_str_eq(c.handles[0], first.handles[0]);
    ck_assert_str_eq(c.handles[1], first.handles[1]);
    ck_assert_uint_eq(c.messages[0]->receive_count, 1);
    ck_assert_uint_eq(again(&w, "other", &c), 0);
    world_pass(&w, 29999); /* the timeout began anew */
    world_expect_counts(w.queue, 1, 2, 0);
    ck_assert_int_eq(world_delete(&w, first.handles[0]), SQS_OK);
    world_pass(&w, 1);
    world_expect_counts(w.queue, 2, 0, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(an_attempt_ends_with_a_delete_a_changed_visibility_a_timeout_or_five_minutes)
{
    struct world w = fifo_world();
    struct catch c;
    send(&w, "a", "a1");
    send(&w, "b", "b1");
    struct catch first = attempt(&w, "deleted", 2);
    ck_assert_int_eq(world_delete(&w, first.handles[0]), SQS_OK);
    ck_assert_uint_eq(again(&w, "deleted", &c), 0);
    world_pass(&w, 30000);
    first = attempt(&w, "changed", 1);
    ck_assert_uint_eq(again(&w, "changed", &c), 1);
    ck_assert_int_eq(world_change(&w, first.handles[0], 40), SQS_OK);
    ck_assert_uint_eq(again(&w, "changed", &c), 0);
    world_pass(&w, 40000);
    first = attempt(&w, "timeout", 1);
    world_pass(&w, 30000);
    ck_assert_uint_eq(again(&w, "timeout", &c), 0);
    first = attempt(&w, "timeout", 1); /* the id may be used again */
    ck_assert_uint_eq(again(&w, "timeout", &c), 1);
    for (int64_t passed = 0; passed < SQS_FIFO_MEMORY_MS - 20000; passed += 20000) {
        world_pass(&w, 20000);
        ck_assert_uint_eq(again(&w, "timeout", &c), 1);
    }
    world_pass(&w, 20000);
    ck_assert_uint_eq(again(&w, "timeout", &c), 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_delay_holds_a_group_back_and_can_be_changed_afterwards)
{
    struct world w = fifo_world();
    ck_assert_int_eq(world_set(&w, w.queue, "DelaySeconds", "60"), SQS_OK);
    send(&w, "a", "a1");
    world_pass(&w, 10000);
    send(&w, "a", "a2");
    world_expect_counts(w.queue, 0, 0, 2);
    world_pass(&w, 50000);
    receive(&w, 10, "a1");
    ck_assert_int_eq(world_set(&w, w.queue, "DelaySeconds", "55"), SQS_OK);
    world_pass(&w, 5000);
    world_expect_counts(w.queue, 1, 1, 0);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_waiting_receive_wakes_for_a_group_that_is_free)
{
    struct world w = fifo_world();
    send(&w, "a", "a1");
    send(&w, "a", "a2");
    struct catch c = world_receive(&w, w.queue, 1, 30000);
    struct sqs_waiter waiter = {.max = 10, .visibility_ms = 30000};
    sqs_engine_wait(w.engine, w.queue, &waiter, w.now_ms + 20000);
    sqs_engine_settle(w.engine, w.now_ms); /* a2 is visible, and blocked: nobody is called */
    ck_assert_ptr_nonnull(waiter.queue);
    sqs_engine_cancel(w.engine, &waiter);
    ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    receive(&w, 10, "a2");
    world_clean_up(&w);
}
END_TEST

START_TEST(the_attributes_of_fifo_queues_are_checked)
{
    static const struct {
        const char *name, *value;
        enum sqs_error error;
    } cases[] = {
        {"ContentBasedDeduplication", "true", SQS_OK},
        {"ContentBasedDeduplication", "yes", SQS_INVALID_ATTRIBUTE_VALUE},
        {"DeduplicationScope", "group", SQS_INVALID_ATTRIBUTE_VALUE},
        {"FifoThroughputLimit", "perMessageGroupId", SQS_INVALID_ATTRIBUTE_VALUE},
        {"DeduplicationScope", "messageGroup", SQS_OK},
        {"FifoThroughputLimit", "perMessageGroupId", SQS_OK},
        {"DeduplicationScope", "queue", SQS_INVALID_ATTRIBUTE_VALUE},
        {"FifoQueue", "true", SQS_OK},
        {"FifoQueue", "false", SQS_INVALID_ATTRIBUTE_VALUE},
    };
    static const char *const BAD_NAMES[] = {"plain", ".fifo", "a b.fifo", "a.b.fifo"};
    struct world w = fifo_world();
    struct sqs_queue *queue = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(world_set(&w, w.queue, cases[i].name, cases[i].value) == cases[i].error, "case %zu: %s",
                      i, w.failure.message);
    struct sqs_pair pair = {slice_of("FifoQueue"), slice_of("true")};
    for (size_t i = 0; i < sizeof BAD_NAMES / sizeof BAD_NAMES[0]; i++) {
        ck_assert_int_eq(sqs_engine_create(w.engine, slice_of(BAD_NAMES[i]), &pair, 1, 1, &queue, &w.failure),
                         SQS_INVALID_PARAMETER_VALUE);
        ck_assert_ptr_nonnull(strstr(w.failure.message, "must end with .fifo"));
    }
    ck_assert_int_eq(sqs_engine_create(w.engine, slice_of("a.fifo"), NULL, 0, 1, &queue, &w.failure),
                     SQS_INVALID_PARAMETER_VALUE);
    struct sqs_queue *standard = sqs_engine_find(w.engine, slice_of("orders"));
    ck_assert_int_eq(world_set(&w, standard, "ContentBasedDeduplication", "true"),
                     SQS_INVALID_ATTRIBUTE_NAME);
    world_clean_up(&w);
}
END_TEST

START_TEST(a_receive_costs_the_same_behind_many_blocked_messages)
{
    enum { GROUPS = 2000, EACH = 10 };
    struct world w = fifo_world();
    char group[16];
    char body[16];
    for (int i = 0; i < GROUPS * EACH; i++) {
        (void)snprintf(group, sizeof group, "g%d", i % GROUPS);
        (void)snprintf(body, sizeof body, "%d", i);
        send(&w, group, body);
    }
    const struct sqs_fifo *fifo = w.queue->fifo;
    ck_assert_uint_eq(fifo->available.count, GROUPS);
    for (int i = 0; i < GROUPS; i++) {
        uint64_t before = fifo->available.moves;
        struct catch c = world_receive(&w, w.queue, 1, 30000);
        ck_assert_uint_eq(c.count, 1);
        ck_assert_uint_le(fifo->available.moves - before, 40); /* some levels of one heap */
    }
    ck_assert_uint_eq(world_receive(&w, w.queue, 1, 30000).count, 0);
    world_clean_up(&w);
}
END_TEST

/* ---- random steps ---- */

enum { RANDOM_GROUPS = 5, RANDOM_MAX = 400, RANDOM_STEPS = 3000 };

struct random_message {
    int group;
    bool is_in; /* in the queue */
    bool in_flight;
    int64_t due_ms;
    char handle[SQS_HANDLE_CHARS + 1];
};

struct random_world {
    struct world w;
    struct random_message messages[RANDOM_MAX];
    int count;
    uint64_t random, seed;
};

static int pick(struct random_world *r, int below)
{
    uint64_t z = r->random += 0x9E3779B97F4A7C15U; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return (int)((z ^ (z >> 31)) % (uint64_t)below);
}

static void random_expire(struct random_world *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->messages[i].in_flight && r->messages[i].due_ms <= r->w.now_ms)
            r->messages[i].in_flight = false;
}

static bool random_blocked(const struct random_world *r, int group)
{
    for (int i = 0; i < r->count; i++)
        if (r->messages[i].group == group && r->messages[i].in_flight)
            return true;
    return false;
}

static void random_send(struct random_world *r)
{
    char body[16];
    char group[16];
    if (r->count == RANDOM_MAX)
        return;
    struct random_message *m = &r->messages[r->count];
    *m = (struct random_message){.group = pick(r, RANDOM_GROUPS), .is_in = true};
    (void)snprintf(body, sizeof body, "%d", r->count++);
    (void)snprintf(group, sizeof group, "g%d", m->group);
    send(&r->w, group, body);
}

/* What must come: of the free group with the oldest message its messages in order, then the next group. */
static void random_receive(struct random_world *r)
{
    int want[SQS_BATCH_MAX];
    size_t max = (size_t)pick(r, SQS_BATCH_MAX) + 1;
    size_t count = 0;
    bool taken[RANDOM_GROUPS] = {false};
    for (int i = 0; i < r->count && count < max; i++) {
        int group = r->messages[i].group;
        if (!r->messages[i].is_in || taken[group] || random_blocked(r, group))
            continue;
        taken[group] = true;
        for (int k = i; k < r->count && count < max; k++)
            if (r->messages[k].is_in && r->messages[k].group == group)
                want[count++] = k;
    }
    struct catch c = world_receive(&r->w, r->w.queue, max, 5000);
    ck_assert_msg(c.count == count, "seed %" PRIu64 ": %zu instead of %zu", r->seed, c.count, count);
    for (size_t i = 0; i < count; i++) {
        struct random_message *m = &r->messages[want[i]];
        int got = (int)strtol(c.messages[i]->body.at, NULL, 10); /* the group id behind it ends it */
        ck_assert_msg(got == want[i], "seed %" PRIu64 ": %d instead of %d", r->seed, got, want[i]);
        m->in_flight = true;
        m->due_ms = r->w.now_ms + 5000;
        memcpy(m->handle, c.handles[i], sizeof m->handle);
    }
}

static void random_answer(struct random_world *r, int what)
{
    int start = r->count == 0 ? 0 : pick(r, r->count);
    for (int k = 0; k < r->count; k++) {
        struct random_message *m = &r->messages[(start + k) % r->count];
        if (!m->in_flight)
            continue;
        if (what == 0) {
            ck_assert_int_eq(world_delete(&r->w, m->handle), SQS_OK);
            m->is_in = false;
        } else {
            ck_assert_int_eq(world_change(&r->w, m->handle, 0), SQS_OK);
        }
        m->in_flight = false;
        return;
    }
}

static void random_run(uint64_t seed)
{
    struct random_world r = {.w = fifo_world(), .seed = seed, .random = seed * 1000003U};
    for (int step = 0; step < RANDOM_STEPS; step++) {
        int what = pick(&r, 10);
        if (what < 3)
            random_send(&r);
        else if (what < 6)
            random_receive(&r);
        else if (what < 9)
            random_answer(&r, what == 8);
        else
            world_pass(&r.w, pick(&r, 3000));
        random_expire(&r);
        size_t in = 0;
        for (int i = 0; i < r.count; i++)
            in += r.messages[i].is_in ? 1U : 0U;
        struct sqs_counts counts = sqs_queue_counts(r.w.queue);
        ck_assert_msg(counts.visible + counts.in_flight == in, "seed %" PRIu64, r.seed);
    }
    world_clean_up(&r.w);
}

START_TEST(random_steps_agree_with_a_plain_model)
{
    for (long seed = 1; seed <= unit_steps(20); seed++)
        random_run((uint64_t)seed);
}
END_TEST

UNIT_MAIN("localaws_fifo", a_batch_takes_much_of_one_group_in_order_then_the_next,
          a_group_is_blocked_while_any_of_its_messages_is_in_flight,
          what_is_given_back_waits_for_the_later_ones_in_flight_and_then_comes_first,
          the_oldest_message_says_which_group_is_next,
          a_duplicate_within_five_minutes_is_answered_and_not_put_in,
          the_window_is_of_the_queue_or_of_each_group, sequence_numbers_grow_over_all_groups_and_queues,
          deleting_with_an_expired_or_superseded_handle_fails,
          a_message_received_too_often_goes_to_the_fifo_queue_of_dead_letters_and_its_group_goes_on,
          an_attempt_that_is_repeated_gives_the_same_messages_and_handles_for_a_full_timeout,
          an_attempt_ends_with_a_delete_a_changed_visibility_a_timeout_or_five_minutes,
          a_delay_holds_a_group_back_and_can_be_changed_afterwards,
          a_waiting_receive_wakes_for_a_group_that_is_free, the_attributes_of_fifo_queues_are_checked,
          a_receive_costs_the_same_behind_many_blocked_messages, random_steps_agree_with_a_plain_model)
