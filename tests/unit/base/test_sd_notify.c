/* Notifications to systemd: which socket, how often, and what is left of the environment. */
#include "base/sd_notify.h"

#include "../unit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void set(const char *name, const char *value)
{
    if (value != NULL)
        ck_assert_int_eq(setenv(name, value, 1), 0);
    else
        ck_assert_int_eq(unsetenv(name), 0);
}

START_TEST(the_watchdog_is_fed_twice_as_often_as_asked_and_only_by_whom_it_is_for)
{
    char own[24];
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    const struct {
        const char *usec, *pid;
        int64_t watchdog_ms;
    } CASES[] = {{NULL, NULL, 0},     {"3000000", NULL, 1500}, {"3000000", own, 1500},
                 {"3000000", "1", 0}, {"3000000", "", 0},      {"1000", NULL, 1},
                 {"0", NULL, 0},      {"-5", NULL, 0},         {"3000000x", NULL, 0},
                 {"", NULL, 0},       {" 3000000", NULL, 0},   {"99999999999999999999", NULL, 0}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sd_notify notify;
        set("NOTIFY_SOCKET", "/nowhere/socket");
        set("WATCHDOG_USEC", CASES[i].usec);
        set("WATCHDOG_PID", CASES[i].pid);
        sd_notify_init(&notify);
        ck_assert_msg(notify.watchdog_ms == CASES[i].watchdog_ms, "case %zu: %lld", i,
                      (long long)notify.watchdog_ms);
        ck_assert(!sd_notify_send(&notify, "READY=1"));
        sd_notify_clean_up(&notify);
        /* Children are not asked. */
        ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
        ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
        ck_assert_ptr_null(getenv("WATCHDOG_PID"));
    }
}
END_TEST

START_TEST(what_is_no_socket_is_nobody)
{
    char long_name[200];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    const char *const NAMES[] = {NULL, "", "/", "@", "relative", "vsock:2:1", long_name};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct sd_notify notify;
        set("NOTIFY_SOCKET", NAMES[i]);
        set("WATCHDOG_USEC", "1000000");
        sd_notify_init(&notify);
        ck_assert_int_eq(notify.watchdog_ms, 0);
        ck_assert(!sd_notify_send(&notify, "READY=1"));
        sd_notify_clean_up(&notify);
    }
}
END_TEST

START_TEST(an_abstract_socket_hears)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct sd_notify notify;
    char name[64];
    char got[64] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)snprintf(name, sizeof name, "@sluice-test-notify-%d", (int)getpid());
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    set("NOTIFY_SOCKET", name);
    sd_notify_init(&notify);
    ck_assert(sd_notify_send(&notify, "READY=1\nSTATUS=here"));
    ck_assert_int_eq(recv(fd, got, sizeof got - 1, 0), 19);
    ck_assert_str_eq(got, "READY=1\nSTATUS=here");
    sd_notify_clean_up(&notify);
    ck_assert(!sd_notify_send(&notify, "READY=1"));
    (void)close(fd);
}
END_TEST

UNIT_MAIN("sd_notify", the_watchdog_is_fed_twice_as_often_as_asked_and_only_by_whom_it_is_for,
          what_is_no_socket_is_nobody, an_abstract_socket_hears)
