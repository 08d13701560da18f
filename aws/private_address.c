/* Private addresses; see private_address.h. */
#include "aws/private_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

static bool is_private_v4(uint32_t host)
{
    static const struct {
        uint32_t net;
        int bits;
    } NETS[] = {{0x7F000000, 8},  {0xA9FE0000, 16}, {0x0A000000, 8},
                {0xAC100000, 12}, {0xC0A80000, 16}, {0x64400000, 10}};
    for (size_t i = 0; i < sizeof NETS / sizeof NETS[0]; i++)
        if (host >> (32 - NETS[i].bits) == NETS[i].net >> (32 - NETS[i].bits))
            return true;
    return false;
}

bool address_is_private(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    uint32_t mapped = 0;
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return is_private_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&v6, address, sizeof v6);
    memcpy(&mapped, &v6.sin6_addr.s6_addr[12], sizeof mapped);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        return is_private_v4(ntohl(mapped));
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) || IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) ||
           (v6.sin6_addr.s6_addr[0] & 0xFE) == 0xFC;
}
