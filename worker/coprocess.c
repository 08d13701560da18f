/*
 * One co-process: start, pipes, end and restart. Runs on the pool's thread, but for coprocess_send() and
 * coprocess_condemn(). See stdio_internal.h.
 *
 * Its way: DOWN -> RUNNING -> (CONDEMNED | CLOSING) -> TERMINATED -> KILLED; from each of them it may be
 * found to have ended, which leads back to DOWN and, unless the pool stops, to a restart.
 */
#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "worker/stdio_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    READ_BYTES = 65536,
    LAST_READS_MAX = 64, /* after the end: what the pipe holds, and no more from who may have it open still */
    EOF_GRACE_MS = 200,  /* real: from the end of its output to TERM; it is most likely ending by itself */
    CLOSE_GRACE_MS = 1000,     /* product: from the end of its input to TERM when the pool stops */
    STOP_KILL_AFTER_MS = 2000, /* product: from TERM to KILL at most then */
    KILLED_LOOK_MS = 1000,     /* real: how often one that does not go is looked at */
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 30000,
    SHOWN_BYTES = 100, /* of an answer that is garbage */
};

static void on_timer(void *arg);

static void lock(struct coprocess *process)
{
    (void)pthread_mutex_lock(&process->pool->lock);
}

static void unlock(struct coprocess *process)
{
    (void)pthread_mutex_unlock(&process->pool->lock);
}

int64_t coprocess_backoff_ms(int failures, uint64_t random)
{
    int64_t delay_ms = BACKOFF_MAX_MS;
    if (failures < 10 && (int64_t)BACKOFF_FIRST_MS << (failures - 1) < BACKOFF_MAX_MS)
        delay_ms = (int64_t)BACKOFF_FIRST_MS << (failures - 1);
    return delay_ms * (800 + (int64_t)(random % 401)) / 1000;
}

/* ---- any thread, the lock is held ---- */

static bool has_unwritten(const struct coprocess *process)
{
    return process->written_at < process->outgoing.len;
}

/* Writes what the pipe takes now; returns how much. */
static size_t write_some(struct coprocess *process, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && !process->broken) {
        ssize_t n = write(process->in_fd, bytes + at, len - at);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            break;
        else if (n == 0 || errno != EINTR)
            process->broken = true;
    }
    process->written_bytes += at;
    return at;
}

void coprocess_send(struct coprocess *process, const struct strbuf *line)
{
    size_t at = 0;
    process->queued_bytes += line->len;
    if (!has_unwritten(process))
        at = write_some(process, line->data, line->len);
    if (at == line->len)
        return;
    strbuf_append(&process->outgoing, line->data + at, line->len - at);
    stdio_pool_wake(process->pool);
}

struct stdio_call *coprocess_find_call(const struct coprocess *process, const char *id)
{
    struct stdio_call *call = NULL;
    TAILQ_FOREACH(call, &process->calls, link)
    if (strcmp(call->id, id) == 0)
        return call;
    return NULL;
}

void coprocess_condemn(struct coprocess *process, const char *problem)
{
    if (process->stage != COPROCESS_RUNNING)
        return; /* it is being ended already, and why is known */
    process->stage = COPROCESS_CONDEMNED;
    (void)snprintf(process->problem, sizeof process->problem, "%s", problem);
    stdio_pool_wake(process->pool);
}

/* ---- stages; pool thread, the lock is held ---- */

static void arm_kill(struct coprocess *process)
{
    int64_t kill_after_ms = process->pool->options.kill_after_ms;
    process->hurried = process->pool->stopping;
    if (process->hurried && kill_after_ms > STOP_KILL_AFTER_MS)
        kill_after_ms = STOP_KILL_AFTER_MS;
    loop_timer_arm_product_ms(&process->timer, kill_after_ms);
}

static void terminate(struct coprocess *process)
{
    process->stage = COPROCESS_TERMINATED;
    child_groups_signal(&process->pool->groups, process->pid, SIGTERM);
    arm_kill(process);
}

static void close_input(struct coprocess *process)
{
    (void)event_del(process->in_event);
    if (process->in_fd >= 0)
        (void)close(process->in_fd);
    process->in_fd = -1;
    process->broken = true;
}

void coprocess_look(struct coprocess *process)
{
    lock(process);
    if (process->stage == COPROCESS_RUNNING && process->pool->stopping) {
        close_input(process);
        process->stage = COPROCESS_CLOSING;
        loop_timer_arm_product_floor_ms(&process->timer, CLOSE_GRACE_MS, EOF_GRACE_MS);
    } else if (process->stage == COPROCESS_RUNNING && has_unwritten(process) && !process->broken) {
        (void)event_add(process->in_event, NULL);
    } else if (process->stage == COPROCESS_CONDEMNED) {
        terminate(process);
    } else if (process->stage == COPROCESS_TERMINATED && process->pool->stopping && !process->hurried) {
        arm_kill(process);
    } else if (process->stage == COPROCESS_DOWN && process->pool->stopping) {
        loop_timer_cancel(&process->timer);
    }
    unlock(process);
}

/* ---- answers; pool thread ---- */

static void refuse_answer(struct coprocess *process, const char *what, const char *shown)
{
    char problem[256];
    struct strbuf safe = STRBUF_INIT;
    output_append_safe(&safe, shown, strlen(shown));
    (void)snprintf(problem, sizeof problem, "%s: %s", what, strbuf_str(&safe));
    strbuf_clean_up(&safe);
    process->deaf = true;
    coprocess_condemn(process, problem);
}

static void take_answer(struct coprocess *process, char *line, size_t len)
{
    struct stdio_result result;
    struct err err;
    char shown[SHOWN_BYTES + 1] = "";
    memcpy(shown, line, len < SHOWN_BYTES ? len : SHOWN_BYTES);
    if (len > STDIO_LINE_MAX) {
        refuse_answer(process, "a line of more than 1 MiB", shown);
        return;
    }
    if (stdio_line_parse(line, len, &result, &err) != 0) {
        (void)err_prefix(&err, "no result line");
        refuse_answer(process, err.text, shown);
        return;
    }
    struct stdio_call *call = coprocess_find_call(process, result.id);
    if (call == NULL) {
        refuse_answer(process, "a result for a message that it does not have", shown);
        return;
    }
    process->failures = 0;
    TAILQ_REMOVE(&process->calls, call, link);
    process->call_count--;
    call->delay_s = result.delay_s;
    call->status = result.status;
    stdio_pool_finish(process->pool, call, result.verdict, result.reason);
}

static void take_answers(struct coprocess *process)
{
    struct strbuf *answer = &process->answer;
    size_t start = 0;
    char *newline = NULL;
    while (!process->deaf && start < answer->len &&
           (newline = memchr(answer->data + start, '\n', answer->len - start)) != NULL) {
        size_t len = (size_t)(newline - answer->data) - start;
        take_answer(process, answer->data + start, len);
        start += len + 1;
    }
    if (process->deaf)
        strbuf_clear(answer);
    else if (start > 0)
        strbuf_consume(answer, start);
    if (answer->len > STDIO_LINE_MAX)
        refuse_answer(process, "a line of more than 1 MiB", "");
}

/* One read. Returns whether there may be more. */
static bool read_answers(struct coprocess *process, bool *ret_eof)
{
    char *room = strbuf_reserve(&process->answer, READ_BYTES);
    ssize_t n = read(process->out_fd, room, READ_BYTES);
    *ret_eof = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    if (n <= 0)
        return false;
    process->answer.len += (size_t)n;
    process->answer.data[process->answer.len] = '\0';
    lock(process);
    take_answers(process);
    stdio_pool_pump(process->pool);
    unlock(process);
    return true;
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
    struct coprocess *process = arg;
    bool eof = false;
    (void)fd;
    (void)what;
    (void)read_answers(process, &eof);
    if (!eof)
        return;
    (void)event_del(process->out_event);
    lock(process);
    if (process->stage == COPROCESS_RUNNING) {
        process->stage = COPROCESS_CLOSING;
        loop_timer_arm_real_ms(&process->timer, EOF_GRACE_MS);
    }
    unlock(process);
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
    struct coprocess *process = arg;
    (void)fd;
    (void)what;
    lock(process);
    process->written_at += write_some(process, process->outgoing.data + process->written_at,
                                      process->outgoing.len - process->written_at);
    if (!has_unwritten(process)) {
        strbuf_clear(&process->outgoing);
        process->written_at = 0;
    } else if (!process->broken) {
        (void)event_add(process->in_event, NULL);
    }
    unlock(process);
}

static bool read_log(struct coprocess *process)
{
    char chunk[4096];
    ssize_t n = read(process->err_fd, chunk, sizeof chunk);
    if (n > 0)
        output_stream_add(&process->log, chunk, (size_t)n, clock_mono_ms());
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        (void)event_del(process->err_event);
    return n > 0;
}

static void on_log(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)read_log(arg);
}

static void emit_log(void *arg, const char *line)
{
    const struct coprocess *process = arg;
    LOG(LOG_INFO, line, LOG_INT("coprocess", process->pid));
}

/* ---- the end of a process; pool thread ---- */

static void free_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void close_all(struct coprocess *process)
{
    free_event(&process->in_event);
    free_event(&process->out_event);
    free_event(&process->err_event);
    free_event(&process->exit_event);
    close_fd(&process->in_fd);
    close_fd(&process->out_fd);
    close_fd(&process->err_fd);
    close_fd(&process->exit_fd);
    strbuf_clean_up(&process->outgoing);
    strbuf_clean_up(&process->answer);
    output_stream_clean_up(&process->log);
}

/* What it took out of its input, of all that was queued for it. It has ended. */
static uint64_t bytes_read_by(const struct coprocess *process)
{
    int unread = 0;
    if (process->in_fd < 0 || ioctl(process->in_fd, FIONREAD, &unread) != 0 || unread < 0)
        return process->written_bytes;
    return process->written_bytes - (uint64_t)unread;
}

/* What it had not begun to read waits for another process, if the lease is ours; the rest has failed. The
 * lock is held. */
static void settle_calls(struct coprocess *process, const char *reason)
{
    struct stdio_pool *pool = process->pool;
    struct stdio_call *call = NULL;
    uint64_t read_bytes = bytes_read_by(process);
    while ((call = TAILQ_LAST(&process->calls, stdio_calls)) != NULL) {
        TAILQ_REMOVE(&process->calls, call, link);
        if (call->start_byte < read_bytes || call->orphan || call->given_up) {
            stdio_pool_finish(pool, call, SLUICE_FAILED, reason);
            continue;
        }
        call->stage = CALL_WAITING;
        call->process = NULL;
        call->due_ms = call->wait_until_ms;
        TAILQ_INSERT_HEAD(&pool->waiting, call, link);
    }
    process->call_count = 0;
}

static void describe_end(const struct coprocess *process, int status, struct strbuf *out)
{
    if (process->problem[0] != '\0')
        strbuf_appendf(out, "co-process restarted, %s", process->problem);
    else
        strbuf_append_str(out, "co-process ended");
    strbuf_append_str(out, ": ");
    child_groups_describe(status, out);
    if (process->log.last.len > 0)
        strbuf_appendf(out, ": %s", strbuf_str(&process->log.last));
}

static void arm_restart(struct coprocess *process, const char *what)
{
    int64_t delay_ms = 0;
    if (!process->blameless)
        delay_ms = coprocess_backoff_ms(++process->failures, random_next(&process->pool->random));
    LOG(process->blameless ? LOG_INFO : LOG_WARNING, what, LOG_INT("coprocess", process->pid),
        LOG_INT("in_a_row", process->failures), LOG_INT("again_in_ms", delay_ms));
    loop_timer_arm_product_ms(&process->timer, delay_ms);
}

/* Returns whether the process had ended, which is then settled. */
static bool check_end(struct coprocess *process)
{
    int status = 0;
    bool eof = false;
    struct strbuf reason = STRBUF_INIT;
    if (!child_groups_reap(&process->pool->groups, process->pid, &status))
        return false;
    for (int i = 0; i < LAST_READS_MAX && read_answers(process, &eof); i++)
        continue;
    for (int i = 0; i < LAST_READS_MAX && read_log(process); i++)
        continue;
    output_stream_end(&process->log, clock_mono_ms());
    output_tell_hidden(&process->log);
    lock(process);
    describe_end(process, status, &reason);
    process->stage = COPROCESS_DOWN;
    settle_calls(process, strbuf_str(&reason));
    close_all(process);
    if (!process->pool->stopping)
        arm_restart(process, strbuf_str(&reason));
    stdio_pool_pump(process->pool);
    stdio_pool_wake(process->pool);
    unlock(process);
    strbuf_clean_up(&reason);
    return true;
}

static void on_exit_fd(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)check_end(arg);
}

static void on_timer(void *arg)
{
    struct coprocess *process = arg;
    lock(process);
    enum coprocess_stage stage = process->stage;
    bool stopping = process->pool->stopping;
    unlock(process);
    if (stage == COPROCESS_DOWN) {
        if (!stopping)
            coprocess_start(process);
        return;
    }
    if (check_end(process))
        return;
    lock(process);
    if (process->stage == COPROCESS_CLOSING) {
        if (!stopping)
            (void)snprintf(process->problem, sizeof process->problem, "it closed its standard output");
        terminate(process);
    } else if (process->stage == COPROCESS_TERMINATED || process->stage == COPROCESS_KILLED) {
        process->stage = COPROCESS_KILLED;
        child_groups_signal(&process->pool->groups, process->pid, SIGKILL);
        loop_timer_arm_real_ms(&process->timer, KILLED_LOOK_MS);
    }
    unlock(process);
}

/* ---- start; pool thread ---- */

static struct event *watch(struct coprocess *process, int fd, short what, event_callback_fn fn)
{
    struct event *event = event_new(process->pool->base, fd, what, fn, process);
    if (event == NULL)
        abort();
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return event;
}

/* Returns 0 or -1 with err. On success the process has our ends of the pipes. */
static int spawn(struct coprocess *process, struct err *err)
{
    int fds[3];
    struct child_spec child = {.argv = process->pool->options.argv,
                               .program = process->pool->program,
                               .envp = process->pool->env.envp,
                               .pass_fd = -1,
                               .own_group = true,
                               .file_limit = process->pool->file_limit,
                               .death_signal = SIGKILL};
    if (child_groups_spawn_piped(&process->pool->groups, &child, fds, &process->pid, err) != 0)
        return -1;
    process->in_fd = fds[0];
    process->out_fd = fds[1];
    process->err_fd = fds[2];
    return 0;
}

void coprocess_start(struct coprocess *process)
{
    struct err err;
    process->blameless = false;
    if (spawn(process, &err) != 0) {
        process->pid = 0;
        arm_restart(process, err.text);
        return;
    }
    process->exit_fd = child_groups_exit_fd(process->pid);
    process->in_event = watch(process, process->in_fd, EV_WRITE, on_input);
    process->out_event = watch(process, process->out_fd, EV_READ | EV_PERSIST, on_output);
    process->err_event = watch(process, process->err_fd, EV_READ | EV_PERSIST, on_log);
    (void)event_add(process->out_event, NULL);
    (void)event_add(process->err_event, NULL);
    if (process->exit_fd >= 0) {
        process->exit_event = watch(process, process->exit_fd, EV_READ | EV_PERSIST, on_exit_fd);
        (void)event_add(process->exit_event, NULL);
    }
    process->log_budget = (struct output_budget){
        .lines_left = INT64_MAX, .bytes_left = INT64_MAX, .rate = &process->pool->rate};
    process->log = (struct output_stream){
        .label = "stderr", .budget = &process->log_budget, .emit = emit_log, .arg = process};
    process->deaf = false;
    lock(process);
    process->problem[0] = '\0';
    process->broken = false;
    process->written_at = 0;
    process->queued_bytes = process->written_bytes = 0;
    process->stage = COPROCESS_RUNNING;
    stdio_pool_pump(process->pool);
    unlock(process);
}

void coprocess_init(struct coprocess *process, struct stdio_pool *pool)
{
    *process = (struct coprocess){.pool = pool, .in_fd = -1, .out_fd = -1, .err_fd = -1, .exit_fd = -1};
    TAILQ_INIT(&process->calls);
    loop_timer_init(&process->timer, pool->base, on_timer, process);
}

void coprocess_clean_up(struct coprocess *process)
{
    loop_timer_clean_up(&process->timer);
}
