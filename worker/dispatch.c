/* Hand-over queue; see dispatch.h. */
#include "worker/dispatch.h"

void dispatch_init(struct dispatch *d, int capacity)
{
    *d = (struct dispatch){.capacity = capacity};
    (void)pthread_mutex_init(&d->lock, NULL);
    TAILQ_INIT(&d->waiting);
    TAILQ_INIT(&d->done);
}

void dispatch_clean_up(struct dispatch *d)
{
    (void)pthread_mutex_destroy(&d->lock);
}

static void put_done(struct dispatch *d, struct message *message)
{
    message->place = PLACE_DONE;
    TAILQ_INSERT_TAIL(&d->done, message, queue);
    d->done_count++;
}

static void remove_waiting(struct dispatch *d, struct message *message)
{
    TAILQ_REMOVE(&d->waiting, message, queue);
    d->waiting_count--;
    message->place = PLACE_OUTSIDE;
}

void dispatch_add(struct dispatch *d, struct message *message)
{
    (void)pthread_mutex_lock(&d->lock);
    message->place = PLACE_WAITING;
    TAILQ_INSERT_TAIL(&d->waiting, message, queue);
    d->waiting_count++;
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
    bool waiting = message->place == PLACE_WAITING;
    if (waiting)
        remove_waiting(d, message);
    (void)pthread_mutex_unlock(&d->lock);
    return waiting;
}

struct message *dispatch_withdraw_newest(struct dispatch *d)
{
    (void)pthread_mutex_lock(&d->lock);
    struct message *message = TAILQ_LAST(&d->waiting, message_list);
    if (message != NULL)
        remove_waiting(d, message);
    (void)pthread_mutex_unlock(&d->lock);
    return message;
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

void dispatch_counts(struct dispatch *d, int *ret_waiting, int *ret_running)
{
    (void)pthread_mutex_lock(&d->lock);
    *ret_waiting = d->waiting_count;
    *ret_running = d->running_count;
    (void)pthread_mutex_unlock(&d->lock);
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
}

int dispatch_startable(const struct dispatch *d)
{
    int slots = d->capacity - d->running_count;
    if (slots <= 0)
        return 0;
    return slots < d->waiting_count ? slots : d->waiting_count;
}
