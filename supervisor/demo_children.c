/* Child programs of a demo; see demo_children.h. */
#include "supervisor/demo_children.h"

#include "base/alloc.h"
#include "base/child.h"
#include "supervisor/demo_tail.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *file, *title;
} NAMES[DEMO_CHILD_MAX] = {
    [DEMO_LOCALAWS] = {"localaws", "the local endpoint"},
    [DEMO_SUPERVISOR] = {"supervisor", "the supervisor"},
    [DEMO_LOAD] = {"load", "the load generator"},
    [DEMO_WORKER] = {"worker", "the worker"},
};

const char *demo_child_title(enum demo_child_name name)
{
    return NAMES[name].title;
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void on_reaped(struct demo_children *children, pid_t pid, int status, const struct rusage *usage)
{
    for (int i = 0; i < DEMO_CHILD_MAX; i++) {
        if (children->child[i].pid != pid)
            continue;
        children->child[i].pid = 0;
        children->child[i].status = status;
        children->child[i].cpu_s = seconds_of(&usage->ru_utime) + seconds_of(&usage->ru_stime);
        children->on_exit(children->arg, (enum demo_child_name)i, status);
        return;
    }
    /* Anybody else is an orphan that came to us as the subreaper; its end needs no answer. */
}

static void on_sigchld(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    struct demo_children *children = arg;

    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0)
            return;
        on_reaped(children, pid, status, &usage);
    }
}

static char *path_of(const char *folder, const char *file, const char *ending)
{
    struct strbuf path = STRBUF_INIT;

    strbuf_appendf(&path, "%s/%s.%s", folder, file, ending);
    return strbuf_take(&path);
}

void demo_children_init(struct demo_children *children, struct event_base *base, const char *folder,
                        void (*on_exit)(void *arg, enum demo_child_name name, int status), void *arg)
{
    *children = (struct demo_children){.base = base, .on_exit = on_exit, .arg = arg};
    for (int i = 0; i < DEMO_CHILD_MAX; i++) {
        children->child[i].out_path = path_of(folder, NAMES[i].file, "out");
        children->child[i].err_path = path_of(folder, NAMES[i].file, "err");
    }
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    children->sigchld = evsignal_new(base, SIGCHLD, on_sigchld, children);
    (void)event_add(children->sigchld, NULL);
}

void demo_children_clean_up(struct demo_children *children)
{
    for (int i = 0; i < DEMO_CHILD_MAX; i++) {
        struct demo_child *child = &children->child[i];
        if (child->pid > 0) {
            (void)kill(child->pid, SIGKILL);
            while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        }
        free(child->out_path);
        free(child->err_path);
    }
    if (children->sigchld != NULL)
        event_free(children->sigchld);
    *children = (struct demo_children){.base = NULL};
}

static int open_output(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set(err, "%s: %s", path, strerror(errno));
    return fd;
}

int demo_children_start(struct demo_children *children, enum demo_child_name name, const char *const *argv,
                        struct err *err)
{
    struct demo_child *child = &children->child[name];
    struct child_spec spec = CHILD_SPEC_INIT;
    int rc = -1;

    spec.argv = argv;
    /* Ctrl-C on the terminal is for the demo, which stops the others in their order. */
    spec.own_group = true;
    spec.death_signal = name == DEMO_SUPERVISOR ? SIGTERM : SIGKILL;
    spec.stdout_fd = open_output(child->out_path, err);
    spec.stderr_fd = spec.stdout_fd < 0 ? -1 : open_output(child->err_path, err);
    if (spec.stdout_fd >= 0 && spec.stderr_fd >= 0) {
        rc = child_spawn(&spec, &child->pid, err);
        if (rc != 0)
            rc = err_prefix(err, "%s", argv[0]);
        else
            child->started = true;
    }
    if (spec.stdout_fd >= 0)
        (void)close(spec.stdout_fd);
    if (spec.stderr_fd >= 0)
        (void)close(spec.stderr_fd);
    return rc;
}

void demo_children_signal(const struct demo_children *children, enum demo_child_name name, int number)
{
    if (children->child[name].pid > 0)
        (void)kill(children->child[name].pid, number);
}

bool demo_children_running(const struct demo_children *children, enum demo_child_name name)
{
    return children->child[name].pid > 0;
}

void demo_children_tail(const struct demo_children *children, enum demo_child_name name, int max_lines,
                        struct strbuf *out)
{
    demo_tail_last_lines(children->child[name].err_path, max_lines, out);
}
