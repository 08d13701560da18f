/* Sockets that systemd passes: which are taken, in what state they are then, and what is refused. */
#include "base/sd_listen.h"

#include "../unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { NOTHING, UNIX, UNIX_DEAF, UNIX_DATAGRAM, TCP, A_FILE };

/* Of abstract addresses of the kernel's choice. */
static int open_kind(enum kind kind)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (kind == A_FILE)
        return open("/dev/null", O_RDONLY);
    int fd = socket(kind == TCP ? AF_INET : AF_UNIX, kind == UNIX_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM, 0);
    int rc = kind == TCP ? bind(fd, (const struct sockaddr *)&loopback, sizeof loopback)
                         : bind(fd, (const struct sockaddr *)&address, sizeof address.sun_family);
    if (rc != 0 || ((kind == UNIX || kind == TCP) && listen(fd, 4) != 0))
        _exit(99);
    return fd;
}

struct passed {
    const char *pid;   /* "": our own */
    const char *count; /* NULL: not set */
    enum kind kinds[2];
    int answer;
    const char *words; /* of the error */
};

/* In a process of its own, which has descriptors 3 and 4 to itself. Returns 0 when all is as it should be. */
static int check_in_child(const struct passed *passed)
{
    char own[24];
    int fds[SD_LISTEN_MAX];
    struct err err = {.text = ""};
    for (int i = 0; i < 2; i++) {
        int fd = passed->kinds[i] != NOTHING ? open_kind(passed->kinds[i]) : -1;
        if (fd < 0)
            (void)close(3 + i);
        else if (fd != 3 + i && (dup2(fd, 3 + i) < 0 || close(fd) != 0))
            return 98;
    }
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", passed->pid[0] != '\0' ? passed->pid : own, 1);
    (void)setenv("LISTEN_FDNAMES", "admin:admin", 1);
    if (passed->count != NULL)
        (void)setenv("LISTEN_FDS", passed->count, 1);
    if (sd_listen_take(fds, &err) != passed->answer)
        return 1;
    if ((passed->words != NULL) != (passed->answer < 0) ||
        (passed->words != NULL && strstr(err.text, passed->words) == NULL))
        return 2;
    for (int i = 0; i < passed->answer; i++)
        if (fds[i] != 3 + i || (fcntl(fds[i], F_GETFD) & FD_CLOEXEC) == 0 ||
            (fcntl(fds[i], F_GETFL) & O_NONBLOCK) == 0)
            return 3;
    return getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL && getenv("LISTEN_FDNAMES") == NULL
               ? 0
               : 4;
}

START_TEST(sockets_that_listen_are_taken_and_others_refused_by_their_number)
{
    const struct passed CASES[] = {
        {"", "1", {UNIX}, 1, NULL},
        {"", "2", {UNIX, UNIX}, 2, NULL},
        {"", "0", {UNIX}, 0, NULL},
        {"", NULL, {UNIX}, 0, NULL},
        {"1", "1", {UNIX}, 0, NULL}, /* for a process before us */
        {"x", "1", {UNIX}, 0, NULL},
        {"", "2", {UNIX, TCP}, -1, "descriptor 4: want a unix stream socket that listens"},
        {"", "1", {UNIX_DEAF}, -1, "descriptor 3: want"},
        {"", "1", {UNIX_DATAGRAM}, -1, "descriptor 3: want"},
        {"", "1", {A_FILE}, -1, "descriptor 3: want"},
        {"", "1", {NOTHING}, -1, "descriptor 3: want"},
        {"", "9", {UNIX}, -1, "\"9\": want 0 to 8 sockets"},
        {"", "-1", {UNIX}, -1, "\"-1\": want 0 to 8"},
        {"", "1x", {UNIX}, -1, "\"1x\": want 0 to 8"},
        {"", "", {UNIX}, -1, "\"\": want 0 to 8"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(check_in_child(&CASES[i]));
        int status = -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "case %zu: status %#x", i,
                      (unsigned)status);
    }
}
END_TEST

UNIT_MAIN("sd_listen", sockets_that_listen_are_taken_and_others_refused_by_their_number)
