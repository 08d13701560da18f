/*
 * Random operations on two queues (one the dead-letter queue of the other) against a model so plain that it
 * is seen to be right: an array of messages, each with a state and times, searched from end to end. After
 * every step both sides must agree on each message, so that every message is in exactly one place and none is
 * lost or invented.
 */
#include "tests/unit/localaws/world.h"

#include <inttypes.h>

enum { MODEL_MAX = 400, RECEIPTS_MAX = 600, VISIBILITY_S = 30, MAX_RECEIVES = 3, RETENTION_S = 400 };

enum model_state { M_GONE, M_DELAYED, M_VISIBLE, M_IN_FLIGHT };

struct model_message {
    enum model_state state;
    bool in_dead; /* in the dead-letter queue */
    char id[SQS_UUID_BYTES];
    int64_t sent_ms, due_ms, received_ms;
    int receives, receives_here, generation;
};

/* A handle as a consumer holds it. */
struct receipt {
    char handle[SQS_HANDLE_CHARS + 1];
    size_t message;
    int generation;
    bool in_dead;
};

struct model {
    struct world w;
    struct sqs_queue *dead;
    struct model_message messages[MODEL_MAX];
    size_t count;
    struct receipt receipts[RECEIPTS_MAX];
    size_t receipt_count; /* the oldest are written over */
    uint64_t random, seed;
    int64_t step;
    int64_t done[8]; /* how often each kind of step did something */
};

static uint64_t next(struct model *m)
{
    uint64_t z = m->random += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

static int64_t pick(struct model *m, int64_t low, int64_t high)
{
    return low + (int64_t)(next(m) % (uint64_t)(high - low + 1));
}

#define AGREE(m, condition)                                                                                  \
    ck_assert_msg(condition, "seed %" PRIu64 " step %" PRId64 ": " #condition, (m)->seed, (m)->step)

static struct sqs_queue *queue_of(struct model *m, bool in_dead)
{
    return in_dead ? m->dead : m->w.queue;
}

/* ---- what the model thinks happens by itself ---- */

static void model_pass(struct model *m)
{
    int64_t now = m->w.now_ms;
    for (size_t i = 0; i < m->count; i++) {
        struct model_message *x = &m->messages[i];
        if ((x->state == M_DELAYED || x->state == M_IN_FLIGHT) && x->due_ms <= now)
            x->state = M_VISIBLE;
        if (x->state != M_GONE && x->sent_ms + RETENTION_S * 1000 <= now)
            x->state = M_GONE;
    }
}

static struct model_message *by_id(struct model *m, const char *id)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->messages[i].id, id) == 0)
            return &m->messages[i];
    return NULL;
}

/* ---- steps ---- */

static void step_send(struct model *m)
{
    if (m->count == MODEL_MAX)
        return;
    bool in_dead = pick(m, 1, 10) == 1;
    int64_t delay_s = pick(m, 0, 2) == 0 ? pick(m, 1, 20) : 0;
    const struct sqs_message *sent = world_send_delayed(&m->w, queue_of(m, in_dead), "x", delay_s);
    struct model_message *x = &m->messages[m->count++];
    *x = (struct model_message){.state = delay_s > 0 ? M_DELAYED : M_VISIBLE,
                                .in_dead = in_dead,
                                .sent_ms = m->w.now_ms,
                                .due_ms = m->w.now_ms + delay_s * 1000};
    memcpy(x->id, sent->id, sizeof x->id);
    m->done[0]++;
}

static size_t model_visible(const struct model *m, bool in_dead, bool exhausted)
{
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct model_message *x = &m->messages[i];
        bool is_exhausted = !in_dead && x->receives_here >= MAX_RECEIVES;
        if (x->state == M_VISIBLE && x->in_dead == in_dead && is_exhausted == exhausted)
            count++;
    }
    return count;
}

/* What the engine moved to the dead-letter queue must have been exhausted; the model follows. */
static void follow_redrive(struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        struct model_message *x = &m->messages[i];
        if (x->state != M_VISIBLE || x->in_dead || x->receives_here < MAX_RECEIVES)
            continue;
        for (const struct sqs_message *e = m->dead->visible.head; e != NULL; e = e->next) {
            if (strcmp(e->id, x->id) != 0)
                continue;
            x->in_dead = true;
            x->receives_here = 0;
            m->done[1]++;
            break;
        }
    }
}

static void step_receive(struct model *m)
{
    bool in_dead = pick(m, 1, 5) == 1;
    size_t max = (size_t)pick(m, 1, SQS_BATCH_MAX);
    int64_t visibility_ms = pick(m, 1, VISIBILITY_S) * 1000;
    size_t available = model_visible(m, in_dead, false);
    struct catch c = world_receive(&m->w, queue_of(m, in_dead), max, visibility_ms);
    AGREE(m, c.count == (available < max ? available : max));
    follow_redrive(m);
    for (size_t i = 0; i < c.count; i++) {
        struct model_message *x = by_id(m, c.messages[i]->id);
        AGREE(m, x != NULL);
        AGREE(m, x->state == M_VISIBLE && x->in_dead == in_dead);
        x->state = M_IN_FLIGHT;
        x->due_ms = m->w.now_ms + visibility_ms;
        x->received_ms = m->w.now_ms;
        x->receives++;
        x->receives_here++;
        x->generation++;
        struct receipt *r = &m->receipts[m->receipt_count++ % RECEIPTS_MAX];
        *r = (struct receipt){
            .message = (size_t)(x - m->messages), .generation = x->generation, .in_dead = in_dead};
        memcpy(r->handle, c.handles[i], sizeof r->handle);
        m->done[2]++;
    }
}

static struct receipt *any_receipt(struct model *m)
{
    size_t kept = m->receipt_count < RECEIPTS_MAX ? m->receipt_count : RECEIPTS_MAX;
    return kept == 0 ? NULL : &m->receipts[next(m) % kept];
}

/* The message that a receipt still stands for, or NULL. */
static struct model_message *held(struct model *m, const struct receipt *r)
{
    struct model_message *x = &m->messages[r->message];
    return x->state != M_GONE && x->generation == r->generation && x->in_dead == r->in_dead ? x : NULL;
}

static void step_delete(struct model *m)
{
    const struct receipt *r = any_receipt(m);
    if (r == NULL)
        return;
    struct model_message *x = held(m, r);
    enum sqs_error error = sqs_engine_delete_message(m->w.engine, queue_of(m, r->in_dead),
                                                     slice_of(r->handle), m->w.now_ms, &m->w.failure);
    AGREE(m, error == SQS_OK);
    if (x != NULL) {
        x->state = M_GONE;
        m->done[3]++;
    }
}

static void step_change(struct model *m)
{
    const struct receipt *r = any_receipt(m);
    if (r == NULL)
        return;
    struct model_message *x = held(m, r);
    int64_t seconds = pick(m, 0, VISIBILITY_S);
    enum sqs_error error = sqs_engine_change_visibility(
        m->w.engine, queue_of(m, r->in_dead), slice_of(r->handle), seconds, m->w.now_ms, &m->w.failure);
    if (x == NULL) {
        AGREE(m, error == SQS_INVALID_PARAMETER_VALUE);
    } else if (x->state != M_IN_FLIGHT) {
        AGREE(m, error == SQS_MESSAGE_NOT_INFLIGHT);
    } else {
        AGREE(m, error == SQS_OK);
        x->state = seconds == 0 ? M_VISIBLE : M_IN_FLIGHT;
        x->due_ms = m->w.now_ms + seconds * 1000;
        m->done[4]++;
    }
}

static void step_pass(struct model *m)
{
    int64_t before = m->w.now_ms;
    world_pass(&m->w, pick(m, 0, 9) == 0 ? pick(m, 1, 60000) : pick(m, 1, 3000));
    model_pass(m);
    m->done[5] += m->w.now_ms > before;
}

/* ---- agreement ---- */

static size_t count_list(const struct sqs_queue *queue)
{
    size_t count = 0;
    for (const struct sqs_message *e = queue->visible.head; e != NULL; e = e->next)
        count++;
    return count;
}

static void agree_on_queue(struct model *m, bool in_dead)
{
    struct sqs_queue *queue = queue_of(m, in_dead);
    size_t expected[4] = {0};
    for (size_t i = 0; i < m->count; i++)
        if (m->messages[i].in_dead == in_dead)
            expected[m->messages[i].state]++;
    AGREE(m, queue->visible.count == expected[M_VISIBLE] && count_list(queue) == expected[M_VISIBLE]);
    AGREE(m, queue->in_flight.count == expected[M_IN_FLIGHT]);
    AGREE(m, queue->delayed.count == expected[M_DELAYED]);
    size_t aged = queue->old_heap.count;
    for (const struct sqs_message *e = queue->old_head; e != NULL; e = e->old_next)
        aged++;
    AGREE(m, aged == expected[M_VISIBLE] + expected[M_IN_FLIGHT] + expected[M_DELAYED]);
}

/* Every live message of the engine is one of the model's, in the same state, with the same history. */
static void agree_on_messages(struct model *m)
{
    static const enum model_state STATES[] = {[SQS_NOWHERE] = M_GONE,
                                              [SQS_DELAYED] = M_DELAYED,
                                              [SQS_VISIBLE] = M_VISIBLE,
                                              [SQS_IN_FLIGHT] = M_IN_FLIGHT,
                                              [SQS_REPEATED] = M_IN_FLIGHT};
    size_t alive = 0;
    for (uint32_t slot = 0; slot < m->w.engine->slot_count; slot++) {
        const struct sqs_message *e = m->w.engine->slots[slot];
        if (e == NULL)
            continue;
        const struct model_message *x = by_id(m, e->id);
        alive++;
        AGREE(m, x != NULL && x->state == STATES[e->state] && e->queue == queue_of(m, x->in_dead));
        AGREE(m, (int)e->receive_count == x->receives && e->sent_ms == x->sent_ms);
    }
    for (size_t i = 0; i < m->count; i++)
        alive -= m->messages[i].state != M_GONE;
    AGREE(m, alive == 0);
}

static void forget_gone(struct model *m)
{
    if (m->count < MODEL_MAX)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->messages[i].state != M_GONE)
            m->messages[kept++] = m->messages[i];
    m->count = kept;
    m->receipt_count = 0; /* they point to places in the array */
}

static void run_model(struct model *m, uint64_t seed, int64_t steps)
{
    static void (*const STEPS[])(struct model *) = {step_send,    step_send,   step_receive, step_receive,
                                                    step_receive, step_delete, step_change,  step_pass};
    memset(m, 0, sizeof *m);
    m->w = world_new();
    m->seed = m->random = seed;
    m->dead = world_queue(&m->w, "dead");
    ck_assert_int_eq(
        world_set(
            &m->w, m->w.queue, "RedrivePolicy",
            "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":3}"),
        SQS_OK);
    ck_assert_int_eq(world_set(&m->w, m->w.queue, "MessageRetentionPeriod", "400"), SQS_OK);
    ck_assert_int_eq(world_set(&m->w, m->dead, "MessageRetentionPeriod", "400"), SQS_OK);
    for (m->step = 0; m->step < steps; m->step++) {
        STEPS[next(m) % (sizeof STEPS / sizeof *STEPS)](m);
        sqs_engine_settle(m->w.engine, m->w.now_ms);
        agree_on_queue(m, false);
        agree_on_queue(m, true);
        agree_on_messages(m);
        forget_gone(m);
    }
    world_clean_up(&m->w);
}

static uint64_t first_seed(void)
{
    const char *text = getenv("SLUICE_TEST_SEED");
    return text == NULL ? 1 : strtoull(text, NULL, 10);
}

START_TEST(every_message_is_in_exactly_one_place_under_random_operations)
{
    static struct model m;
    int64_t done[8] = {0};
    for (long i = 0; i < unit_steps(10); i++) {
        run_model(&m, first_seed() + (uint64_t)i, 1200);
        for (size_t k = 0; k < 8; k++)
            done[k] += m.done[k];
    }
    for (size_t k = 0; k < 6; k++) /* sent, redriven, received, deleted, changed, passed: all did happen */
        ck_assert_int_gt(done[k], 10);
}
END_TEST

/* ---- cost ---- */

static uint64_t moves(const struct world *w)
{
    const struct sqs_queue *q = w->queue;
    return q->in_flight.moves + q->delayed.moves + q->old_heap.moves + w->engine->due.moves;
}

/* Heap moves for one turn of send delayed, wake, receive, change, delete with `depth` messages in flight and
 * delayed. */
static uint64_t cost_at(int depth)
{
    struct world w = world_new();
    struct sqs_message_spec spec = {.body = slice_of("x")};
    struct sqs_message *out[SQS_BATCH_MAX];
    for (int i = 0; i < depth; i++) {
        (void)sqs_engine_send(w.engine, w.queue, &spec, 0, w.now_ms);
        if (i % 2 == 0) /* visibility by a scattered rule, so that deadlines are in no order */
            (void)sqs_engine_receive(w.engine, w.queue, 1, 100000 + (i * 7919) % 500000, w.now_ms, out);
        else
            (void)sqs_engine_send(w.engine, w.queue, &spec, 100 + (i * 7919) % 700, w.now_ms);
    }
    sqs_engine_settle(w.engine, w.now_ms);
    uint64_t before = moves(&w);
    for (int i = 0; i < 100; i++) {
        world_send_delayed(&w, w.queue, "x", 1);
        world_pass(&w, 1000);
        struct catch c = world_receive(&w, w.queue, 1, 1000);
        ck_assert_uint_eq(c.count, 1);
        ck_assert_int_eq(world_change(&w, c.handles[0], 2), SQS_OK);
        ck_assert_int_eq(world_delete(&w, c.handles[0]), SQS_OK);
    }
    uint64_t cost = moves(&w) - before;
    world_clean_up(&w);
    return cost;
}

START_TEST(work_grows_with_the_logarithm_of_the_depth)
{
    uint64_t small = cost_at(1000);
    uint64_t large = cost_at(200000);
    /* 200 times as deep: 7.6 more levels. A linear step would cost 200 times as much. */
    ck_assert_uint_gt(small, 0);
    ck_assert_msg(large <= small * 4, "%" PRIu64 " moves at 1,000, %" PRIu64 " at 200,000", small, large);
}
END_TEST

UNIT_MAIN("localaws_properties", every_message_is_in_exactly_one_place_under_random_operations,
          work_grows_with_the_logarithm_of_the_depth)
