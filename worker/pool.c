/* Handler threads; see pool.h. */
#include "worker/pool.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct thread {
    struct pool *pool;
    pthread_t id;
    pthread_cond_t wake;
    bool woken;
    struct thread *idle_next;
    struct message *message; /* that it handles */
    int cancel_fd;           /* eventfd, made when a handler first asks for it; -1: not yet */
};

struct pool {
    struct pool_options options;
    struct dispatch *dispatch;
    int event_fd;
    int cpus;
    struct thread *threads; /* `started` entries in use */
    int started;

    /* I/O thread: what handles in pool_wake() */
    struct thread here;
    struct pool_pace pace;

    /* under dispatch->lock */
    struct thread *idle; /* stack */
    int idle_count;
    int waking; /* woken, not yet looking at the queue */
    int arrived;
    pthread_cond_t barrier;
    bool stopping;
    bool notified; /* the I/O thread has been told and not yet looked */
};

/* ---- one message ---- */

static struct message *message_of(const struct sluice_context *context)
{
    const struct thread *thread = context->host;
    return thread->message;
}

static bool context_lease_lost(const struct sluice_context *context)
{
    const struct message *message = message_of(context);
    return atomic_load(&message->lease_lost) || clock_product_ms() >= atomic_load(&message->lease_until_ms);
}

static void context_set_reason(const struct sluice_context *context, const char *reason)
{
    struct message *message = message_of(context);
    free(message->reason);
    message->reason = reason != NULL ? xstrndup(reason, strnlen(reason, MESSAGE_REASON_MAX)) : NULL;
}

static void context_set_retry_delay(const struct sluice_context *context, int64_t seconds)
{
    struct message *message = message_of(context);
    message->retry_delay_s = seconds < 0                      ? 0
                             : seconds > SQS_VISIBILITY_MAX_S ? SQS_VISIBILITY_MAX_S
                                                              : seconds;
}

static void context_set_status(const struct sluice_context *context, int64_t status)
{
    message_of(context)->status = status;
}

/* First the descriptor is published, then the flag is read; the I/O thread sets the flag first. So one of the
 * two sees the other. */
static int context_cancel_fd(const struct sluice_context *context)
{
    struct thread *thread = context->host;
    uint64_t count = 0;
    if (thread->cancel_fd < 0)
        thread->cancel_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (thread->cancel_fd < 0 || atomic_load(&thread->message->cancel_fd) >= 0)
        return thread->cancel_fd;
    ssize_t n = read(thread->cancel_fd, &count, sizeof count); /* an alarm for an earlier message */
    (void)n;
    atomic_store(&thread->message->cancel_fd, thread->cancel_fd);
    if (context_lease_lost(context)) {
        count = 1;
        n = write(thread->cancel_fd, &count, sizeof count);
        (void)n;
    }
    return thread->cancel_fd;
}

void pool_log(enum sluice_log_level level, const char *text, const char *message_id)
{
    static const enum log_level LEVELS[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR};
    enum log_level ours = (unsigned)level <= SLUICE_LOG_ERROR ? LEVELS[level] : LOG_ERROR;
    if (text == NULL)
        text = "";
    if (message_id != NULL)
        LOG(ours, text, LOG_STR("message_id", message_id));
    else
        LOG(ours, text);
}

static void context_log(const struct sluice_context *context, enum sluice_log_level level, const char *text)
{
    pool_log(level, text, message_of(context)->first->id);
}

static enum sluice_verdict call_handler(const struct pool *pool, const struct sluice_message *view,
                                        const struct sluice_context *context)
{
    return pool->options.handler->handle(pool->options.instance, view, context);
}

/* The SQS message as the handler wants it. attributes has room for all of them. */
static struct sluice_message view_of(const struct sqs_message *sqs, struct sluice_attribute *attributes)
{
    for (size_t i = 0; i < sqs->attribute_count; i++)
        attributes[i] = (struct sluice_attribute){.name = sqs->attributes[i].name,
                                                  .data_type = sqs->attributes[i].data_type,
                                                  .value = sqs->attributes[i].value,
                                                  .value_len = sqs->attributes[i].value_len};
    return (struct sluice_message){.size = sizeof(struct sluice_message),
                                   .id = sqs->id,
                                   .body = sqs->body,
                                   .body_len = sqs->body_len,
                                   .receive_count = sqs->receive_count,
                                   .sent_ms = sqs->sent_ms,
                                   .attributes = attributes,
                                   .attribute_count = sqs->attribute_count,
                                   .receipt_handle = sqs->receipt_handle,
                                   .group_id = sqs->group_id,
                                   .deduplication_id = sqs->deduplication_id,
                                   .sequence_number = sqs->sequence_number,
                                   .sender_id = sqs->sender_id,
                                   .first_receive_ms = sqs->first_receive_ms};
}

static enum sluice_verdict handle(struct thread *thread)
{
    const struct pool *pool = thread->pool;
    /* Read-only while it runs: the I/O thread may change message->newest, never message->first. */
    const struct sqs_message *sqs = thread->message->first;
    struct sluice_context context = {.size = sizeof context,
                                     .host = thread,
                                     .lease_lost = context_lease_lost,
                                     .cancel_fd = context_cancel_fd,
                                     .set_reason = context_set_reason,
                                     .set_retry_delay = context_set_retry_delay,
                                     .set_status = context_set_status,
                                     .log = context_log};
    struct sns_envelope envelope = {.body = NULL};
    struct err err;
    enum sluice_verdict verdict = SLUICE_FAILED;
    struct sluice_attribute *attributes =
        sqs->attribute_count > 0 ? xcalloc(sqs->attribute_count, sizeof *attributes) : NULL;
    struct sluice_message view = view_of(sqs, attributes);
    switch (sns_unwrap(pool->options.sns, view.body, view.body_len, &envelope, &err)) {
    case SNS_REFUSED:
        context_set_reason(&context, err.text);
        break;
    case SNS_UNWRAPPED:
        view.body = envelope.body;
        view.body_len = envelope.body_len;
        view.sns = &envelope.sns;
        verdict = call_handler(pool, &view, &context);
        break;
    case SNS_PLAIN:
        verdict = call_handler(pool, &view, &context);
        break;
    }
    sns_envelope_clean_up(&envelope);
    free(attributes);
    return verdict;
}

static void run(struct thread *thread, struct message *message, int64_t start_ms)
{
    static const enum message_outcome OUTCOMES[] = {[SLUICE_DONE] = OUTCOME_DONE,
                                                    [SLUICE_FAILED] = OUTCOME_FAILED,
                                                    [SLUICE_RETRY] = OUTCOME_RETRY,
                                                    [SLUICE_REJECT] = OUTCOME_REJECTED};
    thread->message = message;
    message->start_ms = start_ms;
    unsigned verdict = (unsigned)handle(thread);
    message->end_ms = clock_product_ms();
    message->outcome = verdict < sizeof OUTCOMES / sizeof *OUTCOMES ? OUTCOMES[verdict] : OUTCOME_FAILED;
    /* No write to the descriptor for this message once it is done: the next one makes its own. */
    atomic_store(&message->cancel_fd, -1);
    thread->message = NULL;
}

/* ---- on the I/O thread ---- */

/* One that takes longer for a message than two switches of threads cost is better off in the threads, which
 * may be many. */
enum {
    HERE_NS_MAX = 20 * 1000,             /* for a message, on average */
    HERE_DEBT_NS_MAX = 20 * 1000 * 1000, /* beyond that, in calls one after the other: other programs on the
                                          * processor may cost a call some milliseconds now and then */
    HERE_HELD_UP_NS = 100 * 1000 * 1000, /* of a whole call */
    AWAY_CALLS = 1000,
};

bool pool_pace_add(struct pool_pace *pace, int count, int64_t took_ns)
{
    if (count == 0) /* whatever held it up, it was no handler */
        return true;
    if (took_ns > HERE_HELD_UP_NS) {
        pace->away = INT_MAX;
        return false;
    }
    pace->debt_ns += took_ns - (int64_t)HERE_NS_MAX * count;
    if (pace->debt_ns < 0)
        pace->debt_ns = 0;
    if (pace->debt_ns > HERE_DEBT_NS_MAX) {
        pace->debt_ns = 0;
        pace->away = AWAY_CALLS;
    }
    return true;
}

bool pool_pace_here(struct pool_pace *pace)
{
    if (pace->away == 0)
        return true;
    pace->away -= pace->away < INT_MAX;
    return false;
}

/* Returns how many messages it handled. */
static int handle_here(struct pool *pool)
{
    pthread_mutex_t *lock = &pool->dispatch->lock;
    int count = 0;
    int64_t began_ns = clock_mono_ns();
    int64_t now_ms = clock_product_ms();
    struct message *message = NULL;
    (void)pthread_mutex_lock(lock);
    while ((message = dispatch_take(pool->dispatch, now_ms)) != NULL) {
        (void)pthread_mutex_unlock(lock);
        run(&pool->here, message, now_ms);
        now_ms = message->end_ms;
        count++;
        (void)pthread_mutex_lock(lock);
        dispatch_finish(pool->dispatch, message);
    }
    (void)pthread_mutex_unlock(lock);
    int64_t took_ns = clock_mono_ns() - began_ns;
    if (!pool_pace_add(&pool->pace, count, took_ns))
        LOG(LOG_WARNING,
            "the handler says that it never waits, and held up the receiving: threads call it now",
            LOG_INT("messages", count), LOG_INT("took_real_ms", took_ns / 1000000));
    return count;
}

/* ---- threads ---- */

/* A handler that takes microseconds tells the I/O thread when a batch is full or nothing is left, others at
 * once: one eventfd write a message would cost more than such a handler. Caller holds the lock. */
static bool must_notify(struct pool *pool, bool more)
{
    const struct dispatch *d = pool->dispatch;
    bool quick = (pool->options.flags & SLUICE_NONBLOCKING) != 0;
    if (pool->notified || d->done_count == 0)
        return false;
    if (quick && more && d->done_count < SQS_BATCH_MAX)
        return false;
    pool->notified = true;
    return true;
}

static void notify(const struct pool *pool)
{
    uint64_t one = 1;
    ssize_t n = write(pool->event_fd, &one, sizeof one);
    (void)n; /* fails only when the counter is full: then the I/O thread has been told */
}

/* Sleeps until woken. Caller holds the lock, which is given up meanwhile. */
static void idle(struct pool *pool, struct thread *self)
{
    self->woken = false;
    self->idle_next = pool->idle;
    pool->idle = self;
    pool->idle_count++;
    while (!self->woken)
        (void)pthread_cond_wait(&self->wake, &pool->dispatch->lock);
    pool->waking--;
}

static void arrive(struct pool *pool)
{
    if (++pool->arrived == pool->options.threads)
        (void)pthread_cond_signal(&pool->barrier);
}

static void *thread_main(void *arg)
{
    struct thread *self = arg;
    struct pool *pool = self->pool;
    pthread_mutex_t *lock = &pool->dispatch->lock;
    (void)pthread_mutex_lock(lock);
    arrive(pool);
    while (!pool->stopping) {
        int64_t now_ms = clock_product_ms();
        struct message *message = dispatch_take(pool->dispatch, now_ms);
        bool tell = must_notify(pool, message != NULL);
        if (message == NULL && !tell) {
            idle(pool, self);
            continue;
        }
        (void)pthread_mutex_unlock(lock);
        if (tell)
            notify(pool);
        if (message != NULL)
            run(self, message, now_ms);
        (void)pthread_mutex_lock(lock);
        if (message != NULL)
            dispatch_finish(pool->dispatch, message);
    }
    (void)pthread_mutex_unlock(lock);
    return NULL;
}

static void wake_one(struct pool *pool)
{
    struct thread *thread = pool->idle;
    pool->idle = thread->idle_next;
    pool->idle_count--;
    pool->waking++;
    thread->woken = true;
    (void)pthread_cond_signal(&thread->wake);
}

bool pool_wake(struct pool *pool)
{
    if ((pool->options.flags & SLUICE_NONBLOCKING) != 0 && pool_pace_here(&pool->pace))
        return handle_here(pool) > 0;
    (void)pthread_mutex_lock(&pool->dispatch->lock);
    int wanted = dispatch_startable(pool->dispatch) - pool->waking;
    if ((pool->options.flags & SLUICE_NONBLOCKING) != 0) {
        /* Threads beyond the processors only cost switches then. */
        int awake = pool->options.threads - pool->idle_count;
        int most = pool->cpus > 1 ? pool->cpus - 1 : 1;
        wanted = wanted > most - awake ? most - awake : wanted;
    }
    for (; wanted > 0 && pool->idle != NULL; wanted--)
        wake_one(pool);
    (void)pthread_mutex_unlock(&pool->dispatch->lock);
    return false;
}

int pool_event_fd(const struct pool *pool)
{
    return pool->event_fd;
}

void pool_acknowledge(struct pool *pool)
{
    uint64_t count = 0;
    ssize_t n = read(pool->event_fd, &count, sizeof count);
    (void)n; /* nothing to read: somebody was quicker, the flag is what counts */
    (void)pthread_mutex_lock(&pool->dispatch->lock);
    pool->notified = false;
    (void)pthread_mutex_unlock(&pool->dispatch->lock);
}

/* ---- start and end ---- */

static int start_threads(struct pool *pool, struct err *err)
{
    pthread_attr_t attr;
    size_t stack = pool->options.stack_bytes < (size_t)PTHREAD_STACK_MIN ? (size_t)PTHREAD_STACK_MIN
                                                                         : pool->options.stack_bytes;
    int error = pthread_attr_init(&attr);
    if (error != 0)
        return err_set(err, "pthread_attr_init: %s", strerror(error));
    error = pthread_attr_setstacksize(&attr, stack);
    for (int i = 0; error == 0 && i < pool->options.threads; i++) {
        struct thread *thread = &pool->threads[i];
        thread->pool = pool;
        thread->cancel_fd = -1;
        (void)pthread_cond_init(&thread->wake, NULL);
        error = pthread_create(&thread->id, &attr, thread_main, thread);
        if (error == 0)
            pool->started++;
        else
            (void)pthread_cond_destroy(&thread->wake);
    }
    (void)pthread_attr_destroy(&attr);
    if (error != 0)
        return err_set(err, "handler thread %d of %d with a stack of %zu bytes: %s", pool->started + 1,
                       pool->options.threads, stack, strerror(error));
    return 0;
}

static void wait_for_barrier(struct pool *pool)
{
    (void)pthread_mutex_lock(&pool->dispatch->lock);
    while (pool->arrived < pool->options.threads)
        (void)pthread_cond_wait(&pool->barrier, &pool->dispatch->lock);
    (void)pthread_mutex_unlock(&pool->dispatch->lock);
}

struct pool *pool_new(const struct pool_options *options, struct err *err)
{
    struct pool *pool = xcalloc(1, sizeof *pool);
    pool->options = *options;
    pool->dispatch = options->dispatch;
    pool->here = (struct thread){.pool = pool, .cancel_fd = -1};
    pool->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    pool->threads = xcalloc((size_t)options->threads, sizeof *pool->threads);
    (void)pthread_cond_init(&pool->barrier, NULL);
    pool->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pool->event_fd < 0) {
        (void)err_set(err, "eventfd: %m");
        goto failed;
    }
    if (start_threads(pool, err) != 0)
        goto failed;
    wait_for_barrier(pool);
    return pool;
failed:
    pool_destroy(pool);
    return NULL;
}

void pool_destroy(struct pool *pool)
{
    if (pool == NULL)
        return;
    (void)pthread_mutex_lock(&pool->dispatch->lock);
    pool->stopping = true;
    while (pool->idle != NULL)
        wake_one(pool);
    (void)pthread_mutex_unlock(&pool->dispatch->lock);
    for (int i = 0; i < pool->started; i++) {
        (void)pthread_join(pool->threads[i].id, NULL);
        (void)pthread_cond_destroy(&pool->threads[i].wake);
        if (pool->threads[i].cancel_fd >= 0)
            (void)close(pool->threads[i].cancel_fd);
    }
    (void)pthread_cond_destroy(&pool->barrier);
    if (pool->here.cancel_fd >= 0)
        (void)close(pool->here.cancel_fd);
    if (pool->event_fd >= 0)
        (void)close(pool->event_fd);
    free(pool->threads);
    free(pool);
}
