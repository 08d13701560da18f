/* Telemetry by HTTP; see uplink.h. */
#include "worker/uplink.h"

#include "aws/client.h"
#include "aws/endpoint.h"
#include "aws/http.h"
#include "aws/private_address.h"
#include "base/alloc.h"
#include "base/bearer_token.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/strbuf.h"
#include "base/version.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { METADATA_BYTES_MAX = 256 * 1024 };

struct uplink {
    const struct settings *settings;
    struct channel_ops ops;
    struct uplink_state state;
    struct http_client *http;
    struct http_client *agent;      /* for the task's ARN; NULL: not asked, or answered */
    struct http_exchange *exchange; /* under way, of either; NULL: none */
    struct loop_timer timer;        /* the next POST, or the next question */
    struct loop_timer end_timer;
    struct telemetry_line ready;
    struct strbuf body;
    struct bearer_token token;
    char authorization[BEARER_TOKEN_MAX + 32];
    char *metadata_url; /* owned; NULL: none */
    int metadata_tries;
    int posts_since_hists;
    int64_t hist_counts[TELEMETRY_HIST_MAX]; /* values in those that were taken */
    int64_t hist_wire[TELEMETRY_HIST_MAX];   /* values in those that are on the wire */
    uint64_t random;
    void (*on_end)(void *arg); /* NULL: not ending */
    void *on_end_arg;
};

/* ---- settings ---- */

/* A literal address; a name is judged when it is resolved. */
static bool is_public_literal(const struct aws_url *url)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (url->ipv6)
        return inet_pton(AF_INET6, url->host, &v6.sin6_addr) != 1 ||
               !address_is_private((const struct sockaddr *)(const void *)&v6);
    return inet_pton(AF_INET, url->host, &v4.sin_addr) == 1 &&
           !address_is_private((const struct sockaddr *)(const void *)&v4);
}

int uplink_check_url(const char *url, struct err *err)
{
    struct aws_url parsed;
    char shown[128];
    if (aws_url_parse(url, &parsed, err) != 0)
        return err_prefix(err, "SLUICE_TELEMETRY_URL");
    if (!parsed.https && is_public_literal(&parsed))
        return err_set(err, "SLUICE_TELEMETRY_URL=%s: want https, or http to a host, link or private network",
                       aws_url_without_userinfo(url, shown, sizeof shown));
    return 0;
}

static int load_token(struct uplink *uplink, struct err *err)
{
    const struct settings *settings = uplink->settings;
    int rc = 0;
    if (settings->telemetry_token_file != NULL)
        rc = bearer_token_read("SLUICE_TELEMETRY_TOKEN_FILE", settings->telemetry_token_file, &uplink->token,
                               err);
    else if (settings->telemetry_token != NULL)
        rc = bearer_token_set("SLUICE_TELEMETRY_TOKEN", settings->telemetry_token,
                              strlen(settings->telemetry_token), &uplink->token, err);
    if (rc == 0 && uplink->token.len > 0)
        (void)snprintf(uplink->authorization, sizeof uplink->authorization, "Authorization: Bearer %s",
                       uplink->token.text);
    return rc;
}

/* ---- one POST ---- */

/* Those that changed since they were taken. */
static void append_hists(struct uplink *uplink)
{
    for (int i = 0; i < TELEMETRY_HIST_MAX; i++) {
        const struct histogram *histogram = uplink->ops.get_hist(uplink->ops.arg, (enum telemetry_hist)i);
        uplink->hist_wire[i] = histogram->count;
        if (histogram->count == uplink->hist_counts[i])
            continue;
        struct telemetry_line line = {
            .type = TELEMETRY_HIST, .hist = (enum telemetry_hist)i, .histogram = *histogram};
        telemetry_encode(&line, &uplink->body);
    }
}

static void write_body(struct uplink *uplink, bool with_hists)
{
    struct telemetry_line line = {.type = TELEMETRY_STATS};
    strbuf_clear(&uplink->body);
    telemetry_encode(&uplink->ready, &uplink->body);
    uplink->ops.get_stats(uplink->ops.arg, &line.stats);
    telemetry_encode(&line, &uplink->body);
    memcpy(uplink->hist_wire, uplink->hist_counts, sizeof uplink->hist_wire);
    if (with_hists)
        append_hists(uplink);
}

static void on_control(void *arg, const struct telemetry_line *line)
{
    struct uplink *uplink = arg;
    if (line->type == TELEMETRY_LIMIT)
        uplink->ops.on_limit(uplink->ops.arg, line->capacity);
}

static void take_controls(struct uplink *uplink, const struct strbuf *body)
{
    struct telemetry_reader reader = {.bad_lines = 0};
    if (body->len == 0)
        return;
    telemetry_reader_feed(&reader, body->data, body->len, on_control, uplink);
    if (reader.bad_lines > 0)
        LOG(LOG_WARNING, "control lines not understood", LOG_INT("count", reader.bad_lines));
    telemetry_reader_clean_up(&reader);
}

/* Of a row of misses the first and then ever fewer. */
static void say(const struct uplink *uplink, enum uplink_outcome outcome, int before,
                const struct http_reply *reply)
{
    char reason[128];
    int misses = uplink->state.misses;
    if (outcome == UPLINK_TAKEN) {
        if (before > 0 || uplink->state.taken == 1)
            LOG(LOG_INFO, "telemetry is taken", LOG_INT("misses_before", before));
        return;
    }
    if ((misses & (misses - 1)) != 0)
        return;
    if (reply->status == 0)
        (void)snprintf(reason, sizeof reason, "%s", reply->failure);
    else
        (void)snprintf(reason, sizeof reason, "HTTP %d", reply->status);
    LOG(LOG_WARNING,
        outcome == UPLINK_REFUSED ? "the supervisor refuses our telemetry: work goes on"
                                  : "telemetry does not reach the supervisor: work goes on",
        LOG_STR("reason", reason), LOG_INT("in_a_row", misses));
}

static void end_now(void *arg)
{
    struct uplink *uplink = arg;
    void (*fn)(void *) = uplink->on_end;
    uplink->on_end = NULL;
    loop_timer_cancel(&uplink->end_timer);
    if (uplink->exchange != NULL)
        http_cancel(uplink->exchange);
    uplink->exchange = NULL;
    if (fn != NULL)
        fn(uplink->on_end_arg);
}

/* Whether the file has another token by now: rotated by its owner, it is tried without the long pause. */
static bool renew_token(struct uplink *uplink)
{
    struct err err;
    struct bearer_token old = uplink->token;
    if (uplink->settings->telemetry_token_file != NULL && load_token(uplink, &err) != 0)
        LOG(LOG_WARNING, "the telemetry token cannot be read again", LOG_STR("error", err.text));
    bool other = strcmp(old.text, uplink->token.text) != 0;
    bearer_token_wipe(&old);
    return other;
}

static void plan_next(struct uplink *uplink, const struct uplink_wait *wait)
{
    if (wait->is_interval)
        loop_timer_arm_product_floor_ms(&uplink->timer, uplink->settings->telemetry_interval_ms,
                                        UPLINK_INTERVAL_FLOOR_MS);
    else
        loop_timer_arm_real_ms(&uplink->timer, wait->real_ms);
}

static void on_reply(void *arg, struct http_reply *reply)
{
    struct uplink *uplink = arg;
    int before = uplink->state.misses;
    enum uplink_outcome outcome = uplink_outcome_of(reply->status);
    uplink->exchange = NULL;
    struct uplink_wait wait =
        uplink_state_done(&uplink->state, outcome, reply->retry_after_ms, random_unit(&uplink->random));
    say(uplink, outcome, before, reply);
    if (outcome == UPLINK_TAKEN)
        memcpy(uplink->hist_counts, uplink->hist_wire, sizeof uplink->hist_counts);
    else /* who answers next may know nothing of us */
        memset(uplink->hist_counts, 0, sizeof uplink->hist_counts);
    if ((reply->status == 401 || reply->status == 403) && renew_token(uplink))
        wait.real_ms = UPLINK_PAUSE_MS;
    if (uplink->on_end != NULL) {
        end_now(uplink);
        return;
    }
    plan_next(uplink, &wait);
    if (outcome == UPLINK_TAKEN)
        take_controls(uplink, &reply->body);
}

static void send_post(struct uplink *uplink)
{
    static const char TYPE[] = "Content-Type: application/x-ndjson";
    const char *headers[] = {TYPE, uplink->authorization};
    struct http_call post = {.method = HTTP_POST,
                             .url = uplink->settings->telemetry_url,
                             .headers = headers,
                             .header_count = uplink->authorization[0] != '\0' ? 2 : 1,
                             .body = uplink->body.data,
                             .body_len = uplink->body.len,
                             .timeout_ms = UPLINK_TIMEOUT_MS,
                             .reply_bytes_max = UPLINK_REPLY_BYTES_MAX};
    uplink->exchange = http_start(uplink->http, &post, on_reply, uplink);
}

static void post(struct uplink *uplink)
{
    bool with_hists = ++uplink->posts_since_hists >= CHANNEL_HIST_EVERY;
    if (!uplink_state_begin(&uplink->state))
        return;
    if (with_hists)
        uplink->posts_since_hists = 0;
    write_body(uplink, with_hists);
    send_post(uplink);
}

/* ---- the task's ARN ---- */

static bool take_arn(struct uplink *uplink, const struct http_reply *reply)
{
    json_t *answer = reply->status == 200 ? json_loadb(reply->body.data, reply->body.len, 0, NULL) : NULL;
    const char *arn = json_string_value(json_object_get(answer, "TaskARN"));
    bool good = arn != NULL && arn[0] != '\0' && strlen(arn) < sizeof uplink->ready.task;
    if (good)
        (void)snprintf(uplink->ready.task, sizeof uplink->ready.task, "%s", arn);
    json_decref(answer);
    return good;
}

static void forget_agent(struct uplink *uplink)
{
    http_client_destroy(uplink->agent);
    uplink->agent = NULL;
}

static void on_metadata(void *arg, struct http_reply *reply)
{
    struct uplink *uplink = arg;
    uplink->exchange = NULL;
    bool good = take_arn(uplink, reply);
    if (!good && ++uplink->metadata_tries < UPLINK_METADATA_TRIES) {
        loop_timer_arm_real_ms(&uplink->timer, UPLINK_METADATA_PAUSE_MS);
        return;
    }
    if (!good)
        LOG(LOG_WARNING, "the task's ARN is not told: telemetry goes by the worker's name",
            LOG_STR("worker", uplink->ready.worker), LOG_INT("status", reply->status),
            LOG_STR("error", reply->failure != NULL ? reply->failure : ""));
    forget_agent(uplink);
    post(uplink);
}

static void ask_metadata(struct uplink *uplink)
{
    struct http_call get = {.method = HTTP_GET,
                            .url = uplink->metadata_url,
                            .timeout_ms = UPLINK_METADATA_MS,
                            .reply_bytes_max = METADATA_BYTES_MAX};
    uplink->exchange = http_start(uplink->agent, &get, on_metadata, uplink);
}

static void open_agent(struct uplink *uplink, struct event_base *base)
{
    struct http_client_options options = {.base = base,
                                          .max_connections = 1,
                                          .connect_timeout_ms = UPLINK_METADATA_MS,
                                          .user_agent = "sluice-worker/" SLUICE_VERSION,
                                          .private_only = true};
    struct strbuf url = STRBUF_INIT;
    const char *uri = uplink->settings->ecs_metadata_uri;
    if (uri == NULL)
        return;
    strbuf_appendf(&url, "%s/task", uri);
    uplink->metadata_url = strbuf_take(&url);
    uplink->agent = http_client_new(&options);
}

/* ---- the interface ---- */

static void on_timer(void *arg)
{
    struct uplink *uplink = arg;
    if (uplink->agent != NULL)
        ask_metadata(uplink);
    else
        post(uplink);
}

struct uplink *uplink_new(struct event_base *base, const struct settings *settings,
                          const struct channel_ops *ops, struct err *err)
{
    struct uplink *uplink = xcalloc(1, sizeof *uplink);
    uplink->settings = settings;
    uplink->ops = *ops;
    uplink->random = random_seed();
    uplink->posts_since_hists = 0;
    loop_timer_init(&uplink->timer, base, on_timer, uplink);
    loop_timer_init(&uplink->end_timer, base, end_now, uplink);
    if (load_token(uplink, err) != 0) {
        uplink_destroy(uplink);
        return NULL;
    }
    struct http_client_options options = {
        .base = base,
        .max_connections = 1,
        .connect_timeout_ms = UPLINK_CONNECT_MS,
        .user_agent = "sluice-worker/" SLUICE_VERSION,
        .private_only = strncmp(settings->telemetry_url, "https:", 6) != 0,
    };
    uplink->http = http_client_new(&options);
    open_agent(uplink, base);
    return uplink;
}

void uplink_start(struct uplink *uplink, int threads, int capacity)
{
    uplink->ready = (struct telemetry_line){.type = TELEMETRY_READY,
                                            .pid = getpid(),
                                            .threads = threads,
                                            .capacity = capacity,
                                            .started_ms = clock_product_ms()};
    (void)snprintf(uplink->ready.worker, sizeof uplink->ready.worker, "%s", uplink->settings->worker);
    loop_timer_arm_real_ms(&uplink->timer, 0);
}

bool uplink_end(struct uplink *uplink, const char *reason, int64_t returned, void (*fn)(void *arg), void *arg)
{
    struct telemetry_line bye = {.type = TELEMETRY_BYE, .returned = returned};
    loop_timer_cancel(&uplink->timer);
    if (uplink->exchange != NULL)
        http_cancel(uplink->exchange);
    uplink->exchange = NULL;
    if (!uplink_state_end(&uplink->state))
        return false;
    (void)snprintf(bye.reason, sizeof bye.reason, "%s", reason);
    write_body(uplink, true);
    telemetry_encode(&bye, &uplink->body);
    uplink->on_end = fn;
    uplink->on_end_arg = arg;
    loop_timer_arm_real_ms(&uplink->end_timer, UPLINK_END_MS);
    send_post(uplink);
    return true;
}

const struct uplink_state *uplink_get_state(const struct uplink *uplink)
{
    return &uplink->state;
}

void uplink_destroy(struct uplink *uplink)
{
    if (uplink == NULL)
        return;
    http_client_destroy(uplink->http);
    http_client_destroy(uplink->agent);
    loop_timer_clean_up(&uplink->timer);
    loop_timer_clean_up(&uplink->end_timer);
    strbuf_clean_up(&uplink->body);
    bearer_token_wipe(&uplink->token);
    explicit_bzero(uplink->authorization, sizeof uplink->authorization);
    free(uplink->metadata_url);
    free(uplink);
}
