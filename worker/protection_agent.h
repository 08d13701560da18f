/*
 * Task scale-in protection by the container agent of ECS: sends what protection.h decides to
 * ${ECS_AGENT_URI}/task-protection/v1/state. It has an HTTP client of its own, so that no message ever waits
 * for it. In the loop's thread.
 */
#ifndef SLUICE_WORKER_PROTECTION_AGENT_H
#define SLUICE_WORKER_PROTECTION_AGENT_H

#include "base/err.h"
#include "worker/protection.h"

struct event_base;
struct protection_agent;

enum {
    PROTECTION_CONNECT_MS = 2000, /* real */
    PROTECTION_TIMEOUT_MS = 5000, /* real, of a whole try; the agent's own limit is 4 s */
    PROTECTION_END_MS = 500       /* real: what the last release may delay the worker's end */
};

/* NULL with err when the URI is not what ECS sets: http to a loopback or link-local host. Copied. */
struct protection_agent *protection_agent_new(struct event_base *base, const char *agent_uri, int minutes,
                                              struct err *err);

/* Cheap: to be told after every event. */
void protection_agent_set_busy(struct protection_agent *agent, bool busy);
/* No new protection from now on. */
void protection_agent_drain(struct protection_agent *agent);
/* Gives the protection back, if there may be one. True: fn(arg) comes later, within PROTECTION_END_MS. */
bool protection_agent_end(struct protection_agent *agent, void (*fn)(void *arg), void *arg);

const struct protection *protection_agent_state(const struct protection_agent *agent);
bool protection_agent_is_on(const struct protection_agent *agent);

/* Accepts NULL. */
void protection_agent_destroy(struct protection_agent *agent);

#endif
