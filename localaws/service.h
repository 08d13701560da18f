/*
 * The endpoint of all services: takes HTTP requests, tells protocol and operation, verifies signatures, lets
 * faults happen, runs operations on the engine and answers, at once or when a wait is over. Product time
 * comes in here. One thread.
 */
#ifndef SLUICE_LOCALAWS_SERVICE_H
#define SLUICE_LOCALAWS_SERVICE_H

#include "base/loop.h"
#include "base/strbuf.h"
#include "localaws/auth.h"
#include "localaws/ecs_api.h"
#include "localaws/faults.h"
#include "localaws/http_server.h"
#include "localaws/metrics.h"
#include "localaws/sqs_ops.h"

struct service_options {
    const char *region;
    const char *account;
    const char *access_key, *secret_key; /* NULL: signatures are not verified */
    bool redelivers_first;               /* see sqs_queue.h */
    int64_t sts_life_max_ms;             /* real, like the next one */
    int64_t credentials_life_ms;         /* of those that containers and instances get */
    const char *container_token_file;    /* see metadata.h */
    struct metrics_settings metrics;
    struct ecs_api_options ecs; /* region, account and seed are ours to fill in */
};

/* For /_localaws/stats. */
struct service_stats {
    uint64_t calls[API_OP_MAX];
    uint64_t failures[API_OP_MAX]; /* of the calls: answered with an error of the operation itself */
    uint64_t refused;              /* signature, protocol or unknown operation */
    uint64_t gone;                 /* clients that left before their answer */
};

struct service;

struct service *service_new(struct event_base *base, const struct service_options *options);
/* Free it after the server, whose connections may still hold calls. */
void service_free(struct service *service);
/* The functions of the HTTP server. */
struct http_handler service_handler(struct service *service);
/* Those of the servers that hand out credentials to containers and instances. */
struct http_handler service_container_handler(struct service *service);
struct http_handler service_instance_handler(struct service *service);
/* So that statistics can tell its connections, and tasks reach us at the URL. */
void service_set_server(struct service *service, struct http_server *server, const char *url);

/* Creates a queue with default attributes, a FIFO queue if its name says so. Returns 0 or -1 with err. */
int service_create_queue(struct service *service, const char *name, struct err *err);

/* For admin.c */
struct faults *service_faults(struct service *service);
const struct service_stats *service_stats(const struct service *service);
/* All counters, those of the queues too, start anew. */
void service_forget_stats(struct service *service);
struct sqs_engine *service_engine(struct service *service);
struct ecs_api *service_ecs(struct service *service);
size_t service_connections(const struct service *service);
/* Clears what faults laid over the counts of queues. */
void service_forget_count_faults(struct service *service);

#endif
