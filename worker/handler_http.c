/*
 * The http handler: posts each message to a web application, as AWS Elastic Beanstalk's worker daemon does.
 * A thread that has a message takes the connection that was used last, so that there are about as many
 * connections as requests at once. Heads: http_head.c; connections: http_slot.c; verdicts: http_answer.c.
 */
#include "worker/handlers.h"

#include "aws/client.h"
#include "aws/endpoint.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/exitcode.h"
#include "base/version.h"
#include "worker/http_answer.h"
#include "worker/http_head.h"
#include "worker/http_slot.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_PAUSE_MS = 100, CONNECT_FLOOR_REAL_MS = 1000 };

static const char USER_AGENT[] = "aws-sqsd/2.0 (sluice-worker/" SLUICE_VERSION ")";

struct http_options {
    char *url;
    char *unix_socket;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t connections;
    char *content_type;
    char *error_visibility;
    char *reject;
    char *ca_file;
    char *proxy;
    bool task_paths;
};

#define AT(field) offsetof(struct http_options, field)

static const struct option_row OPTIONS[] = {
    {"http_url", OPTION_STRING, AT(url), "http://127.0.0.1/", 0, 0, NULL, "URL",
     "where messages are posted to; may hold user name and password for Basic authentication"},
    {"http_unix_socket", OPTION_STRING, AT(unix_socket), NULL, 0, 0, NULL, "PATH",
     "connect to this socket instead of the URL's host"},
    {"http_timeout", OPTION_DURATION, AT(timeout_ms), "30s", 1, 43200000, NULL, "TIME",
     "for a request, until the reply is complete"},
    {"http_connect_timeout", OPTION_DURATION, AT(connect_timeout_ms), "5s", 1, 3600000, NULL, "TIME",
     "to get a connection, tried again while it is refused; never below 1 real second"},
    {"http_connections", OPTION_INT, AT(connections), "0", 0, 10000, NULL, "N",
     "requests at once at most, 0 for as many as there are threads"},
    {"http_content_type", OPTION_STRING, AT(content_type), "application/json", 0, 0, NULL, "TYPE",
     "Content-Type of the requests"},
    {"http_error_visibility", OPTION_STRING, AT(error_visibility), NULL, 0, 0, NULL, "TIME",
     "when a failed message is visible again, whole seconds up to 12h, else by --retry-delays"},
    {"http_reject", OPTION_STRING, AT(reject), NULL, 0, 0, NULL, "LIST",
     "statuses that mean a message can never be handled, such as 400,422"},
    {"http_ca_file", OPTION_STRING, AT(ca_file), NULL, 0, 0, NULL, "FILE",
     "certificates to trust for https, else the system's"},
    {"http_proxy", OPTION_STRING, AT(proxy), NULL, 0, 0, NULL, "URL",
     "proxy to use; without it those of the environment, and none for loopback"},
    {"http_task_paths", OPTION_BOOL, AT(task_paths), "true", 0, 0, NULL, NULL,
     "post to the path in a message's attribute beanstalk.sqsd.path"},
    OPTION_END,
};

/* Command lines are seen by everybody on the host, environments are not: for URLs with a password. */
static const struct option_row ENVIRONMENT[] = {
    {"sluice_http_url", OPTION_STRING, AT(url), NULL, 0, 0, NULL, "URL", "see --http-url"},
    {"sluice_http_proxy", OPTION_STRING, AT(proxy), NULL, 0, 0, NULL, "URL", "see --http-proxy"},
    OPTION_END,
};

/* A slot with what a request needs around it. */
struct lane {
    struct http_slot *slot;
    struct http_head head;
    struct strbuf url;
    struct lane *next; /* in http->idle */
};

struct http {
    const struct http_options *options; /* not owned */
    struct http_target target;
    struct http_policy policy;
    struct http_slot_options slot_options;
    struct aws_queue_url queue;
    struct http_head_facts facts;
    pthread_mutex_t lock;
    struct lane *idle; /* stack, under lock */
};

/* ---- options ---- */

/* Seconds; -1: not given. */
static int parse_error_visibility(const char *text, int64_t *ret_s, struct err *err)
{
    int64_t ms = 0;
    *ret_s = -1;
    if (text == NULL)
        return 0;
    if (duration_parse(text, &ms) != 0 || ms % 1000 != 0 || ms > 43200000)
        return err_set(err, "--http-error-visibility %.32s: want whole seconds from 0s to 12h, such as 2s",
                       text);
    *ret_s = ms / 1000;
    return 0;
}

/* What a file must be for, told before the first message needs it. */
static int check_paths(const struct http_options *options, struct err *err)
{
    const char *path = options->unix_socket;
    if (path != NULL && (path[0] == '\0' || strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path))
        return err_set(err, "--http-unix-socket %.120s: want a path of 1 to %zu bytes", path,
                       sizeof((struct sockaddr_un *)NULL)->sun_path - 1);
    if (options->ca_file != NULL && access(options->ca_file, R_OK) != 0)
        return err_set(err, "--http-ca-file %.200s: %m", options->ca_file);
    return 0;
}

static int parse_options(const struct http_options *options, struct http_target *target,
                         struct http_policy *policy, struct err *err)
{
    if (http_target_parse(options->url, target, err) != 0)
        return err_prefix(err, "--http-url");
    if (options->reject != NULL && http_policy_parse_rejects(options->reject, policy, err) != 0) {
        http_target_clean_up(target);
        return err_prefix(err, "--http-reject");
    }
    if (parse_error_visibility(options->error_visibility, &policy->error_visibility_s, err) == 0 &&
        check_paths(options, err) == 0)
        return 0;
    http_target_clean_up(target);
    return -1;
}

static int http_check(const void *options, const char *const *arguments, size_t argument_count,
                      struct err *err)
{
    const struct http_options *http = options;
    const char *type = http->content_type;
    struct http_target target;
    struct http_policy policy = {.error_visibility_s = -1};
    (void)arguments;
    (void)argument_count;
    if (type[0] == '\0' || strlen(type) > HTTP_HEAD_VALUE_MAX || !http_header_value_ok(type, strlen(type)))
        return err_set(err, "--http-content-type: want a MIME type such as application/json");
    if (parse_options(http, &target, &policy, err) != 0)
        return -1;
    bool loopback = http->unix_socket != NULL || aws_url_is_loopback(target.url);
    http_target_clean_up(&target);
    if (clock_scale() != 1 && !loopback)
        return err_set(err, "--http-url: SLUICE_TIME_SCALE is for loopback applications only");
    return 0;
}

/* ---- connections ---- */

static int64_t real_ms(int64_t product_ms)
{
    return (clock_real_us_of_product_ms(product_ms) + 999) / 1000;
}

static struct lane *take_lane(struct http *http)
{
    (void)pthread_mutex_lock(&http->lock);
    struct lane *lane = http->idle;
    if (lane != NULL)
        http->idle = lane->next;
    (void)pthread_mutex_unlock(&http->lock);
    if (lane != NULL)
        return lane;
    lane = xcalloc(1, sizeof *lane);
    lane->slot = http_slot_new(&http->slot_options);
    return lane;
}

static void give_back(struct http *http, struct lane *lane)
{
    (void)pthread_mutex_lock(&http->lock);
    lane->next = http->idle;
    http->idle = lane;
    (void)pthread_mutex_unlock(&http->lock);
}

static void destroy_lane(struct lane *lane)
{
    http_slot_destroy(lane->slot);
    http_head_clean_up(&lane->head);
    strbuf_clean_up(&lane->url);
    free(lane);
}

/* ---- the handler ---- */

static void set_slot_options(struct http *http)
{
    const struct http_options *options = http->options;
    int64_t connect_ms = real_ms(options->connect_timeout_ms);
    bool direct = options->unix_socket != NULL || aws_url_is_loopback(http->target.url);
    http->slot_options = (struct http_slot_options){
        .target = &http->target,
        .user_agent = USER_AGENT,
        .unix_socket = options->unix_socket,
        .ca_file = options->ca_file,
        .proxy = options->proxy != NULL ? options->proxy
                 : direct               ? ""
                                        : NULL,
        .timeout_ms = real_ms(options->timeout_ms),
        .connect_timeout_ms = connect_ms < CONNECT_FLOOR_REAL_MS ? CONNECT_FLOOR_REAL_MS : connect_ms,
        .connect_pause_ms = real_ms(CONNECT_PAUSE_MS),
    };
}

static void *http_open(const void *options, const struct sluice_host *host, struct err *err)
{
    struct http *http = xcalloc(1, sizeof *http);
    http->options = options;
    http->policy.error_visibility_s = -1;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    if (parse_options(options, &http->target, &http->policy, err) != 0) {
        free(http);
        return NULL;
    }
    if (aws_queue_url_parse(host->queue_url, &http->queue, err) != 0) {
        http_target_clean_up(&http->target);
        free(http);
        return NULL;
    }
    http->facts =
        (struct http_head_facts){.content_type = http->options->content_type, .queue_name = http->queue.name};
    set_slot_options(http);
    (void)pthread_mutex_init(&http->lock, NULL);
    return http;
}

static int64_t http_limit(const void *instance)
{
    const struct http *http = instance;
    return http->options->connections;
}

static enum sluice_verdict fail(const struct http *http, const struct sluice_context *context,
                                enum sluice_verdict verdict, const char *reason)
{
    context->set_reason(context, reason);
    if (http->policy.error_visibility_s >= 0)
        context->set_retry_delay(context, http->policy.error_visibility_s);
    return verdict;
}

static enum sluice_verdict judge(const struct http *http, const struct sluice_context *context,
                                 const struct http_result *result)
{
    struct http_judgement judgement;
    http_judge(&http->policy, result->status, result->answer, clock_wall_ms(), &judgement);
    if (judgement.verdict == SLUICE_DONE)
        return SLUICE_DONE;
    context->set_status(context, result->status);
    context->set_reason(context, judgement.reason);
    if (judgement.delay_s >= 0)
        context->set_retry_delay(context, judgement.delay_s);
    return judgement.verdict;
}

static enum sluice_verdict post(struct http *http, struct lane *lane, const struct sluice_message *message,
                                const struct sluice_context *context)
{
    struct err err;
    struct http_result result;
    if (http_target_route(&http->target, http->options->task_paths, message, &lane->url, &err) != 0)
        return fail(http, context, SLUICE_REJECT, err.text);
    http_slot_post(lane->slot, strbuf_str(&lane->url), http_head_build(&lane->head, &http->facts, message),
                   message->body, http_body_len(message), context, &result);
    switch (result.end) {
    case HTTP_END_ANSWERED:
        return judge(http, context, &result);
    case HTTP_END_UNSENT:
        return fail(http, context, SLUICE_RETRY, result.problem);
    case HTTP_END_LOST:
        return fail(http, context, SLUICE_FAILED, result.problem);
    case HTTP_END_CANCELLED:
        break;
    }
    return SLUICE_FAILED;
}

static enum sluice_verdict http_handle(void *instance, const struct sluice_message *message,
                                       const struct sluice_context *context)
{
    struct http *http = instance;
    struct lane *lane = take_lane(http);
    enum sluice_verdict verdict = post(http, lane, message, context);
    give_back(http, lane);
    return verdict;
}

static void http_close(void *instance)
{
    struct http *http = instance;
    while (http->idle != NULL) {
        struct lane *lane = http->idle;
        http->idle = lane->next;
        destroy_lane(lane);
    }
    (void)pthread_mutex_destroy(&http->lock);
    http_target_clean_up(&http->target);
    free(http);
}

const struct handler HANDLER_HTTP = {
    .flags = SLUICE_WANTS_ATTRIBUTES | SLUICE_WANTS_ORIGIN,
    .name = "http",
    .help = "posts messages to a web application, as AWS Elastic Beanstalk's worker daemon does",
    .options = OPTIONS,
    .environment = ENVIRONMENT,
    .options_size = sizeof(struct http_options),
    .check = http_check,
    .open = http_open,
    .limit = http_limit,
    .handle = http_handle,
    .close = http_close,
    .open_exit_code = EXIT_CODE_CONFIG,
};
