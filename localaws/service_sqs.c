/* SQS: from a request to its answer, long polls, and what faults do to counts; see service_parts.h. */
#include "localaws/service_parts.h"

#include "base/clock.h"

#include <stdlib.h>

/* ---- time ---- */

void service_arm_engine_timer(struct service *service, int64_t now_ms)
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
    service_roll_metrics(service, now_ms);
    sqs_engine_settle(service->engine, now_ms);
    service_arm_engine_timer(service, now_ms);
}

void service_on_engine_timer(void *arg)
{
    struct service *service = arg;
    service->engine_due_ms = INT64_MAX;
    settle(service);
}

/* ---- faults during the operation ---- */

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
        status = service_write_failure(&turn, &failure);
    } else {
        sqs_ops_write_messages(service->engine, call->protocol, call->request_id, &call->view, messages,
                               count, &service->body);
        service_write_headers(&turn, NULL, false, &service->headers);
    }
    if (call->plan.is_needed && call->plan.has_main && call->plan.main.kind == FAULT_DUPLICATE)
        for (size_t i = 0; i < count; i++)
            sqs_engine_repeat(service->engine, messages[i]);
    http_conn_set_data(call->conn, NULL);
    service_finish(&turn, status);
    service_call_free(call);
}

static void wait_for_message(const struct turn *turn, const struct sqs_receive_wait *wait)
{
    struct call *call = service_call_new(turn, CALL_FOR_MESSAGE);
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

void service_execute_sqs(const struct turn *turn)
{
    struct service *service = turn->service;
    struct sqs_failure failure;
    int status = 200;
    if (service_fault_instead(turn))
        return;
    set_base_url(turn);
    struct sqs_context context = {.engine = service->engine,
                                  .base_url = {service->base_url.data, service->base_url.len},
                                  .path = turn->http->path,
                                  .protocol = turn->protocol,
                                  .request_id = turn->request_id,
                                  .now_ms = engine_now_ms(service)};
    service_roll_metrics(service, context.now_ms);
    sqs_engine_settle(service->engine, context.now_ms);
    if (run_operation(turn, &context, &failure) != SQS_OK) {
        service->stats.failures[turn->op]++;
        status = service_write_failure(turn, &failure);
    } else {
        service_write_headers(turn, NULL, false, &service->headers);
    }
    if (context.wait.is_wanted)
        wait_for_message(turn, &context.wait);
    else
        service_finish(turn, status);
    sqs_engine_settle(service->engine, context.now_ms);
    service_arm_engine_timer(service, context.now_ms);
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

void service_on_sqs_request(struct turn *turn, struct slice target)
{
    struct service *service = turn->service;
    struct sqs_failure failure;
    enum sqs_op op = SQS_OP_MAX;
    turn->protocol = target.at != NULL ? SQS_PROTOCOL_JSON : SQS_PROTOCOL_QUERY;
    turn->request = &service->request;
    enum sqs_error error = service_authenticate(turn, "sqs", &failure);
    if (error == SQS_OK)
        error = target.at != NULL
                    ? sqs_decode_json(turn->http, target, turn->request, &op, &failure)
                    : sqs_decode_query(turn->http, service->params, turn->request, &op, &failure);
    if (error != SQS_OK) {
        service_refuse(turn, &failure);
        return;
    }
    turn->op = (int)op;
    service_begin(turn, queue_name_of(turn));
}
