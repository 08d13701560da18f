/* Requests that wait, answers, errors, and the faults that replace them; see service_parts.h. */
#include "localaws/service_parts.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- calls ---- */

struct call *service_call_new(const struct turn *turn, enum call_wait wait)
{
    struct service *service = turn->service;
    struct call *call = xcalloc(1, sizeof *call);
    call->service = service;
    call->conn = turn->conn;
    call->wait = wait;
    call->api = turn->api;
    call->protocol = turn->protocol;
    call->op = turn->op;
    call->plan = *turn->plan;
    (void)snprintf(call->request_id, sizeof call->request_id, "%s", turn->request_id);
    call->next = service->calls;
    if (call->next != NULL)
        call->next->prev = call;
    service->calls = call;
    http_conn_set_data(turn->conn, call);
    return call;
}

void service_call_free(struct call *call)
{
    struct service *service = call->service;
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        service->calls = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    sqs_engine_cancel(service->engine, &call->waiter);
    loop_timer_clean_up(&call->timer);
    if (call->wait == CALL_FOR_MESSAGE)
        sqs_receive_view_clean_up(&call->view);
    free(call->request);
    strbuf_clean_up(&call->headers);
    strbuf_clean_up(&call->body);
    free(call);
}

/* ---- answers ---- */

static const char *content_type(const struct turn *turn)
{
    if (turn->api == API_METADATA)
        return turn->op == API_OP_METADATA + METADATA_CONTAINER_CREDENTIALS ? "application/json"
                                                                            : "text/plain";
    if (turn->api == API_ECS_AGENT)
        return "application/json";
    if (turn->api == API_ECS)
        return "application/x-amz-json-1.1"; /* the others speak 1.0 */
    return turn->protocol == SQS_PROTOCOL_JSON ? "application/x-amz-json-1.0" : "text/xml";
}

void service_send_reply(const struct turn *turn, int status, const struct strbuf *headers,
                        const struct strbuf *body, bool truncate)
{
    struct http_reply reply = HTTP_REPLY_INIT;
    reply.status = status;
    reply.content_type = content_type(turn);
    reply.headers = strbuf_str(headers);
    reply.body = body->data;
    reply.body_len = body->len;
    if (truncate)
        reply.truncate_to = body->len / 2;
    http_conn_set_data(turn->conn, NULL);
    http_reply(turn->conn, &reply);
}

void service_write_headers(const struct turn *turn, const char *query_error, bool sender_fault,
                           struct strbuf *headers)
{
    strbuf_clear(headers);
    strbuf_append_str(headers, "x-amzn-RequestId: ");
    strbuf_append_str(headers, turn->request_id);
    strbuf_append(headers, "\r\n", 2);
    if (query_error != NULL && turn->protocol == SQS_PROTOCOL_JSON)
        strbuf_appendf(headers, "x-amzn-query-error: %s;%s\r\n", query_error,
                       sender_fault ? "Sender" : "Receiver");
}

/* Fills the scratch body and headers with an error of ECS; returns its HTTP status. */
static int write_ecs_failure(const struct turn *turn, const char *code, int status, const char *message)
{
    struct service *service = turn->service;
    strbuf_clear(&service->body);
    if (turn->api == API_ECS_AGENT)
        ecs_api_write_agent_error(service->ecs, turn->http, code, message, &service->body);
    else
        ecs_api_write_error(code, message, &service->body);
    service_write_headers(turn, NULL, false, &service->headers);
    return status;
}

/* Fills the scratch body and headers with an error; returns its HTTP status. */
int service_write_failure(const struct turn *turn, const struct sqs_failure *failure)
{
    struct service *service = turn->service;
    const struct sqs_error_info *info = sqs_error_info(failure->error);
    if (api_is_rpc(turn->api))
        return service_write_rpc_refusal(turn, failure);
    if (turn->api != API_SQS)
        return write_ecs_failure(turn, info->shape, 400, failure->message);
    strbuf_clear(&service->body);
    sqs_reply_error(turn->protocol, &service->body, failure, turn->request_id);
    service_write_headers(turn, info->query, info->sender_fault, &service->headers);
    return info->status;
}

static int write_injected_ecs(const struct turn *turn, const struct fault_rule *rule)
{
    enum ecs_error fallback = rule->kind == FAULT_THROTTLE ? ECS_THROTTLED : ECS_SERVER;
    enum ecs_error error = rule->code[0] == '\0' ? fallback : ecs_error_find(slice_of(rule->code));
    int status = error != ECS_OK ? ecs_error_status(error) : ecs_error_status(fallback);
    const char *message = rule->kind == FAULT_THROTTLE ? "Rate exceeded" : "injected fault";
    return write_ecs_failure(turn, error != ECS_OK ? ecs_error_code(error) : rule->code,
                             rule->status != 0 ? rule->status : status,
                             rule->message[0] != '\0' ? rule->message : message);
}

/* The same for an injected error, whose code may be one that SQS does not have. */
static int write_injected(const struct turn *turn, const struct fault_rule *rule)
{
    struct service *service = turn->service;
    if (turn->api == API_METADATA)
        return service_write_injected_metadata(turn, rule);
    if (api_is_rpc(turn->api))
        return service_write_injected_rpc(turn, rule);
    if (turn->api != API_SQS)
        return write_injected_ecs(turn, rule);
    enum sqs_error fallback = rule->kind == FAULT_THROTTLE ? SQS_THROTTLED : SQS_INTERNAL;
    enum sqs_error error = rule->code[0] == '\0' ? fallback : sqs_error_find(slice_of(rule->code));
    const struct sqs_error_info *info = sqs_error_info(error == SQS_OK ? fallback : error);
    const char *shape = error == SQS_OK ? rule->code : info->shape;
    const char *code = error == SQS_OK ? rule->code : info->query;
    int status = rule->status != 0                                 ? rule->status
                 : error == SQS_OK && rule->kind == FAULT_THROTTLE ? 400
                                                                   : info->status;
    char type[160];
    (void)snprintf(type, sizeof type, "%s#%s",
                   info->is_coral ? "com.amazon.coral.service" : "com.amazonaws.sqs", shape);
    struct sqs_error_parts parts = {.type = type,
                                    .code = code,
                                    .is_coral = info->is_coral,
                                    .sender_fault = status < 500,
                                    .message = rule->message[0] != '\0' ? rule->message : "injected fault"};
    strbuf_clear(&service->body);
    sqs_reply_error_parts(turn->protocol, &service->body, &parts, turn->request_id);
    service_write_headers(turn, code, parts.sender_fault, &service->headers);
    return status;
}

static void on_answer_due(void *arg)
{
    struct call *call = arg;
    struct turn turn = {.service = call->service,
                        .conn = call->conn,
                        .api = call->api,
                        .protocol = call->protocol,
                        .op = call->op};
    service_send_reply(&turn, call->status, &call->headers, &call->body,
                       call->plan.has_main && call->plan.main.kind == FAULT_TRUNCATE);
    service_call_free(call);
}

/* Answers with scratch headers and body, unless a fault wants otherwise. The operation has been done. */
void service_finish(const struct turn *turn, int status)
{
    struct service *service = turn->service;
    const struct fault_plan *plan = turn->plan;
    bool has_after = plan->is_needed && plan->has_main && plan->main.after;
    if (has_after && (plan->main.kind == FAULT_ERROR || plan->main.kind == FAULT_THROTTLE))
        status = write_injected(turn, &plan->main);
    if (has_after && plan->main.kind == FAULT_HANG) {
        (void)service_call_new(turn, CALL_FOR_EVER);
        return;
    }
    if (has_after && plan->main.kind == FAULT_RESET) {
        http_conn_set_data(turn->conn, NULL);
        http_reset(turn->conn);
        return;
    }
    if (plan->is_needed && plan->latency_after_ms > 0) {
        struct call *call = service_call_new(turn, CALL_FOR_ANSWER);
        call->status = status;
        strbuf_append(&call->headers, service->headers.data, service->headers.len);
        strbuf_append(&call->body, service->body.data, service->body.len);
        loop_timer_init(&call->timer, service->base, on_answer_due, call);
        loop_timer_arm_real_ms(&call->timer, plan->latency_after_ms);
        return;
    }
    service_send_reply(turn, status, &service->headers, &service->body,
                       plan->is_needed && plan->has_main && plan->main.kind == FAULT_TRUNCATE);
}

/* ---- faults before and during the operation ---- */

/* True when the operation is not to happen; the request has then been dealt with. */
bool service_fault_instead(const struct turn *turn)
{
    const struct fault_plan *plan = turn->plan;
    if (!plan->is_needed || !plan->has_main || plan->main.after)
        return false;
    switch (plan->main.kind) {
    case FAULT_ENTRY_ERROR:
        if (turn->op == API_OP_CLOUDWATCH + CLOUDWATCH_GET_METRIC_DATA ||
            (turn->api == API_SQS && sqs_op_is_batch((enum sqs_op)turn->op)))
            return false;
        service_send_reply(turn, write_injected(turn, &plan->main), &turn->service->headers,
                           &turn->service->body, false);
        return true;
    case FAULT_ERROR:
    case FAULT_THROTTLE:
        service_finish(turn, write_injected(turn, &plan->main));
        return true;
    case FAULT_HANG:
        (void)service_call_new(turn, CALL_FOR_EVER);
        return true;
    case FAULT_RESET:
        http_reset(turn->conn);
        return true;
    default:
        return false;
    }
}
