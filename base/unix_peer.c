/* A name for the peers of unix sockets, where the C library has none; see unix_peer.h. */
#include "base/unix_peer.h"

#ifdef SLUICE_HAVE_UNIX_GETNAMEINFO

void unix_peer_prepare(void)
{
}

#else

#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

typedef int getnameinfo_fn(const struct sockaddr *restrict, socklen_t, char *restrict, socklen_t,
                           char *restrict, socklen_t, int);

/* The C library's own, which ours stands in front of. */
static getnameinfo_fn *the_librarys(void)
{
    getnameinfo_fn *function = NULL;
    void *symbol = dlsym(RTLD_NEXT, "getnameinfo");
    memcpy(&function, &symbol, sizeof function); /* POSIX lets it be a void *, C does not let it be cast */
    return function;
}

/* Takes the C library's place for all of the process, libevent included: a program comes before its
 * libraries. Unix sockets have the name and service that glibc gives to peers without a path; all else is the
 * library's affair. */
int getnameinfo(const struct sockaddr *restrict address, socklen_t address_len, char *restrict host,
                socklen_t host_len, char *restrict service, socklen_t service_len, int flags)
{
    if (address_len >= sizeof address->sa_family && address->sa_family == AF_UNIX) {
        if (host != NULL && snprintf(host, host_len, "localhost") >= (int)host_len)
            return EAI_OVERFLOW;
        if (service != NULL && service_len > 0)
            service[0] = '\0';
        return 0;
    }
    getnameinfo_fn *function = the_librarys();
    return function != NULL ? function(address, address_len, host, host_len, service, service_len, flags)
                            : EAI_FAIL;
}

/* Who calls this has the definition above linked into the program. */
void unix_peer_prepare(void)
{
}

#endif
