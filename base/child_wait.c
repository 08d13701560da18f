/* Wait statuses of children that a program's reaper may take first; see child_wait.h. */
#include "base/child_wait.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(child_wait_list, child_wait) g_waits = LIST_HEAD_INITIALIZER(g_waits);

void child_wait_start(struct child_wait *wait, pid_t pid)
{
    *wait = (struct child_wait){.pid = pid};
    (void)pthread_mutex_lock(&g_lock);
    LIST_INSERT_HEAD(&g_waits, wait, link);
    (void)pthread_mutex_unlock(&g_lock);
}

/* With the lock held. */
static void look(struct child_wait *wait, int flags)
{
    int status = 0;
    pid_t got = 0;
    if (wait->ended)
        return;
    do {
        got = waitpid(wait->pid, &status, flags);
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return;
    wait->ended = true;
    wait->status = got == wait->pid ? status : CHILD_STATUS_LOST;
}

bool child_wait_poll(struct child_wait *wait)
{
    (void)pthread_mutex_lock(&g_lock);
    look(wait, WNOHANG);
    bool ended = wait->ended;
    (void)pthread_mutex_unlock(&g_lock);
    return ended;
}

void child_wait_kill_group(struct child_wait *wait, int number)
{
    (void)pthread_mutex_lock(&g_lock);
    if (!wait->ended)
        (void)kill(-wait->pid, number); /* not reaped: the number is still its own */
    (void)pthread_mutex_unlock(&g_lock);
}

void child_wait_end(struct child_wait *wait)
{
    child_wait_kill_group(wait, SIGKILL);
    (void)pthread_mutex_lock(&g_lock);
    look(wait, 0);
    LIST_REMOVE(wait, link);
    (void)pthread_mutex_unlock(&g_lock);
}

bool child_wait_deliver(pid_t pid, int status)
{
    struct child_wait *wait = NULL;
    (void)pthread_mutex_lock(&g_lock);
    LIST_FOREACH(wait, &g_waits, link)
    {
        if (wait->pid == pid && !wait->ended)
            break;
    }
    if (wait != NULL) {
        wait->ended = true;
        wait->status = status;
    }
    (void)pthread_mutex_unlock(&g_lock);
    return wait != NULL;
}
