/*
 * The services of rpc.h (CloudWatch, DynamoDB, STS): from a request to its answer, in AWS JSON or the Query
 * protocol; see service_parts.h.
 */
#include "localaws/service_parts.h"

#include "base/clock.h"

#include <stdio.h>

/* ---- errors ---- */

int service_write_rpc_error(const struct turn *turn, const struct rpc_error *error, int status,
                            const char *message, const json_t *extras)
{
    struct service *service = turn->service;
    const char *query = rpc_error_query(error);
    const struct rpc_service *rpc = api_rpc_service(turn->api);
    strbuf_clear(&service->body);
    if (turn->protocol == SQS_PROTOCOL_QUERY) {
        rpc_write_xml_error(rpc, query, message, status < 500, turn->request_id, &service->body);
        service_write_headers(turn, NULL, false, &service->headers);
        return status;
    }
    json_t *body = json_pack("{s:s,s:s}", "__type", error->type, "message", message);
    if (extras != NULL)
        (void)json_object_update((json_t *)body, (json_t *)(uintptr_t)extras);
    rpc_write_json(body, &service->body);
    json_decref(body);
    service_write_headers(turn, rpc->is_query_compatible ? query : NULL, status < 500, &service->headers);
    return status;
}

int service_write_rpc_refusal(const struct turn *turn, const struct sqs_failure *failure)
{
    char type[96];
    const struct sqs_error_info *info = sqs_error_info(failure->error);
    (void)snprintf(type, sizeof type, "com.amazon.coral.service#%s", info->shape);
    struct rpc_error error = {.type = type, .query = info->query};
    int status = turn->protocol == SQS_PROTOCOL_QUERY ? info->status : 400;
    return service_write_rpc_error(turn, &error, status, failure->message, NULL);
}

int service_write_injected_rpc(const struct turn *turn, const struct fault_rule *rule)
{
    const struct rpc_service *rpc = api_rpc_service(turn->api);
    char type[160];
    bool throttles = rule->kind == FAULT_THROTTLE;
    struct rpc_error error = throttles ? *rpc->throttled : *rpc->internal;
    if (rule->code[0] != '\0') {
        const struct rpc_error *known = rpc_error_find(rpc, slice_of(rule->code));
        (void)snprintf(type, sizeof type, "com.amazon.coral.service#%s", rule->code);
        error = known != NULL ? *known : (struct rpc_error){type, rule->code, throttles ? 400 : 500};
    }
    const char *message = throttles ? rpc->throttled_message : "injected fault";
    return service_write_rpc_error(turn, &error, rule->status != 0 ? rule->status : error.status,
                                   rule->message[0] != '\0' ? rule->message : message, NULL);
}

/* ---- operations ---- */

static bool query_fails(void *arg)
{
    struct fault_rule *rule = arg;
    return faults_throw(rule, rule->entry_probability);
}

static void run_cloudwatch(const struct turn *turn, const struct rpc_op *op, const struct rpc_call *call)
{
    struct service *service = turn->service;
    bool has_main = turn->plan->is_needed && turn->plan->has_main && !turn->plan->main.after;
    struct cloudwatch cloudwatch = {.metrics = &service->metrics,
                                    .has_gap = has_main && turn->plan->main.kind == FAULT_GAP};
    if (has_main && turn->plan->main.kind == FAULT_ENTRY_ERROR) {
        cloudwatch.query_fails = query_fails;
        cloudwatch.query_fails_arg = &turn->plan->main;
    }
    struct rpc_call with = *call;
    with.engine = &cloudwatch;
    with.now_ms = clock_product_ms();
    service_roll_metrics(service, with.now_ms);
    op->run(&with);
}

static void run_dynamodb(const struct turn *turn, const struct rpc_op *op, const struct rpc_call *call)
{
    struct dynamodb *dynamodb = &turn->service->dynamodb;
    dynamodb->reads_are_stale = turn->plan->is_needed && turn->plan->has_stale;
    struct rpc_call with = *call;
    with.engine = dynamodb;
    with.now_ms = clock_product_ms();
    op->run(&with);
}

static void run_sts(const struct turn *turn, const struct rpc_op *op, const struct rpc_call *call)
{
    struct service *service = turn->service;
    struct sts sts = {.sessions = &service->auth.sessions,
                      .account = service->engine->account,
                      .life_max_ms = service->sts_life_max_ms,
                      .caller = auth_caller(&service->auth, turn->http),
                      .is_expired = turn->plan->is_needed && turn->plan->has_main &&
                                    turn->plan->main.kind == FAULT_EXPIRED};
    struct rpc_call with = *call;
    with.engine = &sts;
    with.now_ms = clock_wall_ms();
    op->run(&with);
}

static void run_op(const struct turn *turn, const struct rpc_call *call)
{
    const struct rpc_op *op = &api_rpc_service(turn->api)->ops[turn->op - api_rpc_first_op(turn->api)];
    switch (turn->api) {
    case API_DYNAMODB:
        run_dynamodb(turn, op, call);
        break;
    case API_STS:
        run_sts(turn, op, call);
        break;
    default:
        run_cloudwatch(turn, op, call);
        break;
    }
}

/* The members of the request; NULL with the failure. */
static json_t *read_body(const struct turn *turn, struct rpc_failure *failure)
{
    const struct http_request *http = turn->http;
    json_error_t error = {.text = ""};
    if (turn->protocol == SQS_PROTOCOL_QUERY) {
        bool in_body = slice_is(http->method, "POST") && http->body_len > 0;
        return in_body ? rpc_form_tree(http->body, http->body_len, failure)
                       : rpc_form_tree((char *)(uintptr_t)http->query.at, http->query.len, failure);
    }
    json_t *in = http->body_len == 0 ? json_object()
                                     : json_loadb(http->body, http->body_len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(in))
        return in;
    failure->error = &RPC_SERIALIZATION;
    (void)snprintf(failure->message, sizeof failure->message, "The request body is not a JSON object: %.200s",
                   in == NULL ? error.text : "it is of another type");
    json_decref(in);
    return NULL;
}

/* Runs it, twice when a fault wants that (the first one answers), and fills the scratch body and headers. */
static int run_rpc(const struct turn *turn)
{
    struct service *service = turn->service;
    const struct fault_plan *plan = turn->plan;
    struct rpc_failure failure = {.error = NULL};
    json_t *in = read_body(turn, &failure);
    json_t *out = json_object();
    struct rpc_call call = {
        .in = in, .is_query = turn->protocol == SQS_PROTOCOL_QUERY, .out = out, .failure = &failure};
    if (in != NULL)
        run_op(turn, &call);
    if (in != NULL && plan->is_needed && plan->has_main && plan->main.kind == FAULT_DUPLICATE) {
        struct rpc_failure ignored = {.error = NULL};
        struct rpc_call again = {
            .in = in, .is_query = call.is_query, .out = json_object(), .failure = &ignored};
        run_op(turn, &again);
        json_decref(again.out);
        json_decref(ignored.extras);
    }
    int status = 200;
    strbuf_clear(&service->body);
    if (failure.error != NULL) {
        status = service_write_rpc_error(turn, failure.error, failure.error->status, failure.message,
                                         failure.extras);
    } else {
        if (call.is_query)
            rpc_write_xml(api_rpc_service(turn->api), api_op_name(turn->op), out, turn->request_id,
                          &service->body);
        else
            rpc_write_json(out, &service->body);
        service_write_headers(turn, NULL, false, &service->headers);
    }
    json_decref(failure.extras);
    json_decref(out);
    json_decref(in);
    return status;
}

void service_execute_rpc(const struct turn *turn)
{
    if (service_fault_instead(turn))
        return;
    int status = run_rpc(turn);
    if (status != 200)
        turn->service->stats.failures[turn->op]++;
    service_finish(turn, status);
}

/* ---- requests ---- */

static void begin(struct turn *turn, enum api api, int op, struct slice name)
{
    const struct rpc_service *rpc = api_rpc_service(api);
    struct sqs_failure failure = {.error = SQS_OK};
    struct slice encoding = http_request_header(turn->http, "content-encoding");
    enum sqs_error error = SQS_OK;
    turn->api = api;
    turn->op = op < rpc->op_count ? api_rpc_first_op(api) + op : API_OP_MAX;
    if (op == rpc->op_count || !rpc->ops[op].is_unsigned)
        error = service_authenticate(turn, rpc->signed_as, &failure);
    if (error == SQS_OK && op == rpc->op_count)
        error = sqs_fail(&failure, SQS_UNKNOWN_OPERATION, "The operation %.*s is not known here.",
                         (int)(name.len < 100 ? name.len : 100), name.at);
    if (error == SQS_OK && encoding.len > 0 && !slice_is(encoding, "identity"))
        error = sqs_fail(&failure, SQS_SERIALIZATION,
                         "Content-Encoding %.*s is not read here: switch the compression of requests off.",
                         (int)(encoding.len < 40 ? encoding.len : 40), encoding.at);
    if (error != SQS_OK)
        service_refuse(turn, &failure);
    else
        service_begin(turn, (struct slice){NULL, 0});
}

/* Actions of the Query protocol stand in the body or in the query; only that of a known one makes it ours. */
static bool take_query(struct turn *turn)
{
    const struct http_request *http = turn->http;
    bool in_body = slice_is(http->method, "POST") && http->body_len > 0;
    struct slice action = rpc_form_action(in_body ? (struct slice){http->body, http->body_len} : http->query);
    for (int api = API_CLOUDWATCH; action.at != NULL && api < API_RPC_END; api++) {
        const struct rpc_service *rpc = api_rpc_service((enum api)api);
        int op = rpc_op_find(rpc, action);
        if (rpc->xmlns == NULL || op == rpc->op_count)
            continue;
        turn->protocol = SQS_PROTOCOL_QUERY;
        begin(turn, (enum api)api, op, action);
        return true;
    }
    return false;
}

bool service_on_rpc_request(struct turn *turn, struct slice target)
{
    if (target.at == NULL)
        return take_query(turn);
    for (int api = API_CLOUDWATCH; api < API_RPC_END; api++) {
        const struct rpc_service *rpc = api_rpc_service((enum api)api);
        if (rpc->target == NULL || !slice_starts_with(target, rpc->target))
            continue;
        struct slice name = {target.at + strlen(rpc->target), target.len - strlen(rpc->target)};
        turn->protocol = SQS_PROTOCOL_JSON;
        begin(turn, (enum api)api, rpc_op_find(rpc, name), target);
        return true;
    }
    return false;
}

/* ---- minutes of CloudWatch ---- */

void service_roll_metrics(struct service *service, int64_t now_ms)
{
    if (now_ms < metrics_next_ms(&service->metrics))
        return;
    metrics_roll(&service->metrics, service->engine, now_ms);
    loop_timer_arm_product_ms(&service->metrics_timer, metrics_next_ms(&service->metrics) - now_ms);
}

void service_on_metrics_timer(void *arg)
{
    struct service *service = arg;
    int64_t now_ms = clock_product_ms();
    if (now_ms < metrics_next_ms(&service->metrics))
        loop_timer_arm_product_ms(&service->metrics_timer, metrics_next_ms(&service->metrics) - now_ms);
    service_roll_metrics(service, now_ms);
}
