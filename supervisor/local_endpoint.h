/* sluice-localaws as a child of a demo or a measurement: started on a free port of loopback, its URL read
 * from the first line that it prints. */
#ifndef SLUICE_SUPERVISOR_LOCAL_ENDPOINT_H
#define SLUICE_SUPERVISOR_LOCAL_ENDPOINT_H

#include "base/err.h"
#include "supervisor/demo_children.h"
#include "supervisor/sandbox.h"

#include <stdint.h>

struct local_endpoint_options {
    const char *redelivery;       /* "last" or "first": where a message stands that is visible again */
    const char *task_logs;        /* ECS tasks are run as processes, with their output here; NULL: no ECS */
    int64_t ecs_start_latency_ms; /* product: how long a task takes to start */
};

/* Starts it as DEMO_LOCALAWS; it accepts only requests signed with the credentials in our environment.
 * Returns 0 or -1 with err. */
int local_endpoint_start(struct demo_children *children, const struct sandbox *sandbox,
                         const struct local_endpoint_options *options, struct err *err);

/* Where it listens, NULL when it has not said so yet; the caller frees it. */
char *local_endpoint_url(const struct demo_children *children);

#endif
