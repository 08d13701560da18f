/* What the files of the service share: a request on its way through, and those that wait. */
#ifndef SLUICE_LOCALAWS_SERVICE_PARTS_H
#define SLUICE_LOCALAWS_SERVICE_PARTS_H

#include "localaws/service.h"

#include "localaws/metrics.h"
#include "localaws/sqs_decode.h"

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
    enum sqs_protocol protocol; /* API_SQS and those of rpc.h */
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
    enum sqs_protocol protocol;  /* API_SQS and those of rpc.h */
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
    struct metrics metrics;
    struct loop_timer metrics_timer; /* the end of the minute */
    struct dynamodb dynamodb;
    struct metadata metadata;
    int64_t sts_life_max_ms;
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

/* ---- service.c: the way of a request ---- */

/* Counts the call, throws the dice of faults, on `queue` (absent: none), and runs the operation or delays it.
 */
void service_begin(struct turn *turn, struct slice queue);
/* The client of a request that waits has left. */
void service_on_gone(void *arg, struct http_conn *conn);
/* Answers a request that is no operation. */
void service_refuse(const struct turn *turn, const struct sqs_failure *failure);
/* Whether the request is signed for the service of this name. */
enum sqs_error service_authenticate(const struct turn *turn, const char *service_name,
                                    struct sqs_failure *failure);

/* ---- service_calls.c: waiting and answering ---- */

/* Makes the request wait; its connection knows the call from now on. */
struct call *service_call_new(const struct turn *turn, enum call_wait wait);
void service_call_free(struct call *call);
/* Ends the request. `truncate`: half of the body is sent, as a fault wants it. */
void service_send_reply(const struct turn *turn, int status, const struct strbuf *headers,
                        const struct strbuf *body, bool truncate);
/* Into the scratch headers; query_error NULL: none. */
void service_write_headers(const struct turn *turn, const char *query_error, bool sender_fault,
                           struct strbuf *headers);
/* Fills the scratch body and headers with an error; returns its HTTP status. */
int service_write_failure(const struct turn *turn, const struct sqs_failure *failure);
/* Answers with scratch headers and body, unless a fault wants otherwise. The operation has been done. */
void service_finish(const struct turn *turn, int status);
/* True when a fault wants that the operation does not happen; the request has then been dealt with. */
bool service_fault_instead(const struct turn *turn);

/* ---- service_sqs.c, service_ecs.c, service_rpc.c: the operations ---- */

/* Run the operation, unless a fault is in the way, and answer or wait. */
void service_execute_sqs(const struct turn *turn);
void service_execute_ecs(const struct turn *turn);
void service_execute_rpc(const struct turn *turn);
void service_execute_metadata(const struct turn *turn);
/* A request of this API: checks and decodes it, then begins. target: X-Amz-Target, absent for the Query
 * protocol. */
void service_on_sqs_request(struct turn *turn, struct slice target);
void service_on_ecs_request(struct turn *turn, struct slice target);
void service_on_agent_request(struct turn *turn);
/* False when the request is for none of the services of rpc.h. */
bool service_on_rpc_request(struct turn *turn, struct slice target);

/* Fill scratch body and headers with an error of a service of rpc.h; return the HTTP status. extras: further
 * members, or NULL. */
int service_write_rpc_error(const struct turn *turn, const struct rpc_error *error, int status,
                            const char *message, const json_t *extras);
int service_write_rpc_refusal(const struct turn *turn, const struct sqs_failure *failure);
int service_write_injected_rpc(const struct turn *turn, const struct fault_rule *rule);
int service_write_injected_metadata(const struct turn *turn, const struct fault_rule *rule);

/* Publishes the metrics of the minute that has ended, if one has; before the engine of SQS goes on. */
void service_roll_metrics(struct service *service, int64_t now_ms);
void service_on_metrics_timer(void *arg);
/* Wakes the engine of SQS when it wants to be. */
void service_arm_engine_timer(struct service *service, int64_t now_ms);
void service_on_engine_timer(void *arg);

#endif
