/* A consumer without extensions and flow control; see measure_naive.h. */
#include "supervisor/measure_naive.h"

#include "aws/sqs.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_S = 20, PAUSE_AFTER_FAILURE_REAL_MS = 500, ORDER_ID_MAX_BYTES = 128 };

struct poller;

/* A message between its receive and the answer to its delete; waits in naive->waiting for a slot. */
struct piece {
    struct poller *poller;
    struct sqs_message *message; /* owned */
    struct piece *next;          /* in waiting */
    struct aws_call *delete_call;
};

struct poller {
    struct naive *naive;
    struct aws_call *receive_call; /* NULL: works on its messages, or pauses */
    struct loop_timer pause;
    struct piece pieces[SQS_BATCH_MAX];
    int count; /* messages of the last receive */
    int begun, done;
};

/* One payment at a time. */
struct slot {
    struct naive *naive;
    struct piece *piece; /* NULL: free */
    int64_t start_ms;    /* product */
    struct loop_timer timer;
};

struct naive {
    struct naive_options options;
    struct poller *pollers; /* owned */
    struct slot *slots;     /* owned */
    struct piece *waiting_head, *waiting_tail;
    int deletes_under_way;
    bool stopping;
    struct loop_timer stopped;
};

static void poll_again(struct poller *poller);

static void finish_when_idle(struct naive *naive)
{
    /* From a turn of the loop of its own, so that the callee may free us. */
    if (naive->stopping && naive->deletes_under_way == 0)
        loop_timer_arm_real_ms(&naive->stopped, 0);
}

/* ---- a message ---- */

static void begin_pieces(struct poller *poller);

static void piece_done(struct piece *piece)
{
    struct poller *poller = piece->poller;

    sqs_message_release(piece->message);
    piece->message = NULL;
    poller->done++;
    if (poller->naive->stopping)
        finish_when_idle(poller->naive);
    else if (poller->done == poller->count)
        poll_again(poller);
    else
        begin_pieces(poller);
}

static void on_deleted(void *arg, const struct aws_result *result)
{
    struct piece *piece = arg;
    char text[400];

    piece->delete_call = NULL;
    piece->poller->naive->deletes_under_way--;
    if (result->kind != AWS_KIND_OK)
        LOG(LOG_WARNING, "not deleted",
            LOG_STR("why", aws_result_text(result, "DeleteMessage", text, sizeof text)));
    piece_done(piece);
}

static void delete_piece(struct piece *piece)
{
    struct naive *naive = piece->poller->naive;

    naive->deletes_under_way++;
    piece->delete_call = sqs_delete_message(naive->options.client, naive->options.queue_url,
                                            piece->message->receipt_handle, on_deleted, piece);
}

/* ---- payments ---- */

/* One write(2) on a file opened for appending. */
static void write_ledger(const struct naive *naive, const struct piece *piece, int64_t start_ms)
{
    const struct sqs_message *message = piece->message;
    char line[512];
    json_t *order = json_loadb(message->body, message->body_len, 0, NULL);
    const char *id = json_string_value(json_object_get(order, "order_id"));
    int len = snprintf(line, sizeof line, "%.*s %s naive %d %" PRId64 " %" PRId64 " %" PRId64 "\n",
                       ORDER_ID_MAX_BYTES, id != NULL ? id : "?", message->id, (int)getpid(),
                       message->receive_count, start_ms, clock_product_ms());

    json_decref(order);
    if (len <= 0 || (size_t)len >= sizeof line || write(naive->options.ledger_fd, line, (size_t)len) != len)
        LOG(LOG_ERROR, "ledger not written", LOG_STR("error", strerror(errno)));
}

static void fill_slots(struct naive *naive);

static void arm_payment(struct slot *slot)
{
    /* The millisecond that is under way does not count, so that no payment is shorter than it should be. */
    int64_t end_ms = slot->start_ms + slot->naive->options.payment_ms + 1;

    loop_timer_arm_product_ms(&slot->timer, end_ms - clock_product_ms());
}

static void on_paid(void *arg)
{
    struct slot *slot = arg;
    struct piece *piece = slot->piece;

    if (clock_product_ms() - slot->start_ms < slot->naive->options.payment_ms) {
        arm_payment(slot); /* the timer was a moment early */
        return;
    }
    slot->piece = NULL;
    write_ledger(slot->naive, piece, slot->start_ms);
    fill_slots(slot->naive);
    delete_piece(piece);
}

static void fill_slots(struct naive *naive)
{
    for (int i = 0; i < naive->options.slots && naive->waiting_head != NULL; i++) {
        struct slot *slot = &naive->slots[i];
        if (slot->piece != NULL)
            continue;
        slot->piece = naive->waiting_head;
        naive->waiting_head = slot->piece->next;
        if (naive->waiting_head == NULL)
            naive->waiting_tail = NULL;
        slot->start_ms = clock_product_ms();
        arm_payment(slot);
    }
}

static void wait_for_slot(struct naive *naive, struct piece *piece)
{
    piece->next = NULL;
    if (naive->waiting_tail != NULL)
        naive->waiting_tail->next = piece;
    else
        naive->waiting_head = piece;
    naive->waiting_tail = piece;
}

static void begin_pieces(struct poller *poller)
{
    struct naive *naive = poller->naive;

    while (poller->begun < poller->count && poller->begun - poller->done < naive->options.per_poller)
        wait_for_slot(naive, &poller->pieces[poller->begun++]);
    fill_slots(naive);
}

/* ---- polling ---- */

static void on_received(void *arg, const struct aws_result *result, const struct sqs_receive_reply *reply)
{
    struct poller *poller = arg;
    char text[400];

    poller->receive_call = NULL;
    if (result->kind != AWS_KIND_OK) {
        LOG(LOG_WARNING, "not received",
            LOG_STR("why", aws_result_text(result, "ReceiveMessage", text, sizeof text)));
        loop_timer_arm_real_ms(&poller->pause, PAUSE_AFTER_FAILURE_REAL_MS);
        return;
    }
    poller->count = (int)reply->count;
    poller->begun = poller->done = 0;
    for (int i = 0; i < poller->count; i++)
        poller->pieces[i] = (struct piece){.poller = poller, .message = reply->messages[i]};
    if (poller->count == 0)
        poll_again(poller);
    else
        begin_pieces(poller);
}

static void poll_again(struct poller *poller)
{
    const struct naive_options *o = &poller->naive->options;
    struct sqs_receive_request request = {.queue_url = o->queue_url,
                                          .max_messages = SQS_BATCH_MAX,
                                          .wait_s = WAIT_S,
                                          .visibility_timeout_s = -1};

    if (!poller->naive->stopping)
        poller->receive_call = sqs_receive_message(o->client, &request, on_received, poller);
}

static void on_pause_over(void *arg)
{
    poll_again(arg);
}

/* ---- life ---- */

static void on_stopped(void *arg)
{
    struct naive *naive = arg;

    naive->options.on_stopped(naive->options.arg);
}

struct naive *naive_new(const struct naive_options *options)
{
    struct naive *naive = xcalloc(1, sizeof *naive);

    naive->options = *options;
    naive->pollers = xcalloc((size_t)options->pollers, sizeof *naive->pollers);
    naive->slots = xcalloc((size_t)options->slots, sizeof *naive->slots);
    loop_timer_init(&naive->stopped, options->base, on_stopped, naive);
    for (int i = 0; i < options->slots; i++) {
        naive->slots[i].naive = naive;
        loop_timer_init(&naive->slots[i].timer, options->base, on_paid, &naive->slots[i]);
    }
    for (int i = 0; i < options->pollers; i++) {
        naive->pollers[i].naive = naive;
        loop_timer_init(&naive->pollers[i].pause, options->base, on_pause_over, &naive->pollers[i]);
        poll_again(&naive->pollers[i]);
    }
    return naive;
}

void naive_stop(struct naive *naive)
{
    naive->stopping = true;
    for (int i = 0; i < naive->options.pollers; i++) {
        aws_call_cancel(naive->pollers[i].receive_call);
        naive->pollers[i].receive_call = NULL;
        loop_timer_cancel(&naive->pollers[i].pause);
    }
    for (int i = 0; i < naive->options.slots; i++)
        loop_timer_cancel(&naive->slots[i].timer);
    finish_when_idle(naive);
}

void naive_destroy(struct naive *naive)
{
    if (naive == NULL)
        return;
    for (int i = 0; i < naive->options.pollers; i++) {
        struct poller *poller = &naive->pollers[i];
        aws_call_cancel(poller->receive_call);
        loop_timer_clean_up(&poller->pause);
        for (int k = 0; k < poller->count; k++) {
            aws_call_cancel(poller->pieces[k].delete_call);
            if (poller->pieces[k].message != NULL)
                sqs_message_release(poller->pieces[k].message);
        }
    }
    for (int i = 0; i < naive->options.slots; i++)
        loop_timer_clean_up(&naive->slots[i].timer);
    loop_timer_clean_up(&naive->stopped);
    free(naive->pollers);
    free(naive->slots);
    free(naive);
}
