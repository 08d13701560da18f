/*
 * What the container agent of ECS offers to a task under ECS_AGENT_URI and ECS_CONTAINER_METADATA_URI_V4:
 * task protection, and the least of the metadata. Sources: amazon-ecs-agent, its task-protection handlers and
 * the task metadata endpoint version 4. Pure; one thread.
 */
#ifndef SLUICE_LOCALAWS_ECS_AGENT_H
#define SLUICE_LOCALAWS_ECS_AGENT_H

#include "localaws/ecs_ops.h"
#include "localaws/http_request.h"

/* Whether a path is one of the agent's: /api/... or /v4/... */
bool ecs_agent_has(struct slice path);

/* The operation of ECS behind the request: ECS_OP_MAX for metadata and for what is not there. */
enum ecs_op ecs_agent_op(const struct http_request *request);

/* Answers a request: returns the HTTP status and appends the body. */
int ecs_agent_run(struct ecs_engine *engine, const struct http_request *request, int64_t now_ms,
                  struct strbuf *out);

/* An error of ECS as the agent passes it through. */
void ecs_agent_write_error(const struct ecs_task *task, const char *code, const char *message,
                           struct strbuf *out);

/* The task that a path is about, or NULL. */
struct ecs_task *ecs_agent_task(const struct ecs_engine *engine, struct slice path);

#endif
