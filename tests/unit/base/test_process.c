/* What process_init() makes of a hostile parent; each case in a process of its own. */
#include "tests/unit/unit.h"

#include "base/process.h"
#include "base/signal_name.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit code of fn() in a forked child. */
static int in_child(int (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(fn());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int closed_fds(void)
{
    struct stat null_info;
    struct stat info;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        (void)close(fd);
    process_init();
    if (stat("/dev/null", &null_info) != 0)
        return 1;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fstat(fd, &info) != 0 || info.st_rdev != null_info.st_rdev)
            return 2;
    /* None beyond: the next file is the first free number above. */
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return next > STDERR_FILENO ? 0 : 3;
}

static int open_stderr(void)
{
    struct stat before;
    struct stat after;
    (void)close(STDIN_FILENO);
    (void)fstat(STDERR_FILENO, &before);
    process_init();
    (void)fstat(STDERR_FILENO, &after);
    return before.st_dev == after.st_dev && before.st_ino == after.st_ino ? 0 : 1;
}

START_TEST(closed_standard_files_become_dev_null_and_open_ones_stay)
{
    ck_assert_int_eq(in_child(closed_fds), 0);
    ck_assert_int_eq(in_child(open_stderr), 0);
}
END_TEST

static bool has_handler(int number, void (*handler)(int))
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == handler;
}

static int hostile_signals(void)
{
    sigset_t all;
    sigset_t now;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)signal(SIGCHLD, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    process_init();
    (void)sigprocmask(SIG_SETMASK, NULL, &now);
    for (int number = 1; number < SIGRTMIN; number++)
        if (sigismember(&now, number) == 1)
            return 1;
    if (!has_handler(SIGCHLD, SIG_DFL) || !has_handler(SIGTERM, SIG_DFL))
        return 2;
    if (!has_handler(SIGHUP, SIG_IGN)) /* nohup */
        return 3;
    return has_handler(SIGPIPE, SIG_IGN) && has_handler(SIGXFSZ, SIG_IGN) ? 0 : 4;
}

START_TEST(signals_are_as_if_nobody_had_touched_them)
{
    ck_assert_int_eq(in_child(hostile_signals), 0);
}
END_TEST

static int core_limit(void)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    (void)setrlimit(RLIMIT_CORE, &limit);
    struct rlimit before;
    (void)getrlimit(RLIMIT_CORE, &before);
    process_init();
    if (getrlimit(RLIMIT_CORE, &limit) != 0)
        return 1;
    if (getenv("SLUICE_CORE_DUMPS") != NULL && strcmp(getenv("SLUICE_CORE_DUMPS"), "1") == 0)
        return limit.rlim_cur == before.rlim_cur ? 0 : 2;
    return limit.rlim_cur == 0 ? 0 : 3;
}

START_TEST(core_dumps_are_off_unless_asked_for)
{
    (void)unsetenv("SLUICE_CORE_DUMPS");
    ck_assert_int_eq(in_child(core_limit), 0);
    (void)setenv("SLUICE_CORE_DUMPS", "yes", 1);
    ck_assert_int_eq(in_child(core_limit), 0);
    (void)setenv("SLUICE_CORE_DUMPS", "1", 1);
    ck_assert_int_eq(in_child(core_limit), 0);
    (void)unsetenv("SLUICE_CORE_DUMPS");
}
END_TEST

static int file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    limit.rlim_cur = 16;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    process_raise_file_limit();
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == limit.rlim_max ? 0 : 2;
}

START_TEST(the_limit_of_files_is_raised_to_the_hard_one)
{
    ck_assert_int_eq(in_child(file_limit), 0);
}
END_TEST

START_TEST(signals_have_their_names_with_every_c_library)
{
    ck_assert_str_eq(signal_name(SIGTERM), "TERM");
    ck_assert_str_eq(signal_name(SIGSYS), "SYS");
    for (int number = 1; number < 32; number++) /* Linux: 1 to 31 are named ones */
        ck_assert_msg(signal_name(number) != NULL, "%d", number);
    ck_assert_ptr_null(signal_name(0));
    ck_assert_ptr_null(signal_name(-1));
    ck_assert_ptr_null(signal_name(32));
    ck_assert_ptr_null(signal_name(SIGRTMAX));
    ck_assert_ptr_null(signal_name(INT_MAX));
}
END_TEST

UNIT_MAIN("process", closed_standard_files_become_dev_null_and_open_ones_stay,
          signals_are_as_if_nobody_had_touched_them, core_dumps_are_off_unless_asked_for,
          the_limit_of_files_is_raised_to_the_hard_one, signals_have_their_names_with_every_c_library)
