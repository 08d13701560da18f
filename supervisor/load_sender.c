/* The open-loop sender of `sluice load`; see load_sender.h. Runs in one event loop. */
#include "supervisor/load_sender.h"

#include "aws/sqs.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "supervisor/load_log.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_FIRST_MS = 50,
    BACKOFF_MAX_MS = 5000,
    FAILURES_LOGGED_MAX = 10,
    ORDER_ATTRIBUTES = 1,
    SKEW_MS = 240000
};

/* One order on its way. */
struct entry {
    int64_t index;
    int attempts; /* started so far */
    bool unknown; /* an attempt ended without our knowing whether it took effect */
    bool acknowledged;
    bool resent; /* counted as such */
};

/* Up to ten orders that travel together; lives from its first send until each of them is settled. */
struct batch {
    struct load_sender *sender;
    int slot; /* in sender->batches */
    struct entry entries[SQS_BATCH_MAX];
    size_t count;
    int64_t sent_ms;       /* product: start of the call under way or the last one */
    int64_t skew_ms;       /* the client's clock correction when it was sent */
    struct aws_call *call; /* NULL while it waits for its retry */
    struct loop_timer retry_timer;
};

struct load_sender {
    struct load_sender_options options;
    struct load_totals totals;
    int64_t next;                            /* index of the first order not yet taken */
    struct batch *batches[LOAD_BATCHES_MAX]; /* owned; NULL: free slot */
    int batch_count;
    bool stopping;
    bool finished; /* done() was called */
    int failures_logged;
    uint64_t random;
    struct loop_timer tick_timer;
};

static void on_tick(void *arg);
static void batch_send(struct batch *batch);

int64_t load_schedule_due(int64_t elapsed_ms, double rate, int64_t count)
{
    if (elapsed_ms < 0)
        return 0;
    double due = floor((double)elapsed_ms * rate / 1000.0) + 1;
    return due >= (double)count ? count : (int64_t)due;
}

int64_t load_schedule_due_at_ms(int64_t index, double rate)
{
    int64_t at_ms = (int64_t)ceil((double)index * 1000.0 / rate);

    /* Division may land a hair above or below a whole millisecond. */
    while (at_ms > 0 && load_schedule_due(at_ms - 1, rate, INT64_MAX) > index)
        at_ms--;
    while (load_schedule_due(at_ms, rate, INT64_MAX) <= index)
        at_ms++;
    return at_ms;
}

/* ---- end of it all ---- */

static void finish_when_idle(struct load_sender *s)
{
    if (s->finished || s->batch_count > 0 || (!s->stopping && s->next < s->options.orders->count))
        return;
    s->finished = true;
    loop_timer_cancel(&s->tick_timer);
    s->totals.unsent = s->options.orders->count - s->next;
    s->options.done(s->options.arg);
}

static void batch_free(struct batch *batch)
{
    struct load_sender *s = batch->sender;

    aws_call_cancel(batch->call);
    loop_timer_clean_up(&batch->retry_timer);
    s->batches[batch->slot] = NULL;
    s->batch_count--;
    free(batch);
}

/* ---- outcomes ---- */

static void log_failure(struct load_sender *s, const char *order_id, const char *code, const char *message,
                        int attempts)
{
    if (s->failures_logged++ >= FAILURES_LOGGED_MAX)
        return;
    LOG(LOG_WARNING, "order not accepted", LOG_STR("order_id", order_id), LOG_STR("code", code),
        LOG_STR("message", message), LOG_INT("attempts", attempts));
    if (s->failures_logged == FAILURES_LOGGED_MAX)
        LOG(LOG_WARNING, "further failures are counted only");
}

/* An order counts once however often it is acknowledged, and as resent when it may be in the queue twice. */
static void count_acknowledged(struct load_sender *s, struct entry *entry, const struct orders_item *item)
{
    bool perhaps_twice = entry->unknown || entry->acknowledged;

    s->totals.resent += perhaps_twice && !entry->resent;
    entry->resent = perhaps_twice;
    if (entry->acknowledged)
        return;
    entry->acknowledged = true;
    s->totals.acknowledged++;
    s->totals.acknowledged_sns += item->sns;
    s->totals.acknowledged_malformed += item->kind == ORDERS_MALFORMED;
}

static void write_line(const struct batch *batch, const struct entry *entry, const struct orders_item *item,
                       const char *message_id, struct strbuf *lines)
{
    const struct load_sender *s = batch->sender;
    struct load_log_line line = {
        .item = item,
        .message_id = message_id,
        .due_ms = s->totals.started_ms + load_schedule_due_at_ms(entry->index, s->options.rate),
        .sent_ms = batch->sent_ms,
        .attempt = entry->attempts,
        .resent = entry->unknown || entry->acknowledged,
    };
    load_log_encode(&line, lines);
}

/* Nothing was sent: there was no connection. */
static bool never_left(const struct aws_result *result)
{
    static const char *const words[] = {"ResolveFailed", "ConnectFailed", "ConnectTimeout", "TlsFailed"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (result->http_status == 0 && strcmp(result->code, words[i]) == 0)
            return true;
    return false;
}

/* What the whole call means for its entries. */
struct call_fate {
    bool twice;      /* libcurl sent it again by itself: the first time may have taken effect too */
    bool never_left; /* so an entry without an answer is not unknown */
    bool resign;     /* refused for our clock, which the answer corrected by minutes: try again */
};

/* Books what became of one entry; returns whether it must be sent again. */
static bool settle(struct batch *batch, struct entry *entry, const struct sqs_entry_result *result,
                   const struct call_fate *fate, struct strbuf *lines)
{
    struct load_sender *s = batch->sender;
    struct orders_item item;

    orders_describe(s->options.orders, entry->index, &item);
    /* SQS may name a message and yet answer with a wrong checksum: that message is in the queue. */
    entry->unknown = entry->unknown || fate->twice;
    if (result->message_id[0] != '\0') {
        write_line(batch, entry, &item, result->message_id, lines);
        count_acknowledged(s, entry, &item);
    }
    if (result->outcome == SQS_ENTRY_OK)
        return false;
    if (result->outcome == SQS_ENTRY_UNKNOWN && !fate->never_left)
        entry->unknown = true;
    if ((result->outcome != SQS_ENTRY_FAILED || fate->resign) && entry->attempts < s->options.max_attempts)
        return true;
    if (!entry->acknowledged) {
        s->totals.failed++;
        s->totals.failed_unknown += entry->unknown;
        log_failure(s, item.id, result->code, result->message, entry->attempts);
    }
    return false;
}

static bool is_fatal(enum aws_kind kind)
{
    return kind == AWS_KIND_CREDENTIALS || kind == AWS_KIND_DENIED || kind == AWS_KIND_NOT_FOUND;
}

/* All attempts of a batch met silence and no other order ever got through: the rest of the schedule would be
 * no better. */
static bool nobody_answers(const struct load_sender *s, const struct aws_result *result)
{
    return result->kind == AWS_KIND_TRANSIENT && result->http_status == 0 && s->totals.acknowledged == 0 &&
           s->totals.failed > 0;
}

static void arm_retry(struct batch *batch)
{
    int attempts = batch->entries[0].attempts;
    double span_ms = BACKOFF_FIRST_MS * pow(2, attempts - 1);

    loop_timer_arm_real_ms(&batch->retry_timer,
                           (int64_t)(random_unit(&batch->sender->random) * fmin(span_ms, BACKOFF_MAX_MS)));
}

static void write_lines(struct load_sender *s, const struct strbuf *lines)
{
    if (s->options.log_fd < 0 || lines->len == 0 || s->totals.log_error.text[0] != '\0')
        return;
    if (load_log_write(s->options.log_fd, lines, &s->totals.log_error) == 0)
        return;
    LOG(LOG_ERROR, "stopping: what is sent cannot be logged", LOG_STR("error", s->totals.log_error.text));
    load_sender_stop(s);
}

static void on_batch(void *arg, const struct aws_result *result, const struct sqs_entry_result *results,
                     size_t count)
{
    struct batch *batch = arg;
    struct load_sender *s = batch->sender;
    struct strbuf lines = STRBUF_INIT;
    struct aws_client_stats stats;
    size_t kept = 0;

    batch->call = NULL;
    aws_client_get_stats(s->options.client, &stats);
    struct call_fate fate = {
        .twice = result->sends > 1,
        .never_left = never_left(result),
        .resign = result->kind == AWS_KIND_CREDENTIALS && llabs(stats.skew_ms - batch->skew_ms) >= SKEW_MS,
    };
    if (result->kind != AWS_KIND_OK)
        s->totals.last_error = *result;
    for (size_t i = 0; i < count; i++)
        if (settle(batch, &batch->entries[i], &results[i], &fate, &lines))
            batch->entries[kept++] = batch->entries[i];
    batch->count = kept;
    write_lines(s, &lines);
    strbuf_clean_up(&lines);
    if (is_fatal(result->kind) && !fate.resign) {
        s->totals.fatal = *result;
        load_sender_stop(s);
    }
    if (kept > 0) {
        arm_retry(batch);
        return;
    }
    batch_free(batch);
    if (nobody_answers(s, result)) {
        s->totals.fatal = *result;
        load_sender_abort(s);
        return;
    }
    if (!s->stopping && !loop_timer_pending(&s->tick_timer))
        on_tick(s);
    finish_when_idle(s);
}

/* ---- sending ---- */

static void on_retry(void *arg)
{
    struct batch *batch = arg;

    batch->sender->totals.retried_entries += (int64_t)batch->count;
    batch_send(batch);
}

static void batch_send(struct batch *batch)
{
    struct load_sender *s = batch->sender;
    struct sqs_send_entry entries[SQS_BATCH_MAX];
    struct sqs_message_attribute attributes[SQS_BATCH_MAX];
    struct orders_item items[SQS_BATCH_MAX];
    struct strbuf bodies[SQS_BATCH_MAX];
    char groups[SQS_BATCH_MAX][24];
    struct aws_client_stats stats;

    aws_client_get_stats(s->options.client, &stats);
    batch->skew_ms = stats.skew_ms;
    batch->sent_ms = clock_product_ms();
    for (size_t i = 0; i < batch->count; i++) {
        struct entry *entry = &batch->entries[i];
        int64_t due_ms = s->totals.started_ms + load_schedule_due_at_ms(entry->index, s->options.rate);

        entry->attempts++;
        bodies[i] = (struct strbuf)STRBUF_INIT;
        orders_describe(s->options.orders, entry->index, &items[i]);
        orders_write_body(s->options.orders, entry->index, due_ms, &bodies[i]);
        attributes[i] = (struct sqs_message_attribute){.name = "order_id",
                                                       .data_type = "String",
                                                       .value = items[i].id,
                                                       .value_len = strlen(items[i].id)};
        entries[i] = (struct sqs_send_entry){.body = strbuf_str(&bodies[i]),
                                             .body_len = bodies[i].len,
                                             .delay_s = -1,
                                             .attributes = &attributes[i],
                                             .attribute_count = ORDER_ATTRIBUTES,
                                             .deduplication_id = s->options.fifo ? items[i].id : NULL};
        if (s->options.groups == 0)
            continue;
        (void)snprintf(groups[i], sizeof groups[i], "g%" PRId64, entry->index % s->options.groups);
        entries[i].group_id = groups[i];
    }
    s->totals.calls++;
    batch->call = sqs_send_message_batch(s->options.client, s->options.queue_url, entries, batch->count,
                                         on_batch, batch);
    for (size_t i = 0; i < batch->count; i++)
        strbuf_clean_up(&bodies[i]);
}

static void batch_start(struct load_sender *s, int64_t due, int64_t now_ms)
{
    struct batch *batch = xcalloc(1, sizeof *batch);

    batch->sender = s;
    loop_timer_init(&batch->retry_timer, s->options.base, on_retry, batch);
    while (s->batches[batch->slot] != NULL)
        batch->slot++;
    s->batches[batch->slot] = batch;
    s->batch_count++;

    int64_t late_ms = now_ms - s->totals.started_ms - load_schedule_due_at_ms(s->next, s->options.rate);
    if (late_ms > s->totals.late_max_ms)
        s->totals.late_max_ms = late_ms;
    s->totals.last_sent_ms = now_ms;
    while (batch->count < SQS_BATCH_MAX && s->next < due)
        batch->entries[batch->count++] = (struct entry){.index = s->next++};
    batch_send(batch);
}

/* Takes what is due and arms for the next message's time, on the grid of ticks. With all batches under way it
 * leaves the timer alone: the next batch that ends calls here again. */
static void on_tick(void *arg)
{
    struct load_sender *s = arg;
    int64_t now_ms = clock_product_ms();
    int64_t elapsed_ms = now_ms - s->totals.started_ms;
    int64_t due = load_schedule_due(elapsed_ms, s->options.rate, s->options.orders->count);

    while (!s->stopping && s->next < due && s->batch_count < LOAD_BATCHES_MAX)
        batch_start(s, due, now_ms);
    if (s->stopping || s->next >= s->options.orders->count || s->next < due)
        return;
    int64_t next_ms = load_schedule_due_at_ms(s->next, s->options.rate);
    int64_t tick_ms = (next_ms + LOAD_TICK_MS - 1) / LOAD_TICK_MS * LOAD_TICK_MS;
    loop_timer_arm_product_ms(&s->tick_timer, tick_ms - elapsed_ms);
}

/* ---- life ---- */

struct load_sender *load_sender_new(const struct load_sender_options *options)
{
    struct load_sender *s = xcalloc(1, sizeof *s);

    s->options = *options;
    s->random = options->seed;
    s->totals.started_ms = clock_product_ms();
    loop_timer_init(&s->tick_timer, options->base, on_tick, s);
    on_tick(s);
    return s;
}

void load_sender_destroy(struct load_sender *sender)
{
    if (sender == NULL)
        return;
    for (int i = 0; i < LOAD_BATCHES_MAX; i++)
        if (sender->batches[i] != NULL)
            batch_free(sender->batches[i]);
    loop_timer_clean_up(&sender->tick_timer);
    free(sender);
}

void load_sender_stop(struct load_sender *sender)
{
    if (sender->stopping)
        return;
    sender->stopping = true;
    sender->totals.interrupted = sender->next < sender->options.orders->count;
    loop_timer_cancel(&sender->tick_timer);
    /* From a batch's own callback this is not the end yet: that batch is still counted. */
    finish_when_idle(sender);
}

static void batch_give_up(struct batch *batch)
{
    struct load_totals *totals = &batch->sender->totals;

    for (size_t i = 0; i < batch->count; i++) {
        const struct entry *entry = &batch->entries[i];
        totals->failed += !entry->acknowledged;
        totals->failed_unknown += !entry->acknowledged && (entry->unknown || batch->call != NULL);
    }
    batch_free(batch);
}

void load_sender_abort(struct load_sender *sender)
{
    load_sender_stop(sender);
    for (int i = 0; i < LOAD_BATCHES_MAX; i++)
        if (sender->batches[i] != NULL)
            batch_give_up(sender->batches[i]);
    finish_when_idle(sender);
}

void load_sender_get_totals(const struct load_sender *sender, struct load_totals *ret_totals)
{
    *ret_totals = sender->totals;
}
