/* Process groups of handler programs; see child_groups.h. */
#include "worker/child_groups.h"

#include "base/alloc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void child_groups_init(struct child_groups *groups)
{
    *groups = (struct child_groups){.pids = NULL};
    (void)pthread_mutex_init(&groups->lock, NULL);
}

void child_groups_clean_up(struct child_groups *groups)
{
    (void)pthread_mutex_destroy(&groups->lock);
    free(groups->pids);
    groups->pids = NULL;
}

/* KILL also goes to the program itself, which may have moved to another group; any other signal it would then
 * get twice. */
static void send_signal(pid_t pid, int number)
{
    int rc = kill(-pid, number);
    if (rc != 0 || number == SIGKILL)
        (void)kill(pid, number);
}

void child_groups_add(struct child_groups *groups, pid_t pid)
{
    (void)pthread_mutex_lock(&groups->lock);
    if (groups->count == groups->room) {
        groups->room = groups->room > 0 ? groups->room * 2 : 16;
        groups->pids = xrealloc(groups->pids, groups->room * sizeof *groups->pids);
    }
    groups->pids[groups->count++] = pid;
    if (groups->killing)
        send_signal(pid, SIGKILL);
    (void)pthread_mutex_unlock(&groups->lock);
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

bool child_groups_reap(struct child_groups *groups, pid_t pid, int *ret_status)
{
    siginfo_t info = {.si_pid = 0};
    bool ended = false;
    (void)pthread_mutex_lock(&groups->lock);
    /* Left as a zombie it keeps its number, so the group that is killed is still its own. */
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid) {
        ended = true;
        (void)kill(-pid, SIGKILL);
        while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
            continue;
        forget(groups, pid);
    }
    (void)pthread_mutex_unlock(&groups->lock);
    return ended;
}

void child_groups_kill_all(struct child_groups *groups)
{
    (void)pthread_mutex_lock(&groups->lock);
    groups->killing = true;
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
    const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;
    if (WIFEXITED(status))
        strbuf_appendf(out, "exit %d", WEXITSTATUS(status));
    else if (name != NULL)
        strbuf_appendf(out, "SIG%s", name);
    else
        strbuf_appendf(out, "signal %d", WTERMSIG(status));
}
