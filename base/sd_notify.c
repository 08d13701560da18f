/* Datagrams to systemd; see sd_notify.h. */
#include "base/sd_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A whole number above 0, or 0 when it is none. */
static int64_t number_of(const char *text)
{
    char *end = NULL;
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : 0;
}

static int64_t find_watchdog_ms(void)
{
    const char *pid = getenv("WATCHDOG_PID");
    if (pid != NULL && number_of(pid) != getpid())
        return 0;
    int64_t limit_us = number_of(getenv("WATCHDOG_USEC"));
    int64_t half_ms = limit_us / 2000;
    return limit_us > 0 && half_ms == 0 ? 1 : half_ms;
}

void sd_notify_init(struct sd_notify *notify)
{
    const struct timeval wait = {.tv_sec = 1};
    const char *socket_name = getenv("NOTIFY_SOCKET");
    *notify = (struct sd_notify){.fd = -1};
    _Static_assert(sizeof notify->socket == sizeof((struct sockaddr_un *)0)->sun_path, "as the kernel's");
    size_t len = socket_name != NULL ? strlen(socket_name) : 0;
    if (len > 1 && len < sizeof notify->socket && (socket_name[0] == '/' || socket_name[0] == '@')) {
        memcpy(notify->socket, socket_name, len + 1);
        notify->watchdog_ms = find_watchdog_ms();
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        (void)setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    }
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void sd_notify_clean_up(struct sd_notify *notify)
{
    if (notify->socket[0] != '\0' && notify->fd >= 0)
        (void)close(notify->fd);
    *notify = (struct sd_notify){.fd = -1};
}

static bool send_text(const struct sd_notify *notify, const char *text, int flags)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(notify->socket);
    if (len == 0 || notify->fd < 0)
        return false;
    memcpy(address.sun_path, notify->socket, len + 1);
    /* An abstract name begins with a NUL byte, and is as long as the address says. */
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | flags, (const struct sockaddr *)&address,
                  address_len) >= 0;
}

bool sd_notify_send(struct sd_notify *notify, const char *text)
{
    return send_text(notify, text, 0);
}

void sd_notify_feed(struct sd_notify *notify)
{
    (void)send_text(notify, "WATCHDOG=1", MSG_DONTWAIT);
}
