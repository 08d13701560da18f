/* Orphans of others; see strangers.h. */
#include "worker/strangers.h"

#include "base/alloc.h"
#include "base/child_wait.h"
#include "base/log.h"
#include "base/loop.h"
#include "worker/child_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

/* A zombie costs a number and nothing else: no need to hurry, so no need of SIGCHLD in a program of threads.
 */
enum { LOOK_REAL_MS = 1000, AT_ONCE_MAX = 256 };

struct strangers {
    struct loop_timer timer;
    int64_t reaped;
};

/* Whether there may be more. A child of our own is left to its owner, who reaps it soon; what is behind it
 * has its turn at the next look. */
static bool reap_one(struct strangers *strangers)
{
    siginfo_t info = {.si_pid = 0};
    int status = 0;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return errno == EINTR;
    if (info.si_pid == 0 || child_groups_may_own(info.si_pid) ||
        waitpid(info.si_pid, &status, WNOHANG) != info.si_pid)
        return false;
    if (child_wait_deliver(info.si_pid, status))
        return true;
    strangers->reaped++;
    LOG(LOG_DEBUG, "reaped a stranger", LOG_INT("pid", info.si_pid));
    return true;
}

void strangers_look(struct strangers *strangers)
{
    for (int i = 0; i < AT_ONCE_MAX && reap_one(strangers); i++)
        continue;
}

static void on_look(void *arg)
{
    struct strangers *strangers = arg;
    strangers_look(strangers);
    loop_timer_arm_real_ms(&strangers->timer, LOOK_REAL_MS);
}

struct strangers *strangers_new(struct event_base *base)
{
    if (!child_groups_takes_orphans())
        return NULL;
    struct strangers *strangers = xcalloc(1, sizeof *strangers);
    loop_timer_init(&strangers->timer, base, on_look, strangers);
    loop_timer_arm_real_ms(&strangers->timer, LOOK_REAL_MS);
    return strangers;
}

void strangers_destroy(struct strangers *strangers)
{
    if (strangers == NULL)
        return;
    loop_timer_clean_up(&strangers->timer);
    free(strangers);
}

int64_t strangers_reaped(const struct strangers *strangers)
{
    return strangers != NULL ? strangers->reaped : 0;
}
