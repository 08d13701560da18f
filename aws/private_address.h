/*
 * Addresses that stay within a host, a link or a private network: what may be spoken to without TLS. Pure.
 *
 * Sources: RFC 1122 (127/8), RFC 3927 (169.254/16), RFC 1918 (10/8, 172.16/12, 192.168/16), RFC 6598
 * (100.64/10, which VPCs may use), RFC 4193 (fc00::/7), RFC 4291 (::1, fe80::/10, ::ffff:0:0/96).
 */
#ifndef SLUICE_AWS_PRIVATE_ADDRESS_H
#define SLUICE_AWS_PRIVATE_ADDRESS_H

#include <stdbool.h>

struct sockaddr;

/* Of AF_INET or AF_INET6; others are not. */
bool address_is_private(const struct sockaddr *address);

#endif
