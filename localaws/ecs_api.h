/*
 * ECS as service.c sees it: the engine with the clock, the loop and processes around it. In the loop's
 * thread.
 */
#ifndef SLUICE_LOCALAWS_ECS_API_H
#define SLUICE_LOCALAWS_ECS_API_H

#include "base/jsonw.h"
#include "localaws/ecs_ops.h"
#include "localaws/http_request.h"

struct event_base;
struct ecs_api;

enum ecs_tasks { ECS_TASKS_REFUSE, ECS_TASKS_PRETEND, ECS_TASKS_RUN };

struct ecs_api_options {
    const char *region, *account; /* not owned */
    enum ecs_tasks tasks;
    int64_t start_latency_ms, visible_after_ms; /* product */
    enum ecs_victims victims;
    const char *task_logs; /* NULL: our stderr; not owned */
    uint64_t seed;
};

struct ecs_api *ecs_api_new(struct event_base *base, const struct ecs_api_options *options);
/* Kills what still runs. */
void ecs_api_free(struct ecs_api *api);
/* Where tasks reach us ("http://127.0.0.1:9324"); before the first of them starts. */
void ecs_api_set_url(struct ecs_api *api, const char *url);

/* Runs an operation of ECS, or a request to a task's agent, and returns the HTTP status; the body is
 * appended. */
int ecs_api_run(struct ecs_api *api, enum ecs_op op, const struct http_request *http, struct strbuf *out);
int ecs_api_run_agent(struct ecs_api *api, const struct http_request *http, struct strbuf *out);

/* Appends an error as ECS says it. */
void ecs_api_write_error(const char *code, const char *message, struct strbuf *out);
/* An error of ECS as it reaches a task through its agent. */
void ecs_api_write_agent_error(struct ecs_api *api, const struct http_request *http, const char *code,
                               const char *message, struct strbuf *out);

/* Whether we may be called by this Host. Where commands are run it must be one that a web page cannot have
 * us called by: an address or localhost. */
bool ecs_api_host_is_good(const struct ecs_api *api, struct slice host);

/* Stops all tasks and starts no more. True: fn(arg) is called when the last process has ended, from the loop;
 * false: there is none. */
bool ecs_api_stop_tasks(struct ecs_api *api, void (*fn)(void *arg), void *arg);

/* The member "ecs" of the statistics. */
void ecs_api_write_stats(struct ecs_api *api, struct jsonw *w);
void ecs_api_forget_stats(struct ecs_api *api);

#endif
