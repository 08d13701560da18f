/* Inherited state, settled; see process.h. */
#include "base/process.h"

#include "base/exitcode.h"
#include "base/log.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void open_standard_fds(void)
{
    int fd = -1;
    do {
        fd = open("/dev/null", O_RDWR | O_NOCTTY);
        if (fd < 0)
            _exit(EXIT_CODE_SOFTWARE); /* there may be no stderr to say it on */
    } while (fd <= STDERR_FILENO);
    (void)close(fd);
}

static void reset_signals(void)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    struct sigaction hangup = {.sa_handler = SIG_DFL};
    sigset_t none;
    (void)sigaction(SIGHUP, NULL, &hangup);
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP && (number != SIGHUP || hangup.sa_handler != SIG_IGN))
            (void)sigaction(number, &standard, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void forbid_core_dumps(void)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    const char *wanted = getenv("SLUICE_CORE_DUMPS");
    if (wanted == NULL || strcmp(wanted, "1") != 0)
        (void)setrlimit(RLIMIT_CORE, &none);
}

static void on_event_log(int severity, const char *message)
{
    LOG(severity == EVENT_LOG_ERR    ? LOG_ERROR
        : severity == EVENT_LOG_WARN ? LOG_WARNING
                                     : LOG_DEBUG,
        "event library", LOG_STR("text", message));
}

void process_init(void)
{
    open_standard_fds();
    reset_signals();
    forbid_core_dumps();
    event_set_log_callback(on_event_log);
}

size_t process_raise_file_limit(void)
{
    static size_t before;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return before;
    if (before == 0)
        before = (size_t)limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return before;
}
