/* A queue engine with invented time, and short names for what tests do with it. */
#ifndef SLUICE_TESTS_UNIT_LOCALAWS_WORLD_H
#define SLUICE_TESTS_UNIT_LOCALAWS_WORLD_H

#include "tests/unit/unit.h"

#include "localaws/sqs_engine.h"

#include <stdio.h>

#define WORLD_START_MS INT64_C(1800000000000)

struct world {
    struct sqs_engine *engine;
    struct sqs_queue *queue; /* "orders" */
    int64_t now_ms;
    struct sqs_failure failure; /* of the last step that failed */
};

/* What a receive gave. */
struct catch
{
    size_t count;
    struct sqs_message *messages[SQS_BATCH_MAX];
    char handles[SQS_BATCH_MAX][SQS_HANDLE_CHARS + 1];
};

static inline struct sqs_queue *world_queue(struct world *w, const char *name)
{
    struct sqs_queue *queue = NULL;
    enum sqs_error error =
        sqs_engine_create(w->engine, slice_of(name), NULL, 0, w->now_ms, &queue, &w->failure);
    ck_assert_msg(error == SQS_OK, "%s", w->failure.message);
    return queue;
}

static inline struct world world_new(void)
{
    static const uint64_t SEED[4] = {1, 2, 3, 4};
    struct world w = {.engine = sqs_engine_new("us-east-1", "123456789012", SEED), .now_ms = WORLD_START_MS};
    w.queue = world_queue(&w, "orders");
    return w;
}

static inline void world_clean_up(struct world *w)
{
    sqs_engine_free(w->engine);
}

static inline void world_pass(struct world *w, int64_t ms)
{
    w->now_ms += ms;
    sqs_engine_settle(w->engine, w->now_ms);
}

static inline enum sqs_error world_set(struct world *w, struct sqs_queue *queue, const char *name,
                                       const char *value)
{
    struct sqs_pair pair = {slice_of(name), slice_of(value)};
    return sqs_engine_set(w->engine, queue, &pair, 1, w->now_ms, &w->failure);
}

static inline struct sqs_message *world_send_delayed(struct world *w, struct sqs_queue *queue,
                                                     const char *body, int64_t delay_s)
{
    struct sqs_message_spec spec = {.body = slice_of(body)};
    struct sqs_message *m = sqs_engine_send(w->engine, queue, &spec, delay_s, w->now_ms);
    sqs_engine_settle(w->engine, w->now_ms);
    return m;
}

static inline struct sqs_message *world_send(struct world *w, const char *body)
{
    return world_send_delayed(w, w->queue, body, -1);
}

static inline struct catch world_receive(struct world *w, struct sqs_queue *queue, size_t max,
                                         int64_t visibility_ms)
{
    struct catch c = {.count = 0};
    c.count = sqs_engine_receive(w->engine, queue, max, visibility_ms, w->now_ms, c.messages);
    for (size_t i = 0; i < c.count; i++)
        sqs_engine_handle(w->engine, c.messages[i], c.handles[i]);
    sqs_engine_settle(w->engine, w->now_ms);
    return c;
}

static inline enum sqs_error world_delete(struct world *w, const char *handle)
{
    enum sqs_error error =
        sqs_engine_delete_message(w->engine, w->queue, slice_of(handle), w->now_ms, &w->failure);
    sqs_engine_settle(w->engine, w->now_ms);
    return error;
}

static inline enum sqs_error world_change(struct world *w, const char *handle, int64_t visibility_s)
{
    enum sqs_error error = sqs_engine_change_visibility(w->engine, w->queue, slice_of(handle), visibility_s,
                                                        w->now_ms, &w->failure);
    sqs_engine_settle(w->engine, w->now_ms);
    return error;
}

static inline void world_expect_counts(const struct sqs_queue *queue, size_t visible, size_t in_flight,
                                       size_t delayed)
{
    struct sqs_counts counts = sqs_queue_counts(queue);
    ck_assert_uint_eq(counts.visible, visible);
    ck_assert_uint_eq(counts.in_flight, in_flight);
    ck_assert_uint_eq(counts.delayed, delayed);
}

static inline void world_expect_body(const struct catch *c, size_t index, const char *body)
{
    ck_assert_uint_gt(c->count, index);
    ck_assert(slice_is(c->messages[index]->body, body));
}

#endif
