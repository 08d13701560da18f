/* Instance metadata, version 2; see imds.h. */
#include "aws/imds.h"

#include "aws/endpoint.h"
#include "base/alloc.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TOKEN_BYTES_MAX = 1024 };

struct imds_call {
    struct http_client *http;
    char *endpoint; /* owned, as the following */
    char *url;
    char *token_url;
    char token_line[sizeof "X-aws-ec2-metadata-token: " + TOKEN_BYTES_MAX];
    struct http_exchange *exchange;
    bool renewed; /* a token was refused before */
    imds_fn *fn;
    void *arg;
};

static const char *setting(const struct aws_profiles *profiles, const char *variable, const char *key)
{
    const char *value = getenv(variable);
    if (value != NULL && value[0] != '\0')
        return value;
    return profiles != NULL ? aws_profiles_get(profiles, aws_profiles_current_name(), key) : NULL;
}

int imds_endpoint(const struct aws_profiles *profiles, struct strbuf *out, struct err *err)
{
    const char *url = setting(profiles, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    const char *mode =
        setting(profiles, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
    struct aws_url parsed;
    bool v6 = mode != NULL && strcasecmp(mode, "IPv6") == 0;
    if (mode != NULL && !v6 && strcasecmp(mode, "IPv4") != 0)
        return err_set(err, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=%.40s: want IPv4 or IPv6", mode);
    if (url == NULL)
        url = v6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    if (aws_url_parse(url, &parsed, err) != 0)
        return err_prefix(err, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    strbuf_append(out, url, len);
    return 0;
}

static void call_free(struct imds_call *call)
{
    explicit_bzero(call->token_line, sizeof call->token_line);
    free(call->endpoint);
    free(call->url);
    free(call->token_url);
    free(call);
}

static void finish(struct imds_call *call, int status, struct strbuf *body, const struct err *err)
{
    imds_fn *fn = call->fn;
    void *arg = call->arg;
    call_free(call);
    fn(arg, status, body, err);
}

static void ask_token(struct imds_call *call);

static void fail(struct imds_call *call, const char *step, const struct http_reply *reply)
{
    struct err err;
    if (reply->status != 0)
        (void)err_set(&err, "%s answered HTTP %d", step, reply->status);
    else
        (void)err_set(&err, "%s: %s: %.120s", step, reply->failure, reply->detail);
    finish(call, reply->status, NULL, &err);
}

/* Connected, but no answer: packets that answer the PUT may travel fewer hops than a container is away. */
static void fail_token(struct imds_call *call, const struct http_reply *reply)
{
    struct err err;
    if (reply->status == 0 && strcmp(reply->failure, "Timeout") == 0)
        (void)err_set(&err,
                      "PUT of a token to %.60s hangs: in a container the instance needs a hop limit of "
                      "2 or more (http-put-response-hop-limit)",
                      call->endpoint);
    else if (reply->status == 0)
        (void)err_set(&err, "%.60s cannot be reached (%s): not on EC2, or blocked", call->endpoint,
                      reply->failure);
    else if (reply->status == 403)
        (void)err_set(&err, "%.60s is turned off for this instance (HTTP 403)", call->endpoint);
    else if (reply->status == 404 || reply->status == 405)
        (void)err_set(&err, "%.60s has no IMDSv2 (HTTP %d), and version 1 is not used", call->endpoint,
                      reply->status);
    else
        (void)err_set(&err, "PUT of a token to %.60s answered HTTP %d", call->endpoint, reply->status);
    finish(call, 0, NULL, &err);
}

static void on_data(void *arg, struct http_reply *reply)
{
    struct imds_call *call = arg;
    call->exchange = NULL;
    if (reply->status == 401 && !call->renewed) {
        call->renewed = true;
        ask_token(call);
        return;
    }
    if (reply->status != 200) {
        fail(call, "GET of metadata", reply);
        return;
    }
    finish(call, 200, &reply->body, NULL);
    if (reply->body.data != NULL)
        explicit_bzero(reply->body.data, reply->body.len);
}

static bool is_token(const struct strbuf *text)
{
    if (text->len == 0 || text->len > TOKEN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text->len; i++)
        if ((unsigned char)text->data[i] < 0x21 || (unsigned char)text->data[i] > 0x7e)
            return false;
    return true;
}

static void on_token(void *arg, struct http_reply *reply)
{
    struct imds_call *call = arg;
    struct err err;
    call->exchange = NULL;
    if (reply->status != 200) {
        fail_token(call, reply);
        return;
    }
    if (!is_token(&reply->body)) {
        (void)err_set(&err, "PUT of a token to %.60s brought no token", call->endpoint);
        finish(call, 0, NULL, &err);
        return;
    }
    (void)snprintf(call->token_line, sizeof call->token_line, "X-aws-ec2-metadata-token: %s",
                   strbuf_str(&reply->body));
    explicit_bzero(reply->body.data, reply->body.len);
    const char *headers[] = {"Accept: */*", call->token_line};
    call->exchange = http_start(call->http,
                                &(struct http_call){.method = HTTP_GET,
                                                    .url = call->url,
                                                    .headers = headers,
                                                    .header_count = 2,
                                                    .timeout_ms = IMDS_TIMEOUT_MS,
                                                    .reply_bytes_max = IMDS_REPLY_BYTES_MAX},
                                on_data, call);
}

static void ask_token(struct imds_call *call)
{
    static const char *const HEADERS[] = {"X-aws-ec2-metadata-token-ttl-seconds: 21600",
                                          "Content-Type:", "Expect:"};
    call->exchange = http_start(call->http,
                                &(struct http_call){.method = HTTP_PUT,
                                                    .url = call->token_url,
                                                    .headers = HEADERS,
                                                    .header_count = 3,
                                                    .timeout_ms = IMDS_TIMEOUT_MS,
                                                    .reply_bytes_max = IMDS_REPLY_BYTES_MAX},
                                on_token, call);
}

static char *join(const char *a, const char *b)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_appendf(&text, "%s%s", a, b);
    return strbuf_take(&text);
}

struct imds_call *imds_get(struct http_client *http, const char *endpoint, const char *path, imds_fn *fn,
                           void *arg)
{
    struct imds_call *call = xcalloc(1, sizeof *call);
    call->http = http;
    call->endpoint = xstrdup(endpoint);
    call->url = join(endpoint, path);
    call->token_url = join(endpoint, "/latest/api/token");
    call->fn = fn;
    call->arg = arg;
    ask_token(call);
    return call;
}

void imds_cancel(struct imds_call *call)
{
    if (call->exchange != NULL)
        http_cancel(call->exchange);
    call_free(call);
}
