/*
 * evhttp on unix sockets with every C library. libevent 2.1 asks getnameinfo() for the name of each peer and
 * ends the process when there is none (http.c, name_from_addr()); glibc has one for unix sockets, musl has
 * not. Source: libevent's issue 1615.
 */
#ifndef SLUICE_BASE_UNIX_PEER_H
#define SLUICE_BASE_UNIX_PEER_H

/* Sees to it that evhttp may serve a unix socket in this process. Call it before evhttp gets such a listener;
 * any number of times, in any thread. */
void unix_peer_prepare(void);

#endif
