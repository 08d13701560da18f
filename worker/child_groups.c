/* Process groups of handler programs; see child_groups.h. */
#include "worker/child_groups.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/signal_name.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a start on another thread is waited for when all are killed; real time. */
static const int64_t START_LIMIT_NS = 2000000000;

/* All that are in use. Their own locks are taken under this one, never the other way round. */
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(child_groups_list, child_groups) g_all = LIST_HEAD_INITIALIZER(g_all);

bool child_groups_takes_orphans(void)
{
    int subreaper = 0;
    return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper != 0);
}

void child_groups_init(struct child_groups *groups)
{
    *groups = (struct child_groups){.takes_orphans = child_groups_takes_orphans()};
    (void)pthread_mutex_init(&groups->lock, NULL);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&groups->started, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_lock(&g_lock);
    LIST_INSERT_HEAD(&g_all, groups, link);
    (void)pthread_mutex_unlock(&g_lock);
}

void child_groups_clean_up(struct child_groups *groups)
{
    (void)pthread_mutex_lock(&g_lock);
    LIST_REMOVE(groups, link);
    (void)pthread_mutex_unlock(&g_lock);
    (void)pthread_cond_destroy(&groups->started);
    (void)pthread_mutex_destroy(&groups->lock);
    free(groups->pids);
    free(groups->dying);
    groups->pids = groups->dying = NULL;
}

static void append(pid_t **pids, size_t *count, size_t *room, pid_t pid)
{
    if (*count == *room) {
        *room = *room > 0 ? *room * 2 : 16;
        *pids = xrealloc(*pids, *room * sizeof **pids);
    }
    (*pids)[(*count)++] = pid;
}

/* A group's number is not given to a new process while a child of ours is in the group. */
static void reap_dying(struct child_groups *groups)
{
    for (size_t i = 0; i < groups->dying_count;) {
        pid_t got = 0;
        do {
            got = waitpid(-groups->dying[i], NULL, WNOHANG);
        } while (got > 0 || (got < 0 && errno == EINTR));
        if (got < 0)
            groups->dying[i] = groups->dying[--groups->dying_count];
        else
            i++;
    }
}

/* KILL also goes to the program itself, which may have moved to another group; any other signal it would then
 * get twice. */
static void send_signal(pid_t pid, int number)
{
    int rc = kill(-pid, number);
    if (rc != 0 || number == SIGKILL)
        (void)kill(pid, number);
}

/* The fork is made without the lock, so that threads can start programs side by side. */
int child_groups_spawn(struct child_groups *groups, const struct child_spec *spec, pid_t *ret_pid,
                       struct err *err)
{
    (void)pthread_mutex_lock(&groups->lock);
    bool leaving = groups->killing;
    groups->starting += !leaving;
    (void)pthread_mutex_unlock(&groups->lock);
    if (leaving) {
        (void)err_set(err, "start %s: the worker leaves", spec->program);
        return -ECANCELED;
    }
    int rc = child_spawn(spec, ret_pid, err);
    (void)pthread_mutex_lock(&groups->lock);
    if (rc == 0) {
        append(&groups->pids, &groups->count, &groups->room, *ret_pid);
        if (groups->killing)
            send_signal(*ret_pid, SIGKILL);
    }
    if (--groups->starting == 0)
        (void)pthread_cond_broadcast(&groups->started);
    (void)pthread_mutex_unlock(&groups->lock);
    return rc;
}

static void close_pair(const int pair[2])
{
    if (pair[0] >= 0)
        (void)close(pair[0]);
    if (pair[1] >= 0)
        (void)close(pair[1]);
}

int child_groups_spawn_piped(struct child_groups *groups, const struct child_spec *spec,
                             int ret_fds[static 3], pid_t *ret_pid, struct err *err)
{
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    int log[2] = {-1, -1};
    int rc = 0;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(log, O_CLOEXEC) != 0) {
        rc = -errno;
        (void)err_set(err, "start %s: pipe: %s", spec->program, strerror(errno));
        goto done;
    }
    struct child_spec piped = *spec;
    piped.stdin_fd = in[0];
    piped.stdout_fd = out[1];
    piped.stderr_fd = log[1];
    rc = child_groups_spawn(groups, &piped, ret_pid, err);
    if (rc != 0)
        goto done;
    ret_fds[0] = in[1];
    ret_fds[1] = out[0];
    ret_fds[2] = log[0];
    in[1] = out[0] = log[0] = -1;
done:
    close_pair(in);
    close_pair(out);
    close_pair(log);
    return rc;
}

void child_groups_signal(struct child_groups *groups, pid_t pid, int number)
{
    (void)pthread_mutex_lock(&groups->lock);
    send_signal(pid, number);
    if (number == SIGTERM)
        send_signal(pid, SIGCONT); /* a stopped one would never hear of it */
    (void)pthread_mutex_unlock(&groups->lock);
}

static void forget(struct child_groups *groups, pid_t pid)
{
    for (size_t i = 0; i < groups->count; i++) {
        if (groups->pids[i] != pid)
            continue;
        groups->pids[i] = groups->pids[--groups->count];
        return;
    }
}

/* Left as a zombie it keeps its number, so the group that is killed is still its own. */
static void reap(struct child_groups *groups, pid_t pid, int *ret_status)
{
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        continue;
    if (groups->takes_orphans)
        append(&groups->dying, &groups->dying_count, &groups->dying_room, pid);
    reap_dying(groups);
}

bool child_groups_reap(struct child_groups *groups, pid_t pid, int *ret_status)
{
    siginfo_t info = {.si_pid = 0};
    bool ended = false;
    (void)pthread_mutex_lock(&groups->lock);
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        ended = errno == ECHILD;
        *ret_status = SIGKILL; /* somebody else has reaped it: not known, but no success */
    } else if (info.si_pid == pid) {
        ended = true;
        reap(groups, pid, ret_status);
    }
    if (ended)
        forget(groups, pid);
    (void)pthread_mutex_unlock(&groups->lock);
    return ended;
}

static bool may_own(struct child_groups *groups, pid_t pid)
{
    (void)pthread_mutex_lock(&groups->lock);
    bool may = groups->starting > 0; /* it may be the one that is between its fork and its place in pids */
    for (size_t i = 0; i < groups->count && !may; i++)
        may = groups->pids[i] == pid;
    (void)pthread_mutex_unlock(&groups->lock);
    return may;
}

bool child_groups_may_own(pid_t pid)
{
    struct child_groups *groups = NULL;
    bool may = false;
    (void)pthread_mutex_lock(&g_lock);
    LIST_FOREACH(groups, &g_all, link)
    {
        may = may || may_own(groups, pid);
    }
    (void)pthread_mutex_unlock(&g_lock);
    return may;
}

void child_groups_kill_all(struct child_groups *groups)
{
    (void)pthread_mutex_lock(&groups->lock);
    groups->killing = true;
    int64_t until_ns = clock_mono_ns() + START_LIMIT_NS;
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    while (groups->starting > 0 && pthread_cond_timedwait(&groups->started, &groups->lock, &until) == 0)
        continue;
    for (size_t i = 0; i < groups->count; i++)
        send_signal(groups->pids[i], SIGKILL);
    (void)pthread_mutex_unlock(&groups->lock);
}

int child_groups_exit_fd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0U); /* close-on-exec by itself */
#else
    (void)pid;
    return -1;
#endif
}

void child_groups_describe(int status, struct strbuf *out)
{
    const char *name = WIFSIGNALED(status) ? signal_name(WTERMSIG(status)) : NULL;
    if (WIFEXITED(status))
        strbuf_appendf(out, "exit %d", WEXITSTATUS(status));
    else if (name != NULL)
        strbuf_appendf(out, "SIG%s", name);
    else
        strbuf_appendf(out, "signal %d", WTERMSIG(status));
}
