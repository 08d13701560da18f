/* Groups of real programs: none of their members survives, and every program is reaped once. */
#include "tests/unit/unit.h"

#include "worker/child_groups.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Starts a shell script in a group of its own, with what it prints going to stdout_fd. */
static int spawn(struct child_groups *groups, const char *script, int stdout_fd, pid_t *ret_pid)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    spec.argv = argv;
    spec.program = "/bin/sh";
    spec.stdout_fd = stdout_fd;
    /* After a failed test the rest of a group may live on: it must not keep the runner's pipe open. */
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    spec.stderr_fd = null_fd;
    spec.own_group = true;
    spec.death_signal = SIGKILL;
    int rc = child_groups_spawn(groups, &spec, ret_pid, NULL);
    (void)close(null_fd);
    return rc;
}

/* The number that the script prints first comes back. */
static pid_t start(struct child_groups *groups, const char *script, int *ret_printed)
{
    int out[2];
    char text[32] = "";
    pid_t pid = 0;
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(spawn(groups, script, out[1], &pid), 0);
    (void)close(out[1]);
    ck_assert_int_gt(read(out[0], text, sizeof text - 1), 0);
    (void)close(out[0]);
    *ret_printed = (int)strtol(text, NULL, 10);
    return pid;
}

static int await(struct child_groups *groups, pid_t pid)
{
    int status = -1;
    struct pollfd fd = {.fd = child_groups_exit_fd(pid), .events = POLLIN};
    ck_assert(fd.fd >= 0 || errno == ENOSYS); /* old kernels, valgrind: poll() passes over it then */
    while (!child_groups_reap(groups, pid, &status))
        (void)poll(&fd, 1, 100);
    if (fd.fd >= 0)
        (void)close(fd.fd);
    return status;
}

static void check_gone(pid_t pid)
{
    while (child_start_ticks(pid) != 0) /* a zombie counts as gone */
        (void)poll(NULL, 0, 1);
}

START_TEST(what_a_program_leaves_behind_dies_with_it)
{
    struct child_groups groups;
    int other = 0;
    child_groups_init(&groups);
    pid_t pid = start(&groups, "trap '' TERM; sleep 1000 & echo $!; exit 3", &other);
    int status = await(&groups, pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    check_gone(other);
    ck_assert_uint_eq(groups.count, 0);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    child_groups_clean_up(&groups);
}
END_TEST

START_TEST(a_running_program_is_not_reaped_and_hears_signals)
{
    struct child_groups groups;
    int printed = 0;
    int status = 0;
    child_groups_init(&groups);
    pid_t pid = start(&groups, "trap 'exit 5' TERM; echo 1; while :; do sleep 0.01; done", &printed);
    ck_assert(!child_groups_reap(&groups, pid, &status));
    child_groups_signal(&groups, pid, SIGSTOP);
    child_groups_signal(&groups, pid, SIGTERM); /* wakes it, too */
    status = await(&groups, pid);
    /* The shell, or the sleep that it waits for first. */
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    child_groups_clean_up(&groups);
}
END_TEST

START_TEST(all_are_killed_at_once_and_nobody_comes_after_them)
{
    static const char SCRIPT[] = "trap '' TERM; sleep 1000 & echo $!; wait";
    struct child_groups groups;
    int others[2];
    pid_t pids[2];
    pid_t late = 0;
    child_groups_init(&groups);
    for (int i = 0; i < 2; i++)
        pids[i] = start(&groups, SCRIPT, &others[i]);
    child_groups_kill_all(&groups);
    ck_assert_int_eq(spawn(&groups, SCRIPT, -1, &late), -ECANCELED);
    for (int i = 0; i < 2; i++) {
        int status = await(&groups, pids[i]);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    check_gone(others[0]);
    check_gone(others[1]);
    child_groups_clean_up(&groups);
}
END_TEST

struct starter {
    struct child_groups groups;
    int stdout_fd;
};

static void *start_for_ever(void *arg)
{
    struct starter *starter = arg;
    pid_t pid = 0;
    while (spawn(&starter->groups, "sleep 1000 & echo x; wait", starter->stdout_fd, &pid) == 0)
        continue;
    return NULL;
}

/* A process whose threads start programs, and which kills them all and leaves at once. */
_Noreturn static void start_kill_leave(int stdout_fd, int first_fd)
{
    static struct starter starter;
    pthread_t thread;
    char byte = 0;
    starter.stdout_fd = stdout_fd;
    child_groups_init(&starter.groups);
    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, start_for_ever, &starter) != 0 || pthread_detach(thread) != 0)
            _exit(1);
    if (read(first_fd, &byte, 1) != 1) /* some run now */
        _exit(1);
    child_groups_kill_all(&starter.groups);
    _exit(0);
}

START_TEST(who_is_being_started_when_all_are_killed_does_not_survive_us)
{
    for (int round = 0; round < 20; round++) {
        int out[2];
        char bytes[64];
        int status = -1;
        ck_assert_int_eq(pipe(out), 0);
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            start_kill_leave(out[1], out[0]);
        (void)close(out[1]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        struct pollfd fd = {.fd = out[0], .events = POLLIN};
        /* The end of the pipe comes when no member of any group is left to hold it. */
        do
            ck_assert_int_eq(poll(&fd, 1, 30000), 1);
        while (read(out[0], bytes, sizeof bytes) > 0);
        (void)close(out[0]);
    }
}
END_TEST

START_TEST(one_that_somebody_else_has_reaped_has_ended)
{
    struct child_groups groups;
    int printed = 0;
    int status = 0;
    child_groups_init(&groups);
    pid_t pid = start(&groups, "echo 1", &printed);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert(child_groups_reap(&groups, pid, &status));
    ck_assert(WIFSIGNALED(status));
    ck_assert_uint_eq(groups.count, 0);
    child_groups_clean_up(&groups);
}
END_TEST

/* As the first process of a container. */
START_TEST(orphans_that_come_to_us_are_reaped)
{
    struct child_groups groups;
    int other = 0;
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    child_groups_init(&groups);
    for (int i = 0; i < 20; i++) {
        pid_t pid = start(&groups, "sleep 1000 & (sleep 1000 & sleep 1000) & echo $!", &other);
        (void)await(&groups, pid);
    }
    for (int i = 0; groups.dying_count > 0 && i < 1000; i++) {
        (void)await(&groups, start(&groups, "echo 1", &other));
        (void)poll(NULL, 0, 1);
    }
    ck_assert_uint_eq(groups.dying_count, 0);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* neither zombies nor survivors */
    child_groups_clean_up(&groups);
}
END_TEST

UNIT_MAIN("child_groups", what_a_program_leaves_behind_dies_with_it, orphans_that_come_to_us_are_reaped,
          one_that_somebody_else_has_reaped_has_ended, a_running_program_is_not_reaped_and_hears_signals,
          all_are_killed_at_once_and_nobody_comes_after_them,
          who_is_being_started_when_all_are_killed_does_not_survive_us)
