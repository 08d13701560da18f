/* Groups and memories of a FIFO queue; see sqs_fifo.h. */
#include "localaws/sqs_fifo.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <stdlib.h>

struct sqs_fifo *sqs_fifo_new(void)
{
    return xcalloc(1, sizeof(struct sqs_fifo));
}

void sqs_fifo_free(struct sqs_fifo *fifo)
{
    if (fifo == NULL)
        return;
    strmap_clean_up(&fifo->groups);
    heap_clean_up(&fifo->available);
    recent_clean_up(&fifo->sent);
    recent_clean_up(&fifo->attempts);
    free(fifo);
}

/* ---- groups ---- */

/* Brings a group's place among the available ones up to date. */
static void update(struct sqs_fifo *fifo, struct sqs_group *group)
{
    bool can_receive = group->in_flight == 0 && group->head != NULL && group->head->state == SQS_VISIBLE;
    if (can_receive && heap_holds(&group->available) && group->keyed == group->head->sequence)
        return;
    heap_remove(&fifo->available, &group->available);
    if (!can_receive)
        return;
    group->keyed = group->head->sequence;
    heap_push(&fifo->available, &group->available, (int64_t)group->keyed);
}

void sqs_fifo_add(struct sqs_fifo *fifo, struct sqs_message *m)
{
    struct sqs_group *group = strmap_get(&fifo->groups, m->group_id);
    if (group == NULL) {
        group = xcalloc(1, sizeof *group);
        strmap_put(&fifo->groups, m->group_id, group);
    }
    m->group = group;
    m->prev = group->tail;
    m->next = NULL;
    if (group->tail != NULL)
        group->tail->next = m;
    else
        group->head = m;
    group->tail = m;
}

void sqs_fifo_remove(struct sqs_fifo *fifo, struct sqs_message *m)
{
    struct sqs_group *group = m->group;
    if (m->prev != NULL)
        m->prev->next = m->next;
    else
        group->head = m->next;
    if (m->next != NULL)
        m->next->prev = m->prev;
    else
        group->tail = m->prev;
    m->prev = m->next = NULL;
    m->group = NULL;
    update(fifo, group);
    if (group->head != NULL)
        return;
    (void)strmap_remove(&fifo->groups, m->group_id);
    free(group);
}

void sqs_fifo_moved(struct sqs_fifo *fifo, struct sqs_message *m, enum sqs_state before)
{
    struct sqs_group *group = m->group;
    group->in_flight += (m->state == SQS_IN_FLIGHT ? 1U : 0U);
    group->in_flight -= (before == SQS_IN_FLIGHT ? 1U : 0U);
    update(fifo, group);
}

struct sqs_group *sqs_fifo_next(const struct sqs_fifo *fifo)
{
    struct heap_node *top = heap_top(&fifo->available);
    return top == NULL ? NULL : HEAP_OWNER(top, struct sqs_group, available);
}

/* ---- memories ---- */

/* Ids have no spaces: one tells the two scopes apart, and where the group ends. */
static struct strbuf sent_key(bool by_group, struct slice group_id, struct slice deduplication_id)
{
    struct strbuf key = STRBUF_INIT;
    if (by_group)
        strbuf_append(&key, group_id.at, group_id.len);
    strbuf_append_char(&key, ' ');
    strbuf_append(&key, deduplication_id.at, deduplication_id.len);
    return key;
}

const struct sqs_sent *sqs_fifo_find_sent(struct sqs_fifo *fifo, bool by_group, struct slice group_id,
                                          struct slice deduplication_id, int64_t now_ms)
{
    struct strbuf key = sent_key(by_group, group_id, deduplication_id);
    const struct sqs_sent *sent =
        recent_get(&fifo->sent, (struct slice){key.data, key.len}, now_ms, SQS_FIFO_MEMORY_MS);
    strbuf_clean_up(&key);
    return sent;
}

void sqs_fifo_remember_sent(struct sqs_fifo *fifo, bool by_group, const struct sqs_message *m, int64_t now_ms)
{
    struct strbuf key = sent_key(by_group, m->group_id, m->deduplication_id);
    struct sqs_sent *sent = recent_put(&fifo->sent, (struct slice){key.data, key.len}, sizeof *sent, now_ms);
    memcpy(sent->id, m->id, sizeof sent->id);
    sent->sequence = m->sequence;
    strbuf_clean_up(&key);
}

const struct sqs_attempt *sqs_fifo_find_attempt(struct sqs_fifo *fifo, struct slice id, int64_t now_ms)
{
    return recent_get(&fifo->attempts, id, now_ms, SQS_FIFO_MEMORY_MS);
}

void sqs_fifo_remember_attempt(struct sqs_fifo *fifo, struct slice id, struct sqs_message *const *messages,
                               size_t count, int64_t now_ms)
{
    struct sqs_attempt *attempt = recent_put(&fifo->attempts, id, sizeof *attempt, now_ms);
    attempt->count = count;
    for (size_t i = 0; i < count; i++) {
        attempt->messages[i].slot = messages[i]->slot;
        attempt->messages[i].generation = messages[i]->generation;
        attempt->messages[i].serial = messages[i]->serial;
    }
}
