/* Which addresses stay within private networks, at their borders. */
#include "tests/unit/unit.h"

#include "aws/private_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/un.h>

static bool is_private(const char *text)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&storage;
    if (inet_pton(AF_INET, text, &v4->sin_addr) != 1) {
        storage.ss_family = AF_INET6;
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    }
    return address_is_private((const struct sockaddr *)(const void *)&storage);
}

START_TEST(what_is_private)
{
    static const char *const PRIVATE[] = {"127.0.0.1",  "127.255.255.255", "10.0.0.0",    "10.255.255.255",
                                          "172.16.0.0", "172.31.255.255",  "192.168.0.1", "169.254.170.2",
                                          "100.64.0.0", "100.127.255.255", "::1",         "fe80::1",
                                          "febf::1",    "fc00::1",         "fdff::1",     "::ffff:10.1.2.3"};
    for (size_t i = 0; i < sizeof PRIVATE / sizeof PRIVATE[0]; i++)
        ck_assert_msg(is_private(PRIVATE[i]), "%s", PRIVATE[i]);
}
END_TEST

START_TEST(what_is_not)
{
    static const char *const PUBLIC[] = {"126.255.255.255", "128.0.0.1",   "9.255.255.255",   "11.0.0.0",
                                         "172.15.255.255",  "172.32.0.0",  "192.167.255.255", "192.169.0.0",
                                         "169.253.0.1",     "169.255.0.1", "100.63.255.255",  "100.128.0.0",
                                         "0.0.0.0",         "8.8.8.8",     "2001:db8::1",     "fec0::1",
                                         "fb00::1",         "::2",         "::ffff:8.8.8.8"};
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    for (size_t i = 0; i < sizeof PUBLIC / sizeof PUBLIC[0]; i++)
        ck_assert_msg(!is_private(PUBLIC[i]), "%s", PUBLIC[i]);
    ck_assert(!address_is_private((const struct sockaddr *)(const void *)&unix_address));
}
END_TEST

UNIT_MAIN("private_address", what_is_private, what_is_not)
