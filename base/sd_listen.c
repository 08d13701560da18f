/* Sockets from systemd; see sd_listen.h. */
#include "base/sd_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

/* A whole number of at least 0, or -1. */
static long number_of(const char *text)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    long value = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : -1;
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

static int take_one(int fd, struct err *err)
{
    if (option_of(fd, SO_DOMAIN) != AF_UNIX || option_of(fd, SO_TYPE) != SOCK_STREAM ||
        option_of(fd, SO_ACCEPTCONN) != 1)
        return err_set(
            err,
            "LISTEN_FDS: descriptor %d: want a unix stream socket that listens, as ListenStream=/PATH "
            "of a socket unit makes it",
            fd);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return err_set(err, "LISTEN_FDS: descriptor %d: %s", fd, strerror(errno));
    return 0;
}

static int take_all(const char *pid, const char *count_text, int fds[SD_LISTEN_MAX], struct err *err)
{
    if (pid == NULL || count_text == NULL || number_of(pid) != getpid())
        return 0;
    long count = number_of(count_text);
    if (count < 0 || count > SD_LISTEN_MAX)
        return err_set(err, "LISTEN_FDS: \"%.40s\": want 0 to %d sockets", count_text, SD_LISTEN_MAX);
    for (int i = 0; i < count; i++) {
        fds[i] = FIRST_FD + i;
        if (take_one(fds[i], err) != 0)
            return -1;
    }
    return (int)count;
}

int sd_listen_take(int fds[SD_LISTEN_MAX], struct err *err)
{
    int count = take_all(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), fds, err);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return count;
}
