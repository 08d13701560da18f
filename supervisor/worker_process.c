/* A worker process and its pipes; see worker_process.h. */
#include "supervisor/worker_process.h"

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/log_capture.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_CHUNK = 16 * 1024,
    READ_CHUNKS_A_TURN = 4, /* so that one worker's flood does not keep the loop from the others */
    PIPE_BOUND_REAL_MS = 2000,
    GROUP_LOOK_REAL_MS = 100,
    /* Files left to the supervisor itself: with none, it could neither poll nor answer. */
    FDS_KEPT_FREE = 32,
};

enum stream { STREAM_TELEMETRY, STREAM_STDOUT, STREAM_STDERR, STREAM_MAX };
static const char *const STREAM_NAMES[STREAM_MAX] = {"telemetry", "stdout", "stderr"};

/* Our end of a pipe or of the channel. */
struct worker_stream {
    struct worker_process *process;
    enum stream kind;
    int fd; /* -1: none, or at its end */
    struct event *event;
    struct log_capture capture; /* of stdout and stderr */
};

struct worker_process {
    struct reaper *reaper;
    struct reaper_child child;
    const char *name;
    bool reaped;
    bool lingers; /* reaped, and others of its group still drain */
    int status;   /* once reaped */

    struct worker_stream streams[STREAM_MAX];
    struct telemetry_reader reader;
    uint64_t telemetry_bytes;
    struct log_budget log_budget;
    struct loop_timer finish_timer; /* once reaped: the bound, or the next turn */

    void (*on_line)(void *arg, const struct telemetry_line *line);
    void (*on_finished)(void *arg, int status);
    void *arg;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void close_stream(struct worker_stream *stream)
{
    if (stream->event != NULL)
        event_free(stream->event);
    stream->event = NULL;
    if (stream->fd >= 0 && stream->kind != STREAM_TELEMETRY)
        log_capture_finish(&stream->capture, clock_mono_ms());
    close_fd(&stream->fd);
}

static void finish_when_done(struct worker_process *process)
{
    if (!process->reaped)
        return;
    for (int i = 0; i < STREAM_MAX; i++)
        if (process->streams[i].fd >= 0)
            return;
    loop_timer_arm_real_ms(&process->finish_timer, 0);
}

static void consume(struct worker_stream *stream, const char *bytes, size_t len)
{
    struct worker_process *process = stream->process;
    if (stream->kind == STREAM_TELEMETRY) {
        process->telemetry_bytes += len;
        telemetry_reader_feed(&process->reader, bytes, len, process->on_line, process->arg);
    } else {
        log_capture_feed(&stream->capture, bytes, len, clock_mono_ms());
    }
}

/* Reads at most a few chunks; closes the stream at its end. */
static void read_stream(struct worker_stream *stream)
{
    char chunk[READ_CHUNK];
    for (int i = 0; i < READ_CHUNKS_A_TURN && stream->fd >= 0; i++) {
        ssize_t got = read(stream->fd, chunk, sizeof chunk);
        if (got > 0) {
            consume(stream, chunk, (size_t)got);
        } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        } else {
            /* End of file; or, of a socketpair whose peer died with unread data, a reset. */
            close_stream(stream);
            finish_when_done(stream->process);
        }
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    read_stream(arg);
}

/* The group's number stays taken while somebody is in it, so it cannot have become another group's. */
static bool group_is_empty(const struct worker_process *process)
{
    return kill(-process->child.pid, 0) != 0 && errno == ESRCH;
}

static void end_lingering(struct worker_process *process)
{
    process->lingers = false;
    loop_timer_arm_real_ms(&process->finish_timer, PIPE_BOUND_REAL_MS);
    finish_when_done(process);
}

static void on_finish_timer(void *arg)
{
    struct worker_process *process = arg;
    if (process->lingers) {
        if (group_is_empty(process))
            end_lingering(process);
        else
            loop_timer_arm_real_ms(&process->finish_timer, GROUP_LOOK_REAL_MS);
        return;
    }
    for (int i = 0; i < STREAM_MAX; i++) {
        struct worker_stream *stream = &process->streams[i];
        read_stream(stream);
        if (stream->fd >= 0)
            LOG(LOG_WARNING, "somebody still holds a pipe of a worker that has ended",
                LOG_STR("worker", process->name), LOG_STR("pipe", STREAM_NAMES[i]));
        close_stream(stream);
    }
    loop_timer_cancel(&process->finish_timer);
    process->on_finished(process->arg, process->status);
}

static void on_reaped(void *arg, int status)
{
    struct worker_process *process = arg;
    process->reaped = true;
    process->status = status;
    process->lingers = process->child.spares_group && !group_is_empty(process);
    if (process->lingers)
        loop_timer_arm_real_ms(&process->finish_timer, GROUP_LOOK_REAL_MS);
    else
        end_lingering(process);
}

/* Watches our end of a stream. */
static void open_stream(struct worker_process *process, enum stream kind, struct event_base *base, int fd)
{
    struct worker_stream *stream = &process->streams[kind];
    if (fd < 0)
        return;
    stream->fd = fd;
    stream->event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, stream);
    if (stream->event == NULL || event_add(stream->event, NULL) != 0)
        abort();
}

/* The two ends of every stream; -1 where there is none. */
struct stream_ends {
    int ours[STREAM_MAX];
    int theirs[STREAM_MAX];
};

static int make_pipe(struct stream_ends *ends, enum stream kind)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    ends->ours[kind] = fds[0];
    ends->theirs[kind] = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

/* The kernel gives the lowest free number, so a high one tells how many are in use. */
static bool fds_run_short(const struct stream_ends *ends)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    for (int i = 0; i < STREAM_MAX; i++)
        if (ends->ours[i] >= 0 && (rlim_t)ends->ours[i] + FDS_KEPT_FREE >= limit.rlim_cur)
            return true;
    return false;
}

static int make_ends(const struct worker_process_spec *spec, struct stream_ends *ends)
{
    int rc = 0;
    if (spec->telemetry == TELEMETRY_LINES) {
        int fds[2];
        /* Both ends non-blocking: the worker writes from its event loop, and so would we. */
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
            return -errno;
        ends->ours[STREAM_TELEMETRY] = fds[0];
        ends->theirs[STREAM_TELEMETRY] = fds[1];
    }
    if (spec->log == WORKER_LOG_CAPTURE) {
        rc = make_pipe(ends, STREAM_STDOUT);
        if (rc == 0)
            rc = make_pipe(ends, STREAM_STDERR);
    } else if (spec->log == WORKER_LOG_DISCARD) {
        ends->theirs[STREAM_STDOUT] = open("/dev/null", O_WRONLY | O_CLOEXEC);
        ends->theirs[STREAM_STDERR] = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (ends->theirs[STREAM_STDOUT] < 0 || ends->theirs[STREAM_STDERR] < 0)
            rc = -errno;
    }
    return rc;
}

static struct worker_process *process_new(const struct worker_process_spec *spec, pid_t pid)
{
    struct worker_process *process = xcalloc(1, sizeof *process);
    process->reaper = spec->reaper;
    process->child = (struct reaper_child){.pid = pid, .fn = on_reaped, .arg = process};
    process->name = spec->name;
    process->log_budget.lines_per_s = spec->log_lines_per_s;
    process->on_line = spec->on_line;
    process->on_finished = spec->on_finished;
    process->arg = spec->arg;
    for (int i = 0; i < STREAM_MAX; i++) {
        struct worker_stream *stream = &process->streams[i];
        stream->process = process;
        stream->kind = (enum stream)i;
        stream->fd = -1;
        log_capture_init(&stream->capture, spec->name, STREAM_NAMES[i], &process->log_budget);
    }
    loop_timer_init(&process->finish_timer, spec->base, on_finish_timer, process);
    return process;
}

int worker_process_start(const struct worker_process_spec *spec, struct worker_process **ret_process,
                         struct err *err)
{
    struct stream_ends ends = {.ours = {-1, -1, -1}, .theirs = {-1, -1, -1}};
    pid_t pid = 0;
    int rc = make_ends(spec, &ends);
    if (rc == 0 && fds_run_short(&ends))
        rc = -EMFILE;
    if (rc != 0) {
        (void)err_set(err, "pipes of worker %s: %s", spec->name, strerror(-rc));
        goto done;
    }
    struct child_spec child = CHILD_SPEC_INIT;
    child.argv = spec->argv;
    child.envp = spec->envp;
    child.stdout_fd = ends.theirs[STREAM_STDOUT];
    child.stderr_fd = ends.theirs[STREAM_STDERR];
    child.pass_fd = ends.theirs[STREAM_TELEMETRY];
    child.own_group = true;
    child.death_signal = SIGTERM;
    rc = child_spawn(&child, &pid, err);
    if (rc != 0)
        goto done;
    struct worker_process *process = process_new(spec, pid);
    reaper_watch(spec->reaper, &process->child);
    for (int i = 0; i < STREAM_MAX; i++) {
        open_stream(process, (enum stream)i, spec->base, ends.ours[i]);
        ends.ours[i] = -1;
    }
    *ret_process = process;
done:
    for (int i = 0; i < STREAM_MAX; i++) {
        close_fd(&ends.ours[i]);
        close_fd(&ends.theirs[i]);
    }
    return rc;
}

void worker_process_destroy(struct worker_process *process)
{
    if (process == NULL)
        return;
    if (!process->reaped)
        reaper_forget(process->reaper, &process->child);
    for (int i = 0; i < STREAM_MAX; i++) {
        close_stream(&process->streams[i]);
        log_capture_clean_up(&process->streams[i].capture);
    }
    telemetry_reader_clean_up(&process->reader);
    loop_timer_clean_up(&process->finish_timer);
    free(process);
}

pid_t worker_process_pid(const struct worker_process *process)
{
    return process->reaped ? 0 : process->child.pid;
}

void worker_process_stop(struct worker_process *process)
{
    if (process->reaped)
        return;
    process->child.spares_group = true;
    (void)kill(-process->child.pid, SIGTERM);
    (void)kill(-process->child.pid, SIGCONT);
}

void worker_process_kill(struct worker_process *process)
{
    process->child.spares_group = false;
    if (process->reaped && !process->lingers)
        return;
    (void)kill(-process->child.pid, SIGKILL);
    if (process->lingers)
        end_lingering(process);
}

void worker_process_read_telemetry(struct worker_process *process)
{
    read_stream(&process->streams[STREAM_TELEMETRY]);
}

uint64_t worker_process_telemetry_bytes(const struct worker_process *process)
{
    return process->telemetry_bytes;
}

struct worker_process_counts worker_process_counts(const struct worker_process *process)
{
    struct worker_process_counts counts = {.bad_lines = process->reader.bad_lines,
                                           .dropped_log_lines = process->log_budget.dropped};
    for (int i = 0; i < STREAM_MAX; i++)
        counts.cut_log_lines += process->streams[i].capture.splitter.cut_lines;
    return counts;
}
