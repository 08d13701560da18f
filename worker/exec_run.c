/* One run of a handler program; see exec_run.h. */
#include "worker/exec_run.h"

#include "base/child.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The first three are those of child_groups_spawn_piped(). */
enum { FD_INPUT, FD_OUT, FD_ERR, FD_EXIT, FD_CANCEL, FD_COUNT };
enum stage { STAGE_RUNNING, STAGE_TERMINATED, STAGE_KILLED, STAGE_ENDED };
enum { CHUNK_BYTES = 8192, LOOK_WITHOUT_FD_MS = 10 };

struct run {
    const struct exec_run_spec *spec;
    struct pollfd fds[FD_COUNT]; /* a negative fd: not, or no longer, of interest */
    pid_t pid;
    size_t written;
    enum stage stage;
    int64_t due_ms;          /* product time of the next stage, INT64_MAX: none */
    int64_t linger_until_ms; /* monotonic, once it ended */
    bool has_exit_fd;
    struct exec_run_result result;
};

static void close_fd(struct pollfd *fd)
{
    if (fd->fd >= 0)
        (void)close(fd->fd);
    fd->fd = -1;
}

static void set_nonblocking(int fd)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* ---- start ---- */

static int start(struct run *run, struct err *err)
{
    int fds[3];
    struct child_spec child = {.argv = run->spec->argv,
                               .program = run->spec->program,
                               .envp = run->spec->envp,
                               .pass_fd = -1,
                               .own_group = true,
                               .file_limit = run->spec->file_limit,
                               .death_signal = SIGKILL};
    int rc = child_groups_spawn_piped(run->spec->groups, &child, fds, &run->pid, err);
    if (rc != 0)
        return rc;
    for (int i = FD_INPUT; i <= FD_ERR; i++) {
        run->fds[i] = (struct pollfd){.fd = fds[i], .events = i == FD_INPUT ? POLLOUT : POLLIN};
        set_nonblocking(fds[i]);
    }
    return 0;
}

/* ---- input and output ---- */

static void feed(struct run *run)
{
    struct pollfd *fd = &run->fds[FD_INPUT];
    while (fd->fd >= 0) {
        size_t left = run->spec->input_len - run->written;
        ssize_t n = left > 0 ? write(fd->fd, run->spec->input + run->written, left) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        /* EPIPE: the program has read what it wants. */
        if (n <= 0 || (size_t)n == left)
            close_fd(fd);
        else
            run->written += (size_t)n;
    }
}

/* One chunk, so that a flood on one stream holds up neither the other nor the time limit. Returns whether
 * there may be more. */
static bool take_output(struct pollfd *fd, struct output_stream *stream)
{
    char chunk[CHUNK_BYTES];
    if (fd->fd < 0)
        return false;
    ssize_t n = read(fd->fd, chunk, sizeof chunk);
    if (n > 0)
        output_stream_add(stream, chunk, (size_t)n, clock_mono_ms());
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_fd(fd);
    return n > 0;
}

/* ---- stages ---- */

static void terminate(struct run *run, enum exec_run_end why, int64_t now_ms)
{
    run->result.end = why;
    run->stage = STAGE_TERMINATED;
    run->due_ms = now_ms + run->spec->kill_after_ms;
    child_groups_signal(run->spec->groups, run->pid, SIGTERM);
}

static void step(struct run *run)
{
    int64_t now_ms = clock_product_ms();
    if (run->stage == STAGE_ENDED)
        return;
    if (child_groups_reap(run->spec->groups, run->pid, &run->result.status)) {
        run->stage = STAGE_ENDED;
        run->linger_until_ms = clock_mono_ms() + EXEC_RUN_LINGER_MS;
        close_fd(&run->fds[FD_INPUT]);
        close_fd(&run->fds[FD_EXIT]);
        return;
    }
    if (run->stage == STAGE_RUNNING && run->spec->context->lease_lost(run->spec->context))
        terminate(run, EXEC_RUN_CANCELED, now_ms);
    else if (run->stage == STAGE_RUNNING && now_ms >= run->due_ms)
        terminate(run, EXEC_RUN_TIMEOUT, now_ms);
    if (run->stage == STAGE_TERMINATED && now_ms >= run->due_ms) {
        run->stage = STAGE_KILLED;
        run->due_ms = INT64_MAX;
        child_groups_signal(run->spec->groups, run->pid, SIGKILL);
    }
}

static int wait_ms(const struct run *run)
{
    int64_t most = run->has_exit_fd || run->stage == STAGE_ENDED ? EXEC_RUN_LOOK_MS : LOOK_WITHOUT_FD_MS;
    int64_t left = most;
    if (run->stage == STAGE_ENDED)
        left = run->linger_until_ms - clock_mono_ms();
    else if (run->due_ms != INT64_MAX)
        left = (clock_real_us_of_product_ms(run->due_ms - clock_product_ms()) + 999) / 1000;
    return left < 0 ? 0 : left > most ? (int)most : (int)left;
}

static bool is_over(const struct run *run)
{
    if (run->stage != STAGE_ENDED)
        return false;
    bool silent = run->fds[FD_OUT].fd < 0 && run->fds[FD_ERR].fd < 0;
    return silent || clock_mono_ms() >= run->linger_until_ms;
}

static void one_turn(struct run *run)
{
    (void)poll(run->fds, FD_COUNT, wait_ms(run));
    if (run->fds[FD_INPUT].revents != 0)
        feed(run);
    if (run->fds[FD_OUT].revents != 0)
        (void)take_output(&run->fds[FD_OUT], run->spec->out);
    if (run->fds[FD_ERR].revents != 0)
        (void)take_output(&run->fds[FD_ERR], run->spec->err);
    /* It may be a false alarm and stays readable: the look at the lease every EXEC_RUN_LOOK_MS does then. */
    if (run->fds[FD_CANCEL].revents != 0)
        run->fds[FD_CANCEL].fd = -1;
    step(run);
}

struct exec_run_result exec_run(const struct exec_run_spec *spec, struct err *err)
{
    struct run run = {
        .spec = spec, .result.end = EXEC_RUN_EXITED, .stage = STAGE_RUNNING, .due_ms = INT64_MAX};
    for (int i = 0; i < FD_COUNT; i++)
        run.fds[i].fd = -1;
    int64_t start_ms = clock_product_ms();
    int rc = start(&run, err);
    if (rc != 0)
        return (struct exec_run_result){.end = EXEC_RUN_FAILED, .error = -rc};
    if (spec->timeout_ms > 0)
        run.due_ms = start_ms + spec->timeout_ms;
    run.fds[FD_EXIT] = (struct pollfd){.fd = child_groups_exit_fd(run.pid), .events = POLLIN};
    run.has_exit_fd = run.fds[FD_EXIT].fd >= 0;
    run.fds[FD_CANCEL] = (struct pollfd){.fd = spec->context->cancel_fd(spec->context), .events = POLLIN};
    feed(&run);
    while (!is_over(&run))
        one_turn(&run);
    close_fd(&run.fds[FD_OUT]);
    close_fd(&run.fds[FD_ERR]);
    output_stream_end(spec->out, clock_mono_ms());
    output_stream_end(spec->err, clock_mono_ms());
    return run.result;
}
