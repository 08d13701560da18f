/*
 * A core with a fake SQS around it: calls are kept until the test answers them, time is the test's, and the
 * test plays the handler threads. What happened is read off `log`, one word a call: "receive:10",
 * "delete:a,b", "change:a=0".
 */
#ifndef SLUICE_TESTS_WORKER_FAKE_SQS_H
#define SLUICE_TESTS_WORKER_FAKE_SQS_H

#include "base/alloc.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "worker/core.h"
#include "worker/core_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_CALLS_MAX = 256 };

struct fake {
    struct core core;
    struct dispatch dispatch;
    int64_t now_ms;
    struct core_poll *polls[FAKE_CALLS_MAX]; /* open, oldest first */
    int poll_count;
    struct core_batch *batches[FAKE_CALLS_MAX]; /* unanswered, oldest first */
    int batch_count;
    struct strbuf log; /* since fake_log() was last called */
    struct strbuf letters;
    int live;   /* deliveries not released */
    int serial; /* of receipt handles */
    int wakes;
    bool quick; /* wake handles everything at once, as pool_wake() does with a quick handler */
    int cancels;
    int64_t reply_age_ms; /* of the next receive replies */
};

/* The fake that is under test; the ops get it as their argument, the release op does not. */
static struct fake *g_fake;

static inline void fake_logf(struct fake *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void fake_logf(struct fake *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (f->log.len > 0)
        strbuf_append_char(&f->log, ' ');
    strbuf_vappendf(&f->log, fmt, args);
    va_end(args);
}

static inline void fake_receive(void *arg, struct core_poll *poll)
{
    struct fake *f = arg;
    f->polls[f->poll_count++] = poll;
    fake_logf(f, "receive:%d", poll->asked);
}

static inline void fake_drop_poll(struct fake *f, const struct core_poll *poll)
{
    int i = 0;
    while (f->polls[i] != poll)
        i++;
    f->poll_count--;
    memmove(&f->polls[i], &f->polls[i + 1], (size_t)(f->poll_count - i) * sizeof *f->polls);
}

static inline void fake_cancel(void *arg, struct core_poll *poll)
{
    struct fake *f = arg;
    f->cancels++;
    fake_drop_poll(f, poll);
    fake_logf(f, "cancel");
}

/* Receipt handles are "id#serial": the log shows the id alone unless a test looks at the handles itself. */
static inline void fake_send(void *arg, struct core_batch *batch)
{
    struct fake *f = arg;
    struct strbuf entries = STRBUF_INIT;
    f->batches[f->batch_count++] = batch;
    for (int i = 0; i < batch->count; i++) {
        /* The core's own are valid during this call only; a client copies them too. */
        const char *handle = batch->handles[i] = xstrdup(batch->handles[i]);
        strbuf_appendf(&entries, "%s%.*s", i > 0 ? "," : "", (int)strcspn(handle, "#"), handle);
        if (batch->kind != BATCH_DELETE)
            strbuf_appendf(&entries, "=%d", batch->seconds[i]);
    }
    fake_logf(f, "%s:%s", batch->kind == BATCH_DELETE ? "delete" : "change", strbuf_str(&entries));
    strbuf_clean_up(&entries);
}

/* "quarantine:a,b"; what was sent is kept in f->letters, the newest last. */
static inline void fake_quarantine(void *arg, struct core_batch *batch, const struct sqs_send_entry *entries)
{
    struct fake *f = arg;
    fake_logf(f, "quarantine:");
    f->batches[f->batch_count++] = batch;
    for (int i = 0; i < batch->count; i++) {
        strbuf_appendf(&f->log, "%s%.*s", i > 0 ? "," : "", (int)strcspn(batch->handles[i], "#"),
                       batch->handles[i]);
        batch->handles[i] = xstrdup(batch->handles[i]);
        strbuf_appendf(&f->letters, "body=%.*s", (int)(entries[i].body_len < 64 ? entries[i].body_len : 64),
                       entries[i].body);
        for (size_t n = 0; n < entries[i].attribute_count; n++)
            strbuf_appendf(&f->letters, ";%s=%s:%.*s", entries[i].attributes[n].name,
                           entries[i].attributes[n].data_type, (int)entries[i].attributes[n].value_len,
                           entries[i].attributes[n].value);
        strbuf_append_char(&f->letters, '\n');
    }
}

static inline bool fake_wake(void *arg)
{
    struct fake *f = arg;
    struct message *message = NULL;
    int64_t now_ms = f->now_ms;
    f->wakes++;
    while (f->quick && (message = dispatch_take(&f->dispatch, now_ms)) != NULL) {
        message->start_ms = now_ms;
        message->end_ms = now_ms;
        message->outcome = OUTCOME_DONE;
        dispatch_finish(&f->dispatch, message);
    }
    return f->quick;
}

static inline void fake_release(struct sqs_message *message)
{
    g_fake->live--;
    free((char *)message->id);
    free((char *)message->group_id);
    free((char *)message->receipt_handle);
    free((char *)message->body);
    free(message);
}

static inline struct core_settings fake_settings(int capacity)
{
    return (struct core_settings){.threads = capacity,
                                  .visibility_s = 30,
                                  .wait_s = 20,
                                  .grace_ms = 30000,
                                  .retry = {.count = 6, .seconds = {1, 2, 5, 10, 20, 30}},
                                  .idempotency_window = 4096,
                                  .scale = 1,
                                  .seed = 7};
}

static inline void fake_init_at(struct fake *f, const struct core_settings *settings, int64_t now_ms)
{
    struct core_ops ops = {.arg = f,
                           .receive = fake_receive,
                           .cancel = fake_cancel,
                           .send = fake_send,
                           .quarantine = fake_quarantine,
                           .wake = fake_wake,
                           .release = fake_release};
    *f = (struct fake){.now_ms = now_ms};
    g_fake = f;
    log_init("test", LOG_LEVEL_MAX, LOG_PLAIN);
    dispatch_init(&f->dispatch, 0);
    core_init(&f->core, settings, &ops, &f->dispatch, f->now_ms);
}

static inline void fake_init(struct fake *f, const struct core_settings *settings)
{
    fake_init_at(f, settings, 1000000);
}

static inline void fake_free_handles(struct core_batch *batch)
{
    for (int i = 0; i < batch->count; i++)
        free((char *)batch->handles[i]);
}

static inline void fake_clean_up(struct fake *f)
{
    for (int i = 0; i < f->batch_count; i++)
        fake_free_handles(f->batches[i]);
    core_clean_up(&f->core);
    dispatch_clean_up(&f->dispatch);
    strbuf_clean_up(&f->log);
    strbuf_clean_up(&f->letters);
}

/* ---- SQS answers ---- */

static inline struct sqs_message *fake_message(struct fake *f, const char *id, int receive_count)
{
    struct sqs_message *message = xcalloc(1, sizeof *message);
    char handle[128];
    (void)snprintf(handle, sizeof handle, "%s#%d", id, ++f->serial);
    message->id = xstrdup(id);
    if (f->core.settings.fifo) /* "a12" is of group "a" */
        message->group_id = xstrndup(id, strcspn(id, "0123456789"));
    message->receipt_handle = xstrdup(handle);
    message->body = xstrdup("{}"); /* its own, so that a sanitizer sees a handler that reads it too late */
    message->body_len = 2;
    message->receive_count = receive_count;
    message->sent_ms = f->now_ms;
    f->live++;
    return message;
}

/* Answers the oldest poll with messages of these ids ("a b c"; "" for none), each received so many times. */
static inline void fake_deliver_nth(struct fake *f, const char *ids, int receive_count)
{
    struct sqs_message *messages[SQS_BATCH_MAX];
    struct sqs_receive_reply reply = {.messages = messages};
    struct aws_result ok = {.kind = AWS_KIND_OK, .http_status = 200, .reply_age_product_ms = f->reply_age_ms};
    struct core_poll *poll = f->polls[0];
    char *copy = xstrdup(ids);
    char *state = NULL;
    for (char *id = strtok_r(copy, " ", &state); id != NULL; id = strtok_r(NULL, " ", &state))
        messages[reply.count++] = fake_message(f, id, receive_count);
    free(copy);
    fake_drop_poll(f, poll);
    core_on_receive(&f->core, poll, f->now_ms, &ok, &reply);
}

static inline void fake_deliver(struct fake *f, const char *ids)
{
    fake_deliver_nth(f, ids, 1);
}

/* Answers the oldest poll with `count` messages "PREFIX0".. */
static inline void fake_deliver_many(struct fake *f, const char *prefix, int count)
{
    struct strbuf ids = STRBUF_INIT;
    for (int i = 0; i < count; i++)
        strbuf_appendf(&ids, "%s%d ", prefix, i);
    fake_deliver(f, strbuf_str(&ids));
    strbuf_clean_up(&ids);
}

static inline void fake_fail_poll_with(struct fake *f, enum aws_kind kind, const char *code)
{
    struct aws_result result = {.kind = kind};
    struct core_poll *poll = f->polls[0];
    (void)snprintf(result.code, sizeof result.code, "%s", code);
    fake_drop_poll(f, poll);
    core_on_receive(&f->core, poll, f->now_ms, &result, NULL);
}

static inline void fake_fail_poll(struct fake *f, enum aws_kind kind)
{
    fake_fail_poll_with(f, kind, "");
}

static inline struct core_batch *fake_pop_batch(struct fake *f, int i)
{
    struct core_batch *batch = f->batches[i];
    f->batch_count--;
    memmove(&f->batches[i], &f->batches[i + 1], (size_t)(f->batch_count - i) * sizeof *f->batches);
    return batch;
}

/* Answers the oldest batch; outcomes has a letter an entry: o ok, f failed, r retryable, u unknown; missing
 * ones ok. */
static inline void fake_answer(struct fake *f, const char *outcomes)
{
    struct aws_result ok = {.kind = AWS_KIND_OK, .http_status = 200};
    struct sqs_entry_result results[SQS_BATCH_MAX] = {{.outcome = SQS_ENTRY_OK}};
    struct core_batch *batch = fake_pop_batch(f, 0);
    fake_free_handles(batch);
    for (int i = 0; outcomes[i] != '\0' && i < batch->count; i++) {
        results[i].outcome = outcomes[i] == 'f'   ? SQS_ENTRY_FAILED
                             : outcomes[i] == 'r' ? SQS_ENTRY_RETRYABLE
                             : outcomes[i] == 'u' ? SQS_ENTRY_UNKNOWN
                                                  : SQS_ENTRY_OK;
        if (outcomes[i] == 'f')
            (void)snprintf(results[i].code, sizeof results[i].code, "ReceiptHandleIsInvalid");
    }
    core_on_batch(&f->core, batch, f->now_ms, &ok, results);
}

/* The oldest batch fails as a whole. */
static inline void fake_fail_batch(struct fake *f, enum aws_kind kind)
{
    struct aws_result result = {.kind = kind};
    struct sqs_entry_result results[SQS_BATCH_MAX] = {{.outcome = SQS_ENTRY_OK}};
    for (int i = 0; i < SQS_BATCH_MAX; i++)
        results[i].outcome = kind == AWS_KIND_THROTTLED ? SQS_ENTRY_RETRYABLE
                             : kind == AWS_KIND_REQUEST ? SQS_ENTRY_FAILED
                                                        : SQS_ENTRY_UNKNOWN;
    struct core_batch *batch = fake_pop_batch(f, 0);
    fake_free_handles(batch);
    core_on_batch(&f->core, batch, f->now_ms, &result, results);
}

static inline void fake_answer_all(struct fake *f)
{
    while (f->batch_count > 0)
        fake_answer(f, "");
}

/* ---- handler threads and time ---- */

/* A thread takes the next message; NULL when there is none for it. */
static inline struct message *fake_take(struct fake *f)
{
    (void)pthread_mutex_lock(&f->dispatch.lock);
    struct message *message = dispatch_take(&f->dispatch, f->now_ms);
    (void)pthread_mutex_unlock(&f->dispatch.lock);
    if (message != NULL)
        message->start_ms = f->now_ms;
    return message;
}

/* ... and is done with it, and the I/O thread hears of it. */
static inline void fake_finish(struct fake *f, struct message *message, enum message_outcome outcome)
{
    (void)pthread_mutex_lock(&f->dispatch.lock);
    message->outcome = outcome;
    message->end_ms = f->now_ms;
    dispatch_finish(&f->dispatch, message);
    (void)pthread_mutex_unlock(&f->dispatch.lock);
    core_on_wakeup(&f->core, f->now_ms);
}

/* Lets time pass as the event loop would: the core is woken at each moment that it asked for. */
static inline void fake_advance(struct fake *f, int64_t ms)
{
    int64_t end_ms = f->now_ms + ms;
    for (int turns = 0; turns < 100000; turns++) {
        int64_t due_ms = core_due_ms(&f->core);
        if (due_ms > end_ms || core_is_over(&f->core))
            break;
        f->now_ms = due_ms > f->now_ms ? due_ms : f->now_ms;
        core_on_wakeup(&f->core, f->now_ms);
    }
    f->now_ms = end_ms;
    core_on_wakeup(&f->core, f->now_ms);
}

/* What was called since the last time; valid until the next call. */
static inline const char *fake_log(struct fake *f)
{
    static char text[8192];
    (void)snprintf(text, sizeof text, "%s", strbuf_str(&f->log));
    strbuf_clear(&f->log);
    return text;
}

#endif
