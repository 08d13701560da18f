/* The pool of co-processes: messages and the threads that wait for them; see stdio_pool.h. */
#include "worker/stdio_pool.h"

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/process.h"
#include "base/random.h"
#include "worker/message.h"
#include "worker/stdio_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Real time between two looks at the lease beyond those that the descriptor asks for. */
enum { LOOK_MS = 500 };
/* Of the thread that serves the co-processes; musl would give it 128 KiB. */
enum { STACK_BYTES = 512 * 1024 };

static void lock(struct stdio_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
}

static void unlock(struct stdio_pool *pool)
{
    (void)pthread_mutex_unlock(&pool->lock);
}

static void ring(int event_fd)
{
    uint64_t one = 1;
    ssize_t n = write(event_fd, &one, sizeof one);
    (void)n; /* fails only when the counter is full: then it is readable */
}

static void silence(int event_fd)
{
    uint64_t count = 0;
    ssize_t n = read(event_fd, &count, sizeof count);
    (void)n; /* nothing to read: nobody rang */
}

/* ---- calls ---- */

/* NULL: no descriptor left. */
static struct stdio_call *take_call(struct stdio_pool *pool)
{
    struct stdio_call *call = TAILQ_FIRST(&pool->spare);
    if (call != NULL) {
        TAILQ_REMOVE(&pool->spare, call, link);
        return call;
    }
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return NULL;
    call = xcalloc(1, sizeof *call);
    call->event_fd = fd;
    return call;
}

static void put_away(struct stdio_pool *pool, struct stdio_call *call)
{
    int fd = call->event_fd;
    silence(fd);
    free(call->id);
    free(call->reason);
    strbuf_clean_up(&call->line);
    *call = (struct stdio_call){.event_fd = fd};
    TAILQ_INSERT_HEAD(&pool->spare, call, link);
}

void stdio_pool_finish(struct stdio_pool *pool, struct stdio_call *call, enum sluice_verdict verdict,
                       const char *reason)
{
    call->stage = CALL_DONE;
    call->process = NULL;
    if (call->orphan) {
        put_away(pool, call);
        return;
    }
    call->verdict = verdict;
    call->reason = reason != NULL ? xstrdup(reason) : NULL;
    ring(call->event_fd);
}

void stdio_pool_wake(struct stdio_pool *pool)
{
    if (pool->woken)
        return;
    pool->woken = true;
    ring(pool->wake_fd);
}

/* ---- hand-over ---- */

/* The running process with the fewest messages that has room. An id whose earlier delivery it has not yet
 * answered goes elsewhere: two answers could not be told apart. */
static struct coprocess *choose(const struct stdio_pool *pool, const char *id)
{
    struct coprocess *best = NULL;
    for (int i = 0; i < pool->options.processes; i++) {
        struct coprocess *process = &pool->processes[i];
        if (process->stage != COPROCESS_RUNNING || process->call_count >= pool->options.in_flight)
            continue;
        if ((best == NULL || process->call_count < best->call_count) &&
            coprocess_find_call(process, id) == NULL)
            best = process;
    }
    return best;
}

void stdio_pool_pump(struct stdio_pool *pool)
{
    struct stdio_call *next = NULL;
    for (struct stdio_call *call = TAILQ_FIRST(&pool->waiting); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        struct coprocess *process = choose(pool, call->id);
        if (process == NULL)
            continue;
        TAILQ_REMOVE(&pool->waiting, call, link);
        TAILQ_INSERT_TAIL(&process->calls, call, link);
        process->call_count++;
        call->process = process;
        call->stage = CALL_SENT;
        call->start_byte = process->queued_bytes;
        call->due_ms = clock_product_ms() + pool->options.timeout_ms;
        coprocess_send(process, &call->line);
    }
}

/* ---- a handler thread ---- */

/* Returns whether the call is out of this thread's hands. */
static bool give_up_lease(struct stdio_pool *pool, struct stdio_call *call)
{
    struct strbuf line = STRBUF_INIT;
    if (call->stage == CALL_WAITING) {
        TAILQ_REMOVE(&pool->waiting, call, link);
        put_away(pool, call);
        return true;
    }
    if (pool->options.in_flight == 1) {
        call->given_up = true;
        call->process->blameless = call->process->stage == COPROCESS_RUNNING;
        coprocess_condemn(call->process, "the lease of its message was lost");
        return false;
    }
    stdio_line_write_cancel(&line, call->id);
    coprocess_send(call->process, &line);
    strbuf_clean_up(&line);
    call->orphan = true;
    stdio_pool_wake(pool); /* from now on the pool's thread looks after its time */
    return true;
}

/* Returns whether the call is out of this thread's hands, with the verdict. */
static bool time_is_over(struct stdio_pool *pool, struct stdio_call *call,
                         const struct sluice_context *context)
{
    char limit[48];
    char problem[128];
    if (call->stage == CALL_WAITING) {
        TAILQ_REMOVE(&pool->waiting, call, link);
        put_away(pool, call);
        context->set_reason(context, "no co-process had room");
        return true;
    }
    (void)snprintf(problem, sizeof problem, "no answer within %s to message %.64s",
                   duration_format(pool->options.timeout_ms, limit), call->id);
    coprocess_condemn(call->process, problem);
    call->due_ms = INT64_MAX;
    return false;
}

static int wait_ms(int64_t due_ms)
{
    if (due_ms == INT64_MAX)
        return LOOK_MS;
    int64_t left = (clock_real_us_of_product_ms(due_ms - clock_product_ms()) + 999) / 1000;
    if (left < 0)
        return 0; /* it came due just now; poll() would wait for ever */
    return left > LOOK_MS ? LOOK_MS : (int)left;
}

static enum sluice_verdict take_result(struct stdio_pool *pool, struct stdio_call *call,
                                       const struct sluice_context *context)
{
    enum sluice_verdict verdict = call->verdict;
    if (verdict != SLUICE_DONE && call->reason != NULL)
        context->set_reason(context, call->reason);
    if (verdict != SLUICE_DONE && call->status != INT64_MIN)
        context->set_status(context, call->status);
    if ((verdict == SLUICE_RETRY || verdict == SLUICE_FAILED) && call->delay_s >= 0)
        context->set_retry_delay(context, call->delay_s);
    put_away(pool, call);
    return verdict;
}

/* The lock is held, and given up while it sleeps. */
static enum sluice_verdict await(struct stdio_pool *pool, struct stdio_call *call,
                                 const struct sluice_context *context)
{
    struct pollfd fds[] = {{.fd = call->event_fd, .events = POLLIN},
                           {.fd = context->cancel_fd(context), .events = POLLIN}};
    bool lease_told = false;
    while (call->stage != CALL_DONE) {
        int timeout_ms = wait_ms(call->due_ms);
        unlock(pool);
        (void)poll(fds, 2, timeout_ms);
        if (fds[1].revents != 0)
            fds[1].fd = -1; /* it stays readable, even after a false alarm */
        bool lost = !lease_told && context->lease_lost(context);
        lock(pool);
        if (call->stage == CALL_DONE)
            break;
        if (lost) {
            lease_told = true;
            if (give_up_lease(pool, call)) {
                context->set_reason(context, "lease lost or worker leaving");
                return SLUICE_FAILED;
            }
        }
        if (clock_product_ms() >= call->due_ms && time_is_over(pool, call, context))
            return SLUICE_RETRY;
    }
    return take_result(pool, call, context);
}

enum sluice_verdict stdio_pool_handle(struct stdio_pool *pool, const struct sluice_message *message,
                                      const struct sluice_context *context)
{
    struct strbuf line = STRBUF_INIT;
    enum sluice_verdict verdict = SLUICE_RETRY;
    stdio_line_write_message(&line, message);
    lock(pool);
    struct stdio_call *call = take_call(pool);
    if (call != NULL) {
        call->id = xstrdup(message->id);
        call->line = line;
        call->delay_s = -1;
        call->status = INT64_MIN;
        call->wait_until_ms = clock_product_ms() + pool->options.timeout_ms;
        call->due_ms = call->wait_until_ms;
        TAILQ_INSERT_TAIL(&pool->waiting, call, link);
        stdio_pool_pump(pool);
        verdict = await(pool, call, context);
        unlock(pool);
        return verdict;
    }
    unlock(pool);
    strbuf_clean_up(&line);
    context->set_reason(context, "no file descriptor left");
    return verdict;
}

/* ---- the pool's thread ---- */

/* Those whose handler threads have left are watched here. */
static void check_orphans(struct stdio_pool *pool)
{
    int64_t now_ms = clock_product_ms();
    int64_t due_ms = INT64_MAX;
    lock(pool);
    for (int i = 0; i < pool->options.processes; i++) {
        struct coprocess *process = &pool->processes[i];
        const struct stdio_call *call = NULL;
        TAILQ_FOREACH(call, &process->calls, link)
        {
            if (!call->orphan || process->stage != COPROCESS_RUNNING)
                continue;
            if (call->due_ms <= now_ms)
                coprocess_condemn(process, "no answer to a canceled message");
            else if (call->due_ms < due_ms)
                due_ms = call->due_ms;
        }
    }
    unlock(pool);
    if (due_ms != INT64_MAX)
        loop_timer_arm_product_ms(&pool->orphan_timer, due_ms - now_ms);
}

static void look_at_all(struct stdio_pool *pool)
{
    bool over = true;
    check_orphans(pool);
    for (int i = 0; i < pool->options.processes; i++)
        coprocess_look(&pool->processes[i]);
    lock(pool);
    over = pool->stopping;
    for (int i = 0; i < pool->options.processes; i++)
        over = over && pool->processes[i].stage == COPROCESS_DOWN;
    unlock(pool);
    if (over)
        (void)event_base_loopbreak(pool->base);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct stdio_pool *pool = arg;
    (void)what;
    lock(pool);
    silence(fd);
    pool->woken = false;
    unlock(pool);
    look_at_all(pool);
}

static void on_orphan_timer(void *arg)
{
    look_at_all(arg);
}

static void *thread_main(void *arg)
{
    struct stdio_pool *pool = arg;
    for (int i = 0; i < pool->options.processes; i++)
        coprocess_start(&pool->processes[i]);
    (void)event_base_dispatch(pool->base);
    return NULL;
}

/* ---- start and end ---- */

static int start_thread(struct stdio_pool *pool, struct err *err)
{
    pool->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pool->wake_fd < 0)
        return err_set(err, "eventfd: %s", strerror(errno));
    pool->base = loop_base_new();
    pool->wake_event = event_new(pool->base, pool->wake_fd, EV_READ | EV_PERSIST, on_wake, pool);
    if (pool->wake_event == NULL)
        abort();
    (void)event_add(pool->wake_event, NULL);
    loop_timer_init(&pool->orphan_timer, pool->base, on_orphan_timer, pool);
    for (int i = 0; i < pool->options.processes; i++)
        coprocess_init(&pool->processes[i], pool);
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (error == 0) {
        error = pthread_attr_setstacksize(&attr, STACK_BYTES);
        if (error == 0)
            error = pthread_create(&pool->thread, &attr, thread_main, pool);
        (void)pthread_attr_destroy(&attr);
    }
    return error == 0 ? 0 : err_set(err, "thread of the co-processes: %s", strerror(error));
}

static void clean_up(struct stdio_pool *pool)
{
    struct stdio_call *call = NULL;
    while ((call = TAILQ_FIRST(&pool->spare)) != NULL) {
        TAILQ_REMOVE(&pool->spare, call, link);
        (void)close(call->event_fd);
        free(call);
    }
    if (pool->base != NULL) {
        for (int i = 0; i < pool->options.processes; i++)
            coprocess_clean_up(&pool->processes[i]);
        loop_timer_clean_up(&pool->orphan_timer);
        event_free(pool->wake_event);
        event_base_free(pool->base);
    }
    if (pool->wake_fd >= 0)
        (void)close(pool->wake_fd);
    (void)pthread_mutex_destroy(&pool->lock);
    output_rate_clean_up(&pool->rate);
    child_groups_clean_up(&pool->groups);
    exec_env_clean_up(&pool->env);
    exec_env_base_clean_up(&pool->env_base);
    free(pool->processes);
    free(pool->program);
    free(pool);
}

struct stdio_pool *stdio_pool_new(const struct stdio_pool_options *options, struct err *err)
{
    const struct sluice_message nothing = {.size = sizeof nothing};
    char *program = child_find_program(options->argv[0], err);
    if (program == NULL)
        return NULL;
    struct stdio_pool *pool = xcalloc(1, sizeof *pool);
    pool->options = *options;
    pool->program = program;
    pool->wake_fd = -1;
    pool->random = random_seed();
    pool->processes = xcalloc((size_t)options->processes, sizeof *pool->processes);
    TAILQ_INIT(&pool->waiting);
    TAILQ_INIT(&pool->spare);
    (void)pthread_mutex_init(&pool->lock, NULL);
    child_groups_init(&pool->groups);
    output_rate_init(&pool->rate, OUTPUT_RATE_PER_S);
    exec_env_base_init(&pool->env_base, environ, options->queue_url);
    pool->file_limit = process_raise_file_limit();
    if (exec_env_build(&pool->env, &pool->env_base, &nothing, err) == 0 && start_thread(pool, err) == 0)
        return pool;
    clean_up(pool);
    return NULL;
}

void stdio_pool_abandon(struct stdio_pool *pool)
{
    child_groups_kill_all(&pool->groups);
}

void stdio_pool_destroy(struct stdio_pool *pool)
{
    if (pool == NULL)
        return;
    lock(pool);
    pool->stopping = true;
    stdio_pool_wake(pool);
    unlock(pool);
    (void)pthread_join(pool->thread, NULL);
    clean_up(pool);
}
