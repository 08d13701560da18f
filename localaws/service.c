/* The way of a request through the service, and its life; see service.h. */
#include "localaws/service_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "localaws/admin.h"
#include "localaws/ecs_agent.h"

#include <stdlib.h>
#include <sys/random.h>

/* ---- requests ---- */

static void execute(const struct turn *turn)
{
    if (turn->api == API_SQS)
        service_execute_sqs(turn);
    else if (api_is_rpc(turn->api))
        service_execute_rpc(turn);
    else if (turn->api == API_METADATA)
        service_execute_metadata(turn);
    else
        service_execute_ecs(turn);
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
    service_call_free(call);
}

static void start(const struct turn *turn)
{
    struct service *service = turn->service;
    if (!turn->plan->is_needed || turn->plan->latency_before_ms == 0) {
        execute(turn);
        return;
    }
    struct call *call = service_call_new(turn, CALL_FOR_START);
    if (turn->api == API_SQS) {
        call->request = xmalloc(sizeof *call->request);
        *call->request = *turn->request;
    }
    call->http = turn->http;
    loop_timer_init(&call->timer, service->base, on_start_due, call);
    loop_timer_arm_real_ms(&call->timer, turn->plan->latency_before_ms);
}

/* Throws the dice and begins. */
void service_begin(struct turn *turn, struct slice queue)
{
    struct service *service = turn->service;
    service->stats.calls[turn->op]++;
    if (service->faults.count > 0)
        faults_plan(&service->faults, turn->op, queue, turn->plan);
    start(turn);
}

void service_refuse(const struct turn *turn, const struct sqs_failure *failure)
{
    turn->service->stats.refused++;
    int status = service_write_failure(turn, failure);
    service_send_reply(turn, status, &turn->service->headers, &turn->service->body, false);
}

enum sqs_error service_authenticate(const struct turn *turn, const char *service_name,
                                    struct sqs_failure *failure)
{
    struct service *service = turn->service;
    if (!service->verifies)
        return SQS_OK;
    return auth_check(&service->auth, turn->http, service_name, clock_wall_ms(), failure);
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
        service_on_agent_request(&turn);
    else if (slice_starts_with(target, ECS_TARGET_PREFIX) ||
             slice_starts_with(target, ECS_SCALING_TARGET_PREFIX))
        service_on_ecs_request(&turn, target);
    else if (!service_on_rpc_request(&turn, target))
        service_on_sqs_request(&turn, target);
}

void service_on_gone(void *arg, struct http_conn *conn)
{
    struct service *service = arg;
    struct call *call = http_conn_data(conn);
    service->stats.gone++;
    if (call != NULL)
        service_call_free(call);
    service_arm_engine_timer(service, clock_product_ms());
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
    metrics_init(&service->metrics, &options->metrics, clock_product_ms());
    loop_timer_init(&service->metrics_timer, base, service_on_metrics_timer, service);
    service_on_metrics_timer(service);
    dynamodb_init(&service->dynamodb, service->region, service->engine->account);
    service->verifies = options->access_key != NULL;
    service->auth = (struct auth){
        .access_key = options->access_key, .secret_key = options->secret_key, .region = service->region};
    service->sts_life_max_ms = options->sts_life_max_ms;
    service->metadata = (struct metadata){.sessions = &service->auth.sessions,
                                          .region = service->region,
                                          .account = service->engine->account,
                                          .token_file = options->container_token_file,
                                          .life_ms = options->credentials_life_ms,
                                          .key = {seed[1] ^ seed[2], seed[0] ^ seed[1]}};
    service->engine_due_ms = INT64_MAX;
    loop_timer_init(&service->engine_timer, base, service_on_engine_timer, service);
    return service;
}

void service_free(struct service *service)
{
    if (service == NULL)
        return;
    for (struct call *call = service->calls, *next = NULL; call != NULL; call = next) {
        next = call->next;
        service_call_free(call);
    }
    loop_timer_clean_up(&service->engine_timer);
    ecs_api_free(service->ecs);
    loop_timer_clean_up(&service->metrics_timer);
    metrics_clean_up(&service->metrics);
    dynamodb_clean_up(&service->dynamodb);
    sessions_clean_up(&service->auth.sessions);
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
    return (struct http_handler){.on_request = on_request, .on_gone = service_on_gone, .arg = service};
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
