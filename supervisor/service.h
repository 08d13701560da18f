/*
 * The supervisor as a service: answers /healthz, /readyz and /metrics, serves the admin socket's GET routes
 * on admin.listen as well, keeps the heartbeat of the event loop, and tells systemd. Belongs to the loop's
 * thread.
 */
#ifndef SLUICE_SUPERVISOR_SERVICE_H
#define SLUICE_SUPERVISOR_SERVICE_H

#include "base/err.h"
#include "base/jsonw.h"
#include "base/status_server.h"
#include "supervisor/config.h"
#include "supervisor/fleet_facts.h"

#include <stdbool.h>

struct event_base;
struct service;

struct service_options {
    struct event_base *base;
    const struct config *config;       /* outlives the service */
    const struct status_route *routes; /* of the admin socket; outlive the service */
    void *route_arg;
    bool listens_later; /* the address belongs to another supervisor of this host: service_listen() will */
    /* Fills in everything but the heartbeat; fleets and operations are on the heap, the service frees them.
     */
    void (*get_facts)(void *arg, struct supervisor_facts *ret_facts);
    void *arg;
};

/* Listens on admin.listen, if it is set. NULL with err when that fails. */
struct service *service_new(const struct service_options *options, struct err *err);
void service_destroy(struct service *service); /* accepts NULL */

/* Listens on admin.listen after all (options.listens_later). Returns 0 or -1 with err. */
int service_listen(struct service *service, struct err *err);

/* The supervisor works, or follows one that does: tells systemd READY, and begins to feed its watchdog from
 * the loop. */
void service_started(struct service *service);
/* It has begun to drain. */
void service_stopping(struct service *service);

/* The handlers of the three paths. */
void service_answer_alive(const struct service *service, struct status_reply *reply);
void service_answer_ready(const struct service *service, struct status_reply *reply);
void service_answer_metrics(const struct service *service, struct status_reply *reply);

/* Writes the member "admin" of the status: socket, and the address that is listened on, with its real port.
 */
void service_write_status(const struct service *service, struct jsonw *w);

#endif
