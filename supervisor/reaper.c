/* SIGCHLD and waitpid(); see reaper.h. */
#include "supervisor/reaper.h"

#include "base/alloc.h"
#include "base/child.h"
#include "base/child_wait.h"
#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { BUCKETS = 256 };

struct reaper {
    struct event *signal_event;
    struct reaper_child *buckets[BUCKETS]; /* by pid */
    uint64_t strangers;
};

static struct reaper_child **find(struct reaper *reaper, pid_t pid)
{
    struct reaper_child **at = &reaper->buckets[(unsigned int)pid % BUCKETS];
    while (*at != NULL && (*at)->pid != pid)
        at = &(*at)->next;
    return at;
}

static int reap(pid_t pid, int *ret_status)
{
    pid_t got = 0;
    do {
        got = waitpid(pid, ret_status, 0);
    } while (got < 0 && errno == EINTR);
    return got == pid ? 0 : -1;
}

static void reap_one(struct reaper *reaper, pid_t pid)
{
    int status = 0;
    struct reaper_child **at = find(reaper, pid);
    struct reaper_child *child = *at;
    /* The zombie still pins its pid, so the group cannot be anybody else's: now is the time for what it left.
     */
    if (child != NULL && !child->spares_group)
        (void)kill(-pid, SIGKILL);
    if (reap(pid, &status) != 0)
        return;
    if (child == NULL) {
        char text[64];
        if (child_wait_deliver(pid, status))
            return;
        reaper->strangers++;
        LOG(LOG_DEBUG, "reaped a stranger", LOG_INT("pid", pid),
            LOG_STR("status", child_status_text(status, text)));
        return;
    }
    *at = child->next;
    child->next = NULL;
    child->fn(child->arg, status);
}

/* SIGCHLD coalesces: one signal may stand for many children. */
static void on_sigchld(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        /* Peek first, reap later: see reap_one(). */
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            if (errno == EINTR)
                continue;
            return; /* ECHILD: none at all */
        }
        if (info.si_pid == 0)
            return;
        reap_one(arg, info.si_pid);
    }
}

struct reaper *reaper_new(struct event_base *base)
{
    struct reaper *reaper = xcalloc(1, sizeof *reaper);
    reaper->signal_event = evsignal_new(base, SIGCHLD, on_sigchld, reaper);
    if (reaper->signal_event == NULL || event_add(reaper->signal_event, NULL) != 0)
        abort();
    on_sigchld(SIGCHLD, EV_SIGNAL, reaper); /* whose signal came before there was a handler */
    return reaper;
}

void reaper_destroy(struct reaper *reaper)
{
    if (reaper == NULL)
        return;
    event_free(reaper->signal_event);
    free(reaper);
}

void reaper_watch(struct reaper *reaper, struct reaper_child *child)
{
    struct reaper_child **at = &reaper->buckets[(unsigned int)child->pid % BUCKETS];
    child->next = *at;
    *at = child;
}

void reaper_forget(struct reaper *reaper, struct reaper_child *child)
{
    struct reaper_child **at = find(reaper, child->pid);
    if (*at == child)
        *at = child->next;
}

uint64_t reaper_strangers(const struct reaper *reaper)
{
    return reaper->strangers;
}
