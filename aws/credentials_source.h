/* What the sources of credentials that have to be asked have in common. Everything runs in one loop. */
#ifndef SLUICE_AWS_CREDENTIALS_SOURCE_H
#define SLUICE_AWS_CREDENTIALS_SOURCE_H

#include "aws/credentials.h"

#include <stddef.h>

struct event_base;
struct http_client;

/* What a question needs; must outlive it. */
struct credentials_io {
    struct event_base *base;
    struct http_client *http; /* for container and instance endpoints alone, never for AWS services */
    const char *region;       /* of STS; NULL: as usual */
};

/* A question under way, the first member of each source's own struct. It ends by its callback, once, from the
 * loop and never from within its start, or by being cancelled; it frees itself in both cases. */
struct credentials_fetch {
    void (*cancel)(struct credentials_fetch *fetch);
};

/* Stops a question; its callback will not come. Accepts NULL. */
static inline void credentials_fetch_cancel(struct credentials_fetch *fetch)
{
    if (fetch != NULL)
        fetch->cancel(fetch);
}

#endif
