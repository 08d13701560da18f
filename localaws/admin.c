/* /_localaws/faults, /_localaws/stats and the health check; see admin.h. */
#include "localaws/admin.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/version.h"
#include "localaws/sqs_fifo.h"

static void answer(struct http_conn *conn, int status, const struct strbuf *body)
{
    struct http_reply reply = HTTP_REPLY_INIT;
    reply.status = status;
    reply.body = body->data;
    reply.body_len = body->len;
    http_reply(conn, &reply);
}

static void answer_error(struct http_conn *conn, int status, const char *message)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    jsonw_object(&w);
    jsonw_key_str(&w, "message", message);
    jsonw_end_object(&w);
    answer(conn, status, &body);
    strbuf_clean_up(&body);
}

static void serve_faults(struct service *service, struct http_conn *conn, const struct http_request *request)
{
    struct faults *faults = service_faults(service);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    struct err err = {.text = ""};
    if (slice_is(request->method, "DELETE")) {
        faults_clean_up(faults);
        service_forget_count_faults(service);
    } else if (slice_is(request->method, "POST")) {
        if (faults_add(faults, request->body, request->body_len, &err) != 0) {
            answer_error(conn, 400, err.text);
            return;
        }
    } else if (!slice_is(request->method, "GET")) {
        answer_error(conn, 405, "GET shows the rules, POST adds one or a list, DELETE clears them");
        return;
    }
    faults_write(faults, &w);
    answer(conn, 200, &body);
    strbuf_clean_up(&body);
}

static void write_held(struct jsonw *w, const struct histogram *held_us)
{
    jsonw_key(w, "held_us");
    jsonw_object(w);
    jsonw_key_int(w, "count", held_us->count);
    jsonw_key_int(w, "sum", held_us->sum);
    jsonw_key_int(w, "p50", histogram_quantile(held_us, 0.5));
    jsonw_key_int(w, "p99", histogram_quantile(held_us, 0.99));
    jsonw_key_int(w, "max", held_us->max);
    jsonw_end_object(w);
}

static void write_queue(struct jsonw *w, const struct sqs_queue *queue)
{
    const struct sqs_queue_stats *s = &queue->stats;
    struct sqs_counts counts = sqs_queue_counts(queue);
    jsonw_key(w, queue->name); /* letters, digits, -, _ and .fifo only */
    jsonw_object(w);
    jsonw_key_int(w, "visible", (int64_t)counts.visible);
    jsonw_key_int(w, "in_flight", (int64_t)counts.in_flight);
    jsonw_key_int(w, "delayed", (int64_t)counts.delayed);
    jsonw_key_int(w, "waiting_receives", (int64_t)queue->waiter_ends.count);
    jsonw_key_int(w, "sent", (int64_t)s->sent);
    jsonw_key_int(w, "received", (int64_t)s->received);
    jsonw_key_int(w, "deleted", (int64_t)s->deleted);
    jsonw_key_int(w, "duplicates", (int64_t)s->duplicates);
    jsonw_key_int(w, "redriven_out", (int64_t)s->redriven_out);
    jsonw_key_int(w, "redriven_in", (int64_t)s->redriven_in);
    jsonw_key_int(w, "expired", (int64_t)s->expired);
    jsonw_key_int(w, "empty_receives", (int64_t)s->empty_receives);
    if (queue->fifo != NULL) {
        jsonw_key_int(w, "deduplicated", (int64_t)s->deduplicated);
        jsonw_key_int(w, "groups", (int64_t)queue->fifo->groups.count);
        jsonw_key_int(w, "groups_available", (int64_t)queue->fifo->available.count);
    }
    jsonw_key_int(w, "in_flight_max", (int64_t)s->in_flight_max);
    jsonw_key_int(w, "first_receive_us", s->first_receive_us);
    jsonw_key_int(w, "last_delete_us", s->last_delete_us);
    write_held(w, &s->held_us);
    jsonw_end_object(w);
}

static void write_counters(struct jsonw *w, const char *key, const uint64_t counters[static API_OP_MAX])
{
    jsonw_key(w, key);
    jsonw_object(w);
    for (int op = 0; op < API_OP_MAX; op++)
        if (counters[op] > 0)
            jsonw_key_int(w, api_op_name(op), (int64_t)counters[op]);
    jsonw_end_object(w);
}

static void serve_stats(struct service *service, struct http_conn *conn)
{
    const struct service_stats *stats = service_stats(service);
    struct sqs_engine *engine = service_engine(service);
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    sqs_engine_settle(engine, clock_product_ms());
    jsonw_object(&w);
    jsonw_key_int(&w, "t_ms", clock_product_ms());
    jsonw_key_int(&w, "connections", (int64_t)service_connections(service));
    jsonw_key_int(&w, "refused", (int64_t)stats->refused);
    jsonw_key_int(&w, "gone", (int64_t)stats->gone);
    write_counters(&w, "calls", stats->calls);
    write_counters(&w, "failures", stats->failures);
    jsonw_key(&w, "queues");
    jsonw_object(&w);
    size_t position = 0;
    for (const struct sqs_queue *queue = NULL; (queue = strmap_next(&engine->queues, &position)) != NULL;)
        write_queue(&w, queue);
    jsonw_end_object(&w);
    ecs_api_write_stats(service_ecs(service), &w);
    jsonw_end_object(&w);
    answer(conn, 200, &body);
    strbuf_clean_up(&body);
}

static void serve_health(struct http_conn *conn)
{
    struct strbuf body = STRBUF_INIT;
    strbuf_append_str(
        &body, "{\"service\":\"sluice-localaws\",\"status\":\"ok\",\"version\":\"" SLUICE_VERSION "\"}");
    answer(conn, 200, &body);
    strbuf_clean_up(&body);
}

bool admin_serve(struct service *service, struct http_conn *conn, const struct http_request *request)
{
    bool reads = slice_is(request->method, "GET") || slice_is(request->method, "HEAD");
    bool is_health =
        (request->path.len == 1 && request->query.len == 0) || slice_is(request->path, "/healthz");
    if (reads && is_health) {
        serve_health(conn);
    } else if (!slice_starts_with(request->path, "/_localaws/")) {
        return false;
    } else if (slice_is(request->path, "/_localaws/faults")) {
        serve_faults(service, conn, request);
    } else if (slice_is(request->path, "/_localaws/stats") && reads) {
        serve_stats(service, conn);
    } else if (slice_is(request->path, "/_localaws/stats") && slice_is(request->method, "DELETE")) {
        service_forget_stats(service);
        serve_stats(service, conn);
    } else {
        answer_error(conn, 404,
                     "there are /_localaws/faults (GET, POST, DELETE) and /_localaws/stats (GET, DELETE)");
    }
    return true;
}
