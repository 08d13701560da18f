/* ECS and the agents of its tasks: requests and their answers; see service_parts.h. */
#include "localaws/service_parts.h"

#include "localaws/ecs_agent.h"

/* ---- operations ---- */

static int run_ecs(const struct turn *turn)
{
    struct service *service = turn->service;
    strbuf_clear(&service->body);
    if (turn->api == API_ECS_AGENT)
        return ecs_api_run_agent(service->ecs, turn->http, &service->body);
    return ecs_api_run(service->ecs, (enum ecs_op)(turn->op - API_OP_ECS), turn->http, &service->body);
}

void service_execute_ecs(const struct turn *turn)
{
    struct service *service = turn->service;
    const struct fault_plan *plan = turn->plan;
    if (service_fault_instead(turn))
        return;
    int status = run_ecs(turn);
    if (plan->is_needed && plan->has_main && plan->main.kind == FAULT_DUPLICATE) {
        /* Done twice, as by a retry behind our back; the first one answers. */
        struct strbuf first = service->body;
        service->body = (struct strbuf)STRBUF_INIT;
        (void)run_ecs(turn);
        strbuf_clean_up(&service->body);
        service->body = first;
    }
    if (status != 200 && turn->op < API_OP_MAX)
        service->stats.failures[turn->op]++;
    service_write_headers(turn, NULL, false, &service->headers);
    service_finish(turn, status);
}

/* ---- requests ---- */

/* Among the operations of all services; the one behind ECS's last is another service's first. */
static int number_of(enum ecs_op op)
{
    return op == ECS_OP_MAX ? API_OP_MAX : API_OP_ECS + (int)op;
}

/* Requests of tasks to their agent are not signed: who knows the id of a task may protect it. */
void service_on_agent_request(struct turn *turn)
{
    enum ecs_op op = ecs_agent_op(turn->http);
    turn->api = API_ECS_AGENT;
    turn->op = number_of(op);
    if (op != ECS_OP_MAX)
        service_begin(turn, (struct slice){NULL, 0});
    else
        service_execute_ecs(turn);
}

void service_on_ecs_request(struct turn *turn, struct slice target)
{
    bool is_scaling = slice_starts_with(target, ECS_SCALING_TARGET_PREFIX);
    size_t prefix_len = strlen(is_scaling ? ECS_SCALING_TARGET_PREFIX : ECS_TARGET_PREFIX);
    struct slice name = {target.at + prefix_len, target.len - prefix_len};
    enum ecs_op op = ecs_op_find(name);
    struct slice host = http_request_header(turn->http, "host");
    struct sqs_failure failure;
    turn->api = API_ECS;
    turn->op = number_of(ecs_op_is_scaling(op) == is_scaling ? op : ECS_OP_MAX);
    enum sqs_error error =
        service_authenticate(turn, is_scaling ? "application-autoscaling" : "ecs", &failure);
    if (error == SQS_OK && !ecs_api_host_is_good(turn->service->ecs, host))
        error = sqs_fail(&failure, SQS_BAD_SIGNATURE,
                         "What runs tasks is to be called by an address or localhost, not as another host.");
    if (error == SQS_OK && turn->op == API_OP_MAX)
        error = sqs_fail(&failure, SQS_UNKNOWN_OPERATION, "The operation %.*s is not known here.",
                         (int)(target.len < 100 ? target.len : 100), target.at);
    if (error != SQS_OK)
        service_refuse(turn, &failure);
    else
        service_begin(turn, (struct slice){NULL, 0});
}
