/* HOST:PORT of options. */
#include "tests/unit/unit.h"

#include "base/host_port.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

START_TEST(addresses_are_taken_apart)
{
    static const struct {
        const char *text, *host;
        int port;
    } GOOD[] = {{"127.0.0.1:9464", "127.0.0.1", 9464},
                {"localhost:0", "127.0.0.1", 0},
                {"0.0.0.0:65535", "0.0.0.0", 65535},
                {"[::1]:1", "::1", 1},
                {"[::]:80", "::", 80},
                {":::80", "::", 80}};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        struct host_port at;
        struct err err = {""};
        ck_assert_msg(host_port_parse("--listen", GOOD[i].text, &at, &err) == 0, "%s", err.text);
        ck_assert_str_eq(at.host, GOOD[i].host);
        ck_assert_int_eq(at.port, GOOD[i].port);
    }
}
END_TEST

START_TEST(what_is_no_address_is_refused_by_the_options_name)
{
    static const char *const BAD[] = {"",
                                      "9464",
                                      ":9464",
                                      "host:9464",
                                      "1.2.3:1",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "[::1:9",
                                      "127.0.0.1:+80",
                                      "127.0.0.1: 80",
                                      "127.0.0.1:9464x",
                                      "127.0.0.1:99999999999999999999"};
    char longest[300];
    memset(longest, '1', sizeof longest);
    memcpy(longest + sizeof longest - 3, ":1", 3);
    for (size_t i = 0; i <= sizeof BAD / sizeof *BAD; i++) {
        struct host_port at;
        struct err err = {""};
        const char *text = i < sizeof BAD / sizeof *BAD ? BAD[i] : longest;
        ck_assert_msg(host_port_parse("--listen", text, &at, &err) == -1, "%s", text);
        ck_assert_ptr_nonnull(strstr(err.text, "--listen"));
    }
}
END_TEST

START_TEST(a_port_that_is_taken_is_said)
{
    struct host_port at = {.host = "127.0.0.1"};
    struct err err = {""};
    int port = 0;
    int fd = host_port_listen("--listen", &at, &port, &err);
    ck_assert_msg(fd >= 0 && port > 0, "%s", err.text);
    at.port = port;
    ck_assert_int_eq(host_port_listen("--listen", &at, &port, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, strerror(EADDRINUSE)));
    (void)close(fd);
}
END_TEST

START_TEST(loopback_is_told_from_the_rest)
{
    static const struct {
        const char *text, *format;
        bool loopback;
    } CASES[] = {{"127.0.0.1:1", "127.0.0.1:1", true},    {"127.9.9.9:1", "127.9.9.9:1", true},
                 {"localhost:2", "127.0.0.1:2", true},    {"[::1]:3", "[::1]:3", true},
                 {"0.0.0.0:1", "0.0.0.0:1", false},       {"[::]:1", "[::]:1", false},
                 {"10.127.0.1:1", "10.127.0.1:1", false}, {"[fe80::1]:1", "[fe80::1]:1", false}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct host_port at;
        struct strbuf text = STRBUF_INIT;
        ck_assert_int_eq(host_port_parse("--listen", CASES[i].text, &at, NULL), 0);
        ck_assert_msg(host_port_is_loopback(&at) == CASES[i].loopback, "%s", CASES[i].text);
        host_port_format(at.host, at.port, &text);
        ck_assert_str_eq(strbuf_str(&text), CASES[i].format);
        strbuf_clean_up(&text);
    }
}
END_TEST

UNIT_MAIN("host_port", loopback_is_told_from_the_rest, addresses_are_taken_apart,
          what_is_no_address_is_refused_by_the_options_name, a_port_that_is_taken_is_said)
