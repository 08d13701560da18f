/*
 * The one fork recipe; see child.h. Between fork and exec the child calls only async-signal-safe functions:
 * everything that needs memory (the program's path, the environment) is prepared before.
 */
#include "base/child.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CHILD_FORKS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CHILD_FORKS 1
#endif
#endif
#ifndef CHILD_FORKS
#define CHILD_FORKS 0
#endif

extern char **environ;

enum { CHILD_PASS_FD = 3, CHILD_STATUS_FD = 4, CHILD_FDS_MAX_FALLBACK = 65536, CHILD_STACK_BYTES = 65536 };

/* Where a start went wrong; sent over the status pipe. */
struct start_failure {
    int step; /* index into STEP_NAMES */
    int code; /* errno */
};
enum { STEP_PARENT, STEP_GROUP, STEP_FDS, STEP_EXEC };
static const char *const STEP_NAMES[] = {"check parent", "set process group", "set up files", "execute"};

static void close_from(unsigned int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, ~0U, 0U) == 0)
        return;
#endif
    struct rlimit limit;
    rlim_t end = CHILD_FDS_MAX_FALLBACK;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < end)
        end = limit.rlim_cur;
    for (rlim_t fd = first; fd < end; fd++)
        (void)close((int)fd);
}

/* Moves fd out of the way of the numbers we are about to fill. */
static int lift_fd(int fd)
{
    return fd < 0 ? fd : fcntl(fd, F_DUPFD, 16);
}

/* Installs 0..2, the passed fd as 3 and the status pipe as 4 (close-on-exec); closes all others. */
static int install_fds(const struct child_spec *spec, int status_fd)
{
    int null_fd = spec->stdin_fd < 0 ? open("/dev/null", O_RDONLY) : -1;
    int in = lift_fd(spec->stdin_fd < 0 ? null_fd : spec->stdin_fd);
    int out = lift_fd(spec->stdout_fd < 0 ? STDOUT_FILENO : spec->stdout_fd);
    int log = lift_fd(spec->stderr_fd < 0 ? STDERR_FILENO : spec->stderr_fd);
    int pass = lift_fd(spec->pass_fd);
    int status = lift_fd(status_fd);
    if (in < 0 || status < 0 || dup2(in, STDIN_FILENO) < 0)
        return -1;
    if ((out >= 0 && dup2(out, STDOUT_FILENO) < 0) || (log >= 0 && dup2(log, STDERR_FILENO) < 0))
        return -1;
    if (dup3(status, CHILD_STATUS_FD, O_CLOEXEC) < 0)
        return -1;
    if (pass >= 0 ? dup2(pass, CHILD_PASS_FD) < 0 : (close(CHILD_PASS_FD), false))
        return -1;
    close_from(CHILD_STATUS_FD + 1);
    return 0;
}

/* Programs that close whatever may be open take long under a limit of millions. */
static void limit_files(size_t soft)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || soft > limit.rlim_max)
        return;
    limit.rlim_cur = soft;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void reset_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            (void)sigaction(number, &standard, NULL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn)) child_fail(int status_fd, int step)
{
    struct start_failure failure = {.step = step, .code = errno};
    ssize_t ignored = write(status_fd, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

/* What the child needs. It only reads it: the memory is the parent's. */
struct child_start {
    const struct child_spec *spec;
    const char *program;
    char *const *envp;
    pid_t parent;
    int status_fd;
};

/* Does not return. */
static int child_main(void *arg)
{
    const struct child_start *start = arg;
    const struct child_spec *spec = start->spec;
    if (spec->death_signal != 0) {
        /* First ask for the signal, then look: a parent that died in between is noticed here. */
        if (prctl(PR_SET_PDEATHSIG, spec->death_signal) != 0 || getppid() != start->parent)
            child_fail(start->status_fd, STEP_PARENT);
    }
    if (spec->own_group && setpgid(0, 0) != 0)
        child_fail(start->status_fd, STEP_GROUP);
    if (install_fds(spec, start->status_fd) != 0)
        child_fail(start->status_fd, STEP_FDS);
    if (spec->file_limit != 0)
        limit_files(spec->file_limit);
    reset_signals();
    (void)execve(start->program, (char *const *)(uintptr_t)spec->argv, start->envp);
    child_fail(CHILD_STATUS_FD, STEP_EXEC);
}

/*
 * As vfork(), and as posix_spawn() does it: until exec the child shares our memory, on a stack of its own,
 * while the calling thread stands still. A fork() would copy the page tables of all threads' stacks: twice
 * the CPU time for a program that does nothing. The sanitizers' own books do not survive that, they get the
 * fork(). Returns the pid, or -1 with errno.
 */
static pid_t start_child(struct child_start *start)
{
#if CHILD_FORKS
    pid_t pid = fork();
    if (pid == 0)
        (void)child_main(start);
    return pid;
#else
    char *stack = xmalloc(CHILD_STACK_BYTES);
    pid_t pid = clone(child_main, stack + CHILD_STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, start);
    int clone_errno = errno;
    free(stack);
    errno = clone_errno;
    return pid;
#endif
}

static bool is_program(const char *path, struct err *err)
{
    struct stat info;
    int error = 0;
    if (access(path, X_OK) != 0 || stat(path, &info) != 0)
        error = errno;
    else if (!S_ISREG(info.st_mode))
        error = EACCES;
    if (error != 0)
        (void)err_set(err, "start %s: %s", path, strerror(error));
    return error == 0;
}

char *child_find_program(const char *name, struct err *err)
{
    if (strchr(name, '/') != NULL)
        return is_program(name, err) ? xstrdup(name) : NULL;
    const char *path = getenv("PATH");
    if (path == NULL || *path == '\0')
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path != '\0' && *name != '\0') {
        size_t len = strcspn(path, ":");
        struct strbuf full = STRBUF_INIT;
        strbuf_append(&full, len > 0 ? path : ".", len > 0 ? len : 1);
        strbuf_appendf(&full, "/%s", name);
        if (is_program(full.data, NULL))
            return strbuf_take(&full);
        strbuf_clean_up(&full);
        path += len + (path[len] == ':');
    }
    (void)err_set(err, "start %s: not found in PATH", name);
    return NULL;
}

/* Waits for exec (EOF) or a failure report. Returns 0 or negative errno with err. */
static int await_exec(int status_fd, pid_t pid, const char *program, struct err *err)
{
    struct start_failure failure;
    ssize_t got = 0;
    do {
        got = read(status_fd, &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof failure)
        return 0;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    (void)err_set(err, "start %s: %s: %s", program, STEP_NAMES[failure.step], strerror(failure.code));
    return failure.code != 0 ? -failure.code : -EIO;
}

int child_spawn(const struct child_spec *spec, pid_t *ret_pid, struct err *err)
{
    int status_pipe[2] = {-1, -1};
    int rc = 0;
    sigset_t all;
    sigset_t before;
    char *const *envp = spec->envp != NULL ? (char *const *)(uintptr_t)spec->envp : environ;
    char *program = spec->program != NULL ? xstrdup(spec->program) : child_find_program(spec->argv[0], err);
    if (program == NULL)
        return -ENOENT;
    if (pipe2(status_pipe, O_CLOEXEC) != 0) {
        rc = -errno;
        (void)err_set(err, "start %s: pipe: %s", program, strerror(errno));
        goto done;
    }
    struct child_start start = {
        .spec = spec, .program = program, .envp = envp, .parent = getpid(), .status_fd = status_pipe[1]};
    /* No handler of ours may run in the child before it has reset them. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = start_child(&start);
    int fork_errno = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)close(status_pipe[1]);
    if (pid < 0) {
        rc = -fork_errno;
        (void)err_set(err, "start %s: fork: %s", program, strerror(fork_errno));
    } else {
        rc = await_exec(status_pipe[0], pid, program, err);
    }
    (void)close(status_pipe[0]);
    if (rc == 0)
        *ret_pid = pid;
done:
    free(program);
    return rc;
}

static bool same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");
    return strncmp(a, b, len) == 0 && b[len] == '=';
}

const char **child_environment(const char *const *overrides)
{
    size_t count = 0;
    size_t extra = 0;
    while (environ[count] != NULL)
        count++;
    while (overrides != NULL && overrides[extra] != NULL)
        extra++;
    const char **envp = xcalloc(count + extra + 1, sizeof *envp);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        bool replaced = false;
        for (size_t j = 0; j < extra && !replaced; j++)
            replaced = same_name(environ[i], overrides[j]);
        if (!replaced)
            envp[used++] = environ[i];
    }
    for (size_t j = 0; j < extra; j++)
        envp[used++] = overrides[j];
    return envp;
}

unsigned long long child_start_ticks(pid_t pid)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    /* The command (field 2) may hold spaces and parentheses: count from its last ')'. */
    char *at = strrchr(text, ')');
    if (at != NULL && at[1] == ' ' && (at[2] == 'Z' || at[2] == 'X'))
        return 0;
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoull(at + 1, NULL, 10) : 0;
}

char *child_status_text(int status, char out[static 64])
{
    if (WIFEXITED(status))
        (void)snprintf(out, 64, "exit %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        (void)snprintf(out, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(out, 64, "status %d", status);
    return out;
}
