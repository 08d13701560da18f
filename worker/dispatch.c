/* Hand-over queue; see dispatch.h. */
#include "worker/dispatch.h"

void dispatch_init(struct dispatch *d, int capacity)
{
    *d = (struct dispatch){.capacity = capacity};
    (void)pthread_mutex_init(&d->lock, NULL);
    TAILQ_INIT(&d->waiting);
    TAILQ_INIT(&d->behind);
    TAILQ_INIT(&d->done);
}

void dispatch_clean_up(struct dispatch *d)
{
    groups_clean_up(&d->groups);
    (void)pthread_mutex_destroy(&d->lock);
}

static void put_done(struct dispatch *d, struct message *message)
{
    message->place = PLACE_DONE;
    TAILQ_INSERT_TAIL(&d->done, message, queue);
    d->done_count++;
}

static void put_waiting(struct dispatch *d, struct message *message)
{
    message->place = PLACE_WAITING;
    TAILQ_INSERT_TAIL(&d->waiting, message, queue);
    d->waiting_count++;
}

static void put_behind(struct dispatch *d, struct message *message)
{
    message->place = PLACE_BEHIND;
    TAILQ_INSERT_TAIL(&d->behind, message, queue);
    d->behind_count++;
}

static void remove_waiting(struct dispatch *d, struct message *message)
{
    TAILQ_REMOVE(&d->waiting, message, queue);
    d->waiting_count--;
    message->place = PLACE_OUTSIDE;
}

static void remove_behind(struct dispatch *d, struct message *message)
{
    TAILQ_REMOVE(&d->behind, message, queue);
    d->behind_count--;
    message->place = PLACE_OUTSIDE;
}

/* Out of its group, which goes on with the next one. */
static void leave_group(struct dispatch *d, struct message *message)
{
    struct message *next = groups_leave(&d->groups, message);
    if (next == NULL)
        return;
    remove_behind(d, next);
    put_waiting(d, next);
}

static void withdraw(struct dispatch *d, struct message *message)
{
    if (message->place == PLACE_BEHIND)
        remove_behind(d, message);
    else
        remove_waiting(d, message);
    leave_group(d, message);
}

void dispatch_add(struct dispatch *d, struct message *message)
{
    (void)pthread_mutex_lock(&d->lock);
    if (message->group_id == NULL || groups_join(&d->groups, message))
        put_waiting(d, message);
    else
        put_behind(d, message);
    (void)pthread_mutex_unlock(&d->lock);
}

void dispatch_set_capacity(struct dispatch *d, int capacity)
{
    (void)pthread_mutex_lock(&d->lock);
    d->capacity = capacity;
    (void)pthread_mutex_unlock(&d->lock);
}

bool dispatch_withdraw(struct dispatch *d, struct message *message)
{
    (void)pthread_mutex_lock(&d->lock);
    bool waiting = message->place == PLACE_WAITING || message->place == PLACE_BEHIND;
    if (waiting)
        withdraw(d, message);
    (void)pthread_mutex_unlock(&d->lock);
    return waiting;
}

struct message *dispatch_withdraw_newest(struct dispatch *d)
{
    (void)pthread_mutex_lock(&d->lock);
    struct message *message = TAILQ_LAST(&d->waiting, message_list);
    struct message *behind = message != NULL ? groups_last_behind(message) : NULL;
    message = behind != NULL ? behind : message;
    if (message != NULL)
        withdraw(d, message);
    (void)pthread_mutex_unlock(&d->lock);
    return message;
}

struct message *dispatch_withdraw_behind(struct dispatch *d, struct message *message)
{
    (void)pthread_mutex_lock(&d->lock);
    struct message *last =
        message != NULL ? groups_last_behind(message) : TAILQ_LAST(&d->behind, message_list);
    if (last != NULL)
        withdraw(d, last);
    (void)pthread_mutex_unlock(&d->lock);
    return last;
}

void dispatch_leave_group(struct dispatch *d, struct message *message)
{
    (void)pthread_mutex_lock(&d->lock);
    leave_group(d, message);
    (void)pthread_mutex_unlock(&d->lock);
}

void dispatch_collect(struct dispatch *d, struct message_list *out)
{
    (void)pthread_mutex_lock(&d->lock);
    struct message *message = NULL;
    for (message = TAILQ_FIRST(&d->done); message != NULL; message = TAILQ_NEXT(message, queue))
        message->place = PLACE_OUTSIDE;
    TAILQ_CONCAT(out, &d->done, queue);
    d->done_count = 0;
    (void)pthread_mutex_unlock(&d->lock);
}

struct dispatch_counts dispatch_count(struct dispatch *d)
{
    (void)pthread_mutex_lock(&d->lock);
    struct dispatch_counts counts = {
        .waiting = d->waiting_count, .behind = d->behind_count, .running = d->running_count};
    (void)pthread_mutex_unlock(&d->lock);
    return counts;
}

struct message *dispatch_take(struct dispatch *d, int64_t now_ms)
{
    while (dispatch_startable(d) > 0) {
        struct message *message = TAILQ_FIRST(&d->waiting);
        remove_waiting(d, message);
        if (now_ms < atomic_load(&message->lease_until_ms)) {
            message->place = PLACE_RUNNING;
            d->running_count++;
            return message;
        }
        message->outcome = OUTCOME_LAPSED;
        put_done(d, message);
    }
    return NULL;
}

void dispatch_finish(struct dispatch *d, struct message *message)
{
    d->running_count--;
    put_done(d, message);
    if (message->outcome == OUTCOME_DONE)
        leave_group(d, message);
}

int dispatch_startable(const struct dispatch *d)
{
    int slots = d->capacity - d->running_count;
    if (slots <= 0)
        return 0;
    return slots < d->waiting_count ? slots : d->waiting_count;
}
