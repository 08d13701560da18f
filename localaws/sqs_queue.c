/* Movements of messages within a queue; see sqs_queue.h. */
#include "localaws/sqs_queue.h"

#include "base/alloc.h"
#include "localaws/sqs_fifo.h"

#include <stdlib.h>

struct sqs_queue *sqs_queue_new(struct slice name, const char *arn, uint32_t uid, bool is_fifo,
                                int64_t now_ms)
{
    struct sqs_queue *queue = xcalloc(1, sizeof *queue);
    queue->name = xstrndup(name.at, name.len);
    queue->arn = xstrdup(arn);
    queue->uid = uid;
    queue->created_ms = queue->modified_ms = queue->called_ms = now_ms;
    queue->purged_ms = INT64_MIN;
    queue->due_ms = INT64_MAX;
    sqs_settings_init(&queue->settings);
    if (is_fifo)
        queue->fifo = sqs_fifo_new();
    return queue;
}

void sqs_queue_free(struct sqs_queue *queue)
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < queue->tag_count; i++) {
        free(queue->tags[i].key);
        free(queue->tags[i].value);
    }
    free(queue->tags);
    sqs_fifo_free(queue->fifo);
    heap_clean_up(&queue->delayed);
    heap_clean_up(&queue->in_flight);
    heap_clean_up(&queue->old_heap);
    heap_clean_up(&queue->waiter_ends);
    sqs_settings_clean_up(&queue->settings);
    free(queue->name);
    free(queue->arn);
    free(queue);
}

static void list_append(struct sqs_message_list *list, struct sqs_message *m)
{
    m->prev = list->tail;
    m->next = NULL;
    if (list->tail != NULL)
        list->tail->next = m;
    else
        list->head = m;
    list->tail = m;
    list->count++;
}

static void list_prepend(struct sqs_message_list *list, struct sqs_message *m)
{
    m->prev = NULL;
    m->next = list->head;
    if (list->head != NULL)
        list->head->prev = m;
    else
        list->tail = m;
    list->head = m;
    list->count++;
}

static void list_remove(struct sqs_message_list *list, struct sqs_message *m)
{
    if (m->prev != NULL)
        m->prev->next = m->next;
    else
        list->head = m->next;
    if (m->next != NULL)
        m->next->prev = m->prev;
    else
        list->tail = m->prev;
    m->prev = m->next = NULL;
    list->count--;
}

static void leave_state(struct sqs_queue *queue, struct sqs_message *m)
{
    switch (m->state) {
    case SQS_NOWHERE:
        break;
    case SQS_DELAYED:
        heap_remove(&queue->delayed, &m->due);
        break;
    case SQS_VISIBLE:
        if (queue->fifo != NULL)
            queue->visible.count--;
        else
            list_remove(&queue->visible, m);
        break;
    case SQS_REPEATED:
        list_remove(&queue->repeated, m);
        heap_remove(&queue->in_flight, &m->due);
        break;
    case SQS_IN_FLIGHT:
        heap_remove(&queue->in_flight, &m->due);
        break;
    }
}

/* The one place where a message changes structures. */
static void set_state(struct sqs_queue *queue, struct sqs_message *m, enum sqs_state state, int64_t due_ms)
{
    enum sqs_state before = m->state;
    leave_state(queue, m);
    m->state = state;
    switch (state) {
    case SQS_NOWHERE:
        break;
    case SQS_DELAYED:
        heap_push(&queue->delayed, &m->due, due_ms);
        break;
    case SQS_VISIBLE:
        if (queue->fifo != NULL)
            queue->visible.count++;
        else if (queue->redelivers_first && m->receive_count > 0)
            list_prepend(&queue->visible, m);
        else
            list_append(&queue->visible, m);
        break;
    case SQS_REPEATED:
        list_append(&queue->repeated, m);
        heap_push(&queue->in_flight, &m->due, due_ms);
        break;
    case SQS_IN_FLIGHT:
        heap_push(&queue->in_flight, &m->due, due_ms);
        break;
    }
    if (queue->fifo != NULL)
        sqs_fifo_moved(queue->fifo, m, before);
}

void sqs_queue_put(struct sqs_queue *queue, struct sqs_message *m, bool in_age_order, enum sqs_state state,
                   int64_t due_ms)
{
    m->queue = queue;
    if (!in_age_order) {
        heap_push(&queue->old_heap, &m->old_due, m->sent_ms);
    } else {
        m->old_prev = queue->old_tail;
        m->old_next = NULL;
        if (queue->old_tail != NULL)
            queue->old_tail->old_next = m;
        else
            queue->old_head = m;
        queue->old_tail = m;
    }
    if (queue->fifo != NULL)
        sqs_fifo_add(queue->fifo, m);
    set_state(queue, m, state, due_ms);
}

void sqs_queue_take_out(struct sqs_message *m)
{
    struct sqs_queue *queue = m->queue;
    set_state(queue, m, SQS_NOWHERE, 0);
    if (queue->fifo != NULL)
        sqs_fifo_remove(queue->fifo, m);
    m->queue = NULL;
    if (heap_holds(&m->old_due)) {
        heap_remove(&queue->old_heap, &m->old_due);
        return;
    }
    if (m->old_prev != NULL)
        m->old_prev->old_next = m->old_next;
    else
        queue->old_head = m->old_next;
    if (m->old_next != NULL)
        m->old_next->old_prev = m->old_prev;
    else
        queue->old_tail = m->old_prev;
    m->old_prev = m->old_next = NULL;
}

void sqs_queue_move(struct sqs_message *m, enum sqs_state state, int64_t due_ms)
{
    set_state(m->queue, m, state, due_ms);
}

static void wake_heap(struct sqs_queue *queue, struct heap *heap, int64_t now_ms)
{
    while (heap_top_key(heap) <= now_ms)
        set_state(queue, HEAP_OWNER(heap_top(heap), struct sqs_message, due), SQS_VISIBLE, 0);
}

void sqs_queue_wake_due(struct sqs_queue *queue, int64_t now_ms)
{
    wake_heap(queue, &queue->delayed, now_ms);
    wake_heap(queue, &queue->in_flight, now_ms);
}

static struct sqs_message *oldest(const struct sqs_queue *queue)
{
    struct heap_node *top = heap_top(&queue->old_heap);
    struct sqs_message *moved = top == NULL ? NULL : HEAP_OWNER(top, struct sqs_message, old_due);
    if (moved == NULL || (queue->old_head != NULL && queue->old_head->sent_ms <= moved->sent_ms))
        return queue->old_head;
    return moved;
}

struct sqs_message *sqs_queue_any(const struct sqs_queue *queue)
{
    return oldest(queue);
}

int64_t sqs_queue_oldest_ms(const struct sqs_queue *queue)
{
    const struct sqs_message *m = oldest(queue);
    return m == NULL ? INT64_MAX : m->sent_ms;
}

struct sqs_message *sqs_queue_expired(const struct sqs_queue *queue, int64_t now_ms)
{
    struct sqs_message *m = oldest(queue);
    return m != NULL && m->sent_ms + queue->settings.retention_s * 1000 <= now_ms ? m : NULL;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t sqs_queue_next_ms(const struct sqs_queue *queue)
{
    const struct sqs_message *m = oldest(queue);
    int64_t next_ms = m == NULL ? INT64_MAX : m->sent_ms + queue->settings.retention_s * 1000;
    next_ms = sooner(next_ms, heap_top_key(&queue->delayed));
    next_ms = sooner(next_ms, heap_top_key(&queue->in_flight));
    next_ms = sooner(next_ms, heap_top_key(&queue->waiter_ends));
    return next_ms;
}

struct sqs_counts sqs_queue_counts(const struct sqs_queue *queue)
{
    return (struct sqs_counts){.visible = queue->visible.count,
                               .in_flight = queue->in_flight.count,
                               .delayed = queue->delayed.count};
}

void sqs_queue_add_waiter(struct sqs_queue *queue, struct sqs_waiter *waiter, int64_t end_ms)
{
    waiter->queue = queue;
    waiter->prev = queue->waiter_tail;
    waiter->next = NULL;
    if (queue->waiter_tail != NULL)
        queue->waiter_tail->next = waiter;
    else
        queue->waiter_head = waiter;
    queue->waiter_tail = waiter;
    heap_push(&queue->waiter_ends, &waiter->due, end_ms);
}

void sqs_queue_remove_waiter(struct sqs_waiter *waiter)
{
    struct sqs_queue *queue = waiter->queue;
    if (queue == NULL)
        return;
    if (waiter->prev != NULL)
        waiter->prev->next = waiter->next;
    else
        queue->waiter_head = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    else
        queue->waiter_tail = waiter->prev;
    heap_remove(&queue->waiter_ends, &waiter->due);
    waiter->queue = NULL;
    waiter->prev = waiter->next = NULL;
}
