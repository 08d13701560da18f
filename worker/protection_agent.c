/* Calls of the ECS container agent; see protection_agent.h. */
#include "worker/protection_agent.h"

#include "aws/client.h"
#include "aws/endpoint.h"
#include "aws/http.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/strbuf.h"
#include "base/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PATH[] = "/task-protection/v1/state";

struct protection_agent {
    struct protection state;
    struct http_client *http;
    struct http_exchange *exchange; /* NULL: none */
    struct loop_timer timer;        /* when the state machine wants to be asked */
    struct loop_timer end_timer;
    int64_t timer_ms; /* what it is armed for; INT64_MAX: not */
    char *url;        /* owned */
    char body[80];
    void (*on_end)(void *arg); /* NULL: not ending */
    void *on_end_arg;
};

static void step(struct protection_agent *agent);

/* ---- the end ---- */

static void end_now(void *arg)
{
    struct protection_agent *agent = arg;
    void (*fn)(void *) = agent->on_end;
    agent->on_end = NULL;
    loop_timer_cancel(&agent->end_timer);
    if (agent->exchange != NULL)
        http_cancel(agent->exchange);
    agent->exchange = NULL;
    if (fn != NULL)
        fn(agent->on_end_arg);
}

/* ---- one call ---- */

/* Of a row of misses the first and then ever fewer. */
static bool is_worth_saying(int misses)
{
    return (misses & (misses - 1)) == 0;
}

static void say(const struct protection *p, enum protection_outcome outcome, int before, const char *reason)
{
    bool protects = p->asked == PROTECTION_PROTECT;
    if (outcome == PROTECTION_DONE) {
        LOG(before > 0 ? LOG_INFO : LOG_DEBUG, protects ? "task protected" : "task protection released",
            LOG_INT("misses_before", before));
        return;
    }
    if (p->misses == before || !is_worth_saying(p->misses))
        return; /* tried again, or said often enough */
    /* ECS has no protection to take back from a task that it stops: no news. */
    LOG(!protects && outcome == PROTECTION_REFUSED ? LOG_DEBUG : LOG_WARNING,
        !protects                       ? "task protection not released, it ends by itself"
        : outcome == PROTECTION_REFUSED ? "ECS refuses task protection: work goes on, TERM may come"
                                        : "no task protection: work goes on, TERM may come",
        LOG_STR("reason", reason), LOG_INT("in_a_row", p->misses));
}

static void on_reply(void *arg, struct http_reply *reply)
{
    struct protection_agent *agent = arg;
    char reason[128];
    bool wanted = agent->state.asked == PROTECTION_PROTECT;
    int before = agent->state.misses;
    enum protection_outcome outcome = PROTECTION_FAILED;
    agent->exchange = NULL;
    if (reply->status == 0)
        (void)snprintf(reason, sizeof reason, "%s", reply->failure);
    else
        outcome = protection_read_reply(reply->status, reply->body.data, reply->body.len, wanted, reason,
                                        sizeof reason);
    protection_on_reply(&agent->state, outcome, clock_product_ms());
    say(&agent->state, outcome, before, reason);
    if (agent->on_end != NULL)
        end_now(agent);
    else
        step(agent);
}

static void send_put(struct protection_agent *agent, enum protection_ask ask)
{
    static const char *const HEADERS[] = {"Content-Type: application/json"};
    if (ask == PROTECTION_PROTECT)
        (void)snprintf(agent->body, sizeof agent->body,
                       "{\"ProtectionEnabled\":true,\"ExpiresInMinutes\":%d}", agent->state.minutes);
    else
        (void)snprintf(agent->body, sizeof agent->body, "{\"ProtectionEnabled\":false}");
    struct http_call put = {.method = HTTP_PUT,
                            .url = agent->url,
                            .headers = HEADERS,
                            .header_count = 1,
                            .body = agent->body,
                            .body_len = strlen(agent->body),
                            .timeout_ms = PROTECTION_TIMEOUT_MS};
    agent->exchange = http_start(agent->http, &put, on_reply, agent);
}

/* Sends what is due and waits for the rest. */
static void step(struct protection_agent *agent)
{
    int64_t now_ms = clock_product_ms();
    enum protection_ask ask = protection_next(&agent->state, now_ms);
    if (ask != PROTECTION_NOTHING)
        send_put(agent, ask);
    int64_t due_ms = protection_due_ms(&agent->state, now_ms);
    if (due_ms == agent->timer_ms)
        return;
    agent->timer_ms = due_ms;
    if (due_ms == INT64_MAX)
        loop_timer_cancel(&agent->timer);
    else
        loop_timer_arm_product_ms(&agent->timer, due_ms - now_ms);
}

static void on_timer(void *arg)
{
    struct protection_agent *agent = arg;
    agent->timer_ms = INT64_MAX;
    step(agent);
}

/* ---- the interface ---- */

struct protection_agent *protection_agent_new(struct event_base *base, const char *agent_uri, int minutes,
                                              struct err *err)
{
    struct aws_url url;
    char shown[128];
    if (aws_url_parse(agent_uri, &url, err) != 0) {
        (void)err_prefix(err, "ECS_AGENT_URI");
        return NULL;
    }
    if (url.https || (!aws_url_host_is_loopback(&url) && !aws_url_host_is_link_local(&url))) {
        (void)err_set(err, "ECS_AGENT_URI=%s: want http to a loopback or link-local host, as ECS sets it",
                      aws_url_without_userinfo(agent_uri, shown, sizeof shown));
        return NULL;
    }
    struct protection_agent *agent = xcalloc(1, sizeof *agent);
    struct strbuf text = STRBUF_INIT;
    size_t len = strlen(agent_uri);
    while (len > 0 && agent_uri[len - 1] == '/')
        len--;
    strbuf_append(&text, agent_uri, len);
    strbuf_append_str(&text, PATH);
    agent->url = strbuf_take(&text);
    struct http_client_options options = {.base = base,
                                          .max_connections = 1,
                                          .connect_timeout_ms = PROTECTION_CONNECT_MS,
                                          .user_agent = "sluice-worker/" SLUICE_VERSION};
    agent->http = http_client_new(&options);
    agent->timer_ms = INT64_MAX;
    loop_timer_init(&agent->timer, base, on_timer, agent);
    loop_timer_init(&agent->end_timer, base, end_now, agent);
    protection_init(&agent->state, minutes, clock_product_ms());
    return agent;
}

void protection_agent_set_busy(struct protection_agent *agent, bool busy)
{
    if (busy == agent->state.busy || agent->on_end != NULL)
        return;
    protection_set_busy(&agent->state, busy, clock_product_ms());
    step(agent);
}

void protection_agent_drain(struct protection_agent *agent)
{
    if (agent->state.draining)
        return;
    protection_drain(&agent->state);
    step(agent);
}

bool protection_agent_end(struct protection_agent *agent, void (*fn)(void *arg), void *arg)
{
    loop_timer_cancel(&agent->timer);
    if (agent->exchange != NULL)
        http_cancel(agent->exchange);
    agent->exchange = NULL;
    if (!protection_end(&agent->state, clock_product_ms()))
        return false;
    agent->on_end = fn;
    agent->on_end_arg = arg;
    loop_timer_arm_real_ms(&agent->end_timer, PROTECTION_END_MS);
    send_put(agent, PROTECTION_RELEASE);
    return true;
}

const struct protection *protection_agent_state(const struct protection_agent *agent)
{
    return &agent->state;
}

bool protection_agent_is_on(const struct protection_agent *agent)
{
    return protection_is_on(&agent->state, clock_product_ms());
}

void protection_agent_destroy(struct protection_agent *agent)
{
    if (agent == NULL)
        return;
    http_client_destroy(agent->http);
    loop_timer_clean_up(&agent->timer);
    loop_timer_clean_up(&agent->end_timer);
    free(agent->url);
    free(agent);
}
