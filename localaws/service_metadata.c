/* Container credentials and instance metadata, each on a port of its own: requests and answers; see
 * service_parts.h. */
#include "localaws/service_parts.h"

#include "base/clock.h"

int service_write_injected_metadata(const struct turn *turn, const struct fault_rule *rule)
{
    struct service *service = turn->service;
    bool throttles = rule->kind == FAULT_THROTTLE;
    strbuf_clear(&service->body);
    metadata_write_error(rule->code[0] != '\0' ? rule->code
                         : throttles           ? "Throttling"
                                               : "InternalServerException",
                         rule->message[0] != '\0' ? rule->message : "injected fault", &service->body);
    strbuf_clear(&service->headers);
    return rule->status != 0 ? rule->status : throttles ? 429 : 500;
}

void service_execute_metadata(const struct turn *turn)
{
    struct service *service = turn->service;
    const struct fault_plan *plan = turn->plan;
    if (service_fault_instead(turn))
        return;
    bool expired = plan->is_needed && plan->has_main && plan->main.kind == FAULT_EXPIRED;
    strbuf_clear(&service->headers);
    strbuf_clear(&service->body);
    int status = metadata_run(&service->metadata, (enum metadata_op)(turn->op - API_OP_METADATA), turn->http,
                              clock_wall_ms(), expired, &service->headers, &service->body);
    if (status != 200 && turn->op < API_OP_MAX)
        service->stats.failures[turn->op]++;
    service_finish(turn, status);
}

static void on_request(struct service *service, struct http_conn *conn, struct http_request *http,
                       enum metadata_op op)
{
    struct fault_plan plan; /* large: only what is needed is set */
    plan.is_needed = false;
    struct turn turn = {.service = service,
                        .conn = conn,
                        .http = http,
                        .api = API_METADATA,
                        .op = op == METADATA_OP_MAX ? API_OP_MAX : API_OP_METADATA + (int)op,
                        .request_id = "",
                        .plan = &plan};
    if (op != METADATA_OP_MAX)
        service_begin(&turn, (struct slice){NULL, 0});
    else
        service_execute_metadata(&turn);
}

static void on_container_request(void *arg, struct http_conn *conn, struct http_request *http)
{
    on_request(arg, conn, http, metadata_container_op(http));
}

static void on_instance_request(void *arg, struct http_conn *conn, struct http_request *http)
{
    on_request(arg, conn, http, metadata_instance_op(http));
}

struct http_handler service_container_handler(struct service *service)
{
    return (struct http_handler){
        .on_request = on_container_request, .on_gone = service_on_gone, .arg = service};
}

struct http_handler service_instance_handler(struct service *service)
{
    return (struct http_handler){
        .on_request = on_instance_request, .on_gone = service_on_gone, .arg = service};
}
