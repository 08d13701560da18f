/* From an HTTP request to its answer; see service.h. */
#include "localaws/service.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "localaws/admin.h"
#include "localaws/ecs_agent.h"
#include "localaws/sqs_decode.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>

/* What a call waits for before it goes on; each value but the last has a deadline or a waiter behind it. */
enum call_wait {
    CALL_FOR_START,   /* latency before the operation */
    CALL_FOR_MESSAGE, /* a long poll */
    CALL_FOR_ANSWER,  /* latency after it */
    CALL_FOR_EVER,    /* a hang: until the client leaves */
};

/* A request that is not answered at once. */
struct call {
    struct sqs_waiter waiter; /* CALL_FOR_MESSAGE */
    struct call *prev, *next; /* in service->calls */
    struct service *service;
    struct http_conn *conn;
    enum call_wait wait;
    struct loop_timer timer; /* CALL_FOR_START, CALL_FOR_ANSWER */
    enum api api;
    enum sqs_protocol protocol; /* API_SQS */
    int op;
    char request_id[SQS_UUID_BYTES];
    struct fault_plan plan;
    struct sqs_receive_view view; /* CALL_FOR_MESSAGE */
    struct sqs_request *request;  /* CALL_FOR_START of API_SQS; owned */
    struct http_request *http;    /* CALL_FOR_START; the connection's, valid while it waits for us */
    int status;                   /* CALL_FOR_ANSWER: the reply kept back */
    struct strbuf headers, body;
};

/* A request on its way through; on the stack. */
struct turn {
    struct service *service;
    struct http_conn *conn;
    struct http_request *http;
    enum api api;
    enum sqs_protocol protocol;  /* API_SQS */
    int op;                      /* see api.h */
    struct sqs_request *request; /* API_SQS */
    const char *request_id;
    struct fault_plan *plan;
};

struct service {
    struct event_base *base;
    struct http_server *server;
    struct sqs_engine *engine;
    struct ecs_api *ecs;
    struct auth auth;
    bool verifies;
    char *region; /* owned */
    struct faults faults;
    struct service_stats stats;
    struct loop_timer engine_timer;
    int64_t engine_due_ms; /* what engine_timer is armed for; INT64_MAX: nothing */
    struct call *calls;

    /* scratch of the request in hand */
    struct sqs_request request;
    struct sqs_param params[SQS_PARAMS_MAX];
    struct strbuf body, headers, base_url;
};

/* ---- time ---- */

static void arm_engine_timer(struct service *service, int64_t now_ms)
{
    int64_t next_ms = sqs_engine_next_ms(service->engine);
    if (next_ms == service->engine_due_ms)
        return;
    service->engine_due_ms = next_ms;
    if (next_ms == INT64_MAX)
        loop_timer_cancel(&service->engine_timer);
    else
        loop_timer_arm_product_ms(&service->engine_timer, next_ms - now_ms);
}

/* Reads the clock for one step of the engine; returns the step's now_ms. */
static int64_t engine_now_ms(struct service *service)
{
    int64_t now_us = clock_product_us();
    sqs_engine_set_now_us(service->engine, now_us);
    return now_us / 1000;
}

static void settle(struct service *service)
{
    int64_t now_ms = engine_now_ms(service);
    sqs_engine_settle(service->engine, now_ms);
    arm_engine_timer(service, now_ms);
}

static void on_engine_timer(void *arg)
{
    struct service *service = arg;
    service->engine_due_ms = INT64_MAX;
    settle(service);
}

/* ---- calls ---- */

static struct call *call_new(const struct turn *turn, enum call_wait wait)
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
    memcpy(call->request_id, turn->request_id, sizeof call->request_id);
    call->next = service->calls;
    if (call->next != NULL)
        call->next->prev = call;
    service->calls = call;
    http_conn_set_data(turn->conn, call);
    return call;
}

static void call_free(struct call *call)
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

static void on_gone(void *arg, struct http_conn *conn)
{
    struct service *service = arg;
    struct call *call = http_conn_data(conn);
    service->stats.gone++;
    if (call != NULL)
        call_free(call);
    arm_engine_timer(service, clock_product_ms());
}

/* ---- answers ---- */

static const char *content_type(const struct turn *turn)
{
    if (turn->api == API_ECS_AGENT)
        return "application/json";
    if (turn->api == API_ECS)
        return "application/x-amz-json-1.1";
    return turn->protocol == SQS_PROTOCOL_JSON ? "application/x-amz-json-1.0" : "text/xml";
}

static void send_reply(const struct turn *turn, int status, const struct strbuf *headers,
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

static void write_headers(const struct turn *turn, const char *query_error, bool sender_fault,
                          struct strbuf *headers)
{
    strbuf_clear(headers);
    strbuf_append_str(headers, "x-amzn-RequestId: ");
    strbuf_append_str(headers, turn->request_id);
    strbuf_append(headers, "\r\n", 2);
    if (query_error != NULL && turn->api == API_SQS && turn->protocol == SQS_PROTOCOL_JSON)
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
    write_headers(turn, NULL, false, &service->headers);
    return status;
}

/* Fills the scratch body and headers with an error; returns its HTTP status. */
static int write_failure(const struct turn *turn, const struct sqs_failure *failure)
{
    struct service *service = turn->service;
    const struct sqs_error_info *info = sqs_error_info(failure->error);
    if (turn->api != API_SQS)
        return write_ecs_failure(turn, info->shape, 400, failure->message);
    strbuf_clear(&service->body);
    sqs_reply_error(turn->protocol, &service->body, failure, turn->request_id);
    write_headers(turn, info->query, info->sender_fault, &service->headers);
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
    write_headers(turn, code, parts.sender_fault, &service->headers);
    return status;
}

static void on_answer_due(void *arg)
{
    struct call *call = arg;
    struct turn turn = {
        .service = call->service, .conn = call->conn, .api = call->api, .protocol = call->protocol};
    send_reply(&turn, call->status, &call->headers, &call->body,
               call->plan.has_main && call->plan.main.kind == FAULT_TRUNCATE);
    call_free(call);
}

/* Answers with scratch headers and body, unless a fault wants otherwise. The operation has been done. */
static void finish(const struct turn *turn, int status)
{
    struct service *service = turn->service;
    const struct fault_plan *plan = turn->plan;
    bool has_after = plan->is_needed && plan->has_main && plan->main.after;
    if (has_after && (plan->main.kind == FAULT_ERROR || plan->main.kind == FAULT_THROTTLE))
        status = write_injected(turn, &plan->main);
    if (has_after && plan->main.kind == FAULT_HANG) {
        (void)call_new(turn, CALL_FOR_EVER);
        return;
    }
    if (has_after && plan->main.kind == FAULT_RESET) {
        http_conn_set_data(turn->conn, NULL);
        http_reset(turn->conn);
        return;
    }
    if (plan->is_needed && plan->latency_after_ms > 0) {
        struct call *call = call_new(turn, CALL_FOR_ANSWER);
        call->status = status;
        strbuf_append(&call->headers, service->headers.data, service->headers.len);
        strbuf_append(&call->body, service->body.data, service->body.len);
        loop_timer_init(&call->timer, service->base, on_answer_due, call);
        loop_timer_arm_real_ms(&call->timer, plan->latency_after_ms);
        return;
    }
    send_reply(turn, status, &service->headers, &service->body,
               plan->is_needed && plan->has_main && plan->main.kind == FAULT_TRUNCATE);
}

/* ---- faults before and during the operation ---- */

/* True when the operation is not to happen; the request has then been dealt with. */
static bool fault_instead(const struct turn *turn)
{
    const struct fault_plan *plan = turn->plan;
    if (!plan->is_needed || !plan->has_main || plan->main.after)
        return false;
    switch (plan->main.kind) {
    case FAULT_ENTRY_ERROR:
        if (turn->api == API_SQS && sqs_op_is_batch((enum sqs_op)turn->op))
            return false;
        send_reply(turn, write_injected(turn, &plan->main), &turn->service->headers, &turn->service->body,
                   false);
        return true;
    case FAULT_ERROR:
    case FAULT_THROTTLE:
        finish(turn, write_injected(turn, &plan->main));
        return true;
    case FAULT_HANG:
        (void)call_new(turn, CALL_FOR_EVER);
        return true;
    case FAULT_RESET:
        http_reset(turn->conn);
        return true;
    default:
        return false;
    }
}

static bool entry_fails(void *arg, struct sqs_failure *failure)
{
    struct fault_rule *rule = arg;
    if (!faults_throw(rule, rule->entry_probability))
        return false;
    enum sqs_error error = sqs_error_find(slice_of(rule->code));
    (void)sqs_fail(failure, error == SQS_OK ? SQS_INTERNAL : error, "%s",
                   rule->message[0] != '\0' ? rule->message : "injected fault");
    return true;
}

static void freeze_counts(struct sqs_queue *queue, const struct fault_plan *plan, int64_t now_ms)
{
    struct sqs_counts_fault *fault = &queue->counts_fault;
    if (now_ms >= fault->until_ms)
        *fault = (struct sqs_counts_fault){.until_ms = 0};
    if (plan->has_stale && !fault->is_stale) {
        fault->is_stale = true;
        fault->frozen = sqs_queue_counts(queue);
        fault->until_ms = now_ms + plan->stale.hold_ms;
    }
    if (plan->has_noisy) {
        fault->noise = plan->noisy.noise;
        fault->random = fault->random != 0 ? fault->random : plan->noisy.seed + 1;
        fault->until_ms =
            fault->until_ms > now_ms + plan->noisy.hold_ms ? fault->until_ms : now_ms + plan->noisy.hold_ms;
    }
}

/* Counts become stale as they are before the operation; operations without a queue concern all queues. */
static void apply_count_faults(const struct turn *turn, const struct sqs_context *context)
{
    struct sqs_failure ignored;
    const struct fault_plan *plan = turn->plan;
    if (!plan->is_needed || (!plan->has_stale && !plan->has_noisy))
        return;
    struct sqs_queue *queue = sqs_ops_queue(context, turn->request, &ignored);
    if (queue != NULL) {
        freeze_counts(queue, plan, context->now_ms);
        return;
    }
    size_t position = 0;
    while ((queue = strmap_next(&context->engine->queues, &position)) != NULL)
        freeze_counts(queue, plan, context->now_ms);
}

/* ---- the operation ---- */

static void on_wait_end(struct sqs_waiter *waiter, enum sqs_wait_end end, struct sqs_message *const *messages,
                        size_t count)
{
    struct call *call = (struct call *)(void *)waiter; /* the waiter is its first member */
    struct service *service = call->service;
    struct turn turn = {.service = service,
                        .conn = call->conn,
                        .protocol = call->protocol,
                        .op = call->op,
                        .request_id = call->request_id,
                        .plan = &call->plan};
    int status = 200;
    strbuf_clear(&service->body);
    if (end == SQS_WAIT_DELETED) {
        struct sqs_failure failure;
        (void)sqs_fail(&failure, SQS_QUEUE_DOES_NOT_EXIST, "The specified queue does not exist.");
        status = write_failure(&turn, &failure);
    } else {
        sqs_ops_write_messages(service->engine, call->protocol, call->request_id, &call->view, messages,
                               count, &service->body);
        write_headers(&turn, NULL, false, &service->headers);
    }
    if (call->plan.is_needed && call->plan.has_main && call->plan.main.kind == FAULT_DUPLICATE)
        for (size_t i = 0; i < count; i++)
            sqs_engine_repeat(service->engine, messages[i]);
    http_conn_set_data(call->conn, NULL);
    finish(&turn, status);
    call_free(call);
}

static void wait_for_message(const struct turn *turn, const struct sqs_receive_wait *wait)
{
    struct call *call = call_new(turn, CALL_FOR_MESSAGE);
    call->view = wait->view;
    sqs_receive_view_keep(&call->view);
    call->waiter.max = wait->max;
    call->waiter.visibility_ms = wait->visibility_ms;
    call->waiter.attempt_id = wait->attempt_id;
    call->waiter.fn = on_wait_end;
    sqs_engine_wait(turn->service->engine, wait->queue, &call->waiter, wait->end_ms);
}

static void set_base_url(const struct turn *turn)
{
    struct strbuf *url = &turn->service->base_url;
    struct slice host = http_request_header(turn->http, "host");
    strbuf_clear(url);
    strbuf_append_str(url, "http://");
    if (host.len > 0)
        strbuf_append(url, host.at, host.len);
    else
        strbuf_appendf(url, "127.0.0.1:%d", http_server_port(turn->service->server));
}

static enum sqs_error run_operation(const struct turn *turn, struct sqs_context *context,
                                    struct sqs_failure *failure)
{
    struct service *service = turn->service;
    const struct fault_plan *plan = turn->plan;
    bool has_main = plan->is_needed && plan->has_main;
    if (has_main && plan->main.kind == FAULT_ENTRY_ERROR) {
        context->entry_fails = entry_fails;
        context->entry_fails_arg = &turn->plan->main;
    }
    context->repeat_received = has_main && plan->main.kind == FAULT_DUPLICATE;
    apply_count_faults(turn, context);
    enum sqs_error error = sqs_ops_run(context, turn->request, &service->body, failure);
    if (context->repeat_received && error == SQS_OK && turn->op != SQS_RECEIVE_MESSAGE) {
        struct strbuf ignored_body =
            STRBUF_INIT; /* done twice, as by a retry behind our back; the first one answers */
        struct sqs_failure ignored;
        (void)sqs_ops_run(context, turn->request, &ignored_body, &ignored);
        strbuf_clean_up(&ignored_body);
    }
    return error;
}

static int run_ecs(const struct turn *turn)
{
    struct service *service = turn->service;
    strbuf_clear(&service->body);
    if (turn->api == API_ECS_AGENT)
        return ecs_api_run_agent(service->ecs, turn->http, &service->body);
    return ecs_api_run(service->ecs, (enum ecs_op)(turn->op - API_OP_ECS), turn->http, &service->body);
}

static void execute_ecs(const struct turn *turn)
{
    struct service *service = turn->service;
    const struct fault_plan *plan = turn->plan;
    if (fault_instead(turn))
        return;
    int status = run_ecs(turn);
    if (plan->is_needed && plan->has_main && plan->main.kind == FAULT_DUPLICATE) {
        struct strbuf first =
            service->body; /* done twice, as by a retry behind our back; the first answers */
        service->body = (struct strbuf)STRBUF_INIT;
        (void)run_ecs(turn);
        strbuf_clean_up(&service->body);
        service->body = first;
    }
    if (status != 200 && turn->op < API_OP_MAX)
        service->stats.failures[turn->op]++;
    write_headers(turn, NULL, false, &service->headers);
    finish(turn, status);
}

static void execute(const struct turn *turn)
{
    struct service *service = turn->service;
    struct sqs_failure failure;
    int status = 200;
    if (turn->api != API_SQS) {
        execute_ecs(turn);
        return;
    }
    if (fault_instead(turn))
        return;
    set_base_url(turn);
    struct sqs_context context = {.engine = service->engine,
                                  .base_url = {service->base_url.data, service->base_url.len},
                                  .path = turn->http->path,
                                  .protocol = turn->protocol,
                                  .request_id = turn->request_id,
                                  .now_ms = engine_now_ms(service)};
    sqs_engine_settle(service->engine, context.now_ms);
    if (run_operation(turn, &context, &failure) != SQS_OK) {
        service->stats.failures[turn->op]++;
        status = write_failure(turn, &failure);
    } else {
        write_headers(turn, NULL, false, &service->headers);
    }
    if (context.wait.is_wanted)
        wait_for_message(turn, &context.wait);
    else
        finish(turn, status);
    sqs_engine_settle(service->engine, context.now_ms);
    arm_engine_timer(service, context.now_ms);
}

static void on_start_due(void *arg)
{
    struct call *call = arg;
    struct turn turn = {.service = call->service,
                        .conn = call->conn,
                        .http = call->http,
                        .api = call->api,
                        .protocol = call->protocol,
                        .op = call->op,
                        .request = call->request,
                        .request_id = call->request_id,
                        .plan = &call->plan};
    http_conn_set_data(call->conn, NULL);
    execute(&turn);
    call_free(call);
}

static void start(const struct turn *turn)
{
    struct service *service = turn->service;
    if (!turn->plan->is_needed || turn->plan->latency_before_ms == 0) {
        execute(turn);
        return;
    }
    struct call *call = call_new(turn, CALL_FOR_START);
    if (turn->api == API_SQS) {
        call->request = xmalloc(sizeof *call->request);
        *call->request = *turn->request;
    }
    call->http = turn->http;
    loop_timer_init(&call->timer, service->base, on_start_due, call);
    loop_timer_arm_real_ms(&call->timer, turn->plan->latency_before_ms);
}

/* ---- requests ---- */

/* The name of the queue that a request is about, for rules that are about one queue. */
static struct slice queue_name_of(const struct turn *turn)
{
    struct slice url = turn->request->queue_url.at != NULL ? turn->request->queue_url : turn->http->path;
    const char *slash = url.len == 0 ? NULL : memrchr(url.at, '/', url.len);
    if (turn->request->queue_name.at != NULL)
        return turn->request->queue_name;
    return slash == NULL ? url : (struct slice){slash + 1, (size_t)(url.at + url.len - slash - 1)};
}

/* Throws the dice and begins. */
static void begin(struct turn *turn, struct slice queue)
{
    struct service *service = turn->service;
    service->stats.calls[turn->op]++;
    if (service->faults.count > 0)
        faults_plan(&service->faults, turn->op, queue, turn->plan);
    start(turn);
}

static void refuse(const struct turn *turn, const struct sqs_failure *failure)
{
    turn->service->stats.refused++;
    int status = write_failure(turn, failure);
    send_reply(turn, status, &turn->service->headers, &turn->service->body, false);
}

static enum sqs_error authenticate(const struct turn *turn, const char *service_name,
                                   struct sqs_failure *failure)
{
    struct service *service = turn->service;
    if (!service->verifies)
        return SQS_OK;
    return auth_check(&service->auth, turn->http, service_name, clock_wall_ms(), failure);
}

/* Requests of tasks to their agent are not signed: who knows the id of a task may protect it. */
static void on_agent_request(struct turn *turn)
{
    enum ecs_op op = ecs_agent_op(turn->http);
    turn->api = API_ECS_AGENT;
    turn->op = API_OP_ECS + (int)op;
    if (op != ECS_OP_MAX)
        begin(turn, (struct slice){NULL, 0});
    else
        execute_ecs(turn);
}

static void on_ecs_request(struct turn *turn, struct slice target)
{
    struct slice name = {target.at + strlen(ECS_TARGET_PREFIX), target.len - strlen(ECS_TARGET_PREFIX)};
    struct slice host = http_request_header(turn->http, "host");
    struct sqs_failure failure;
    turn->api = API_ECS;
    turn->op = API_OP_ECS + (int)ecs_op_find(name);
    enum sqs_error error = authenticate(turn, "ecs", &failure);
    if (error == SQS_OK && !ecs_api_host_is_good(host))
        error = sqs_fail(&failure, SQS_BAD_SIGNATURE,
                         "ECS is to be called by an address or localhost, not as another host.");
    if (error == SQS_OK && turn->op == API_OP_MAX)
        error = sqs_fail(&failure, SQS_UNKNOWN_OPERATION, "The operation %.*s is not known here.",
                         (int)(target.len < 100 ? target.len : 100), target.at);
    if (error != SQS_OK)
        refuse(turn, &failure);
    else
        begin(turn, (struct slice){NULL, 0});
}

static void on_sqs_request(struct turn *turn, struct slice target)
{
    struct service *service = turn->service;
    struct sqs_failure failure;
    enum sqs_op op = SQS_OP_MAX;
    turn->protocol = target.at != NULL ? SQS_PROTOCOL_JSON : SQS_PROTOCOL_QUERY;
    turn->request = &service->request;
    enum sqs_error error = authenticate(turn, "sqs", &failure);
    if (error == SQS_OK)
        error = target.at != NULL
                    ? sqs_decode_json(turn->http, target, turn->request, &op, &failure)
                    : sqs_decode_query(turn->http, service->params, turn->request, &op, &failure);
    if (error != SQS_OK) {
        refuse(turn, &failure);
        return;
    }
    turn->op = op;
    begin(turn, queue_name_of(turn));
}

static void on_request(void *arg, struct http_conn *conn, struct http_request *http)
{
    struct service *service = arg;
    char request_id[SQS_UUID_BYTES];
    struct fault_plan plan; /* large: only what is needed is set */
    plan.is_needed = false;
    if (admin_serve(service, conn, http))
        return;
    struct turn turn = {.service = service,
                        .conn = conn,
                        .http = http,
                        .op = API_OP_MAX,
                        .request_id = request_id,
                        .plan = &plan};
    struct slice target = http_request_header(http, "x-amz-target");
    sqs_engine_uuid(service->engine, request_id);
    if (ecs_agent_has(http->path))
        on_agent_request(&turn);
    else if (slice_starts_with(target, ECS_TARGET_PREFIX))
        on_ecs_request(&turn, target);
    else
        on_sqs_request(&turn, target);
}

/* ---- life ---- */

struct service *service_new(struct event_base *base, const struct service_options *options)
{
    uint64_t seed[4];
    struct service *service = xcalloc(1, sizeof *service);
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        abort();
    service->base = base;
    service->engine = sqs_engine_new(options->region, options->account, seed);
    service->engine->redelivers_first = options->redelivers_first;
    service->region = xstrdup(options->region);
    struct ecs_api_options ecs = options->ecs;
    ecs.region = service->region;
    ecs.account = service->engine->account;
    ecs.seed = seed[0] ^ seed[3];
    service->ecs = ecs_api_new(base, &ecs);
    service->verifies = options->access_key != NULL;
    service->auth = (struct auth){
        .access_key = options->access_key, .secret_key = options->secret_key, .region = service->region};
    service->engine_due_ms = INT64_MAX;
    loop_timer_init(&service->engine_timer, base, on_engine_timer, service);
    return service;
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    for (struct call *call = service->calls, *next = NULL; call != NULL; call = next) {
        next = call->next;
        call_free(call);
    }
    loop_timer_clean_up(&service->engine_timer);
    ecs_api_free(service->ecs);
    sqs_engine_free(service->engine);
    faults_clean_up(&service->faults);
    strbuf_clean_up(&service->body);
    strbuf_clean_up(&service->headers);
    strbuf_clean_up(&service->base_url);
    free(service->region);
    free(service);
}

struct http_handler service_handler(struct service *service)
{
    return (struct http_handler){.on_request = on_request, .on_gone = on_gone, .arg = service};
}

void service_set_server(struct service *service, struct http_server *server, const char *url)
{
    ecs_api_set_url(service->ecs, url);
    service->server = server;
}

int service_create_queue(struct service *service, const char *name, struct err *err)
{
    struct sqs_queue *queue = NULL;
    struct sqs_failure failure;
    size_t len = strlen(name);
    bool is_fifo = len > 5 && strcmp(name + len - 5, ".fifo") == 0;
    struct sqs_pair fifo = {slice_of("FifoQueue"), slice_of("true")};
    if (sqs_engine_create(service->engine, slice_of(name), &fifo, is_fifo ? 1 : 0, clock_product_ms(), &queue,
                          &failure) != SQS_OK)
        return err_set(err, "cannot create queue \"%s\": %s", name, failure.message);
    return 0;
}

struct faults *service_faults(struct service *service)
{
    return &service->faults;
}

void service_forget_stats(struct service *service)
{
    service->stats = (struct service_stats){.refused = 0};
    sqs_engine_forget_stats(service->engine);
    ecs_api_forget_stats(service->ecs);
}

struct ecs_api *service_ecs(struct service *service)
{
    return service->ecs;
}

const struct service_stats *service_stats(const struct service *service)
{
    return &service->stats;
}

struct sqs_engine *service_engine(struct service *service)
{
    return service->engine;
}

size_t service_connections(const struct service *service)
{
    return service->server == NULL ? 0 : http_server_connections(service->server);
}

void service_forget_count_faults(struct service *service)
{
    size_t position = 0;
    for (struct sqs_queue *queue = NULL; (queue = strmap_next(&service->engine->queues, &position)) != NULL;)
        queue->counts_fault = (struct sqs_counts_fault){.until_ms = 0};
}
