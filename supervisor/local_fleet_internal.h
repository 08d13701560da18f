/* Inside of a local fleet, shared by local_fleet.c (what it does) and local_fleet_report.c (what it tells).
 */
#ifndef SLUICE_SUPERVISOR_LOCAL_FLEET_INTERNAL_H
#define SLUICE_SUPERVISOR_LOCAL_FLEET_INTERNAL_H

#include "base/loop.h"
#include "supervisor/local_fleet.h"
#include "supervisor/local_slot.h"

struct local_fleet {
    const char *name;
    const struct config_local *config;
    struct orphans *orphans; /* not owned */
    const char *region;
    const char *endpoint_url;
    char *queue_url; /* owned; NULL: not known yet */
    struct local_slot_shared shared;

    int64_t desired;
    bool stopped; /* draining for good */
    bool empty_said;
    struct local_slot **slots; /* owned, oldest first */
    size_t slot_count;
    int64_t restarts_of_gone; /* of slots that are freed */
    uint64_t seed;
    struct loop_timer tidy_timer; /* next turn */

    char **own_env; /* of the last started worker: what we set ourselves */
    size_t own_env_count;
    const char **envp; /* the whole of it */

    void (*on_empty)(void *arg);
    void *empty_arg;
};

#endif
